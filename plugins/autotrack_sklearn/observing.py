"""What is patched, and what a fit says."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any

from autotrack import Call, Opening, Patch, Strand, hookimpl
from autotrack.plugin_api import made, remember, strand_of
from autotrack_sklearn import files, learned, metrics, scoring, search
from autotrack_sklearn.estimators import (
    MEMBER,
    PART,
    SHARE,
    estimator_name,
    is_estimator,
    steps_of,
    strand_kind,
)

MEMBERS = 1_000
"""Models of an ensemble that are known one by one."""
Observation = Generator[None, Any, None]

ATTRIBUTES = ("labels_", "oob_prediction_", "oob_decision_function_", "transduction_")
"""Predictions for the training data that an estimator keeps."""


@hookimpl
def autotrack_patches() -> Iterable[Patch]:
    base = "sklearn.base:BaseEstimator"
    for method in ("fit", "fit_transform", "fit_predict", "partial_fit"):
        yield Patch(f"{base}.{method}", observe=observe_fit, opens=opens_fit, subclasses=True)
    for method in scoring.PREDICTING:
        yield Patch(f"{base}.{method}", returned=scoring.predicted, subclasses=True)
    for method in scoring.STAGED:
        yield Patch(f"{base}.{method}", yielded=scoring.staged, subclasses=True)
    yield Patch(f"{base}.staged_score", yielded=scoring.staged_score, subclasses=True)
    yield Patch(f"{base}.score", observe=scoring.observe_score, subclasses=True)
    for name in search.FUNCTIONS:
        targets = [f"sklearn.model_selection:{name}"]
        if name in search.PLOTTED:
            targets.append(f"sklearn.model_selection._plot:{name}")
        yield Patch(*targets, observe=search.observe_cross_validation, opens=search.opens_cross_validation)
    yield Patch("sklearn.metrics._scorer:_BaseScorer.__call__", observe=scoring.observe_scorer)
    yield Patch("sklearn.inspection:permutation_importance", observe=scoring.observe_importance)
    for method in ("aic", "bic", "perplexity"):
        yield Patch(f"{base}.{method}", observe=scoring.observe_information, subclasses=True)
    for name in metrics.FUNCTIONS:
        targets = [f"sklearn.metrics:{name}", f"sklearn.metrics.cluster:{name}"]
        yield Patch(*targets, observe=metrics.observe, optional=True)
    for name in ("roc_curve", "precision_recall_curve"):
        yield Patch(f"sklearn.metrics:{name}", observe=metrics.observe_curve)
    yield Patch("sklearn.metrics:auc", observe=metrics.observe_auc)
    for name in scoring.DISPLAYS:
        for maker in ("from_estimator", "from_predictions"):
            yield Patch(f"sklearn.metrics:{name}.{maker}", observe=scoring.observe_display)
    yield Patch("joblib.numpy_pickle:dump", "joblib:dump", "pickle:dump", observe=files.observe_dump)
    yield Patch("joblib.numpy_pickle:load", "joblib:load", "pickle:load", observe=files.observe_load)


def opens_fit(call: Call) -> Opening | None:
    estimator = call.instance
    if not is_estimator(estimator):
        return None
    again = call.name.endswith(".partial_fit") or bool(getattr(estimator, "__dict__", {}).get("warm_start", False))
    return Opening(strand_kind(estimator), estimator_name(estimator), estimator, again=again)


def observe_fit(call: Call, strand: Strand) -> Observation:
    estimator = call.instance
    strand.params_of(estimator)
    data = {"X": call.get("X"), "y": call.get("y"), "sample_weight": call.get("sample_weight")}
    if data["X"] is None and call.args:
        data["X"] = call.args[0]
    strand.params({name: value for name, value in call.kwargs.items() if name not in data}, source="fit")
    strand.data("train", data["X"], labels=data["y"], weights=data["sample_weight"])
    result = yield
    if call.name.endswith(".fit_predict"):
        made(result, estimator, strand, role="train", features=data["X"])
    _remember_parts(estimator, strand)
    if strand.kind == "search":
        search.report_search(estimator, strand)
    if strand.kind != "step":
        strand.model(estimator, budget=SHARE * call.seconds)
    learned.report_learned(strand, estimator, call.seconds)


def _members(estimator: Any) -> Iterator[Any]:
    """The fitted models that an ensemble or meta-estimator holds."""
    for name, value in list(vars(estimator).items()):
        if not name.endswith("_") or name == "best_estimator_":
            continue
        flat = value.ravel().tolist() if getattr(getattr(value, "dtype", None), "kind", "") == "O" else value
        for member in flat[:MEMBERS] if isinstance(flat, (list, tuple)) else (flat,):
            if is_estimator(member):
                yield member


def _remember_parts(estimator: Any, strand: Strand) -> None:
    """A prediction by the best estimator of a search, or by a step of a pipeline, is the run's."""
    for name in ATTRIBUTES:
        fitted = vars(estimator).get(name)
        if fitted is not None:
            made(fitted, estimator, strand, role="oob" if name.startswith("oob") else "train", what=name)
    for member in _members(estimator):
        if strand_of(member) is None:
            remember(member, strand, MEMBER)
    best = vars(estimator).get("best_estimator_")
    for part in (best, *steps_of(estimator)):
        if is_estimator(part):
            remember(part, strand, None if part is best else PART)
            _remember_parts(part, strand)
