"""The points of a curve as they are drawn: no more of them than are seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy

if TYPE_CHECKING:
    from autotrack.store.query import Store

Array = numpy.ndarray[Any, Any]
Points = dict[str, tuple[Array, Array, Array]]
"""Name of a metric to steps (int64), times (seconds since the epoch) and values (float64), in the order written."""


def points(store: Store, run: dict[str, Any], names: Sequence[str], *, log: bool, whole: bool = False) -> Points:
    """Of long series enough to draw them, unless the `whole` is asked for: a preview has the least value of a stretch,
    not the least above 0, and of points of one step not how many were before them.  `run`: as `Store.run` has it."""
    preview = [name for name in names if not whole and name in run["metrics"] and _tells(run["metrics"][name], log)]
    found = _read(store, run["id"], preview, preview=True)
    return found | _read(store, run["id"], [name for name in names if name not in preview], preview=False)


def of_system(store: Store, job: dict[str, Any]) -> Points:
    """The samples of the system that a job took, which is as `Store.job` has it: those that a drawing needs."""
    return _read(store, job["id"], list(job["system"]), preview=True)


def _tells(metric: dict[str, Any], log: bool) -> bool:
    one_step = metric["first_step"] == metric["last_step"]
    return not one_step and not (log and (metric["min"] is None or metric["min"] <= 0))


def _read(store: Store, run: str, names: Sequence[str], *, preview: bool) -> Points:
    parts: dict[str, list[Any]] = defaultdict(list)
    for name, *columns in store.points(run, names, preview=preview) if names else ():
        parts[name].append(columns)
    joined = {name: [numpy.concatenate(column) for column in zip(*found, strict=True)] for name, found in parts.items()}
    return {name: (steps, times, values) for name, (steps, times, values) in joined.items()}
