"""What the user calls the loss: by the expression that `backward` is called on."""

from __future__ import annotations

import ast
from types import CodeType, FrameType
from typing import Any

from autotrack import libraries
from autotrack.plugin_api import call_at, text_of

DEPTH = 30
"""Frames above a backward pass that are looked at."""

HANDING = frozenset(("accelerate", "lightning", "lightning_fabric", "pytorch_lightning"))
"""Libraries whose functions compute the gradients of a loss that they are given."""
_BETWEEN = frozenset(("torch", "contextlib", "autotrack"))
HANDS = 8
"""Frames of such a library in which the program's call is looked for."""

OVERRIDE = "__torch_function__"
"""The method by which a class of tensors, or a mode, stands between the program and the framework."""

_SCALERS = frozenset(("scale", "backward", "manual_backward"))
"""Methods that hand a loss on: `scaler.scale(loss)`, `accelerator.backward(loss)`."""
_ITSELF = frozenset(("mean", "clone", "contiguous", "to", "float", "squeeze"))
"""Methods whose result goes by the name of what they are called on."""


def is_library(code: CodeType) -> bool:
    return code.co_filename.startswith((*libraries.folders(), "<"))


def giving(frame: FrameType) -> FrameType:
    """The frame that a backward pass goes by: where a library hands on what it is given, or a class of tensors has its
    own say, that of who gives it; its own where that is not near (Lightning calls `training_step` first and `backward`
    later)."""
    if frame.f_code.co_name == OVERRIDE:
        frame = _overridden(frame)
    if package_of(frame) not in HANDING:
        return frame
    outer = frame.f_back
    for _ in range(HANDS):
        if outer is None:
            return frame
        package = package_of(outer)
        if package not in HANDING and package not in _BETWEEN:
            return outer
        outer = outer.f_back
    return frame


def _overridden(frame: FrameType) -> FrameType:
    outer: FrameType | None = frame
    for _ in range(DEPTH):
        if outer is None:
            return frame
        if outer.f_code.co_name != OVERRIDE and package_of(outer) != "torch":
            return outer
        outer = outer.f_back
    return frame


def package_of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


def names_of(frame: FrameType, count: int, *, handed: bool = False) -> list[str]:
    """The names of the `count` losses of which a frame computes the gradients: `loss` where nothing tells.  `handed`:
    whether it gives them to a library that does it."""
    given = _given(frame, handed=handed)
    if given is None and is_library(frame.f_code):
        given = next((found for found in map(_given, _users(frame)) if found is not None), None)
    parts = given.elts if isinstance(given, (ast.List, ast.Tuple)) else [given]
    if len(parts) != count:
        parts = [given] * count
    names = [_name(part) or "loss" for part in parts]
    return [name if names.count(name) == 1 else f"{name}[{at}]" for at, name in enumerate(names)]


def _users(frame: FrameType) -> Any:
    """The frames above that are at the user's own code."""
    outer = frame.f_back
    for _ in range(DEPTH):
        if outer is None:
            return
        if not is_library(outer.f_code):
            yield outer
        outer = outer.f_back


def _given(frame: FrameType, *, handed: bool = False) -> ast.expr | None:
    """The expression of the loss in the call that a frame is at."""
    call = call_at(frame)
    if call is None:
        return None
    named = next((keyword.value for keyword in call.keywords if keyword.arg == "loss"), None)
    if handed and (call.args or named is not None):
        return call.args[0] if call.args else named
    if isinstance(call.func, ast.Attribute) and call.func.attr == "backward":
        owner = ast.unparse(call.func.value)
        if not owner.endswith("autograd") and not (
            call.args and "." not in owner and owner in ("accelerator", "fabric")
        ):
            return call.func.value if not _hands_on(call) else call.args[0]
    return call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "tensors"), None)


def _hands_on(call: ast.Call) -> bool:
    """Whether `x.backward(y)` is of y: `accelerator.backward(loss)`, `self.manual_backward(loss)`."""
    assert isinstance(call.func, ast.Attribute)
    owner = ast.unparse(call.func.value).rpartition(".")[2]
    return bool(call.args) and any(word in owner for word in ("accelerator", "fabric", "engine", "optimizer", "self"))


def _name(given: ast.expr | None) -> str | None:
    if given is None:
        return None
    if isinstance(given, ast.Call) and isinstance(given.func, ast.Attribute):
        if given.func.attr in _SCALERS and given.args:
            return _name(given.args[0])
        if given.func.attr in _ITSELF:
            return _name(given.func.value)
    return text_of(given)
