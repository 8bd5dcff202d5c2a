"""Files that a program has opened: what was there, who writes, and what goes on record of them."""

from __future__ import annotations

import contextlib
import math
import os
import stat
import sys
import time
import weakref

from autotrack.capture import owned

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeAlias

    from autotrack.job import Job

    State: TypeAlias = tuple[int, ...]

SLACK = 0.02
"""Seconds by which the clock of a file system may lag behind."""
VERSIONS = 20
"""Contents of one file that was read, changed and read again."""
ONLY_VARIABLES = 3
"""References to an object that one variable holds, as seen by a function that has it in another one."""
MOVES = 10
"""Moves of one file that are followed."""


class Writer:
    """A file object that the program writes by, for as long as the program holds it."""

    __slots__ = ("_object", "closed", "flushed", "goes_on")

    def __init__(self, file: Any, *, goes_on: bool = False) -> None:
        self._object, self.goes_on, self.flushed = weakref.ref(file), goes_on, False
        self.closed: float | None = None
        """By when it was."""

    @classmethod
    def done(cls) -> Writer:
        """Of a file that something has written whole just now."""
        found = cls(cls)
        found.closed = math.nextafter(time.time(), 0.0)
        return found

    def is_open(self, now: float) -> bool:
        """Whether it still is; what is opened from `now` on comes after it."""
        if self.closed is not None:
            return False
        file = self._object()
        try:
            if file is not None and not file.closed:
                return True
        except ValueError:  # its buffer was taken from it, and may be written to
            return False
        self.closed = math.nextafter(now, 0.0)
        return False

    def flush(self, variables: dict[str, Any]) -> None:
        """At the end of a program: write what it has left to be written by the interpreter in a moment, which only does
        so for what nothing holds but the variables of the main program."""
        file = self._object()
        if file is None or not any(value is file for value in list(variables.values())):
            return
        alone = sys.getrefcount(file) <= ONLY_VARIABLES
        if alone and self.is_open(time.time()) and stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            with contextlib.suppress(OSError, ValueError):  # which it then fails with as well
                type(file).flush(file)
                self.flushed = True


class Opening:
    """How a file was opened."""

    __slots__ = ("folder", "moved", "path", "state", "when", "writer", "writing")

    def __init__(
        self, path: str, folder: str, writing: bool, state: State | None, writer: Writer | None, moved: bool,
        when: float | None = None,
    ) -> None:  # fmt: skip
        self.path, self.folder = path, folder
        """The path, and the folder it is relative to."""
        self.writing, self.when = writing, when if when is not None else time.time()
        self.state = state
        """Of the file at that moment."""
        self.writer, self.moved = writer, moved


class OpenedFile:
    """A file that the program opened, for reading or for writing."""

    __slots__ = (
        "appended",
        "done",
        "folder",
        "moved",
        "opened",
        "path",
        "state",
        "versions",
        "when",
        "writer",
        "writing",
    )

    def __init__(self, path: str, opening: Opening, versions: int = 1) -> None:
        self.path, self.folder, self.writing, self.moved = path, os.path.dirname(path), opening.writing, opening.moved
        self.when, self.opened, self.writer = opening.when, opening.state, opening.writer
        self.appended = opening.writer is not None and opening.writer.goes_on
        self.done, self.versions = False, versions
        self.state: State | None = None
        """Of the file as it was recorded."""

    def again(self, opening: Opening) -> None:
        """It was opened once more."""
        if self.writing:
            self.when, self.writer = opening.when, opening.writer
            if self.appended and opening.writer is not None and not opening.writer.goes_on:
                self.appended = False
        elif self.moved and not opening.moved:  # another file has come to its place
            self.moved, self.when, self.opened = False, opening.when, opening.state

    def is_of_before(self, opening: Opening) -> bool:
        """Whether it has changed since it was read, and is read again."""
        changed = None not in (self.opened, opening.state) and self.opened != opening.state
        return changed and not self.writing and not self.moved and self.versions < VERSIONS

    def look(self, job: Job, calm: float, moved: dict[str, str], known: Mapping[tuple[str, bool], OpenedFile]) -> None:
        """Record the file if it is there, and left alone for `calm` seconds if it was written; again if it has
        changed since.  One that is gone was temporary if the program has made it."""
        from autotrack.artifacts import report_artifact

        try:
            status = os.stat(self.path)
        except OSError:
            self.done = True
            if not self.writing and self.state is None and (self.path, True) not in known:
                self._gone(job, moved)
            return
        state = state_of(status)
        first = self.versions == 1 and self.state is None
        told = first and (self.path, self.writing) in job.artifacts  # by a plugin, which knows more
        same = state == self.state or (self.writing and state == self.opened)
        if told or same or self.moved or not stat.S_ISREG(status.st_mode):
            self.done = True
        elif not self.writing:
            self.done, self.state = True, state
            changed = state != self.opened if self.opened is not None else status.st_mtime > self.when
            why = "it was written to after it was read" if changed else ""
            report_artifact(job, self.path, "read", unknown=why, when=self.when)
        elif time.time() - status.st_mtime >= calm:
            self.state = state
            kind = "appended" if self.appended else "file"
            is_open = self.writer is not None and not self.writer.flushed and self.writer.is_open(time.time())
            unknown = "it was still open when the program ended" if is_open and not calm else ""
            when = self._written(status.st_mtime)
            report_artifact(job, self.path, "written", kind=kind, when=when, unknown=unknown)

    def _gone(self, job: Job, moved: dict[str, str]) -> None:
        """Where it was read before, it is read where it lies now."""
        from autotrack.artifacts import report_artifact

        place = self.path
        for _ in range(MOVES):
            place = moved.get(place, place)
        try:
            status = os.stat(place)
            there = state_of(status) == self.opened and stat.S_ISREG(status.st_mode)
        except OSError:
            there = False
        if there:
            report_artifact(job, self.path, "read", when=self.when, place=place)
        elif self.path in moved and not self.moved:
            report_artifact(job, self.path, "read", unknown=f"it was moved to {moved[self.path]}", when=self.when)
        elif not self.moved and not self._is_passing(job.cwd):
            why = "it was removed before its content was taken"
            report_artifact(job, self.path, "read", unknown=why, when=self.when)

    def _is_passing(self, cwd: str) -> bool:
        """Whether it looks as if it was made only for the moment, by means that are not seen."""
        own = self.path.startswith(os.path.join(cwd, ""))
        return os.path.basename(self.path).startswith("tmp") or (owned.is_temporary(self.path) and not own)

    def _written(self, changed: float) -> float:
        """When it was written last: what it was read from before that is part of it, what was read later is not.  The
        clock of a file system only says so by its ticks; but what was opened after it was closed came later."""
        now = time.time()
        if self.writer is not None and self.writer.closed is None:
            self.writer.is_open(now)
        latest = min(max(changed + SLACK, self.when), now)
        closed = self.writer.closed if self.writer is not None else None
        return min(latest, closed) if closed is not None and changed <= closed else latest


def state_of(status: os.stat_result) -> State:
    return status.st_ino, status.st_size, status.st_mtime_ns
