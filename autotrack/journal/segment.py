"""Writing a segment: the events of one process, each line carrying the digest of all lines up to itself.

A line is `{"chain": "<digest of the chain before and this body>", "body": <event>}`.  The chain begins with the
digest of the segment's name, so that a segment can't be passed off as another.  A line is written in one
`write`.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import threading

from autotrack import events
from autotrack.journal.file import OwnFile
from autotrack.journal.folder import Folder, on_network
from autotrack.journal.points import RECORD, Points

DIGEST_SIZE = 16
ATTEMPTS = 100
"""Names that are tried for a segment: openings that were interrupted leave theirs behind."""


def line_digest(line: bytes) -> str:
    """BLAKE2b of 128 bits."""
    return hashlib.blake2b(line, digest_size=DIGEST_SIZE).hexdigest()


def first_digest(job: str, segment: str) -> str:
    """What the chain of a segment begins with."""
    return line_digest(f"{job}/{segment}".encode())


def chained(chain: str, body: bytes) -> str:
    """The chain after one more event."""
    return line_digest(chain.encode() + body)


def line_of(chain: str, body: bytes) -> bytes:
    """The line of an event, with its newline."""
    return b'{"chain":"%s","body":%s}\n' % (chain.encode(), body)


class Segment:
    """The journal of one process in one job: `<folder>/journal/<job>/<segment>.jsonl` and `.points`.

    Opening it creates the folder and the file, and marks the job live.  Raises OSError where that can't be
    done; `write` raises OSError where a line can't be written, and leaves the file ending in a whole line.
    """

    def __init__(self, folder: Folder, job: str, name: str) -> None:
        self.folder, self.job = folder, job
        folder.create()
        os.makedirs(folder.job(job), exist_ok=True)
        os.makedirs(folder.live, exist_ok=True)
        self.live = os.path.join(folder.live, job)
        self.touch()
        self._lock = threading.RLock()
        self._waiting: tuple[bytes, ...] = ()
        self._writing = False
        self._attempt: tuple[int, str, bytes] | None = None
        """Length and chain after a write whose outcome is not known, and its body."""
        self._length = 0
        self._series = itertools.count(1)
        self._file = self._created(name)
        self.path = self._file.path
        self.name = os.path.basename(self.path).removesuffix(".jsonl")
        self._chain = first_digest(job, self.name)
        mapped = hasattr(os, "posix_fallocate") and not on_network(folder.root)
        self.points = Points(self.path.removesuffix(".jsonl") + ".points", mapped=mapped)

    def _created(self, name: str) -> OwnFile:
        for number in range(ATTEMPTS):
            path = os.path.join(self.folder.job(self.job), f"{name}{f'-{number}' if number else ''}.jsonl")
            try:
                return OwnFile(path, os.O_RDWR | os.O_APPEND | os.O_EXCL)
            except FileExistsError:
                continue
        raise FileExistsError(errno.EEXIST, "there are too many of this name", path)

    def touch(self) -> None:
        """Say that the job has news; a reader of another machine takes the time as a sign of life."""
        file = os.open(self.live, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            os.utime(file)
        finally:
            os.close(file)

    def write(self, event: events.Event) -> None:
        """Append an event.  When this returns, a kill of the process does not lose it.

        A finalizer or a signal handler may run in the midst of a write and report something itself: that is
        written next by the write that it came into.  A handler may also raise here: what it left undone is
        finished by the next write.
        """
        body = events.encode(event)
        with self._lock:
            self._waiting = (*self._waiting, body)
            if self._writing:
                return
            try:
                self._writing = True
                while self._waiting:
                    self._append()
            finally:
                self._writing = False

    def _append(self) -> None:
        """Write the first of the waiting events."""
        if self._attempt is not None:
            self._settle()
            return
        body = self._waiting[0]
        chain = chained(self._chain, body)
        line = line_of(chain, body)
        length = self._length + len(line)
        try:
            self._attempt = length, chain, body
            file = self._file.number()
            written = os.write(file, line)
            while self._length + written != length:  # the rest tells why, or finds room
                written += os.write(file, line[written:])
        except OSError as error:
            self._waiting = self._waiting[1:]
            raise OSError(error.errno, error.strerror, self.path) from None
        # Signal handlers run between calls, and there is none here: either all of this happens or nothing.
        self._length, self._chain, self._waiting, self._attempt = length, chain, self._waiting[1:], None

    def _settle(self) -> None:
        """See what became of a write that did not return: keep its line if it is whole, else cut it off."""
        assert self._attempt is not None
        length, chain, body = self._attempt
        file = self._file.number()
        if os.fstat(file).st_size == length:
            rest = self._waiting[1:] if self._waiting and self._waiting[0] is body else self._waiting
            self._length, self._chain, self._waiting, self._attempt = length, chain, rest, None
        else:
            os.ftruncate(file, self._length)
            self._attempt = None

    def next_series(self) -> int:
        """A number for a series of this segment; 0 stands for an empty slot."""
        return next(self._series)

    def bytes(self) -> int:
        """What has been written so far, points included."""
        return self._length + (self.points.slots * RECORD.size if self.points.started else 0)

    def discard(self) -> None:
        """Take back a segment whose opening did not come to its end."""
        self.close()
        os.unlink(self.path)

    def close(self) -> None:
        """Let go of the files; nothing is written any more."""
        self._file.close()
        self.points.close()

    def forget(self) -> None:
        """In a forked child: let go of the parent's files."""
        self._lock = threading.RLock()
        self._waiting = ()
        self._file.close()
        self.points.forget()
