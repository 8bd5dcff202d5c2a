"""Losses as their gradients are taken, steps as optimizers make them, and the calls of compiled functions that do both.

Within a `tf.function` there are no values while it is traced.  What it does is noted of its graph then; each call makes
the steps that were noted, and what it returns is what can be known of the losses.
"""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Any, NamedTuple

from autotrack.plugin_api import goes_on, strand_inside
from autotrack_keras.models import size_of
from autotrack_tensorflow import again, data, deferred, frames, graphs, metrics
from autotrack_tensorflow import trainings as known
from autotrack_tensorflow.trainings import Stepped, Training, in_thread

DEPTH = 1
"""Frames of ours below the one that is looked at first."""
SITES = 10_000
"""Calls that are told from one another."""
WAITING = 1_000
"""Losses whose step is not known yet."""
COMPARED = 10_000
"""Elements of a variable that are compared with what they were."""
SEVERAL = "loss of each step", "the loss has several values, of which none is recorded"


class Loss:
    """A loss at one place in the program, of one training."""

    def __init__(self, training: Training, series: Any, code: CodeType, variable: Any) -> None:
        self.training, self.series, self.code = training, series, code
        self.variable = weakref.ref(variable)
        self.optimizer: Stepped | None = None
        self.by_hand = False
        """Whether no optimizer makes the steps."""
        self.before: Any = None
        """What the variable was at the last pass, until it is known who makes the steps."""
        self.step = -1
        """Of the last pass."""
        self.seen: list[float] = []
        """The values of the last step, where they are at hand."""
        self.last: Any = lambda: None
        """The tensor of the last pass."""

    def passed(self, tensor: Any) -> None:
        if self.last() is tensor:
            return  # more gradients of the same loss
        self.last = weakref.ref(tensor)
        if self.optimizer is None and not self.by_hand and self._changed():
            self.by_hand = True
            pending = in_thread().pending
            for waiting in [entry for entry in pending if entry.loss is self]:
                pending.remove(waiting)
                self.record(self.step + 1, waiting.value, waiting.when)
                self.training.passes = max(self.training.passes, self.step + 1)
        if self.optimizer is not None:
            self.record(self.optimizer.count, tensor)
        elif self.by_hand:
            self.record(self.step + 1, tensor)
            self.training.passes = max(self.training.passes, self.step + 1)
        elif len(in_thread().pending) < WAITING:
            value = tensor if deferred.is_far(tensor) else deferred.number(tensor)
            in_thread().pending.append(Pending(self, value, time.time()))

    def record(self, step: int, value: Any, when: float | None = None) -> None:
        """Of a number, or of a tensor."""
        if step != self.step:
            self.seen = []
        self.step = step
        if not isinstance(value, float) and deferred.is_far(value):
            deferred.put(self.series, step, value)
            return
        number = value if isinstance(value, float) else deferred.number(value)
        if len(self.seen) < WAITING:
            self.seen.append(number)
        if when is None:
            self.series.record(step, number)
        else:
            self.series.record_at(step, number, when)

    def stepped(self) -> None:
        """Its optimizer has stepped: after several passes, their mean is the loss of the step."""
        if 1 < len(self.seen) < WAITING:
            self.training.strand.series(f"{self.series.name}.step").record(self.step, sum(self.seen) / len(self.seen))
        self.seen = []

    def _changed(self) -> bool:
        """Whether a variable is another than at the last pass, though no optimizer has stepped."""
        variable, before = self.variable(), self.before
        if variable is None or variable.shape.num_elements() > COMPARED or deferred.is_far(variable):
            return False
        self.before = variable.numpy()
        return before is not None and bool((before != self.before).any())


class Pending(NamedTuple):
    """A loss whose step is not known yet."""

    loss: Loss
    value: Any
    when: float


_losses: dict[tuple[int, int, int, int], Loss] = {}
_scaled: list[tuple[Any, Any]] = []
"""The last loss that was multiplied for half precision, and what it was before."""


def is_elsewhere() -> bool:
    """Whether what happens is part of what is told otherwise, or done by another replica than the first."""
    return strand_inside() is not None or frames.is_replica()


def differentiated(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`GradientTape.gradient(target, sources, ...)` has returned."""
    if is_elsewhere():
        return
    target = args[1] if len(args) > 1 else kwargs.get("target")
    sources = args[2] if len(args) > 2 else kwargs.get("sources")
    variables = known.variables_in(sources)
    caller = sys._getframe(DEPTH)
    frame = frames.of_program(caller)
    if not variables or frame is None:
        return
    asking = frames.nearest(caller)
    if not frames.is_step(asking):
        asking = frame
        if not frames.is_called_by_program(caller):
            return
    if frames.is_in_trainer(asking):
        return
    given = list(target) if isinstance(target, (list, tuple)) else [target]
    losses = [_before_scaling(tensor) for tensor in given if hasattr(tensor, "dtype") and hasattr(tensor, "shape")]
    numbers = [(at, tensor) for at, tensor in enumerate(losses) if deferred.is_number(tensor)]
    if not numbers:
        if any(deferred.is_several(tensor) for tensor in losses):
            in_thread().several = [weakref.ref(variable) for variable in variables]
        return
    if not deferred.is_eager(numbers[0][1]):
        names = frames.names_of_target(asking, len(given))
        graphs.taken(variables, frame, [names[at] for at, _ in numbers], [tensor for _, tensor in numbers])
        return
    training = known.resolve(variables, frame)
    if training is None:
        return
    for at, tensor in numbers:
        loss = _loss(training, frame, asking, at, len(given), min(variables, key=size_of))
        if loss is not None:
            loss.passed(tensor)
    _enter(training)
    in_thread().open = True


def _loss(training: Training, frame: FrameType, asking: FrameType, at: int, count: int, variable: Any) -> Loss | None:
    key = id(frame.f_code), frame.f_lasti, at, id(training)
    loss = _losses.get(key)
    if loss is None and len(_losses) < SITES:
        name = frames.names_of_target(asking, count)[at]
        place = frame.f_code.co_filename, frame.f_lineno, at
        name = training.name_for(name, place, frame.f_code.co_name)
        loss = _losses[key] = Loss(training, training.strand.series(f"train/{name}"), frame.f_code, variable)
        training.losses.append(loss)
    return loss


def scaled(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`scale_loss(loss)` has returned."""
    given = args[1] if len(args) > 1 else kwargs.get("loss")
    if given is not None and given is not result:
        _scaled[:] = [(result, given)]


def _before_scaling(tensor: Any) -> Any:
    (result, given), _scaled[:] = _scaled[0] if _scaled else (None, None), ()
    return given if result is tensor and given is not None else tensor


def applied(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Optimizer.apply(grads, trainable_variables=None)` has returned."""
    if sys.modules["keras.src.backend.config"].backend() != "tensorflow" or is_elsewhere():
        return
    optimizer, caller = args[0], sys._getframe(DEPTH)
    frame = frames.of_program(caller)
    if hasattr(optimizer, "inner_optimizer") or frame is None or frames.is_in_trainer(caller):
        return
    given = args[2] if len(args) > 2 else kwargs.get("trainable_variables")
    variables = known.variables_in(given if given is not None else optimizer._trainable_variables)
    if not variables:
        return
    state = known.state_of(optimizer)
    several = _of_several(variables)
    if not sys.modules["tensorflow"].executing_eagerly():
        training = graphs.steps(state, variables, frame)
        if training is not None and several:
            training.strand.gap(*SEVERAL)
        return
    training = known.resolve(variables, frame)
    if training is None:
        return
    if several:
        training.strand.gap(*SEVERAL)
    state.begin(1)
    known.join_optimizer(state, training, frame)
    state.follow(variables)
    _bind(state, training)
    _enter(training)
    in_thread().open = False
    state.count += 1
    for loss in state.losses:
        loss.stepped()
    _stepped([state], training)


def _of_several(variables: list[Any]) -> bool:
    """Whether the gradients of a step are those of a loss of several values."""
    here = in_thread()
    if not here.several:
        return False
    taken, here.several = here.several, []
    of = {id(variable) for reference in taken if (variable := reference()) is not None}
    return any(id(variable) in of for variable in variables)


def _bind(state: Stepped, training: Training) -> None:
    """The losses that came before the first step of an optimizer are of that step."""
    pending = in_thread().pending
    for waiting in [entry for entry in pending if entry.loss.training is training]:
        pending.remove(waiting)
        _give(waiting.loss, state)
        waiting.loss.record(state.count, waiting.value, waiting.when)

    for loss in training.losses:  # which another optimizer has made the steps of before
        if loss.optimizer is not None and loss.optimizer is not state and loss.seen and state.steps(loss.variable()):
            _give(loss, state)


def _give(loss: Loss, state: Stepped) -> None:
    if loss.optimizer is not state:
        if loss.optimizer is not None:
            loss.optimizer.losses.remove(loss)
        loss.optimizer = state
        state.losses.append(loss)


def _enter(training: Training) -> None:
    if in_thread().training is not training:
        known.entered(training)
    goes_on(training.strand)  # which a replica may have begun, in a thread of its own


def _stepped(states: Iterable[Stepped], training: Training) -> None:
    data.stepped(training)
    for state in states:
        state.look(state.count - 1)


def called(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`ConcreteFunction._call_flat` has returned: a compiled function was called."""
    graph = args[0]._func_graph
    trace = graphs.of(graph)
    if trace is None or (trace.again is not None and trace.again(result)) or strand_inside() is not None:
        return
    if not sys.modules["tensorflow"].executing_eagerly():
        graphs.within(trace, result, sys._getframe(DEPTH))
        return
    if trace.metrics:
        metrics.called(trace)
    training = trace.training
    if training is None or not training.strand.recording:
        return
    before = None
    for state, times in trace.steps.items():
        fresh = not state.known
        state.begin(times if trace.exact else 0)
        made = state.count
        if fresh and not trace.exact:
            made -= min(made, (len(trace.steps) == 1 and trace.made) or 1)
        before = made if before is None else max(before, made)
        state.count = state.count + times if trace.exact else state.iterations()
    _enter(training)
    after = max((state.count for state in trace.steps), default=training.count)
    step = after if before in (None, after) else after - 1
    if not training.optimizers and trace.losses:
        training.passes += 1  # as far as one sees: each call is a step by hand
    if trace.outputs is None:
        trace.outputs = graphs.outputs_of(trace, graph, result)
    in_order = before is not None and len(trace.steps) == 1 and after - before == trace.made > 1
    for at, series, tensor in graphs.returned(trace.outputs, result):
        deferred.put(series, after - trace.made + trace.places[at] if in_order and at in trace.places else step, tensor)
    if trace.steps:
        _stepped(trace.steps, training)
    here = in_thread()
    if trace.around != (training, here):
        trace.again, trace.around = again.repeated(trace, training, here), (training, here)


def forget() -> None:
    _losses.clear()
    _scaled.clear()
    graphs.forget()
    metrics.forget()
