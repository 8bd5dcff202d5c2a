"""What is patched, and what a training says."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from autotrack import ELSEWHERE, Call, Dataset, Opening, Patch, Strand, hookimpl
from autotrack_boosting import clusters
from autotrack_boosting.data import pairs, tell_sets
from autotrack_boosting.models import name_of, predicted
from autotrack_boosting.rounds import Rounds, prefixes_of
from autotrack_boosting.told import params_of, tell_callbacks, tell_model
from autotrack_lightgbm import datasets, models, rounds

Observation = Generator[None, Any, None]

SHARE = 0.02
"""Share of the training that keeping the model may take."""
ROUNDS = 100
DASK = "lightgbm.dask"
COUNTS = frozenset(
    """
    num_iterations num_iteration n_iter num_tree num_trees num_round num_rounds nrounds num_boost_round n_estimators
    max_iter
    """.split()
)
"""Parameters of a booster that say the number of rounds, before the argument does."""
OTHERS = ("group", "init_score")
"""Arguments of `fit` that are data, too."""
SETTINGS = ("fobj", "feval", "folds", "nfold", "stratified", "shuffle", "metrics", "seed", "fpreproc")
"""Arguments of `train` and `cv` that are parameters of the training."""
DATA = (
    "X", "y", "sample_weight", "init_score", "group", "eval_set", "eval_sample_weight", "eval_init_score", "eval_group",
    "callbacks", "init_model", "eval_X", "eval_y",
)  # fmt: skip
"""Arguments of `fit` that are none."""


@hookimpl
def autotrack_patches() -> Iterable[Patch]:
    bound = ("lightgbm.engine:train", "lightgbm:train", "lightgbm.sklearn:train")
    yield Patch(*bound, observe=observe_train, opens=opens_train)
    yield Patch("lightgbm.engine:cv", "lightgbm:cv", observe=observe_cv, opens=opens_cv)
    yield Patch("lightgbm.sklearn:LGBMModel.fit", observe=observe_fit, opens=opens_fit, subclasses=True)
    booster = "lightgbm.basic:Booster"
    for name in ("eval_train", "eval_valid"):
        yield Patch(f"{booster}.{name}", after=rounds.evaluated)
    yield Patch("lightgbm.engine:_agg_cv_result", after=rounds.folds_evaluated)
    yield Patch(f"{booster}.update", after=rounds.updated)
    yield Patch(f"{booster}.reset_parameter", after=rounds.parameters_reset)
    yield Patch(f"{booster}.add_valid", after=rounds.set_added)
    yield Patch("lightgbm.basic:Dataset.construct", observe=datasets.observe_construct)
    yield Patch("lightgbm.basic:Dataset._push_rows", after=datasets.pushed)
    for name in datasets.PUT:
        yield Patch(f"lightgbm.basic:Dataset.{name}", observe=datasets.observe_put, optional=name == "set_position")
    yield Patch(f"{booster}.predict", returned=predicted)
    yield Patch(f"{booster}.__init__", observe=models.observe_made)
    yield Patch(f"{booster}.save_model", after=models.saved)


def opens_train(call: Call) -> Opening:
    return Opening("fit", _name(call))


def opens_cv(call: Call) -> Opening:
    return Opening("cross_validation", f"cv({_name(call)})")


@hookimpl
def autotrack_dataset(data: Any) -> Dataset | None:
    return clusters.described(data)


def opens_fit(call: Call) -> Opening:
    if clusters.is_part(DASK):
        return ELSEWHERE
    return Opening("fit", type(call.instance).__name__, call.instance)


def _name(call: Call) -> str:
    """`Booster(binary)`: by the objective, the program's own function by its name."""
    params = params_of(call.get("params"))
    named = (params[name] for name in ("objective", "objective_type", "app", "application", "loss") if name in params)
    objective = call.given("fobj") or next(named, "regression")
    return name_of(objective)


def _tell(call: Call, strand: Strand) -> None:
    """Parameters of `train` and `cv`."""
    params = params_of(call.get("params"))
    strand.params(params, source="estimator")
    settings = {name: call.given(name) for name in SETTINGS}
    if not params.keys() & COUNTS:
        settings["num_boost_round"] = call.given("num_boost_round", ROUNDS)
    strand.params({name: value for name, value in settings.items() if value is not None}, source="fit")
    tell_callbacks(strand, call.given("callbacks"))
    tell_model(strand, call.given("init_model"), "init_model")


def observe_train(call: Call, strand: Strand) -> Observation:
    _tell(call, strand)
    train, sets = call.get("train_set"), call.given("valid_sets")
    names = call.given("valid_names")
    sets = list(sets) if isinstance(sets, (list, tuple)) else [sets] if sets is not None else []
    names = [names] if isinstance(names, str) else list(names) if isinstance(names, (list, tuple)) else []
    known = [
        (names[at] if at < len(names) else "training" if data is train else f"valid_{at}", data)
        for at, data in enumerate(sets)
    ]
    prefixes = prefixes_of([(name, data is train) for name, data in known])
    pending = [datasets.tell(strand, "train", train)]
    pending += [
        datasets.tell(strand, prefixes.get(name, "valid"), data, name) for name, data in known if data is not train
    ]
    Rounds(strand, prefixes)
    try:
        booster = yield
    finally:
        for source in pending:
            if source is not None:
                datasets.settle(source, call)
    strand.model(booster, budget=SHARE * call.seconds)
    models.report(strand, booster)


def observe_cv(call: Call, strand: Strand) -> Observation:
    _tell(call, strand)
    pending = datasets.tell(strand, "train", call.get("train_set"))
    made = Rounds(strand, {}, folds=True)
    try:
        result = yield
    finally:
        if pending is not None:
            datasets.settle(pending, call)
    kept = next((len(values) for values in result.values() if isinstance(values, list)), made.count)
    strand.summaries({"rounds": made.count, **({"best_iteration": kept} if kept < made.count else {})})


def observe_fit(call: Call, strand: Strand) -> Observation:
    model, features = call.instance, call.get("X")
    strand.params_of(model)
    strand.params({name: value for name, value in call.kwargs.items() if name not in DATA}, source="fit")
    tell_callbacks(strand, call.given("callbacks"))
    others = {name: value for name in OTHERS if (value := call.given(name)) is not None}
    weights = call.given("sample_weight")
    strand.data("train", features, labels=call.get("y"), weights=weights, others=others)
    given, names = call.given("eval_set"), call.given("eval_names")
    if given is None and call.given("eval_X") is not None:
        X, y = (call.given(name) for name in ("eval_X", "eval_y"))
        several = isinstance(X, tuple)
        given = list(zip(X, y if isinstance(y, tuple) else (), strict=False)) if several else [(X, y)]
    elif isinstance(given, tuple):  # one pair
        given = [given]
    names = list(names) if isinstance(names, (list, tuple)) else []
    sets, on_cluster = pairs(given), clusters.trains_there(model, DASK, "_DaskLGBMModel")
    names += [
        "training" if data is features and not on_cluster else f"valid_{at}"
        for at, (data, _) in enumerate(sets)
        if at >= len(names)
    ]
    prefixes = tell_sets(strand, features, sets, names, call.given("eval_sample_weight"))
    tell_model(strand, call.given("init_model"), "init_model")
    Rounds(strand, prefixes or None)
    if on_cluster:
        clusters.tell_cluster(strand, model.client, partitions=getattr(features, "npartitions", None))
    yield
    if on_cluster:
        clusters.tell_rounds(strand, model.evals_result_ or {}, model.n_iter_)
        if sets:
            strand.gap("metrics of the whole data", "LightGBM gives those of one worker's part of it")
    strand.model(model, budget=SHARE * call.seconds)
    models.report(strand, model)
