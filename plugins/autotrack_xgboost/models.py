"""What a booster has learned, and the files it is kept in."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator, Mapping
from typing import Any

from autotrack import Call, Strand, hookimpl
from autotrack.plugin_api import artifact, loaded, model_digest, remember, strand_inside, strand_of
from autotrack_boosting import told
from autotrack_boosting.models import booster_of
from autotrack_boosting.rounds import rounds_made
from autotrack_xgboost.rounds import Given

Observation = Generator[None, Any, None]

MODULE = "xgboost.core"
_pace = told.Pace()


@hookimpl
def autotrack_state(obj: Any) -> Callable[[], Mapping[str, Any]] | None:
    """The trees or weights, and what goes with them into every file; not the settings of the training, which files of
    XGBoost's leave out."""
    booster = booster_of(obj, MODULE)
    return None if booster is None else lambda: _state(booster)


def _state(booster: Any) -> dict[str, Any]:
    import numpy

    attributes = booster.attributes()
    if attributes:  # notes that anybody may add, and what a file keeps for the scikit-learn API
        booster = booster.copy()
        booster.set_attr(**dict.fromkeys(attributes))
    return {"xgboost": numpy.frombuffer(booster.save_raw("ubj"), numpy.uint8)}


def report(strand: Strand, model: Any, *, stops: bool) -> None:
    """How far a training went, and what it found; `stops`: whether it may have stopped early."""
    booster = booster_of(model, MODULE)
    if booster is None:
        return
    remember(booster, strand)
    found: dict[str, Any] = {"rounds": rounds_made(strand)}
    for name, number in (("best_iteration", int), ("best_score", float)):
        value = booster.attr(name)
        if value is not None and stops:  # else it is that of the model that this one goes on from
            found[name] = number(value)
    linear = json.loads(booster.save_config())["learner"]["gradient_booster"]["name"] == "gblinear"
    kind = getattr(model, "importance_type", None)
    kind = "weight" if linear else kind if isinstance(kind, str) else "gain"
    scores = booster.get_score(importance_type=kind)
    if not any(isinstance(score, list) for score in scores.values()):
        name = "coef" if linear else f"feature_importances.{kind}"
        found.update(told.importances(strand, name, scores, int(booster.num_features())))
    strand.summaries(found)


def saved(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Booster.save_model` has been called, perhaps by a callback in the midst of a training."""
    booster, path = args[0], args[1] if len(args) > 1 else kwargs.get("fname")
    if not isinstance(path, (str, os.PathLike)):
        return
    strand = strand_of(booster) or strand_inside()
    digest = _pace.digest(strand, booster.num_boosted_rounds(), lambda: model_digest(booster, told.BUDGET))
    step = rounds_made(strand) if strand is not None else None
    name = os.path.expanduser(os.fsdecode(path))
    artifact(name, "written", kind="model", strand=strand, model=digest, step=step or None)


def copied(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """A copy of a booster, or some of its rounds: of the same training."""
    strand = strand_of(args[0])
    if strand is not None:
        remember(result, strand)


def observe_load(call: Call) -> Observation:
    model, path = call.instance, call.get("fname")
    yield
    _came_from(model, path)


def observe_made(call: Call) -> Observation:
    """A booster that is made of a file."""
    path = call.get("model_file")
    yield
    if path is None:
        remember(call.instance, None, note=Given(told.params_of(call.get("params"))))
    _came_from(call.instance, path)


def _came_from(model: Any, path: Any) -> None:
    if isinstance(path, (str, os.PathLike)):
        path, digest = os.path.expanduser(os.fspath(path)), model_digest(model, told.BUDGET)
        artifact(path, "read", kind="model", model=digest)
        for known in {id(known): known for known in (model, booster_of(model, MODULE)) if known is not None}.values():
            loaded(known, digest, path, type(model).__name__)
