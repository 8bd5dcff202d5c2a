"""Reading segments: events up to the last whole line, points as arrays, whether the owner lives."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from autotrack import events
from autotrack.events import AnyEvent, SegmentStarted
from autotrack.journal import points
from autotrack.journal.process import alive, machine
from autotrack.journal.segment import chained, first_digest, line_of

if TYPE_CHECKING:
    import numpy

ABANDONED = 60.0
"""Seconds after which an empty slot before later points is one that nobody will write."""
SILENCE = 120.0
"""Seconds without a sign of life after which a process of another machine counts as gone."""


class Damaged(Exception):
    """A segment that can't be read further: where, and why."""

    def __init__(self, path: str, position: int, why: str) -> None:
        super().__init__(f"{path}, line {position + 1}: {why}")
        self.path, self.position, self.why = path, position, why


class TooNew(Damaged):
    """Written by a newer version than this one reads."""


_BEGIN, _MIDDLE, _END = b'{"chain":"', b'","body":', b"}"
BODY = len(_BEGIN) + 32 + len(_MIDDLE)
"""Where the event begins in a line (`segment.line_of`)."""

_decode_tag = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass
class Cursor:
    """How far a segment has been read: bytes, lines, and the chain after the last one."""

    offset: int = 0
    lines: int = 0
    digest: str = ""


@dataclass
class SegmentFile:
    """A segment on disk."""

    job: str
    name: str
    path: str
    points_path: str
    first: SegmentStarted | None = field(default=None)

    def start_cursor(self) -> Cursor:
        return Cursor(digest=first_digest(self.job, self.name))

    def events(self, cursor: Cursor) -> Iterator[tuple[int, AnyEvent]]:
        """The (position, event) pairs after `cursor`, which moves along.  Stops at the last newline.

        Raises Damaged at a line that does not follow from the one before, TooNew at one of a newer version.
        """
        with open(self.path, "rb") as file:
            file.seek(cursor.offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                position = cursor.lines
                body = line[BODY:-2]
                chain = chained(cursor.digest, body)
                if line != line_of(chain, body):
                    raise self._broken(line, position)
                event = self._event(body, position)
                cursor.offset += len(line)
                cursor.lines += 1
                cursor.digest = chain
                yield position, event

    def _broken(self, line: bytes, position: int) -> Damaged:
        if line.startswith(_BEGIN) and line[BODY - len(_MIDDLE) : BODY] == _MIDDLE and line.endswith(_END + b"\n"):
            return Damaged(self.path, position, "does not follow from the line before: edited, removed or reordered")
        return Damaged(self.path, position, "is not an event")

    def _event(self, body: bytes, position: int) -> AnyEvent:
        try:
            event: AnyEvent = events.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._undecodable(body, position, error) from None
        if isinstance(event, SegmentStarted):
            if event.format > events.FORMAT:
                raise TooNew(
                    self.path, position, f"has journal format {event.format}, this version reads {events.FORMAT}"
                )
            self.first = event
        return event

    def _undecodable(self, body: bytes, position: int, error: Exception) -> Damaged:
        try:
            tag = _decode_tag(body).get("event")
        except msgspec.DecodeError:
            tag = None
        if tag == "segment_started":
            newer = _decode_tag(body).get("format")
            if isinstance(newer, int) and newer > events.FORMAT:
                return TooNew(self.path, position, f"has journal format {newer}, this version reads {events.FORMAT}")
        return Damaged(self.path, position, f"is not an event of format {events.FORMAT} ({error})")

    def header(self) -> SegmentStarted | None:
        """The first event, or None while there is none."""
        if self.first is None:
            for _ in self.events(self.start_cursor()):
                break
        return self.first

    def owner_alive(self, heartbeat: float | None) -> bool:
        """Whether the writing process still runs.  On this machine the process table knows; of another
        machine `heartbeat` (the modification time of the live mark) tells."""
        first = self.header()
        if first is None:
            return time.time() - os.stat(self.path).st_mtime < 5
        if first.machine == machine():
            return alive(first.pid, first.started)
        if first.host == socket.gethostname() and first.machine.split("/")[0] != machine().split("/")[0]:
            return False
        return heartbeat is not None and time.time() - heartbeat < SILENCE

    def read_points(self, first: int = 0, *, whole: bool = True) -> Points:
        return read_points(self.points_path, first, whole=whole)


@dataclass
class Points:
    """Points read from a file.

    `records` is an array of the dtype below, without empty slots; `slots` the number of slots up to the
    last one written, and `empty` the number of empty ones among those read.
    """

    records: numpy.ndarray[Any, Any]
    slots: int
    empty: int


def record_dtype() -> Any:
    import numpy

    fields = [("value", "<f8"), ("time", "<f8"), ("step", "<i8"), ("flags", "<u4"), ("series", "<u4")]
    return numpy.dtype(fields)


def read_points(path: str, first: int = 0, *, whole: bool = True) -> Points:
    """The points of a file from slot `first` on.  Slots are numbered from 0, which is the header's.

    With `whole=False`, for a process that still runs, reading stops before the first empty slot: that may be
    written yet, unless others that are `ABANDONED` seconds old come after it.

    Raises Damaged where the file is none of ours, TooNew where it is of a newer version.
    """
    import numpy

    dtype = record_dtype()
    try:
        with open(path, "rb") as file:
            head = file.read(points.RECORD.size)
            first = max(first, 1)
            file.seek(first * points.RECORD.size)
            data = file.read()
    except FileNotFoundError:
        return Points(numpy.empty(0, dtype), 0, 0)
    if len(head) < points.RECORD.size or not any(head):
        return Points(numpy.empty(0, dtype), 0, 0)
    magic, version, size, _ = points.HEADER.unpack(head)
    if magic != points.MAGIC or size != points.RECORD.size:
        raise Damaged(path, 0, "is not a points file")
    if version > points.VERSION:
        raise TooNew(path, 0, f"has points version {version}, this version reads {points.VERSION}")
    records = numpy.frombuffer(data, dtype, count=len(data) // dtype.itemsize)
    filled = numpy.flatnonzero(records["series"])
    if not len(filled):
        return Points(records[:0], first, 0)
    used = int(filled[-1]) + 1
    if not whole and used != len(filled):
        old = filled[records["time"][filled] < time.time() - ABANDONED]
        settled = int(old[-1]) + 1 if len(old) else 0
        empty = numpy.flatnonzero(records["series"][settled:used] == 0)
        used = settled + int(empty[0]) if len(empty) else used
        filled = filled[: numpy.searchsorted(filled, used)]
    return Points(records[filled] if used != len(filled) else records[:used], first + used, used - len(filled))


def segments(job_folder: str) -> list[SegmentFile]:
    """The segments of a job, by name.  A missing folder has none."""
    job = os.path.basename(job_folder)
    try:
        names = sorted(os.listdir(job_folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [
        SegmentFile(job, name[:-6], os.path.join(job_folder, name), os.path.join(job_folder, name[:-6] + ".points"))
        for name in names
        if name.endswith(".jsonl")
    ]
