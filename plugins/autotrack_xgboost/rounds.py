"""The rounds of XGBoost."""

from __future__ import annotations

from typing import Any

from autotrack import Strand
from autotrack.plugin_api import note_of, strand_inside, strand_of
from autotrack_boosting.data import pairs as pairs_of
from autotrack_boosting.rounds import MEMO, Rounds, rounds_by_hand, rounds_here
from autotrack_xgboost import matrices

MADE = "validate_parameters"
"""The parameter that XGBoost adds to those that a booster is made with."""


def evaluated(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`CallbackContainer._update_history` has been called: once a round, before the program's own callbacks."""
    container = args[0]
    rounds = rounds_here(container, "XGB")
    if rounds is None:
        return
    rounds.count += 1
    for data, metrics in container.history.items():
        for metric, values in metrics.items():
            for value in values[rounds.length(data, metric) :]:
                rounds.add(data, metric, *(value if isinstance(value, tuple) else (value,)))


def round_begins(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`CallbackContainer.before_iteration` has been called, with the data: what the evaluation sets are called."""
    rounds = rounds_here(None, "XGB")
    if rounds is not None and not rounds.count and len(args) > 4:
        rounds.name([(str(name), matrix is args[3]) for matrix, name in args[4] or ()])


def parameter_set(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Booster.set_param` has been called: within a training by a callback, before or between rounds, if not as the
    booster is made."""
    rounds = rounds_here()
    given = args[1] if len(args) > 1 else kwargs.get("params")
    value = args[2] if len(args) > 2 else kwargs.get("value")
    pairs = [(given, value)] if isinstance(given, str) else given.items() if isinstance(given, dict) else given
    known = dict(pairs or ())
    for name, number in known.items() if rounds is not None and MADE not in known else ():
        rounds.changed(str(name), number)  # type: ignore[union-attr]


def updated(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Booster.update` has been called: by the program itself where no training is observed."""
    objective = args[3] if len(args) > 3 else kwargs.get("fobj")
    if objective is None:  # else it has called `boost`
        boosted(args, kwargs, result)


def boosted(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Booster.boost` has been called, or what does the same."""
    rounds = _by_hand(args[0], args[1] if len(args) > 1 else kwargs.get("dtrain"))
    if rounds is not None:
        rounds.count += 1


def evaluated_by_hand(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Booster.eval_set` has been called: `[0]\ttrain-rmse:0.5\ttest-rmse:0.6`; in a loop of the program's own, or once
    a training is over."""
    strand = strand_of(args[0]) if strand_inside() is None else None
    if strand is None or not isinstance(result, str):
        return
    sets = [
        (str(name), strand.role_of(matrix)) for matrix, name in pairs_of(args[1] if len(args) > 1 else kwargs["evals"])
    ]
    rounds: Rounds | None = strand.memo.get(MEMO) if strand.goes_on else None
    if rounds is not None:
        rounds.name([(name, role == "train") for name, role in sets])
    for entry in result.split("\t")[1:]:
        name, _, value = entry.rpartition(":")
        data, _, metric = name.partition("-")
        if rounds is not None:
            rounds.add(data, metric, float(value))
            continue
        series = strand.series(f"{dict(sets).get(data) or data}/{metric}.evaluated", origin="metric")
        series.record(series.next_step, float(value))
        series.next_step += 1


def _by_hand(booster: Any, matrix: Any) -> Rounds | None:
    if strand_inside() is not None:
        return None
    given = note_of(booster)

    def describe(strand: Strand) -> None:
        if isinstance(given, Given):
            strand.params(given.params, source="estimator")
        matrices.tell(strand, "train", matrix)

    return rounds_by_hand("xgboost", booster, describe)


class Given:
    """What is noted of a booster that the program has made: its parameters."""

    __slots__ = ("params",)

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
