"""How many rows two datasets share, told from sketches of them.

A sketch is the `KEPT` smallest of the 64-bit hashes of a dataset's different rows, and how often each comes up.
Which rows have small hashes is as good as random, and the same for every dataset: of the rows below the limit of
both sketches, those in common are an unbiased sample (k minimum values, Bar-Yossef et al. 2002).  Datasets of at
most `KEPT` different rows are in their sketches whole, and the answer is exact; otherwise its standard error is
about 1/sqrt(`KEPT`), 3 % of the rows.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy

from autotrack.events import DataProfiled

KEPT = 1024
Array = numpy.ndarray[Any, Any]


class Sketch(NamedTuple):
    """`hashes`: the smallest hashes of different rows, ascending, uint64; `repeats`: how often each comes up."""

    rows: int
    hashes: Array
    repeats: Array
    whole: bool
    """Whether every row is in it."""


class Shared(NamedTuple):
    """Rows of the one that are in the other too, repeated ones counted as often as they come up."""

    of_first: int
    of_second: int
    exact: bool


def sketch_of(profile: DataProfiled) -> Sketch:
    """The sketch that a profile holds."""
    hashes = numpy.frombuffer(base64.b64decode(profile.sketch), dtype="<u8")
    repeats = numpy.frombuffer(base64.b64decode(profile.repeats), dtype="<u4") if profile.repeats else None
    return Sketch(
        profile.rows,
        hashes,
        repeats if repeats is not None else numpy.ones(len(hashes), dtype="<u4"),
        profile.distinct == len(hashes),
    )


def packed(hashes: Array, repeats: Array) -> tuple[str, str]:
    """The texts `sketch` and `repeats` of a profile."""
    often = "" if (repeats == 1).all() else base64.b64encode(repeats.astype("<u4").tobytes()).decode()
    return base64.b64encode(hashes.astype("<u8").tobytes()).decode(), often


def shared(first: Sketch, second: Sketch) -> Shared:
    """How many rows two datasets share."""
    kept = limited(first, second)
    _, in_first, in_second = numpy.intersect1d(kept[0].hashes, kept[1].hashes, assume_unique=True, return_indices=True)
    counts = []
    for sketch, at in zip(kept, (in_first, in_second), strict=True):
        among = int(sketch.repeats.sum(dtype="u8"))
        found = int(sketch.repeats[at].sum(dtype="u8"))
        counts.append(round(sketch.rows * found / among) if among else 0)
    return Shared(counts[0], counts[1], first.whole and second.whole)


def limited(first: Sketch, second: Sketch) -> tuple[Sketch, Sketch]:
    """What they hold of the rows below the limits of both."""
    kept = first, second
    for sketch in (first, second):
        if not sketch.whole:
            last = sketch.hashes[-1]
            kept = _up_to(kept[0], last), _up_to(kept[1], last)
    return kept


def merged(sketches: Sequence[Sketch]) -> Sketch:
    """The sketch of the rows of several datasets together."""
    if len(sketches) == 1:
        return sketches[0]
    limits = [sketch.hashes[-1] for sketch in sketches if not sketch.whole]
    kept = [_up_to(sketch, min(limits)) for sketch in sketches] if limits else sketches
    hashes, position = numpy.unique(numpy.concatenate([sketch.hashes for sketch in kept]), return_inverse=True)
    repeats = numpy.bincount(position, weights=numpy.concatenate([sketch.repeats for sketch in kept]))
    return Sketch(sum(sketch.rows for sketch in sketches), hashes, repeats.astype("<u4"), not limits)


def _up_to(sketch: Sketch, last: Any) -> Sketch:
    at = int(numpy.searchsorted(sketch.hashes, last, side="right"))
    return sketch._replace(hashes=sketch.hashes[:at], repeats=sketch.repeats[:at])
