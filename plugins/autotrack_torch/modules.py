"""The model that is trained: found among the variables of the program, by its parameters."""

from __future__ import annotations

import itertools
import sys
from types import FrameType
from typing import Any

from autotrack.plugin_api import objects_around

OBJECTS = 2_000
"""Objects of the program that are looked at."""


def find(frame: FrameType | None, leaves: set[int]) -> list[tuple[str, Any]]:
    """The modules that hold these parameters, by the names of the variables they are in: few, large ones first."""
    torch = sys.modules["torch"]
    found: dict[int, tuple[str, Any]] = {}
    for name, value in itertools.islice(objects_around(frame), OBJECTS):
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
