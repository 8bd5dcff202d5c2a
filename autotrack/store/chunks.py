"""Points in the store: packed into chunks, a column each of steps, times and values, not a row a point.

A full chunk has a preview beside it, of a hundredth of its size, so that a curve of millions of points can be drawn
without reading them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy

from autotrack.store.database import Database

SIZE = 8192
"""Points in a full chunk; the last one of a series is rewritten until it is full."""
SPAN = 256
"""Of so many points in a row a preview has the least, the greatest, the first NaN and the first infinite one."""
LONG = 200_000
"""Points of a series, beyond which its preview is enough to draw it."""
AT_ONCE = 64
"""Chunks that are held in memory while a series is read."""

Array = numpy.ndarray[Any, Any]
Key = tuple[str, str, int]
"""Job, segment and number of a series."""

_TYPES = ("<i8", "<f8", "<f8")
_CHUNK = "count, first_step, last_step, first_time, last_time, low, high, finite, total, preview, steps, times, points"
_COLUMNS = "steps, times, points, count, first_step, last_step"
_OF_SERIES = "job = ? AND segment = ? AND series = ?"
_STATISTICS = "count, low, high, last, last_time, first_step, last_step, nans, infinities"


def append(database: Database, segment: tuple[str, str], records: Array) -> set[str]:
    """Append points of a segment to their series; returns the strands of these."""
    groups = list(_by_series(records))
    known = _known(database, segment, [number for number, _ in groups])
    new_chunks: list[tuple[Any, ...]] = []
    changed: list[tuple[Any, ...]] = []
    strands = set()
    for number, group in groups:
        # A series without a name: the line that names it is damaged.  Its points are kept all the same.
        strand, parts, tail, *before = known.get(number, (None, 0, 0, 0, None, None, None, 0, 0))
        strands.add(strand)
        key = *segment, number
        columns = _columns(group)
        statistics = _statistics(before, *columns)
        if tail:
            parts -= 1
            columns = tuple(numpy.concatenate(pair) for pair in zip(_chunk(database, key, parts), columns, strict=True))
        length = len(columns[0])
        for start in range(0, length, SIZE):
            new_chunks.append((*key, parts, *_packed(*(column[start : start + SIZE] for column in columns))))
            parts += 1
        changed.append((*key, parts, length % SIZE, *statistics))
    database.put("chunks", f"job, segment, series, part, {_CHUNK}", new_chunks, "job, segment, series, part")
    database.put("series", f"job, segment, series, parts, tail, {_STATISTICS}", changed, "job, segment, series")
    return strands - {None}


def _known(database: Database, segment: tuple[str, str], numbers: list[int]) -> dict[int, tuple[Any, ...]]:
    """Number of a series to its strand, parts, tail, and the statistics that grow."""
    found: dict[int, tuple[Any, ...]] = {}
    for start in range(0, len(numbers), 400):
        part = numbers[start : start + 400]
        sql = (
            "SELECT series, strand, parts, tail, count, low, high, first_step, nans, infinities FROM series "
            f"WHERE job = ? AND segment = ? AND series IN ({', '.join('?' * len(part))})"
        )
        found |= {row[0]: row[1:] for row in database.rows(sql, (*segment, *part))}
    return found


def read(database: Database, series: Key) -> Iterator[tuple[Array, Array, Array]]:
    """Steps, times and values of a series of a segment, a chunk at a time, in the order they were written."""
    parts = [part for (part,) in database.rows(f"SELECT part FROM chunks WHERE {_OF_SERIES} ORDER BY part", series)]
    sql = f"SELECT {_COLUMNS} FROM chunks WHERE {_OF_SERIES} AND part BETWEEN ? AND ? ORDER BY part"
    for start in range(0, len(parts), AT_ONCE):
        some = parts[start : start + AT_ONCE]
        for row in database.rows(sql, (*series, some[0], some[-1])):
            yield _unpacked(row)


def preview(database: Database, series: Key) -> Iterator[tuple[Array, Array, Array]]:
    """As `read`, but of a long series the previews of its chunks, and every point of the last one."""
    count = database.row(f"SELECT count FROM series WHERE {_OF_SERIES}", series)
    if count is None or count[0] <= LONG:
        yield from read(database, series)
        return
    sql = f"SELECT preview, part FROM chunks WHERE {_OF_SERIES} ORDER BY part"
    for packed, part in database.rows(sql, series):
        if packed is None:
            yield _chunk(database, series, part)
        else:
            data = bytes(packed)
            third = len(data) // 3
            yield _arrays(data[:third], data[third : 2 * third], data[2 * third :])


def _by_series(records: Array) -> Iterator[tuple[int, Array]]:
    """The records of each series, in their order."""
    numbers = records["series"]
    if (numbers[0] == numbers).all():
        yield int(numbers[0]), records
        return
    order = numpy.argsort(numbers, kind="stable")
    records = records[order]
    numbers = records["series"]
    starts = numpy.flatnonzero(numpy.r_[True, numbers[1:] != numbers[:-1]])
    for start, end in zip(starts, [*starts[1:], len(records)], strict=True):
        yield int(numbers[start]), records[start:end]


def _columns(records: Array) -> tuple[Array, ...]:
    return tuple(records[name].astype(kind) for name, kind in zip(("step", "time", "value"), _TYPES, strict=True))


def _statistics(before: list[Any], steps: Array, times: Array, values: Array) -> tuple[Any, ...]:
    """As `_STATISTICS`: those of the points so far and of these together."""
    count, low, high, first_step, nans, infinities = before
    new_low, new_high, new_nans, new_infinities = _summary(values)
    last = float(values[-1])
    return (
        count + len(values),
        min((value for value in (low, new_low) if value is not None), default=None),
        max((value for value in (high, new_high) if value is not None), default=None),
        None if math.isnan(last) else last,
        _time(times[-1]),
        int(steps[0]) if first_step is None else first_step,
        int(steps[-1]),
        nans + new_nans,
        infinities + new_infinities,
    )


def _summary(values: Array) -> tuple[float | None, float | None, int, int]:
    """Least and greatest finite value, number of NaN and of infinite ones."""
    low, high = float(values.min()), float(values.max())
    if math.isfinite(low) and math.isfinite(high):
        return low, high, 0, 0
    finite = values[numpy.isfinite(values)]
    nans = int(numpy.isnan(values).sum())
    bounds = (float(finite.min()), float(finite.max())) if len(finite) else (None, None)
    return *bounds, nans, len(values) - len(finite) - nans


def _time(value: Any) -> float:
    """A time that can be compared, also where a damaged file has none."""
    return float(value) if math.isfinite(value) else 0.0


def _packed(steps: Array, times: Array, values: Array) -> tuple[Any, ...]:
    """As `_CHUNK`; the total of values that add up to no number is NaN, which a database may keep as NULL."""
    about = len(steps), int(steps[0]), int(steps[-1]), _time(times[0]), _time(times[-1])
    low, high, nans, infinities = _summary(values)
    finite = len(values) - nans - infinities
    with numpy.errstate(over="ignore", invalid="ignore"):
        total = float(values.sum() if finite == len(values) else values[numpy.isfinite(values)].sum())
    preview = _preview(steps, times, values) if len(steps) == SIZE else None
    columns = b"" if numpy.array_equal(steps, _even(*about[:3])) else steps.tobytes(), times.tobytes(), values.tobytes()
    return (*about, low, high, finite, total, preview, *columns)


def _even(count: int, first: int, last: int) -> Array:
    """So many steps from the first on, as far apart from each other as the last one asks for, in whole numbers."""
    apart = (last - first) // max(count - 1, 1)
    return first + numpy.arange(count, dtype=_TYPES[0]) * (apart if abs(apart) < 2**63 else 0)


def _preview(steps: Array, times: Array, values: Array) -> bytes:
    """Of a full chunk, packed: steps, then times, then values."""
    rows = values.reshape(-1, SPAN)
    finite = numpy.isfinite(rows)
    starts = numpy.arange(0, len(values), SPAN)
    kept = [
        [0, len(values) - 1],
        starts + numpy.where(finite, rows, numpy.inf).argmin(axis=1),
        starts + numpy.where(finite, rows, -numpy.inf).argmax(axis=1),
    ]
    if not finite.all():
        kept += [starts + found.argmax(axis=1) for found in (numpy.isnan(rows), numpy.isinf(rows))]
    places = numpy.unique(numpy.concatenate(kept))
    return b"".join(column[places].tobytes() for column in (steps, times, values))


def _chunk(database: Database, series: Key, part: int) -> tuple[Array, Array, Array]:
    row = database.row(f"SELECT {_COLUMNS} FROM chunks WHERE {_OF_SERIES} AND part = ?", (*series, part))
    assert row is not None
    return _unpacked(row)


def _unpacked(row: tuple[Any, ...]) -> tuple[Array, Array, Array]:
    """As `_COLUMNS`; of steps that are as far apart from each other nothing else is kept."""
    steps, times, values = _arrays(*map(bytes, row[:3]))
    return (steps if len(steps) else _even(*row[3:])), times, values


def _arrays(*columns: bytes) -> tuple[Array, Array, Array]:
    steps, times, values = (numpy.frombuffer(data, kind) for data, kind in zip(columns, _TYPES, strict=True))
    return steps, times, values
