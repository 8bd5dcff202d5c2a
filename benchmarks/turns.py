"""Trackers take turns: in each round in another order, and those that prove slow in fewer rounds."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from benchmarks.measure import Result, difference, scaled
from benchmarks.trackers import AGAIN, UNTRACKED, Tracker

SLOW, SELDOM = 2.0, 4
"""From so many seconds more than untracked a tracker has a turn in one of so many rounds."""
T = TypeVar("T")


class Failed(Exception):
    """A tracker's process has ended in an error, which is the message."""


def take(trackers: Iterable[Tracker], turn: Callable[[str], T], *, rounds: int, warm: int = 1) -> list[dict[str, T]]:
    """What the turns of each round gave, by the trackers' keys, untracked twice; those of the first `warm` rounds are
    left out.  A tracker that fails is named with its error, and left out."""
    keys, slow, shuffled = [UNTRACKED, AGAIN, *(tracker.key for tracker in trackers)], set(), random.Random(0)
    found: list[dict[str, T]] = []
    usual = 0.0
    for number in range(-warm, scaled(rounds)):
        order = [key for key in keys if number < 0 or number % SELDOM == 0 or key not in slow]
        if found or number > -warm:
            shuffled.shuffle(order)
        round_: dict[str, T] = {}
        for key in order:
            begun = time.perf_counter()
            try:
                round_[key] = turn(key)
            except Failed as error:
                if key in (UNTRACKED, AGAIN):
                    raise
                keys.remove(key)
                print(f"  {key} is left out: {error}", flush=True)
                continue
            taken = time.perf_counter() - begun
            usual = taken if key == UNTRACKED else usual
            if taken > usual + SLOW:
                slow.add(key)
        if number >= 0:
            found.append(round_)
    return found


def compare(
    name: str, rounds: list[dict[str, T]], tracker: Tracker, value: Callable[[T], float], *, scale: float, unit: str
) -> Result | None:
    """What a tracker costs more than none, of the rounds in which it had a turn; None where there is no such round."""
    triples = [
        (value(round_[UNTRACKED]), value(round_[tracker.key]), value(round_[AGAIN]))
        for round_ in rounds
        if tracker.key in round_
    ]
    return named(difference(name, triples, scale=scale, unit=unit), tracker) if triples else None


def named(result: Result, tracker: Tracker) -> Result:
    version = tracker.version() or ""
    return replace(result, tracker=tracker.key, version=version, by=f"{tracker.label} {version}".rstrip())
