"""Predictions, and the scores that estimators, scorers and displays compute."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from autotrack import Call
from autotrack.plugin_api import made, role_of, strand_for, strand_of
from autotrack_sklearn import metrics
from autotrack_sklearn.estimators import MEMBER, estimator_name, is_estimator, score_name, scorer_name
from autotrack_sklearn.splits import is_prediction, named_split, split_of

Observation = Generator[None, Any, None]

PREDICTING = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples")
STAGED = ("staged_predict", "staged_predict_proba", "staged_decision_function")
DISPLAYS = ("ConfusionMatrixDisplay", "RocCurveDisplay", "PrecisionRecallDisplay")


def predicted(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """A prediction is known by the model that made it, and by the role of the data where that is quickly told.  One
    of a single row is left alone: those are made in a hurry, and nobody scores them."""
    features = args[0] if args else kwargs.get("X")
    shape = getattr(features, "shape", None)
    rows = shape[0] if isinstance(shape, tuple) and shape else len(features) if isinstance(features, list) else 0
    if isinstance(rows, int) and rows == 1:  # of a lazy table it is no number
        return
    strand = strand_of(model)
    split = split_of(model, strand, features, None) if strand is not None else None
    made(result, model, strand, role=split, features=features, what=_member(model))


def _member(model: Any) -> str:
    """What is said of the scores of a model that is part of another: its class."""
    return f"/{type(model).__name__}" if role_of(model) == MEMBER else ""


def staged(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], item: Any, index: int) -> None:
    """The prediction of an ensemble after each of its stages."""
    strand = strand_of(model)
    if strand is not None:
        features = args[0] if args else kwargs.get("X")
        made(item, model, strand, role=split_of(model, strand, features, None), features=features, what="stage")


def staged_score(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], item: Any, index: int) -> None:
    """The score of an ensemble after each of its stages."""
    strand = strand_of(model)
    if strand is not None:
        split = split_of(model, strand, args[0] if args else kwargs.get("X"), None)
        metrics.report(strand, split, f"staged_{score_name(model)}", item)


def observe_score(call: Call) -> Observation:
    model, features, truth = call.instance, call.get("X"), call.get("y")
    name = score_name(model) + ("(weighted)" if call.get("sample_weight") is not None else "")
    return _scored(call, model, features, truth, name, ("y", "X"))


def observe_scorer(call: Call) -> Observation:
    """A scorer of `get_scorer` or `make_scorer`, called by the user with a fitted model."""
    given = dict(zip(("estimator", "X", "y_true"), call.args, strict=False)) | call.kwargs
    name = scorer_name(call.instance)
    return _scored(call, given.get("estimator"), given.get("X"), given.get("y_true"), name, ("y_true", "X"))


def _scored(call: Call, model: Any, features: Any, truth: Any, name: str, arguments: tuple[str, ...]) -> Observation:
    if not is_estimator(model) or is_prediction(truth):
        return
    strand, split = strand_of(model), None
    if strand is not None:
        split = named_split(call, split_of(model, strand, features, truth), *arguments)
        strand.evaluated(split, features, truth)
    result = yield
    if strand is None:
        strand = strand_for(model, "sklearn", estimator_name(model))
        if strand is None:
            return
        split = named_split(call, split_of(model, strand, features, truth), *arguments)
    member = _member(model)[1:]
    metrics.report(strand, split, f"{name}({member})" if member else name, result)


def observe_information(call: Call) -> Observation:
    """`aic`, `bic` and `perplexity` of a model, for the data that they are given."""
    model, features = call.instance, call.get("X")
    if not is_estimator(model):
        return
    strand = strand_of(model)
    result = yield
    if strand is not None:
        split = named_split(call, split_of(model, strand, features, None), "X")
        metrics.report(strand, split, call.name.rpartition(".")[2], result)


def observe_importance(call: Call) -> Observation:
    """The scores inside are those of data that was shuffled."""
    strand = strand_of(call.get("estimator"))
    result = yield
    if strand is not None and "importances_mean" in result:
        strand.summary(
            permutation_importances=result["importances_mean"], permutation_importances_std=result["importances_std"]
        )


def observe_display(call: Call) -> Observation:
    """A display made from an estimator or from predictions, by the numbers that it shows."""
    found: metrics.Place | None
    result = yield
    model = call.get("estimator")
    if is_estimator(model):
        strand = strand_for(model, "sklearn", estimator_name(model))
        if strand is None:
            return
        split = split_of(model, strand, call.get("X"), call.get("y"))
        found = metrics.Place(strand, named_split(call, split, "y", "X"))
    else:
        found = metrics.place(call, [call.get("y_pred"), call.get("y_score")], call.get("y_true"), "y_true")
    if found is None:
        return
    for name in ("confusion_matrix", "roc_auc", "average_precision"):
        value = vars(result).get(name)
        for part in value if isinstance(value, list) else [value]:
            if part is not None:
                named = f"{name}({found.how})" if found.how else name
                metrics.report(found.strand, found.split, named, part, origin=found.origin)
