"""The rounds of a training: what a framework has evaluated after each of them."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

from autotrack import Strand
from autotrack.plugin_api import begin, remember, split_of, strand_inside, strand_of

MEMO = "rounds"
SEVERAL = "rounds of the models"


class Rounds:
    """The metrics of a training, round by round, and how many rounds were made."""

    __slots__ = ("_owner", "_prefixes", "_series", "_strand", "count", "folds", "rates")

    def __init__(self, strand: Strand, prefixes: dict[str, str] | None = None, *, folds: bool = False) -> None:
        """`prefixes`: the splits of evaluation sets by their names, see `prefixes_of`, where these are known; `folds`:
        whether they are those of several models, put together."""
        self._strand, self._prefixes = weakref.ref(strand), prefixes
        self._series: dict[tuple[str, str], list[Any]] = {}
        self._owner: Any = None
        self.folds = folds
        self.count = 0
        """Rounds that were made."""
        self.rates: dict[str, float] = {}
        """Parameters that were changed in between, as they are now."""
        strand.memo[MEMO] = strand.counter = self

    def is_of(self, owner: Any) -> bool:
        """Whether these are the rounds of the training that is told of, which is known by an object of its own."""
        if self._owner is None:
            self._owner = weakref.ref(owner)
        return self._owner() is owner

    def name(self, sets: list[tuple[str, bool]]) -> None:
        """The names of the evaluation sets, as `prefixes_of` takes them, where they were not known before."""
        if self._prefixes is None:
            self._prefixes = prefixes_of(sets)

    def length(self, data: str, metric: str) -> int:
        """How many values of a metric there are."""
        known = self._series.get((data, metric))
        return known[0] if known is not None else 0

    def add(self, data: str, metric: str, value: float, deviation: float | None = None) -> None:
        """A metric of an evaluation set after one more round; over folds, their mean, with its deviation."""
        known = self._series.get((data, metric))
        if known is None:
            strand = self._strand()
            if strand is None:
                return
            name = f"{(self._prefixes or {}).get(data, data)}/{metric}"
            spread = strand.series(f"{name}.std").record if deviation is not None else None
            known = self._series[data, metric] = [0, strand.series(name).record, spread]
        step = max(self.count - 1, 0)
        known[1](step, float(value))
        if deviation is not None:
            known[2](step, float(deviation))
        known[0] += 1

    def changed(self, name: str, value: Any) -> None:
        """A callback has set a parameter, for the round that comes next."""
        strand = self._strand()
        if isinstance(value, (int, float)) and not isinstance(value, bool) and self.rates.get(name) != value:
            self.rates[name] = value
            if strand is not None:
                strand.series(name).record(self.count, float(value))


def rounds_by_hand(framework: str, booster: Any, describe: Callable[[Strand], None]) -> Rounds | None:
    """The rounds that the program makes itself, one by one, outside of any training that is observed: they begin with
    the first of a booster, and end with the program.  `describe` tells what is known of it then."""
    strand = strand_of(booster)
    if strand is None or not strand.goes_on:
        kind = type(booster)
        strand = begin(framework, kind.__name__, f"{kind.__module__}.{kind.__qualname__}")
        if strand is None:
            return None
        remember(booster, strand)
        rounds = Rounds(strand)
        rounds.is_of(booster)
        describe(strand)
    found: Rounds | None = strand.memo.get(MEMO)
    return found


def rounds_made(strand: Strand) -> int:
    """Rounds of a training that were made."""
    rounds: Rounds | None = strand.memo.get(MEMO)
    return rounds.count if rounds is not None else 0


def rounds_here(owner: Any = None, estimators: str = "") -> Rounds | None:
    """The rounds of the training that is going on in this thread, where that is the one of `owner`; of a pipeline those
    of its last step, where its name begins with `estimators`."""
    strand = strand_inside()
    if strand is None:
        return None
    rounds: Rounds | None = strand.memo.get(MEMO)
    if rounds is None:
        inner = strand.name.rpartition("(")[2].rstrip(")")
        if not estimators or strand.kind != "fit" or strand.framework != "sklearn" or not inner.startswith(estimators):
            return None
        rounds = Rounds(strand)
    if owner is None or rounds.is_of(owner):
        return rounds
    strand.gap(SEVERAL, "several models were trained within this one: those of the first alone are here")
    return None


def prefixes_of(names: list[tuple[str, bool]]) -> dict[str, str]:
    """The splits of evaluation sets by their names, and whether each is the training data itself; two sets of one
    split keep their names."""
    splits = {name: "train" if is_training else _split(name) for name, is_training in names}
    taken = Counter(splits.values())
    return {name: split for name, split in splits.items() if taken[split] == 1}


def _split(name: str) -> str:
    """The split that a set is called after; what the frameworks' own programs call `eval` is for validation."""
    said = split_of(name)
    return "valid" if said in ("", "eval") else said
