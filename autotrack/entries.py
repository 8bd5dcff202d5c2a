"""What was replaced, one name of an object at a time, and how it is put back."""

from __future__ import annotations

import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MISSING = object()


class Entry:
    """One name of a class, a module or another object that is replaced by ours from here on."""

    __slots__ = ("_owner", "name", "ours", "raw")

    def __init__(self, owner: Any, name: str, ours: Any) -> None:
        self._owner: Callable[[], Any] = weakref.ref(owner)
        self.name, self.raw, self.ours = name, vars(owner).get(name, MISSING), ours
        setattr(owner, name, ours)

    def undo(self) -> None:
        """Put back what was there, where it is still ours."""
        owner = self._owner()
        if owner is None or vars(owner).get(self.name) is not self.ours:
            return
        if self.raw is MISSING:
            delattr(owner, self.name)
        else:
            setattr(owner, self.name, self.raw)


class StandIn:
    """Stands in for a function of the interpreter: no Python function, which would become a method of a class that has
    it as an attribute, and which pickles by another name."""

    def __init__(self, original: Any) -> None:
        self.__wrapped__ = original
        for name in ("__doc__", "__module__", "__name__", "__qualname__", "__text_signature__", "__self__"):
            setattr(self, name, getattr(original, name, None))

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce__(self) -> str:
        return str(self.__wrapped__.__name__)
