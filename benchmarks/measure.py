"""Interleaved measurement: pairs of (with, without), their median difference, and the noise floor."""

from __future__ import annotations

import itertools
import math
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Result:
    """A cost in `unit`, with the 95 % confidence interval of its median; the noise floor (untracked against untracked)
    in the same way; the untracked median; and whose cost it is."""

    name: str
    unit: str
    cost: float
    low: float
    high: float
    noise: float | None = None
    noise_low: float | None = None
    noise_high: float | None = None
    untracked: float | None = None
    budget: float | None = None
    more_is_better: bool = False
    by: str = "autotrack"
    """The tracker, as a reader knows it."""
    percent: float | None = None
    """What the cost is of the untracked median, where that is of interest."""
    workload: str = ""
    """The name of the benchmark."""
    tracker: str = "autotrack"
    """The tracker's key, which is the same in every version."""
    version: str = ""
    cpu: float | None = None
    """Time on processors, in `unit`, of all threads and child processes, until all is written."""
    memory: float | None = None
    """MB more at the peak."""
    disk: float | None = None
    """Bytes of whatever the cost is of."""
    size: int | None = None
    """Of how many it is, where it is looked at how the cost grows with that."""
    told: str = ""
    """What it means, in words."""

    def with_untracked(self, budget: float) -> Result:
        """The whole instead of the difference, with a budget for it."""
        whole = self.untracked
        assert whole is not None
        return replace(self, cost=self.cost + whole, low=self.low + whole, high=self.high + whole, budget=budget)

    def with_percent(self, budget: float | None) -> Result:
        """The cost in percent as well, with a budget for it."""
        assert self.untracked is not None
        return replace(self, percent=100 * self.cost / self.untracked, budget=budget)

    def with_noise(self, floor: list[float], untracked: float | None = None) -> Result:
        noise, (low, high) = statistics.median(floor), interval(floor)
        return replace(self, noise=noise, noise_low=low, noise_high=high, untracked=untracked)

    @property
    def within(self) -> bool | None:
        if self.budget is None:
            return None
        return self.cost >= self.budget if self.more_is_better else self.cost <= self.budget


class Clock:
    """What is measured with."""

    now: Callable[[], float] = time.perf_counter
    """Wall time, in seconds; `time.thread_time` where others are at work on the machine, which does not see waiting."""


class Factor:
    """What the number of rounds of everything is multiplied by."""

    of_rounds = 1.0


def scaled(rounds: int) -> int:
    """The rounds to make: at least three, where there are that many."""
    return max(min(3, rounds), round(rounds * Factor.of_rounds))


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
    triples = [(untracked(), tracked(), untracked()) for _ in range(scaled(rounds))]
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
) -> Result:
    """Of the seconds untracked, tracked, and untracked again."""
    differences = [(tracked - (before + after) / 2) * scale for before, tracked, after in triples]
    floor = [(after - before) * scale for before, _, after in triples]
    untracked = statistics.median(value for before, _, after in triples for value in (before, after)) * scale
    return estimate(name, differences, unit=unit).with_noise(floor, untracked)


def estimate(name: str, values: list[float], *, unit: str, budget: float | None = None) -> Result:
    """The median of what was measured, and its interval."""
    return Result(name, unit, statistics.median(values), *interval(values), budget=budget)


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
    values = [measure() for _ in range(scaled(rounds))]
    floor = [later - earlier for earlier, later in itertools.pairwise(values)]
    result = estimate(name, values, unit=unit, budget=budget).with_noise(floor)
    return replace(result, more_is_better=more_is_better)


def interval(values: list[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the median, whatever the distribution: the order statistics outside of which the
    binomial distribution leaves at most 2.5 % on each side.  Of less than six values, the least and the greatest."""
    ordered, count = sorted(values), len(values)
    rank, outside = 0, 0.5**count
    while outside <= 0.025:
        rank += 1
        outside += math.comb(count, rank) * 0.5**count
    return ordered[max(0, rank - 1)], ordered[count - max(1, rank)]


def mean(values: list[float]) -> tuple[float, float, float]:
    """The mean, and its 95 % confidence interval by the percentile bootstrap."""
    chosen = random.Random(0)
    means = sorted(statistics.fmean(chosen.choices(values, k=len(values))) for _ in range(1_000))
    return statistics.fmean(values), means[25], means[974]


def slope(looks: list[tuple[float, float]]) -> tuple[float, float, float]:
    """The Theil-Sen slope of (x, y), the median of the slopes between all pairs, and its 95 % confidence interval by
    Kendall's statistic (Sen 1968)."""
    slopes = sorted((y - before) / (b - a) for (a, before), (b, y) in itertools.combinations(looks, 2))
    count, pairs = len(looks), len(slopes)
    half = 1.96 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low, high = math.floor((pairs - half) / 2), math.ceil((pairs + half) / 2)
    return statistics.median(slopes), slopes[max(0, low)], slopes[min(pairs - 1, high)]
