"""Which training a loss and an optimizer are of.

What gradients are taken of, and what an optimizer changes, are variables: whatever shares some is one training, and so
are two that take turns in one thread (the generator and the discriminator).
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
import weakref
from collections.abc import Iterable
from types import FrameType
from typing import Any

from autotrack import Strand
from autotrack.plugin_api import LoopTraining, begin, objects_around, remember, settings_around
from autotrack_keras.compiled import has_own_schedule, is_optimizer, number_of, optimizer_settings, rate_of
from autotrack_keras.models import is_model, name_of, size_of
from autotrack_tensorflow import deferred, frames

OBJECTS = 2_000
"""Objects of the program that are looked at."""
SHARE, READINGS = 0.01, 100
"""Of the time of a training that reading learning rates may take, after the first of them."""


class Training(LoopTraining):
    """A training in this process."""

    def __init__(self, strand: Strand) -> None:
        super().__init__(strand)
        self.optimizers: list[Stepped] = []
        self.passes = 0
        """Steps that were made without an optimizer."""
        self.names: dict[str, Any] = {}
        """By name, what the series is of."""
        self.described: dict[str, weakref.ref[Any]] = {}
        """The models that are on record, by the names of their variables or of their classes."""
        self.epochs = 0
        self.clock: Any = None
        """The data whose rounds are its epochs."""
        self.losses: list[Any] = []
        self.told: dict[str, Any] = {}
        """By the name of its series, the last result of a metric and the step that it was asked for at."""

    def label(self) -> str:
        names = (*self.described, *(state.prefix.rstrip(".") for state in self.optimizers))
        return next(iter(names), "")

    @property
    def count(self) -> int:
        """Steps that were made: those of the optimizer that steps most."""
        return max((state.count for state in self.optimizers), default=self.passes)

    def name_for(self, name: str, place: Any, function: str) -> str:
        """The name of the series of a loss: another than that of a loss at another place, which is beside it."""
        other = [f"{name} ({function})"] if function else []
        for candidate in (name, *other, *(f"{name}[{number}]" for number in range(1, 100))):
            if self.names.setdefault(candidate, place) == place:
                return candidate
        return name


class Stepped:
    """An optimizer, and how often it has stepped."""

    def __init__(self, optimizer: Any) -> None:
        self.reference = weakref.ref(optimizer)
        self.count = 0
        self.known = False
        """Whether it is known how many steps it had made before."""
        self.training: Training | None = None
        self.prefix = ""
        self.losses: list[Any] = []
        """Those that are of its steps."""
        self.variables: set[int] = set()
        """What it steps, by id."""
        self.rate: float | None = None
        self.readings = 0
        self.read = -1
        """The step that its rate was read at last."""
        self.due = 0.0
        """When it is read again, by `time.perf_counter`."""

    def follow(self, variables: list[Any]) -> None:
        """It steps these variables: where another optimizer did before, it goes on from there."""
        if not self.variables or id(variables[0]) not in self.variables:
            self.variables.update(map(id, variables))
        if self.training is not None:
            others = (other for other in self.training.optimizers if other.variables & self.variables)
            self.count = max((other.count for other in others), default=self.count)

    def steps(self, variable: Any) -> bool:
        """Whether it steps a variable."""
        return id(variable) in self.variables

    def begin(self, made: int) -> None:
        """Count on from the steps of another program, whose state it was given, `made` of its own not among them."""
        if not self.known:
            self.known = True
            self.count = max(0, self.iterations() - made)

    def iterations(self) -> int:
        optimizer = self.reference()
        value = getattr(optimizer, "iterations", None)
        return int(value.numpy()) if value is not None else self.count

    def look(self, at: int) -> None:
        """See whether the learning rate is another one now, at little cost."""
        begun = time.perf_counter()
        optimizer = self.reference()
        if optimizer is None or self.training is None or begun < self.due:
            return
        rate = rate_of(optimizer, at)
        if rate is None:
            if has_own_schedule(optimizer):
                why = "the schedule is the program's own and is not called"
                self.training.strand.gap("learning rate of each step", why)
                self.due = begun + 1.0
            return
        value = None if hasattr(rate, "device") and deferred.is_far(rate) else number_of(rate)
        if value is not None and value != self.rate:
            if self.due and at > self.read + 1:
                self.training.strand.gap("learning rate of each step", "it is read as often as that takes no time")
            self.rate = value
            self.training.strand.series(f"{self.prefix}learning_rate").record(at, value)
        self.read = at
        self.readings += 1
        if self.readings > READINGS:  # a schedule's first take long, as operations that are new to TensorFlow do
            now = time.perf_counter()
            self.due = now + (now - begun) / SHARE


class Here:
    """What happens in a thread: the training that was seen last, the losses whose step is not known yet, the data that
    is iterated."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.training: Training | None = None
        self.pending: list[Any] = []
        self.open = False
        """Whether gradients were taken since the last step."""
        self.several: list[weakref.ref[Any]] = []
        """The variables that gradients of a loss of several values were taken of last."""
        self.rounds: Any = None
        """Of the data that is iterated."""


class _Threads(threading.local):
    def __init__(self) -> None:
        self.here = Here()


class State:
    threads = _Threads()
    latest: Here | None = None
    """Of the thread that was seen last; the first replica of a strategy has a new thread each time."""
    owners: dict[int, tuple[weakref.ref[Any], Training]] = {}
    """By its id, a variable and its training."""
    optimizers: dict[int, Stepped] = {}


def in_thread() -> Here:
    """Of this thread, or of the one that this is the first replica of."""
    if frames.is_in_replica() and State.latest is not None:
        return State.latest
    here = State.latest = State.threads.here
    return here


def forget() -> None:
    State.threads, State.latest = _Threads(), None
    State.owners.clear()
    State.optimizers.clear()


def variables_in(given: Any) -> list[Any]:
    """The variables of TensorFlow's in sources of gradients, in lists and dicts too, those in variables of Keras's."""
    found: list[Any] = []
    waiting = [given]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(reversed(value.values()))
        elif isinstance(value, (list, tuple)):
            waiting.extend(reversed(value))
        elif value is not None:
            inner = getattr(value, "_value", value)  # of Keras's
            if hasattr(inner, "assign_sub"):
                found.append(inner)
    return found


def variables_of(model: Any) -> list[Any]:
    """Those of a model of Keras's, by Keras's own property, whatever the program's class makes of it."""
    return variables_in(sys.modules["keras.src.layers.layer"].Layer.variables.fget(model))


def state_of(optimizer: Any) -> Stepped:
    state = State.optimizers.get(id(optimizer))
    if state is None or state.reference() is not optimizer:
        for key, known in list(State.optimizers.items()):
            if known.reference() is None:
                del State.optimizers[key]
        state = State.optimizers[id(optimizer)] = Stepped(optimizer)
    return state


def of_variable(variable: Any) -> Training | None:
    known = State.owners.get(id(variable))
    return known[1] if known is not None and known[0]() is variable and known[1].strand.ours else None


def resolve(variables: list[Any], frame: FrameType | None, around: Training | None = None) -> Training | None:
    """The training of these variables: begun where there is none, joined where there are several.  `around`: that of
    what they are part of, where that is known."""
    first = of_variable(variables[0])
    if first is not None and of_variable(variables[-1]) is first and first.strand.recording:
        return first
    known = {id(found): found for variable in variables if (found := of_variable(variable)) is not None}
    known = {key: training for key, training in known.items() if training.strand.recording}
    if around is not None and around.strand.recording:
        known[id(around)] = around
    if not known:
        training = _begin(variables, frame)
        if training is None:
            return None
    else:
        training = min(known.values(), key=lambda entry: entry.strand.began)
        for other in known.values():
            other.join(training)
        _describe(training, _models(frame, variables))
    _own(training, variables)
    return training


def _own(training: Training, variables: Iterable[Any]) -> None:
    for variable in variables:
        State.owners[id(variable)] = weakref.ref(variable), training


def _begin(variables: list[Any], frame: FrameType | None) -> Training | None:
    here = in_thread()
    before, found = here.training, _models(frame, variables)
    name = ", ".join(dict.fromkeys(name_of(model) for _, model in found)) or "training"
    kind = type(found[0][1]) if found else None
    cls = f"{kind.__module__}.{kind.__qualname__}" if kind is not None else ""
    source = frames.of_source(frame)
    strand = begin("tensorflow", name, cls, source)
    if strand is None:
        return None
    if before is not None and before.strand.ours and before.strand is not strand and before.strand.goes_on:
        before.strand.end("finished")
    training = Training(strand)
    strand.counter = training
    _describe(training, found)
    strand.params(settings_around(source), "local")
    return training


def _models(frame: FrameType | None, variables: list[Any]) -> list[tuple[str, Any]]:
    """The models of Keras's that hold these variables, by the names of the variables that they are in: few, large ones
    first."""
    wanted = {id(variable) for variable in variables}
    held: dict[int, tuple[str, Any, set[int]]] = {}
    for name, value in itertools.islice(objects_around(frame, frames.is_theirs), OBJECTS):
        if id(value) not in held and is_model(value):
            held[id(value)] = name, value, {id(variable) for variable in variables_of(value)}
    chosen = []
    for name, model, has in sorted(held.values(), key=lambda entry: (-len(entry[2] & wanted), len(entry[2]))):
        if has & wanted:
            chosen.append((name, model))
            wanted -= has
    return chosen


def _describe(training: Training, found: list[tuple[str, Any]]) -> None:
    """Class and size of the model, or of another one that turns out to be part of the training."""
    told: dict[str, Any] = {}
    several = bool(training.described) or len(found) > 1
    for name, model in found:
        if any(reference() is model for reference in training.described.values()):
            continue
        training.described[name or type(model).__name__] = weakref.ref(model)
        _own(training, variables_of(model))
        remember(model, training.strand)
        prefix = f"{name}." if name and several else ""
        told[f"{prefix}model"] = type(model).__name__
        if model.weights:
            told[f"{prefix}parameters"] = sum(map(size_of, model.weights))
            told[f"{prefix}trainable_parameters"] = sum(map(size_of, model.trainable_weights))
    if told:
        training.strand.params(told, "model")


def join_optimizer(state: Stepped, training: Training, frame: FrameType | None) -> None:
    """An optimizer turned out to be part of a training: what it is set to goes on record."""
    optimizer = state.reference()
    if state.training is training or optimizer is None:
        return
    state.training = training
    held = [(name, value) for name, value in objects_around(frame, frames.is_theirs) if is_optimizer(value)]
    around = {id(value): name for name, value in reversed(held)}
    if len(around) > 1 or training.optimizers:
        name, taken = around.get(id(optimizer)) or "optimizer", {other.prefix for other in training.optimizers}
        numbered = (f"{name}#{number}." for number in itertools.count(2))
        state.prefix = next(prefix for prefix in itertools.chain([f"{name}."], numbered) if prefix not in taken)
    training.optimizers.append(state)
    settings = {f"{state.prefix}{name}": value for name, value in optimizer_settings(optimizer).items()}
    training.strand.params(settings, "optimizer")


def entered(training: Training) -> None:
    """Something of a training has happened in this thread after something of another."""
    here = in_thread()
    before, here.training = here.training, training
    training.enter(before)
