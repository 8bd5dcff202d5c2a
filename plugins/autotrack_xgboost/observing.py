"""What is patched, and what a training says."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from autotrack import ELSEWHERE, Call, Opening, Patch, Strand, hookimpl
from autotrack_boosting import clusters
from autotrack_boosting.data import pairs, tell_sets
from autotrack_boosting.models import name_of, predicted
from autotrack_boosting.rounds import Rounds, prefixes_of
from autotrack_boosting.told import params_of, tell_callbacks, tell_model
from autotrack_xgboost import distributed, iterators, matrices, models, rounds

Observation = Generator[None, Any, None]

SHARE = 0.02
"""Share of the training that keeping the model may take."""
SETTINGS = (
    "num_boost_round", "early_stopping_rounds", "maximize", "obj", "feval", "custom_metric", "nfold", "stratified",
    "metrics", "seed", "shuffle", "folds", "fpreproc",
)  # fmt: skip
"""Arguments of `train` and `cv` that are parameters of the training."""
OTHERS = ("base_margin", "group", "qid", "feature_weights")
"""Arguments of `fit` that are data, too."""
DATA = (
    "X", "y", "sample_weight", "eval_set", "sample_weight_eval_set", "base_margin_eval_set", "eval_group", "eval_qid",
    "xgb_model", "callbacks", *OTHERS,
)  # fmt: skip
"""Arguments of `fit` that are no parameters."""


@hookimpl
def autotrack_patches() -> Iterable[Patch]:
    names = ("xgboost.training:train", "xgboost:train", "xgboost.sklearn:train", "xgboost.dask:worker_train")
    yield Patch(*names, observe=observe_train, opens=opens_train)
    yield Patch("xgboost.training:cv", "xgboost:cv", observe=observe_cv, opens=opens_cv)
    yield Patch(
        "xgboost.sklearn:XGBModel.fit",
        observe=observe_fit,
        opens=opens_fit,
        subclasses=True,
        optional=True,
        awaited=True,
    )
    yield Patch("xgboost.dask:train", observe=observe_distributed, opens=opens_distributed, awaited=True)
    yield Patch("xgboost.dask:DaskDMatrix.__init__", observe=distributed.observe_matrix, subclasses=True)
    for name in ("_get_dmatrices", "_dmatrix_from_list_of_parts"):
        yield Patch(f"xgboost.dask:{name}", observe=distributed.observe_part, optional=True)
    yield Patch("xgboost.callback:CallbackContainer._update_history", after=rounds.evaluated)
    yield Patch("xgboost.callback:CallbackContainer.before_iteration", after=rounds.round_begins)
    booster = "xgboost.core:Booster"
    yield Patch(f"{booster}.set_param", after=rounds.parameter_set)
    yield Patch(f"{booster}.update", after=rounds.updated)
    yield Patch(f"{booster}.boost", after=rounds.boosted)
    yield Patch(f"{booster}.eval_set", after=rounds.evaluated_by_hand)
    yield Patch("xgboost.core:DMatrix.__init__", observe=matrices.observe_matrix, subclasses=True)
    for name in matrices.PUT:
        yield Patch(f"xgboost.core:DMatrix.{name}", observe=matrices.observe_put)
    yield Patch("xgboost.data:_proxy_transform", after=iterators.taken)
    yield Patch("xgboost.core:DMatrix.set_info", after=iterators.informed)
    yield Patch("xgboost.core:DataIter._next_wrapper", after=iterators.advanced)
    yield Patch("xgboost.core:DMatrix.slice", observe=matrices.observe_slice)
    for name in ("predict", "inplace_predict"):
        yield Patch(f"{booster}.{name}", returned=predicted)
    yield Patch(f"{booster}.__init__", observe=models.observe_made)
    yield Patch(f"{booster}.save_model", after=models.saved)
    for name in ("copy", "__copy__", "__deepcopy__", "__getitem__"):
        yield Patch(f"{booster}.{name}", after=models.copied)
    for owner in (booster, "xgboost.sklearn:XGBModel"):
        yield Patch(f"{owner}.load_model", observe=models.observe_load)


def opens_train(call: Call) -> Opening:
    return ELSEWHERE if clusters.is_part(distributed.DASK) else Opening("fit", _name(call))


def opens_distributed(call: Call) -> Opening:
    return Opening("fit", _name(call))


def opens_cv(call: Call) -> Opening:
    return Opening("cross_validation", f"cv({_name(call)})")


def opens_fit(call: Call) -> Opening:
    return Opening("fit", type(call.instance).__name__, call.instance)


def _name(call: Call) -> str:
    """`Booster(binary:logistic)`: by the objective, the program's own function by its name."""
    objective = call.given("obj") or params_of(call.get("params")).get("objective") or "reg:squarederror"
    return name_of(objective)


def _tell(call: Call, strand: Strand) -> None:
    """Parameters of `train` and `cv`."""
    strand.params(params_of(call.get("params")), source="estimator")
    settings = {name: call.given(name) for name in SETTINGS}
    settings["num_boost_round"] = call.given("num_boost_round", 10)
    strand.params({name: value for name, value in settings.items() if value is not None}, source="fit")
    tell_callbacks(strand, call.given("callbacks"))


def observe_train(call: Call, strand: Strand) -> Observation:
    _tell_training(call, strand)
    booster = yield
    _report(call, strand, booster)


def observe_distributed(call: Call, strand: Strand) -> Observation:
    """`dask.train`: the workers make the rounds, and the program gets their metrics with the booster."""
    _tell_training(call, strand)
    used = [call.get("dtrain"), *(matrix for matrix, _ in pairs(call.given("evals")))]
    clusters.tell_cluster(strand, call.get("client"), distributed.workers_of(used))
    before = distributed.rounds_of(call.given("xgb_model"))
    found = yield
    distributed.tell_rounds(strand, found["history"], found["booster"], before)
    _report(call, strand, found["booster"])


def _tell_training(call: Call, strand: Strand) -> None:
    _tell(call, strand)
    train = call.get("dtrain")
    matrices.tell(strand, "train", train)
    evals = [(matrix, str(name)) for matrix, name in pairs(call.given("evals"))]
    prefixes = prefixes_of([(name, matrix is train) for matrix, name in evals])
    for matrix, name in evals:
        if matrix is not train:
            matrices.tell(strand, prefixes.get(name, "valid"), matrix, name)
    tell_model(strand, call.given("xgb_model"), "xgb_model")
    Rounds(strand, prefixes)


def _report(call: Call, strand: Strand, booster: Any) -> None:
    strand.model(booster, budget=SHARE * call.seconds)
    stops = call.given("early_stopping_rounds") or _stops(call.given("callbacks"))
    models.report(strand, booster, stops=bool(stops))


def observe_cv(call: Call, strand: Strand) -> Observation:
    _tell(call, strand)
    matrices.tell(strand, "train", call.get("dtrain"))
    made = Rounds(strand, {}, folds=True)
    result = yield
    kept = len(next(iter(result.values()), ())) if isinstance(result, dict) else len(result)
    strand.summaries({"rounds": made.count, **({"best_iteration": kept - 1} if kept < made.count else {})})


def observe_fit(call: Call, strand: Strand) -> Observation:
    model, features = call.instance, call.get("X")
    strand.params_of(model)
    strand.params({name: value for name, value in call.kwargs.items() if name not in DATA}, source="fit")
    tell_callbacks(strand, getattr(model, "callbacks", None))
    others = {name: value for name in OTHERS if (value := call.given(name)) is not None}
    weights = call.given("sample_weight")
    strand.data("train", features, labels=call.get("y"), weights=weights, others=others)
    names = [f"validation_{at}" for at in range(len(pairs(call.given("eval_set"))))]
    prefixes = tell_sets(strand, features, call.given("eval_set"), names, call.given("sample_weight_eval_set"))
    tell_model(strand, call.given("xgb_model"), "xgb_model")
    Rounds(strand, prefixes or None)
    on_cluster = clusters.trains_there(model, distributed.DASK, "DaskScikitLearnBase")
    before = distributed.rounds_of(call.given("xgb_model"))
    if on_cluster:
        partitions = getattr(features, "npartitions", None)
        clusters.tell_cluster(strand, getattr(model, "_client", None), partitions=partitions)
    yield
    if on_cluster:
        history = model.evals_result_ if names else {}
        distributed.tell_rounds(strand, history, model.get_booster(), before)
    strand.model(model, budget=SHARE * call.seconds)
    stops = getattr(model, "early_stopping_rounds", None) or _stops(getattr(model, "callbacks", None))
    models.report(strand, model, stops=bool(stops))


def _stops(callbacks: Any) -> bool:
    """Whether one of these callbacks stops early."""
    given = callbacks if isinstance(callbacks, (list, tuple)) else ()
    return any("EarlyStopping" in {cls.__name__ for cls in type(callback).__mro__} for callback in given)
