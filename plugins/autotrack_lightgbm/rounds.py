"""The rounds of LightGBM."""

from __future__ import annotations

from typing import Any

from autotrack_boosting.rounds import Rounds, rounds_here


def evaluated(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Booster.eval_train` or `eval_valid` has been called: each once a round, before the program's own callbacks."""
    rounds = rounds_of(args[0])
    for entry in result if rounds is not None else ():
        rounds.add(str(entry[0]), str(entry[1]), entry[2])  # type: ignore[union-attr]


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
    """`Booster.update` has been called: a round is made."""
    rounds = rounds_of(args[0])
    if rounds is not None:
        rounds.count += 1


def parameters_reset(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Booster.reset_parameter` has been called: within a training by a callback, before a round."""
    rounds = rounds_of(args[0])
    given = args[1] if len(args) > 1 else kwargs.get("params")
    for name, value in given.items() if rounds is not None and isinstance(given, dict) else ():
        rounds.changed(str(name), value)  # type: ignore[union-attr]


def rounds_of(booster: Any) -> Rounds | None:
    """The rounds of the training of a booster; none of the folds of `cv`."""
    here = rounds_here(None, "LGBM")
    return rounds_here(booster, "LGBM") if here is not None and not here.folds else None
