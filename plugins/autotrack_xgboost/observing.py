"""What is patched, and what a training says."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from typing import Any

from autotrack import Call, Opening, Patch, Strand, hookimpl
from autotrack.plugin_api import artifact, model_digest
from autotrack_xgboost import matrices, models, rounds
from autotrack_xgboost.matrices import argument

Observation = Generator[None, Any, None]

SHARE = 0.02
"""Share of the training that keeping the model may take."""
SETTINGS = (
    "num_boost_round", "early_stopping_rounds", "maximize", "obj", "feval", "custom_metric", "nfold", "stratified",
    "metrics", "seed", "shuffle", "folds", "fpreproc",
)  # fmt: skip
"""Arguments of `train` and `cv` that are parameters of the training."""
DATA = ("X", "y", "sample_weight", "eval_set", "sample_weight_eval_set", "xgb_model", "callbacks")
"""Arguments of `fit` that are none."""


@hookimpl
def autotrack_patches() -> Iterable[Patch]:
    yield Patch(
        "xgboost.training:train", "xgboost:train", "xgboost.sklearn:train", observe=observe_train, opens=opens_train
    )
    yield Patch("xgboost.training:cv", "xgboost:cv", observe=observe_cv, opens=opens_cv)
    yield Patch("xgboost.sklearn:XGBModel.fit", observe=observe_fit, opens=opens_fit, subclasses=True, optional=True)
    yield Patch("xgboost.callback:CallbackContainer._update_history", after=rounds.evaluated)
    yield Patch("xgboost.core:Booster.set_param", after=rounds.parameter_set)
    yield Patch("xgboost.core:DMatrix.__init__", observe=matrices.observe_matrix, subclasses=True)
    for name in matrices.PUT:
        yield Patch(f"xgboost.core:DMatrix.{name}", observe=matrices.observe_put)
    yield Patch("xgboost.core:DMatrix.slice", observe=matrices.observe_slice)
    for name in ("predict", "inplace_predict"):
        yield Patch(f"xgboost.core:Booster.{name}", returned=models.predicted)
    yield Patch("xgboost.core:Booster.__init__", observe=models.observe_made)
    for owner in ("xgboost.core:Booster", "xgboost.sklearn:XGBModel"):
        yield Patch(f"{owner}.save_model", observe=models.observe_save)
        yield Patch(f"{owner}.load_model", observe=models.observe_load)


def opens_train(call: Call) -> Opening:
    return Opening("fit", _name(call))


def opens_cv(call: Call) -> Opening:
    return Opening("cross_validation", f"cv({_name(call)})")


def opens_fit(call: Call) -> Opening:
    return Opening("fit", type(call.instance).__name__, call.instance)


def _name(call: Call) -> str:
    """`Booster(binary:logistic)`: by the objective, the program's own function by its name."""
    objective = argument(call, "obj") or _params(call).get("objective") or "reg:squarederror"
    return f"Booster({getattr(objective, '__name__', objective)})"


def _params(call: Call) -> dict[str, Any]:
    """The parameters of a booster, which may be given as pairs, where a name may come up again."""
    given = call.get("params")
    if isinstance(given, dict):
        return dict(given)
    found: dict[str, Any] = {}
    for name, value in given or ():
        found[name] = [*_listed(found[name]), value] if name in found else value
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _tell(call: Call, strand: Strand) -> None:
    """Parameters of `train` and `cv`."""
    strand.params({str(name): value for name, value in _params(call).items()}, source="estimator")
    settings = {name: argument(call, name) for name in SETTINGS}
    settings["num_boost_round"] = argument(call, "num_boost_round", 10)
    strand.params({name: value for name, value in settings.items() if value is not None}, source="fit")
    _tell_callbacks(strand, argument(call, "callbacks"))


def _tell_callbacks(strand: Strand, callbacks: Any) -> None:
    """Callbacks by their classes, and what they are set to."""
    given = list(callbacks) if isinstance(callbacks, (list, tuple)) else []
    if not given:
        return
    settings: dict[str, Any] = {"callbacks": [type(callback).__name__ for callback in given]}
    for callback in given:
        for name, value in getattr(callback, "__dict__", {}).items():
            if name[:1] != "_" and type(value) in (int, float, str, bool):
                settings[f"{type(callback).__name__}.{name}"] = value
    strand.params(settings, source="fit")


def _tell_model(strand: Strand, model: Any) -> None:
    """The model that training goes on from."""
    if isinstance(model, (str, os.PathLike)):
        artifact(os.path.expanduser(os.fspath(model)), "read", kind="model", strand=strand)
    elif model is not None:
        strand.params({"xgb_model": model_digest(model, models.BUDGET) or type(model).__name__}, source="fit")


def observe_train(call: Call, strand: Strand) -> Observation:
    _tell(call, strand)
    train = call.get("dtrain")
    matrices.tell(strand, "train", train)
    evals = [(matrix, str(name)) for matrix, name in argument(call, "evals") or ()]
    prefixes = rounds.prefixes_of([(name, matrix is train) for matrix, name in evals])
    for matrix, name in evals:
        if matrix is not train:
            matrices.tell(strand, prefixes.get(name, "valid"), matrix)
    _tell_model(strand, argument(call, "xgb_model"))
    rounds.Rounds(strand, prefixes)
    booster = yield
    strand.model(booster, budget=SHARE * call.seconds)
    models.report(strand, booster)


def observe_cv(call: Call, strand: Strand) -> Observation:
    _tell(call, strand)
    matrices.tell(strand, "train", call.get("dtrain"))
    told = rounds.Rounds(strand, {})
    result = yield
    made = len(next(iter(result.values()), ())) if isinstance(result, dict) else len(result)
    strand.summaries({"rounds": told.count, **({"best_iteration": made - 1} if made < told.count else {})})


def observe_fit(call: Call, strand: Strand) -> Observation:
    model, features = call.instance, call.get("X")
    strand.params_of(model)
    strand.params({name: value for name, value in call.kwargs.items() if name not in DATA}, source="fit")
    _tell_callbacks(strand, getattr(model, "callbacks", None))
    strand.data("train", features, labels=call.get("y"), weights=argument(call, "sample_weight"))
    sets, weights = argument(call, "eval_set") or (), argument(call, "sample_weight_eval_set") or ()
    pairs = [(f"validation_{at}", *entry) for at, entry in enumerate(sets) if len(entry) == 2]
    prefixes = rounds.prefixes_of([(name, given is features) for name, given, _ in pairs])
    for at, (name, given, labels) in enumerate(pairs):
        if given is not features:
            weight = weights[at] if at < len(weights) else None
            strand.data(prefixes.get(name, "valid"), given, labels=labels, weights=weight)
    _tell_model(strand, argument(call, "xgb_model"))
    rounds.Rounds(strand, prefixes)
    yield
    strand.model(model, budget=SHARE * call.seconds)
    models.report(strand, model)
