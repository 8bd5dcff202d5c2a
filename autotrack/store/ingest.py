"""Taking journals into the store: incremental and idempotent, whole jobs in a transaction."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from autotrack import events
from autotrack.journal import read
from autotrack.journal.folder import Folder
from autotrack.journal.points import RECORD
from autotrack.journal.process import machine
from autotrack.journal.seal import slots_of, unfit
from autotrack.store import duplicates, profiles
from autotrack.store.database import Database
from autotrack.store.given import is_given
from autotrack.store.project import join, project

BEGINNING = 60.0
"""Seconds that a job may take from its live mark to its first segment."""

_NO_FACTS = (events.Sealed, events.DataProfiled)
"""What only `verify` needs, which reads the journal itself, and what is kept elsewhere."""


class Ingester:
    """Takes in the jobs of one folder.  `take` is called inside a transaction, `close` after it.

    `messages` are what people should know: segments that are damaged, too new, or can't be read.
    """

    def __init__(self, database: Database, folder: Folder, owner: str) -> None:
        self.messages: list[str] = []
        self._database, self._folder, self._owner = database, folder, owner
        self._done: list[tuple[str, list[_Segment]]] = []

    def take(self, jobs: deque[str], seconds: float) -> None:
        """Take jobs from the left until the time is over: one at least."""
        until = time.monotonic() + seconds
        while jobs:
            self._take(jobs.popleft())
            if time.monotonic() > until:
                return

    def _take(self, job: str) -> None:
        now = time.time()
        try:
            heartbeat = os.stat(os.path.join(self._folder.live, job)).st_mtime
        except OSError:
            heartbeat = None
        segments = [_Segment(self._database, segment) for segment in read.segments(self._folder.job(job))]
        # Asked before anything is read: what a process writes before it goes is then sure to be read.
        alive = {segment.name: segment.alive(heartbeat) for segment in segments}
        for segment in segments:
            segment.take(alive[segment.name])
            self.messages += segment.messages
        anything = any(segment.changed for segment in segments)
        is_open = any(alive.values()) or any(segment.passing for segment in segments)
        row = self._database.row("SELECT open FROM jobs WHERE id = ?", (job,))
        if segments and (row is None or row[0] or anything):
            touched = {strand for segment in segments for strand in segment.strands}
            if any(segment.given for segment in segments):  # all runs of the job have it among their parameters
                touched |= {id for (id,) in self._database.rows("SELECT strand FROM strands WHERE job = ?", (job,))}
            project(self._database, self._owner, job, touched, alive, is_open, now)
        beginning = not segments and heartbeat is not None and now - heartbeat < BEGINNING
        if not any(alive.values()) and not beginning:
            self._done.append((job, segments))

    def close(self) -> None:
        """The jobs to which nobody writes any more: trim their points files and take away their live marks."""
        for job, segments in self._done:
            with contextlib.suppress(OSError):  # of somebody else's folder
                duplicates.publish(self._database, self._folder, job)
            with contextlib.suppress(OSError):
                for segment in segments:
                    segment.trim()
                self._unmark(job, len(segments))
        self._done.clear()

    def _unmark(self, job: str, segments: int) -> None:
        mark = os.path.join(self._folder.live, job)
        if not os.path.exists(mark):
            return
        os.unlink(mark)
        if len(read.segments(self._folder.job(job))) != segments:  # a worker has begun meanwhile
            with open(mark, "a"):
                pass


class _Segment:
    """A segment while it is taken in.

    Damage is for good: what comes after it is left out.  What is too new, or can't be read, is `passing` and looked
    at again each time.
    """

    def __init__(self, database: Database, file: read.SegmentFile) -> None:
        self.name = file.name
        self.strands: set[str] = set()
        """Those that have news."""
        self.given = False
        """Whether there are news of what the job was given."""
        self.changed = False
        self.messages: list[str] = []
        self.passing: str | None = None
        self._damage: str | None = None
        self._points_damage: str | None = None
        self._database, self._file, self._key = database, file, (file.job, file.name)
        self._slots = 1
        self._sealed = 0
        self._over: events.SegmentEnded | None = None
        """Its end, where that is news."""
        self._facts: list[tuple[Any, ...]] = []
        self._begun: list[tuple[Any, ...]] = []
        self._ended: list[tuple[str]] = []
        self._joined: list[events.StrandJoined] = []
        self._series: list[tuple[Any, ...]] = []
        self._profiles: list[events.DataProfiled] = []
        self._files: list[tuple[Any, ...]] = []
        self._datasets: list[tuple[Any, ...]] = []
        self._digests: list[tuple[Any, ...]] = []
        self._models: list[tuple[Any, ...]] = []

    def alive(self, heartbeat: float | None) -> bool:
        try:
            return self._file.owner_alive(heartbeat)
        except (read.Damaged, OSError):
            return False

    def take(self, alive: bool) -> None:
        cursor, empty = self._file.start_cursor(), 0
        row = self._database.row(f"SELECT {_STATE} FROM segments WHERE job = ? AND segment = ?", self._key)
        if row is not None:
            cursor.offset, cursor.lines, cursor.digest, self._slots, empty = row[:5]
            self._damage, self._points_damage = row[5:7]
        # Before the events, so that each point's series is sure to be among them.
        points = self._read_points(alive) if self._points_damage is None else None
        if self._damage is None:
            self._read_events(cursor)
        self._write_events()
        points = self._own(points) if points is not None else None
        if points is not None and points.slots > self._slots:
            self._slots, empty = points.slots, empty + points.empty
            self._write_points(points)
        damage = self._damage, self._points_damage, self.passing
        state = cursor.offset, cursor.lines, cursor.digest, self._slots, empty, *damage
        self.changed = state != row
        if self.changed:
            self.messages = [text for text in damage if text is not None and (row is None or text not in row[5:])]
            self._database.put("segments", f"job, segment, {_STATE}", [(*self._key, *state)], "job, segment")

    def _read_points(self, alive: bool) -> read.Points | None:
        path = self._file.points_path
        try:
            return (
                None if _nothing_at(path, self._slots, alive) else self._file.read_points(self._slots, whole=not alive)
            )
        except read.TooNew as damage:
            self.passing = f"{damage}: upgrade with pip install -U autotrack-ml"
        except read.Damaged as damage:
            self._points_damage = f"{damage}; its points are left out"
        except OSError as error:
            self.passing = f"{path} can't be read: {error.strerror}"
        return None

    def _own(self, points: read.Points) -> read.Points:
        """The points but for those after the last seal, where they can't be of the program."""
        if self._over is None or not 0 < self._sealed < points.slots:
            return points
        with open(self._file.points_path, "rb") as file:
            file.seek(self._slots * RECORD.size)
            own = file.read(max(self._sealed - self._slots, 0) * RECORD.size)
            why = unfit(file.read(), own[-RECORD.size :], self._over)
        if why is None:
            return points
        self._points_damage = f"{self._file.points_path} has points that {why}; these are left out"
        series = slots_of(own)
        empty = series.count(0)
        return read.Points(points.records[: len(series) - empty], self._slots + len(series), empty)

    def _read_events(self, cursor: read.Cursor) -> None:
        try:
            for position, event in self._file.events(cursor):
                self._note(position, event)
        except read.TooNew as damage:
            self.passing = f"{damage}: upgrade with pip install -U autotrack-ml"
        except read.Damaged as damage:
            self._damage = f"{damage}; what came before is kept, the rest of this file is left out"
        except OSError as error:
            self.passing = f"{self._file.path} can't be read: {error.strerror}"

    def _note(self, position: int, event: events.AnyEvent) -> None:
        strand = getattr(event, "strand", None)
        if strand is not None:
            self.strands.add(strand)
        if not isinstance(event, _NO_FACTS):
            tag = type(event).__struct_config__.tag
            self._facts.append((*self._key, position, tag, strand, events.encode(event).decode()))
        self.given = self.given or is_given(event)
        if isinstance(event, events.StrandStarted):
            self._begun.append((event.strand, *self._key, position, event.owner or event.strand, event.kind, 0))
        elif isinstance(event, events.Sealed):
            self._sealed = event.count
        elif isinstance(event, events.SegmentEnded):
            self._over = event
        elif isinstance(event, events.StrandJoined):
            self._joined.append(event)
        elif isinstance(event, events.StrandEnded):
            self._ended.append((event.strand,))
        elif isinstance(event, events.SeriesDefined):
            self._series.append((*self._key, event.series, event.strand, event.name, event.origin))
        elif isinstance(event, events.DataProfiled):
            self._profiles.append(event)
        elif isinstance(event, events.ArtifactSeen):
            known = event.path, event.mode, event.kind, event.strand, event.step, event.time
            self._files.append((*self._key, event.artifact, *known))
        elif isinstance(event, events.ArtifactDigested):
            self._digests.append((*self._key, event.artifact, event.digest, event.bytes))
        elif isinstance(event, events.StrandDataset):
            self._datasets += _dataset_rows(self._file.job, event)
        if isinstance(event, (events.ArtifactSeen, events.ArtifactDigested)) and event.model is not None:
            self._models.append((*self._key, event.artifact, event.model))

    def _write_events(self) -> None:
        put = self._database.put
        put("facts", "job, segment, position, tag, strand, body", self._facts, "job, segment, position")
        put("strands", "strand, job, segment, position, run, kind, ended", self._begun, "strand")
        put("series", "job, segment, series, strand, name, origin", self._series, "job, segment, series")
        put(
            "files",
            "job, segment, artifact, path, mode, kind, strand, step, time",
            self._files,
            "job, segment, artifact",
        )
        put("files", "job, segment, artifact, digest, bytes", self._digests, "job, segment, artifact")
        put("files", "job, segment, artifact, model", self._models, "job, segment, artifact")
        put("datasets", _DATASETS, self._datasets, "strand, role, number, part")
        profiles.put(self._database, self._file.job, self._profiles)
        for joined in self._joined:
            self.strands |= join(self._database, joined.strand, joined.into)
        if self._ended:
            self._database.executemany("UPDATE strands SET ended = 1 WHERE strand = ?", self._ended)

    def _write_points(self, points: read.Points) -> None:
        from autotrack.store import chunks

        self.strands |= chunks.append(self._database, self._key, points.records)

    def trim(self) -> None:
        """Give back what was allocated ahead, where the process is gone for sure: one that is only silent, on
        another machine, would die of it."""
        path, used = self._file.points_path, self._slots * RECORD.size
        whole = self._slots > 1 and self._points_damage is None and self.passing is None
        if whole and os.path.exists(path) and os.path.getsize(path) > used and self._gone_for_sure():
            os.truncate(path, used)

    def _gone_for_sure(self) -> bool:
        first = self._file.first
        if first is None:
            return False
        if first.machine == machine():
            return True
        if first.host == socket.gethostname() and first.machine.split("/")[0] != machine().split("/")[0]:
            return True
        sql = "SELECT 1 FROM facts WHERE job = ? AND segment = ? AND strand IS NULL AND tag = 'segment_ended'"
        return self._database.row(sql, self._key) is not None


_DATASETS = "strand, role, number, part, job, data, name, method, kind, row_count, column_count"


def _dataset_rows(job: str, event: events.StrandDataset) -> Iterator[tuple[Any, ...]]:
    """A dataset and its parts, in the columns of `_DATASETS`."""
    for part, dataset in enumerate((event.dataset, *event.dataset.parts)):
        about = dataset.id, dataset.name, dataset.method, dataset.kind, dataset.rows, dataset.columns
        yield event.strand, event.role, event.number, part, job, *about


_STATE = "bytes, lines, digest, slots, empty, damage, points_damage, passing"


def _nothing_at(path: str, slots: int, alive: bool) -> bool:
    """Whether there is surely no point from this slot on: told without numpy, whose import takes 80 ms."""
    try:
        with open(path, "rb") as file:
            if alive:
                file.seek(slots * RECORD.size + RECORD.size - 4)
                return not any(file.read(4))
            file.seek(slots * RECORD.size)
            return file.read(1) == b""
    except FileNotFoundError:
        return True
