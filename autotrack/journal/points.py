"""Metric points: fixed-size records in the memory-mapped tail of a file.

A record is 32 bytes, little-endian: value (float64), time (float64, seconds since the epoch), step
(int64), flags (uint32), series (uint32).  The series is written last, and a record whose series is 0 is an
empty slot: not written yet, or its thread died between claiming and writing.  The first slot is the
header.  The file is allocated ahead and never truncated by its process; the reader scans to its end.

Writing takes no lock and makes no system call: a slot is claimed with a counter that is atomic under the
GIL, and the kernel keeps the page when the process is killed.  The writer packs flags and series as one
float64 of the same bits (`tail`): `struct` packs four native float64 and int64 in half the time that it
takes for the five fields one by one.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import struct
import sys
import threading
from collections.abc import Iterator
from mmap import ALLOCATIONGRANULARITY, mmap
from typing import Final

from autotrack.extension import compiled
from autotrack.journal.file import OwnFile

RECORD: Final = struct.Struct("<ddqII")
HEADER: Final = struct.Struct("<8sII12xI")
MAGIC: Final = b"ATPOINTS"
VERSION: Final = 1

FIRST_WINDOW = 64 * 1024
LAST_WINDOW = 4 * 1024 * 1024
MEMORY_LIMIT = 16 * 1024 * 1024
"""What the windows in plain memory may hold when the file can't be written; beyond it points are dropped
and counted."""
PREPARE_PERIOD = 1.0
"""Seconds between calls of `prepare`, which sees to what will be written in twice that time."""

assert RECORD.size == HEADER.size == 32
assert FIRST_WINDOW % ALLOCATIONGRANULARITY == 0

pack_record: Final = struct.Struct("@ddqd" if sys.byteorder == "little" else "<ddqd").pack_into
"""`pack_record(buffer, offset, value, time, step, tail(...))` writes a record."""

Window = tuple[mmap | bytearray, Iterator[int]]
"""A buffer, and the offsets in it that are still to be claimed.  Used as one object, so that the two always
match."""


def tail(series: int, flags: int = 0) -> float:
    """Flags and series as the float64 that has their bits."""
    return float(struct.unpack("<d", struct.pack("<II", flags, series))[0])


def header() -> bytes:
    return HEADER.pack(MAGIC, VERSION, RECORD.size, 0)


def closed_window() -> Window:
    """A window in which nothing fits: whoever writes to it takes the slow path."""
    return bytearray(0), itertools.count(0, RECORD.size)


class Points:
    """The points file of one process.

    `window` is what `Series` writes to; `advance` opens the next one.  With `mapped=False` (no
    `posix_fallocate`, a network file system, a full disk) windows are plain memory, which `flush` writes.
    """

    def __init__(self, path: str, *, mapped: bool) -> None:
        self.path = path
        self.window: Window = closed_window()
        self.mapped = mapped and hasattr(os, "posix_fallocate")
        self.dropped = 0
        self.trouble: OSError | None = None
        self._lock = threading.RLock()
        self._file: OwnFile | None = None
        self._size = FIRST_WINDOW
        self._end = 0
        """Where in the file the next window begins."""
        self._mapped: list[tuple[mmap, Iterator[int]]] = []
        """The last windows that are mapped."""
        self._pending: list[_Buffered] = []
        self._ended = False
        self._written, self._pace = 0, FIRST_WINDOW
        """Bytes of the file, and those that `prepare` sees to."""

    def advance(self, full: Window) -> bool:
        """Open the next window, unless another thread has.  False where points can't be taken any more.

        A finalizer or a signal handler may run in here and come back to this very place, or raise: so nothing
        is changed before the next window is ready, and then all of it at once.
        """
        with self._lock:
            if self.window is not full:
                return True
            if self._ended:
                self.dropped += 1
                return False
            start, size, mapped, pending = self._end, self._size, self._mapped, self._pending
            first = RECORD.size if start == 0 else 0
            buffer: mmap | bytearray
            mapping = self._map(start, size) if self.mapped else None
            if mapping is not None:
                buffer, offsets = mapping, _offsets(mapping, first)
                mapped = [*mapped[-1:], (mapping, offsets)]
            elif sum(len(window.buffer) for window in pending) >= MEMORY_LIMIT:
                self.dropped += 1
                return False
            else:
                buffer = bytearray(size)
                if start == 0:
                    buffer[: RECORD.size] = header()
                pending, offsets = [*pending, _Buffered(buffer, start)], _offsets(buffer, first)
            window, grown = (buffer, offsets), min(size * 2, LAST_WINDOW)
            if self.window is not full:
                return True
            # Signal handlers run between calls, and there is none here.
            self._mapped, self._pending, self._end, self._size, self.window = (
                mapped,
                pending,
                start + size,
                grown,
                window,
            )
            return True

    def _map(self, start: int, size: int) -> mmap | None:
        """A mapping of the file's next stretch, really allocated: a hole on a full disk would be a SIGBUS
        inside the user's program."""
        try:
            file = self._open()
            os.posix_fallocate(file, start, size)
            buffer = _mapped(file, start, size)
        except OSError as error:
            self.trouble = error
            self.mapped = False
            return None
        if start == 0:
            buffer[: RECORD.size] = header()
        return buffer

    def _open(self) -> int:
        if self._file is None:
            self._file = OwnFile(self.path, os.O_RDWR)  # may be there: a signal handler that raised just here
        return self._file.number()

    @property
    def started(self) -> bool:
        return self._end > 0

    def flush(self, *, last: bool = False) -> None:
        """Write what windows in plain memory hold and the file does not yet.  Raises OSError when it can't;
        what could not be written stays for the next time."""
        with self._lock:
            for window in list(self._pending):
                window.write(self._open(), everything=last)
                if window.written == len(window.buffer) and window.buffer is not self.window[0]:
                    self._pending.remove(window)
            self.trouble = None

    def prepare(self) -> None:
        """To be called by the recorder every `PREPARE_PERIOD`: let the kernel make the pages ready that are written to
        next, as many as it takes at the pace of late."""
        with self._lock:
            (buffer, offsets), end = self.window, self._end
        if compiled is not None and type(offsets) is compiled.Slots and isinstance(buffer, mmap):
            written = end - len(buffer) + min(offsets.prepare(self._pace), len(buffer))  # type: ignore[attr-defined]
            self._written, self._pace = written, 2 * (written - self._written)

    def sync(self) -> None:
        """Force the file's content to the disk."""
        if self._file is not None:
            getattr(os, "fdatasync", os.fsync)(self._file.number())

    def read(self, first: int, count: int) -> bytes:
        """The bytes of `count` slots from slot `first`, as far as they are in the file."""
        if self._file is None:
            return b""
        return os.pread(self._file.number(), count * RECORD.size, first * RECORD.size)

    @property
    def slots(self) -> int:
        """Number of slots allocated so far, the header among them."""
        return self._end // RECORD.size

    def unwritten(self) -> int:
        """Number of points in plain memory that never reached the file."""
        return sum(window.unwritten() for window in self._pending)

    def end(self) -> None:
        """Take no more windows; the last ones stay mapped for late writers."""
        with self._lock:
            self._ended = True

    def close(self) -> None:
        """Take no points any more, and let go of the file."""
        with self._lock:
            self._ended = True
            for offsets in (self.window[1], *(offsets for _, offsets in self._mapped)):
                if compiled is not None and type(offsets) is compiled.Slots:
                    offsets.release()  # type: ignore[attr-defined] # who has held on to it writes no more
            self.window = closed_window()
            self._mapped, self._pending = [], []
            if self._file is not None:
                self._file.close()

    def forget(self) -> None:
        """In a forked child: let go of the parent's mapping without touching the file."""
        self._lock = threading.RLock()
        buffers = [buffer for buffer, _ in self._mapped]
        self.close()
        for buffer in buffers:
            with contextlib.suppress(BufferError):
                buffer.close()


def _mapped(file: int, start: int, size: int) -> mmap:
    if sys.version_info >= (3, 13):
        return mmap(file, size, offset=start, trackfd=False)
    # Until Python 3.13 a mapping takes a descriptor of its own, the lowest one that is free: a standard stream's
    # where the program has closed that, and native code would print into our file.
    taken = [os.dup(file)]
    try:
        while taken[-1] <= 2:
            taken.append(os.dup(file))
        return mmap(file, size, offset=start)
    finally:
        for number in taken:
            os.close(number)


class _Buffered:
    """A window in plain memory and how much of it is in the file."""

    def __init__(self, buffer: bytearray, start: int) -> None:
        self.buffer = buffer
        self.start = start
        self.written = 0

    def write(self, file: int, *, everything: bool) -> None:
        complete = len(self.buffer) if everything else self.written
        if not everything:
            first = 0 if self.start else RECORD.size
            while complete < len(self.buffer) and (complete < first or any(self.buffer[complete + 28 : complete + 32])):
                complete += RECORD.size
        while self.written < complete:
            count = os.pwrite(file, self.buffer[self.written : complete], self.start + self.written)
            if count == 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.written += count

    def unwritten(self) -> int:
        first = 0 if self.start else RECORD.size
        offsets = range(max(self.written - self.written % RECORD.size, first), len(self.buffer), RECORD.size)
        return sum(any(self.buffer[offset + 28 : offset + 32]) for offset in offsets)


def _offsets(buffer: mmap | bytearray, first: int) -> Iterator[int]:
    if compiled is not None:
        return compiled.Slots(buffer, first)  # type: ignore[no-any-return]
    offsets = itertools.count(first, RECORD.size)
    return offsets if getattr(sys, "_is_gil_enabled", lambda: True)() else _one_at_a_time(offsets)


class _one_at_a_time:  # noqa: N801
    """An iterator that threads may share without a GIL."""

    def __init__(self, items: Iterator[int]) -> None:
        self._items, self._lock = items, threading.Lock()

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        with self._lock:
            return next(self._items)
