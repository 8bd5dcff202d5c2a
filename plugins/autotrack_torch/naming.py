"""What the user calls the loss: by the expression that `backward` is called on."""

from __future__ import annotations

import ast
from types import CodeType, FrameType
from typing import Any

from autotrack import libraries
from autotrack.plugin_api import call_at

DEPTH = 30
"""Frames above a backward pass that are looked at."""
LONGEST = 60
"""Characters of a name."""

_SCALERS = frozenset(("scale", "backward", "manual_backward"))
"""Methods that hand a loss on: `scaler.scale(loss)`, `accelerator.backward(loss)`."""
_ITSELF = frozenset(("mean", "clone", "contiguous", "to", "float", "squeeze"))
"""Methods whose result goes by the name of what they are called on."""


def is_library(code: CodeType) -> bool:
    return code.co_filename.startswith((*libraries.folders(), "<"))


def names_of(frame: FrameType, count: int) -> list[str]:
    """The names of the `count` losses of which a frame computes the gradients: `loss` where nothing tells."""
    given = _given(frame)
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


def _given(frame: FrameType) -> ast.expr | None:
    """The expression of the loss in the call that a frame is at."""
    call = call_at(frame)
    if call is None:
        return None
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
    text = " ".join(ast.unparse(given).split()).removeprefix("self.")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
