"""The model that is trained: found among the variables of the program, by its parameters."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from types import FrameType, FunctionType, ModuleType
from typing import Any

from autotrack.plugin_api import variables
from autotrack_torch.datasets import attributes

DEPTH = 30
"""Frames in which it is looked for."""
OBJECTS = 2_000
"""Objects of the program that are looked at."""


def find(frame: FrameType | None, leaves: set[int]) -> list[tuple[str, Any]]:
    """The modules that hold these parameters, by the names of the variables they are in: few, large ones first."""
    torch = sys.modules["torch"]
    found: dict[int, tuple[str, Any]] = {}
    for name, value in itertools.islice(_variables(frame), OBJECTS):
        if issubclass(type(value), torch.nn.Module) and id(value) not in found:
            found[id(value)] = name, value
    holding = []
    for name, module in found.values():
        held = {id(parameter) for parameter in module.parameters()}
        if held & leaves:
            holding.append((len(held & leaves), -len(held), name, module))
    holding.sort(key=lambda entry: entry[:2], reverse=True)
    chosen: list[tuple[str, Any]] = []
    missing = set(leaves)
    for _, _, name, module in holding:
        held = {id(parameter) for parameter in module.parameters()}
        if held & missing:
            chosen.append((name, module))
            missing -= held
    return chosen


_WRAPPERS = {
    "DistributedDataParallel": "module",
    "DataParallel": "module",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
    "OptimizedModule": "_orig_mod",
    "AveragedModel": "module",
}
"""Classes of PyTorch's that stand around a model, and the attribute that it is in."""


def unwrapped(module: Any) -> Any:
    """The program's own model within what distributes, compiles or averages it."""
    while type(module).__module__.startswith("torch.") and type(module).__name__ in _WRAPPERS:
        module = module._modules.get(_WRAPPERS[type(module).__name__])
    return module


def _variables(frame: FrameType | None) -> Iterator[tuple[str, Any]]:
    """The variables of the frames and their modules, and what is in the objects among them."""
    spaces: list[dict[str, Any]] = []
    for _ in range(DEPTH):
        if frame is None:
            break
        if frame.f_code.co_name != "<module>":
            spaces.append(variables(frame))
        if frame.f_globals.get("__name__") == "__main__" or frame.f_globals not in spaces:
            spaces.append(frame.f_globals)
        frame = frame.f_back
    seen: set[int] = set()
    for space in spaces:
        if id(space) in seen:
            continue
        seen.add(id(space))
        yield from _named(space)
    for space in spaces:
        for name, value in list(space.items()):
            for inner, held in _held(value):
                yield inner or name, held


def _named(space: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    return [(name, value) for name, value in list(space.items()) if not name.startswith("__")]


def _held(value: Any) -> Iterator[tuple[str, Any]]:
    """What is in a container or an object of the program's."""
    if type(value) in (list, tuple) and len(value) <= 100:
        for entry in value:
            yield "", entry
    elif type(value) is dict and len(value) <= 100:
        for key, entry in list(value.items()):
            yield str(key), entry
    elif type(value) not in _NO_HOLDERS:
        space = attributes(value)
        if space is not None and len(space) <= 200:
            yield from list(space.items())


_NO_HOLDERS = (type, ModuleType, FunctionType)
