"""Regular expressions that are compiled when they are first needed: all at once, they would take the program that is
recorded ten milliseconds."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, AnyStr


class _Pattern:
    """A compiled pattern's attributes, each kept here once it was asked for."""

    def __init__(self, pattern: str | bytes, flags: int) -> None:
        self._given: tuple[Any, int] = pattern, flags

    def __getattr__(self, name: str) -> Any:
        found = getattr(re.compile(*self._given), name)
        setattr(self, name, found)
        return found


def lazily(pattern: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """`re.compile(pattern, flags)`, later.  Raises nothing; an error in the pattern comes with its first use."""
    return _Pattern(pattern, flags)  # type: ignore[return-value]
