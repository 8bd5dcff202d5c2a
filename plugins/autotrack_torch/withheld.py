"""Points of losses that wait for their names, where a library tells those a little later than the losses come."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from autotrack_torch import deferred
from autotrack_torch.training import in_thread

if TYPE_CHECKING:
    from autotrack_torch.losses import Loss


class Point:
    """A loss of a backward pass: the `at`th of its call."""

    __slots__ = ("at", "loss", "step", "tensor", "value", "when")

    def __init__(self, loss: Loss, at: int, step: int, tensor: Any, when: float) -> None:
        self.loss, self.at, self.step, self.tensor, self.when = loss, at, step, tensor, when
        self.value = tensor.detach().clone() if deferred.is_far(tensor) else deferred.number(tensor)


def withhold() -> None:
    """From here on, until `release`."""
    in_thread().withheld = []


def release(name_of: Callable[[Any], str]) -> None:
    """Record what waits, under the name that is known for a loss by now; empty where none is."""
    here = in_thread()
    points, here.withheld = here.withheld or [], None
    for point in points:
        _rename(point, name_of(point.tensor))
    for point in points:
        loss = point.loss
        assert loss.training is not None
        series = loss.training.strand.series(f"train/{loss.training.name_for(loss, loss.names[point.at])}")
        if isinstance(point.value, float):
            series.record_at(point.step, point.value, point.when)
        else:
            deferred.push(series, point.step, point.value)


def _rename(point: Point, name: str) -> None:
    """Not where there are points under the name that it has, nor to one that another loss has."""
    loss, known = point.loss, point.loss.names[point.at]
    training = loss.training
    assert training is not None
    if not name or name == known or name in training.losses or training.strand.has(f"train/{known}", other_than=""):
        return
    if training.losses.get(known) is loss:
        del training.losses[known]
    loss.names[point.at] = name
    training.losses[name] = loss
