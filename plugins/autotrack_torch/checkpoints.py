"""Files of models: what `torch.save` and `torch.load`, TorchScript, `torch.export` and safetensors write and read.

The identity of a model is that of its tensors by name: the same weights saved twice, alone or in a checkpoint with
other things, are the same model.  What `torch.save` and safetensors have written is read by the recorder from the file,
as long as that is still there; of TorchScript and `torch.export` the model at hand is taken.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from autotrack import Strand
from autotrack.plugin_api import artifact, later, model_digest
from autotrack_torch import deferred, loaders
from autotrack_torch import training as trainings
from autotrack_torch.archives import largest, model_in
from autotrack_torch.training import Training

BUDGET = 0.5
"""Seconds that the identity of a model at hand may take."""
COMPARED = 1 << 20
"""Elements of a model that are compared with those of what may be a copy of it."""
COPIES = 10
"""Trainings of which what was saved may be a copy."""
WAITING, SAVED = 100, 1000
"""Files that may wait for a training, and that are known to be of one."""


class _File(NamedTuple):
    """A file that was read, or written before there was a training that it may belong to: it is one of the next."""

    path: str
    mode: str
    number: int | None
    storages: dict[int, Any]
    """Where in memory is what was written, each with a weak reference: the place may be another's later."""
    when: float
    during: weakref.ref[Training] | None = None
    """The training in whose midst it may have been read, and after which step of it."""
    step: int = 0


_waiting: list[_File] = []
_saved: dict[str, str] = {}
"""The files that were written in the midst of a training, by its strand."""
_SAVED = ("obj", "m", "ep", "tensors", "model")
_FILES = ("f", "filename")
"""The names of these parameters in the functions that save and load."""


def saved(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`torch.save(obj, f)`, or one like it, has returned."""
    obj = args[0] if args else _named(kwargs, _SAVED)
    was_written(args[1] if len(args) > 1 else _named(kwargs, _FILES), obj)


def was_written(target: Any, obj: Any, at: int | None = None) -> None:
    """A file has been written, `at` a step of the training where that is known otherwise."""
    path = _path(target)
    if path is None:
        return
    with sys.modules["torch"]._C.DisableTorchFunction():  # nothing of the program's sees what is asked of a tensor
        _written(path, target, obj, at)


def _written(path: str, target: Any, obj: Any, at: int | None) -> None:
    state, here = state_in(obj), trainings.in_thread().training
    if here is not None:
        _saved[os.path.abspath(path)] = here.strand.id
        if len(_saved) > SAVED:
            del _saved[next(iter(_saved))]
    training = _of_state(state)
    identity, kind = _identity(obj, state, path), "checkpoint" if state else "file"
    if training is None:
        number = artifact(path, "written", kind=kind, model=identity, file=target)
        if state:
            _wait(_File(path, "written", number, _storages(state), time.time()))
            _compare_later(state, path, number, at)
        return
    step = training.steps if at is None else at
    artifact(path, "written", kind=kind, strand=training.strand, model=identity, file=target, step=step)
    loaders.settle()


def opened(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`torch.load(f)`, or one like it, has returned."""
    _read(args[0] if args else _named(kwargs, _FILES), result)


def filled(instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`safetensors.torch.load_model(model, filename)` has returned."""
    model = args[0] if args else kwargs.get("model")
    _read(args[1] if len(args) > 1 else kwargs.get("filename"), model)


def read_unseen(path: str) -> None:
    """A library has read a model from a file, in whatever way."""
    _was_read(path, model_in)


def _read(target: Any, content: Any) -> None:
    path = _path(target)
    if path is None:
        return
    with sys.modules["torch"]._C.DisableTorchFunction():
        state = state_in(content)
    if not state:
        return
    _was_read(path, _identity(content, state, path))


def _was_read(path: str, model: str | Callable[[str], str | None] | None) -> None:
    """A model has been read: by the training that has saved it, as its best one, or for the next."""
    training = trainings.in_thread().training
    own = training is not None and _saved.get(os.path.abspath(path)) == training.strand.id
    strand = training.strand if training is not None and own else None
    number = artifact(path, "read", kind="checkpoint", model=model, strand=strand)
    if strand is None:
        during, step = (weakref.ref(training), training.steps) if training is not None else (None, 0)
        _wait(_File(path, "read", number, {}, time.time(), during, step))


def _identity(obj: Any, state: Mapping[str, Any], path: str) -> str | Callable[[str], str | None] | None:
    """The identity of the model in an object, or what to call for it."""
    if not state:
        return None
    torch: Any = sys.modules["torch"]
    at_hand = isinstance(obj, (torch.jit.ScriptModule, torch.export.ExportedProgram))
    return identity_of(state) if at_hand else partial(model_in, names=frozenset(state))


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
        alive = {place for place, storage in file.storages.items() if not storage.expired()}
        if file.number is not None and (file.mode == "read" or not own.isdisjoint(alive)):
            during = file.during() if file.during is not None else None
            reader = during if during is not None and during.steps > file.step else training
            told = partial(artifact, file.path, file.mode, kind="checkpoint", number=file.number, when=file.when)
            told(strand=reader.strand, step=step)
    _waiting.clear()


def _storages(state: Mapping[str, Any]) -> dict[int, Any]:
    weakly = sys.modules["torch"].multiprocessing.reductions.StorageWeakRef
    found = (tensor.untyped_storage() for tensor in state.values() if _has_storage(tensor))
    return {storage.data_ptr(): weakly(storage) for storage in found}


def _has_storage(tensor: Any) -> bool:
    torch: Any = sys.modules["torch"]
    return bool(tensor.device.type != "meta" and tensor.layout is torch.strided and not tensor.is_nested)


def forget() -> None:
    _waiting.clear()
    _saved.clear()


def identity_of(state: Mapping[str, Any]) -> str | None:
    """The identity of tensors by name; None where it can't be had."""
    torch: Any = sys.modules["torch"]
    arrays: dict[str, Any] = {}
    for name in sorted(state):
        tensor = state[name]
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer):  # a part of it, on each rank
            return None
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


def state_in(obj: Any) -> Mapping[str, Any]:
    """The tensors by name of the largest model in an object."""
    torch: Any = sys.modules["torch"]
    if isinstance(obj, torch.jit.ScriptModule):
        obj = obj.state_dict()
    elif isinstance(obj, torch.export.ExportedProgram):
        obj = obj.state_dict
    known = trainings.by_storage()

    def is_trained(state: Mapping[str, Any]) -> bool:
        return any(_has_storage(t) and t.untyped_storage().data_ptr() in known for t in state.values())

    return largest(obj, lambda value: issubclass(type(value), torch.Tensor), is_trained)


def _of_state(state: Mapping[str, Any]) -> Training | None:
    """The training whose parameters are saved: by where they are in memory, or, of copies of them, as in half
    precision or by `deepcopy`, the one that this thread is in, where these are its parameters as they are now."""
    known = trainings.by_storage() if state else {}
    for tensor in state.values():
        training = known.get(tensor.untyped_storage().data_ptr()) if _has_storage(tensor) else None
        if training is not None:
            return training
    here = trainings.in_thread().training
    if not state:
        return here
    return next((one for one in _candidates() if any(_are_equal(pairs) for pairs in _alike(state, one))), None)


def _candidates() -> list[Training]:
    """The trainings of which a copy may be saved: that of this thread, or all, where it has none, as one for saving."""
    here = trainings.in_thread().training
    return [here] if here is not None else list({id(one): one for one in trainings.by_storage().values()}.values())


def _alike(state: Mapping[str, Any], training: Training) -> Iterator[list[tuple[Any, Any]]]:
    """For each model of a training that all which a state has may be copied of, what is to be compared: of what is
    trained as much as is within `COMPARED`, the smallest first."""
    given = {_bare(name): tensor for name, tensor in state.items()}
    for reference in training.described:
        module = reference()
        if module is None:
            continue
        named = itertools.chain(module.named_parameters(remove_duplicate=False), module.named_buffers())
        own = {_bare(name): tensor for name, tensor in named}
        if not all(name in own and own[name].shape == tensor.shape for name, tensor in given.items()):
            continue
        pairs = [(own[name], tensor) for name, tensor in given.items() if own[name].requires_grad]
        pairs.sort(key=lambda pair: int(pair[0].numel()))
        sizes = itertools.accumulate(int(mine.numel()) for mine, _ in pairs)
        chosen = [pair for pair, size in zip(pairs, sizes, strict=True) if size <= COMPARED]
        if chosen and all(_has_storage(t) and not t.is_quantized for pair in chosen for t in pair):
            yield chosen


def _are_equal(pairs: list[tuple[Any, Any]], at_hand: bool = False) -> bool:
    """Whether tensors are copies of others, as far as their types can hold that; False unless all are at hand."""
    torch: Any = sys.modules["torch"]
    if not at_hand and any(deferred.is_far(tensor) for pair in pairs for tensor in pair):
        return False
    with torch._C._DisableTorchDispatch():
        return all(_is_equal(torch, mine.detach().to(other.dtype), other.detach()) for mine, other in pairs)


def _is_equal(torch: Any, mine: Any, other: Any) -> bool:
    """Of tensors of one type; what is no number equals what is none."""
    if torch.equal(mine, other):
        return True
    numbers = ~mine.isnan()
    return bool(torch.equal(numbers, ~other.isnan()) and torch.equal(mine[numbers], other[numbers]))


def _compare_later(state: Mapping[str, Any], path: str, number: int | None, at: int | None) -> None:
    """What was saved may be a copy of what is trained on a device: the recorder compares, and says whose file it is."""
    if number is None:
        return
    for training in _candidates()[:COPIES]:
        step = training.steps if at is None else at
        for pairs in _alike(state, training):
            if any(deferred.is_far(tensor) for pair in pairs for tensor in pair):
                given = deferred.kept([mine for mine, _ in pairs]), deferred.kept([other for _, other in pairs])
                later("the model in a file", partial(_compare, *given, training.strand, path, number, step))


def _compare(
    mine: Callable[[], list[Any]], others: Callable[[], list[Any]], strand: Strand, path: str, number: int, step: int
) -> None:
    if _are_equal(list(zip(mine(), others(), strict=True)), at_hand=True):
        artifact(path, "written", kind="checkpoint", strand=strand, step=step, number=number)


def _bare(name: str) -> str:
    """The name of a parameter, without what wrappers put before it."""
    return name.replace("module.", "").replace("_orig_mod.", "")


def _path(target: Any) -> str | None:
    if isinstance(target, (str, os.PathLike)):
        return os.fsdecode(target)
    name = getattr(target, "name", None)
    return name if isinstance(name, str) and not name.startswith("<") else None
