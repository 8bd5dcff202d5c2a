"""What a thread waits at."""

from __future__ import annotations

import _thread
import contextlib
import time

LOOK = 0.5
"""Seconds after which a thread that waits looks up."""


class Gate:
    """An event, as `threading.Event` but for signal handlers: one that raises in the midst of that one's methods, which
    are Python, may leave its lock locked, and whoever comes to it then waits for ever."""

    __slots__ = ("_lock", "_open")

    def __init__(self) -> None:
        self._lock = _thread.allocate_lock()
        self._lock.acquire()
        self._open = False

    def is_set(self) -> bool:
        """Whether it is open."""
        return self._open

    def set(self) -> None:
        """Open it."""
        self._open = True
        self._unlock()

    def clear(self) -> None:
        """Close it."""
        self._open = False
        self._lock.acquire(False)

    def wait(self, timeout: float) -> bool:
        """Wait at most so many seconds until it is open; whether it is."""
        until = time.monotonic() + timeout
        while not self._open:
            left = until - time.monotonic()
            if left <= 0:
                break
            # Where a handler raises right after, it stays locked: who waits besides looks up.
            if self._lock.acquire(timeout=min(left, LOOK)) and self._open:
                self._unlock()
        return self._open

    def _unlock(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is not locked
            self._lock.release()
