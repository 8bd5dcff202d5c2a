"""Progress of what takes over a second, on a terminal's stderr and nowhere else."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

AFTER = 1.0
"""Seconds before anything is shown."""


@contextmanager
def progress(what: str, *, beside_output: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Call what it gives with what is done, and of how many.  With `beside_output`, nothing is shown where stdout is
    a terminal too."""
    if not _wanted() or (beside_output and sys.stdout.isatty()):
        yield lambda done, of: None
        return
    shown = _Shown(what)
    timer = threading.Timer(AFTER, shown.start)
    timer.daemon = True
    timer.start()
    try:
        yield shown.update
    finally:
        timer.cancel()
        shown.stop()


def _wanted() -> bool:
    if sys.stderr is None or not sys.stderr.isatty():
        return False
    from autotrack import settings

    return not settings.load({}, os.environ, os.getcwd()).quiet


class _Shown:
    """A bar that appears late: `start` is called by a timer's thread."""

    def __init__(self, what: str) -> None:
        self._what, self._lock, self._stopped = what, threading.Lock(), False
        self._done, self._of = 0, 0
        self._progress: Progress | None = None

    def start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        with self._lock:
            if not self._stopped:
                columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
                self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
                self._progress.add_task(self._what, completed=self._done, total=self._of or None)
                self._progress.start()

    def update(self, done: int, of: int) -> None:
        with self._lock:
            self._done, self._of = done, of
            if self._progress is not None:
                self._progress.update(self._progress.task_ids[0], completed=done, total=of or None)

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._progress is not None:
                self._progress.stop()
