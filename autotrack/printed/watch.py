"""What was printed becomes series: prints are read, and their values given their steps.

Runs on the recorder's thread; before there is anything to record, in the program's own, for a few prints of each call
that prints numbers again and again: a loop that watches a loss is something to record by itself.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, NamedTuple

from autotrack import context, libraries, lifecycle, shield
from autotrack.capture.shown import CALLERS_OF, NOWHERE, STEP
from autotrack.job import Job
from autotrack.printed import functions, source
from autotrack.printed.afterwards import Afterwards
from autotrack.printed.headings import Headings, name_below
from autotrack.printed.lines import Line, read
from autotrack.printed.numbers import Field
from autotrack.printed.steps import Counters, Steps, root
from autotrack.printed.tables import Tables
from autotrack.printed.words import COARSE, EPISODES, is_setting, name_of
from autotrack.strand import Strand

if TYPE_CHECKING:
    from types import CodeType

    from autotrack.capture.shown import PrintCall

SERIES = 200
"""Series that one training may have from prints."""
DULL = 20
"""Prints of a call without anything to read in them, after which it is not looked at any more."""
REPEATED = 0.005
"""Relative difference of two prints of one value, rounded differently."""
WAIT = 10.0
"""Seconds that the first print of a call waits for the second."""
HELD = 1_000
"""Points that are kept before there is a journal."""


class Write(NamedTuple):
    """What a call has written to a stream at once; stream 0 is for what was said by other means."""

    time: float
    stream: int
    text: str
    call: PrintCall
    values: dict[str, object] | None
    """Variables of the frame, as it began to write."""
    place: context.Place | None
    """The training that it happened in."""
    thread: int
    lengths: Sequence[int] | None = None
    """Of each argument, and of what is between and behind them, where several prints may stand in one line."""


class _Point(NamedTuple):
    name: str
    step: int | None
    value: float
    time: float
    call: PrintCall
    axis: str
    """Whether it is one of each `coarse` round or of each `fine` step; nothing where nothing counts."""
    implicit: bool
    """Whether the counter was not printed beside it: there may be several values of one round."""
    percent: bool
    done: int | None
    """How many steps the training had made by then."""
    above: str = ""
    """What a heading that stands right above says."""

    def says(self, other: _Point) -> bool:
        """Whether another print of the same step only repeats this."""
        close = abs(self.value - other.value) <= REPEATED * max(abs(self.value), abs(other.value))
        return self.step is not None and self.step == other.step and close


class _Site:
    def __init__(self, read: source.Site) -> None:
        self.read = read
        self.barren = 0
        """Prints in a row that held nothing."""


class Watch:
    """The prints of a process."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._steps = Steps()
        self._tables = Tables()
        self._headings = Headings()
        self._afterwards = Afterwards(job)
        self._heading: dict[int, tuple[CodeType, Counters, Counters]] = {}
        """By thread, the counters of the last print that held nothing else, where that was, and how the loops around
        it stood."""
        self._begun: dict[int, tuple[Counters, str]] = {}
        """By thread, the counters and the split of a line that is not at its end."""
        self._own: Strand | None = None
        self.until = math.inf
        """When to leave what is not read yet, on the clock of `time.monotonic`: the program is over."""
        self._held: deque[_Point] = deque(maxlen=HELD)
        self._first: list[_Point] = []
        """Outside of a training, what calls have printed for the first time."""
        self._outside = False
        """Whether one has printed there again."""
        self._written: dict[tuple[PrintCall, str], Strand] = {}
        """Where a call that prints has put a value last: what takes turns with another training is one with it."""
        self._seen: dict[str, int] = {}
        """Of held points, how many each series has."""

    def take(self, writes: Iterable[Write]) -> None:
        """Read what was written."""
        for write in writes:
            if write.stream < 0 or write.call is NOWHERE:
                continue
            if time.monotonic() > self.until:
                strand = write.place if isinstance(write.place, Strand) else self._own
                if strand is not None:
                    strand.gap("printed values", "at its end the program printed faster than can be read")
                return
            shield.contain("printed values", self._read_print, write)

    def finish(self) -> None:
        """The program is over."""
        self._wait_no_longer(math.inf)
        if self._own is not None:
            self._look_around()

    def _read_print(self, write: Write) -> None:
        site = self._site(write)
        if site is None:
            return
        found = self._read_each(write, site.read)
        site.barren = 0 if found else site.barren + 1
        if site.barren >= DULL:
            write.call.named, write.call.counted, write.call.names = True, True, ()

    def _read_each(self, write: Write, site: source.Site) -> bool:
        """Read each of the prints of one call that stand in one line; the variables are known of the first."""
        lengths, writes = write.lengths or (), site.writes
        if not 0 < writes < len(lengths):
            return self.read(write.text, write, site, write.values or {})
        found, begin = False, 0
        callers = {CALLERS_OF: write.values[CALLERS_OF]} if write.values and CALLERS_OF in write.values else {}
        for first in range(0, len(lengths), writes):
            end = begin + sum(lengths[first : first + writes])
            values = (write.values or {}) if first == 0 else callers
            found = self.read(write.text[begin:end], write, site, values) or found
            begin = end
        return found

    def _site(self, write: Write) -> _Site | None:
        """The call that printed; None for one of a library, and for one that never printed a number."""
        call = write.call
        site: _Site | None = call.site
        if site is None:
            theirs = _is_library(call.code.co_filename)
            read = source.Site((), False, (), ()) if theirs else call.analysed
            read = source.analyse(call.code, call.at, self._job.started) if read is None else read
            site = call.site = _Site(read)
            site.barren = DULL if theirs else 0
            if not call.named:
                call.named, call.names = True, read.names
            call.counted = call.counted or theirs or any(name_of(name).metric in COARSE for name in read.counters)
            call.passes = call.passes or read.forwards
            if isinstance(print, BuiltinFunctionType) and not call.redefined:
                call.is_print, call.writes = read.ends and read.writes > 1, 0 if read.ends else read.writes
        return site if site.barren < DULL else None

    def read(self, text: str, write: Write, site: source.Site, values: dict[str, object]) -> bool:
        """Read a printed text; whether it held anything."""
        given = _given(text, values)
        fields = source.fields_in(site, text, values) or []
        fields = given + [f for f in fields if all(f.end <= other.start or other.end <= f.start for other in given)]
        return self.said(text, fields, write, site, values)

    def said(self, text: str, fields: list[Field], write: Write, site: source.Site, values: dict[str, object]) -> bool:
        """Read a text of which some stretches are known to be somebody's value."""
        offset, split = 0, ""
        found = False
        above: Counters = {}
        samples: set[str] = set()
        fallback = functions.split_of(write.call.code) or ("" if write.call.counted else functions.split_around(values))
        thread = write.thread
        before, begun_split = self._begun.pop(thread, ({}, ""))
        lines = text.split("\n")
        ends = text.endswith("\r")
        for number, row in enumerate(lines):
            if not row:
                offset += 1
                if 0 < number < len(lines) - 1:
                    self._headings.line(thread, write.call.code, "")
                continue
            over = row.rstrip("\r").rfind("\r") + 1  # what was before is written over
            offset, row = offset + over, row[over:]
            here = [
                f._replace(start=f.start - offset, end=f.end - offset)
                for f in fields
                if offset <= f.start and f.end <= offset + len(row)
            ]
            offset += len(row) + 1
            table = self._tables.row(thread, row, here, site.counters)
            split = split or begun_split
            line = (
                table if table is not None else read(row, here, counters=site.counters, split=split, fallback=fallback)
            )
            split = line.split or split
            if number == 0:
                line.counters = {**before, **line.counters}
            above = line.counters or above
            samples |= line.samples
            if line.values:
                line.counters, line.samples = dict(above), samples
            found = found or bool(line.values or line.counters)
            if number == len(lines) - 1 and row and write.stream and not ends:
                self._begun[thread] = line.counters, line.split
            if not line.values:
                self._headings.line(thread, write.call.code, row)
            self._keep(line, write, site, values, indented=row[:1] in (" ", "\t"))
        return found

    def _keep(self, line: Line, write: Write, site: source.Site, values: dict[str, object], *, indented: bool) -> None:
        standing = _counting(site.counters, values)
        code, heading, then = self._heading.get(write.thread, (None, {}, {}))
        if not line.values:
            if line.counters and (_is_coarse(line.counters) or not _is_coarse(heading)):
                self._heading[write.thread] = write.call.code, dict(line.counters), standing
            return
        counters = dict(line.counters)
        if not counters:
            same = {name_of(name).metric for name in standing} & heading.keys()
            # `Episode 10`, and the values below it
            below = code is write.call.code and then == standing and (same or standing)
            counters = dict(heading) if below else standing
        elif not _is_coarse(counters):
            rounds = {name: entry for name, entry in standing.items() if _is_coarse({name: entry})}
            heading = rounds or heading
        outer = next(((key[1:], int(v)) for key, v in values.items() if key[:1] == "^" and isinstance(v, int)), None)
        implicit = not line.counters or (site.inner and _is_coarse(line.counters))
        if outer is not None and not counters and not heading:
            counters = {outer[0]: (outer[1], None)}
        elif outer is not None and not _is_coarse(counters) and not heading and name_of(outer[0]).metric in COARSE:
            heading = {"epoch": (outer[1], None)}
        if not EPISODES.isdisjoint(line.counters):  # whose steps are how long it was
            length = [word for word, (_, total) in counters.items() if word not in COARSE and total is None]
            counters = {word: entry for word, entry in counters.items() if word not in length}
            implicit = implicit or bool(length)
        bar = values.get("%batch")
        if isinstance(bar, int) and not any(word not in COARSE for word in counters):
            counters["batch"] = bar, None
        done = values.get(STEP)
        done = done if isinstance(done, int) else None
        samples = line.samples if line.split in ("", "train") else ()
        step, cycle = self._steps.step(write.call, write.place, counters, heading, done, samples)
        axis = "" if step is None else "coarse" if cycle is None and _is_coarse(counters or heading) else "fine"
        # What no word tells to be a metric is one beside a counter, printed or of one that is.
        beside = any(known for _, _, known in line.values)
        inset = indented and _is_coarse(heading)
        for name, value, known in line.values:
            if known or (beside and counters) or ((beside or line.counters or inset) and not is_setting(name)):
                self._record(name, step, value, write, axis, implicit, name in line.percent, done)
        if cycle is not None and beside and counters and cycle[0] in COARSE:
            self._record(cycle[0], step, cycle[1], write, axis)

    def _record(
        self,
        name: str,
        step: int | None,
        value: float,
        write: Write,
        axis: str,
        implicit: bool = False,
        percent: bool = False,
        done: int | None = None,
    ) -> None:
        job = self._job
        above = self._headings.above(write.thread, write.call.code)
        if any(abs(value - told) <= REPEATED * max(abs(value), abs(told)) for told in job.told.get(name, ())):
            return
        strand = write.place if isinstance(write.place, Strand) and write.place.job is job else None
        point = _Point(name, step, value, write.time, write.call, axis, implicit, percent, done, above)
        before = self._written.get((write.call, name))
        own = strand is None or (before is not None and root(before) is not root(strand))
        if strand is not None and not own and self._afterwards.several(write.call, strand):
            strand, point = None, point._replace(done=None)
        if strand is not None:
            if before is not None and root(before) is root(strand):
                strand = before
            elif len(self._written) >= HELD:
                self._written.clear()
            self._written[write.call, name] = strand
            for earlier in [first for first in self._first if first.call is write.call]:
                self._first.remove(earlier)
                self._put(strand, earlier)
            self._put(strand, point)
        elif job.segment is None:
            self._hold(point)
        else:
            self._put_outside(point)

    def _put_outside(self, point: _Point) -> None:
        """Record a point of no training.  What a call prints for the first time waits until one does so again, which
        may be within a training: a loop may print its loss before it computes the gradients of that."""
        again = any(first.call is point.call and first.time != point.time for first in self._first)
        self._first.append(point)
        if again or self._outside:
            self._outside = True
            self._wait_no_longer(math.inf)

    def _wait_no_longer(self, since: float) -> None:
        """Record what has waited, if any was printed before this time."""
        if self._first and self._first[0].time < since:
            waiting, self._first = self._first, []
            for point in waiting:
                self._put(self._strand(), point)

    def _put(self, strand: Strand | None, point: _Point) -> None:
        if strand is None:
            return
        known: dict[str, _Point] = strand.memo.setdefault("printed", {})
        counted: set[str] = strand.memo.setdefault("printed, counted", set())
        others: dict[tuple[str, PrintCall], str] = strand.memo.setdefault("printed, others", {})
        name = others.get((point.name, point.call), point.name)
        last = known.get(name)
        if name in COARSE and last is not None and (point.step or 0) <= (last.step or 0):
            return  # which another print has told
        if last is not None and last.call is not point.call:
            if last.says(point):
                return
            if point.axis and last.axis and point.axis != last.axis:  # of each batch, and of the epoch
                name = f"{name}.epoch" if point.axis == "coarse" else f"{name}.step"
            elif last.axis and not point.axis:  # after the loop
                name = f"{name}.final"
            elif last.percent != point.percent:  # 0.93 here and 93 % there
                name = f"{name}.percent" if point.percent else f"{name}.fraction"
            elif last.axis and last.step == point.step:  # something else of the same round
                number = sum(key == point.name for key, _ in others) + 1
                told = name_below(point.name, point.above) if point.above != last.above else ""
                name = told if told and told not in known else f"{name}[{number}]"
                others[point.name, point.call] = name
        elif last is None and len(known) >= SERIES:
            strand.gap("printed values", f"there are more than {SERIES} different ones")
            return
        as_printed = name
        if strand.has(name, other_than="print"):
            if name in COARSE:
                return
            name = f"{name}.printed"
        series = strand.series(name, origin="print")
        same = last is not None and last.call is point.call and last.step == point.step
        again = same and point.implicit and point.step is not None
        at = series.next_step
        if point.step is not None and not again and name not in counted:
            at = point.step
        elif point.step is None and point.done is not None and name not in counted:
            at = max(at, point.done)
        if again:
            counted.add(name)
        known[as_printed] = known[name] = point
        series.next_step = at + 1
        series.record_at(at, point.value, point.time)

    def _hold(self, point: _Point) -> None:
        """Keep a point until there is something to record, which a loop that watches a value is."""
        self._held.append(point)
        if point.step is not None:
            seen = self._seen[point.name] = self._seen.get(point.name, 0) + 1
            if seen == 2 and self._job.role == "main":
                self._job.prepare()
                self._job.opened()
        if self._job.segment is not None:
            self.release()

    def release(self) -> None:
        """Record what was held."""
        while self._held:
            self._put_outside(self._held.popleft())
        self._wait_no_longer(time.time() - WAIT)

    def _strand(self) -> Strand | None:
        """The strand of what the program printed outside of any training."""
        job = self._job
        if self._own is None and job.role == "main" and not job.ended:
            if threading.get_ident() == threading.main_thread().ident:
                self._look_around()
            name = lifecycle.program_name()
            self._own = Strand(job, framework="", kind="printed", name=name, cls="printed", since=job.started)
        return self._own

    def _look_around(self) -> None:
        """Read the program's settings as for a training, where there was none: a loop that it wrote itself."""
        if self._job.before_training:
            shield.contain("settings", self._job.training_begins)


def _given(text: str, values: dict[str, object]) -> list[Field]:
    """The stretches of `name=value` of which the value is known."""
    found = []
    for key, value in values.items():
        if key.startswith("=") and isinstance(value, (int, float)):
            at = text.rfind(f"{key[1:]}=")
            start = at + len(key)
            end = next((end for end in range(start, len(text)) if text[end] in ", \n"), len(text))
            exact = source.exact(value, text[start:end]) if at >= 0 else None
            if exact is not None:
                found.append(Field(start, end, key[1:], exact))
    return found


def _counting(loops: tuple[str, ...], values: dict[str, object]) -> Counters:
    """The counters of the loops around a print, as they stand."""
    found = ((name, values.get(name)) for name in loops)
    return {name: (value, None) for name, value in found if isinstance(value, int) and not isinstance(value, bool)}


def _is_coarse(counters: Counters) -> bool:
    return any(word in COARSE or name_of(word).metric in COARSE for word in counters)


def _is_library(path: str) -> bool:
    return path.startswith((*libraries.folders(), "<frozen"))
