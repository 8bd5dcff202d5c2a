"""The step of a printed value, from the counters that are printed beside it or that the loops around it have."""

from __future__ import annotations

from collections.abc import Container

from autotrack.printed.words import COARSE, name_of
from autotrack.strand import Strand

JOINED = 100
"""Trainings that are looked through for the one that they are part of."""


def root(place: object) -> object:
    """A training, or the one that it was found to be part of."""
    for _ in range(JOINED):
        if not isinstance(place, Strand) or place.joined is None:
            break
        place = place.joined
    return place


Counters = dict[str, tuple[int, "int | None"]]


class _Unrolled:
    """A counter that begins anew with each round of another, made into one that goes on."""

    __slots__ = (
        "ahead", "apart", "beyond", "coarse", "done", "first", "from_zero", "last", "met", "offset", "stride",
        "to_total",
    )  # fmt: skip

    def __init__(self) -> None:
        self.ahead: int | None = None
        """How much further the training was than this, at the first print of the first round."""
        self.met = False
        """Whether it was so at another one as well."""
        self.apart = False
        """Whether the two don't go together: it counts something else than steps of the training."""
        self.first: int | None = None
        self.coarse: int | None = None
        self.last = 0
        self.offset = 0
        self.stride = 1
        self.beyond = False
        """Whether it went past the total that is printed with it."""
        self.done = -1
        """How many steps the training had made at the last print that counts samples."""
        self.from_zero = self.to_total = False
        """Whether it was seen at 0, and at its total: `0000/3` to `0003/3` are four."""

    def alone(self, fine: int, done: int | None, many: bool) -> int:
        """Where no other is known: a new round begins where it begins anew."""
        if self.coarse is None:
            self.coarse = self.first = 0
        return self.step(self.coarse + (fine < self.last), fine, None, done, many)

    def step(self, coarse: int, fine: int, total: int | None, done: int | None, many: bool) -> int:
        """The step of the round `coarse` at `fine`, of `total` in each round where that is printed too.  `done`: how
        many steps the training had made by then, which is what counts where the two went together in the first round,
        or where `many`: what was printed counts samples.
        """
        counted = self._counted(coarse, fine, total)
        if done is None or self.apart:
            return counted
        if many:
            self.apart = done == self.done  # it goes on while nothing is trained
            self.done = done
            if self.ahead is None:
                self.ahead = min(done, int(not fine or (done > 1 and fine % done > 0 == fine % (done - 1))))
            return counted if self.apart else done - self.ahead
        if coarse == self.first:
            if self.ahead is None:
                self.ahead = done - fine
            elif self.ahead != done - fine:
                self.apart = True
            else:
                self.met = True
        elif self.met and self.ahead is not None:
            return done - self.ahead
        return counted

    def _counted(self, coarse: int, fine: int, total: int | None) -> int:
        if self.first is None:
            self.first = coarse
        self.beyond = self.beyond or bool(total and fine > total)
        if total and not self.beyond:
            self.coarse, self.last = coarse, fine
            self.from_zero = self.from_zero or fine == 0
            self.to_total = self.to_total or fine == total
            return (coarse - self.first) * (total + (self.from_zero and self.to_total)) + fine
        if self.coarse is not None and coarse != self.coarse and fine <= self.last:
            self.offset += self.last + self.stride - (fine if fine <= self.stride else 0)
        elif self.coarse == coarse and fine > self.last:
            self.stride = fine - self.last
        self.coarse, self.last = coarse, fine
        return self.offset + fine


class Steps:
    """The steps of each call that prints."""

    def __init__(self) -> None:
        self._unrolled: dict[tuple[object, str], tuple[object, _Unrolled]] = {}

    def step(
        self,
        site: object,
        place: object,
        counters: Counters,
        heading: Counters,
        done: int | None = None,
        samples: Container[str] = (),
    ) -> tuple[int | None, tuple[str, float] | None]:
        """The step of what is printed with these counters, and the round that it is in where two count.

        None where nothing counts.  `place`: the training that prints, each of which counts for itself.  `heading`:
        the counters that were printed last with nothing else.  `done`: how many steps that training had made.
        `samples`: the counters that count samples.
        """
        if not counters:
            if not heading:
                return None, None
            return next(iter(heading.values()))[0], None
        names = list(counters)
        coarse = next((name for name in names if name_of(name).metric in COARSE), None)
        above = next(((name, entry) for name, entry in heading.items() if name_of(name).metric in COARSE), None)
        if coarse is None and len(names) > 1 and above is None:
            coarse = names[0]
        fine = next((name for name in reversed(names) if name != coarse), None)
        if coarse is not None and fine is None:
            return counters[coarse][0], None
        assert fine is not None
        value, total = counters[fine]
        if coarse is None:
            if fine in COARSE or fine == "globalstep":
                return value, None
            if above is None:
                return self._of(site, place, fine).alone(value, done, fine in samples), None
            coarse, (round_, _) = above
        else:
            round_ = counters[coarse][0]
        return self._of(site, place, fine).step(round_, value, total, done, fine in samples), (coarse, float(round_))

    def _of(self, site: object, place: object, fine: str) -> _Unrolled:
        before, unrolled = self._unrolled.get((site, fine), (None, None))
        if unrolled is None or root(before) is not root(place):
            unrolled = _Unrolled()
            self._unrolled[site, fine] = place, unrolled
        return unrolled
