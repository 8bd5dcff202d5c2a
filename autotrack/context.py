"""Where the program is: the tracked call it is inside, the run that the user opened, the run it last made.

What is inside a tracked call is told by a context variable, which each thread and asyncio task has its own
of.  `token` and `arrive` carry it to where context variables do not go: joblib's threads and processes.
"""

from __future__ import annotations

from contextvars import ContextVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from autotrack.job import Job


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


class arrive:  # noqa: N801
    """Context manager: be in the place that a token names."""

    __slots__ = ("_place", "_reset", "_variable")

    def __init__(self, token: str) -> None:
        kind, _, id = token.partition(":")
        self._variable = inside if kind == "inside" else opened
        self._place = Place(id)

    def __enter__(self) -> None:
        self._reset = self._variable.set(self._place)

    def __exit__(self, *_: object) -> None:
        self._variable.reset(self._reset)


def suppressed() -> arrive:
    """Context manager: code of ours runs that could meet our own patches, which then stand aside."""
    return arrive("inside:")
