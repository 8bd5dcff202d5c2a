"""What each of Keras's metrics was updated for last: the batches that are trained on, or an evaluation.

Where its batches come from `tf.data`, they tell, and so does a compiled function which makes steps itself.  Elsewhere
the steps do that are made between the updates of one result: there are none in an evaluation.
"""

from __future__ import annotations

import sys
import weakref
from typing import Any

from autotrack.plugin_api import strand_inside
from autotrack_tensorflow import data, frames, graphs
from autotrack_tensorflow.trainings import Here, Training, in_thread

DEPTH = 1
KEPT = 1_000
"""Metrics that are known."""


class Updates:
    """Those of a metric."""

    def __init__(self, metric: Any) -> None:
        self.reference = weakref.ref(metric)
        self.by: weakref.WeakSet[graphs.Trace] | None = None
        """The compiled functions with steps that have made the last ones."""
        self.training: weakref.ref[Training] | None = None
        """In the midst of which that was made."""
        self.use: data.Use | None = None
        """Of the data that was at hand."""
        self.said = ""
        """What that was for."""
        self.first: int | None = None
        """The step that the first one for a result was made at, and that of the last one."""
        self.last: int | None = None
        self.before: int | None = None
        """That of the last one for the result before."""
        self.open = False
        """Whether gradients were taken whose step was not made yet."""
        self.trains = self.leads = self.stepped = False
        """Whether it was updated for training; before the step of a batch; by a compiled function with steps."""
        self.sure = False
        """Whether it was computed from what is predicted, or in a compiled function: not from what was kept."""
        self.compiled = False
        self.verdict: str | None = None
        """The split of the result that was asked for after the last one."""

    def in_step(self, trace: graphs.Trace) -> None:
        """It is updated by a compiled function with steps, which may do so again without that being told."""
        if self.by is None:
            self.by, self.verdict, self.first = weakref.WeakSet(), None, None
            self.trains = self.stepped = True
        self.by.add(trace)

    def again(self, here: Here, sure: bool, compiled: bool) -> None:
        """It is updated otherwise."""
        for trace in self.by or ():
            trace.again, trace.around = None, (None, None)  # whose next call has to tell it once more
        self.by = None
        training = here.training
        if training is None or self.training is None or self.training() is not training:
            self.training = weakref.ref(training) if training is not None else None
            self.first = self.last = self.before = self.verdict = None
        if self.verdict is not None or self.first is None:
            self.begin()
        self.last = training.count if training is not None else 0
        self.first = self.last if self.first is None else self.first
        self.open = here.open and training is not None and bool(training.optimizers)
        self.use, self.said = data.used()
        self.sure, self.compiled = sure, compiled

    def begin(self) -> None:
        """What is updated from here on is for another result."""
        self.before, self.first, self.verdict = self.last, None, None

    def split(self) -> str:
        """Of the result that is asked for now."""
        if self.verdict is None:
            self.verdict = self._judged()
        return self.verdict

    def _judged(self) -> str:
        if self.by is not None:
            return "train"
        found = (self.use.split or self.said) if self.use is not None else ""
        training = self.training() if self.training is not None else None
        if not found and training is not None and training.count and self.first is not None and self.last is not None:
            later = training.count > self.last
            self.leads |= later
            if later or self.open or self.last > self.first:
                found = "train"
            elif self.leads or self.stepped or self.compiled or (self.trains and self.before == self.first):
                found = "eval"
        self.trains |= found == "train"
        return found if found or self.sure else data.split()


_updates: dict[int, Updates] = {}
"""By the id of a metric."""


def of(metric: Any) -> Updates | None:
    """What is known of a metric."""
    known = _updates.get(id(metric))
    return known if known is not None and known.reference() is metric else None


def _known(metric: Any) -> Updates:
    known = of(metric)
    if known is None:
        if len(_updates) >= KEPT:
            for key, other in list(_updates.items()):
                if other.reference() is None:
                    del _updates[key]
        known = _updates[id(metric)] = Updates(metric)
    return known


def _is_elsewhere() -> bool:
    return strand_inside() is not None or "tensorflow" not in sys.modules or frames.is_replica()


def updated(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Metric.update_state(...)` has returned."""
    if _is_elsewhere():
        return
    if sys.modules["tensorflow"].executing_eagerly():
        _known(args[0]).again(in_thread(), sure=len(args) > 2 or "y_pred" in kwargs, compiled=False)
    elif not frames.is_in_trainer(caller := sys._getframe(DEPTH)):
        graphs.updates(args[0], caller)


def reset(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Metric.reset_state()` has returned."""
    known = of(args[0])
    if known is not None and not _is_elsewhere() and sys.modules["tensorflow"].executing_eagerly():
        known.begin()


def called(trace: graphs.Trace) -> None:
    """A compiled function that updates metrics was called."""
    for reference in trace.metrics.values():
        metric = reference()
        if metric is None:
            continue
        if trace.steps or trace.losses:
            _known(metric).in_step(trace)
        else:
            _known(metric).again(in_thread(), sure=True, compiled=True)


def forget() -> None:
    _updates.clear()
