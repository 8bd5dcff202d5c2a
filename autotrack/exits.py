"""How the program ended: exit code, how it is known, and the exception that ended it.

Nothing tells the exit code once the interpreter ends.  So what `sys.exit` and `exit` are called with is noted;
and the outermost frame of the main thread tells whether that, or anything else, came through: a frame that has
returned stands at its `return`.
"""

from __future__ import annotations

import sys
import threading

from autotrack.entries import StandIn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any


class Outcome:
    """`code` is None where it is not known."""

    __slots__ = ("code", "error", "how")

    def __init__(self, code: int | None, how: str, error: BaseException | None = None) -> None:
        self.code, self.how, self.error = code, how, error


class _Exit(StandIn):
    def __init__(self, original: Any, noted: Callable[[Any], None]) -> None:
        super().__init__(original)
        self._noted = noted

    def __call__(self, status: Any = None, /) -> Any:
        self._noted(status)
        return self.__wrapped__(status)


class ExitWatch:
    """Notes what `sys.exit` and `exit` are called with in the main thread: in `noted`, the last one."""

    def __init__(self) -> None:
        import builtins

        self.noted: int | None = None
        self._sys_exit = sys.exit
        sys.exit = self._ours = _Exit(sys.exit, self._note)
        self._quitter = type(getattr(builtins, "exit", None))  # of the module site: absent with -S
        self._quit = vars(self._quitter).get("__call__") if self._quitter.__module__ == "_sitebuiltins" else None
        if self._quit is not None:
            quit = self._quit

            def __call__(quitter: Any, code: Any = None) -> Any:  # noqa: N807
                self._note(code)
                return quit(quitter, code)

            self._our_quit = __call__
            setattr(self._quitter, "__call__", __call__)  # noqa: B010

    def _note(self, status: Any) -> None:
        if threading.get_ident() == threading.main_thread().ident:
            self.noted = exit_code(status)

    def undo(self) -> None:
        if sys.exit is self._ours:
            sys.exit = self._sys_exit
        if self._quit is not None and vars(self._quitter)["__call__"] is self._our_quit:
            setattr(self._quitter, "__call__", self._quit)  # noqa: B010


def exit_code(status: Any) -> int:
    """The exit code that `sys.exit(status)` gives."""
    if status is None:
        return 0
    return int(status) & 0xFF if isinstance(status, int) else 1


def main_frame() -> FrameType | None:
    """The outermost frame of the main thread, where that is the main program; it is to be let go of before the
    interpreter clears the modules."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and frame.f_back is not None:
        frame = frame.f_back
    return frame if frame is not None and frame.f_globals.get("__name__") in ("__main__", "runpy") else None


def outcome(main: FrameType | None, noted: int | None) -> Outcome:
    """How a program that is over ended: `end`, `exception`, `sys.exit`, or `SystemExit`, which was raised by
    other means: with a code that is not known, None."""
    returned = _has_returned(main)
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    if not returned and isinstance(error, BaseException) and not hasattr(sys, "ps1"):
        return Outcome(130 if isinstance(error, KeyboardInterrupt) else 1, "exception", error)
    if not returned and noted is not None:
        return Outcome(noted, "sys.exit")
    if returned is False:
        return Outcome(None, "SystemExit")
    return Outcome(0, "end")


def _has_returned(frame: FrameType | None) -> bool | None:
    """Whether a frame that is over returned, rather than was left by an exception; None where nobody knows."""
    if frame is None:
        return None
    import opcode

    at = frame.f_lasti
    return at >= 0 and opcode.opname[frame.f_code.co_code[at]].startswith("RETURN")
