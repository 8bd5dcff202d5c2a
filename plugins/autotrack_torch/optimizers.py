"""Optimizers: what they are set to, how often they step, and the learning rate as it goes."""

from __future__ import annotations

import itertools
import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType
from typing import Any

from autotrack import Strand
from autotrack.plugin_api import as_recorded, variables
from autotrack_torch import deferred
from autotrack_torch import training as trainings
from autotrack_torch.extension import Stepping, built
from autotrack_torch.naming import HANDING
from autotrack_torch.training import Generation, Training, in_thread

GROUPS = 100
"""Parameter groups whose settings are recorded."""
LAYERS = 10
"""Frames between a step and that of a class above."""
FAR = 1e15
"""Steps that no optimizer has made."""
_known: dict[int, Stepped] = {}


class Stepped(Stepping):
    """An optimizer."""

    __slots__ = (
        "before", "far", "first", "given", "here", "layered", "loaded", "made", "name", "observed", "others", "over_at",
        "schedulers", "series", "settings", "training", "values",
    )  # fmt: skip

    def __init__(self, optimizer: Any) -> None:
        self.reference = weakref.ref(optimizer)
        self.count = 0
        """Steps that were made."""
        self.made = Generation.number
        self.over_at = -1
        """How many of them as another optimizer took its place."""
        self.observed = False
        """Whether its steps are seen: those of compiled optimizers are not."""
        self.others: dict[int, int] = {}
        """How far others were when it was made."""
        self.given = [_settings_of(group) for group in optimizer.param_groups[:GROUPS]]
        """What it was set to as it was met first, each group of parameters."""
        self.loaded = False
        """Whether it has got its settings from a checkpoint since, and has made no step."""
        self.settings: dict[str, Any] = {}
        """Those on record, with its schedulers'."""
        self.before: dict[str, Any] = {}
        """Those of the phase before."""
        self.first = 0
        """Which its first parameter is, by its id."""
        self.schedulers: list[weakref.ref[Any]] = []
        self.name = ""
        self.training: Training | None = None
        self.here = in_thread()
        """The thread that makes its steps."""
        self.pending = self.here.pending
        self.layered = sum("step" in vars(cls) for cls in type(optimizer).__mro__) > 2
        """Whether its step may call that of a class above, for which hooks are called, too."""
        self.rates = () if self.layered else (None,) * len(optimizer.param_groups)
        """The learning rate of each group as the very object that was seen last."""
        self.values: list[float | None] = []
        self.series: list[Any] = []
        self.far: dict[int, deferred.Changes] = {}
        """Of groups whose learning rate is on a device."""
        self.several = None
        """Losses of which there is more than one pass a step, if any."""

    def parameters(self) -> list[Any]:
        optimizer = self.reference()
        return [p for group in optimizer.param_groups for p in group["params"]] if optimizer is not None else []


def _settings_of(group: dict[str, Any]) -> dict[str, Any]:
    """The settings of a group as they go on record, so that none of the program's objects is kept; its learning rate as
    a scheduler has found it, where one was there before us."""
    settings = {name: value for name, value in group.items() if name not in ("params", "initial_lr")}
    if "initial_lr" in group:
        settings["lr"] = group["initial_lr"]
    return _recorded({name: deferred.as_setting(value) for name, value in settings.items()})


def _recorded(settings: dict[str, Any]) -> dict[str, Any]:
    near = {name: value for name, value in settings.items() if not isinstance(value, deferred.Setting)}
    return {**settings, **as_recorded(near)}


def is_tensor(value: Any) -> bool:
    return isinstance(value, sys.modules["torch"].Tensor) and value.numel() == 1


_NOT_THEIRS = ("torch", "autotrack", "autotrack_torch")


def state_of(optimizer: Any) -> Stepped:
    state = _known.get(id(optimizer))
    if state is None or state.reference() is not optimizer:
        if len(_known) > 1_000:
            for key, old in list(_known.items()):
                if old.reference() is None:
                    del _known[key]
        state = _known[id(optimizer)] = Stepped(optimizer)
    return state


def made(args: tuple[Any, ...], kwargs: dict[str, Any], result: None) -> None:
    """An optimizer has been made: what comes now may be another training."""
    from autotrack_torch import loop

    Generation.number += 1
    state = state_of(args[0])
    in_thread().passed = False
    alive = (other for other in _known.values() if other is not state and other.reference() is not None)
    state.others = {id(other): other.count for other in alive}
    loop.unsettle()


def restored(args: tuple[Any, ...], kwargs: dict[str, Any], result: None) -> None:
    """An optimizer has got a state: one that was copied or unpickled is made by that alone."""
    state = _known.get(id(args[0]))
    if (state is None or state.reference() is not args[0]) and hasattr(args[0], "param_groups"):
        made(args, kwargs, result)


def loaded(args: tuple[Any, ...], kwargs: dict[str, Any], result: None) -> None:
    """An optimizer has got the state of a checkpoint: no step is ever made with what it was set to before."""
    state = state_of(args[0])
    state.loaded = state.training is None


def steps_from(optimizer: Any, count: int) -> None:
    """A training goes on that was begun in another program, after so many steps."""
    state = state_of(optimizer)
    if not state.count:
        state.count = count


def counts() -> list[tuple[Stepped, int]]:
    """How far each optimizer of this thread is, for `put_back`."""
    here = in_thread()
    return [(state, state.count) for state in _known.values() if state.here is here]


def put_back(counts: list[tuple[Stepped, int]]) -> None:
    """What has been stepped since did not count."""
    known, here = dict(counts), in_thread()
    for state in _known.values():
        if state.here is here:
            state.count = known.get(state, 0)


def are_over(optimizers: Iterable[Any]) -> None:
    """What is trained from here on is stepped by others, unless they are used again."""
    for optimizer in optimizers:
        state = _known.get(id(optimizer))
        if state is not None and state.reference() is optimizer:
            state.over_at = state.count


def in_use(states: list[Stepped]) -> list[Stepped]:
    """Those in whose place there is no other now."""
    return [state for state in states if state.count != state.over_at] or states


def only() -> list[Stepped]:
    """The optimizer that there is, where there is one alone."""
    alive = [state for state in _known.values() if state.reference() is not None]
    return alive if len(alive) == 1 else []


def is_alone() -> bool:
    """Whether there is no more than one optimizer."""
    return sum(state.reference() is not None for state in _known.values()) <= 1


def any_known() -> bool:
    return any(state.reference() is not None for state in _known.values())


def of_parameters(parameters: list[Any]) -> list[Stepped]:
    """The optimizers that step any of these parameters."""
    wanted = {id(parameter) for parameter in parameters}
    states = list(_known.values())
    return [state for state in states if any(id(parameter) in wanted for parameter in state.parameters())]


def observer() -> tuple[Callable[[Any, tuple[Any, ...], dict[str, Any]], None], Callable[..., bool] | None]:
    """What is called after each step of an optimizer, and what of the extension is before: see `loop.observer`."""
    known, identity = _known, id

    def stepped(optimizer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        state = known.get(identity(optimizer))
        if state is None or state.reference() is not optimizer or state.pending or state.several is not None:
            state = _look(optimizer, len(args) > 1 or bool(kwargs))
            if state is None:
                return
        if state.here.paused or (state.layered and _is_within(optimizer)):
            return
        if state.training is None and _look(optimizer, len(args) > 1 or bool(kwargs)) is None:
            return
        try:
            for number, group in enumerate(optimizer.param_groups):
                if number >= len(state.rates) or group.get("lr") is not state.rates[number]:
                    _rate_changed(state, number, group.get("lr"))
                    state.observed = True
        finally:
            state.count += 1

    return stepped, built.Counted(_known) if built is not None else None


def _is_within(optimizer: Any) -> bool:
    """Whether the step that has ended was called by another one of the same optimizer: that of a class above."""
    frame: FrameType | None = sys._getframe(2)
    steps = 0
    for _ in range(LAYERS):
        if frame is None:
            break
        if frame.f_code.co_name == "wrapper" and frame.f_globals.get("__name__") == "torch.optim.optimizer":
            steps += variables(frame).get("self") is optimizer
        frame = frame.f_back
    return steps > 1


def _look(optimizer: Any, closed: bool) -> Stepped | None:
    """A step on which there is more to do: the first one, or one after several backward passes."""
    state = state_of(optimizer)
    if state.here.paused:
        return None
    if state.training is None:
        state = _met(optimizer, sys._getframe(2))
        if state.training is None:
            return None
    pending = state.here.pending
    for loss in pending:
        if loss.optimizer is None and loss.training is state.training:
            loss.bind(state)
    pending[:] = [loss for loss in pending if loss.optimizer is None]
    several, state.several = state.several, None
    for loss in several or ():
        loss.stepped(state.count, closed)
    return state


def _met(optimizer: Any, frame: FrameType | None) -> Stepped:
    """The first step of an optimizer."""
    state = state_of(optimizer)
    state.here = in_thread()
    state.pending = state.here.pending
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _NOT_THEIRS:
        frame = frame.f_back
    parameters = state.parameters()
    here = state.here
    if here.training is not None and here.passed and not trainings.of_parameters(parameters):
        trainings.own(here.training, parameters)  # it steps after that pass
    state.training = trainings.resolve(parameters, frame)
    if state.training is None:
        return state
    join_optimizer(state, frame)
    return state


def join_optimizer(state: Stepped, frame: FrameType | None) -> None:
    """An optimizer turned out to be part of a training: what it is set to goes on record."""
    training, optimizer = state.training, state.reference()
    assert training is not None
    if state in training.optimizers or optimizer is None:
        return
    phase = next((n for n, other in enumerate(training.optimizers, 2) if not _beside(state, other)), 0)
    if phase:  # what was trained before goes on, with another optimizer
        state.count = training.steps
        for other in training.optimizers:
            if not _beside(state, other):
                other.over_at = other.count
        state.name = f"phase{len(training.optimizers) + 1}"
    elif any(_beside(state, other) for other in _known.values()):
        name, taken = _variable(frame, optimizer), {other.name for other in training.optimizers}
        numbered = (f"{name}#{number}" for number in itertools.count(2))
        state.name = next(candidate for candidate in itertools.chain([name], numbered) if candidate not in taken)
    if not phase and state.loaded:
        steps_from(optimizer, _loaded_steps(optimizer))
    if phase or not training.optimizers:
        training.strand.counter = state
    state.first = next((id(parameter) for parameter in state.parameters()), 0)
    if phase:
        same = (other for other in reversed(training.optimizers) if other.first == state.first)
        state.before = next(same, training.optimizers[-1]).settings
    training.optimizers.append(state)
    if state.loaded:
        state.given = []
    settings: dict[str, Any] = _recorded({"optimizer": type(optimizer).__name__})
    groups = state.given + [_settings_of(group) for group in optimizer.param_groups[len(state.given) : GROUPS]]
    for number, group in enumerate(groups):
        for name, value in group.items():
            if number == 0:
                settings[name] = value
            elif not _same(value, groups[0].get(name)):
                settings[f"group[{number}].{name}"] = value
    _tell(state, settings)
    for at in range(len(state.schedulers)):
        _tell_scheduler(state, at)


def _loaded_steps(optimizer: Any) -> int:
    """The steps that an optimizer has made in another program, by the state that was loaded into it."""
    most = 0
    for held in itertools.islice(dict.values(optimizer.state), 10):
        steps = held.get("step") if isinstance(held, dict) else None
        if is_tensor(steps):
            steps = None if deferred.is_far(steps) else deferred.number(steps)
        if isinstance(steps, (int, float)) and 0 < steps < FAR:
            most = max(most, int(steps))
    return most


def _tell(state: Stepped, settings: dict[str, Any]) -> None:
    """Settings of an optimizer as they go on record; of one that another phase goes on with, what differs from the one
    before."""
    assert state.training is not None
    state.settings.update(settings)
    prefix = f"{state.name}." if state.name else ""
    changed = {
        f"{prefix}{name}": value
        for name, value in settings.items()
        if name not in state.before or not _same(value, state.before[name])
    }
    for name, value in changed.items():
        if isinstance(value, deferred.Setting):
            value.tell(partial(_tell_later, state.training.strand, name))
    changed = {name: value for name, value in changed.items() if not isinstance(value, deferred.Setting)}
    if changed:
        state.training.strand.described_params(changed, "optimizer")


def _tell_later(strand: Strand, name: str, value: Any) -> None:
    strand.params({name: value}, "optimizer")


def _same(one: Any, other: Any) -> Any:
    return one is other or (type(one) is type(other) and type(one).__module__ == "builtins" and one == other)


def scheduled(args: tuple[Any, ...], kwargs: dict[str, Any], result: None) -> None:
    """A scheduler has been made, whose constructor mostly calls this one at its end."""
    scheduler = args[0]
    optimizer = getattr(scheduler, "optimizer", None)
    if type(optimizer).__module__.partition(".")[0] in HANDING:  # one that stands around another
        optimizer = getattr(optimizer, "optimizer", optimizer)
    if optimizer is None or not hasattr(optimizer, "param_groups"):
        return
    state = state_of(optimizer)
    if not any(reference() is scheduler for reference in state.schedulers):
        state.schedulers.append(weakref.ref(scheduler))
        _tell_scheduler(state, len(state.schedulers) - 1)


def _tell_scheduler(state: Stepped, at: int) -> None:
    """Class and settings of a scheduler: what it holds that is a number, a word or a list of them."""
    scheduler = state.schedulers[at]()
    if scheduler is None or state.training is None:
        return
    prefix = f"scheduler[{at}]" if at else "scheduler"
    held = {name: value for name, value in vars(scheduler).items() if name[:1] != "_" and name not in _PROGRESS}
    plain = {
        f"{prefix}.{name}": sorted(value.elements()) if type(value) is Counter else value
        for name, value in held.items()
        if type(value) in (bool, int, float, str, Counter)
        or (type(value) in (list, tuple) and len(value) <= GROUPS and all(type(v) in (int, float) for v in value))
    }
    _tell(state, _recorded({prefix: type(scheduler).__name__, **plain}))


_PROGRESS = frozenset("last_epoch base_lrs verbose T_cur best num_bad_epochs cooldown_counter mode_worse".split())
"""What a scheduler keeps of where it is."""


def _beside(state: Stepped, other: Stepped) -> bool:
    """Whether another optimizer steps in turns with this one: it has stepped since this one was made, or waits for its
    first step as well."""
    if other is state or other.reference() is None or other.count == other.over_at:
        return False
    return (
        other.count > state.others.get(id(other), 0)
        or (not other.count and id(other) in state.others)
        or (id(state) in other.others and not state.count)
    )


def _variable(frame: FrameType | None, wanted: Any) -> str:
    """The name of the variable that holds an optimizer, alone, in a list or dict, or as an attribute of `self`."""
    while frame is not None:
        for space in (variables(frame), frame.f_globals):
            for name, value in list(space.items()):
                if name != "self" and _stands_for(value, wanted):
                    return str(name)
                if type(value) in (list, tuple) and len(value) <= 100:
                    found = next(
                        (f"{name}[{at}]" for at, entry in enumerate(value) if _stands_for(entry, wanted)), None
                    )
                elif type(value) is dict and len(value) <= 100:
                    keys = (str(key) for key, entry in list(value.items()) if _stands_for(entry, wanted))
                    found = next((f"{name}[{key}]" for key in keys), None)
                else:
                    held = getattr(value, "__dict__", None) if name == "self" else None
                    entries = list(held.items()) if type(held) is dict else []
                    found = next((str(key) for key, entry in entries if _stands_for(entry, wanted)), None)
                if found is not None:
                    return found
        frame = frame.f_back
    return "optimizer"


def _stands_for(value: Any, optimizer: Any) -> bool:
    """Whether it is an optimizer, or what a library has put around it."""
    if value is optimizer or type(value).__module__.partition(".")[0] not in HANDING:
        return value is optimizer
    held = getattr(value, "__dict__", {})
    return held.get("_optimizer") is optimizer or held.get("optimizer") is optimizer


def rates_of(state: Stepped) -> None:
    """Record the learning rates that have changed."""
    optimizer = state.reference()
    for number, group in enumerate(optimizer.param_groups if optimizer is not None else ()):
        _rate_changed(state, number, group.get("lr"))


def _rate_changed(state: Stepped, number: int, rate: Any) -> None:
    assert state.training is not None
    while len(state.series) <= number:
        group = len(state.series)
        name = f"lr[{group}]" if group else "lr"
        name = f"{state.name}.{name}" if state.name and not state.name.startswith("phase") else name
        state.series.append(state.training.strand.series(name))
        state.values.append(None)
    rates = [*state.rates, *[None] * (number + 1 - len(state.rates))]
    rates[number] = None if is_tensor(rate) else rate  # a tensor may be changed where it is: asked at each step
    state.rates = () if state.layered else tuple(rates)
    if is_tensor(rate):
        if deferred.is_far(rate):
            far = state.far.get(number) or state.far.setdefault(number, deferred.Changes(state.series[number]))
            deferred.push(far, state.count, rate)
            return
        rate = deferred.number(rate)
    if type(rate).__module__ == "numpy" and hasattr(rate, "item"):
        rate = rate.item()
    if isinstance(rate, (int, float)) and rate != state.values[number]:
        state.values[number] = rate
        state.series[number].record(state.count, rate)


def forget() -> None:
    for state in _known.values():
        state.reference = None  # the extension may have the last one at hand
    _known.clear()
