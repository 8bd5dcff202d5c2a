"""The rounds of a training: what XGBoost has evaluated after each of them."""

from __future__ import annotations

import weakref
from collections import Counter
from typing import Any

from autotrack import Strand
from autotrack.plugin_api import split_of, strand_inside

MEMO = "xgboost"
KINDS = ("search", "cross_validation")
"""Of strands in which many models are trained."""
SEVERAL = "rounds of the models"


class Rounds:
    """The metrics of a training, round by round, and how many rounds were made."""

    __slots__ = ("_container", "_prefixes", "_series", "_strand", "count", "rates")

    def __init__(self, strand: Strand, prefixes: dict[str, str]) -> None:
        self._strand, self._prefixes = weakref.ref(strand), prefixes
        self._series: dict[tuple[str, str], list[Any]] = {}
        self._container: Any = None
        self.count = 0
        """Rounds that were made."""
        self.rates: dict[str, float] = {}
        """Parameters that were changed in between, as they are now."""
        strand.memo[MEMO] = strand.counter = self

    def is_of(self, container: Any) -> bool:
        """Whether these are the rounds of a training that is told of, which is known by what calls its callbacks."""
        if self._container is None:
            self._container = weakref.ref(container)
        return self._container() is container

    def take(self, container: Any) -> None:
        """A round has been evaluated; nothing is where there is no evaluation set."""
        strand = self._strand()
        if strand is None:
            return
        self.count += 1
        for data, metrics in container.history.items():
            for metric, values in metrics.items():
                known = self._series.get((data, metric))
                if known is None:
                    name = f"{self._prefixes.get(data, data)}/{metric}"
                    known = self._series[data, metric] = [0, strand.series(name).record, None]
                    if container.is_cv:
                        known[2] = strand.series(f"{name}.std").record
                for at in range(known[0], len(values)):
                    value = values[at]
                    if known[2] is not None:
                        known[2](at, float(value[1]))
                        value = value[0]
                    known[1](at, float(value))
                known[0] = len(values)


def evaluated(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`CallbackContainer._update_history` has been called: once a round, before the program's own callbacks."""
    strand = strand_inside()
    if strand is None:
        return
    rounds = strand.memo.get(MEMO)
    if rounds is None:
        if not _is_last_step(strand):
            return
        rounds = Rounds(strand, {})
    if rounds.is_of(args[0]):
        rounds.take(args[0])
    else:
        strand.gap(SEVERAL, "several models were trained within this one: those of the first alone are here")


def _is_last_step(strand: Strand) -> bool:
    """Whether a pipeline ends with a model of XGBoost's: its rounds are those of the whole."""
    inner = strand.name.rpartition("(")[2].rstrip(")")
    return strand.framework == "sklearn" and strand.kind == "fit" and inner.startswith("XGB")


def parameter_set(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Booster.set_param` has been called: within a training by a callback, between two rounds."""
    strand = strand_inside()
    rounds = strand.memo.get(MEMO) if strand is not None else None
    if strand is None or rounds is None:
        return
    given = args[1] if len(args) > 1 else kwargs.get("params")
    value = args[2] if len(args) > 2 else kwargs.get("value")
    pairs = [(given, value)] if isinstance(given, str) else given.items() if isinstance(given, dict) else given
    for name, number in pairs or ():
        if (
            isinstance(number, (int, float))
            and not isinstance(number, bool)
            and rounds.count
            and rounds.rates.get(name) != number
        ):
            rounds.rates[name] = number
            strand.series(str(name)).record(rounds.count, float(number))


def prefixes_of(names: list[tuple[str, bool]]) -> dict[str, str]:
    """The splits of evaluation sets by their names, and whether each is the training data itself; two sets of one
    split keep their names."""
    splits = {name: "train" if is_training else split_of(name) or "valid" for name, is_training in names}
    taken = Counter(splits.values())
    return {name: split for name, split in splits.items() if taken[split] == 1}
