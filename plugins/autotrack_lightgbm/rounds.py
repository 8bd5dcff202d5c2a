"""The rounds of LightGBM."""

from __future__ import annotations

from typing import Any

from autotrack import Strand
from autotrack.plugin_api import strand_inside, strand_of
from autotrack_boosting.rounds import MEMO, Rounds, rounds_by_hand, rounds_here
from autotrack_boosting.told import params_of
from autotrack_lightgbm import datasets


def evaluated(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Booster.eval_train` or `eval_valid` has been called: each once a round, before the program's own callbacks."""
    booster = args[0]
    rounds = rounds_of(booster)
    if rounds is None:
        return
    if not rounds.count:
        rounds.count = 1
    trained = getattr(booster, "_train_data_name", "training")
    rounds.name([(trained, True), *((str(name), False) for name in booster.name_valid_sets)])
    for entry in result:
        if rounds.length(str(entry[0]), str(entry[1])) < rounds.count:  # else a callback has asked once more
            rounds.add(str(entry[0]), str(entry[1]), entry[2])


def folds_evaluated(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """The folds' metrics have been put together, once a round of `cv`; before version 4.7 under one name of both."""
    rounds = rounds_here()
    if rounds is None:
        return
    rounds.count += 1
    for entry in result:
        data, metric = str(entry[0]), str(entry[1])
        if data == "cv_agg":
            data, _, metric = metric.partition(" ")
        rounds.add(data, metric, entry[2], entry[4])


def updated(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Booster.update` has been called: a round is made, perhaps by the program itself."""
    rounds = rounds_of(args[0]) if strand_inside() is not None else _by_hand(args[0])
    if rounds is not None:
        rounds.count += 1


def parameters_reset(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Booster.reset_parameter` has been called: within a training by a callback, before a round; of each fold."""
    here = rounds_here(None, "LGBM")
    rounds = here if here is not None and here.folds else rounds_of(args[0])
    given = args[1] if len(args) > 1 else kwargs.get("params")
    for name, value in given.items() if rounds is not None and isinstance(given, dict) else ():
        rounds.changed(str(name), value)  # type: ignore[union-attr]


def set_added(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Booster.add_valid` has been called: by a callback, or by the program, where rounds were made before."""
    rounds, strand = rounds_of(args[0]), strand_inside() or strand_of(args[0])
    given = [*args[1:], *kwargs.values()]
    if rounds is not None and strand is not None and rounds.count and len(given) == 2:
        datasets.tell(strand, "valid", given[0], str(given[1]))


def rounds_of(booster: Any) -> Rounds | None:
    """The rounds of the training of a booster; none of the folds of `cv`."""
    if strand_inside() is None:
        strand = strand_of(booster)
        return strand.memo.get(MEMO) if strand is not None and strand.goes_on else None
    here = rounds_here(None, "LGBM")
    return rounds_here(booster, "LGBM") if here is not None and not here.folds else None


def _by_hand(booster: Any) -> Rounds | None:
    def describe(strand: Strand) -> None:
        strand.params(params_of(getattr(booster, "params", None)), source="estimator")
        datasets.tell(strand, "train", getattr(booster, "train_set", None))

    return rounds_by_hand("lightgbm", booster, describe)
