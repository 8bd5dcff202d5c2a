"""What the program holds where it is: in its variables, and in the objects among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import FrameType, FunctionType, ModuleType
from typing import Any

from autotrack.capture.shown import variables

DEPTH = 30
"""Frames in which it is looked for."""
ENTRIES, ATTRIBUTES = 100, 200
"""Of a container, and of an object, that has no more."""
_NO_HOLDERS = (type, ModuleType, FunctionType)


def attributes(obj: Any) -> dict[str, Any] | None:
    """What an object holds, whatever its class makes of the name of an attribute."""
    try:
        space = object.__getattribute__(obj, "__dict__")
    except AttributeError:
        return None
    return space if type(space) is dict else None


def objects_around(
    frame: FrameType | None, outside: Callable[[FrameType], bool] | None = None
) -> Iterator[tuple[str, Any]]:
    """The variables of a frame, of those above it and of their modules, by name, and then what is in the objects among
    them.  Frames that are `outside` of the program are left out, and count for nothing."""
    spaces: list[dict[str, Any]] = []
    left = DEPTH
    while frame is not None and left:
        if outside is None or not outside(frame):
            left -= 1
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
    if type(value) in (list, tuple) and len(value) <= ENTRIES:
        for entry in value:
            yield "", entry
    elif type(value) is dict and len(value) <= ENTRIES:
        for key, entry in list(value.items()):
            yield str(key), entry
    elif type(value) not in _NO_HOLDERS:
        space = attributes(value)
        if space is not None and len(space) <= ATTRIBUTES:
            yield from list(space.items())
