"""Interleaved measurement: pairs of (with, without), their median difference, and the noise floor."""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Result:
    """A cost in `unit`: the median of the paired differences, half the width of the middle half of them, the
    noise floor (untracked against untracked) in the same way, and the untracked median; by whom it is caused."""

    name: str
    unit: str
    cost: float
    spread: float
    noise: float
    noise_spread: float
    untracked: float | None
    budget: float | None = None
    more_is_better: bool = False
    by: str = "autotrack"
    percent: float | None = None
    """What the cost is of the untracked median, where that is of interest."""

    def with_untracked(self, budget: float) -> Result:
        """The whole instead of the difference, with a budget for it."""
        assert self.untracked is not None
        return replace(self, cost=self.cost + self.untracked, budget=budget)

    def with_percent(self, budget: float | None) -> Result:
        """The cost in percent as well, with a budget for it."""
        assert self.untracked is not None
        return replace(self, percent=100 * self.cost / self.untracked, budget=budget)

    @property
    def within(self) -> bool | None:
        if self.budget is None:
            return None
        return self.cost >= self.budget if self.more_is_better else self.cost <= self.budget


class Clock:
    """What is measured with."""

    now: Callable[[], float] = time.perf_counter
    """Wall time, in seconds; `time.thread_time` where others are at work on the machine, which does not see waiting."""


def seconds(function: Callable[[], object]) -> float:
    """Time of one call."""
    begun = Clock.now()
    function()
    return Clock.now() - begun


def paired(
    name: str,
    untracked: Callable[[], float],
    tracked: Callable[[], float],
    *,
    rounds: int,
    scale: float,
    unit: str,
    budget: float | None = None,
) -> Result:
    """Run untracked, tracked, untracked in turn, `rounds` times; each returns its seconds."""
    untracked(), tracked()
    triples = [(untracked(), tracked(), untracked()) for _ in range(rounds)]
    return replace(difference(name, triples, scale=scale, unit=unit), budget=budget)


def command_line(name: str, command: str, folder: str, rounds: int, budget: float) -> Result:
    """A command in a pipe, beside an interpreter that does nothing; stated is the whole, not the difference."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("AUTOTRACK_")}

    def start(line: str) -> float:
        words = f"exec {sys.executable} {line} > /dev/null"
        return seconds(lambda: subprocess.run(words, shell=True, cwd=folder, env=env, check=True))

    cost = paired(
        name, lambda: start("-c pass"), lambda: start(f"-m autotrack {command}"), rounds=rounds, scale=1e3, unit="ms"
    )
    return cost.with_untracked(budget)


def difference(
    name: str,
    triples: list[tuple[float, float, float]],
    *,
    scale: float,
    unit: str,
    by: str = "autotrack",
) -> Result:
    """Of the seconds untracked, tracked, and untracked again."""
    differences = [tracked - (before + after) / 2 for before, tracked, after in triples]
    floor = [after - before for before, _, after in triples]
    return Result(
        name,
        unit,
        statistics.median(differences) * scale,
        _half_width(differences) * scale,
        statistics.median(floor) * scale,
        _half_width(floor) * scale,
        statistics.median(value for before, _, after in triples for value in (before, after)) * scale,
        by=by,
    )


def repeated(
    name: str,
    measure: Callable[[], float],
    *,
    rounds: int,
    unit: str,
    budget: float | None = None,
    more_is_better: bool = False,
) -> Result:
    """Measure the same thing `rounds` times, after once for warming up: the median, and as noise the differences
    between neighbours."""
    measure()
    values = [measure() for _ in range(rounds)]
    floor = [later - earlier for earlier, later in itertools.pairwise(values)]
    return Result(
        name,
        unit,
        statistics.median(values),
        _half_width(values),
        statistics.median(floor),
        _half_width(floor),
        None,
        budget,
        more_is_better,
    )


def _half_width(values: list[float]) -> float:
    low, _, high = statistics.quantiles(values, n=4)
    return (high - low) / 2
