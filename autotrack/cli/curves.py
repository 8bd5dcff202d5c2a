"""Curves as text: which points are drawn, and the drawing, in characters of Braille.

Ours, since no library does it right: uniplot 0.23 rounds the labels of its axes (0.5 is "0" where 1 is "1"), plotext 6
is compiled, takes 130 ms to import, and its interface was made anew two months ago.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autotrack.cli import axes, output

if TYPE_CHECKING:
    import numpy
    from rich.text import Text

    Array = numpy.ndarray[Any, Any]

COLOURS = ("bright_blue", "yellow", "green", "magenta", "cyan", "red")
HEIGHT, LEAST_WIDTH = 14, 40
DOTS, LINES = 2, 4
"""Columns and lines of dots in a character of Braille."""
BITS = (0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80)
"""What each dot of a character adds to its code, line by line."""
FRAME, PLAIN_FRAME = "┤│─┴└", "+|-++"
LARGEST, SMALLEST = 1e300, 1e-290
"""Beyond the one the differences of values, of which a drawing is made, are no numbers any more; what is smaller than
the other is drawn as 0, or else they are."""


@dataclass(frozen=True)
class Curve:
    label: str
    x: Array
    y: Array
    of: int
    """Of how many points these are; the least, the greatest, NaN and infinite ones are among them."""


@dataclass(frozen=True)
class Drawn:
    """What can be drawn of a curve, thinned out; and what is to be said of the rest."""

    label: str
    x: Array
    y: Array
    told: str


def drawable(curve: Curve, log: bool, width: int) -> Drawn:
    """The curve in the order of x, with a gap where values are not finite (or, with `log`, not positive), and no more
    points than tell the same picture at a width of so many characters."""
    import numpy

    order = numpy.argsort(curve.x, kind="stable")
    x, y = curve.x[order], curve.y[order]
    y = numpy.where(abs(y) < SMALLEST, 0.0, y)
    told = []
    finite = numpy.isfinite(y)
    for what, found in (
        ("NaN", numpy.isnan(y)),
        ("infinite", numpy.isinf(y)),
        ("too large to draw", finite & (abs(y) > LARGEST)),
        ("not positive", finite & (y <= 0) if log else numpy.zeros(len(y), bool)),
    ):
        if count := int(numpy.count_nonzero(found)):
            many, where = (f"{count:,}", "at") if curve.of == len(y) else ("some", "near")
            told.append(f"{many} {what} (the first {where} {output.short(float(x[numpy.argmax(found)]))})")
        y = numpy.where(found, numpy.nan, y)
    x, y = _thinned(x, y, width * DOTS)
    about = f"{output.short(curve.label)}: of {curve.of:,} points, {', '.join(told)}" if told else ""
    return Drawn(curve.label, x, y, about)


def _thinned(x: Array, y: Array, columns: int) -> tuple[Array, Array]:
    """Of the points in each column of dots: the first, the last, the least, the greatest, and one that is missing."""
    import numpy

    if len(x) <= 5 * columns:
        return x, y
    low, high = float(x[0]), float(x[-1])
    place = ((x - low) / (high - low) * (columns - 1)).astype(int) if high > low else numpy.zeros(len(x), int)
    starts = numpy.flatnonzero(numpy.r_[True, place[1:] != place[:-1]])
    ends = numpy.r_[starts[1:], len(x)]
    missing = numpy.isnan(y)
    kept = [starts, ends - 1]
    for fill, best in ((numpy.inf, numpy.minimum), (-numpy.inf, numpy.maximum)):
        filled = numpy.where(missing, fill, y)
        extreme = numpy.repeat(best.reduceat(filled, starts), ends - starts)
        kept.append(_first_of_each(filled == extreme, place, starts))
    kept.append(_first_of_each(missing, place, starts))
    chosen = numpy.unique(numpy.concatenate(kept))
    return x[chosen], y[chosen]


def _first_of_each(found: Array, place: Array, starts: Array) -> Array:
    """The index of the first point that is so, of each column that has one."""
    import numpy

    indices = numpy.flatnonzero(found)
    _, first = numpy.unique(place[indices], return_index=True)
    return indices[first]


def chart(title: str, curves: Sequence[Drawn], *, log: bool, unit: str, width: int) -> Iterable[Text]:
    """The lines of a chart that is `width` characters wide at most.  Curves differ in colour, and in nothing else:
    where there is none, give one."""
    import numpy
    from rich.text import Text

    yield Text(output.short(title, width), style="bold")
    there = [curve for curve in curves if not numpy.isnan(curve.y).all()]
    if not there:
        yield Text("  no value that can be drawn")
        return
    y_axis = axes.axis([curve.y for curve in there], log=log)
    x_axis = axes.axis([curve.x for curve in there], whole=all(curve.x.dtype.kind == "i" for curve in curves))
    y_marks = axes.marks(y_axis, HEIGHT // 2)
    margin = max(len(label) for _, label in y_marks)
    columns = width - margin - 2
    canvas = Canvas(columns, HEIGHT)
    for at, curve in enumerate(there):
        x = x_axis.places(curve.x, columns * DOTS)
        canvas.draw(x, LINES * HEIGHT - 1 - y_axis.places(curve.y, LINES * HEIGHT), at)
    labels = {
        HEIGHT - 1 - int(y_axis.places(numpy.array([value]), LINES * HEIGHT)[0]) // LINES: label
        for value, label in y_marks
    }
    frame = FRAME if encodes(FRAME) else PLAIN_FRAME
    for row, line in enumerate(canvas.lines(encodes("\u28ff"))):
        text = Text(f"{labels.get(row, ''):>{margin}} {frame[0] if row in labels else frame[1]}", style="dim")
        for characters, owner in line:
            text.append(characters, style=f"not dim {COLOURS[owner % len(COLOURS)]}" if owner is not None else "")
        text.rstrip()
        yield text
    yield from _below(x_axis, unit, columns, margin, frame)
    if len(there) > 1:
        for at, curve in enumerate(there):
            key = Text(" " * (margin + 2) + frame[2] * 2 + " ", style=COLOURS[at % len(COLOURS)])
            yield key.append(output.short(curve.label, columns - 3), style="default")


def _below(axis: axes.Axis, unit: str, columns: int, margin: int, frame: str) -> Iterable[Text]:
    """The horizontal axis and its labels, those that fit."""
    import numpy
    from rich.text import Text

    line, labels = [frame[2]] * columns, " " * (margin + 1)
    for value, label in axes.marks(axis, max(columns // 10, 1)):
        place = int(axis.places(numpy.array([value]), columns * DOTS)[0]) // DOTS
        start = max(margin + 2 + place - len(label) // 2, 0)
        if start > len(labels) and start + len(label + unit) <= margin + 2 + columns:
            line[place] = frame[3]
            labels = labels.ljust(start) + label + unit
    yield Text(" " * (margin + 1) + frame[4] + "".join(line), style="dim")
    yield Text(labels, style="dim")


class Canvas:
    """Dots, two by four in a character."""

    def __init__(self, columns: int, rows: int) -> None:
        import numpy

        self._dots = numpy.zeros((rows * LINES, columns * DOTS), bool)
        self._owners = numpy.full((rows, columns), -1)

    def draw(self, x: Array, y: Array, owner: int) -> None:
        """A line through the points in dots, from the left and the top, with gaps at NaN."""
        import numpy

        there = ~numpy.isnan(y)
        self._dot(x[there], y[there], owner)
        joined = there[1:] & there[:-1]
        starts, ends = (numpy.stack([side, value])[:, joined] for side, value in ((x[:-1], y[:-1]), (x[1:], y[1:])))
        counts = numpy.abs(ends - starts).max(axis=0).astype(int) + 1
        total = int(counts.sum())
        if total:
            at = numpy.arange(total) - numpy.repeat(numpy.cumsum(counts) - counts, counts)
            part = at / numpy.repeat(counts, counts)
            between = numpy.repeat(starts, counts, axis=1) + part * numpy.repeat(ends - starts, counts, axis=1)
            self._dot(between[0], between[1], owner)

    def _dot(self, x: Array, y: Array, owner: int) -> None:
        columns, lines = x.round().astype(int), y.round().astype(int)
        self._dots[lines, columns] = True
        self._owners[lines // LINES, columns // DOTS] = owner

    def lines(self, braille: bool) -> Iterable[list[tuple[str, int | None]]]:
        """Each row as (characters, whose they are)."""
        rows, columns = self._owners.shape
        cells = self._dots.reshape(rows, LINES, columns, DOTS).transpose(0, 2, 1, 3).reshape(rows, columns, -1)
        codes = cells @ BITS
        for row, owners in zip(codes.tolist(), self._owners.tolist(), strict=True):
            characters = (chr(0x2800 + code) if braille else "*" for code in row)
            yield [
                ("".join(char for char, _ in group), owner if owner >= 0 else None)
                for owner, group in itertools.groupby(
                    ((char if owner >= 0 else " ", owner) for char, owner in zip(characters, owners, strict=True)),
                    key=lambda pair: pair[1],
                )
            ]


def encodes(text: str) -> bool:
    """Whether the output can have these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
