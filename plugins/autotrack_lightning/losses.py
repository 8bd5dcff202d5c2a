"""The loss of `training_step`: what the program calls it, and its value before Lightning divides it."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Mapping
from typing import Any

from autotrack.plugin_api import series_name, strand_of
from autotrack_torch import deferred, loop, withheld
from autotrack_torch.training import in_thread


class Told:
    """What is known of a fit."""

    __slots__ = ("divided", "logged", "loss", "offset", "settled", "trainer")

    def __init__(self, trainer: Any, offset: int) -> None:
        self.trainer = weakref.ref(trainer)
        self.offset = offset
        """The steps of the fits before, which this trainer does not count."""
        self.logged: list[tuple[str, Any]] = []
        """What the first step has logged."""
        self.settled = False
        """Whether the first step is over."""
        self.loss: frozenset[str] = frozenset()
        """The names under which the loss itself is logged, at the first step."""
        self.divided = 1
        """The batches that are accumulated, by whose number the loss is divided."""


class _Settled:
    """The trainer of whose steps nothing is to be told any more, which is asked at each of them."""

    trainer: weakref.ref[Any] | None = None


def begun() -> None:
    """A fit begins."""
    _Settled.trainer = None


def _is_settled(trainer: Any) -> bool:
    known = _Settled.trainer() if _Settled.trainer is not None else None
    return known is not None and known is trainer and known.accumulate_grad_batches == 1


def told_of(module: Any) -> Told | None:
    strand = strand_of(module)
    told = strand.memo.get("lightning") if strand is not None else None
    return told if isinstance(told, Told) else None


def named(args: tuple[Any, ...], kwargs: dict[str, Any], result: None) -> None:
    """`LightningModule.log(name, value, ...)` has returned."""
    if _is_settled(args[0].__dict__.get("_trainer")):
        return
    told = told_of(args[0])
    if told is None or told.settled or in_thread().paused or args[0]._current_fx_name != "training_step":
        return
    name = args[1] if len(args) > 1 else kwargs.get("name")
    if isinstance(name, str):
        told.logged.append((name, args[2] if len(args) > 2 else kwargs.get("value")))


def hooked(args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
    """The strategy has called something of the program: `_call_strategy_hook(trainer, hook_name, ...)`.  Each step."""
    name = args[1] if len(args) > 1 else kwargs.get("hook_name")
    if name == "backward":
        in_thread().given = None
    elif name == "training_step" and not _is_settled(args[0]) and not in_thread().paused:
        _stepping(args[0], output)


def _stepping(trainer: Any, output: Any) -> None:
    """`training_step` has returned; the gradients of its loss are computed next."""
    told = told_of(trainer.lightning_module)
    if told is None:
        return
    if not trainer.lightning_module.automatic_optimization:
        if not told.settled:
            told.settled = True
            told.loss = frozenset(name for name, value in told.logged if _is_known(value))
            withheld.release(lambda loss: _logged_as(told.logged, loss))
            told.logged = []
            loop.unsettle()
            _Settled.trainer = weakref.ref(trainer)
        return
    loss = output.get("loss") if isinstance(output, Mapping) else output
    if not hasattr(loss, "grad_fn"):
        return
    here = in_thread()
    if not told.settled:
        told.settled = True
        names = [name for name, value in told.logged if _is_same(value, loss)]
        told.logged, told.loss = [], frozenset(names)
        here.name = _plain(names[0]) if names else "loss"
    if trainer.accumulate_grad_batches != told.divided:
        told.divided = trainer.accumulate_grad_batches
        loop.unsettle()
    if told.divided != 1:
        here.given = loss
    _Settled.trainer = weakref.ref(trainer) if told.divided == 1 else None


def steps_of(trainer: Any) -> int:
    """The steps that a trainer has made: of its batches, however many optimizers step in each."""
    return int(trainer.fit_loop.epoch_loop._batches_that_stepped)


def _is_known(value: Any) -> bool:
    """Whether what was logged is a loss whose gradients the program has just had computed."""
    return any(_is_same(value, point.tensor) for point in in_thread().withheld or ())


def _logged_as(logged: list[tuple[str, Any]], loss: Any) -> str:
    """The name under which `training_step` has logged a loss; empty where it has not."""
    return next((_plain(name) for name, value in logged if _is_same(value, loss)), "")


def _plain(logged: str) -> str:
    return series_name(logged, "train").removeprefix("train/")


def _is_same(value: Any, loss: Any) -> bool:
    """Whether what was logged is the loss: equal values may be so by chance, or for a while."""
    torch: Any = sys.modules["torch"]
    if value is loss or not isinstance(value, torch.Tensor):
        return value is loss
    same = value.numel() == 1 and value.dtype == loss.dtype and value.device == loss.device
    return bool(same and value.data_ptr() == loss.data_ptr())


def is_on_record(series: str, value: Any, told: Told | None, logged: str) -> bool:
    """Whether what is logged of a step is the loss of its backward pass; by its value, where that is at hand."""
    training = in_thread().training
    loss = training.losses.get(series.removeprefix("train/")) if training is not None else None
    if loss is None:
        return False
    if deferred.is_far(value):
        return told is not None and logged in told.loss
    return deferred.number(value) == loss.seen
