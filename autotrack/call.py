"""A call of the program that is observed, as an observer sees it."""

from __future__ import annotations

import sys
import time
from types import FrameType
from typing import TYPE_CHECKING, Any

from autotrack.frames import DRIVER_FILE
from autotrack.shield import FAILED

if TYPE_CHECKING:
    from autotrack.patching import Site


class Call:
    """A call that is observed: for reading, with lenient binding, since `inspect.signature` of a decorated
    function may reject what the function accepts."""

    __slots__ = ("args", "exception", "forwarded", "function", "instance", "kwargs", "place", "seconds", "started")

    def __init__(
        self, function: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any], place: Site
    ) -> None:
        self.function, self.instance, self.args, self.kwargs = function, instance, args, kwargs
        self.exception: BaseException | None = None
        """What the call raised; an observer of a call that raised is closed at its yield."""
        self.place = place
        self.started = time.perf_counter()
        self.seconds = 0.0
        self.forwarded = kwargs

    @property
    def name(self) -> str:
        return self.place.name

    def get(self, name: str, default: Any = None) -> Any:
        """The argument called `name`, given by keyword or by position, or the default."""
        if name in self.kwargs:
            return self.kwargs[name]
        try:
            at = self.place.parameters(self.function, self.instance).index(name)
        except ValueError:
            return default
        return self.args[at] if at < len(self.args) else default

    def given(self, name: str, default: Any = None) -> Any:
        """As `get`, also of a function that takes those arguments by position which are named after a `*`."""
        if name in self.kwargs:
            return self.kwargs[name]
        names = self.place.parameters(self.function, self.instance, keywords=True)
        at = names.index(name) if name in names else len(self.args)
        return self.args[at] if at < len(self.args) else default

    def __getitem__(self, name: str) -> Any:
        """As `get`; raises KeyError where the argument was not given."""
        value = self.get(name, FAILED)
        if value is FAILED:
            raise KeyError(name)
        return value

    def expression(self, name: str) -> str | None:
        """The source of the argument called `name` in the user's code; None where that can't be had."""
        frame = caller()
        if frame is None:
            return None
        from autotrack.capture.callsite import expressions

        positional, named = expressions(frame)
        if name in named:
            return named[name]
        names = self.place.parameters(self.function, self.instance)
        at = names.index(name) if name in names else len(positional)
        return positional[at] if at < len(positional) else None

    def add_callback(self, name: str, callback: Any) -> None:
        """Forward one more callback under the keyword `name`, where the framework takes a list of them: in a
        new list; the user's own is left alone.  Does nothing where the user gave it by position."""
        given = self.get(name)
        if name not in self.kwargs and given is not None:
            return
        self.forwarded = {**self.kwargs, name: [*(given or ()), callback]}


def caller() -> FrameType | None:
    """The user's frame whose call is observed; for observers, while they run."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != DRIVER_FILE:
        frame = frame.f_back
    return frame.f_back if frame is not None else None
