"""Values as other programs and filters see them.

Numbers that JSON lacks are the texts `"NaN"`, `"Infinity"`, `"-Infinity"` (as protobuf's JSON mapping has
them); objects are their text; what was cut short ends in an ellipsis and its full length.
"""

from __future__ import annotations

import math
from typing import Any

from autotrack.values import original, shown

_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def presented(value: Any) -> Any:
    """A recorded value as JSON."""
    if isinstance(value, str):
        return original(value).encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    if isinstance(value, float) and not math.isfinite(value):
        return _NOT_FINITE[repr(value)]
    if isinstance(value, list):
        return [presented(entry) for entry in value]
    if isinstance(value, dict):
        if "$float" in value:
            return _NOT_FINITE[value["$float"]]
        if "$int" in value:
            return int(value["$int"])
        if any(mark in value for mark in ("$repr", "$array", "$bytes", "$cut")):
            return shown(value).replace("\x00", "\\x00")
        return {presented(name): presented(entry) for name, entry in value.items()}
    return value


def number_of(value: Any) -> float | None:
    """The finite or infinite number that a value is compared as, or None."""
    if isinstance(value, dict) and "$float" in value:
        value = float(value["$float"])
    if isinstance(value, dict) and "$int" in value:
        value = float(int(value["$int"]))
    if isinstance(value, (bool, int, float)):
        number = float(value)
        return None if math.isnan(number) else number
    return None


def text_of(value: Any) -> str | None:
    """The text that a value is compared as; None for the value None."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value)
    described = presented(value)
    return described if isinstance(described, str) else shown(described)
