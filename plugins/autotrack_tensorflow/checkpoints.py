"""Checkpoints and exported models, with the identity of the model of Keras's inside."""

from __future__ import annotations

import glob
import os
from typing import Any

from autotrack.plugin_api import artifact, attributes, loaded, model_digest, strand_inside, strand_of
from autotrack_keras.models import is_model, size_of
from autotrack_tensorflow.trainings import in_thread

BUDGET = 0.5
"""Seconds that the identity of the weights may take."""
FILES = 1_000


def saved(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Checkpoint._write` has returned the path, for `save`, `write` and a `CheckpointManager`."""
    if isinstance(result, (str, bytes)):
        _written(os.fsdecode(result), _model_in(args[0]), "checkpoint", _files(os.fsdecode(result)))


def exported(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`tf.saved_model.save(obj, export_dir)` has returned."""
    obj = args[0] if args else kwargs.get("obj")
    folder = args[1] if len(args) > 1 else kwargs.get("export_dir")
    if isinstance(folder, (str, os.PathLike)):
        folder = os.fspath(folder)
        files = [os.path.join(folder, "saved_model.pb"), *_files(os.path.join(folder, "variables", "variables"))]
        _written(folder, obj if is_model(obj) else _model_in(obj), "model", files)


def restored(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Checkpoint.read(save_path)` has returned, for `restore` too."""
    path = args[1] if len(args) > 1 else kwargs.get("save_path")
    if not isinstance(path, (str, os.PathLike)):
        return
    path, model, inside = os.fspath(path), _model_in(args[0]), strand_inside()
    digest = model_digest(model, BUDGET) if model is not None and model.built else None
    for file in _files(path):
        artifact(file, "read", kind="checkpoint", model=digest, strand=inside)
    if inside is None and digest is not None:
        loaded(model, digest, next(iter(_files(path)), path), type(model).__name__)


def _written(path: str, model: Any, kind: str, files: list[str]) -> None:
    known = strand_of(model) if model is not None else None
    training = in_thread().training
    strand = known or (training.strand if training is not None else strand_inside())
    counter = strand.counter if strand is not None else None
    step = counter.count if counter is not None else None
    digest = model_digest(model, BUDGET) if model is not None and model.built else None
    for file in files:
        artifact(file, "written", kind=kind, strand=strand, model=digest, step=step)


def _files(prefix: str) -> list[str]:
    """The files of a checkpoint: the weights, and where each is."""
    found = sorted(glob.glob(f"{glob.escape(prefix)}.data-*"))[:FILES]
    index = f"{prefix}.index"
    return [*([index] if os.path.isfile(index) else []), *found]


def _model_in(checkpoint: Any) -> Any:
    """The model that an object to be saved holds: the largest, where there are several."""
    held = [value for value in (attributes(checkpoint) or {}).values() if is_model(value)]
    return max(held, key=lambda model: sum(map(size_of, model.weights)), default=None)
