"""The background thread: what need not happen on the user's threads happens here.

It seals the points, digests files, flushes windows in plain memory, keeps the live mark fresh, and writes
receipts when they change.  It imports nothing itself and never the user's frameworks: an import from a
second thread can meet the user's own half-way and break it.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable

from autotrack import events, shield
from autotrack.job import Job
from autotrack.journal.seal import Sealer
from autotrack.journal.segment import Segment

PERIOD = 5.0
"""Seconds between seals: a power failure loses at most two periods, a killed process nothing."""
FLUSH_PERIOD = 0.2
"""Seconds between flushes of windows in plain memory."""

Task = Callable[[], "bool | None"]
"""Something to do later; False means: not yet, ask again next time."""


class Recorder:
    """Runs tasks, in the order they came, on one daemon thread that starts with the first segment."""

    def __init__(self, job: Job, segment: Segment) -> None:
        self._job, self._segment = job, segment
        self._tasks: deque[tuple[str, Task]] = deque()
        self._waiting: list[tuple[str, Task]] = []
        self._wake = threading.Event()
        self._stop = False
        self._sealer = Sealer(segment.points)
        self._receipts: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._loop, name="autotrack", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def later(self, what: str, task: Task) -> None:
        """Do something on the recorder's thread.  `what` names it in case there is no time left for it."""
        self._tasks.append((what, task))
        self._wake.set()

    def each_period(self, report: Callable[[], None]) -> None:
        """Call something every few seconds and at the end."""
        self._receipts.append(report)

    def _loop(self) -> None:
        due = time.monotonic() + PERIOD
        while not self._stop:
            buffered = self._segment.points.started and not self._segment.points.mapped
            self._wake.wait(FLUSH_PERIOD if buffered else max(due - time.monotonic(), 0.01))
            self._wake.clear()
            self._run_tasks()
            if buffered:
                shield.contain("recorder", self._flush)
            if time.monotonic() >= due:
                due = time.monotonic() + PERIOD
                shield.contain("recorder", self._period)

    def _run_tasks(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._tasks.extend(waiting)
        for _ in range(len(self._tasks)):
            what, task = self._tasks.popleft()
            if shield.contain(f"recorder: {what}", task) is False:
                self._waiting.append((what, task))

    def _flush(self, *, last: bool = False) -> None:
        try:
            self._segment.points.flush(last=last)
        except OSError as error:
            if last:
                self._job.failed(error)

    def _period(self, *, last: bool = False) -> None:
        try:
            if not last:
                os.utime(self._segment.live)
            for report in self._receipts:
                report()
            self._seal(last=last)
        except FileNotFoundError:
            self._segment.touch()
        except OSError as error:
            self._job.failed(error)

    def _seal(self, *, last: bool) -> None:
        sealed = self._sealer.advance(last=last)
        if sealed is not None:
            self._segment.points.sync()
            count, digest, empty = sealed
            self._job.report(events.Sealed(time=time.time(), count=count, digest=digest, empty=empty))

    def end(self, timeout: float) -> list[str]:
        """Finish within `timeout` seconds; returns what is left undone.  Only what is already queued is done:
        the program is over."""
        deadline = time.monotonic() + timeout
        done = threading.Event()
        self._tasks.append(("end", done.set))
        self._wake.set()
        done.wait(timeout)
        self._stop = True
        self._wake.set()
        self._thread.join(max(deadline - time.monotonic(), 0.05))
        left = [what for what, _ in (*self._waiting, *self._tasks) if what != "end"]
        self._segment.points.end()
        self._flush(last=True)
        dropped = self._segment.points.dropped + self._segment.points.unwritten()
        if dropped:
            left.append(f"{dropped} points that could not be written")
            self._job.lost += dropped
        if not self._thread.is_alive():
            shield.contain("recorder", lambda: self._period(last=True))
        return left
