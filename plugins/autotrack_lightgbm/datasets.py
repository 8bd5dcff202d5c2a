"""`Dataset`: what it is made of, told to each training that uses it.

A data set takes its data over when it is constructed, which mostly is as a training begins: it is described then.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any

from autotrack import Call, Strand
from autotrack.plugin_api import data_source, note_of, remember
from autotrack_boosting import data as containers

Observation = Generator[None, Any, None]

OTHERS = ("group", "init_score", "position")
PUT = {
    "set_label": "labels", "set_weight": "weights", "set_group": "group", "set_init_score": "init_score",
    "set_position": "position", "set_field": "",
}  # fmt: skip
"""What is put by which method; by `set_field`, what its first argument says."""
FIELDS = {"label": "labels", "weight": "weights"}
DEEP = 10
"""Data sets of rows of data sets of rows."""


def describe(dataset: Any) -> Any:
    """What is noted of a data set, described now where it is not yet; None where nothing is known of its data."""
    known = note_of(dataset)
    if hasattr(known, "used"):
        return known
    held = getattr(dataset, "__dict__", {})
    rows, parent = held.get("used_indices"), held.get("reference")
    if rows is not None and parent is not None:
        whole = describe(parent)
        source = whole.part(rows) if hasattr(whole, "part") else None
    else:
        data = held.get("data")
        if _makes_rows(data):
            passing = containers.Passing()
            passing.settings = _settings(held)
            remember(dataset, None, note=passing)
            return passing
        if data is None or (isinstance(data, list) and not all(hasattr(part, "shape") for part in data)):
            return None
        source = containers.file_of(data)
        if source is None:
            others = {name: held[name] for name in OTHERS if held.get(name) is not None}
            source = data_source(data, held.get("label"), held.get("weight"), size=_size(data), **others)
            if source is not None:
                source.settings = _settings(held)
    if source is not None:
        remember(dataset, None, note=source)
    return source


def _size(data: Any) -> tuple[int, int] | None:
    """Rows and columns of a list of matrices."""
    shapes = [part.shape for part in data] if isinstance(data, list) else []
    matrices = bool(shapes) and all(len(shape) == 2 for shape in shapes)
    return (sum(shape[0] for shape in shapes), shapes[0][1]) if matrices else None


def _makes_rows(data: Any) -> bool:
    """Whether rows are read through a `Sequence` of the program's, or several."""
    sequence = sys.modules["lightgbm.basic"].Sequence
    return isinstance(data, sequence) or (
        isinstance(data, list) and bool(data) and all(isinstance(part, sequence) for part in data)
    )


def pushed(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`_push_rows` has put rows into a data set, in their order."""
    dataset, rows = args[0], args[1] if len(args) > 1 else kwargs.get("data")
    passing = note_of(dataset)
    if isinstance(passing, containers.Passing) and not passing.over and rows is not None:
        end, held = dataset._start_row, dataset.__dict__
        beside = {name: _some(held.get(name), end - len(rows), end) for name in ("label", "weight")}
        passing.batch({"data": rows, **beside})


def _some(values: Any, start: int, end: int) -> Any:
    return getattr(values, "iloc", values)[start:end] if values is not None else None


def observe_construct(call: Call) -> Observation:
    source: Any = describe(call.instance) if call.instance.__dict__.get("_handle") is None else None
    try:
        yield
    finally:
        if hasattr(source, "settle"):
            settle(source, call)


def settle(source: Any, call: Call) -> None:
    """The data set is made."""
    if isinstance(source, containers.Passing):
        source.whole = call.exception is None
    source.settle(containers.SHARE * call.seconds)


def observe_put(call: Call) -> Observation:
    """Labels or weights that are set of a data set that is known."""
    source, name = note_of(call.instance), call.name.rpartition(".")[2]
    yield
    given = [*call.args, *call.kwargs.values()]
    if hasattr(source, "put") and given:
        source.put(PUT[name] or FIELDS.get(str(given[0]), str(given[0])), given[-1])


def _settings(held: dict[str, Any]) -> dict[str, Any]:
    """What a data set was told to make of its data."""
    params = held.get("params")
    settings = {f"Dataset.{name}": value for name, value in (params if isinstance(params, dict) else {}).items()}
    categories = held.get("categorical_feature")
    if categories != "auto" and categories is not None:
        settings["Dataset.categorical_feature"] = categories
    return settings


def tell(strand: Strand, role: str, dataset: Any, name: str | None = None) -> Any:
    """A training uses a data set, under a name; returns what is to be settled at its end, if anything."""
    fresh = note_of(dataset) is None
    source = describe(dataset)
    containers.tell(strand, role, dataset, name=name, why="its data was gone, or is read by it alone")
    return source if fresh and hasattr(source, "settle") else None
