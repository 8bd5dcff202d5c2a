"""Files of estimators: what `joblib` and `pickle` write and read."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

from autotrack import Call
from autotrack.plugin_api import artifact, is_model, loaded, model_digest, strand_of
from autotrack_sklearn.estimators import estimator_name, is_estimator

Observation = Generator[None, Any, None]

BUDGET = 0.1
"""Seconds that the identity of the models in a file may take."""
FEW = 10
"""Models of a file whose identity is asked for."""


def observe_dump(call: Call) -> Observation:
    obj = call.args[0] if call.args else next(iter(call.kwargs.values()), None)
    models = estimators_in(obj)
    yield
    target = call.args[1] if len(call.args) > 1 else call.get("filename", call.get("file"))
    path = _path(target)
    if path is None or not models:
        return
    strand = next((known for known in map(strand_of, models) if known is not None), None)
    digest = model_digest(models[0], BUDGET) if len(models) == 1 else None
    artifact(path, "written", kind="model", strand=strand, model=digest, file=target)


def observe_load(call: Call) -> Observation:
    result = yield
    path = _path(call.args[0] if call.args else call.get("filename", call.get("file")))
    models = estimators_in(result)
    if path is None or not models:
        return
    digests = [model_digest(model, BUDGET / len(models)) for model in models[:FEW]]
    artifact(path, "read", kind="model", model=digests[0] if len(models) == 1 else None)
    for model, digest in zip(models, digests, strict=False):
        loaded(model, digest, path, estimator_name(model))


def estimators_in(obj: Any) -> list[Any]:
    """The object where it is an estimator, or another framework's model, or those in a dict, list or tuple."""
    if is_estimator(obj) or is_model(obj):
        return [obj]
    entries = obj.values() if isinstance(obj, dict) else obj if isinstance(obj, (list, tuple)) else ()
    return [entry for entry in list(entries)[:100] if is_estimator(entry) or is_model(entry)]


def _path(target: Any) -> str | None:
    """The path of a file given by name, path or open file; None for a buffer in memory."""
    if isinstance(target, (str, os.PathLike)):
        return os.fsdecode(target)
    name = getattr(target, "name", None)
    return name if isinstance(name, str) and not name.startswith("<") else None
