"""Writing a segment: the events of one process, each line carrying the digest of the line before.

A line is `{"prev": "<digest of the line before>", "body": <event>}`.  The first line's `prev` is the digest
of the segment's name, so that a segment can't be passed off as another.  A line is written in one `write`.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import threading

from autotrack import events
from autotrack.journal.folder import Folder, on_network
from autotrack.journal.points import Points

DIGEST_SIZE = 16


def line_digest(line: bytes) -> str:
    """Digest of a line without its newline: BLAKE2b of 128 bits."""
    return hashlib.blake2b(line, digest_size=DIGEST_SIZE).hexdigest()


def first_digest(job: str, segment: str) -> str:
    return line_digest(f"{job}/{segment}".encode())


class Segment:
    """The journal of one process in one job: `<folder>/journal/<job>/<segment>.jsonl` and `.points`.

    Opening it creates the folder and the file, and marks the job live.  Raises OSError where that can't be
    done; `write` raises OSError where a line can't be written, and leaves the file ending in a whole line.
    """

    def __init__(self, folder: Folder, job: str, name: str) -> None:
        self.folder, self.job, self.name = folder, job, name
        folder.create()
        os.makedirs(folder.job(job), exist_ok=True)
        self.path = os.path.join(folder.job(job), name + ".jsonl")
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o666)
        os.makedirs(folder.live, exist_ok=True)
        self.live = os.path.join(folder.live, job)
        self.touch()
        self._lock = threading.Lock()
        self._prev = first_digest(job, name)
        self._length = 0
        self._damaged = False
        self._series = itertools.count(1)
        mapped = hasattr(os, "posix_fallocate") and not on_network(folder.root)
        self.points = Points(os.path.join(folder.job(job), name + ".points"), mapped=mapped)

    def touch(self) -> None:
        """Say that the job has news; a reader of another machine takes the time as a sign of life."""
        file = os.open(self.live, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            os.utime(file)
        finally:
            os.close(file)

    def write(self, event: events.Event) -> None:
        """Append an event.  When this returns, a kill of the process does not lose it."""
        body = events.encode(event)
        with self._lock:
            if self._damaged:
                self._repair()
            line = b'{"prev":"%s","body":%s}' % (self._prev.encode(), body)
            written = os.write(self._file, line + b"\n")
            if written != len(line) + 1:
                self._damaged = True
                self._repair()
                raise OSError(28, f"only {written} of {len(line) + 1} bytes were written", self.path)
            self._length += written
            self._prev = line_digest(line)

    def _repair(self) -> None:
        os.ftruncate(self._file, self._length)
        self._damaged = False

    def next_series(self) -> int:
        """A number for a series of this segment; 0 stands for an empty slot."""
        return next(self._series)

    def sync(self) -> None:
        os.fsync(self._file)

    def forget(self) -> None:
        """In a forked child: let go of the parent's files."""
        self._lock = threading.Lock()
        os.close(self._file)
        self.points.forget()
