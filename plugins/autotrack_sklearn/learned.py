"""What a fitted estimator itself holds: the curves of its iterations, scores of the fit, values that it has chosen.

Observes the attributes of the instance that a fit was called on; of a pipeline its last step, of a search the best
estimator; of other estimators that hold estimators the outer one alone.  Coefficients and importances are in
`importances`.

Records curves as series whose step is the iteration from 0 (`train/loss`, `valid/accuracy`, `oob/improvement`),
measures of the fit as series of one point (`oob/r2`, `train/inertia`), everything else as values of the run under the
attribute's name without its `_`.  A loss is a loss: what `HistGradientBoosting` keeps as a negative loss, with a
first entry from before the first tree, is `train/loss` with the sign turned.  A nan that an iteration has arrived at
is a point; one behind the last iteration is padding.  A transformer alone, a step, has no series: the last point of a
curve is a value there.

Leaves alone: properties, which compute something or are the user's, and whatever is no number or array of numbers.  No
data is seen, nothing is predicted, the estimator is only read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from autotrack import Strand
from autotrack_sklearn import estimators, importances
from autotrack_sklearn.numbers import few, is_array, is_row, number_of, numbers_of

BUDGET, SHARE = 0.005, 0.01
"""Seconds, and share of the fit, that importances may take, and a long curve: the larger of the two."""
SECONDS_A_POINT = 1e-6
FEW = 32
"""Numbers of an attribute, or labels of classes, that are written out."""
RATIOS = 100

MEASURES = {
    "inertia_": "train/inertia",
    "loss_": "train/loss",
    "lower_bound_": "train/lower_bound",
    "kl_divergence_": "train/kl_divergence",
    "stress_": "train/stress",
    "reconstruction_err_": "train/reconstruction_err",
    "reconstruction_error_": "train/reconstruction_error",
    "dual_gap_": "train/dual_gap",
    "log_marginal_likelihood_value_": "train/log_marginal_likelihood",
}
CHOSEN = frozenset(
    """
    C_ alpha_ bandwidth_ best_index_ best_iteration_ best_loss_ best_score_ best_threshold_ best_validation_score_
    bound_ converged_ epsilon_ explained_variance_ratio_ l1_ratio_ lambda_ learning_rate_ max_features_ max_samples_
    n_clusters_ n_components_ n_connected_components_ n_estimators_ n_features_ n_features_in_ n_iter_ n_layers_
    n_leaves_ n_outputs_ n_steps_ n_trials_ noise_variance_ offset_ rank_ scale_ shrinkage_
    threshold_
    """.split()
)
SHAPED_LIKE_FEATURES = frozenset({"scale_", "threshold_", "noise_variance_"})
"""A number in some estimators, one for each feature in others: only the number is recorded."""
CURVES = {
    "oob_improvement_": "oob/improvement",
    "oob_scores_": "oob/{score}",
    "loss_curve_": "train/loss",
    "train_score_": "train/{score}",
    "validation_scores_": "valid/{score}",
    "validation_score_": "valid/{score}",
    "estimator_errors_": "train/estimator_error",
    "loglike_": "train/log_likelihood",
    "lower_bounds_": "train/lower_bound",
}
"""What any estimator may have under these names."""
OWN_CURVES = {
    ("BayesianRidge", "scores_"): "train/log_marginal_likelihood",
    ("ARDRegression", "scores_"): "train/objective",
    ("DictionaryLearning", "error_"): "train/error",
    ("SparsePCA", "error_"): "train/error",
}
"""Names that mean something else elsewhere: `scores_` of `SelectKBest` are those of the features."""

Held = dict[str, Any]
Points = tuple[int, float | None, float | None]
"""Of a curve: how many entries are recorded, the first one and the last one."""


class _Known:
    """What is recorded already of an estimator that may be fitted on, as by `partial_fit`."""

    def __init__(self) -> None:
        self.points: dict[str, Points] = {}
        self.values: dict[str, Any] = {}


def report_learned(strand: Strand, estimator: Any, seconds: float) -> None:
    """Record what an estimator holds after a fit that took so many seconds."""
    model = estimators.final_estimator(estimator)
    if not estimators.is_estimator(model):
        return
    import numpy as np

    with np.errstate(all="ignore"):  # also where the program has numpy raise
        _report(strand, model, seconds)


def _report(strand: Strand, model: Any, seconds: float) -> None:
    held, library, known = dict(vars(model)), _library(model), strand.memo.setdefault("sklearn", _Known())
    budget = max(BUDGET, SHARE * seconds)
    values, measures, curves = _chosen(held, library), dict(_measures(held, library)), list(_curves(held, library))
    for name, _, _ in curves:
        measures.pop(name, None)  # the last of its curve
    if strand.kind == "search":  # which has a best score and index of its own
        values = {name: value for name, value in values.items() if not name.startswith("best_")}
        measures = {name: number for name, number in measures.items() if not name.startswith("cv/")}
    if strand.kind == "step":
        last = {name: sign * number for name, curve, sign in curves if (number := number_of(curve[-1])) is not None}
        values |= {name.partition("/")[2]: number for name, number in {**measures, **last}.items()}
    else:
        for name, curve, sign in curves:
            _record_curve(strand, known, name, curve, sign, int(budget / SECONDS_A_POINT))
        for name, number in measures.items():
            if not _same(known.points.get(name, (0, None, None))[2], number):
                _record(strand, name, 0, [number])
                known.points[name] = 1, number, number
        values |= importances.coefficients(held) | importances.importances(strand, model, budget)
    news = {name: value for name, value in values.items() if known.values.get(name) != value}
    if news:
        known.values |= news
        strand.summaries(news)


def _library(model: Any) -> frozenset[str]:
    """The names of scikit-learn's classes that an estimator is an instance of."""
    classes = type(model).__mro__
    return frozenset(cls.__name__ for cls in classes if str(cls.__dict__.get("__module__")).startswith("sklearn."))


# Curves


def _curves(held: Held, library: frozenset[str]) -> Iterator[tuple[str, Any, float]]:
    """Series, the array or list of its points, and the sign that they are recorded with."""
    for attribute in [name for name in CURVES if name in held]:
        curve, (score, sign) = held[attribute], _score_of_curves(held, library)
        if is_row(curve):
            if attribute.startswith("oob_") and "BaseGradientBoosting" in library and not _is_part(held):
                continue
            curve = _without_padding(attribute, curve, held)
            if len(curve):
                yield CURVES[attribute].format(score=score), curve, sign
    for (cls, attribute), name in OWN_CURVES.items():
        if cls in library and is_row(held.get(attribute)) and len(held[attribute]):
            yield name, held[attribute], 1.0
    if "BaseGraphicalLasso" in library:  # of scikit-learn 1.5 on
        costs = held.get("costs_")
        if type(costs) is list and costs and all(type(pair) is tuple and len(pair) == 2 for pair in costs):
            yield "train/objective", [objective for objective, _ in costs], 1.0
            yield "train/dual_gap", [gap for _, gap in costs], 1.0


def _score_of_curves(held: Held, library: frozenset[str]) -> tuple[str, float]:
    """What the scores of an estimator's iterations are, and their sign."""
    if "BaseHistGradientBoosting" in library:
        score = _scoring(held.get("scoring"), library)
        return score, -1.0 if score == "loss" else 1.0
    if "BaseGradientBoosting" in library:
        return "loss", 1.0
    return _own_score(library) if "BaseMultilayerPerceptron" in library else "score", 1.0


def _is_part(held: Held) -> bool:
    """Whether trees were grown from a part of the rows.  Where they were not, those of an earlier, warm fit are
    repeated for the rest of the arrays (`_resize_state` of scikit-learn's `_gb.py`)."""
    share = number_of(held.get("subsample"))
    return share is not None and share < 1.0


def _without_padding(attribute: str, curve: Any, held: Held) -> Any:
    """AdaBoost makes room for all rounds and may stop earlier; others fill with nan what lies behind `n_iter_`."""
    members, weights = held.get("estimators_"), numbers_of(held.get("estimator_weights_"))
    if attribute == "estimator_errors_" and type(members) is list and weights is not None:
        length = min(len(members), len(weights), len(curve))
        while length and weights[length - 1] == 0.0:  # discarded, as no better than chance
            length -= 1
        return curve[:length]
    iterations = number_of(held.get("n_iter_"))
    if iterations is not None and 0 < iterations < len(curve):
        rest = numbers_of(curve[int(iterations) :])
        if rest is not None and all(map(math.isnan, rest.tolist())):
            return curve[: int(iterations)]
    return curve


def _record_curve(strand: Strand, known: _Known, name: str, curve: Any, sign: float, room: int) -> None:
    """The entries that are new: of a fit that goes on those behind the last one, of one that began anew all."""
    count, first, last = known.points.get(name, (0, None, None))
    if count and not (
        len(curve) >= count and _same(curve[0], first, sign) and _same(curve[count - 1], last, sign)
    ):  # as of a mixture that is fitted again from where it was
        count = 0
    if name.startswith("oob/") and name not in known.points:
        count = min(len(curve), known.points.get("train/loss", (0,))[0])  # of the trees before there are none: zeros
    points = numbers_of(curve[count : count + room])
    head = number_of(curve[0])
    if points is None or head is None or not len(points):
        return
    listed = (sign * points).tolist()
    _record(strand, name, count, listed)
    known.points[name] = count + len(listed), sign * head, listed[-1]
    if len(curve) > count + room:
        strand.gap(name, f"{count + room:,} of {len(curve):,} points are recorded")


def _record(strand: Strand, name: str, before: int, points: list[float]) -> None:
    """Add points behind so many others, and behind all that the series has, also where another curve begins."""
    series = strand.series(name)
    record, step = series.record, max(series.next_step, before)
    series.next_step = step + len(points)
    for step_, value in enumerate(points, step):
        record(step_, value)


def _same(entry: Any, recorded: float | None, sign: float = 1.0) -> bool:
    number = number_of(entry)
    if number is None or recorded is None:
        return False
    return sign * number == recorded or (math.isnan(number) and math.isnan(recorded))


# Measures, and values that a fit has chosen


def _measures(held: Held, library: frozenset[str]) -> Iterator[tuple[str, float]]:
    for attribute, name in MEASURES.items():
        number = number_of(held.get(attribute))
        if number is not None:
            yield name, number
    for attribute in ("train_score_", "validation_score_"):
        number = number_of(held.get(attribute))
        if number is not None:
            yield CURVES[attribute].format(score="score"), number
    number = number_of(held.get("oob_score_"))
    if number is not None and "BaseGradientBoosting" not in library:  # there the last of its curve
        scoring = held.get("oob_score")
        yield f"oob/{_scoring(None if type(scoring) is bool else scoring, library)}", number
    number = number_of(held.get("best_score_"))
    if number is not None and library & {"_BaseRidgeCV", "TunedThresholdClassifierCV"}:
        scoring = held.get("scoring")
        if scoring is None and "_BaseRidgeCV" in library and held.get("cv") is None:
            scoring = "neg_mean_squared_error"  # of `_RidgeGCV`, by leaving one out
        yield f"cv/{_scoring(scoring, library)}", number


def _chosen(held: Held, library: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in sorted(held.keys() & CHOSEN):
        limit = 1 if attribute in SHAPED_LIKE_FEATURES else RATIOS if attribute.endswith("_ratio_") else FEW
        if attribute == "alpha_" and "GaussianProcessRegressor" in library:  # a number for each row of the data
            continue
        value = few(held[attribute], limit)
        if value is not None:
            found[attribute[:-1]] = value
        elif attribute == "n_iter_":  # of every class, fold and candidate, in `LogisticRegressionCV`
            iterations = numbers_of(held[attribute], dimensions=None)
            if iterations is not None and iterations.size:
                found["n_iter.max"] = iterations.max().item()
    if "BaseHistGradientBoosting" in library and type(held.get("_predictors")) is list:
        found["n_iter"] = len(held["_predictors"])  # what the property `n_iter_` says
    if "BaseLibSVM" in library and is_array(held.get("support_")):
        found["n_support"] = len(held["support_"])
    if "_BaseFilter" in library:  # of the features, one by one
        chosen = {name: few(held.get(f"{name}_"), RATIOS) for name in ("scores", "pvalues")}
        found |= {name: values for name, values in chosen.items() if values is not None}
    found |= _candidates(held, library)
    classes = _labels(held.get("classes_"))
    if classes is not None:
        found["classes"] = classes
    return found


def _candidates(held: Held, library: frozenset[str]) -> dict[str, Any]:
    """What a cross-validation inside the fit has found of each candidate: the mean over the folds."""
    scored: dict[str, Any] = {}
    if "RFECV" in library and type(held.get("cv_results_")) is dict:
        for name in ("n_features", "mean_test_score", "std_test_score"):
            scored[f"cv_results.{name}"] = held["cv_results_"].get(name)
    if library & {"LinearModelCV", "LarsCV"} and is_array(held.get("mse_path_")):
        scored["mse_path.mean"] = held["mse_path_"].mean(axis=-1)
    if "LogisticRegressionCV" in library and type(held.get("scores_")) is dict:
        for label, scores in held["scores_"].items():
            if is_array(scores) and scores.ndim == 2:
                scored[f"scores.mean[{label}]"] = scores.mean(axis=0)
    means = {name: few(value, RATIOS) for name, value in scored.items() if is_array(value) and value.ndim == 1}
    return {name: value for name, value in means.items() if value is not None}


def _labels(classes: Any) -> list[Any] | None:
    """Few labels, or those of each output."""
    if type(classes) is list and 0 < len(classes) <= FEW and all(map(is_array, classes)):
        outputs = [_labels(labels) for labels in classes]
        return outputs if None not in outputs else None
    if not is_array(classes) or classes.ndim != 1 or not 0 < len(classes) <= FEW:
        return None
    labels = classes.tolist()
    return labels if all(type(label) in (str, int, float, bool) for label in labels) else None


def _own_score(library: frozenset[str]) -> str:
    """What `score` of scikit-learn's classifiers and regressors is."""
    return "accuracy" if "ClassifierMixin" in library else "r2" if "RegressorMixin" in library else "score"


def _scoring(scoring: Any, library: frozenset[str]) -> str:
    if scoring is None:
        return _own_score(library)
    if type(scoring) is str:
        return scoring
    if isinstance(scoring, FunctionType) or type(scoring).__module__ == "sklearn.metrics._scorer":
        return estimators.scorer_name(scoring)
    return "score"
