"""Frames of ours on the user's stack."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])

DRIVER_FILE = "<autotrack: importlib._bootstrap>"


def transparent(function: Function, file: str = DRIVER_FILE) -> Function:
    """The function, not counted as a frame by `warnings`, which skips files of this name: a user's
    `stacklevel=2` must go on pointing at the user's line (CPython `Lib/warnings.py`, `_is_internal_frame`)."""
    plain: Any = function
    plain.__code__ = plain.__code__.replace(co_filename=file)
    return function
