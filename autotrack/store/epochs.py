"""Curves along epochs: how many of these a training had gone through at each point.

Epochs are counted where a data loader or a pipeline is gone through: the series `epoch` has, at the step and the time
at which each began, its number, from 0 on.  Of Keras's `fit` the steps of a series are epochs, but for those of
batches, `NAME.batch`.  A series whose steps are those of `epoch` lies by its steps.  Of another (what is printed once
an epoch has the epoch's number as its step) only the time says in which epoch a point is: those of one epoch are spread
over it by their own steps, so that the last of them lies at its end.  Points before the first epoch have no place; the
last epoch, which may not be over, is taken to be as long as the one before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy

from autotrack.store import curve

if TYPE_CHECKING:
    from autotrack.store.curve import Array
    from autotrack.store.query import Store

SERIES, BATCH = "epoch", ".batch"


class Epochs(NamedTuple):
    """Of a run: the step and the time (seconds since the epoch of the clock) at which each began, and its number."""

    steps: Array
    times: Array
    numbers: Array
    origin: str
    """Of the series: those of this one have its steps; none where the steps of others are epochs."""


def of(store: Store, run: dict[str, Any]) -> Epochs | None:
    """The epochs of a run, which is as `Store.run` has it; None where none are on record."""
    metrics = run["metrics"]
    if SERIES in metrics:
        found = curve.points(store, run, [SERIES], log=False).get(SERIES)
        return _begun(*found, metrics[SERIES]["origin"]) if found is not None else None
    batches = [name.removesuffix(BATCH) for name in metrics if name.endswith(BATCH)]
    ended = next((name for name in batches if name in metrics), None)
    if run["framework"] != "keras" or ended is None:
        return None
    steps, times, _ = curve.points(store, run, [ended], log=False).get(ended, (numpy.zeros(0, int),) * 3)
    numbers = numpy.arange(len(steps) + 1, dtype=float)
    return Epochs(numbers.astype(int), numpy.concatenate(([-numpy.inf], times)), numbers, "")


def _begun(steps: Array, times: Array, numbers: Array, origin: str) -> Epochs | None:
    """Of an epoch that is told more than once the first time."""
    there = numpy.flatnonzero(numpy.isfinite(numbers))
    there = there[numpy.argsort(times[there], kind="stable")]
    steps, times, numbers = steps[there], times[there], numbers[there]
    if not len(numbers):
        return None
    first = numpy.concatenate(([True], numbers[1:] > numpy.maximum.accumulate(numbers)[:-1]))
    return Epochs(steps[first], times[first], numbers[first], origin)


def along(epochs: Epochs, name: str, origin: str, steps: Array, times: Array) -> Array:
    """Where the points of a series lie: 1.0 is the end of the first epoch; NaN where there was none yet."""
    if not epochs.origin:
        if not name.endswith(BATCH) and origin == "framework":
            return steps + 1.0
        which = numpy.searchsorted(epochs.times, times, side="left") - 1  # the end of an epoch belongs to it
        return _placed(epochs, which, _shares(which, steps, len(epochs.numbers)))
    if origin == epochs.origin and (numpy.diff(epochs.steps) >= 0).all():
        which = numpy.searchsorted(epochs.steps, steps, side="right") - 1
        return _placed(epochs, which, _by_steps(epochs.steps, which, steps))
    which = numpy.searchsorted(epochs.times, times, side="right") - 1
    return _placed(epochs, which, _shares(which, steps, len(epochs.numbers)))


def _placed(epochs: Epochs, which: Array, shares: Array) -> Array:
    sizes = numpy.diff(epochs.numbers)
    sizes = numpy.concatenate((sizes, sizes[-1:] if len(sizes) else [1.0]))
    return numpy.where(which >= 0, epochs.numbers[which] + shares * sizes[which], numpy.nan)


def _by_steps(begun: Array, which: Array, steps: Array) -> Array:
    """The share of its epoch that is over after each step."""
    lengths = numpy.diff(begun)
    lengths = numpy.concatenate((lengths, lengths[-1:] if len(lengths) else [steps.max() + 1 - begun[-1]]))
    shares: Array = (steps - begun[which] + 1) / numpy.maximum(lengths[which], 1)
    return shares


def _shares(which: Array, steps: Array, count: int) -> Array:
    """As `_by_steps`, of a series whose own steps alone say how its points lie within an epoch."""
    low, high = numpy.full(count, numpy.inf), numpy.full(count, -numpy.inf)
    inside = which >= 0
    numpy.minimum.at(low, which[inside], steps[inside])
    numpy.maximum.at(high, which[inside], steps[inside])
    lengths = high - low + 1
    known = numpy.flatnonzero(numpy.isfinite(lengths))
    if len(known) > 1:
        lengths[known[-1]] = lengths[known[-2]]
    shares: Array = (steps - low[which] + 1) / lengths[which]
    return shares
