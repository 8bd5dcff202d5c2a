"""The samples of the system that a job took while it ran: series of the job itself."""

from __future__ import annotations

import math
import struct
from bisect import bisect_left, bisect_right
from typing import Any

from autotrack.store.database import Database
from autotrack.store.present import presented

Key = tuple[str, str, int]


def series(database: Database, job: str) -> list[tuple[str, Key]]:
    """Name and key of each series of the job itself, in the order they were written."""
    sql = "SELECT name, job, segment, series FROM series WHERE strand = ? AND count > 0 ORDER BY segment, series"
    return [(presented(name), tuple(key)) for name, *key in database.rows(sql, (job,))]


def summary(
    database: Database, job: str, begin: float = -math.inf, end: float = math.inf
) -> dict[str, dict[str, float | int]]:
    """Name to `{last, min, max, mean, count}` of the finite values that were taken from one moment to another."""
    found: dict[str, _Summary] = {}
    for name, key in series(database, job):
        found.setdefault(name, _Summary()).add(database, key, max(begin, -1e300), min(end, 1e300))
    return {name: summary.told() for name, summary in sorted(found.items()) if summary.count}


class _Summary:
    """Of chunks that lie within the time what is known of them, of those at its ends what they hold: a program that has
    run for months has millions of samples."""

    def __init__(self) -> None:
        self.count = 0
        self._last, self._low, self._high = math.nan, math.inf, -math.inf
        self._totals: list[float] = []

    def add(self, database: Database, key: Key, begin: float, end: float) -> None:
        overlapping = "job = ? AND segment = ? AND series = ? AND last_time >= ? AND first_time <= ?"
        known = "part, first_time, last_time, low, high, finite, total"
        rows = database.rows(f"SELECT {known} FROM chunks WHERE {overlapping} ORDER BY part DESC", (*key, begin, end))
        last: float | None = None
        for part, first_time, last_time, low, high, finite, total in rows:
            if (
                last is not None
                and begin <= first_time
                and last_time <= end
                and total is not None
                and math.isfinite(total)
            ):
                if finite:
                    self._take(finite, low, high, total)
                continue
            values = _values(database, (*key, part), begin, end)
            if values:
                self._take(len(values), min(values), max(values), sum(values))
                last = values[-1] if last is None else last
        self._last = self._last if last is None else last

    def _take(self, count: int, low: float, high: float, total: float) -> None:
        self.count += count
        self._low, self._high = min(self._low, low), max(self._high, high)
        self._totals.append(total)

    def told(self) -> dict[str, float | int]:
        mean = min(self._high, max(self._low, sum(self._totals) / self.count))  # also where the sum is no number
        return {"last": self._last, "min": self._low, "max": self._high, "mean": mean, "count": self.count}


def _values(database: Database, chunk: tuple[Any, ...], begin: float, end: float) -> list[float]:
    """The finite values of a chunk that were taken from one moment to another."""
    sql = "SELECT times, points FROM chunks WHERE job = ? AND segment = ? AND series = ? AND part = ?"
    ((times, points),) = database.rows(sql, chunk)
    moments = _floats(times)
    first, last = bisect_left(moments, begin), bisect_right(moments, end)
    return [value for value in _floats(points)[first:last] if math.isfinite(value)]


def _floats(column: Any) -> tuple[float, ...]:
    """A packed column, without numpy, whose import takes longer."""
    data = bytes(column)
    return struct.unpack(f"<{len(data) // 8}d", data)
