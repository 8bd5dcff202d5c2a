"""Which datasets are profiled, and when: by the recorder, each identity once, within a share of the program's time.

Small data is profiled from a copy, large data as it lies there, beside the call that uses it or after it, as long as
the program keeps it.  What is read is checked against the identity: data that changed meanwhile has no profile.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from autotrack import events, shield
from autotrack.identity.arrays import seconds_to_digest, size_of

if TYPE_CHECKING:
    from autotrack.job import Job

COPIED = 1 << 20
"""Bytes of data that is copied."""
WAITING, QUEUED = 1 << 24, 256
"""Bytes of copies, and datasets, that wait at most."""
REMEMBERED = 4096
"""Identities that are known to be profiled."""
GRANTED, SHARE = 0.3, 0.05
"""Seconds, and share of the time of all processors since the job began, that profiles may take."""
AT_END = 0.3
"""Seconds that profiles may take once the program has ended."""
PASS_BYTES_A_SECOND = 1e9

Source = Callable[[], Any]


class Profiles:
    """The profiles of a process."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._known: dict[str, None] = {}
        self._waiting: deque[tuple[str, Source, float, int]] = deque()
        """Identity, data (None once it is gone), seconds that it will take, bytes of the copy."""
        self._copied = 0
        self._spent = 0.0
        self._missed = 0
        self._lock = threading.Lock()
        job.at_end.append(self._finish)

    def later(self, identity: str, data: Any) -> None:
        """Profile data whose identity this is, unless that was done or is going to be."""
        if identity in self._known or self._job.recorder is None or "numpy" not in sys.modules:
            return
        self._known[identity] = None
        if len(self._known) > REMEMBERED:
            self._known.pop(next(iter(self._known)))
        if len(self._waiting) >= QUEUED:
            self._missed += 1
            return
        from autotrack.identity import profile  # noqa: F401 - not on the recorder's thread, which imports nothing

        seconds = seconds_to_digest(data)
        size = size_of(data) or 0
        expected = 0.001 + 3 * seconds + size / PASS_BYTES_A_SECOND
        held: Source | None = None
        if size <= COPIED and self._copied + size <= WAITING:
            copy = _copy(data)
            self._copied += size
            held = lambda: copy  # noqa: E731
        else:
            size = 0
            held = _weakly(data)
        if held is None:
            self._missed += 1
            return
        self._waiting.append((identity, held, expected, size))
        self._job.recorder.later("columns and statistics of data", self._work)

    @property
    def waiting(self) -> int:
        """How many datasets are waiting to be profiled."""
        return len(self._waiting)

    def after_fork(self) -> None:
        """In a forked child: what waits is profiled in the parent."""
        self._lock = threading.Lock()
        self._waiting.clear()
        self._missed, self._copied, self._spent = 0, 0, 0.0

    def _granted(self) -> float:
        elapsed = time.time() - self._job.started
        return GRANTED + SHARE * (os.cpu_count() or 1) * elapsed - self._spent

    def _work(self) -> bool:
        """Profile what there is time for; False while something waits.  A recorder's task."""
        while self._waiting and not self._job.ended:
            if self._waiting[0][2] > self._granted():
                return False
            self._next(self._job_goes_on)
        return True

    def _job_goes_on(self) -> bool:
        return not self._job.ended

    def _next(self, going: Callable[[], bool]) -> None:
        with self._lock:
            if not self._waiting:
                return
            identity, held, _, size = self._waiting.popleft()
        begun = time.perf_counter()
        found = shield.contain("columns and statistics of data", _profiled, held, going)
        self._copied -= size
        self._spent += time.perf_counter() - begun
        if isinstance(found, events.DataProfiled) and found.data == identity:
            self._job.report(found)
        elif not found:
            self._missed += 1

    def _finish(self) -> None:
        """At the program's end: what there is time for, and how much is left out."""
        until = time.perf_counter() + AT_END
        while self._waiting and time.perf_counter() < until:
            if self._waiting[0][2] <= until - time.perf_counter():
                self._next(lambda: time.perf_counter() < until)
            else:
                self._waiting.popleft()
                self._missed += 1
        self._missed += len(self._waiting)
        self._waiting.clear()
        if self._missed and self._job.segment is not None:
            why = "they were gone, or there was no time left, before their columns could be read"
            what = f"columns and statistics of {self._missed} dataset{'s' if self._missed > 1 else ''}"
            self._job.report(events.GapFound(time=time.time(), strand=None, what=what, why=why))


def _profiled(held: Source, going: Callable[[], bool]) -> events.DataProfiled | bool | None:
    """None where it was gone or is abandoned, True where the data has no profile, which is no gap."""
    from autotrack.identity.elements import Undigestible
    from autotrack.identity.profile import Abandoned, profile

    data = held()
    if data is None:
        return None
    try:
        return profile(data, going)
    except Abandoned:
        return None
    except Undigestible:
        return True


def of(job: Job) -> Profiles:
    """The profiles of the job in this process."""
    if job.profiles is None:
        job.profiles = Profiles(job)
    return job.profiles


def _copy(data: Any) -> Any:
    """A copy that the program can't change; what can't be changed itself."""
    if isinstance(data, (list, tuple)):
        return [list(entry) if isinstance(entry, list) else entry for entry in data]
    if hasattr(data, "estimated_size"):
        return data.clone()
    return data.copy() if hasattr(data, "copy") else data  # what has none can't be changed


def _weakly(data: Any) -> Source | None:
    try:
        return weakref.ref(data)
    except TypeError:
        return None
