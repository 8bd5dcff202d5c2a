"""Containment: the one place where foreign code enters ours and where a failure of ours stops.

What an observer, a hook or a digest raises never reaches the user's program; it is counted, its traceback
is kept for `autotrack doctor`, and whoever fails or costs too much is switched off.  In strict mode (tests)
it is raised.  Nothing else in the package may catch `Exception`.
"""

from __future__ import annotations

import signal
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any, Final, TypeVar

    Result = TypeVar("Result")

FAILURE_LIMIT = 5
"""Failures in a row after which a meter is switched off."""
SHARE_LIMIT = 0.05
"""Share of the program's time that a meter may spend, once it has spent `SHARE_FLOOR` seconds."""
SHARE_FLOOR = 2.0

_START = time.perf_counter()


class Failed:
    """What `contain` returns when the function raised."""

    def __bool__(self) -> bool:
        return False


FAILED: Final = Failed()


class Meter:
    """What one patch or hook did: calls, failures, seconds on the user's threads; and its switch."""

    __slots__ = ("_row", "failed", "fired", "name", "on", "seconds", "when_off", "why")

    def __init__(self, name: str) -> None:
        self.name = name
        self.fired = 0
        self.failed = 0
        self.seconds = 0.0
        self.on = True
        self.why = ""
        self.when_off: Callable[[Meter], None] | None = None
        self._row = 0

    def spent(self, seconds: float) -> None:
        """Add to the overhead ledger; switches the meter off where its share is too large."""
        self.seconds += seconds
        if self.seconds > SHARE_FLOOR:
            elapsed = time.perf_counter() - _START
            if self.seconds > SHARE_LIMIT * elapsed:
                self.off(f"took {self.seconds:.1f} s of {elapsed:.1f} s, more than {SHARE_LIMIT:.0%}")

    def succeed(self) -> None:
        self._row = 0

    def fail(self, why: str) -> None:
        self.failed += 1
        self._row += 1
        self.why = why
        if self._row >= FAILURE_LIMIT:
            self.off(f"failed {self._row} times in a row, last with {why}")

    def off(self, why: str) -> None:
        if self.on:
            self.on = False
            self.why = why
            if self.when_off is not None:
                self.when_off(self)


class _State:
    strict = False
    listener: Callable[[str, str], None] | None = None


def configure(*, strict: bool, listener: Callable[[str, str], None] | None) -> None:
    """Set strict mode, and who is told (where, traceback text) of each failure."""
    _State.strict = strict
    _State.listener = listener


def contain(
    where: str, function: Callable[..., Result], *arguments: Any, meter: Meter | None = None
) -> Result | Failed:
    """The function's result, or FAILED where it raised an `Exception` of ours.

    Lets through what a signal handler of the user raised while we ran: that is the user's own timeout.
    """
    try:
        return function(*arguments)
    except Exception as error:
        if raised_by_signal_handler(error):
            raise
        _note(where, error, meter)
        if _State.strict:
            raise
        return FAILED


def _note(where: str, error: Exception, meter: Meter | None) -> None:
    import traceback

    if meter is not None:
        meter.fail(f"{type(error).__name__}: {error}"[:500])
    if _State.listener is not None:
        text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        listener, _State.listener = _State.listener, None  # a failing listener must not call itself
        try:
            listener(where, text)
        except Exception:
            if _State.strict:
                raise
        finally:
            _State.listener = listener


def raised_by_signal_handler(error: BaseException) -> bool:
    """Whether the traceback passes through a handler installed with `signal.signal`."""
    if threading.current_thread() is not threading.main_thread():
        return False
    handlers = set(_handler_codes())
    entry = error.__traceback__
    while entry is not None:
        if entry.tb_frame.f_code in handlers:
            return True
        entry = entry.tb_next
    return False


def _handler_codes() -> list[CodeType]:
    codes = []
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if handler is None or isinstance(handler, int) or handler is signal.default_int_handler:
            continue
        function = getattr(handler, "__func__", handler)
        function = function if hasattr(function, "__code__") else vars(type(handler)).get("__call__")
        code = getattr(function, "__code__", None)
        if code is not None:
            codes.append(code)
    return codes


def complain(text: str) -> None:
    """One line on stderr, whatever the state of that stream."""
    try:
        print(f"autotrack: {text}", file=sys.stderr, flush=True)
    except Exception:
        if _State.strict:
            raise
