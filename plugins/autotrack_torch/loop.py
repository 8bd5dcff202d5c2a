"""The loss of every backward pass.  The hot path: what runs in it is told in microseconds."""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Callable
from struct import error
from types import CodeType, FrameType
from typing import Any

from autotrack.plugin_api import pack_record
from autotrack_torch import checkpoints, deferred, graph, loaders, naming, optimizers
from autotrack_torch import training as trainings
from autotrack_torch.extension import built
from autotrack_torch.losses import SURE, Loss
from autotrack_torch.training import Generation, Training
from autotrack_torch.withheld import Point

_thread = threading.get_ident
_same = object.__hash__
"""The identity of a code object: its own hash takes 5 to 20 µs."""
SITES = 10_000
"""Calls of `backward` that are told from one another."""
DEPTH = 2
"""Frames of ours below the caller."""


class Torch:
    """What of the framework the hot path asks for."""

    Tensor: Any = None
    method: CodeType | None = None
    """Of `Tensor.backward`, by which most gradients are asked for."""
    function: Any = None
    folder = ""
    passed: Any = None
    """What of the extension is called of each pass, and of each call of a library's function that makes one."""
    handed: Any = None
    hands: CodeType | None = None
    """Of that function: what it calls is not observed, since its own call is."""
    observe: Callable[[FrameType, Any], None] | None = None
    """What is called after each of its calls, with the program's frame and the loss."""


class Hands:
    """A function of a library hands on the loss that it is given, and its calls are observed, until `remove`."""

    def __init__(self, code: CodeType | None) -> None:
        self._know(code)

    def remove(self) -> None:
        self._know(None)

    def _know(self, code: CodeType | None) -> None:
        Torch.hands = code
        if Torch.passed is not None:
            Torch.passed.hands = code


def quick(torch: Any, place: int = 0) -> Any:
    """What of the extension is called first, where the loss is the argument at `place`; None without it."""
    exchange = getattr(torch.Tensor, "__dlpack_c_exchange_api__", None)
    if built is None or exchange is None:
        return None
    name = "handed" if place else "passed"
    known = getattr(Torch, name)
    if known is None:
        known = built.Passed(torch.Tensor, torch._C._len_torch_function_stack, exchange, place)
        setattr(Torch, name, known)
    return known


_losses: dict[tuple[int, int, int], Loss] = {}
_variants: dict[tuple[CodeType | None, int, int], list[Loss]] = {}
"""Of calls that serve several trainings in turn, each of them."""
VARIANTS = 50


def observer(torch: Any) -> tuple[Callable[[tuple[Any, ...], dict[str, Any], None], None], Callable[..., bool] | None]:
    """What is called after each `torch.autograd.backward`, and what of the extension is called before that.

    Between two steps the caches of the processor have forgotten all of this, so what counts is how little is touched:
    no names of modules, one object, no calls that can be spared.  `Torch.observe` does the same for calls of a function
    that hands on what it is given.
    """
    Tensor, modes = torch.Tensor, torch._C._len_torch_dispatch_stack
    getframe, thread, now, pack = sys._getframe, threading.get_ident, time.time, pack_record
    loss = Loss(None, -1, 0)
    fast, fast_handed = quick(torch), quick(torch, 1)
    if fast is not None:
        fast.loss = fast_handed.loss = None
        fast.hands = Torch.hands

    def backward(args: tuple[Any, ...], kwargs: dict[str, Any], result: None) -> None:
        with torch._C.DisableTorchFunction():  # which would see what is asked of a tensor here
            passed(getframe(DEPTH), args, kwargs)

    def handed(frame: FrameType, given: Any) -> None:
        with torch._C.DisableTorchFunction():
            passed(frame, (given,), {}, handed=True)

    def passed(caller: FrameType, args: tuple[Any, ...], kwargs: dict[str, Any], handed: bool = False) -> None:
        nonlocal loss
        frame: Any = caller.f_back if caller.f_code is Torch.method else caller
        if loss.code is not frame.f_code or loss.at != frame.f_lasti or loss.thread != thread():
            if frame.f_code is Torch.hands:
                return
            found = _switched(frame, caller, args, kwargs, handed)
            if found is None:
                return
            loss = found
        tensor = args[0] if args else kwargs["tensors"]
        given = args[1] if len(args) > 1 else kwargs.get("grad_tensors")
        near = loss.points
        plain = loss.plain and given is None and type(tensor) is Tensor
        if plain and not ((near and not tensor.is_cpu) or modes()) and loss.goes_on(tensor):
            value = tensor.item() if near else 0.0
            step = loss.optimizer.count
            if not near:
                deferred.push(loss.mean, step, tensor)
            else:
                try:
                    buffer, offsets = near.window
                    pack(buffer, next(offsets), value, now(), step, loss.tail)
                except (error, ValueError):
                    _full(loss, step, value)
            if step == loss.step:
                loss.again(step, value)
            else:
                loss.step = step
            loss.seen = value
        else:
            loss = _slowly(loss, tensor, caller, args, kwargs, handed)
        if fast is not None:
            fast.loss = fast_handed.loss = loss
            loss.slots = loss.points and loss.points.window[1]

    Torch.observe = handed
    return backward, fast


def uncompiled(function: Callable[[], Any]) -> Any:
    """The result of a function; what it calls of the framework is not compiled, in a program that compiles."""
    evaluate = sys.modules["torch"]._C._dynamo.eval_frame.set_eval_frame
    before = evaluate(None)
    try:
        return function()
    finally:
        evaluate(before)


def _full(loss: Loss, step: int, value: float) -> None:
    """The window is full, or left behind in the parent of a fork."""
    loss.series[0].record(step, value)
    loss.points, loss.tail = loss.series[0].parts()


def _switched(
    frame: FrameType, caller: FrameType, args: tuple[Any, ...], kwargs: dict[str, Any], handed: bool
) -> Loss | None:
    """Another call than the last one, or one through a library."""
    if trainings.in_thread().paused:
        return None
    frame = naming.giving(frame)
    loss = _losses.get((_same(frame.f_code), frame.f_lasti, _thread()))
    if loss is None or loss.code is not frame.f_code:
        loss = uncompiled(lambda: _met(caller, args, kwargs, handed))
    if loss.training is None:
        return None
    if loss.here.training is not loss.training:
        trainings.entered(loss.training)
    return loss


def _slowly(
    loss: Loss, tensors: Any, caller: FrameType, args: tuple[Any, ...], kwargs: dict[str, Any], handed: bool
) -> Loss:
    """As on the hot path, for what is not plain: several losses, scaled ones, those on a device, before it is known
    which optimizer steps, and where there are several optimizers, of which one call may serve each in turn."""
    if loss.fresh:
        loss.fresh = False
    elif loss.is_of_another(root := graph.root_of(tensors)):
        others = _variants.get((loss.key, loss.at, loss.thread), ())
        found = next((other for other in others if other is not loss and not other.is_of_another(root)), None)
        loss = found if found is not None else uncompiled(lambda: _met(caller, args, kwargs, handed))
        loss.fresh = False
        if loss.training is None:
            return loss
        _losses[_same(loss.key), loss.at, loss.thread] = loss
        if loss.here.training is not loss.training:
            trainings.entered(loss.training)
    several = tensors if isinstance(tensors, (list, tuple)) else [tensors]
    step = loss.next_step()
    value = 0.0
    for at, (tensor, series) in enumerate(zip(several, loss.series, strict=False)):
        if tensor.numel() != 1:
            continue
        scaled = loss.here.scaled
        if loss.here.given is not None and len(several) == 1:
            tensor = loss.here.given
        elif scaled is not None and scaled[0]() is tensor:
            tensor = scaled[1]
        tensor = deferred.held(tensor)
        if tensor is None:
            if loss.training is not None:
                loss.training.strand.gap(*deferred.ELSEWHERE)
            continue
        far = deferred.is_far(tensor)
        value = value if far else deferred.number(tensor)
        loss.far = tensor.device if far else None
        if loss.here.withheld is not None:
            loss.here.withheld.append(Point(loss, at, step, tensor, time.time()))
            series = None
        elif not far:
            series.record(step, value)
        if far and len(several) == 1:
            series = loss.mean = loss.mean_of(series)
        if far and series is not None:
            deferred.push(series, step, tensor)
    if loss.optimizer is None:
        if loss not in loss.here.pending:
            loss.here.pending.append(loss)
    elif step == loss.step and len(several) == 1:
        loss.again(step, value)
    loss.step, loss.seen = step, value
    if loss.sure < SURE:
        loss.sure += 1
        loss.settle()
    return loss


def scaled(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """A loss has been multiplied for half precision: `GradScaler.scale`."""
    given = args[1] if len(args) > 1 else kwargs.get("outputs")
    if given is not None and given is not result and hasattr(result, "numel") and result.numel() == 1:
        made_of(result, given)


def made_of(loss: Any, given: Any) -> None:
    """The gradients will be those of a loss that was made of what the program calls the loss."""
    here = trainings.in_thread()
    before = here.scaled
    here.scaled = weakref.ref(loss), before[1] if before is not None and before[0]() is given else given.detach()


def _met(frame: FrameType, args: tuple[Any, ...], kwargs: dict[str, Any], handed: bool) -> Loss:
    """A call that is met for the first time, or that may be of another training by now."""
    through_method = frame.f_code is Torch.method
    if through_method and frame.f_back is not None:
        frame = frame.f_back
    frame, handing = naming.giving(frame), frame
    overridden = handing.f_code.co_name == naming.OVERRIDE
    tensors = args[0] if args else kwargs["tensors"]
    key = (_same(frame.f_code), frame.f_lasti, _thread())
    loss = _losses.get(key)
    if loss is None:
        loss = Loss(frame.f_code, frame.f_lasti, key[2])
        if len(_losses) < SITES:
            _losses[key] = loss
    several = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
    scalars = [tensor for tensor in several if getattr(tensor, "numel", lambda: 0)() == 1]
    if not scalars or (is_torch(frame.f_code) and not through_method):
        loss.training = None  # the next may be a scalar
        return loss
    leaves = [leaf for tensor in scalars for leaf in graph.leaves_of(tensor)]
    stepping = optimizers.of_parameters(leaves) if leaves else optimizers.only()
    parameters = leaves + [parameter for state in stepping for parameter in state.parameters()]
    training = trainings.resolve(parameters, frame) if parameters else trainings.going_on(frame)
    if training is None:
        loss.training = None
        return loss
    for state in stepping:
        if state.training is None:
            state.training = training
            optimizers.join_optimizer(state, frame)
    if loss.training is not None and loss.training is not training:
        loss = _losses[key] = _variant(loss, training)
    loss.optimizer = None
    if training is not loss.training:
        loss.training = training
        loss.passes = loss.micro = 0
        loss.step = -1
        loss.first = Generation.number
    if not loss.names or (loss.here.name and len(several) == 1):
        loss.names = (
            [loss.here.name]
            if loss.here.name and len(several) == 1
            else naming.names_of(frame, len(several), handed=handed or (frame is not handing and not overridden))
        )
    withheld = loss.here.withheld is not None
    names = [training.name_for(loss, name) for name in loss.names]
    loss.series = [None if withheld else training.strand.series(f"train/{name}") for name in names]
    given = loss.here.scaled
    by_hand = loss.here.given is not None or (given is not None and given[0]() is scalars[0])
    loss.one = (
        len(several) == 1
        and not by_hand
        and not withheld
        and not Torch.function()
        and not overridden
        and deferred.held(scalars[0]) is scalars[0]
    )
    far = deferred.is_far(scalars[0])
    loss.points, loss.tail = loss.series[0].parts() if loss.one and not far else (None, 0.0)
    if loss.one and far:
        loss.far, loss.mean = scalars[0].device, loss.mean_of(loss.series[0])
    stepping = optimizers.in_use(stepping)
    loss.beside_it = stepping
    if training.strand.counter is None and not stepping:
        training.strand.counter = loss
    if len(stepping) == 1:
        loss.optimizer = stepping[0]
    loss.settle()
    leaf = next((leaf for leaf in leaves if leaf.requires_grad), None)
    loss.leaf, loss.version = (weakref.ref(leaf), leaf._version) if leaf is not None else (None, -1)
    root = graph.root_of(several)
    if root is not None:
        loss.root = weakref.ref(root)
    loss.mark, loss.fresh, loss.met = None, True, weakref.ref(scalars[0])
    loss.here.passed = True
    loss.is_of_another(root)
    loss.code = frame.f_code
    loaders.feeds(training, frame)
    checkpoints.begun(training)
    return loss


def _variant(loss: Loss, training: Training) -> Loss:
    """The same call for another training."""
    variants = _variants.setdefault((loss.key, loss.at, loss.thread), [loss])
    found = next((other for other in variants if other.training is training), None)
    if found is None:
        found = Loss(loss.key, loss.at, loss.thread)
        variants.append(found)
        del variants[:-VARIANTS]
    for variant in (loss, found):
        variant.varies = True
        variant.settle()
    return found


def unsettle() -> None:
    """What comes next may be of another training."""
    for loss in list(_losses.values()):
        loss.code, loss.varies = None, False
    _variants.clear()


def is_torch(code: CodeType) -> bool:
    return code.co_filename.startswith(Torch.folder)


def forget() -> None:
    unsettle()
    _losses.clear()
