"""What a booster has learned, and the files it is kept in."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from typing import Any

from autotrack import Call, Strand, hookimpl
from autotrack.plugin_api import (
    artifact,
    loaded,
    model_digest,
    remember,
    state_digest,
    strand_inside,
    strand_of,
)
from autotrack_boosting import told
from autotrack_boosting.models import booster_of
from autotrack_boosting.rounds import rounds_made

Observation = Generator[None, Any, None]

MODULE = "lightgbm.basic"
_pace = told.Pace()

END = "end of trees"
"""What follows in the text of a model are importances, which come from the trees, and settings of the training."""


@hookimpl
def autotrack_state(obj: Any) -> Callable[[], Mapping[str, Any]] | None:
    """The trees up to the best round, as they are in every file; not the settings of the training."""
    booster = booster_of(obj, MODULE)
    return None if booster is None else lambda: _state(booster)


def _state(booster: Any, **rounds: Any) -> dict[str, Any]:
    import numpy

    text = booster.model_to_string(**rounds).partition(END)[0]
    return {"lightgbm": numpy.frombuffer(text.encode(errors="surrogateescape"), numpy.uint8)}


def report(strand: Strand, model: Any) -> None:
    """How far a training went, and what it found."""
    booster = booster_of(model, MODULE)
    if booster is None:
        return
    remember(booster, strand)
    found: dict[str, Any] = {"rounds": rounds_made(strand)}
    if booster.best_iteration > 0:
        found["best_iteration"] = int(booster.best_iteration)
        for data, scores in booster.best_score.items():
            found.update({f"best_score.{data}.{name}": value for name, value in scores.items()})
    kind = getattr(model, "importance_type", "gain")
    kind = kind if kind in ("split", "gain") else "gain"
    scores = booster.feature_importance(importance_type=kind).tolist()
    by_name = {name: score for name, score in zip(booster.feature_name(), scores, strict=True) if score}
    found.update(told.importances(strand, f"feature_importances.{kind}", by_name, int(booster.num_feature())))
    strand.summaries(found)


def saved(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Booster.save_model` has been called, perhaps by a callback in the midst of a training."""
    given = dict(zip(("filename", "num_iteration", "start_iteration"), args[1:], strict=False)) | kwargs
    booster, path = args[0], given.pop("filename", None)
    if not isinstance(path, (str, os.PathLike)):
        return
    given.pop("importance_type", None)
    strand = strand_of(booster) or strand_inside()
    step = rounds_made(strand) if strand is not None else None
    digest = _pace.digest(strand, booster.num_trees(), lambda: state_digest(_state(booster, **given)))
    artifact(os.fsdecode(path), "written", kind="model", strand=strand, model=digest, step=step or None)


def observe_made(call: Call) -> Observation:
    """A booster that is made of a file."""
    path = call.get("model_file")
    yield
    if isinstance(path, (str, os.PathLike)):
        digest = model_digest(call.instance, told.BUDGET)
        artifact(os.fsdecode(path), "read", kind="model", model=digest)
        loaded(call.instance, digest, os.fsdecode(path), type(call.instance).__name__)
