"""Containment: the one place where foreign code enters ours and where a failure of ours stops.

What an observer, a hook or a digest raises never reaches the user's program; it is counted, its traceback
is kept for `autotrack doctor`, and whoever fails or costs too much is switched off.  In strict mode (tests)
it is raised.  Nothing else in the package may catch `Exception`.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _thread
import errno
import io
import os
import signal
import sys
import threading
import time

from autotrack.extension import Switch, compiled
from autotrack.frames import transparent
from autotrack.gates import Gate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Any, Final, TypeVar

    Result = TypeVar("Result")

FAILURE_LIMIT = 5
"""Failures in a row after which a meter is switched off."""
SHARE_LIMIT = 0.05
"""Share of the program's time that a meter may spend, once it has spent `SHARE_FLOOR` seconds."""
SHARE_FLOOR = 2.0
CALL_LIMIT = 0.005
"""Seconds a call on average that are never too many: a program of ten thousand tiny fits is recorded to its end."""

_START = time.perf_counter()


class Failed:
    """What `contain` returns when the function raised."""

    def __bool__(self) -> bool:
        return False


FAILED: Final = Failed()


class Meter(Switch):
    """What one patch or hook did: calls, failures, seconds on the user's threads; and its switch."""

    __slots__ = ("_row", "failed", "name", "seconds", "why")

    def __init__(self, name: str) -> None:
        self.name = name
        self.failed = 0
        self.seconds = 0.0
        self.why = ""
        self._row = 0

    def spent(self, seconds: float) -> None:
        """Add to the overhead ledger; switches the meter off where its share is too large."""
        self.seconds += seconds
        if self.seconds > SHARE_FLOOR:
            elapsed = time.perf_counter() - _START
            if self.seconds > max(SHARE_LIMIT * elapsed, CALL_LIMIT * self.fired):
                self.off(f"took {self.seconds:.1f} s of {elapsed:.1f} s, more than {SHARE_LIMIT:.0%}")

    def succeed(self) -> None:
        self._row = 0

    def fail(self, why: str) -> None:
        self.failed += 1
        self._row += 1
        self.why = why
        if self._row >= FAILURE_LIMIT:
            self.off(f"failed {self._row} times in a row, last with {why}")

    def after_fork(self) -> None:
        """What it did was done in the parent."""
        self.fired = self.failed = 0
        self.seconds = 0.0

    def off(self, why: str) -> None:
        if self.on:
            self.on = False
            self.why = why
            if _State.switched is not None:
                _State.switched(self.name, why)


class _State:
    strict = False
    listener: Callable[[str, str], None] | None = None
    switched: Callable[[str, str], None] | None = None


def configure(
    *,
    strict: bool,
    listener: Callable[[str, str], None] | None,
    switched: Callable[[str, str], None] | None = None,
) -> None:
    """Set strict mode, who is told (where, traceback text) of each failure, and who (name, why) of each meter that is
    switched off."""
    _State.strict = strict
    _State.listener, _State.switched = listener, switched


def contain(
    where: str, function: Callable[..., Result], *arguments: Any, meter: Meter | None = None
) -> Result | Failed:
    """The function's result, or FAILED where it raised an `Exception` of ours.

    Lets through what a signal handler of the user raised while we ran: that is the user's own timeout.
    """
    try:
        return function(*arguments)
    except RecursionError as error:
        try:
            theirs = _stop(where, error, meter)
        except RecursionError:  # nor is there room for that
            theirs = False
        if theirs:
            raise
        return FAILED
    except Exception as error:
        try:
            theirs = _stop(where, error, meter)
        except RecursionError:
            theirs = True
        if theirs:
            raise
        return FAILED


def _stop(where: str, error: Exception, meter: Meter | None) -> bool:
    """Note an error; whether it is to be raised again: it is the user's own, or the mode is strict."""
    try:
        theirs = raised_by_signal_handler(error)
        if not theirs:
            _note(where, error, meter)
    except RecursionError:  # too near to the limit to look closer; of other errors a signal handler's comes first
        return not isinstance(error, RecursionError)
    return theirs or (_State.strict and not isinstance(error, RecursionError))


TIMED = 64
"""Of so many calls of a function that runs on every step, the time of one is taken."""


def followed(
    where: str,
    original: Callable[..., Any],
    after: Callable[[Any, Any, Any], object],
    meter: Meter,
    switch: Switch,
    quick: Callable[..., bool] | None,
) -> Any:
    """A function that calls the original, and while `switch.on`, contained, `after` with the arguments and the result;
    not where `quick`, which the extension asks, says of the arguments that there is nothing left to do.

    Written for a hot path between two pieces of other work, where what counts is how much memory is touched: one
    frame between `after` and the caller, and no calls that can be spared.
    """
    if quick is not None:
        return compiled.Followed(original, quick, _contained(where, after, meter), _told(where, meter), meter, switch)
    thread_time = time.thread_time

    def drive(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if meter.on and switch.on:
            meter.fired = fired = meter.fired + 1
            try:
                if fired % TIMED:
                    after(args, kwargs, result)
                else:
                    begun = thread_time()
                    after(args, kwargs, result)
                    meter.spent(TIMED * (thread_time() - begun))
                    meter.succeed()
            except Exception as error:
                if _stop(where, error, meter):
                    raise
        return result

    return transparent(drive)


def registered(
    where: str,
    function: Callable[..., object],
    unless: Callable[[], bool] | None,
    meter: Meter,
    switch: Switch,
    quick: Callable[..., bool] | None,
) -> Callable[..., None]:
    """A callback for a framework's own registry: contained, and nothing at all `unless` says so, which is asked first
    and of which a compiler that traces through it knows the answer.  `quick` as above: such a one is not traced."""
    contained = _contained(where, lambda args, kwargs, result: function(*args), meter)
    if quick is not None:
        return compiled.Followed(None, quick, contained, _told(where, meter), meter, switch)  # type: ignore[no-any-return]
    never = unless if unless is not None else (lambda: False)

    def callback(*args: Any) -> None:
        if not never() and meter.on and switch.on:
            contained(args, {}, None)

    return callback


def _contained(where: str, after: Callable[[Any, Any, Any], object], meter: Meter) -> Callable[[Any, Any, Any], None]:
    thread_time = time.thread_time

    def contained(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        meter.fired = fired = meter.fired + 1
        try:
            if fired % TIMED:
                after(args, kwargs, result)
            else:
                begun = thread_time()
                after(args, kwargs, result)
                meter.spent(TIMED * (thread_time() - begun))
                meter.succeed()
        except Exception as error:
            if _stop(where, error, meter):
                raise

    return transparent(contained)


def _told(where: str, meter: Meter) -> Callable[[float | None, BaseException | None], None]:
    def told(seconds: float | None, error: BaseException | None) -> None:
        """What the extension has to tell of a call of `quick`: what one of `TIMED` took, or what one has raised."""
        try:
            if error is not None:
                raise error
            if seconds is not None:
                meter.spent(TIMED * seconds)
                meter.succeed()
        except Exception as raised:
            if _stop(where, raised, meter):
                raise

    return transparent(told)


class Undisturbed:
    """A piece of our work that the user's signal handlers do not come into: they run in the main thread only, so
    where there are any it is done in another one.  Libraries that are imported on the way may swallow what a
    handler raises (msgspec 0.19, `_utils`: `except Exception`), and what is half-done would have to be undone.

    The main thread waits; a handler that raises there ends the waiting, and `result` may be asked for again.
    """

    PATIENCE = 10.0

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._done, self._begun = Gate(), False
        self._worker: int | None = None
        self._error: BaseException | None = None

    def finish(self) -> None:
        """Do it, or wait for its end.  Raises what it raised, and OSError in a finalizer that runs in its midst."""
        if self._worker == threading.get_ident():
            raise OSError(errno.EAGAIN, "came up while the journal was being opened")
        if not self._done.is_set():
            if threading.get_ident() != threading.main_thread().ident or not _handler_codes():
                self._work()
            else:
                self._work_elsewhere()
        if self._error is not None:
            raise self._error

    @property
    def done(self) -> bool:
        return self._done.is_set()

    def wait(self, patience: float) -> None:
        self._done.wait(patience)

    def _work_elsewhere(self) -> None:
        try:
            if not self._begun:
                _thread.start_new_thread(self._work, ())
                self._begun = True
        except RuntimeError:  # there are no more threads to be had
            self._work()
        if not self._done.wait(self.PATIENCE):
            raise TimeoutError(f"it took more than {self.PATIENCE:g} s")

    def _work(self) -> None:
        with self._lock:
            if self._done.is_set():
                return
            try:
                self._worker = threading.get_ident()
                self._function()
            except Exception as error:
                self._error = error
            finally:
                self._worker = None
            self._done.set()


def quietly(function: Callable[[], object]) -> None:
    """Call a function as the interpreter ends: whatever it raises, an interruption too, is contained, for it
    would print a traceback that the program does not have without us."""
    try:
        function()
    except BaseException:
        if _State.strict:
            raise


def _note(where: str, error: Exception, meter: Meter | None) -> None:
    try:
        why = f"{type(error).__name__}: {error}"[:500]
    except Exception:  # its own message fails
        why = type(error).__name__
    if meter is not None:
        meter.fail(why)
    if _State.listener is not None:
        listener, _State.listener = _State.listener, None  # a failing listener must not call itself
        try:
            listener(where, _traceback_of(error) or why)
        except Exception:
            if _State.strict:
                raise
        finally:
            _State.listener = listener


def _traceback_of(error: Exception) -> str:
    try:
        import traceback  # which may be the very thing that can't be had

        return "".join(traceback.format_exception(type(error), error, error.__traceback__))
    except Exception:
        return ""


def raised_by_signal_handler(error: BaseException) -> bool:
    """Whether the traceback passes through a signal handler: one that is installed, or a function that was
    given the frame it interrupted (a handler that took itself back before it raised)."""
    if threading.get_ident() != threading.main_thread().ident:
        return False
    handlers = set(_handler_codes())
    before, entry = None, error.__traceback__
    while entry is not None:
        frame = entry.tb_frame
        if frame.f_code in handlers or (before is not None and _was_given(frame, before.tb_frame)):
            return True
        before, entry = entry, entry.tb_next
    return False


def _was_given(frame: FrameType, interrupted: FrameType) -> bool:
    names = frame.f_code.co_varnames[: min(frame.f_code.co_argcount, 3)]
    return len(names) > 1 and any(frame.f_locals.get(name) is interrupted for name in names[1:])


def _handler_codes() -> list[CodeType]:
    codes = []
    for number in _signal.valid_signals():  # not those of `signal`: 0.1 ms and several frames, for enumerations
        handler = _signal.getsignal(number)
        if handler is None or isinstance(handler, int) or handler is signal.default_int_handler:
            continue
        while type(handler).__name__ == "partial" and hasattr(handler, "func"):
            handler = handler.func
        function = getattr(handler, "__func__", handler)
        function = function if hasattr(function, "__code__") else vars(type(handler)).get("__call__")
        code = getattr(function, "__code__", None)
        if code is not None:
            codes.append(code)
    return codes


def complain(text: str) -> None:
    """One line on stderr, whatever the state of that stream.

    Written past the stream's buffer: a line that can't be written would stay in there, and make the
    interpreter end with another exit code.
    """
    _say(text, lambda stream: None)


def last_word(text: str) -> None:
    """As `complain`, when the program is over: not into what was the output of a notebook's cell."""
    _say(text, _below_cells)


def _say(text: str, elsewhere: Callable[[Any], int | None]) -> None:
    try:
        stream = sys.stderr
        number = elsewhere(stream)
        if number is None:
            number = _number_of(stream)
            if number is not None:
                stream.flush()
        if number is not None:
            os.write(number, f"autotrack: {text}\n".encode(stream.encoding, "backslashreplace"))
        elif stream is not None:
            stream.write(f"autotrack: {text}\n")
    except Exception:
        if _State.strict:
            raise


def _below_cells(stream: object) -> int | None:
    """The descriptor of the process's own stderr where `stream` goes into the output of a cell, as descriptor 2
    does then (ipykernel, `iostream.OutStream`, which keeps a copy of what that was); None for any other stream."""
    if type(stream).__module__ != "ipykernel.iostream":
        return None
    kept = getattr(stream, "_original_stdstream_copy", None)
    return kept if isinstance(kept, int) else 2


def _number_of(stream: Any) -> int | None:
    """The descriptor of a text stream of the operating system; None for any other object."""
    if not isinstance(stream, io.TextIOWrapper):
        return None
    try:
        return stream.fileno()
    except OSError:
        return None
