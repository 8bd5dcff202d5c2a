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

from autotrack import events, leakage, shield
from autotrack.identity.columns import is_a
from autotrack.identity.cost import seconds_to_digest, size_of_copy

if TYPE_CHECKING:
    from autotrack.identity.profile import Profile
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
        self._finished = False
        self._lost: dict[str, None] = {}
        """The latest of those that were missed: they may yet be profiled."""
        self._lock = threading.Lock()
        job.at_end.append(self._finish)

    def later(self, identity: str, data: Any) -> None:
        """Profile data whose identity this is, unless that was done or is going to be."""
        if identity in self._known or self._job.recorder is None or "numpy" not in sys.modules:
            return
        self._known[identity] = None
        if len(self._known) > REMEMBERED:
            self._known.pop(next(iter(self._known)), None)
        if len(self._waiting) >= QUEUED:
            self._miss(identity)
            return
        from autotrack.identity import overlap, profile  # noqa: F401 - not on the recorder's thread, which imports nothing

        seconds = seconds_to_digest(data)
        size = size_of_copy(data)
        expected = 0.001 + 3 * seconds + (size or 0) / PASS_BYTES_A_SECOND
        held: Source | None = None
        if size is not None and size <= COPIED and self._copied + size <= WAITING:
            held = copied(data)
        if held is None:
            size, held = 0, _weakly(data)
        if held is None:
            self._miss(identity)
            return
        size = size or 0
        self._copied += size
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
        self._lost.clear()

    def _granted(self) -> float:
        elapsed = time.time() - self._job.started
        return GRANTED + SHARE * (os.cpu_count() or 1) * elapsed - self._spent

    def _work(self) -> bool:
        """Profile what there is time for; False while something waits.  A recorder's task."""
        while self._waiting and not self._job.ended:
            if not self._next(self._job_goes_on, self._granted()):
                return False
        return True

    def _job_goes_on(self) -> bool:
        return not self._job.ended

    def _next(self, going: Callable[[], bool], granted: float) -> bool:
        """Profile the first that takes at most `granted` seconds; False where there is none: a large one that waits
        keeps no small one waiting."""
        with self._lock:
            waiting = list(self._waiting)  # to which the program's threads add
            at = next((at for at, (_, _, seconds, _) in enumerate(waiting) if seconds <= granted), None)
            if at is None:
                return False
            identity, held, _, size = self._waiting[at]
            del self._waiting[at]
        begun = time.perf_counter()
        found = shield.contain("columns and statistics of data", _profiled, held, going)
        self._copied -= size
        self._spent += time.perf_counter() - begun
        if isinstance(found, tuple) and found.event.data == identity:
            self._job.report(found.event)
            leakage.of(self._job).profiled(*found)
            if self._lost.pop(identity, False) is None:
                self._missed -= 1
        elif found is not True:
            self._miss(identity)
        return True

    def _miss(self, identity: str) -> None:
        """Forget it, so that it is profiled when it comes again."""
        if self._finished:
            self._tell(1)
            return
        self._known.pop(identity, None)
        if identity not in self._lost:
            self._missed += 1
            self._lost[identity] = None
            if len(self._lost) > REMEMBERED:
                self._lost.pop(next(iter(self._lost)), None)

    def _finish(self) -> None:
        """At the program's end: what there is time for, and how much is left out."""
        until = time.perf_counter() + AT_END
        while self._next(lambda: time.perf_counter() < until, until - time.perf_counter()):
            pass
        for identity, *_ in list(self._waiting):
            self._miss(identity)
        self._waiting.clear()
        self._finished = True
        leakage.of(self._job).finish()
        self._tell(self._missed)

    def _tell(self, missed: int) -> None:
        if missed and self._job.segment is not None:
            why = "they were gone or had changed, or there was no time left, before their columns could be read"
            what = f"columns and statistics of {missed} dataset{'s' if missed > 1 else ''}"
            self._job.report(events.GapFound(time=time.time(), strand=None, what=what, why=why))


def _profiled(held: Source, going: Callable[[], bool]) -> Profile | bool | None:
    """None where it was gone or is abandoned, True where the data has no profile, which is no gap."""
    from autotrack.identity.elements import Undigestible
    from autotrack.identity.profile import Abandoned, profiled

    data = held()
    if data is None:
        return None
    try:
        return profiled(data, going)
    except Abandoned:
        return None
    except Undigestible:
        return True


def of(job: Job) -> Profiles:
    """The profiles of the job in this process."""
    if job.profiles is None:
        job.profiles = Profiles(job)
    return job.profiles


_ATOMS = frozenset({int, float, bool, complex, str, bytes, type(None)})


def copied(data: Any) -> Source | None:
    """A copy that the program can't change; what can't be changed itself.  None for what has none."""
    if isinstance(data, (list, tuple)):
        copy: Any = _of_container(data)
    elif is_a(data, "polars", "DataFrame", "Series"):
        copy = data.clone()
    else:
        copy = data.copy() if hasattr(data, "copy") else data
    return None if copy is None else lambda: copy


def _of_container(data: Any) -> Any:
    """A list, tuple or dict with copies of what can be changed in it; None where that can't be copied."""
    kind = type(data)
    entries = data.values() if kind is dict else data
    if kind not in (list, tuple, dict):
        return None
    if set(map(type, entries)) <= _ATOMS:
        return data if kind is tuple else data.copy()
    made = []
    for entry in entries:
        if type(entry) in _ATOMS or is_a(entry, "numpy", "generic"):
            made.append(entry)
        else:
            inner = entry.copy() if is_a(entry, "numpy", "ndarray") else _of_container(entry)
            if inner is None:
                return None
            made.append(inner)
    return dict(zip(data, made, strict=True)) if kind is dict else kind(made)


def _weakly(data: Any) -> Source | None:
    try:
        return weakref.ref(data)
    except TypeError:
        return None
