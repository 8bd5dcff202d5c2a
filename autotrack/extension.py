"""The part of the hot path that is compiled, where it is: the same as the Python beside it, in less time."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def built(name: str) -> Any:
    """An extension module; None where it was not built, or AUTOTRACK_EXTENSION=0 says to do without."""
    if os.environ.get("AUTOTRACK_EXTENSION") == "0":
        return None
    try:
        return __import__(name, fromlist=["_"])
    except ImportError:
        return None


compiled: Any = built("autotrack._hot")

if TYPE_CHECKING or compiled is None:

    class Switch:
        """On or off, and how often what it switches was called."""

        __slots__ = ("fired", "on")

        fired: int
        on: bool

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            self = super().__new__(cls)
            self.fired, self.on = 0, True
            return self
else:
    Switch = compiled.Switch
