"""Whether rows of a dataset were in that of a training, beyond what comes up again in either of them by itself.

What a clean split is: all rows together, each given to one of the two whatever it holds.  Rows that come up `g` times
in both together are then in both with probability 1 - f^g - (1-f)^g, where f is the share of the second, and how many
different rows are in both is a sum of such draws, whose tail Chernoff's bound holds (1952, with the moments of each
draw).  So what repeats in all of the data, as a table of few categories does, is expected in both.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy

from autotrack.identity.rows import Sketch, limited

UNLIKELY = 1e-6
"""Chance of as many in both after a clean split, below which that was none."""
FEW = 3
"""Different rows in both below which nothing is told: as many come up twice in much clean data."""
UNIQUE = 0.035
"""The chance that is enough where no row comes up twice in either of them, and each that does is in both."""

Array = numpy.ndarray[Any, Any]


class Overlap(NamedTuple):
    """Rows of the second dataset that are in the first, repeated ones counted as often as they come up."""

    rows: int
    of: int
    expected: float
    """As many would be, by how many rows of the first one have their like in it."""
    exact: bool
    beyond: bool
    """Whether that is more than a clean split of the data would leave in both."""

    @property
    def share(self) -> float:
        return self.rows / self.of if self.of else 0.0


def overlap(first: Sketch, second: Sketch) -> Overlap:
    """Compare what was trained on with what it was evaluated on."""
    one, other = limited(first, second)
    _, at, where = numpy.intersect1d(one.hashes, other.hashes, assume_unique=True, return_indices=True)
    ours, theirs = (sketch.repeats.astype(numpy.int64) for sketch in (one, other))
    in_one, in_other = int(ours.sum()), int(theirs.sum())
    found = int(theirs[where].sum())
    together = ours[at] + theirs[where]
    ours[at] = theirs[where] = 0
    apart = numpy.concatenate([ours[ours > 1], theirs[theirs > 1]])
    again = int(one.repeats[one.repeats > 1].sum(dtype="u8"))
    return Overlap(
        rows=round(second.rows * found / in_other) if in_other else 0,
        of=second.rows,
        expected=second.rows * again / in_one if in_one else 0.0,
        exact=first.whole and second.whole,
        beyond=_beyond(together, apart, second.rows / max(first.rows + second.rows, 1)),
    )


def _beyond(together: Array, apart: Array, share: float) -> bool:
    """Whether a clean split would hardly leave so many different rows in both: `together` and `apart`, how often those
    that are in both, and those that come up again in one alone, come up."""
    count = len(together)
    if count < FEW or not 0.0 < share < 1.0:
        return False
    sizes, often = numpy.unique(numpy.concatenate([together, apart]), return_counts=True)
    both = 1.0 - share**sizes - (1.0 - share) ** sizes
    chance = _tail(both, often.astype(float), count)
    unique = len(apart) == 0 and int(together.max()) == 2
    return chance <= math.log(UNIQUE if unique else UNLIKELY)


def _tail(chances: Array, often: Array, count: int) -> float:
    """Logarithm of a bound on the chance that `count` or more of independent events come true."""
    if count <= float((chances * often).sum()):
        return 0.0
    if count >= often.sum():
        return float((often * numpy.log(chances)).sum())
    low, high = 0.0, 64.0
    for _ in range(50):
        middle = (low + high) / 2
        tilted = chances / (chances + (1.0 - chances) * math.exp(-middle))
        low, high = (middle, high) if float((tilted * often).sum()) < count else (low, middle)
    grown = numpy.log1p(chances * math.expm1(min(low, 500.0)))
    return float((often * grown).sum()) - low * count
