"""Where the program is: the tracked call it is inside, the run that the user opened, the run it last made.

What is inside a tracked call is told by a context variable, which each thread and asyncio task has its own
of.  `token` and `arrived` carry it to where context variables do not go: joblib's threads and processes.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from autotrack.job import Job

    Result = TypeVar("Result")


class Place:
    """A strand as far as others need to know it: by its id."""

    __slots__ = ("id",)

    def __init__(self, id: str) -> None:
        self.id = id


inside: ContextVar[Place | None] = ContextVar("autotrack_inside", default=None)
"""The strand whose tracked call is running here: what is called within is part of it."""
opened: ContextVar[Place | None] = ContextVar("autotrack_opened", default=None)
"""The run that the user opened here with `with autotrack.run()`."""
latest: ContextVar[Place | None] = ContextVar("autotrack_latest", default=None)
"""The strand that last ran here; `autotrack.log` after a fit belongs to it."""

OURS = Place("")
"""Stands in `inside` while code of ours runs that could meet our own patches."""


class Current:
    """The job of this process while recording is on."""

    job: Job | None = None


def token() -> str:
    """What a task for another thread or process must know to be recorded in its right place; "" for nothing."""
    place = inside.get()
    if place is not None:
        return f"inside:{place.id}"
    run = opened.get()
    return f"opened:{run.id}" if run is not None else ""


def arrived(token: str, function: Callable[[], Result]) -> Result:
    """The result of a function, called in the place that a token names."""
    kind, _, id = token.partition(":")
    return _within(inside if kind == "inside" else opened, Place(id), function)


def aside(function: Callable[..., Result], *arguments: Any) -> Result:
    """The result of a function of ours that could meet our own patches, which stand aside meanwhile."""
    return _within(inside, OURS, function, *arguments)


def _within(
    variable: ContextVar[Place | None], place: Place, function: Callable[..., Result], *arguments: Any
) -> Result:
    """No context manager: a signal handler of the user's that raises as one is entered or left would make the
    place stay for good."""
    before = variable.get()
    try:
        variable.set(place)
        return function(*arguments)
    finally:
        variable.set(before)
