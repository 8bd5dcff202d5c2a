"""Calls that return a coroutine: they are over when that is."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import TYPE_CHECKING, Any

from autotrack import context
from autotrack.frames import transparent

if TYPE_CHECKING:
    from autotrack.patching import Observation


def _stepping(name: str, *first: Any) -> Callable[..., Any]:
    """A method that has a coroutine go on to where it waits next, or to its end: one frame in a traceback."""

    def step(self: Awaited, *given: Any) -> Any:
        try:
            return getattr(self._coroutine, name)(*first, *given)
        except StopIteration as end:
            self._end("finish", end.value)
            raise
        except BaseException as error:
            self._end("fail", error)
            raise

    return transparent(step)


class Awaited(Coroutine[Any, Any, Any]):
    """The coroutine that a call has returned, whose end is the end of the call.

    No coroutine of ours around it: closed before its start, that would never come to the other, and both would warn.
    """

    __slots__ = ("__weakref__", "_coroutine", "_observation")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], observation: Observation) -> None:
        self._coroutine = coroutine
        self._observation: Observation | None = observation
        """Until its end."""

    def _end(self, how: str, what: Any) -> None:
        observation, self._observation = self._observation, None
        if observation is not None:
            context.aside(getattr(observation, how), what)

    send = _stepping("send")
    throw = _stepping("throw")

    @transparent
    def close(self) -> None:
        self._coroutine.close()
        self._end("fail", GeneratorExit())

    def __await__(self) -> Generator[Any, Any, Any]:
        return self

    def __iter__(self) -> Awaited:
        return self

    __next__ = _stepping("send", None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)

    def __repr__(self) -> str:
        return repr(self._coroutine)
