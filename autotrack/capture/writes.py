"""The `write` of a stream, which notes what it has written: what a print costs is spent here.

What a call is writing is one line until it ends.  A text that goes on with the line of the call that wrote last is
added to it; for all others `Console` is asked.  `Write` of the extension does the same, and begins lines of calls
that were met before as well.
"""

from __future__ import annotations

import io
import sys
import threading
import time

from autotrack import context, shield
from autotrack.capture.shown import NOWHERE
from autotrack.extension import built
from autotrack.frames import transparent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from autotrack.capture.console import Console
    from autotrack.job import Job

WAITING = 16 << 20
"""Characters that wait at most, with `EACH` for a line; of more, the beginning and the end are kept."""
EACH = 100
SHORT, FEW, USUAL = 32, 40, 512
"""Texts of so few characters are not counted, nor lines of so few fields and texts, but taken to have the usual size
behind the first text."""

Line: TypeAlias = "list[Any]"
"""What a call is writing at once.  A plain list, since one is made for each print: the frame, held while more is sure
to come; instruction, `DONE` once it is over; code, thread; after how many pieces of text it ends, if not with a line;
time, stream, `PrintCall`, variables, training; the pieces of text.  `_write.c` knows the order."""
FRAME, AT, CODE, THREAD, WRITES, TIME, STREAM, CALL, VALUES, PLACE, TEXT = range(11)
DONE = -1
NO_LINE: Line = [None, DONE, None, 0, 0, 0.0, 0, None, None, None]
CONTROL = "\x1f"
"""A text that is greater neither ends a line nor begins it again."""
_NOTHING = object()
_compiled = built("autotrack.capture._write")


def made(console: Console, job: Job, number: int, put: Any, there: Any, plain: Any) -> Any:
    """A `write` for a stream, which `put` holds, or, where that is None, the weak reference `there` does; `plain` is
    that of its class."""
    if _compiled is None:
        return in_python(console, number, put, there, plain)
    return _compiled.Write(
        put=put,
        there=there,
        plain=plain,
        console=console,
        number=number,
        begun=console.begun[number],
        lines=console.lines[number],
        append=console.written.append,
        no_line=NO_LINE,
        nowhere=NOWHERE,
        contain=shield.contain,
        note=console.note,
        taken_in=console.taken_in,
        here=context.here,
        opened=context.opened,
        latest=context.latest,
        job=job,
        usual=USUAL,
        limit=WAITING // 2,
    )


def in_python(console: Console, number: int, put: Any, there: Any, plain: Any) -> Any:
    """The same without the extension."""
    getframe, contain, note, taken_in = sys._getframe, shield.contain, console.note, console.taken_in
    begun, written, getid, now = console.begun[number], console.written, threading.get_ident, time.time
    of_python = type(there()) is io.TextIOWrapper
    depth = 1 if of_python else 2

    def write(text: Any = _NOTHING, /, *more: Any) -> Any:
        if type(text) is not str or more:
            given = more if text is _NOTHING else (text, *more)
            result = put(*given) if put is not None else plain(there(), *given)
            if not issubclass(type(text), str):
                return result
            text = str.__str__(text)
        else:
            result = put(text) if put is not None else plain(there(), text)
        try:
            frame = getframe(depth)
        except ValueError:  # the interpreter itself, at its end
            return result
        at, size = frame.f_lasti, len(text)
        line = begun[0]
        # No call from here on: at each a signal handler may print, and another thread.
        if line[FRAME] is frame and line[AT] == at and size <= SHORT:
            if text > CONTROL:
                line.append(text)  # `print` writes each argument by itself
                return result
            if text == "\n":
                begun[0], line[FRAME], line[AT] = NO_LINE, None, DONE
                line += [text]
                written.append(line)
                if console.due and len(line) <= FEW:
                    return result
                text = None
        taken = [text]
        try:
            if text is None:
                contain("console", taken_in, line)
            else:
                contain("console", note, number, taken, frame)
        except RecursionError as error:
            trace = error.__traceback__
            if trace is None or trace.tb_next is not None:  # else there was no room for that call
                raise
        finally:
            if taken[0] is not None:
                lost = [None, DONE, None, getid(), 0, now(), number, NOWHERE, None, None, text]
                line = begun[0]
                if line[THREAD] == lost[THREAD] and line[AT] != DONE:  # what it goes on with
                    begun[0], line[AT], line[FRAME] = NO_LINE, DONE, None
                    written.append(line)
                written.append(lost)
        return result

    def write_of_another(*given: Any, **named: Any) -> Any:
        """Of a class of somebody else's, which may take more than a text, and by name."""
        if not named:
            return write(*given)
        result = put(*given, **named) if put is not None else plain(there(), *given, **named)
        text = given[0] if given else next(iter(named.values()))
        if issubclass(type(text), str):
            contain("console", note, number, [str.__str__(text)], getframe(1))
        return result

    write.__qualname__ = "TextIOWrapper.write"  # as an error of the user's names it
    transparent(write)
    return write if of_python else transparent(write_of_another)
