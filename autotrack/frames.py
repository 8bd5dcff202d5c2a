"""Frames of ours on the user's stack."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])

DRIVER_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "importlib._bootstrap")
"""A name in the folder of this package: compilers that trace a program are told to leave all of that alone."""


def transparent(function: Function, file: str = DRIVER_FILE) -> Function:
    """The function, not counted as a frame by `warnings`, which skips files of this name: a user's
    `stacklevel=2` must go on pointing at the user's line (CPython `Lib/warnings.py`, `_is_internal_frame`)."""
    plain: Any = function
    plain.__code__ = plain.__code__.replace(co_filename=file)
    return function


def is_ours(function: Any) -> bool:
    """Whether a plain function is one of ours."""
    return function.__code__.co_filename == DRIVER_FILE  # type: ignore[no-any-return]
