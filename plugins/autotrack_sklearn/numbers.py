"""What is a number among the attributes of an estimator, the user's objects left alone.

Of Python's own types and numpy's: an object of another type may do anything when it is compared, converted or measured.
"""

from __future__ import annotations

import sys
from typing import Any


def number_of(value: Any) -> float | None:
    """A number as a float; None for anything else."""
    if type(value) not in (int, float, bool) and not (_is_scalar(value) and value.dtype.kind in "biuf"):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return None


def _is_scalar(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and issubclass(type(value), numpy.generic) and type(value).__module__ == "numpy"


def is_array(value: Any) -> bool:
    """Whether it is numpy's own array, of any shape and type."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and type(value) is numpy.ndarray


def is_row(value: Any) -> bool:
    """Whether it is a list, or an array of one dimension; of what is not said."""
    return type(value) is list or (is_array(value) and value.ndim == 1)


def numbers_of(value: Any, dimensions: int | None = 1) -> Any:
    """A list, or an array of so many dimensions, of numbers as an array of floats; None for anything else."""
    if is_array(value):
        return value.astype(float) if value.dtype.kind in "biuf" and dimensions in (None, value.ndim) else None
    if type(value) is not list:
        return None
    listed = [number_of(entry) for entry in value]
    if None in listed:
        return None
    import numpy as np

    return np.array(listed, dtype=float)


def few(value: Any, limit: int) -> Any:
    """A number, or a list of at most `limit` numbers, nested as the array is; one that is alone is no list.  None for
    anything else."""
    if type(value) is list:
        if not 0 < len(value) <= limit or any(number_of(entry) is None for entry in value):
            return None
        listed = [few(entry, 1) for entry in value]
        return listed[0] if len(listed) == 1 else listed
    if type(value) in (int, float, bool):
        return value
    if not (is_array(value) or _is_scalar(value)) or value.dtype.kind not in "biuf" or not 0 < value.size <= limit:
        return None
    if value.dtype.kind == "f":
        value = value.astype(float)  # of extended precision `item` makes no float
    return value.item() if value.size == 1 else value.tolist()
