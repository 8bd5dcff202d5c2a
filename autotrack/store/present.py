"""Values as other programs and filters see them.

Numbers that JSON lacks are the texts `"NaN"`, `"Infinity"`, `"-Infinity"` (as protobuf's JSON mapping has
them); objects are their text; what was cut short ends in an ellipsis and its full length.  A program may have
recorded anything, also dicts that look like the marks of `autotrack.values` and are none: those stay dicts.
"""

from __future__ import annotations

import json
import math
from typing import Any

from autotrack.values import original, storable

_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def presented(value: Any) -> Any:
    """A recorded value as JSON."""
    if isinstance(value, str):
        if value.isascii() and "\x00" not in value:
            return value
        return original(value).encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    if isinstance(value, float):
        return value if math.isfinite(value) else _NOT_FINITE[repr(value)]
    if isinstance(value, list):
        return [presented(entry) for entry in value]
    if isinstance(value, dict):
        marked = _marked(value)
        return {presented(name): presented(entry) for name, entry in value.items()} if marked is None else marked
    return value


def _marked(value: dict[str, Any]) -> Any:
    """What a dict with one of the marks stands for; None for any other."""
    match value:
        case {"$float": "nan" | "inf" | "-inf" as number}:
            return _NOT_FINITE[number]
        case {"$int": str(number)}:
            return _integer(number)
        case {"$repr": str(text), "class": str()}:
            return presented(text)
        case {"$array": {"shape": list(shape), "dtype": str(dtype)}}:
            return f"array{tuple(shape)} {dtype}"
        case {"$bytes": str(digits)}:
            return f"bytes {digits}"
        case {"$cut": kept, "length": int(length)}:
            beginning = presented(kept)
            text = beginning if isinstance(beginning, str) else json.dumps(beginning, ensure_ascii=False)
            return f"{text} ... ({length} in all)"
    return None


def _integer(digits: str) -> Any:
    try:
        return int(digits)
    except ValueError:
        return digits


def number_of(value: Any) -> float | None:
    """The finite or infinite number that a value is compared as, or None."""
    match value:
        case {"$float": "nan" | "inf" | "-inf" as text}:
            value = float(text)
        case {"$int": str(digits)}:
            value = _integer(digits)
    if isinstance(value, (bool, int, float)):
        try:
            number = float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
        return None if math.isnan(number) else number
    return None


def text_of(value: Any) -> str | None:
    """The text that a value is compared as: numbers with all their digits, True and False, lists and dicts as
    JSON; None for the value None."""
    if value is None:
        return None
    described = presented(value)
    if isinstance(described, str):
        return described
    if isinstance(described, (bool, int, float)):
        return repr(described)
    return json.dumps(described, ensure_ascii=False)


def asked(text: str) -> str:
    """A text of the person who asks, as it stands in what was recorded."""
    return str(presented(storable(text)))
