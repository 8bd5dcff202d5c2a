"""Log records and progress bars: what a program says about its training without `print`."""

from __future__ import annotations

import functools
import sys
import weakref
from typing import TYPE_CHECKING, Any

from autotrack import shield
from autotrack.entries import Entry
from autotrack.frames import transparent

if TYPE_CHECKING:
    from types import FrameType

    from autotrack.capture.console import Console

BARS = 1_000
"""Progress bars that are counted at the same time."""

_SCALARS = (int, float, str, bool)
_said: dict[int, tuple[weakref.ref[Any], int]] = {}
"""By the identity of a bar, how far it was when something was said beside it."""


def follow_logging(console: Console) -> None:
    """See the records that loggers hand to their handlers."""
    logger = sys.modules["logging"].Logger
    original, getframe = logger.callHandlers, sys._getframe

    @functools.wraps(original)
    def callHandlers(self: Any, record: Any) -> Any:  # noqa: N802
        result = original(self, record)
        shield.contain("logging", _logged, console, record, getframe().f_back)
        return result

    # `Handler.handleError` prints the stack from the first frame that is not in the folder of `logging`.
    file = sys.modules["logging"].__file__ or ""
    console.entries.append(Entry(logger, "callHandlers", transparent(callHandlers, file)))


def _logged(console: Console, record: Any, frame: FrameType | None) -> None:
    arguments = record.args if isinstance(record.args, tuple) else ()
    text = getattr(record, "message", None)
    if text is None:  # no handler has put it together
        if type(record.msg) is not str or not all(type(value) in _SCALARS for value in arguments):
            return
        try:
            text = record.msg % arguments if arguments else record.msg
        except (TypeError, ValueError):  # which the handlers have told of
            return
    if any(map(str.isdigit, text)):
        values = {f"%{at}": value for at, value in enumerate(arguments) if type(value) in (int, float)}
        console.said(text, frame, values)


def follow_tqdm(console: Console) -> None:
    """See what is put beside progress bars."""
    bars = sys.modules["tqdm.std"].tqdm
    for name in ("set_postfix", "set_postfix_str", "set_description", "set_description_str"):
        console.entries.append(Entry(bars, name, transparent(_following(console, vars(bars)[name], name))))


def _following(console: Console, original: Any, name: str) -> Any:
    getframe = sys._getframe

    @functools.wraps(original)
    def said(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        shield.contain("tqdm", _beside_bar, console, self, name, args, kwargs, getframe().f_back)
        return result

    return said


def _beside_bar(
    console: Console, bar: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], frame: FrameType | None
) -> None:
    if getattr(bar, "disable", False):
        return
    if name.startswith("set_description"):
        text = args[0] if args else kwargs.get("desc")
        if isinstance(text, str) and any(map(str.isdigit, text)):
            console.said(text, frame, {"%batch": _count(bar)})
        return
    shown = bar.postfix if isinstance(bar.postfix, str) else ""
    if not any(map(str.isdigit, shown)):
        return
    entries = {**(args[0] if args and isinstance(args[0], dict) else {}), **kwargs} if name == "set_postfix" else {}
    exact = {f"={key}": value for key, value in entries.items() if type(value) in (int, float)}
    described = str(bar.desc or "").strip(" :")
    console.said(f"{described}: {shown}" if described else shown, frame, {"%batch": _count(bar), **exact})


def _count(bar: Any) -> int:
    """How far a bar is: it counts in strides where it is fast, so what is said beside it is counted too."""
    known, before = _said.get(object.__hash__(bar), (None, -1))
    if known is None or known() is not bar:
        before = -1
        if len(_said) >= BARS:
            _said.clear()
    count = max(before + 1, int(bar.n or 0))
    _said[object.__hash__(bar)] = (weakref.ref(bar), count)
    return count
