"""Searches and cross-validation: their candidates, folds and curves."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from typing import Any

from autotrack import Call, Opening, Strand, hookimpl
from autotrack.plugin_api import made, remember
from autotrack_sklearn.estimators import (
    PART,
    estimator_name,
    is_estimator,
    nested_names,
    score_name,
    scoring_name,
)
from autotrack_sklearn.numbers import number_of

Observation = Generator[None, Any, None]

_TIMES = ("fit_time", "score_time", "refit_time_")
"""What names of measured times end in, in the state of a fitted search."""
FUNCTIONS = (
    "cross_val_score",
    "cross_validate",
    "cross_val_predict",
    "learning_curve",
    "validation_curve",
    "permutation_test_score",
)
PLOTTED = ("learning_curve", "validation_curve")
"""Those that `sklearn.model_selection._plot` binds for its displays."""


# Searches


@hookimpl
def autotrack_state(obj: Any) -> Callable[[], Mapping[str, Any]] | None:
    """What a fitted search has learned: all of it but how long that took, which is another each time."""
    base = getattr(sys.modules.get("sklearn.model_selection._search"), "BaseSearchCV", None)
    if base is None or not issubclass(type(obj), base):
        return None
    return lambda: {"class": f"{type(obj).__module__}.{type(obj).__qualname__}", **_untimed(vars(obj))}


def _untimed(state: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in state.items() if not name.endswith(_TIMES)}
    results = kept.get("cv_results_")
    if isinstance(results, dict):
        kept["cv_results_"] = {name: column for name, column in results.items() if not name.endswith(_TIMES)}
    return kept


def report_search(search: Any, strand: Strand) -> None:
    """Best parameters and score, and every candidate of `cv_results_`."""
    found = {name: vars(search).get(f"{name}_") for name in ("best_params", "best_score", "best_index", "refit_time")}
    if isinstance(found["best_params"], dict):
        found["best_params"] = {name: nested_names(value) for name, value in found["best_params"].items()}
    counts = {name: vars(search).get(f"{name}_") for name in ("n_splits", "n_resources", "n_candidates")}
    strand.summaries({name: value for name, value in (found | counts).items() if value is not None})
    scoring = score_name(search)
    results = vars(search).get("cv_results_")
    if isinstance(results, dict) and "params" in results:
        index = number_of(found["best_index"])
        if index is not None:
            _report_best(results, int(index), scoring, strand)
        strand.trials(_trials(results, scoring))


def _report_best(results: dict[str, Any], index: int, scoring: str, strand: Strand) -> None:
    """Every score of the candidate that was chosen."""
    for name in results:
        if name.startswith("mean_test_"):
            strand.series(_trial_metric(name, scoring)).record(0, float(results[name][index]))


def _trials(
    results: dict[str, Any], scoring: str
) -> Iterator[tuple[dict[str, Any], dict[str, Any], float | None, str]]:
    """The candidates: their parameters, mean and deviation of each score, and the scores of the splits."""
    statistics = [name for name in results if name.startswith(("mean_test_", "std_test_", "mean_train_", "std_train_"))]
    times = [results[name] for name in ("mean_fit_time", "mean_score_time") if name in results]
    splits = _splits(results)
    for index, params in enumerate(results["params"]):
        metrics: dict[str, Any] = {_trial_metric(name, scoring): float(results[name][index]) for name in statistics}
        means = [value for name, value in metrics.items() if not name.endswith(".std")]
        status = "failed" if means and all(math.isnan(value) for value in means) else "finished"
        for name, columns in splits.items():
            metrics[f"{_trial_metric(name, scoring)}.splits"] = [float(column[index]) for column in columns]
        described = {name: nested_names(value) for name, value in params.items()}
        for name in ("iter", "n_resources"):  # of a search that halves: a candidate comes up again with more
            if name in results:
                described[name] = int(results[name][index])
        seconds = float(sum(entry[index] for entry in times))
        yield described, metrics, seconds, status


def _splits(results: dict[str, Any]) -> dict[str, list[Any]]:
    """`mean_test_f1` to the columns `split0_test_f1`, `split1_test_f1`, ..."""
    found: dict[str, list[Any]] = {}
    for name, column in results.items():
        prefix, _, rest = name.partition("_")
        if prefix.startswith("split") and prefix[5:].isdecimal():
            found.setdefault(f"mean_{rest}", []).append(column)
    return found


def _trial_metric(name: str, scoring: str) -> str:
    """`mean_test_f1` is `cv/f1`, `std_train_f1` is `cv_train/f1.std`, and `score` goes by what the search scores."""
    statistic, split, metric = name.split("_", 2)
    metric = scoring if metric == "score" else metric
    return f"{'cv' if split == 'test' else 'cv_train'}/{metric}{'.std' if statistic == 'std' else ''}"


# Cross-validation


def opens_cross_validation(call: Call) -> Opening | None:
    estimator = call.get("estimator")
    function = call.name.partition(":")[2]
    if estimator is None:
        return None
    return Opening("cross_validation", f"{function}({estimator_name(estimator)})", estimator, trains=False)


def observe_cross_validation(call: Call, strand: Strand) -> Observation:
    strand.params_of(call["estimator"])
    names = ("cv", "scoring", "method", "n_permutations", "param_name", "param_range", "train_sizes", "groups")
    settings = {name: call.get(name) for name in names}
    strand.params({name: value for name, value in settings.items() if value is not None}, source="fit")
    strand.data("train", call.get("X"), labels=call.get("y"))
    result = yield
    function = call.name.partition(":")[2]
    scoring = scoring_name(call.get("scoring"), call["estimator"])
    if function == "cross_val_score":
        _folds(strand, f"test/{scoring}", result)
    elif function == "cross_validate":
        _report_folds(strand, scoring, result)
    elif function == "cross_val_predict":  # each by a model that had not seen it
        made(result, call["estimator"], strand, role="test")
    elif function == "permutation_test_score":
        strand.series(f"test/{scoring}").record(0, float(result[0]))
        strand.summary(pvalue=result[2], permutation_scores=result[1])
    elif function == "learning_curve":
        _curve(strand, scoring, [int(size) for size in result[0]], result[1], result[2])
    else:
        _curve(strand, scoring, range(len(result[0])), result[0], result[1])


def _report_folds(strand: Strand, scoring: str, result: dict[str, Any]) -> None:
    for name, values in result.items():
        split, _, metric = name.partition("_")
        if split in ("test", "train"):
            _folds(strand, f"{split}/{scoring if metric == 'score' else metric}", values)
        elif name in ("fit_time", "score_time"):
            strand.summaries({name: values})
    for model in result.get("estimator") or ():
        if is_estimator(model):
            remember(model, strand, PART)


def _folds(strand: Strand, name: str, values: Any) -> None:
    """A point a fold; mean and deviation are what people report."""
    values = [float(value) for value in values]
    record = strand.series(name).record
    for fold, value in enumerate(values):
        record(fold, value)
    mean = math.fsum(values) / len(values) if values else math.nan
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values)) if values else math.nan
    strand.summaries({f"{name}.mean": mean, f"{name}.std": deviation})


def _curve(strand: Strand, scoring: str, steps: Iterable[int], train: Any, test: Any) -> None:
    """The mean over the folds at each size or parameter, with its deviation."""
    for at, step in enumerate(steps):
        for split, scores in (("train", train), ("test", test)):
            strand.series(f"{split}/{scoring}").record(step, float(scores[at].mean()))
            strand.series(f"{split}/{scoring}.std").record(step, float(scores[at].std()))
    strand.summary(train_scores=train, test_scores=test)
