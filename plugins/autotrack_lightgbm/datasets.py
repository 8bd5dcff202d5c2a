"""`Dataset`: what it is made of, told to each training that uses it.

A data set takes its data over when it is constructed, which mostly is as a training begins: it is described then.
"""

from __future__ import annotations

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
        if data is None or (isinstance(data, list) and data and not hasattr(data[0], "shape")):
            return None
        source = containers.file_of(data)
        if source is None:
            others = {name: held[name] for name in OTHERS if held.get(name) is not None}
            source = data_source(data, held.get("label"), held.get("weight"), **others)
            if source is not None:
                source.settings = _settings(held)
    if source is not None:
        remember(dataset, None, note=source)
    return source


def observe_construct(call: Call) -> Observation:
    source: Any = describe(call.instance) if call.instance.__dict__.get("_handle") is None else None
    try:
        yield
    finally:
        if hasattr(source, "settle"):
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
