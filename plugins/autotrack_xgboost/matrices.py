"""`DMatrix`: what it was made of, told to each training that uses it."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

from autotrack import Call, Strand
from autotrack.plugin_api import artifact, data_held, data_source, note_of, remember

Observation = Generator[None, Any, None]

SHARE = 0.01
"""Of the time that a matrix takes to be made, for a second look at large data."""
PUT = {"set_label": "labels", "set_weight": "weights"}


class File:
    """What a matrix was read from."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def used(self, strand: Strand, role: str, container: Any) -> None:
        if self._path not in strand.memo.setdefault("xgboost files", set()):
            strand.memo["xgboost files"].add(self._path)
            data_held(strand, role, kind_of(container), {}, [self._path])

    @property
    def id(self) -> None:
        return None


def observe_matrix(call: Call) -> Observation:
    matrix, data = call.instance, call.get("data")
    if isinstance(data, (str, os.PathLike)):
        path = os.fspath(data).partition("?")[0].partition("#")[0].removeprefix("file://")
        yield
        remember(matrix, None, note=File(os.path.abspath(path)))
        artifact(path, "read")
        return
    if data is None or hasattr(data, "get_callbacks") or type(data).__module__ == "ctypes":
        return
    shape = getattr(data, "shape", None)
    if isinstance(shape, tuple) and shape[:1] == (1,):  # made in a hurry, to be predicted for
        return
    source = data_source(data, argument(call, "label"), argument(call, "weight"))
    yield
    if source is not None:
        source.settle(SHARE * call.seconds)
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
    source = note_of(matrix)
    if hasattr(source, "used"):
        source.used(strand, role, matrix)
        return
    made = hasattr(matrix, "handle")
    rows = int(matrix.num_row()) if made else None
    strand.data_seen(role, kind_of(matrix), rows=rows, why="" if made else "it is no matrix of XGBoost's")


def kind_of(matrix: Any) -> str:
    kind = type(matrix)
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


def argument(call: Call, name: str, default: Any = None) -> Any:
    """An argument of a function of XGBoost's, which takes those by position that are named after a `*`, too."""
    given = call.get(name, default)
    if given is not default:
        return given
    import inspect

    names = list(inspect.signature(call.function).parameters)
    at = names.index(name) if name in names else len(call.args)
    return call.args[at] if at < len(call.args) else default
