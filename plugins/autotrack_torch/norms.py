"""The norm of the gradients, where the program computes it to clip them."""

from __future__ import annotations

import ast
import math
import sys
import threading
from types import CodeType, FrameType
from typing import Any

from autotrack.plugin_api import call_at, variables
from autotrack_torch import deferred, optimizers
from autotrack_torch.optimizers import Stepped
from autotrack_torch.training import Training, in_thread

DEPTH = 2
SITES = 1_000

_same = object.__hash__


class _Site:
    """A call in one thread that clips gradients."""

    __slots__ = ("code", "optimizer", "prefix", "series", "training")

    def __init__(self, code: CodeType, training: Training, optimizer: Stepped | None) -> None:
        self.code, self.training, self.optimizer = code, training, optimizer
        name = optimizer.name if optimizer is not None and not optimizer.name.startswith("phase") else ""
        self.prefix = f"{name}." if name else ""
        self.series = training.strand.series(f"{self.prefix}grad_norm")


_sites: dict[tuple[int, int, int], _Site] = {}


def clipped(args: tuple[Any, ...], kwargs: dict[str, Any], norm: Any) -> None:
    """`clip_grad_norm_` has returned."""
    here = in_thread()
    training = here.training
    if training is None or here.paused or getattr(norm, "numel", int)() != 1:
        return
    frame = sys._getframe(DEPTH)
    key = _same(frame.f_code), frame.f_lasti, threading.get_ident()
    site = _sites.get(key)
    if site is None or site.code is not frame.f_code or site.training is not training:
        optimizer = _optimizer(args[0] if args else kwargs.get("parameters"), training, frame)
        site = _Site(frame.f_code, training, optimizer)
        _tell(site, args[1] if len(args) > 1 else kwargs.get("max_norm"))
        if len(_sites) < SITES:
            _sites[key] = site
    step = site.optimizer.count if site.optimizer is not None else training.step
    norm = deferred.held(norm)
    if norm is None:
        site.training.strand.gap(*deferred.ELSEWHERE)
    elif deferred.is_far(norm):
        deferred.push(site.series, step, norm)
    else:
        site.series.record(step, deferred.number(norm))


def _tell(site: _Site, most: Any) -> None:
    """What gradients are clipped to; infinity where their norm alone is wanted."""
    if optimizers.is_tensor(most) and not deferred.is_far(most):
        most = deferred.number(most)
    name = f"{site.prefix}max_grad_norm"
    if type(most) in (int, float) and most < math.inf and name not in site.training.clipped:
        site.training.clipped.add(name)
        site.training.strand.params({name: most}, "optimizer")


def _optimizer(parameters: Any, training: Training, frame: FrameType) -> Stepped | None:
    """The optimizer of the parameters whose gradients were clipped.  Of `model.parameters()`, which is used up by now,
    they are asked again from what the program calls it on."""
    torch: Any = sys.modules["torch"]
    if len(training.optimizers) == 1:
        return training.optimizers[0]
    if isinstance(parameters, torch.Tensor):
        parameters = [parameters]
    elif not isinstance(parameters, (list, tuple)):
        module = _module(frame)
        parameters = list(module.parameters()) if isinstance(module, torch.nn.Module) else []
    found = [state for state in optimizers.of_parameters(list(parameters)) if state.training is training]
    return found[0] if len(found) == 1 else None


def _module(frame: FrameType) -> Any:
    """`model` in `clip_grad_norm_(model.parameters(), 1.0)`: a variable of the program, or an attribute of one."""
    call = call_at(frame)
    given = call.args[0] if call is not None and call.args else None
    if not (isinstance(given, ast.Call) and isinstance(given.func, ast.Attribute) and given.func.attr == "parameters"):
        return None
    names, owner = [], given.func.value
    while isinstance(owner, ast.Attribute):
        names.append(owner.attr)
        owner = owner.value
    if not isinstance(owner, ast.Name):
        return None
    found = variables(frame).get(owner.id, frame.f_globals.get(owner.id))
    for name in reversed(names):  # what is there, without asking `__getattr__` or a property
        held = getattr(found, "__dict__", {})
        found = held.get(name, held.get("_modules", {}).get(name))
    return found


def forget() -> None:
    _sites.clear()
