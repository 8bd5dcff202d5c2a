"""Trackers take turns: in each round in another order, and those that prove slow in fewer rounds."""

from __future__ import annotations

import functools
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TypeVar

from benchmarks.measure import Result, difference, scaled
from benchmarks.trackers import AGAIN, UNTRACKED, Tracker

TWICE = (UNTRACKED, AGAIN)
SLOW, SELDOM = 2.0, 4
"""A tracker that took so many seconds more than the fastest has a turn in one of so many rounds."""
T = TypeVar("T")


class Failed(Exception):
    """A tracker's process has ended in an error, which is the message."""


class Hangs(Failed):
    """It has not ended."""


def attempt(key: str, function: Callable[[], T]) -> T | None:
    """None where a tracker fails, which is said."""
    try:
        return function()
    except Failed as error:
        if key in TWICE:
            raise
        print(f"  {key} is left out: {error}", flush=True)
        return None


def take(
    trackers: Iterable[Tracker], turn: Callable[[str], T], *, rounds: int, warm: int = 1, twice: bool = True
) -> list[dict[str, T]]:
    """What the turns of each round gave, by the trackers' keys; those of the first `warm` rounds are left out, and so
    is a tracker that fails.  `twice`: untracked has two turns of its own."""
    keys = [*(TWICE if twice else ()), *(tracker.key for tracker in trackers)]
    shuffled, slow = random.Random(0), set[str]()
    found = []
    for number in range(-warm, scaled(rounds)):
        order = [key for key in keys if number < 0 or number % SELDOM == 0 or key not in slow]
        shuffled.shuffle(order)
        round_, took = {}, {}
        for key in order:
            begun = time.perf_counter()
            outcome = attempt(key, functools.partial(turn, key))
            if outcome is None:
                keys.remove(key)
                continue
            round_[key], took[key] = outcome, time.perf_counter() - begun
        slow |= {key for key, seconds in took.items() if seconds > min(took.values()) + SLOW and key not in TWICE}
        if number >= 0:
            found.append(round_)
    return found


def compare(
    name: str, rounds: list[dict[str, T]], tracker: Tracker, value: Callable[[T], float], *, scale: float, unit: str
) -> Result | None:
    """What a tracker costs more than none, of the rounds in which it had a turn; None where there is no such round."""
    triples = [
        (value(round_[TWICE[0]]), value(round_[tracker.key]), value(round_[TWICE[1]]))
        for round_ in rounds
        if tracker.key in round_
    ]
    return named(difference(name, triples, scale=scale, unit=unit), tracker) if triples else None


def named(result: Result, tracker: Tracker) -> Result:
    version = tracker.version() or ""
    return replace(result, tracker=tracker.key, version=version, by=f"{tracker.label} {version}".rstrip())
