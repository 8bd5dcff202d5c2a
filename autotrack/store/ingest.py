"""Taking journals into the store: incremental, idempotent, one job a transaction."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy

from autotrack import events
from autotrack.journal import read
from autotrack.journal.folder import Folder
from autotrack.journal.points import RECORD
from autotrack.store import project
from autotrack.store.database import Database

CHUNK = 8192
"""Points in a full chunk; the last one of a series is rewritten until it is full."""

_NOT_KEPT = (events.Sealed,)
"""Events that only `verify` needs; it reads the journal itself."""


@dataclass
class News:
    """What a job's journals had that the store had not."""

    strands: set[str] = field(default_factory=set)
    anything: bool = False
    messages: list[str] = field(default_factory=list)


def ingest(database: Database, folder: Folder, jobs: Iterable[str]) -> list[str]:
    """Take in what is new of some jobs; returns what people should know: damaged or too new segments."""
    messages: list[str] = []
    for job in jobs:
        messages += _ingest_job(database, folder, job)
    return messages


def _ingest_job(database: Database, folder: Folder, job: str) -> list[str]:
    mark = os.path.join(folder.live, job)
    heartbeat = os.stat(mark).st_mtime if os.path.exists(mark) else None
    segments = read.segments(folder.job(job))
    # Asked before anything is read: what a process writes before it goes is then sure to be read.
    alive = {segment.name: _alive(segment, heartbeat) for segment in segments}
    news = News()
    with database.transaction():
        for segment in segments:
            _ingest_segment(database, segment, alive[segment.name], news)
        project.project(database, job, news.strands, alive, changed=news.anything)
    if not any(alive.values()):
        _close(folder, job, segments, mark)
    return news.messages


def _alive(segment: read.SegmentFile, heartbeat: float | None) -> bool:
    try:
        return segment.owner_alive(heartbeat)
    except read.Damaged:
        return False


def _close(folder: Folder, job: str, segments: list[read.SegmentFile], mark: str) -> None:
    """Nobody writes to the job any more: trim its points files and take away its live mark."""
    for segment in segments:
        _trim(segment)
    if not os.path.exists(mark):
        return
    os.unlink(mark)
    if len(read.segments(folder.job(job))) != len(segments):  # a worker has begun meanwhile
        with open(mark, "a"):
            pass


def _trim(segment: read.SegmentFile) -> None:
    """Give back what was allocated ahead."""
    try:
        used = segment.read_points().slots * RECORD.size
        if 0 < used < os.path.getsize(segment.points_path):
            os.truncate(segment.points_path, used)
    except (OSError, read.Damaged):
        return


def _ingest_segment(database: Database, segment: read.SegmentFile, alive: bool, news: News) -> None:
    key = segment.job, segment.name
    row = database.row(
        "SELECT bytes, lines, digest, slots, empty, message FROM segments WHERE job = ? AND segment = ?", key
    )
    cursor = segment.start_cursor()
    slots, empty, message = 1, 0, None
    if row is not None:
        cursor.offset, cursor.lines, cursor.digest, slots, empty, message = row
    before = cursor.offset, slots, message
    if message is None:
        facts: list[tuple[Any, ...]] = []
        try:
            for position, event in segment.events(cursor):
                if not isinstance(event, _NOT_KEPT):
                    facts.append(_fact(key, position, event))
                _note(database, key, event, news)
        except read.Damaged as damage:
            message = str(damage)
            news.messages.append(f"{message}; what came before is kept, the rest of this file is left out")
        database.put("facts", "job, segment, position, tag, strand, body", facts, "job, segment, position")
    points_message = None
    try:
        points = segment.read_points(slots, whole=not alive)
        _ingest_points(database, segment, points, news)
        slots, empty = max(points.slots, slots), empty + points.empty
    except read.Damaged as damage:
        points_message = str(damage)
        if message is None:
            news.messages.append(f"{points_message}; its points are left out")
    message = message or points_message
    first = segment.first
    if before == (cursor.offset, slots, message) and row is not None:
        return
    news.anything = True
    if first is None and row is not None:
        sql = (
            "UPDATE segments SET bytes = ?, lines = ?, digest = ?, slots = ?, empty = ?, message = ? "
            "WHERE job = ? AND segment = ?"
        )
        database.execute(sql, (cursor.offset, cursor.lines, cursor.digest, slots, empty, message, *key))
        return
    about = (first.role, first.host, first.machine) if first is not None else (None, None, None)
    columns = "job, segment, bytes, lines, digest, slots, empty, role, host, machine, message"
    values = (*key, cursor.offset, cursor.lines, cursor.digest, slots, empty, *about, message)
    database.put("segments", columns, [values], "job, segment")


def _fact(key: tuple[str, str], position: int, event: events.AnyEvent) -> tuple[Any, ...]:
    tag = type(event).__struct_config__.tag
    return (*key, position, tag, getattr(event, "strand", None), events.encode(event).decode())


def _note(database: Database, key: tuple[str, str], event: events.AnyEvent, news: News) -> None:
    """Keep what later events refer to, and which strands are touched."""
    strand = getattr(event, "strand", None)
    if strand is not None:
        news.strands.add(strand)
    if isinstance(event, events.StrandStarted):
        run = event.owner or event.strand
        values = (event.strand, *key, run, event.kind, 0)
        database.put("strands", "strand, job, segment, run, kind, ended", [values], "strand")
    elif isinstance(event, events.StrandEnded):
        database.execute("UPDATE strands SET ended = 1 WHERE strand = ?", (event.strand,))
    elif isinstance(event, events.SeriesDefined):
        columns = "job, segment, series, strand, name, origin, parts, tail, count, nans, infinities"
        row = (*key, event.series, event.strand, event.name, event.origin, 0, 0, 0, 0, 0)
        database.put("series", columns, [row], "job, segment, series")


def _ingest_points(database: Database, segment: read.SegmentFile, points: read.Points, news: News) -> None:
    """Append points to the chunks of their series."""
    records = points.records
    if not len(records):
        return
    key = segment.job, segment.name
    numbers = records["series"]
    order = numpy.argsort(numbers, kind="stable") if (numbers[0] != numbers).any() else None
    if order is not None:
        records = records[order]
        numbers = records["series"]
    starts = numpy.flatnonzero(numpy.r_[True, numbers[1:] != numbers[:-1]])
    known = {
        row[0]: row[1:]
        for row in database.rows(
            "SELECT series, strand, parts, tail, count, low, high, first_step, nans, infinities FROM series "
            "WHERE job = ? AND segment = ?",
            key,
        )
    }
    for start, end in zip(starts, [*starts[1:], len(records)], strict=True):
        number = int(numbers[start])
        if number not in known:
            missing = int(end - start)
            gap = events.GapFound(
                time=time.time(), strand=None, what=f"{missing} points", why="their series has no name"
            )
            row = (*key, -1 - number, "gap", None, events.encode(gap).decode())
            database.put("facts", "job, segment, position, tag, strand, body", [row], "job, segment, position")
            continue
        news.strands.add(known[number][0])
        _append(database, (*key, number), records[start:end], known[number])


def _append(database: Database, key: tuple[str, str, int], records: Any, known: tuple[Any, ...]) -> None:
    _, parts, tail, count, low, high, first_step, nans, infinities = known
    steps = records["step"].astype("<i8")
    times, values = records["time"].astype("<f8"), records["value"].astype("<f8")
    added = len(steps)
    finite = values[numpy.isfinite(values)]
    new_nans = int(numpy.isnan(values).sum())
    summary = (
        count + added,
        _least(low, float(finite.min()) if len(finite) else None),
        _most(high, float(finite.max()) if len(finite) else None),
        None if numpy.isnan(values[-1]) else float(values[-1]),
        float(times[-1]),
        int(steps[0]) if first_step is None else first_step,
        int(steps[-1]),
        nans + new_nans,
        infinities + added - len(finite) - new_nans,
    )
    if tail:
        parts -= 1
        row = database.row(
            "SELECT steps, times, points FROM chunks WHERE job = ? AND segment = ? AND series = ? AND part = ?",
            (*key, parts),
        )
        assert row is not None
        old = [numpy.frombuffer(bytes(blob), dtype) for blob, dtype in zip(row, ("<i8", "<f8", "<f8"), strict=True)]
        steps, times, values = (numpy.concatenate(pair) for pair in zip(old, (steps, times, values), strict=True))
    chunks = []
    for start in range(0, len(steps), CHUNK):
        chunks.append(
            (
                *key,
                parts,
                *_packed(steps[start : start + CHUNK], times[start : start + CHUNK], values[start : start + CHUNK]),
            )
        )
        parts += 1
    database.put(
        "chunks",
        "job, segment, series, part, count, first_step, last_step, first_time, last_time, low, high, "
        "steps, times, points",
        chunks,
        "job, segment, series, part",
    )
    database.execute(
        "UPDATE series SET parts = ?, tail = ?, count = ?, low = ?, high = ?, last = ?, last_time = ?, first_step = ?, "
        "last_step = ?, nans = ?, infinities = ? WHERE job = ? AND segment = ? AND series = ?",
        (parts, len(steps) % CHUNK, *summary, *key),
    )


def _packed(steps: Any, times: Any, values: Any) -> tuple[Any, ...]:
    finite = values[numpy.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (None, None)
    about = len(steps), int(steps[0]), int(steps[-1]), float(times[0]), float(times[-1]), low, high
    return (*about, steps.tobytes(), times.tobytes(), values.tobytes())


def _least(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else min(one, other)


def _most(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else max(one, other)
