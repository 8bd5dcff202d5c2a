"""What an estimator is: its name, parameters and size, and what its `score` is called."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from autotrack import hookimpl
from autotrack.plugin_api import raised_by_signal_handler

MEMBER = "member"
"""The role of a model inside another, as a tree of a forest."""
PART = "part"
"""The role of a step of a pipeline, and of the model of a fold."""
SHARE = 0.02
"""Share of the fit that keeping the fitted model may take."""


def is_estimator(obj: Any) -> bool:
    """Whether an object is an instance of a class below `BaseEstimator`."""
    base = getattr(sys.modules.get("sklearn.base"), "BaseEstimator", None)
    return base is not None and isinstance(obj, base)


@hookimpl
def autotrack_params(obj: Any) -> dict[str, Any] | None:
    """The parameters of an estimator and of all that it holds, a nested estimator by its class."""
    if not is_estimator(obj):
        return None
    try:
        params = obj.get_params(deep=True)
    except (TypeError, AttributeError, ValueError, RuntimeError) as error:
        if raised_by_signal_handler(error):
            raise
        # It holds what can't be asked for its own; `fit` says so itself.
        own = inspect.signature(type(obj)).parameters
        params = {name: value for name, value in vars(obj).items() if name in own}
    return {name: type(value) if is_estimator(value) else nested_names(value) for name, value in params.items()}


def nested_names(value: Any) -> Any:
    """`steps` and `transformers`: estimators in lists of tuples by their classes."""
    if is_estimator(value):
        return type(value)
    if isinstance(value, (list, tuple)) and any(isinstance(entry, tuple) or is_estimator(entry) for entry in value):
        return [nested_names(entry) for entry in value]
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
        steps = steps_of(estimator)
        if "best_estimator_" in attributes:
            estimator = attributes["best_estimator_"]
        elif steps:
            estimator = steps[-1]
        else:
            break
        if not is_estimator(estimator):
            break
    return estimator


def steps_of(estimator: Any) -> list[Any]:
    """What a pipeline is made of, in order; nothing where `steps` means something else, or is not what a pipeline
    takes, which its `fit` is to say."""
    steps = vars(estimator).get("steps") if hasattr(estimator, "__dict__") else None
    if isinstance(steps, (list, tuple)) and all(isinstance(step, (list, tuple)) and len(step) == 2 for step in steps):
        return [step for _, step in steps]
    return []


def estimator_name(estimator: Any) -> str:
    """`SVC`, `Pipeline(SVC)`, `GridSearchCV(Pipeline(SVC))`."""
    name = type(estimator).__name__
    attributes = vars(estimator) if hasattr(estimator, "__dict__") else {}
    steps = steps_of(estimator)
    inner = steps[-1] if steps else None
    if inner is None and "estimator" in inspect.signature(type(estimator)).parameters:  # a forest has it otherwise
        inner = attributes.get("estimator")
    return f"{name}({estimator_name(inner)})" if is_estimator(inner) else name


def strand_kind(estimator: Any) -> str:
    search = getattr(sys.modules.get("sklearn.model_selection._search"), "BaseSearchCV", ())
    if isinstance(estimator, search):
        return "search"
    return "fit" if learns(estimator) else "step"


def learns(estimator: Any) -> bool:
    """Whether an estimator, or what a pipeline ends with, is more than a transformer.  The class is asked: some have
    `predict` only once they are fitted."""
    steps = steps_of(estimator)
    if steps:
        return is_estimator(steps[-1]) and learns(steps[-1])
    return any(hasattr(type(estimator), name) for name in ("predict", "fit_predict", "score_samples", "kneighbors"))


def score_name(estimator: Any) -> str:
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
        return scoring_name(chosen, estimator.estimator)
    final = final_estimator(estimator)
    return score_name(final) if final is not estimator else "score"


def scoring_name(scoring: Any, estimator: Any) -> str:
    """What the argument `scoring` of a search or a cross-validation stands for; None is the estimator's `score`."""
    if scoring is None:
        return score_name(estimator)
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
