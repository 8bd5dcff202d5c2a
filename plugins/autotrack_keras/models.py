"""What a model has learned, what it is made of, and the files that it is kept in."""

from __future__ import annotations

import os
import sys
import time
import weakref
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from autotrack import Strand, hookimpl
from autotrack.plugin_api import Streamed, artifact, loaded, model_digest, strand_inside, strand_of, variables
from autotrack_keras.epochs import of as epochs_of

BUDGET = 0.5
"""Seconds that the identity of the weights in a file may take."""
LEAST, SHARE = 0.02, 0.02
"""Seconds, and share of a training, that the identity of what it has trained may take."""
DEPTH = 30
"""Frames above a save in which the end of a batch is looked for."""
COMPARED, WHOLE, PART = 24, 10_000, 1_000
"""Weights by which it is seen whether a training goes on from where another has ended, and elements of one: up to so
many all of them, else so many of its first row."""
LAYERS = 100
"""Layers that are listed."""


def is_model(obj: Any) -> bool:
    """Whether it is a model, or a layer that is trained by itself: a class of the program's of both."""
    trainers, layers = sys.modules.get("keras.src.trainers.trainer"), sys.modules.get("keras.src.layers.layer")
    if trainers is None or layers is None:
        return False
    return isinstance(obj, trainers.Trainer) and isinstance(obj, layers.Layer)


def name_of(model: Any) -> str:
    """The class of a model; of one that is put together of layers, the name that the program gave it, if any."""
    cls = type(model).__name__
    made = model.name.rstrip("0123456789_")
    return cls if made in ("functional", "sequential", to_snake_case(cls), cls.lower()) else f"{cls}({model.name})"


def to_snake_case(name: str) -> str:
    """A class by the name that Keras gives to objects of it: `my_model` for `MyModel`, `gan` for `GAN`.  Source:
    `keras.src.utils.naming.to_snake_case`."""
    return str(sys.modules["keras.src.utils.naming"].to_snake_case(name))


@hookimpl
def autotrack_state(obj: Any) -> Callable[[], Mapping[str, Any]] | None:
    """The weights in their order, without their names, which differ between two models that are built alike; neither
    the optimizer's nor the seeds of random layers."""
    return (lambda: {"keras": weights_of(obj)}) if is_model(obj) else None


def weights_of(model: Any) -> list[Streamed]:
    """One after the other had from where they lie, as they are digested."""
    return [_streamed(variable) for variable in model.weights]


def _streamed(variable: Any) -> Streamed:
    import numpy

    named = str(variable.dtype)
    dtype = numpy.dtype("float32" if named == "bfloat16" else named)

    def pieces() -> list[Any]:
        return [numpy.ascontiguousarray(array_of(variable.value), dtype).reshape(-1).view(numpy.uint8)]

    return Streamed(dtype, tuple(int(length) for length in variable.shape), pieces)


def array_of(tensor: Any) -> Any:
    """A tensor of a backend as an array of numpy's."""
    import numpy

    if hasattr(tensor, "detach"):
        tensor = tensor.detach()
        tensor = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
        return tensor.cpu().numpy()
    return numpy.asarray(tensor)


@hookimpl
def autotrack_model(obj: Any) -> int | None:
    """Number of weights."""
    return int(obj.count_params()) if is_model(obj) and obj.built else None


def describe(strand: Strand, model: Any, seconds: float) -> None:
    """Layers and sizes of a model that was trained for some seconds, and its identity; it is not kept."""
    if not model.weights:
        return
    cls = f"{type(model).__module__}.{type(model).__qualname__}"
    digest = model_digest(model, min(BUDGET, LEAST + SHARE * seconds))
    strand.fitted(cls, digest, sum(map(size_of, model.weights)))  # it may say that it is not built, and be trained
    trainable = sum(map(size_of, model.trainable_weights))
    inside = getattr(model, "layers", [])  # a layer that is trained by itself has none
    layers = [f"{layer.name} ({type(layer).__name__})" for layer in inside[:LAYERS]]
    strand.summaries({"layers": layers, "trainable_parameters": trainable})


def some_weights(model: Any) -> list[tuple[weakref.ref[Any], bytes]]:
    """Those of a model, spread over it, as they are."""
    weights = [*model.trainable_weights, *model.non_trainable_weights]
    count = min(COMPARED, len(weights))
    chosen = [weights[at * len(weights) // count] for at in range(count)]
    return [(weakref.ref(variable), _part_of(variable)) for variable in chosen]


def _part_of(variable: Any) -> bytes:
    value = variable.value
    if size_of(variable) > WHOLE:
        while len(value.shape) > 1:
            value = value[0]
        value = value[:PART]
    return bytes(array_of(value).tobytes())


def is_as_left(weights: list[tuple[weakref.ref[Any], bytes]]) -> bool:
    """Whether these are the weights still, and have not been changed since."""
    alive = [(reference(), content) for reference, content in weights]
    return bool(alive) and all(v is not None and _part_of(v) == content for v, content in alive)


def size_of(variable: Any) -> int:
    """Number of elements."""
    size = 1
    for length in variable.shape:
        size *= int(length)
    return size


def written(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`save_model` or `save_weights` has been called, by the program or by a callback of a training."""
    model, path = _model_and_path(args, kwargs)
    if path is None or not is_model(model):
        return
    known = strand_of(model)
    inside = strand_inside()
    strand = inside if inside is not None and epochs_of(inside) is not None else known
    epochs = epochs_of(strand) if strand is not None else None
    begun, budget = time.perf_counter(), BUDGET
    if strand is not None and strand is inside and epochs is not None:
        budget = min(BUDGET, LEAST + SHARE * (begun - strand.began) - epochs.spent)
    digest = model_digest(model, budget) if budget > 0 else None
    counter = strand.counter if strand is not None else None
    step = counter.count if counter is not None else None
    if epochs is not None:
        step = max(epochs.count, epochs.begun + _batch_that_ended() + 1)
    artifact(path, "written", kind="model", strand=strand, model=digest, step=step)
    if epochs is not None:
        epochs.spent += time.perf_counter() - begun


def _batch_that_ended() -> int:
    """The number of the batch at whose end callbacks are called, which is counted once they have been; -1 elsewhere."""
    frame: FrameType | None = sys._getframe(2)
    for _ in range(DEPTH):
        if frame is None:
            break
        if frame.f_code.co_name == "on_train_batch_end":
            number = variables(frame).get("batch")
            return number if isinstance(number, int) else -1
        frame = frame.f_back
    return -1


def weights_read(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`load_weights` has been called."""
    model, path = _model_and_path(args, kwargs)
    if path is not None and is_model(model):
        _came_from(model, path)


def model_read(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`load_model` has been called."""
    path = _path(args[0] if args else kwargs.get("filepath"))
    if path is not None and is_model(result):
        _came_from(result, path)


def _came_from(model: Any, path: str) -> None:
    digest, inside = model_digest(model, BUDGET), strand_inside()
    artifact(path, "read", kind="model", model=digest, strand=inside)
    if inside is None:
        loaded(model, digest, path, type(model).__name__)


def _model_and_path(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, str | None]:
    model = args[0] if args else kwargs.get("model")
    return model, _path(args[1] if len(args) > 1 else kwargs.get("filepath"))


def _path(path: Any) -> str | None:
    return os.fsdecode(path) if isinstance(path, (str, os.PathLike)) else None
