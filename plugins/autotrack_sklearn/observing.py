"""What scikit-learn's calls say about a training."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Generator, Iterable
from typing import Any

from autotrack import Call, Opening, Patch, Strand, hookimpl
from autotrack.plugin_api import artifact, model_digest, remember, role_of, strand_of
from autotrack_sklearn import metrics

Observation = Generator[None, Any, None]

PREDICTING = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples")
CROSS_VALIDATION = (
    "cross_val_score",
    "cross_validate",
    "cross_val_predict",
    "learning_curve",
    "validation_curve",
    "permutation_test_score",
)
PART = "part"
"""The role of a step of a pipeline."""
PLOTTED = ("learning_curve", "validation_curve")
"""Those that `sklearn.model_selection._plot` binds for its displays."""
BUDGET, SHARE = 0.020, 0.02
"""Seconds, and share of the fit, that keeping the fitted model may take: the larger of the two."""


@hookimpl
def autotrack_patches() -> Iterable[Patch]:
    base = "sklearn.base:BaseEstimator"
    for method in ("fit", "fit_transform", "fit_predict", "partial_fit"):
        yield Patch(f"{base}.{method}", observe=observe_fit, opens=opens_fit, subclasses=True)
    for method in PREDICTING:
        yield Patch(f"{base}.{method}", returned=predicted, subclasses=True)
    yield Patch(f"{base}.score", observe=observe_score, subclasses=True)
    for name in CROSS_VALIDATION:
        targets = [f"sklearn.model_selection:{name}"]
        if name in PLOTTED:
            targets.append(f"sklearn.model_selection._plot:{name}")
        yield Patch(*targets, observe=observe_cross_validation, opens=opens_cross_validation)
    yield Patch("sklearn.metrics._scorer:_BaseScorer.__call__", observe=observe_scorer)
    yield Patch("sklearn.inspection:permutation_importance", observe=observe_importance)
    for name in metrics.FUNCTIONS:
        yield Patch(f"sklearn.metrics:{name}", observe=metrics.observe, optional=True)
    yield Patch("joblib.numpy_pickle:dump", "joblib:dump", "pickle:dump", observe=observe_dump)
    yield Patch("joblib.numpy_pickle:load", "joblib:load", "pickle:load", observe=observe_load)


def is_estimator(obj: Any) -> bool:
    """Whether an object is an instance of a class below `BaseEstimator`."""
    base = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
    return base is not None and isinstance(obj, base)


@hookimpl
def autotrack_params(obj: Any) -> dict[str, Any] | None:
    """The parameters of an estimator and of all that it holds, a nested estimator by its class."""
    if not is_estimator(obj):
        return None
    params = obj.get_params(deep=True)
    return {name: type(value) if is_estimator(value) else _names(value) for name, value in params.items()}


def _names(value: Any) -> Any:
    """`steps` and `transformers`: estimators in lists of tuples by their classes."""
    if is_estimator(value):
        return type(value)
    if isinstance(value, (list, tuple)) and any(isinstance(entry, tuple) or is_estimator(entry) for entry in value):
        return [_names(entry) for entry in value]
    return value


@hookimpl
def autotrack_model(obj: Any) -> int | None:
    """Number of coefficients and intercepts, or of the weights and biases of a perceptron."""
    if not is_estimator(obj):
        return None
    final = final_estimator(obj)
    for names in (("coef_", "intercept_"), ("coefs_", "intercepts_")):
        parts = [vars(final).get(name) for name in names]
        if parts[0] is not None:
            return sum(_size(part) for part in parts if part is not None)
    return None


def _size(part: Any) -> int:
    if isinstance(part, (list, tuple)):
        return sum(_size(entry) for entry in part)
    return int(getattr(part, "size", 1))


def final_estimator(estimator: Any) -> Any:
    """What a pipeline ends with, or a search has found; the estimator itself otherwise."""
    for _ in range(10):
        attributes = vars(estimator)
        if "best_estimator_" in attributes:
            estimator = attributes["best_estimator_"]
        elif isinstance(attributes.get("steps"), list) and attributes["steps"]:
            estimator = attributes["steps"][-1][1]
        else:
            break
        if not is_estimator(estimator):
            break
    return estimator


def _name(estimator: Any) -> str:
    """`SVC`, `Pipeline(SVC)`, `GridSearchCV(Pipeline(SVC))`."""
    name = type(estimator).__name__
    attributes = vars(estimator) if hasattr(estimator, "__dict__") else {}
    steps = attributes.get("steps")
    inner = steps[-1][1] if isinstance(steps, list) and steps else None
    if inner is None and "estimator" in inspect.signature(type(estimator)).parameters:  # a forest has it otherwise
        inner = attributes.get("estimator")
    return f"{name}({_name(inner)})" if is_estimator(inner) else name


# Fits


def opens_fit(call: Call) -> Opening | None:
    estimator = call.instance
    if not is_estimator(estimator):
        return None
    again = call.name.endswith(".partial_fit") or bool(getattr(estimator, "warm_start", False))
    return Opening(_kind(estimator), _name(estimator), estimator, again=again)


def _kind(estimator: Any) -> str:
    search = getattr(sys.modules.get("sklearn.model_selection._search"), "BaseSearchCV", ())
    if isinstance(estimator, search):
        return "search"
    return "fit" if _learns(estimator) else "step"


def _learns(estimator: Any) -> bool:
    """Whether an estimator, or what a pipeline ends with, is more than a transformer.  The class is asked: some have
    `predict` only once they are fitted."""
    steps = getattr(estimator, "steps", None)
    if isinstance(steps, list) and steps:
        return is_estimator(steps[-1][-1]) and _learns(steps[-1][-1])
    return any(hasattr(type(estimator), name) for name in ("predict", "fit_predict", "score_samples", "kneighbors"))


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
        remember(result, strand)
    _remember_parts(estimator, strand)
    if strand.kind == "search":
        _report_search(estimator, strand)
    if strand.kind != "step":
        strand.model(estimator, budget=max(BUDGET, SHARE * call.seconds))


def _remember_parts(estimator: Any, strand: Strand) -> None:
    """A prediction by the best estimator of a search, or by a step of a pipeline, is the run's."""
    best = vars(estimator).get("best_estimator_")
    for part in (best, *(step for _, step in vars(estimator).get("steps") or ())):
        if is_estimator(part):
            remember(part, strand, None if part is best else PART)
            _remember_parts(part, strand)


def _report_search(search: Any, strand: Strand) -> None:
    found = {name: getattr(search, f"{name}_", None) for name in ("best_params", "best_score", "best_index")}
    strand.summaries({name: value for name, value in found.items() if value is not None})
    scoring = _score_name(search)
    if isinstance(found["best_score"], float):
        strand.series(f"cv/{scoring}").record(0, found["best_score"])
    results = getattr(search, "cv_results_", None)
    if results is not None:
        strand.trials(_trials(results, scoring))


def _trials(
    results: dict[str, Any], scoring: str
) -> Iterable[tuple[dict[str, Any], dict[str, float], float | None, str]]:
    """The candidates of `cv_results_`: their parameters, and mean and deviation of each score."""
    scores = [name for name in results if name.startswith(("mean_test_", "std_test_", "mean_train_", "std_train_"))]
    times = [results[name] for name in ("mean_fit_time", "mean_score_time") if name in results]
    for index, params in enumerate(results["params"]):
        metrics_ = {_trial_metric(name, scoring): float(results[name][index]) for name in scores}
        means = [value for name, value in metrics_.items() if not name.endswith(".std")]
        status = "failed" if means and all(value != value for value in means) else "finished"
        described = {name: type(value) if is_estimator(value) else value for name, value in params.items()}
        yield described, metrics_, float(sum(entry[index] for entry in times)), status


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
    return Opening("cross_validation", f"{function}({_name(estimator)})", estimator)


def observe_cross_validation(call: Call, strand: Strand) -> Observation:
    strand.params_of(call["estimator"])
    settings = {name: call.get(name) for name in ("cv", "scoring", "param_name", "param_range", "train_sizes")}
    strand.params({name: value for name, value in settings.items() if value is not None}, source="fit")
    strand.data("train", call.get("X"), labels=call.get("y"))
    result = yield
    function = call.name.partition(":")[2]
    scoring = _scoring_name(call.get("scoring"), call["estimator"])
    if function == "cross_val_score":
        _folds(strand, f"test/{scoring}", result)
    elif function == "cross_validate":
        for name, values in result.items():
            split, _, metric = name.partition("_")
            if split in ("test", "train"):
                _folds(strand, f"{split}/{scoring if metric == 'score' else metric}", values)
    elif function == "cross_val_predict":  # each by a model that had not seen it
        remember(result, strand, "test")
    elif function == "permutation_test_score":
        strand.summary(score=result[0], pvalue=result[2])
    else:
        names = (
            ("train_sizes", "train_scores", "test_scores")
            if function == "learning_curve"
            else ("train_scores", "test_scores")
        )
        strand.summaries(dict(zip(names, result, strict=False)))


def _folds(strand: Strand, name: str, values: Any) -> None:
    record = strand.series(name).record
    for fold, value in enumerate(values):
        record(fold, float(value))


# Predictions and scores


def predicted(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """A prediction is known by the model that made it, and by the role of the data where that is quickly told."""
    strand = strand_of(model)
    if strand is None:
        return
    data = args[0] if args else kwargs.get("X")
    shape = getattr(data, "shape", None)
    rows = shape[0] if isinstance(shape, tuple) and shape else len(data) if isinstance(data, list) else 0
    # Predictions of one row are made in a hurry.
    split = _split(model, strand, data, None) if rows != 1 else None
    remember(result, strand, split)
    base = getattr(result, "base", None)
    if base is not None and getattr(base, "size", None) == result.size:  # of a view of a view, only this is seen
        remember(base, strand, split)


def _split(model: Any, strand: Strand, features: Any, labels: Any) -> str | None:
    """What data is to a training: `train`, `test`, or None where that can't be told.  A part of the model, a step of
    a pipeline, was trained on other features than the whole: there the labels tell."""
    if role_of(model) == PART:
        return strand.role_of(labels=labels)
    return strand.role_of(features)


def observe_score(call: Call) -> Observation:
    strand, truth = strand_of(call.instance), call.get("y")
    if strand is None or metrics.is_prediction(truth):
        return
    split = _split(call.instance, strand, call.get("X"), truth)
    name = _score_name(call.instance)
    weighted = "(weighted)" if call.get("sample_weight") is not None else ""
    result = yield
    metrics.report(strand, split, name + weighted, result)


def observe_scorer(call: Call) -> Observation:
    """A scorer of `get_scorer` or `make_scorer`, called by the user with a fitted model."""
    scorer = call.instance
    model, features = ([*call.args, None, None])[:2]
    truth = call.get("y_true", call.args[2] if len(call.args) > 2 else None)
    strand = strand_of(model)
    if strand is None or metrics.is_prediction(truth):
        return
    split = _split(model, strand, features, truth)
    result = yield
    metrics.report(strand, split, scorer_name(scorer), result)


def observe_importance(call: Call) -> Observation:
    """The scores inside are those of data that was shuffled."""
    strand = strand_of(call.get("estimator"))
    result = yield
    if strand is not None and "importances_mean" in result:
        strand.summary(permutation_importances=result["importances_mean"])


def _score_name(estimator: Any) -> str:
    """What `score` of an estimator is: accuracy, r2, the scoring of a search, or just `score`."""
    for cls in type(estimator).__mro__:
        if "score" in vars(cls):
            break
    if cls.__name__ == "ClassifierMixin":
        return "accuracy"
    if cls.__name__ == "RegressorMixin":
        return "r2"
    if cls.__name__ == "BaseSearchCV":
        chosen = estimator.refit if isinstance(estimator.refit, str) else estimator.scoring
        return _scoring_name(chosen, estimator.estimator)
    final = final_estimator(estimator)
    return _score_name(final) if final is not estimator else "score"


def _scoring_name(scoring: Any, estimator: Any) -> str:
    """What the argument `scoring` of a search or a cross-validation stands for; None is the estimator's `score`."""
    if scoring is None:
        return _score_name(estimator)
    if isinstance(scoring, str):
        return scoring
    return scorer_name(scoring)


def scorer_name(scorer: Any) -> str:
    """As `get_scorer` calls them: `f1_macro`, `neg_mean_squared_error`; a function by its own name."""
    function = getattr(scorer, "_score_func", scorer)  # what `make_scorer` was given
    name = str(getattr(function, "__name__", "score")).removesuffix("_score")
    settings = dict(getattr(scorer, "_kwargs", {}))
    average = settings.pop("average", "binary")
    shown = ",".join(f"{key}={value}" for key, value in settings.items() if isinstance(value, (str, int, float)))
    sign = "neg_" if getattr(scorer, "_sign", 1) < 0 else ""
    return f"{sign}{name}{'' if average == 'binary' else f'_{average}'}{f'({shown})' if shown else ''}"


# Files


def observe_dump(call: Call) -> Observation:
    obj = call.args[0] if call.args else next(iter(call.kwargs.values()), None)
    models = _estimators_in(obj)
    yield
    target = call.args[1] if len(call.args) > 1 else call.get("filename", call.get("file"))
    path = _path(target)
    if path is None or not models:
        return
    strand = next((known for known in map(strand_of, models) if known is not None), None)
    budget = max(BUDGET, SHARE * call.seconds)
    digest = model_digest(models[0], budget) if len(models) == 1 else None
    artifact(path, "written", kind="model", strand=strand, model=digest, file=target)


def observe_load(call: Call) -> Observation:
    result = yield
    path = _path(call.args[0] if call.args else call.get("filename", call.get("file")))
    models = _estimators_in(result)
    if path is not None and models:
        artifact(path, "read", kind="model", model=model_digest(models[0], BUDGET) if len(models) == 1 else None)


def _estimators_in(obj: Any) -> list[Any]:
    """The object where it is an estimator, or the estimators in a dict, list or tuple."""
    if is_estimator(obj):
        return [obj]
    entries = obj.values() if isinstance(obj, dict) else obj if isinstance(obj, (list, tuple)) else ()
    return [entry for entry in list(entries)[:100] if is_estimator(entry)]


def _path(target: Any) -> str | None:
    """The path of a file given by name, path or open file; None for a buffer in memory."""
    if isinstance(target, (str, os.PathLike)):
        return os.fsdecode(target)
    name = getattr(target, "name", None)
    return name if isinstance(name, str) and not name.startswith("<") else None
