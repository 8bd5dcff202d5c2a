"""What the program calls a data loader, and what that says it is for."""

from __future__ import annotations

import itertools
from types import FrameType
from typing import Any

from autotrack import libraries
from autotrack.plugin_api import split_of, variables
from autotrack_torch.tensors import tensors_of

FRAMES = 6
"""Functions of the program in which the name of a loader is looked for."""
ENTRIES = 100
"""Of a dict that are looked at."""
FAR = 1 << 60
"""Greater numbers are no keys of splits, and take long to write out."""
DEEPEST = 60
"""Functions that are looked at for that, those of libraries among them."""


def names_of(frame: FrameType | None, loader: Any) -> tuple[str, str]:
    """The name under which the program has a loader, and the split that it is for by that or by the name of its data:
    the nearest that says one, else the nearest; but what the program calls it farther out, where a function is given
    it, says better what it is for."""
    dataset = getattr(loader, "dataset", None)
    wanted = {id(entry) for entry in (dataset, *tensors_of(dataset)) if entry is not None}
    found: list[str] = []
    says = ""
    left = FRAMES
    for _ in range(DEEPEST):
        if frame is None or not left:
            break
        if frame.f_code.co_filename.startswith(libraries.folders()):
            frame = frame.f_back
            continue
        left -= 1
        for space in (variables(frame), frame.f_globals):
            names, data = [], []
            for name, value in list(space.items()):
                for key, entry in _entries(name, value):
                    if entry is loader:
                        names.append(f"{name}{key}")
                    elif id(entry) in wanted:
                        data.append(f"{name}{key}")
            found += names
            says = next((split for split in map(split_of, (*names, *data)) if split), says)
        frame = frame.f_back
    return next((name for name in found if split_of(name)), next(iter(found), "")), says


def _entries(name: str, value: Any) -> list[tuple[str, Any]]:
    """What a variable holds, by what is written after its name."""
    if issubclass(type(value), dict):  # not what an object says of its class, nor its own `items`
        entries = list(itertools.islice(dict.items(value), ENTRIES))
        return [(f"[{key}]", entry) for key, entry in entries if type(key) is str or (type(key) is int and key < FAR)]
    if type(value).__module__ == "accelerate.data_loader":
        return [("", value), ("", vars(value).get("base_dataloader"))]
    held = getattr(value, "__dict__", None) if name == "self" else None
    if type(held) is dict:
        return [(f".{key}", entry) for key, entry in list(held.items())]
    return [("", value)]
