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
    found: dict[str, list[float]] = {}
    for name, key in series(database, job):
        sql = (
            "SELECT times, points FROM chunks WHERE job = ? AND segment = ? AND series = ? AND last_time >= ? "
            "AND first_time <= ? ORDER BY part"
        )
        bounds = max(begin, -1e300), min(end, 1e300)
        values = found.setdefault(name, [])
        for times, points in database.rows(sql, (*key, *bounds)):
            moments = _floats(times)
            first, last = bisect_left(moments, begin), bisect_right(moments, end)
            values += filter(math.isfinite, _floats(points)[first:last])
    return {
        name: {
            "last": values[-1],
            "min": min(values),
            "max": max(values),
            "mean": math.fsum(values) / len(values),
            "count": len(values),
        }
        for name, values in sorted(found.items())
        if values
    }


def _floats(column: Any) -> tuple[float, ...]:
    """A packed column, without numpy, whose import takes longer."""
    data = bytes(column)
    return struct.unpack(f"<{len(data) // 8}d", data)
