"""Files that worker processes open, told to the process that started the program: most workers have nothing else to
record, and many are killed as soon as their work is done.

Each is a line in `workers/<job>`, appended in one write: `r` or `w`, the time, the state of the file, and the path.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time

from autotrack.journal.folder import Folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from autotrack.job import Job

READ, WRITTEN = 200, 10_000
"""Files that each worker tells of, at most."""


class Handing:
    """The files of a worker."""

    def __init__(self, job: Job) -> None:
        self._place = Folder(job.root).handed(job.id)
        self._seen: set[tuple[str, bool]] = set()

    def is_new(self, path: str, writing: bool) -> bool:
        """Whether there is something to tell of an absolute path; it is asked for the first time then."""
        many = len(self._seen) >= (WRITTEN if writing else READ)
        if many or "\n" in path or (path, writing) in self._seen or (not writing and _loads_data()):
            return False
        self._seen.add((path, writing))
        return True

    def hand(self, path: str, writing: bool, state: tuple[int, ...] | None) -> None:
        """Tell of a path, and of what was there.  Raises OSError."""
        was = ",".join(map(str, state)) if state else "-"
        line = os.fsencode(f"{'w' if writing else 'r'} {time.time()} {was} {path}\n")
        file = _opened(self._place)
        try:
            os.write(file, line)
        finally:
            os.close(file)


def _opened(place: str) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
    try:
        return os.open(place, flags, 0o666)
    except FileNotFoundError:
        Folder(os.path.dirname(os.path.dirname(place))).create()
        os.makedirs(os.path.dirname(place), exist_ok=True)
        return os.open(place, flags, 0o666)


def _loads_data() -> bool:
    """Whether this is a worker of a data loader, which reads files over and over, each epoch in new processes."""
    worker = sys.modules.get("torch.utils.data._utils.worker")
    return getattr(worker, "_worker_info", None) is not None


class Handed:
    """What the workers of a job have told, as far as it was not read before."""

    def __init__(self, job: Job, was_there: bool) -> None:
        folder = Folder(job.root)
        self._root, self._was_there = job.root, was_there
        self._place, self._first, self._read = folder.handed(job.id), folder.first(job.id), 0

    def news(self) -> Iterator[tuple[str, bool, float, tuple[int, ...] | None]]:
        """Path, whether it was opened to be written, when, and what it was then."""
        try:
            with open(self._place, "rb") as file:
                file.seek(self._read)
                whole, newline, _ = file.read().rpartition(b"\n")
        except OSError:
            return
        self._read += len(whole) + len(newline)
        for line in whole.split(b"\n") if newline else ():
            mode, when, was, path = (*line.split(b" ", 3), b"", b"", b"", b"")[:4]
            try:
                state = None if was == b"-" else tuple(map(int, was.split(b",")))
                yield os.fsdecode(path), mode == b"w", float(when), state
            except ValueError:  # not a line of ours
                continue

    def forget(self) -> None:
        """The program is over."""
        for path in (self._place, self._first):
            with contextlib.suppress(OSError):
                os.unlink(path)
        with contextlib.suppress(OSError):
            os.rmdir(os.path.dirname(self._place))
            nothing = os.listdir(self._root) == [".gitignore"]
            if nothing and not self._was_there:  # there was nothing to record after all
                os.unlink(os.path.join(self._root, ".gitignore"))
                os.rmdir(self._root)
