"""The background thread: what need not happen on the user's threads happens here.

It seals the points, digests files, flushes windows in plain memory, keeps the live mark fresh, and writes
receipts when they change.  It imports nothing itself and never the user's frameworks: an import from a
second thread can meet the user's own half-way and break it.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable

from autotrack import context, events, handles, shield
from autotrack.gates import Gate
from autotrack.job import Job
from autotrack.journal.points import PREPARE_PERIOD
from autotrack.journal.seal import Sealer
from autotrack.journal.segment import Segment

PERIOD = 5.0
"""Seconds between seals: a power failure loses at most two periods, a killed process nothing."""
FLUSH_PERIOD = 0.2
"""Seconds between flushes of windows in plain memory."""

Task = Callable[[], "bool | None"]
"""Something to do later; False means: not yet, ask again next time."""


class Recorder:
    """Runs tasks, in the order they came, on one thread that starts with the first segment.

    The thread is a plain one of `_thread`: `threading` would list it among the user's own, and run the user's
    trace and profile functions in it.
    """

    def __init__(self, job: Job, segment: Segment) -> None:
        self._job, self._segment = job, segment
        self._inbox: queue.SimpleQueue[tuple[str, Task]] = queue.SimpleQueue()
        """Whose `put` a signal handler may call in the midst of another `put`."""
        self._tasks: deque[tuple[str, Task]] = deque()
        self._waiting: list[tuple[str, Task]] = []
        self._timed: list[tuple[float, str, Task]] = []
        """What is to be done not before some time."""
        self._gate = threading.Lock()
        self._stop = False
        self._stopped = Gate()
        self._stopped.set()
        self._task = ""
        self._at: tuple[str, Task] | None = None
        """What it is doing."""
        self._due = time.monotonic() + PERIOD
        self.seconds = 0.0
        """Of a processor, that the thread took so far."""
        self._told = False
        self._sealer = Sealer(segment.points)
        self._receipts: list[Callable[[], None]] = []
        self._timers = [_Timer(PREPARE_PERIOD, segment.points.prepare, time.monotonic() + PREPARE_PERIOD)]

    def start(self) -> None:
        """Start the thread, unless it runs.  Where no thread can be had any more, the end does its work."""
        with self._gate:
            self._stop = False
            if not self._stopped.is_set():
                return
            self._stopped.clear()
        try:
            _thread.start_new_thread(self._loop, ())
        except RuntimeError:
            self._stopped.set()

    def pause(self, patience: float) -> bool:
        """Let the thread end after the task it is at; whether that was so within `patience` seconds."""
        self._stop = True
        if not self._stopped.is_set():
            self.later("pause", _nothing)
        stopped = self._stopped.wait(patience)
        give_up = time.monotonic() + patience
        while stopped and os.path.exists(self._task) and time.monotonic() < give_up:
            time.sleep(0)  # it has nothing left to do, but the system still counts it
        return stopped

    def later(self, what: str, task: Task) -> None:
        """Do something on the recorder's thread.  `what` names it in case there is no time left for it."""
        self._inbox.put((what, task))

    def soon(self, what: str, task: Task, seconds: float) -> None:
        """Do something on the recorder's thread in a while; at the end at once."""
        due = time.monotonic() + seconds
        self.later(what, lambda: self._timed.append((due, what, task)))

    def each_period(self, report: Callable[[], None]) -> None:
        """Call something every few seconds and at the end."""
        self._receipts.append(report)

    def every(self, seconds: float, act: Callable[[], None], *, first: float) -> None:
        """Call something every so many seconds, for the first time `first` seconds from now.  To be said before the
        thread starts."""
        self._timers.append(_Timer(seconds, act, time.monotonic() + first))

    def _loop(self) -> None:
        self._task, before = f"/proc/self/task/{_thread.get_native_id()}", self.seconds
        context.here.inside = context.OURS  # what it opens is not the program's
        try:
            while not self._ends():
                buffered = self._segment.points.started and not self._segment.points.mapped
                self._take(FLUSH_PERIOD if buffered else self._patience())
                self._take_timed(time.monotonic())
                self._run_tasks(lambda: self._stop)
                for timer in self._timers:
                    if time.monotonic() >= timer.due and not self._stop:
                        timer.due = time.monotonic() + timer.seconds
                        shield.contain("recorder", timer.act)
                if buffered:
                    shield.contain("recorder", self._flush)
                if time.monotonic() >= self._due:
                    self._due = time.monotonic() + PERIOD
                    shield.contain("recorder", self._period)
                self.seconds = before + time.thread_time()
        finally:
            self._stopped.set()

    def _patience(self) -> float:
        """Seconds until something is due."""
        due = min([*(when for when, _, _ in self._timed), *(timer.due for timer in self._timers), self._due])
        return max(due - time.monotonic(), 0.01)

    def _take_timed(self, now: float) -> None:
        """Take what is due by now, in the order in which it came."""
        self._tasks.extend((what, task) for due, what, task in self._timed if due <= now)
        self._timed = [entry for entry in self._timed if entry[0] > now]

    def _ends(self) -> bool:
        with self._gate:
            if self._stop:
                self._stopped.set()
            return self._stop

    def _take(self, timeout: float) -> None:
        """Wait for a task, and take all that have come."""
        with contextlib.suppress(queue.Empty):
            self._tasks.append(self._inbox.get(timeout=timeout))
            while True:
                self._tasks.append(self._inbox.get_nowait())
        waiting, self._waiting = self._waiting, []
        self._tasks.extend(waiting)

    def _run_tasks(self, enough: Callable[[], bool]) -> None:
        while self._tasks and not enough():
            self._at = what, task = self._tasks.popleft()
            if shield.contain(f"recorder: {what}", task) is False:
                self._waiting.append((what, task))
            self._at = None
            handles.let_go()

    def _flush(self, *, last: bool = False) -> None:
        try:
            try:
                self._segment.points.flush(last=last)
            finally:
                self._tell_that_points_wait()
        except OSError as error:
            if last:
                self._job.failed(error)

    def _tell_that_points_wait(self) -> None:
        """Tell once that points are in plain memory for a while.  Raises OSError where there is no room: then the
        next time."""
        if not self._told:
            why = f"the file can't be mapped; a crash could lose those of the last {FLUSH_PERIOD:g} s"
            self._segment.write(events.GapFound(time=time.time(), strand=None, what="points", why=why))
            self._told = True

    def _period(self, *, last: bool = False) -> None:
        try:
            if not last:
                self._segment.touch()
            for report in self._receipts:
                report()
            self._seal(last=last)
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
        ended = Gate()
        self.later("end", ended.set)
        while not (self._stopped.is_set() or ended.wait(min(0.05, timeout)) or time.monotonic() > deadline):
            pass
        stopped = self.pause(max(deadline - time.monotonic(), 0.05))
        if stopped:
            self._take(0.0)
            self._run_tasks(lambda: time.monotonic() > deadline)  # which may say what else is to be done
            self._take_timed(float("inf"))
            self._run_tasks(lambda: time.monotonic() > deadline)
        left = [what for what, task in self._undone(stopped) if task not in (_nothing, ended.set)]
        points = self._segment.points
        points.end()
        if points.started and not points.mapped:
            self._flush(last=True)
        dropped = points.dropped + points.unwritten()
        if dropped:
            left.append(f"{dropped} points that could not be written")
            self._job.lost += dropped
        if stopped:
            shield.contain("recorder", lambda: self._period(last=True))
        return left

    def _undone(self, stopped: bool) -> list[tuple[str, Task]]:
        """What there is still to do; where the thread has not stopped, also what it does not come away from, and what
        it would have come to."""
        at = self._at
        undone = [*([at] if at is not None and not stopped else []), *self._waiting, *self._tasks]
        if not stopped:
            undone += [(what, task) for _, what, task in list(self._timed)]
            with contextlib.suppress(queue.Empty):
                while True:
                    undone.append(self._inbox.get_nowait())
        return undone


class _Timer:
    """Something that is done every so many seconds."""

    __slots__ = ("act", "due", "seconds")

    def __init__(self, seconds: float, act: Callable[[], None], due: float) -> None:
        self.seconds, self.act, self.due = seconds, act, due


def _nothing() -> None:
    """A task that only wakes the thread."""
