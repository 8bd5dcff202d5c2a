"""What is patched, and what a training and an evaluation say."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Generator, Iterable
from typing import Any, ClassVar, Generic, TypeVar

from autotrack import Call, Opening, Patch, Strand, hookimpl
from autotrack.plugin_api import SELF_TOLD, begin, kept_settings, made, note_of, remember, strand_for, strand_of
from autotrack_keras import data, epochs, models, passing
from autotrack_keras.compiled import tell_compiled
from autotrack_sklearn.splits import named_split

Observation = Generator[None, Any, None]
Kind = TypeVar("Kind")

DATA = ("x", "y", "sample_weight", "validation_data", "callbacks", "verbose")
"""Arguments of `fit` that are no parameters of the training."""
PACKAGES = ("keras", "keras._tf_keras.keras", "keras.api", "keras.api._tf_keras.keras")
"""Under which the functions that write and read files are bound."""
BATCH = 32


@hookimpl
def autotrack_patches() -> Iterable[Patch]:
    model = "keras.src.models.model:Model"
    yield Patch(f"{model}.fit", observe=observe_fit, opens=opens_fit, subclasses=True)
    yield Patch(f"{model}.evaluate", observe=observe_evaluate, subclasses=True)
    yield Patch(f"{model}.predict", returned=predicted, subclasses=True)
    yield Patch(f"{model}.train_on_batch", returned=trained_on_batch, subclasses=True)
    yield Patch(f"{model}.test_on_batch", returned=tested_on_batch, subclasses=True)
    yield Patch("keras.src.trainers.trainer:Trainer._flatten_metrics_in_order", after=flattened)
    calls = "keras.src.callbacks.callback_list:CallbackList"
    yield Patch(f"{calls}.on_train_begin", after=epochs.training_begun)
    module = sys.modules.get("keras.src.callbacks.callback_list")
    beside = module is None or hasattr(module.CallbackList, "_on_train_batch_end")  # since 3.5, perhaps in a thread
    yield Patch(f"{calls}.{'_' if beside else ''}on_train_batch_end", after=epochs.batch_ended)
    yield Patch(f"{calls}.on_epoch_end", after=epochs.epoch_ended)
    yield Patch("keras.src.trainers.epoch_iterator:EpochIterator.__init__", after=passing.adapted)
    yield Patch("autotrack_keras.passing:handed_on", after=passing.passed)
    told = {
        "save_model": models.written, "save_weights": models.written, "load_weights": models.weights_read,
        "load_model": models.model_read,
    }  # fmt: skip
    for name, after in told.items():
        yield Patch(f"keras.src.saving.saving_api:{name}", after=after)
        bound = [f"{package}.{module}:{name}" for package in PACKAGES for module in ("saving", "models")]
        yield Patch(*bound, after=after, optional=True)


def opens_fit(call: Call) -> Opening:
    return Opening("fit", models.name_of(call.instance), call.instance)


def observe_fit(call: Call, strand: Strand) -> Observation:
    model = call.instance
    strand.memo[SELF_TOLD] = True
    before = _gone_on(model, strand)
    told = epochs.Epochs(strand, before)
    tell_compiled(model, told.tell)
    x, y, weights = (call.get(name) for name in ("x", "y", "sample_weight"))
    given = {name: call.get(name) for name in _settings(call)}
    settings = {name: value for name, value in given.items() if value is not None and not _is_zero(value)}
    if "batch_size" not in settings and hasattr(x, "shape"):
        settings["batch_size"] = BATCH
    settings.setdefault("epochs", 1)
    told.tell(settings, "fit")
    callbacks = call.get("callbacks")
    listed = _listed(callbacks)
    told.tell(_told_of(listed), "fit")
    if x is None and y is None:  # a `fit` of the program's own, with names of its own
        passing.await_data(strand)
    else:
        data.tell(strand, "train", x, y, weights)
        held_out = call.get("validation_data")
        if isinstance(held_out, tuple) and 1 <= len(held_out) <= 3:
            data.tell(strand, "valid", *held_out)
        elif held_out is not None:
            data.tell(strand, "valid", held_out)
    try:
        yield
    finally:
        passing.conclude(strand)
        if told.has_trained:
            _conclude(model, strand, told, listed)
        else:
            told.tell_all()
            known = _trained.get(model)
            if known is not None:
                remember(model, known[0])
    models.describe(strand, model, call.seconds)


def _conclude(model: Any, strand: Strand, told: epochs.Epochs, listed: list[Any]) -> None:
    """A training is over, by itself or by an exception."""
    found: dict[str, Any] = {"epochs": told.earlier + told.ended, "steps": told.count}
    for callback in listed:
        for name in ("best_epoch", "stopped_epoch", "best"):
            value = vars(callback).get(name) if hasattr(callback, "monitor") else None
            if isinstance(value, (int, float)) and value:
                found[f"{type(callback).__name__}.{name}"] = value
    (strand.joined or strand).summaries(found)  # of all phases, by the last one
    before = _trained.get(model)
    if before is not None:
        before[1].left = []
    told.left = models.some_weights(model)
    _trained.put(model, (strand, told))


def _gone_on(model: Any, strand: Strand) -> epochs.Epochs | None:
    """The training of a model before this one, where it goes on from the weights that it had then: it becomes part of
    the same run, once there is a step."""
    known = _trained.get(model)
    if known is None:
        return None
    earlier, before = known
    if not earlier.recording or earlier.within != strand.within or not models.is_as_left(before.left):
        return None
    strand.first = earlier.first or earlier
    return before


def _is_zero(value: Any) -> bool:
    """Whether it says that something is not done, as Keras's own defaults do; `shuffle=False` is no such thing."""
    return type(value) in (int, float) and not value


def _settings(call: Call) -> list[str]:
    names = call.place.parameters(call.function, call.instance)
    return [name for name in dict.fromkeys((*names, *call.kwargs)) if name not in DATA]


def _listed(callbacks: Any) -> list[Any]:
    inner = getattr(callbacks, "callbacks", callbacks)
    given = inner if isinstance(inner, (list, tuple)) else [inner] if inner is not None else []
    return [callback for callback in given if hasattr(callback, "__dict__")]


def _told_of(callbacks: list[Any]) -> dict[str, Any]:
    """Callbacks by their classes, and what their constructors were given, as far as they have kept it."""
    settings: dict[str, Any] = {}
    for callback in callbacks:
        name = type(callback).__name__
        settings.setdefault("callbacks", []).append(name)
        settings.update({f"{name}.{setting}": value for setting, value in kept_settings(callback).items()})
    return settings


def observe_evaluate(call: Call) -> Observation:
    """Scores of a model, of the run that trained it."""
    model, x, y = call.instance, call.get("x"), call.get("y")
    expected = data.evaluated(x)
    try:
        result = yield
        strand = strand_for(model, "keras", models.name_of(model))
        if strand is None:
            return
        role = strand.role_of(x) if hasattr(x, "shape") else passing.role_of(strand, x)
        split = named_split(call, role, "y", "x") or "test"
        if expected is not None and role is None:
            expected.told(strand, split)
    finally:
        if expected is not None:
            expected.conclude()
    strand.evaluated(split, x, y)
    _scored(strand, model, split, result)


def _scored(strand: Strand, model: Any, split: str, result: Any) -> None:
    for name, value in _scores(model, result):
        told = f"{split}/{name}"
        told = f"{told}.evaluated" if split == "train" or strand.has(told, other_than="metric") else told
        strand.score(told, value)


def tested_on_batch(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`test_on_batch` has returned."""
    strand = strand_for(model, "keras", models.name_of(model))
    if strand is not None:
        _scored(strand, model, "test", result)


def _scores(model: Any, result: Any) -> list[tuple[str, float]]:
    """What `evaluate` or `train_on_batch` has returned, by name: in the order of the metrics' results."""
    if isinstance(result, dict):
        return epochs.numbers(result)
    values = result if isinstance(result, (list, tuple)) else [result]
    names = _names_of(model, len(values))
    return [(name, float(value)) for name, value in zip(names, values, strict=False) if hasattr(value, "__float__")]


class _Noted(Generic[Kind]):
    """What is noted of models, by which nothing of theirs is called, as it is by a mapping with weak keys."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Any], Kind]] = {}

    def put(self, model: Any, noted: Kind) -> None:
        if len(self._known) > NOTED:
            self._known.clear()
        known, key = self._known, id(model)

        def gone(reference: weakref.ref[Any]) -> None:
            if key in known and known[key][0] is reference:
                known.pop(key, None)

        known[key] = weakref.ref(model, gone), noted

    def get(self, model: Any) -> Kind | None:
        reference, noted = self._known.get(id(model), (None, None))
        return noted if reference is not None and reference() is model else None


_orders: _Noted[list[str]] = _Noted()
"""The names of what models return as a list, in that order."""
_trained: _Noted[tuple[Strand, epochs.Epochs]] = _Noted()
"""Their last training."""
NOTED = 1_000
"""Models of which something is."""


def flattened(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Trainer._flatten_metrics_in_order` has put what it has by name into a list: first the metrics, as they are in
    the model, then what is left, by name."""
    model, logs = args[0], args[1] if len(args) > 1 else kwargs.get("logs")
    if not isinstance(logs, dict):
        return
    listed = [str(part.name) for metric in model.metrics for part in getattr(metric, "metrics", None) or [metric]]
    names = [name for name in listed if name in logs]
    _orders.put(model, names + sorted(name for name in logs if name not in listed))


def _names_of(model: Any, count: int) -> list[str]:
    names = _orders.get(model) or []
    return names if len(names) == count else ["loss", *(f"metric[{at}]" for at in range(count - 1))]


def predicted(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """A prediction is known by the model that made it, and for which data.  One of a single row is left alone."""
    features = args[0] if args else kwargs.get("x")
    if getattr(features, "shape", (0,))[:1] == (1,):
        return
    strand = strand_of(model)
    role = strand.role_of(features) if strand is not None and hasattr(features, "shape") else None
    made(result, model, strand, role=role, features=features)


class Batches:
    """What is noted of a model that is trained batch by batch: its strand, and how many steps it has made.  Models that
    are trained so in turns are one training."""

    __slots__ = ("count", "joined", "name", "number", "strand")
    last: ClassVar[Batches | None] = None
    """Of the model that was trained last."""
    begun: ClassVar[int] = 0

    def __init__(self, strand: Strand, name: str) -> None:
        Batches.begun += 1
        self.strand, self.name, self.number = strand, name, Batches.begun
        self.count, self.joined = 0, False

    def goes_on(self) -> None:
        """It is trained on: a model that was begun since, and trained last, is trained beside it."""
        other, Batches.last = Batches.last, self
        if other is None or other.number <= self.number or other.joined or not other.strand.recording:
            return
        other.joined = True
        other.strand.join(self.strand, other.name)


def trained_on_batch(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`train_on_batch` has returned."""
    told = note_of(model)
    if not isinstance(told, Batches) or not told.strand.recording:
        cls = f"{type(model).__module__}.{type(model).__qualname__}"
        strand = begin("keras", models.name_of(model), cls, returned=True)
        if strand is None:
            return
        told = strand.counter = Batches(strand, model.name)
        tell_compiled(model, strand.params)
        remember(model, strand, note=told)
    told.goes_on()
    for name, value in _scores(model, result):
        told.strand.series(f"train/{name}").record(told.count, value)
    told.count += 1
