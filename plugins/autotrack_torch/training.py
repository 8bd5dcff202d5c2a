"""Which training a loss and an optimizer are of.

What a loss is of, and what an optimizer steps, are parameters: they tell what belongs together.  Whatever shares
parameters is one training, whatever shares none is another; two that take turns in one thread are one (the generator
and the discriminator, the actor and the critic).
"""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import Iterable
from types import FrameType
from typing import TYPE_CHECKING, Any

from autotrack import Strand
from autotrack.plugin_api import LoopTraining, begin, settings_around
from autotrack_torch import modules

if TYPE_CHECKING:
    from autotrack_torch.losses import Loss
    from autotrack_torch.optimizers import Stepped


EVALUATED = 20
"""Data sets on record that a training was evaluated on under one name: they may be made anew each time."""


class Training(LoopTraining):
    """A training in this process."""

    def __init__(self, strand: Strand) -> None:
        super().__init__(strand)
        self.optimizers: list[Stepped] = []
        self.fed = False
        """Whether a data loader is known that feeds it."""
        self.losses: dict[str, Loss] = {}
        """By name, the first backward pass that has it."""
        self.clipped: set[str] = set()
        """Under which it is on record what gradients are clipped to."""
        self.described: list[weakref.ref[Any]] = []
        """The modules that are on record."""
        self.clock: Any = None
        """The data loader whose rounds are its epochs."""
        self.epochs = 0
        """The number of the next one."""
        self.evaluated: Counter[str] = Counter()
        """By the name of its loader, how many data sets are on record that it was evaluated on."""

    def label(self) -> str:
        return next((state.name for state in self.optimizers if state.name), "")

    @property
    def steps(self) -> int:
        """Of the optimizer that steps most; without one, the passes of the loss that has most."""
        if not self.optimizers:
            return max((loss.step + 1 for loss in self.losses.values()), default=0)
        return max(state.count for state in self.optimizers)

    @property
    def step(self) -> int:
        """The one that the last backward pass was of."""
        return self.steps if self.optimizers else self.steps - 1

    def is_in_training_mode(self) -> bool:
        """Whether any of its models is, as far as these are known."""
        modules = [module for reference in self.described if (module := reference()) is not None]
        return not modules or any(module.training for module in modules)

    def evaluates(self, name: str) -> bool:
        """Whether another data set of that name is to be recorded."""
        self.evaluated[name] += 1
        if self.evaluated[name] == EVALUATED + 1:
            self.strand.gap(f"data of {name}", f"up to {EVALUATED} data sets are recorded")
        return self.evaluated[name] <= EVALUATED

    def name_for(self, loss: Loss, name: str) -> str:
        """The name of the series of a loss: another than that of a loss which another optimizer steps beside it."""
        function = loss.key.co_name.strip("<>") if loss.key is not None else ""
        for candidate in (name, f"{name} ({function})", *(f"{name}[{number}]" for number in range(1, 100))):
            taken = self.losses.setdefault(candidate, loss)
            if taken is loss or not taken.beside(loss):
                return candidate
        return name


class Here:
    """What happens in a thread: the training that was seen last, and the losses since the last step."""

    __slots__ = (
        "batches", "epochs", "given", "name", "other", "passed", "paused", "pending", "round", "scaled", "split",
        "training", "withheld",
    )  # fmt: skip

    def __init__(self) -> None:
        self.training: Training | None = None
        self.pending: list[Loss] = []
        self.passed = False
        """Whether a loss was seen since an optimizer was made."""
        self.round: Any = None
        """The round of a data loader that the last batch has come from."""
        self.batches = 0
        """That data loaders have given."""
        self.other: Any = None
        """The data loader before that, from which another one has come."""
        self.scaled: tuple[Any, Any] | None = None
        """The last loss that was multiplied for half precision, and what it was before."""
        self.given: Any = None
        """What the program calls the loss, while a library computes the gradients of something made of it."""
        self.epochs = 0
        """The epochs that a training which goes on has had in another program."""
        self.name = ""
        """What the program calls the loss of the next backward pass, where that is known from elsewhere."""
        self.split = ""
        """What a library iterates data for at the moment, where it says so."""
        self.withheld: list[Any] | None = None
        """Points that wait for the name of their loss: see `withheld`."""
        self.paused = False
        """Whether what a library does at the moment is no part of any training."""


class _Threads(threading.local):
    def __init__(self) -> None:
        self.here = Here()


_threads = _Threads()


def in_thread() -> Here:
    """Of this thread."""
    return _threads.here


_owners: dict[int, tuple[weakref.ref[Any], Training]] = {}
"""By its id, a parameter and its training."""


class Generation:
    """Grows whenever something may belong to another training than it did: an optimizer has been made."""

    number = 0


def of_parameters(parameters: Iterable[Any]) -> list[Training]:
    """The trainings that these parameters are part of, each once."""
    found: dict[int, Training] = {}
    for parameter in parameters:
        known = _owners.get(id(parameter))
        if known is not None and known[0]() is parameter and known[1].strand.ours:
            found[id(known[1])] = known[1]
    return list(found.values())


def by_storage() -> dict[int, Training]:
    """The trainings by where in memory their parameters are."""
    found: dict[int, Training] = {}
    for reference, training in list(_owners.values()):
        parameter = reference()
        if parameter is not None and training.strand.ours:
            found[parameter.untyped_storage().data_ptr()] = training
    return found


def own(training: Training, parameters: Iterable[Any]) -> None:
    for parameter in parameters:
        _owners[id(parameter)] = weakref.ref(parameter), training
    if len(_owners) > _Limit.owners:
        for key, (reference, _) in list(_owners.items()):
            if reference() is None:
                del _owners[key]
        _Limit.owners = max(100_000, 2 * len(_owners))


class _Limit:
    owners = 100_000


def resolve(parameters: list[Any], frame: FrameType | None) -> Training | None:
    """The training of these parameters: begun where there is none, joined where there are several."""
    known = of_parameters(parameters)
    if not known:
        training = _begin(parameters, frame)
        if training is None:
            return None
    else:
        training = min(known, key=lambda entry: entry.strand.began)
        for other in known:
            other.join(training)
        new = {id(parameter) for parameter in parameters if not _is_owned(parameter)}
        if new:
            found = modules.find(frame, new)
            _describe(training, found)
            for _, module in found:
                own(training, module.parameters())
    own(training, parameters)
    return training


def going_on(frame: FrameType | None) -> Training | None:
    """The training of a loss whose graph ends nowhere near, and for which no optimizer is known: the last one."""
    last = in_thread().training
    return last if last is not None and last.strand.ours and last.strand.goes_on else resolve([], frame)


def _is_owned(parameter: Any) -> bool:
    known = _owners.get(id(parameter))
    return known is not None and known[0]() is parameter


def entered(training: Training) -> None:
    """Something of a training has happened in this thread after something of another."""
    here = in_thread()
    before, here.training = here.training, training
    training.enter(before)


def leave(strand: Strand) -> None:
    """What comes in this thread is of a strand that stands around it: what was trained before is over."""
    here = in_thread()
    before = here.training
    if before is not None and before.strand is not strand:
        here.training = None
        if before.strand.recording and before.strand.goes_on:
            before.strand.end("finished")


def _begin(parameters: list[Any], frame: FrameType | None) -> Training | None:
    before = in_thread().training
    found = modules.find(frame, {id(parameter) for parameter in parameters})
    classes = [type(modules.unwrapped(module)) for _, module in found]
    name = ", ".join(dict.fromkeys(cls.__name__ for cls in classes)) or "training"
    cls = f"{classes[0].__module__}.{classes[0].__qualname__}" if classes else ""
    strand = begin("torch", name, cls, frame)
    if strand is None:
        return None
    if before is not None and before.strand.ours and before.strand is not strand and before.strand.goes_on:
        before.strand.end("finished")
    training = Training(strand)
    for _, module in found:
        own(training, module.parameters())
    _describe(training, found)
    strand.params(settings_around(frame), "local")
    return training


def _describe(training: Training, found: list[tuple[str, Any]]) -> None:
    """Class and size of the model, or of another one that turns out to be part of the training."""
    counted: dict[str, Any] = {}
    later = bool(training.described)
    for name, module in found:
        if any(reference() is module for reference in training.described):
            continue
        training.described.append(weakref.ref(module))
        prefix = f"{name}." if later or len(found) > 1 else ""
        counted[f"{prefix}model"] = type(modules.unwrapped(module)).__name__
        sizes = [(parameter.numel(), parameter.requires_grad) for parameter in module.parameters()]
        counted[f"{prefix}parameters"] = sum(size for size, _ in sizes)
        counted[f"{prefix}trainable_parameters"] = sum(size for size, trained in sizes if trained)
    if counted:
        training.strand.params(counted, "model")


def forget() -> None:
    _owners.clear()
    _threads.here = Here()
