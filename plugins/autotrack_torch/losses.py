"""A call of `backward`, and what is known of the losses that it is given."""

from __future__ import annotations

import sys
import weakref
from types import CodeType
from typing import Any

from autotrack_torch import deferred, graph, optimizers
from autotrack_torch import training as trainings
from autotrack_torch.extension import Passing
from autotrack_torch.optimizers import Stepped
from autotrack_torch.training import Training

SURE = 2
"""Passes after which a call is taken to be of one model until something says otherwise."""


class Loss(Passing):
    """A call of `backward` in one thread: its losses, and the training that they are of."""

    __slots__ = (
        "beside_it", "far", "first", "fresh", "here", "key", "leaf", "mark", "mean", "met", "micro", "names", "one",
        "passes", "series", "sure", "total", "training", "varies", "version",
    )  # fmt: skip

    def __init__(self, code: CodeType | None, at: int, thread: int) -> None:
        self.key: CodeType | None = code
        self.code = None
        """The same, while it is known what training the next pass is of."""
        self.at, self.thread = at, thread
        self.here = trainings.in_thread()
        self.training: Training | None = None
        self.optimizer = None
        """The one whose step follows."""
        self.beside_it: list[Stepped] = []
        """The optimizers that step what it is of."""
        self.names: list[str] = []
        self.series: list[Any] = []
        self.points = None
        self.tail = 0.0
        self.plain = False
        """Whether it is one loss, with no mode about that sees each operation, and its optimizer known."""
        self.step = -1
        """Of the last pass."""
        self.passes = 0
        self.first = 0
        """The generation in which it was met."""
        self.micro = 0
        """Backward passes of the last step, where there are several."""
        self.total = 0.0
        self.one = False
        """Whether it is one loss, recorded as it is passed."""
        self.mean: deferred.Mean | None = None
        """What adds up those of a step that are on a device."""
        self.far: Any = None
        """That device, of the last pass."""
        self.leaf: Any = None
        """One of the parameters that it is of."""
        self.root = None
        """The one that its graph ends at first, weakly."""
        self.mark: tuple[Any, int] | None = None
        """The gradient of a parameter after the last pass, and how often it was changed in place."""
        self.shared = False
        """Whether it is plain but for other optimizers: the call may be another training's turn."""
        self.sure = 0
        """Passes that have turned out to be of the same, `SURE` at most."""
        self.varies = False
        """Whether the call serves other trainings as well."""
        self.fresh = False
        """Whether it was found out just now what the pass is of."""
        self.met: weakref.ref[Any] | None = None
        """The loss of that pass."""
        self.version = -1
        """Of one of the parameters that it is of, how often it was changed in place."""
        self.seen = 0.0
        """The last value."""

    @property
    def count(self) -> int:
        """How many steps were made, where no optimizer makes them."""
        return self.step + 1

    def beside(self, other: Loss) -> bool:
        """Whether another loss of this name is one of its own: its optimizer was there when this one was met."""
        if self.key is other.key and self.at == other.at:
            return False
        mine, its = self.optimizer, other.optimizer
        return mine is not its and its is not None and its.made <= self.first

    def next_step(self) -> int:
        """The step that the next backward pass is of."""
        if self.optimizer is not None:
            return self.optimizer.count  # type: ignore[no-any-return]
        if self.beside_it:
            return min(state.count for state in optimizers.in_use(self.beside_it))
        self.passes += 1
        return self.passes - 1

    def is_of_another(self, root: Any) -> bool:
        """Whether the pass that has just been made, whose graph ends at `root` first, is not known to be of the same
        parameters.  Where neither end is known, it is of others if it left the gradients of these as they were; where
        none were ever known, of the same."""
        own = self.root() if self.root is not None else None
        if own is not None or root is not None:
            return own is not root
        if self.leaf is None:
            return False
        leaf = self.leaf()
        grad = leaf.grad if leaf is not None else None
        if grad is None:
            return True
        if self.mark is not None and self.mark[0]() is grad and self.mark[1] == grad._version:
            return True
        self.mark = weakref.ref(grad), grad._version
        return False

    def goes_on(self, tensor: Any) -> bool:
        """Whether a pass, of what is plain, is of the same as the last one.  Between two steps of its optimizer there
        may be one of a model that no optimizer steps; a step that is not seen counts from here on."""
        if self.optimizer.count != self.step or self.stepped_unseen():
            return True
        return not self.is_of_another(graph.root_of(tensor))

    def stepped_unseen(self) -> bool:
        """Whether its parameters have changed though no step was seen: those of compiled optimizers are not."""
        compiler = sys.modules.get("torch._dynamo.utils")
        if compiler is None or not compiler.counters["frames"] or self.optimizer is None or self.optimizer.observed:
            return False
        leaf = self.leaf() if self.leaf is not None else None
        if leaf is None or leaf._version == self.version:
            return False
        self.version = leaf._version
        optimizers.rates_of(self.optimizer)
        self.optimizer.count += 1
        return True

    def again(self, step: int, value: float) -> None:
        """Another pass of the same step: its losses are those of micro-batches."""
        if not self.micro:
            self.micro, self.total = 1, self.seen
            if self.optimizer is not None and self not in (self.optimizer.several or ()):
                self.optimizer.several = [*(self.optimizer.several or ()), self]
            if self.plain:  # one of them may have been of a model that no optimizer steps: from now on that is asked
                self.varies = True
                self.settle()
        self.micro += 1
        self.total += value

    def stepped(self, at: int, closed: bool) -> None:
        """Its optimizer has stepped after several passes."""
        if self.micro > 1 and not closed and self.training is not None and len(self.names) == 1:
            name = self.series[0].name if self.series[0] is not None else f"train/{self.names[0]}"
            series = self.training.strand.series(f"{name}.step")
            if self.mean is not None and self.far is not None:
                self.mean.push(self.far, series, at, self.micro)
            else:
                series.record(at, self.total / self.micro)
        self.micro, self.total = 0, 0.0

    def bind(self, optimizer: Stepped) -> None:
        """Know the optimizer that steps after it."""
        self.optimizer = optimizer
        self.settle()

    def settle(self) -> None:
        """Find out whether it is plain."""
        plain = self.optimizer is not None and self.one and self.sure >= SURE
        self.plain = plain and not self.varies and optimizers.is_alone()
        self.shared = plain and not self.plain

    def mean_of(self, series: Any) -> deferred.Mean:
        """What adds up the values of a step that are on a device."""
        return self.mean if self.mean is not None and self.mean.series is series else deferred.Mean(series)
