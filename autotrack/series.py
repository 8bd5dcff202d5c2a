"""Series: the points of one metric, and the hot path of all that is recorded."""

from __future__ import annotations

import operator
import struct
import time
from typing import TYPE_CHECKING, Any, Protocol

from autotrack import events
from autotrack.journal.points import closed_window, pack_record, tail
from autotrack.ranks import name_in
from autotrack.values import storable

if TYPE_CHECKING:
    from autotrack.job import Job
    from autotrack.journal.points import Window

_now = time.time


class Owner(Protocol):
    """Whose points they are: a strand's, or those of a job as a whole, under its own id."""

    id: str
    job: Job


class Series:
    """The points of one metric.  `record(step, value)` is the hot path; keep it in a variable:

        record = strand.series("train/loss").record

    (Calling a method takes half the time of calling an object that has `__call__`.)
    """

    __slots__ = ("_origin", "_points", "_strand", "_tail", "name", "next_step")

    def __init__(self, strand: Owner, name: str, origin: str) -> None:
        self.name = name
        self.next_step = 0
        """For those who count points rather than steps: set and read by them alone."""
        self._strand = strand
        self._origin = origin
        self._points: Any = _Unbound
        self._tail = 0.0

    def gap(self, what: str, why: str) -> None:
        """Some of its points are missing."""
        gap = getattr(self._strand, "gap", None)
        if gap is not None:
            gap(what, why)

    def record_at(self, step: int, value: float, when: float) -> None:
        """Add a point of an earlier time, in seconds since the epoch; otherwise as `record`, and slower."""
        try:
            buffer, offsets = self._points.window
            pack_record(buffer, next(offsets), value, when, step, self._tail)
        except (struct.error, ValueError, TypeError):
            self._record_slowly(step, value, when)

    def record(self, step: int, value: float) -> None:
        """Add a point: the value (any real number, nan and inf too) at a step (an integer of 64 bits).

        Durable when it returns: a kill of the process does not lose it.  Raises TypeError or ValueError for
        what is no number.
        """
        try:
            buffer, offsets = self._points.window
            pack_record(buffer, next(offsets), value, _now(), step, self._tail)
        except (struct.error, ValueError, TypeError):
            self._record_slowly(step, value)

    def parts(self) -> tuple[Any, float]:
        """What `record` is made of, for a place that is reached on every step, where each call counts:

            buffer, offsets = points.window
            pack_record(buffer, next(offsets), value, time.time(), step, tail)

        which raises `struct.error` or ValueError where `record` must be called instead.
        """
        self._bind(self._strand.job)
        return self._points, self._tail

    def _record_slowly(self, step: int, value: float, when: float | None = None) -> None:
        """The window is full, not there yet, or left behind in the parent of a fork; or the point is bad."""
        value, step = float(value), operator.index(step)
        if not -(2**63) <= step < 2**63:
            raise ValueError(f"step {step} of {self.name!r} does not fit into 64 bits")
        job = self._strand.job
        while True:
            window = self._bind(job)
            if window is None:
                job.lost += 1
                return
            try:
                buffer, offsets = window
                pack_record(buffer, next(offsets), value, when or _now(), step, self._tail)
                return
            except (struct.error, ValueError):
                if not self._points.advance(window):
                    return

    def _bind(self, job: Job) -> Window | None:
        """The window of this process, after telling its journal of this series."""
        try:
            segment = job.opened()
        except OSError as error:
            job.failed(error)
            return None
        if self._points is not segment.points:
            number, name = segment.next_series(), storable(self.name)
            event = events.SeriesDefined(
                time=_now(),
                series=number,
                strand=self._strand.id,
                name=name_in(job.rank, name),
                origin=self._origin,
            )
            if not job.report(event):
                return None
            self._tail = tail(number)
            self._points = segment.points
        window: Window = self._points.window
        return window


def record_first(series: dict[str, Series], values: dict[str, Any], step: int | None) -> int:
    """Record numbers of Python's by the names of series that are there, and return how many: none where one of them is
    something else, and fewer where the window is full."""
    for name, value in values.items():
        if name not in series or not isinstance(value, (float, int)):
            return 0
    done = 0
    for name, value in values.items():
        known = series[name]
        position = known.next_step if step is None else step
        try:
            buffer, offsets = known._points.window
            pack_record(buffer, next(offsets), value, _now(), position, known._tail)
        except (struct.error, ValueError, OverflowError):
            break
        known.next_step = position + 1
        done += 1
    return done


class _Unbound:
    """Where a series points before its first point: every claim takes the slow path."""

    window = closed_window()
