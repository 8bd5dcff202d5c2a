"""What a program prints: seen at the `write` of the `sys.stdout` and `sys.stderr` objects, which stay what they are.

A write is made first, then noted: its text, where in the program's code it comes from, and the variables that the
print shows.  All else is done by the recorder, or at the end.  What is printed past these objects, by native code and
child processes, is not seen.
"""

from __future__ import annotations

import itertools
import math
import re
import sys
import threading
import time
import weakref
from collections import deque

from autotrack import context, shield
from autotrack.capture import writes
from autotrack.capture.shown import CALLS, PrintCall, hands_on, package_of, same, with_step
from autotrack.capture.writes import (
    AT,
    CALL,
    CODE,
    CONTROL,
    DONE,
    EACH,
    FEW,
    FRAME,
    NO_LINE,
    SHORT,
    STREAM,
    TEXT,
    THREAD,
    TIME,
    USUAL,
    WAITING,
    WRITES,
)
from autotrack.entries import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any

    from autotrack.capture.transcript import Transcript
    from autotrack.capture.writes import Line
    from autotrack.job import Job
    from autotrack.printed.watch import Watch

PERIOD = 0.5
"""Seconds between looks of the recorder at what was printed."""
PATIENCE = 3.0
"""Seconds of the end of a program that reading what it printed may take."""
TRIES = 100
"""Prints of one call that are looked at while there is nothing else to record."""
TOGETHER = 200
"""Writes of one call that are taken together."""
DEPTH = 20
"""Frames between a print and the stream that are looked through."""

_ECHO = frozenset("rich click typer loguru termcolor".split())
"""Packages whose prints are the caller's."""
_LOGGING = ("logging", "absl")
_NOTHING = object()
_PARSES_ALONE = sys.version_info < (3, 12)
"""Whether two threads may not parse source at the same time: `ast.parse` would raise SystemError in one of them ("AST
constructor recursion depth mismatch"), where the garbage collector runs the program's code meanwhile."""
_PARSERS = ("gast", "IPython", "_pytest")
"""Modules of libraries that parse source while a program runs; gast is AutoGraph's."""
_DIGIT = re.compile(r"\d")

LOST = -1
"""Stream of what stands for that which could not wait; its time is the number of characters."""


class Console:
    """The output of this process."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.written: deque[Line] = deque()
        """What was written and is not read yet."""
        self._streams: dict[int, Entry] = {}
        self.entries: list[Entry] = []
        """What is replaced while recording is on."""
        self.in_cells = False
        """Whether it is told of the cells of a notebook."""
        self._calls: dict[tuple[int, int], PrintCall] = {}
        """By the identity of the code, which the call keeps alive, and the instruction in it."""
        self.last: tuple[CodeType | None, int, Any] = None, -1, None
        """The last of these that was met."""
        self._places: dict[tuple[int, tuple[int | None, ...] | None], PrintCall] = {}
        """The same by where it stands in the source."""
        self.lines: tuple[dict[int, Line], ...] = ({}, {}, {})
        """What a call has written to each stream and not ended before another thread wrote, by thread."""
        self.begun: tuple[list[Line], ...] = ([NO_LINE], [NO_LINE], [NO_LINE])
        """The line of each stream that is not ended."""
        self.due = self._hurried = False
        self._watch: Watch | None = None
        self._lock, self._taking, self._imported = threading.RLock(), False, False
        self._until = math.inf
        """When to leave what is not read yet: see `Watch`."""
        self.waiting = 0
        """Characters in the entries, at most."""
        self._transcript: Transcript | None = None

    def attach(self) -> None:
        """See what is written to the streams that there are; again where somebody has put another `write` in."""
        for number, stream in ((1, sys.stdout), (2, sys.stderr)):
            if stream is not None:
                shield.contain("console", self._attach, number, stream)

    def _attach(self, number: int, stream: Any) -> None:
        method = stream.write
        if any(method is entry.ours for entry in self.entries):
            return
        # A stream is held weakly: a file that the program lets go of is to be closed at once.
        there, plain = weakref.ref(stream), getattr(type(stream), "write", None)
        lasting = any(stream is other for other in (sys.__stdout__, sys.__stderr__))
        put = method if lasting or getattr(method, "__self__", None) is not stream or plain is None else None
        if "write" in getattr(stream, "__dict__", ()):
            put = method
        write = writes.made(self, self._job, number, put, there, plain)
        try:
            self._streams[number] = Entry(stream, "write", write)
        except (AttributeError, TypeError):  # it takes no attributes
            return
        self.entries = [entry for entry in self.entries if entry.name != "write"]
        self.entries += self._streams.values()

    def detach(self) -> None:
        """Leave the streams as they were, where they are still ours."""
        for entry in reversed(self.entries):
            entry.undo()
        self.entries.clear()
        self._streams.clear()

    def after_fork(self) -> None:
        self.written.clear()
        self._lock, self._taking = threading.RLock(), False
        self.waiting = 0
        for lines, begun in zip(self.lines, self.begun, strict=True):
            lines.clear()
            begun[0] = NO_LINE
        self.due = self._hurried = False
        self._watch = self._transcript = None
        for call in self._calls.values():
            call.site = None

    def note(self, number: int, given: list[Any], frame: FrameType) -> None:
        """Remember a write.  The text is taken out of `given` as it is put on record: what raises, a signal handler of
        the user's or for want of frames, leaves it in there.  The hot path of a print.

        No call stands between looking at a line and adding to it, nor between taking and putting: at each a signal
        handler may print or raise, and another thread may print.
        """
        text, thread = given[0], threading.get_ident()
        code, at = frame.f_code, frame.f_lasti
        begun, lines = self.begun[number], self.lines[number]
        line = begun[0]
        if line is not NO_LINE and line[THREAD] != thread:
            self._set_aside(number)
            line = NO_LINE
        if line is NO_LINE and lines:
            line = lines.get(thread, NO_LINE)
        if line is not NO_LINE:
            more = len(line) < TEXT + TOGETHER
            if (
                more
                and line[AT] == at
                and line[CODE] is code
                and line[FRAME] in (None, frame)  # of another frame it is a print that raised
                and (text > CONTROL or text[:1] != "\r" or text == "\r")
            ):
                given[0] = None
                line.append(text)
                self.waiting += len(text)
                if text == "\n" or text == "\r" or len(line) - TEXT == line[WRITES]:
                    self._close(number, line)
                return
            self._close(number, line)
        last, instruction, call = self.last
        if instruction != at or last is not code:
            call = self._calls.get((same(code), at)) or self._met(frame)
            self.last = code, at, call
        place = self._place(frame)
        if place is context.OURS:
            given[0] = None
            return
        if call.passes:
            held, writes = None, 0
            call, frame = self._printer(call, frame)
            values = call.variables(frame)
        else:
            held, writes = frame if call.is_print else None, call.writes
            values = call.variables(frame)
        self.waiting = waiting = self.waiting + len(text) + USUAL
        if waiting >= WAITING // 2:
            self._hurry()
        values = with_step(values, place)
        line = [held, at, code, thread, writes, time.time(), number, call, values, place, text]
        if text[-1:] in ("\n", "\r") and (held is None or text == "\n"):
            line[FRAME] = given[0] = None
            line[AT] = DONE
            self.written.append(line)
            self.taken_in(line)
            return
        while begun[0] is not NO_LINE:
            self._set_aside(number)
        given[0] = None
        begun[0] = line
        if held is not None and not self.due:
            self._look_again()

    def _set_aside(self, number: int) -> None:
        """Another thread writes, or a signal handler has come between: a line that is not ended waits for its thread to
        go on.  Of two, the first is at its end."""
        begun, lines = self.begun[number], self.lines[number]
        line = begun[0]
        begun[0] = NO_LINE
        if line[AT] == DONE:
            return
        thread = line[THREAD]
        before = lines[thread] if thread in lines else NO_LINE  # noqa: SIM401  # it would be a call
        lines[thread] = line
        if before[AT] != DONE:
            before[AT], before[FRAME] = DONE, None
            self.written.append(before)

    def _close(self, number: int, line: Line) -> None:
        """A line is at its end.  For a moment it is in two places rather than in none."""
        begun, lines, thread = self.begun[number], self.lines[number], line[THREAD]
        self._add(line)
        if begun[0] is line:
            begun[0] = NO_LINE
        elif lines.get(thread) is line:
            lines.pop(thread, None)  # which a signal handler may have done

    def _place(self, frame: FrameType) -> context.Place | None:
        """The training that the program is in; `OURS` where what is written is not the program's.  While we are at work
        it may be: a finalizer of the program's runs, or a signal handler."""
        inside = context.here.inside
        if inside is not None and inside.id:
            return inside
        if inside is context.OURS and _is_ours(package_of(frame)):
            return inside
        place = context.opened.get()
        if place is None:
            place = context.latest.get()
            if place is not None and place.id not in self._job.unfinished:
                return None
        return place

    def said(self, text: str, frame: FrameType | None, values: dict[str, object]) -> None:
        """What the program said by other means than a stream: in a log record, on a progress bar.  `values`: under
        `%0`, `%1` and so on the values in the text where they are known, under `%batch` how often this was said."""
        while frame is not None and package_of(frame) in _LOGGING:
            frame = frame.f_back
        place = self._place(frame) if frame is not None else context.OURS
        if frame is None or place is context.OURS:
            return
        call = self._calls.get((same(frame.f_code), frame.f_lasti)) or self._met(frame)
        values = {**(with_step(call.variables(frame), place) or {}), **values}
        self.waiting += len(text) + USUAL
        if self.waiting >= WAITING // 2:
            self._hurry()
        self._add([None, 0, None, threading.get_ident(), 0, time.time(), 0, call, values, place, text])

    def _add(self, line: Line) -> None:
        if line[AT] == DONE:  # a signal handler came first
            return
        line[AT], line[FRAME] = DONE, None  # in this order: what goes with a frame may print
        self.written.append(line)
        self.taken_in(line)

    def taken_in(self, line: Line) -> None:
        if len(line) > FEW:
            self.waiting += len(line) * SHORT
        if not self.due:
            self._schedule(line)

    def _hurry(self) -> None:
        """Have the recorder take what waits now; of more than can wait, the beginning and the end are kept."""
        if not self._hurried and self._job.recorder is not None:
            self._hurried = True
            self._job.recorder.later("console", self._take)
        if self.waiting <= WAITING:
            return
        lost = kept = 0
        end: list[Line] = []
        try:
            self.waiting = sum(map(_size, self.written))
            if self.waiting <= WAITING * 3 // 4:
                return
            while kept < WAITING // 4:
                end.append(self.written.pop())
                kept += _size(end[-1])
            while self.waiting > WAITING // 2:
                line = self.written.pop()
                self.waiting -= _size(line)
                lost += _lost(line)
            if self.written and self.written[-1][STREAM] == LOST:
                lost += _lost(self.written.pop())
        except (IndexError, RuntimeError):  # the recorder was at it
            pass
        if lost and end:
            call = end[-1][CALL]
            self.written.append([None, DONE, None, 0, 0, float(lost), LOST, call, None, None])
        self.written.extend(reversed(end))

    def begin(self) -> None:
        """There is something to record: what was printed so far belongs to it."""
        recorder = self._job.recorder
        if recorder is not None and self.written:
            self.due = True
            recorder.soon("console", self._take, PERIOD)

    def _look_again(self) -> bool:
        """Have the recorder look in a while; False where there is none yet."""
        recorder = self._job.recorder
        if recorder is not None:
            self.due = True
            recorder.soon("console", self._take, PERIOD)
        return recorder is not None

    def _schedule(self, line: Line) -> None:
        if self._look_again() or context.here.inside is context.OURS:  # nor within what begins the recording
            return
        call, pieces = line[CALL], line[TEXT:]
        if call.tried <= TRIES:
            call.tried += 1
            if _DIGIT.search("".join(pieces), 0, 2_000) is not None:
                call.numbers += 2 if _several(pieces) else 1
                if call.numbers > 1:
                    self._take()

    def _met(self, frame: FrameType) -> PrintCall:
        """A call that prints for the first time.  It only hands on what another one prints where it is the `write` of
        a stream that the program has put before its own, or of a library for printing."""
        package, name = package_of(frame), frame.f_code.co_name
        if package == "tqdm":  # whose `write` prints for the caller, and whose bars are followed themselves
            passes = name in ("write", "inner")
        else:
            passes = package in _ECHO or (name in ("write", "writelines") and package not in _LOGGING)
        code = frame.f_code
        call = PrintCall(code, frame.f_lasti, passes or hands_on(code, frame.f_lasti))
        ours = context.here.inside is context.OURS  # which may be parsing
        if _PARSES_ALONE and not ours and not call.passes and any(module in sys.modules for module in _PARSERS):
            context.aside(shield.contain, "printed values", self._analyse, call)
        names = (*code.co_varnames, *code.co_freevars, *code.co_cellvars)
        call.redefined = "print" in names or "print" in frame.f_globals
        if len(self._calls) < CALLS:
            # CPython 3.11 makes a call at one of two instructions, PRECALL once it is specialized.
            where = next(itertools.islice(frame.f_code.co_positions(), frame.f_lasti // 2, None), None)
            call = self._places.setdefault((same(frame.f_code), where), call)
            self._calls[same(frame.f_code), frame.f_lasti] = call
        return call

    def _analyse(self, call: PrintCall) -> None:
        self._import()
        from autotrack import libraries
        from autotrack.printed import source

        if not call.code.co_filename.startswith(libraries.folders()):
            call.analysed = source.analyse(call.code, call.at, self._job.started)

    def _printer(self, call: PrintCall, frame: FrameType) -> tuple[PrintCall, FrameType]:
        """Who prints what a call hands on."""
        outer: FrameType | None = frame
        for _ in range(DEPTH):
            outer = outer.f_back if outer is not None else None
            if outer is None:
                break
            above = self._calls.get((same(outer.f_code), outer.f_lasti)) or self._met(outer)
            if not above.passes:
                return above, outer
        return call, frame

    def _take(self) -> None:
        """Read and record what is waiting."""
        if self._taking and self._job.recorder is None:
            return  # a signal handler that prints, in the midst of this
        self._import()
        with self._lock:
            if not self._taking:
                self._taken()

    def _import(self) -> None:
        if not self._imported:
            self._job.undisturbed(_import_reading)
            self._imported = True

    def _taken(self) -> None:
        try:
            self._taking = True
            from autotrack.capture.transcript import Transcript
            from autotrack.printed.watch import Watch, Write

            self.due = self._hurried = False
            if self._watch is None or self._transcript is None:
                self._watch, self._transcript = Watch(self._job), Transcript(self._job)
            watch, transcript = self._watch, self._transcript
            watch.until = self._until
            taken = []
            self.waiting = 0
            for _ in range(len(self.written)):  # and no more: a thread may print faster than is read
                try:
                    _, _, _, thread, _, when, number, call, values, place, *pieces = self.written.popleft()
                except IndexError:  # of which there were too many
                    break
                lengths = [*map(len, pieces)] if _several(pieces) else None
                taken.append(Write(when, number, "".join(pieces), call, values, place, thread, lengths))
            self._let_go()
            transcript.take(taken)
            watch.take(taken)
            if self._job.segment is not None:
                watch.release()
                transcript.write()
        finally:
            self._taking = False

    def _open(self) -> list[tuple[int, Line]]:
        """The lines that are not ended, with their streams."""
        places = enumerate(zip(self.lines, self.begun, strict=True))
        found = [(number, line) for number, (lines, begun) in places for line in (*lines.values(), *begun)]
        return [(number, line) for number, line in found if line is not NO_LINE]

    def _let_go(self) -> None:
        """Of the frame of a print that takes long: it may have raised, and the frame's variables would stay."""
        for _, line in self._open():
            if time.time() - line[TIME] > PERIOD or len(line) > TOGETHER:
                line[FRAME] = None
            elif line[FRAME] is not None and not self.due:
                self._look_again()

    def finish(self) -> None:
        """The program is over."""
        for number, line in self._open():
            self._close(number, line)
        if self._job.segment is None:
            return
        self._until = time.monotonic() + PATIENCE
        if self._watch is not None:
            self._watch.until = self._until
        self._take()
        if self._watch is not None:
            self._watch.finish()
        if self._transcript is not None:
            self._transcript.finish()


def _is_ours(package: str) -> bool:
    return package == "autotrack" or package.startswith("autotrack_")


def _several(pieces: list[str]) -> bool:
    """Whether what a call has written may be of several prints."""
    return len(pieces) > 2 and pieces[-1] != "\n"


def _size(line: Line) -> int:
    return EACH + sum(map(len, line[TEXT:]))


def _lost(line: Line) -> int:
    """Characters, where a line is let go of."""
    return int(line[TIME]) if line[STREAM] == LOST else _size(line) - EACH


def _import_reading() -> None:
    from autotrack import libraries
    from autotrack.capture import transcript  # noqa: F401
    from autotrack.printed import source, watch  # noqa: F401

    libraries.folders()
