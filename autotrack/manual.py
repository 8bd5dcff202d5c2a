"""What the user adds by hand: values, tags, runs of their own."""

from __future__ import annotations

import contextlib
import functools
import operator
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from autotrack import context, events, lifecycle, notebook, shield
from autotrack.extension import compiled
from autotrack.job import Job
from autotrack.series import record_first
from autotrack.strand import Strand


def open_run(job: Job, name: str, tags: Mapping[str, Any]) -> Strand:
    """A run that the user opens; it closes with its block, or with the program."""
    from autotrack.capture.secrets import redact

    outer = context.opened.get()
    name = redact(name) if isinstance(name, str) else name
    strand = Strand(job, framework="", kind="run", name=name, parent=outer.id if outer is not None else None)
    context.began(strand)
    for key, value in tags.items():
        strand.tag(key, value)
    return strand


def log(job: Job, values: Mapping[str, Any], step: int | None) -> None:
    """Numbers as points, the rest as values of the run."""
    strand = here(job)
    job.log_first = job.log_first or _first(job)
    at = None if step is None else operator.index(step)
    other = {}
    for name, value in values.items():
        number = shield.contain("autotrack.log", _number, value)
        if number is None or isinstance(number, shield.Failed):
            other[name] = value
            continue
        series = strand.series(name, origin="user")
        position = series.next_step if at is None else at
        series.next_step = position + 1
        series.record(position, number)
    if other:
        strand.summaries(other)


def log_first(job: Job, values: dict[str, Any], step: int | None) -> int:
    """Log the first of these that take no more than a point each; returns how many.  What is compiled does the same."""
    place = context.opened.get() or context.latest.get() or job.logged
    if type(place) is not Strand or place.job is not job or (step is not None and type(step) is not int):
        return 0
    return record_first(place.all_series, values, step)


def _first(job: Job) -> Callable[[dict[str, Any], int | None], object]:
    """`log_first`, as a function that raises nothing of ours."""
    if compiled is not None:
        return functools.partial(compiled.log_first, context.opened, context.latest, Strand, job)
    return functools.partial(shield.contain, "autotrack.log", log_first, job)


def _number(value: Any) -> float | None:
    """The number that a scalar holds, also one of numpy or a tensor of one element; None for anything else,
    and for one that no float64 holds."""
    if isinstance(value, (str, bytes, list, tuple, dict)) or value is None:
        return None
    try:
        if isinstance(value, (bool, int, float)):
            return float(value)
        if getattr(value, "shape", ()) in ((), (1,)) and hasattr(value, "__float__"):
            item = value.item() if hasattr(value, "item") else value
            return float(item) if not isinstance(item, (str, bytes)) else None
    except (TypeError, ValueError, OverflowError):
        return None
    return None


def tag(job: Job, values: Mapping[str, Any]) -> None:
    place = context.opened.get() or context.latest.get()
    for name, value in lifecycle.values(dict(values)).items():
        job.report(events.Tagged(time=time.time(), strand=place.id if place else None, name=name, value=value))


def here(job: Job) -> Strand:
    """The strand that values logged here belong to: of the open run, of the last one, or of the program."""
    place = context.opened.get() or context.latest.get()
    if isinstance(place, Strand) and place.job is job:
        return place
    with contextlib.suppress(OSError):  # which the strand will meet and count
        job.opened()  # takes long, and a signal handler of the user's may log meanwhile
    for strand in list(job.unfinished.values()):
        if strand.kind == "log":
            break
    else:
        strand = Strand(job, framework="", kind="log", name=_program(job))
        context.began(strand)
    job.logged = strand
    return strand


def _program(job: Job) -> str:
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    return lifecycle.program_name() if main or notebook.name() else job.how
