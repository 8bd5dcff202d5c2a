"""Files of models: what `torch.save` and `torch.load`, TorchScript, `torch.export` and safetensors write and read.

The identity of a model is that of its tensors by name: the same weights saved twice, alone or in a checkpoint with
other things, are the same model.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from autotrack.plugin_api import artifact, model_digest
from autotrack_torch import loaders
from autotrack_torch import training as trainings
from autotrack_torch.training import Training

BUDGET = 0.5
"""Seconds that the identity of a model may take."""
WAITING = 100
"""Files that may wait for a training."""
DEPTH = 4
"""Levels of a checkpoint in which a model is looked for."""
_NO_MODELS = ("optim", "sched", "scaler", "rng")


class _File(NamedTuple):
    """A file that was read or written before there was a training that it may belong to."""

    path: str
    mode: str
    identity: str | None
    storages: set[int]
    """Where in memory is what was written."""


_waiting: list[_File] = []
_SAVED = ("obj", "m", "ep", "tensors", "model")
_FILES = ("f", "filename")
"""The names of these parameters in the functions that save and load."""


def saved(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`torch.save(obj, f)`, or one like it, has returned."""
    obj = args[0] if args else _named(kwargs, _SAVED)
    target = args[1] if len(args) > 1 else _named(kwargs, _FILES)
    path = _path(target)
    state = _state_in(obj)
    training = _of_state(obj, state)
    if path is None:
        return
    identity = identity_of(state) if state else None
    kind = "checkpoint" if state else "file"
    if training is None:
        artifact(path, "written", kind=kind, model=identity, file=target)
        if state:
            _wait(_File(path, "written", identity, _storages(state)))
        return
    artifact(path, "written", kind=kind, strand=training.strand, model=identity, file=target, step=training.steps)
    loaders.settle()


def opened(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`torch.load(f)`, or one like it, has returned."""
    _read(args[0] if args else _named(kwargs, _FILES), result)


def filled(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`safetensors.torch.load_model(model, filename)` has returned."""
    model = args[0] if args else kwargs.get("model")
    _read(args[1] if len(args) > 1 else kwargs.get("filename"), model)


def _read(target: Any, content: Any) -> None:
    path, state = _path(target), _state_in(content)
    if path is None or not state:
        return
    identity, training = identity_of(state), trainings.in_thread().training
    if training is None:
        _wait(_File(path, "read", identity, set()))
    artifact(path, "read", kind="checkpoint", model=identity, strand=training.strand if training else None)


def _named(kwargs: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((kwargs[name] for name in names if name in kwargs), None)


def _wait(file: _File) -> None:
    _waiting.append(file)
    del _waiting[:-WAITING]


def begun(training: Training) -> None:
    """A training has begun: what was loaded is what it goes on from, and its parameters may have been saved."""
    if not _waiting:
        return
    own = {place for place, other in trainings.by_storage().items() if other is training}
    for file in _waiting:
        step = None if file.mode == "read" else 0
        if file.mode == "read" or not own.isdisjoint(file.storages):
            artifact(file.path, file.mode, kind="checkpoint", model=file.identity, strand=training.strand, step=step)
    _waiting.clear()


def _storages(state: Mapping[str, Any]) -> set[int]:
    return {tensor.untyped_storage().data_ptr() for tensor in state.values() if tensor.device.type != "meta"}


def forget() -> None:
    _waiting.clear()


def identity_of(state: Mapping[str, Any]) -> str | None:
    """The identity of tensors by name; None where it can't be had."""
    torch: Any = sys.modules["torch"]
    arrays: dict[str, Any] = {}
    for name in sorted(state):
        tensor = state[name]
        if tensor.layout is not torch.strided or tensor.device.type == "meta" or tensor.is_quantized:
            return None
        plain = tensor.detach().cpu().contiguous()
        if plain.dtype not in _numpy_types(torch):
            plain = plain.reshape(-1).view(torch.uint8)
        arrays[name] = [str(tensor.dtype), list(tensor.shape), plain.numpy()]
    return model_digest({"torch": arrays}, BUDGET)


def _numpy_types(torch: Any) -> tuple[Any, ...]:
    return (
        torch.float64, torch.float32, torch.float16, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8,
        torch.bool, torch.complex64, torch.complex128,
    )  # fmt: skip


def _state_in(obj: Any) -> Mapping[str, Any]:
    """The tensors by name of the largest model in an object."""
    return max(_states(obj, DEPTH), key=lambda state: sum(t.numel() for t in state.values()), default={})


def _states(obj: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    torch: Any = sys.modules["torch"]
    if isinstance(obj, torch.nn.Module):
        yield {n: t for n, t in obj.state_dict().items() if isinstance(t, torch.Tensor)}
    elif isinstance(obj, torch.export.ExportedProgram):
        yield {n: t for n, t in obj.state_dict.items() if isinstance(t, torch.Tensor)}
    elif isinstance(obj, Mapping):
        tensors = {name: t for name, t in obj.items() if isinstance(name, str) and isinstance(t, torch.Tensor)}
        if tensors:
            yield tensors
        if depth:
            for name, entry in obj.items():
                if not any(word in str(name).lower() for word in _NO_MODELS):
                    yield from _states(entry, depth - 1)
    elif isinstance(obj, (list, tuple)) and depth and len(obj) <= 100:
        for entry in obj:
            yield from _states(entry, depth - 1)


def _of_state(obj: Any, state: Mapping[str, Any]) -> Training | None:
    """The training whose parameters are saved: by where they are in memory."""
    known = trainings.by_storage()
    for tensor in state.values():
        training = known.get(tensor.untyped_storage().data_ptr()) if tensor.device.type != "meta" else None
        if training is not None:
            return training
    return trainings.in_thread().training if not state else None


def _path(target: Any) -> str | None:
    if isinstance(target, (str, os.PathLike)):
        return os.fsdecode(target)
    name = getattr(target, "name", None)
    return name if isinstance(name, str) and not name.startswith("<") else None
