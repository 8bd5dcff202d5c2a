"""The job of this process: opened with the first thing worth recording, closed when the program ends.

A job is one start of a program with all its processes.  Forked and spawned workers write segments of their
own into the job of the program that started them.  A program that did nothing recordable leaves nothing.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from autotrack import shield
from autotrack.ids import new_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from autotrack.events import Event
    from autotrack.journal.segment import Segment
    from autotrack.recorder import Recorder
    from autotrack.settings import Settings
    from autotrack.strand import Strand

VARIABLE = "AUTOTRACK_JOB"
"""Environment variable by which child processes know the job that started them."""

_WORKER_MARKS = ("--multiprocessing-fork", "multiprocessing.forkserver", "multiprocessing.resource_tracker")


class Job:
    """What this process knows of its job.  Everything recorded goes through `report`.

    `role` is `main`, or `spawn` or `fork` in a worker of the same program.
    """

    def __init__(self, settings: Settings, how: str) -> None:
        self.settings = settings
        self.how = how
        inherited = os.environ.get(VARIABLE)
        self.role = "spawn" if inherited and is_worker() else "main"
        self.id = inherited if inherited and self.role == "spawn" else new_id()
        self.parent = inherited if inherited and self.role == "main" else None
        self.pid = os.getpid()
        self.started = time.time()
        self.cwd = _cwd()
        self.runs = 0
        self.lost = 0
        self.segment: Segment | None = None
        self.recorder: Recorder | None = None
        self.at_end: list[Callable[[], None]] = []
        """Called when the process ends, before the journal is closed."""
        self.unfinished: dict[str, Strand] = {}
        """Strands that have begun in this process and not ended."""
        self._trouble = ""
        self._lock = threading.RLock()
        self._artifacts = 0
        self._ended = False
        self._exit: tuple[int, str] | None = None
        self._original_exit: Callable[..., Any] | None = None
        os.environ[VARIABLE] = self.id

    # Recording

    def report(self, event: Event) -> bool:
        """Append an event.  Never raises OSError: what can't be written is counted and told at the end."""
        self._exit = None
        try:
            self.opened().write(event)
        except OSError as error:
            self.failed(error)
            return False
        return True

    def opened(self) -> Segment:
        """The segment of this process, opened on first use.  Raises OSError where it can't be."""
        segment = self.segment
        if segment is None:
            with self._lock:
                if self.segment is None:
                    self.segment = self._open()
                segment = self.segment
        return segment

    def failed(self, error: OSError) -> None:
        self.lost += 1
        self._trouble = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)

    def next_artifact(self) -> int:
        with self._lock:
            self._artifacts += 1
            return self._artifacts

    def _open(self) -> Segment:
        if self._trouble and self.segment is None and self.lost:
            raise OSError(None, self._trouble)
        from autotrack import lifecycle

        return lifecycle.open_segment(self)

    # Processes

    def after_fork(self) -> None:
        """In a forked child: let go of the parent's files before anything else; own ones come with the
        first thing to record."""
        self._lock = threading.RLock()
        segment, self.segment, self.recorder = self.segment, None, None
        self.role, self.pid = "fork", os.getpid()
        self._artifacts = 0
        self.lost = 0
        self.unfinished = {}
        if segment is not None:
            segment.forget()
        multiprocessing = sys.modules.get("multiprocessing.util")
        if multiprocessing is not None:  # its children leave with os._exit, which runs no atexit function
            multiprocessing.Finalize(None, self.end, exitpriority=-100)

    # The end

    def watch_exit(self) -> None:
        """Note what `sys.exit` is called with: nothing tells the exit code once the interpreter ends."""
        original = sys.exit
        job = self

        def exit(status: Any = None, /) -> Any:
            if threading.current_thread() is threading.main_thread():
                job._exit = exit_code(status), "sys.exit"
            return original(status)

        exit.__module__, exit.__qualname__, exit.__doc__ = "sys", "exit", original.__doc__
        self._original_exit = original
        self._patched_exit = exit
        sys.exit = exit

    def unwatch_exit(self) -> None:
        if self._original_exit is not None and sys.exit is self._patched_exit:
            sys.exit = self._original_exit
        self._original_exit = None

    def end(self) -> None:
        """Close the job in this process.  Called once, when the interpreter ends or recording is disabled."""
        if self._ended or self.pid != os.getpid():
            return
        self._ended = True
        noted = self._exit
        for strand in list(self.unfinished.values()):
            shield.contain("end", strand.end, "finished" if strand.kind == "log" else "interrupted")
        for close in self.at_end:
            shield.contain("end", close)
        if self.segment is not None:
            from autotrack import lifecycle

            shield.contain("end", lifecycle.close_segment, self, self._outcome(noted))
        if self.role == "main":
            self._tell()

    def _outcome(self, noted: tuple[int, str] | None) -> tuple[int, str, BaseException | None]:
        """Exit code, how it is known, and the exception that ended the program."""
        error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        if isinstance(error, BaseException) and not hasattr(sys, "ps1"):
            return (130 if isinstance(error, KeyboardInterrupt) else 1), "exception", error
        if noted is not None:
            return *noted, None
        return 0, "end", None

    def _tell(self) -> None:
        if self.settings.quiet:
            return
        if self.lost:
            kept = "Nothing was recorded" if self.segment is None else f"{self.lost} entries could not be recorded"
            shield.complain(f"{kept}: {self._trouble}. Set AUTOTRACK_DIR to a folder that can be written.")
        elif self.runs:
            count = f"{self.runs} run{'s' if self.runs > 1 else ''}"
            show = "autotrack ls" if self.runs > 1 else "autotrack show @last"
            shield.complain(f"{count} recorded; see them with: {show}")


def is_worker() -> bool:
    """Whether this process was spawned to work for the program that started it."""
    words = getattr(sys, "orig_argv", sys.argv)
    return any(mark in word for word in words for mark in _WORKER_MARKS) or any(
        "loky.backend" in word for word in words
    )


def exit_code(status: Any) -> int:
    """The exit code that `sys.exit(status)` gives."""
    if status is None:
        return 0
    return int(status) & 0xFF if isinstance(status, int) else 1


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:
        return os.environ.get("PWD", "/")
