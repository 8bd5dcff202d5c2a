"""What a program prints: seen at the `write` of the `sys.stdout` and `sys.stderr` objects, which stay what they are.

A write is made first, then noted: its text, where in the program's code it comes from, and the variables that the
print shows.  All else is done by the recorder, or at the end.  What is printed past these objects, by native code and
child processes, is not seen.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque

from autotrack import context, shield
from autotrack.entries import Entry
from autotrack.frames import transparent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any

    from autotrack.capture.transcript import Transcript
    from autotrack.job import Job
    from autotrack.printed.watch import Watch

KEPT = 50_000
"""Writes that wait at most; of more, the oldest are let go of."""
WAITING = 8 << 20
"""Characters that wait at most."""
PERIOD = 0.5
"""Seconds between looks of the recorder at what was printed."""
TRIES = 8
"""Prints of one call that are looked at while there is nothing else to record."""
DEPTH = 20
"""Frames between a print and the stream that are looked through."""

_ECHO = frozenset("rich click typer loguru termcolor".split())
"""Packages whose prints are the caller's."""
_LOGGING = ("logging", "absl")
_ASKS_FOR_LOCALS = frozenset("locals vars dir eval exec globals".split())
"""Whose result is the very mapping that a look at the frame's variables brings up to date."""
_SCALARS = (int, float, bool, str)
_OPTIMIZED = 1
"""`CO_OPTIMIZED`: the variables of such code are no mapping of the user's."""

Written = tuple[float, int, str, "CodeType", int, "dict[str, object] | None", "context.Place | None", int]
"""Time, stream, text, code, instruction, variables, training, thread."""


class Console:
    """The output of this process."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._entries: deque[Written] = deque(maxlen=KEPT)
        self._streams: list[Any] = []
        self.entries: list[Entry] = []
        """What is replaced while recording is on."""
        self._interest: dict[tuple[int, int], tuple[str, ...]] = {}
        """Shared with the watch: the variables to read at a call site that is known."""
        self._passed_on: dict[tuple[int, int], bool] = {}
        """Whether a call that writes only hands on what another one prints."""
        self._line: dict[int, tuple[tuple[int, int], bool]] = {}
        """Of each stream, which call wrote last and whether that was the end of a line."""
        self._due = False
        self._tried: dict[tuple[int, int], int] = {}
        self._watch: Watch | None = None
        self._lock = threading.Lock()
        self._waiting = 0
        """Characters in the entries."""
        self._held_codes: list[CodeType] = []
        """Whose ids are keys."""
        self._transcript: Transcript | None = None
        self._lost = 0

    def attach(self) -> None:
        """See what is written to the streams that there are."""
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            if stream is not None and all(stream is not known for known in self._streams):
                shield.contain("console", self._attach, number, stream)

    def _attach(self, number: int, stream: Any) -> None:
        original, note, contain, getframe = stream.write, self._note, shield.contain, sys._getframe

        def write(text: str, /) -> Any:
            result = original(text)
            contain("console", note, number, text, getframe().f_back)
            return result

        try:
            self.entries.append(Entry(stream, "write", transparent(write)))
        except (AttributeError, TypeError):  # it takes no attributes
            return
        self._streams.append(stream)

    def detach(self) -> None:
        """Leave the streams as they were, where they are still ours."""
        for entry in reversed(self.entries):
            entry.undo()
        self.entries.clear()
        self._streams.clear()

    def after_fork(self) -> None:
        self._entries.clear()
        self._lock = threading.Lock()
        self._waiting = 0
        self._due = False
        self._watch = self._transcript = None
        self._interest = {}

    def _note(self, number: int, text: str, frame: FrameType | None) -> None:
        """Remember a write.  The hot path of a print."""
        if frame is None:  # the interpreter itself, at its end
            return
        code, at = frame.f_code, frame.f_lasti
        key = id(code), at
        passes = self._passed_on.get(key)
        if passes is None:
            passes = self._passes_on(key, frame)
        if passes:
            frame = self._printer(frame)
            code, at = frame.f_code, frame.f_lasti
            key = id(code), at
        last = self._line.get(number)
        values = None
        if last is None or last[1] or last[0] != key:
            names = self._interest.get(key)
            if names is None or names:
                values = _variables(frame, names)
        self._line[number] = key, text[-1:] == "\n"
        place = context.here.inside
        if place is None:
            place = context.opened.get()
            if place is None:
                place = context.latest.get()
                if place is not None and place.id not in self._job.unfinished:
                    place = None
        elif place is context.OURS:
            return
        self._add((time.time(), number, text, code, at, values, place, threading.get_ident()), key)

    def said(self, text: str, frame: FrameType | None, values: dict[str, object]) -> None:
        """What the program said by other means than a stream: in a log record, on a progress bar.  `values`: under
        `%0`, `%1` and so on the values in the text where they are known, under `%batch` how often this was said."""
        while frame is not None and _package(frame) in _LOGGING:
            frame = frame.f_back
        if frame is None:
            return
        key = id(frame.f_code), frame.f_lasti
        names = self._interest.get(key)
        if names is None or names:
            values = {**(_variables(frame, names) or {}), **values}
        place = context.here.inside or context.opened.get() or context.latest.get()
        if place is context.OURS:
            return
        if place is not context.here.inside and place is not None and place.id not in self._job.unfinished:
            place = context.opened.get()
        entry = time.time(), 0, text, frame.f_code, frame.f_lasti, values, place, threading.get_ident()
        self._add(entry, key)

    def _add(self, entry: Written, key: tuple[int, int]) -> None:
        text = entry[2]
        self._entries.append(entry)
        self._waiting += len(text)
        if self._waiting > WAITING or len(self._entries) == KEPT:
            self._let_go()
        if not self._due:
            self._schedule(key, text, entry[5])

    def _let_go(self) -> None:
        """Of more than can wait, the oldest half goes."""
        try:
            while self._waiting > WAITING // 2 or len(self._entries) > KEPT // 2:
                text = self._entries.popleft()[2]
                self._waiting -= len(text)
                self._lost += len(text)
        except IndexError:
            self._waiting = 0

    def begin(self) -> None:
        """There is something to record: what was printed so far belongs to it."""
        recorder = self._job.recorder
        if recorder is not None and self._entries:
            self._due = True
            recorder.soon("console", self._take, PERIOD)

    def _schedule(self, key: tuple[int, int], text: str, values: dict[str, object] | None) -> None:
        recorder = self._job.recorder
        if recorder is not None:
            self._due = True
            recorder.soon("console", self._take, PERIOD)
        elif values is not None and any(map(str.isdigit, text)):
            tried = self._tried.get(key, 0)
            self._tried[key] = tried + 1
            if 0 < tried < TRIES and len(self._tried) < KEPT:
                self._take()

    def _passes_on(self, key: tuple[int, int], frame: FrameType) -> bool:
        """Whether it is another one that prints: this is the `write` of a stream that the program has put before
        its own, or a library for printing."""
        package, name = _package(frame), frame.f_code.co_name
        if package == "tqdm":  # whose `write` prints for the caller, and whose bars are followed themselves
            passes = name in ("write", "inner")
        else:
            passes = package in _ECHO or (name in ("write", "writelines") and package not in _LOGGING)
        if len(self._passed_on) < KEPT:
            self._passed_on[key] = passes
            self._held_codes.append(frame.f_code)
        return passes

    def _printer(self, frame: FrameType) -> FrameType:
        outer = frame
        for _ in range(DEPTH):
            if outer.f_back is None:
                return frame
            outer = outer.f_back
            key = id(outer.f_code), outer.f_lasti
            passes = self._passed_on.get(key)
            if passes is None:
                passes = self._passes_on(key, outer)
            if not passes:
                return outer
        return frame

    def _take(self) -> None:
        """Read and record what is waiting."""
        from autotrack.capture.transcript import Transcript
        from autotrack.printed.watch import Watch, Write

        with self._lock:
            self._due = False
            if self._watch is None or self._transcript is None:
                self._watch, self._transcript = Watch(self._job), Transcript(self._job)
                self._interest = self._watch.interest
            taken = []
            while self._entries:
                entry = self._entries.popleft()
                self._waiting -= len(entry[2])
                taken.append(Write(*entry))
            lost, self._lost = self._lost, 0
            self._transcript.take(taken, lost)
            self._watch.take(taken)
            self._watch.settle()
            if self._job.segment is not None:
                self._watch.release()
                self._transcript.write()

    def finish(self) -> None:
        """The program is over."""
        if self._job.segment is None:
            return
        self._take()
        if self._watch is not None:
            self._watch.finish()
        if self._transcript is not None:
            self._transcript.finish()


def _package(frame: FrameType) -> str:
    name = frame.f_globals.get("__name__")
    return name.partition(".")[0] if isinstance(name, str) else ""


def _variables(frame: FrameType, names: tuple[str, ...] | None) -> dict[str, object] | None:
    """The scalars among a frame's variables: of these names, or of all that the code knows."""
    code = frame.f_code
    if not code.co_flags & _OPTIMIZED:  # a module or the body of a class: a mapping of its own
        space = frame.f_locals
        return _scalars((name, space.get(name)) for name in (code.co_names if names is None else names))
    if not _ASKS_FOR_LOCALS.isdisjoint(code.co_names) or sys.gettrace() is not None:
        return {}
    variables = frame.f_locals
    found = _scalars(variables.items() if names is None else ((name, variables.get(name)) for name in names))
    if sys.version_info < (3, 13):
        variables.clear()  # which would keep them alive for as long as the frame is
    return found


def _scalars(pairs: Any) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        kind = type(value)
        if kind in _SCALARS:
            found[name] = value
        elif kind.__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(value, "item"):
            found[name] = value.item()
    return found
