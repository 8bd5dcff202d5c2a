"""The part of the hot path that is compiled, where it is: the same as the Python beside it, in less time."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

wanted = os.environ.get("AUTOTRACK_EXTENSION") != "0"
"""Whether what is compiled is to be used."""


def _compiled() -> Any:
    if not wanted:
        return None
    try:
        from autotrack import _hot
    except ImportError:
        return None
    return _hot


compiled: Any = _compiled()
"""The module `autotrack._hot`; None where it was not built, or AUTOTRACK_EXTENSION=0 says to do without."""

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
