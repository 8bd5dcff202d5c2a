"""`DMatrix`: what it was made of, told to each training that uses it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from autotrack import Call, Strand
from autotrack.plugin_api import data_source, note_of, remember
from autotrack_boosting import data as containers
from autotrack_boosting.data import argument

Observation = Generator[None, Any, None]

PUT = {"set_label": "labels", "set_weight": "weights"}


def observe_matrix(call: Call) -> Observation:
    matrix, data = call.instance, call.get("data")
    file = containers.file_of(data)
    if file is not None:
        yield
        remember(matrix, None, note=file)
        return
    if data is None or hasattr(data, "get_callbacks") or type(data).__module__ == "ctypes":
        return
    shape = getattr(data, "shape", None)
    if isinstance(shape, tuple) and shape[:1] == (1,):  # made in a hurry, to be predicted for
        return
    source = data_source(data, argument(call, "label"), argument(call, "weight"))
    yield
    if source is not None:
        source.settle(containers.SHARE * call.seconds)
        remember(matrix, None, note=source)


def observe_put(call: Call) -> Observation:
    """Labels or weights that are set of a matrix that is there."""
    source, name = note_of(call.instance), call.name.rpartition(".")[2]
    yield
    if hasattr(source, "put"):
        source.put(PUT[name], call.args[0] if call.args else next(iter(call.kwargs.values())))


def observe_slice(call: Call) -> Observation:
    source = note_of(call.instance)
    part = yield
    if hasattr(source, "part"):
        remember(part, None, note=source.part(call.get("rindex")))


def tell(strand: Strand, role: str, matrix: Any) -> None:
    """A training uses a matrix."""
    made = hasattr(matrix, "handle")
    why = "what it was made of is not known" if made else "it is no matrix of XGBoost's"
    containers.tell(strand, role, matrix, rows=int(matrix.num_row()) if made else None, why=why)
