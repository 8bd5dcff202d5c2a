"""What is compiled of this plugin, or the same in Python where it was not."""

from __future__ import annotations

from types import CodeType
from typing import TYPE_CHECKING, Any

from autotrack.plugin_api import extension

built: Any = extension("autotrack_torch._hot")
"""The module, or None."""

if TYPE_CHECKING or built is None:

    class Passing:
        """What is asked for at every backward pass: see `losses.Loss`."""

        __slots__ = (
            "at", "code", "optimizer", "plain", "points", "root", "seen", "shared", "slots", "step", "tail", "thread",
        )  # fmt: skip

        at: int
        code: CodeType | None
        optimizer: Any
        plain: bool
        points: Any
        root: Any
        seen: float
        shared: bool
        slots: Any
        step: int
        tail: float
        thread: int

    class Stepping:
        """What is asked for at every step of an optimizer: see `optimizers.Stepped`."""

        __slots__ = ("count", "pending", "rates", "reference", "several")

        count: int
        pending: list[Any]
        rates: tuple[Any, ...]
        reference: Any
        several: list[Any] | None
else:
    Passing, Stepping = built.Passing, built.Stepping
