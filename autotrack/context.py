"""Where the program is: the tracked call it is inside, the run that the user opened, the run it last made.

Which tracked call it is inside is known of each thread; the runs are in context variables, which each thread and
asyncio task has its own of.  `token` and `arrived` carry them to where these do not go: joblib's threads, and
worker processes.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar, copy_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    from autotrack.job import Job

    Result = TypeVar("Result")


class Place:
    """A strand as far as others need to know it: by its id, and how far it is."""

    __slots__ = ("counter", "id")

    def __init__(self, id: str) -> None:
        self.id = id
        self.counter: Any = None
        """What counts its steps, as far as they are known while it trains: `counter.count` is how many were made."""


class _Here(threading.local):
    inside: Place | None = None
    """The strand whose tracked call is running in this thread: what is called within is part of it."""


here = _Here()
"""No context variable: a tracked call is made and returns in one thread, with no other task between.  Assigning
an attribute is one step, which no signal handler of the user's comes into, and no finalizer, see `put`."""
opened: ContextVar[Place | None] = ContextVar("autotrack_opened", default=None)
"""The run that the user opened here with `with autotrack.run()`."""
latest: ContextVar[Place | None] = ContextVar("autotrack_latest", default=None)
"""The strand that last ran here; `autotrack.log` after a fit belongs to it."""

OURS = Place("")
"""Stands in `here.inside` while code of ours runs that could meet our own patches."""
CALLED = Place("")
"""Stands in `here.inside` while a call of the program's runs that is observed as a whole, and has no strand."""


class Current:
    """The job of this process while recording is on."""

    job: Job | None = None
    begun: Place | None = None
    """The strand that was begun last in the main thread, in whichever task."""


def began(strand: Place) -> None:
    """A strand has begun here."""
    put(latest, strand)
    if threading.get_ident() == threading.main_thread().ident:
        Current.begun = strand


def token() -> str:
    """What a task for another thread or process must know to be recorded in its right place; "" for nothing."""
    place = here.inside
    if place is not None:
        return f"inside:{place.id}"
    run = opened.get()
    return f"opened:{run.id}" if run is not None else ""


def arrived(token: str, function: Callable[[], Result]) -> Result:
    """The result of a function, called in the place that a token names."""
    kind, _, id = token.partition(":")
    if kind == "inside":
        return _within(Place(id), function)
    before = opened.get()
    try:
        put(opened, Place(id))
        return function()
    finally:
        put(opened, before)


def settle(token: str) -> None:
    """Be in the place that a token names from here on, where nothing else says where this is."""
    kind, _, id = token.partition(":")
    if kind == "inside":
        here.inside = here.inside or Place(id)
    elif opened.get() is None:
        put(opened, Place(id))


def aside(function: Callable[..., Result], *arguments: Any) -> Result:
    """The result of a function of ours that could meet our own patches, which stand aside meanwhile."""
    return _within(OURS, function, *arguments)


def _within(place: Place, function: Callable[..., Result], *arguments: Any) -> Result:
    """No context manager: a signal handler of the user's that raises as one is entered or left would make the
    place stay for good."""
    before = here.inside
    try:
        here.inside = place
        return function(*arguments)
    finally:
        here.inside = before


def put(variable: ContextVar[Place | None], place: Place | None) -> None:
    """Set a context variable, holding what the context was: a finalizer that sets one as well, run by the garbage
    collector within `ContextVar.set`, takes it away under the hands of that (CPython 3.11, `Python/context.c`,
    `contextvar_set`), and the interpreter crashes."""
    held = copy_context()
    variable.set(place)
    del held
