"""Blocks of steps of a raw PyTorch loop, recorded and not, in one process."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

from benchmarks.beside import Blocks
from benchmarks.loop import Observers
from benchmarks.trackers import Tracker

_NUMBERS = itertools.count()
"""Of the steps of a process, since some trackers leave out what is before the last."""


def blocks(tracker: Tracker, step: Callable[[], Any], steps: int) -> Blocks:
    """By hand, `log(loss.item())` in each step; automatic, nothing, and for an unrecorded block the observers are taken
    out of PyTorch.  A step returns its loss."""

    def unrecorded(count: int) -> None:
        for _ in range(count):
            step()

    def by_hand(count: int) -> None:
        for _ in range(count):
            tracker.log("loss", step().item(), next(_NUMBERS))

    warm = 2 * steps
    if tracker.by_hand:
        return Blocks(unrecorded, by_hand, steps, warm)
    unrecorded(steps)
    time.sleep(1.0)  # the recorder has opened its files, and read the source
    observers = Observers()

    def off(count: int) -> None:
        observers.off()
        unrecorded(count)

    def on(count: int) -> None:
        observers.on()
        unrecorded(count)

    return Blocks(off, on, steps, warm)
