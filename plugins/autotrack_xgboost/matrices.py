"""`DMatrix`: what it was made of, told to each training that uses it."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from autotrack import Call, Strand
from autotrack.plugin_api import data_source, note_of, remember
from autotrack_boosting import data as containers
from autotrack_xgboost import iterators

Observation = Generator[None, Any, None]

OTHERS = ("base_margin", "group", "qid", "label_lower_bound", "label_upper_bound", "feature_weights")
PUT = {
    "set_label": "labels", "set_weight": "weights", "set_base_margin": "base_margin", "set_group": "group",
    "set_float_info": "", "set_uint_info": "",
}  # fmt: skip
"""What is put by which method; by those without a name, what their first argument says."""
FIELDS = {"label": "labels", "weight": "weights"}
SETTINGS = ("missing", "feature_types", "enable_categorical", "max_bin")


def observe_matrix(call: Call) -> Observation:
    matrix, data = call.instance, call.get("data")
    file = containers.file_of(data)
    if file is not None:
        yield
        remember(matrix, None, note=file)
        return
    if data is None or type(data).__module__ == "ctypes":
        return
    told = {f"DMatrix.{name}": call.given(name) for name in SETTINGS}
    settings = {name: value for name, value in told.items() if value is not None and value is not False}
    if hasattr(data, "get_callbacks"):
        passing = iterators.begin(data)
        try:
            yield
        finally:
            iterators.end(data)
        if passing is not None:
            passing.settings = settings
            remember(matrix, None, note=passing)
        return
    shape = getattr(data, "shape", None)
    if isinstance(shape, tuple) and shape[:1] == (1,):  # made in a hurry, to be predicted for
        return
    others = {name: value for name in OTHERS if (value := call.given(name)) is not None}
    source = data_source(data, call.given("label"), call.given("weight"), **others)
    try:
        yield
    finally:
        if source is not None:
            source.settle(containers.SHARE * call.seconds)
    if source is not None:
        source.settings = settings
        remember(matrix, None, note=source)


def observe_put(call: Call) -> Observation:
    """Labels or weights that are set of a matrix that is there."""
    source, name = note_of(call.instance), call.name.rpartition(".")[2]
    yield
    given = [*call.args, *call.kwargs.values()]
    if hasattr(source, "put") and given:
        field = PUT[name] or FIELDS.get(str(given[0]), str(given[0]))
        source.put(field, given[-1])


def observe_slice(call: Call) -> Observation:
    source = note_of(call.instance)
    part = yield
    if hasattr(source, "part"):
        remember(part, None, note=source.part(call.get("rindex")))


def tell(strand: Strand, role: str, matrix: Any, name: str | None = None) -> None:
    """A training uses a matrix, under a name."""
    made = hasattr(matrix, "handle")
    known = made or hasattr(matrix, "worker_map")
    why = "what it was made of is not known" if known else "it is no matrix of XGBoost's"
    containers.tell(strand, role, matrix, name=name, rows=int(matrix.num_row()) if made else None, why=why)
