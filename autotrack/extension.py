"""The part of the hot path that is compiled, where it is: the same as the Python beside it, in less time."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _compiled() -> Any:
    if os.environ.get("AUTOTRACK_EXTENSION") == "0":
        return None
    try:
        from autotrack import _hot
    except ImportError:
        return None
    return _hot


compiled: Any = _compiled()
"""The module `autotrack._hot`; None where it was not built, or AUTOTRACK_EXTENSION=0 says to do without."""
