"""How what readers do grows with what is there: lists, filters, comparisons, lineage, curves, taking in, room on disk.

After each kind comes by which power of the size it grew over the last two decades, and what that means: 0 where the
size does not matter, 1 where it takes twice as much for twice as much.  `--rounds` below 0.3 leaves out the greatest
sizes.
"""

from __future__ import annotations

import itertools
import math
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from autotrack.cli import curves
from autotrack.journal.folder import Folder
from autotrack.store import Store, open_store
from benchmarks import recorded, trace
from benchmarks.measure import Factor, Result, command_line, estimate, interval, scaled, seconds

RUNS = (1, 10, 100, 1_000, 10_000, 100_000)
JOBS = (10, 100, 1_000, 10_000, 100_000)
POINTS = (10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
RUNS_OF_A_JOB = 100
ROUNDS = 7
BUDGET, CURVE = 300.0, 100.0
"""Milliseconds of a whole command, and of drawing a curve."""
LISTS = {
    "ls": "ls --limit 50",
    "ls, sorted by a metric": "ls --limit 50 --sort test/accuracy",
    "ls, a filter that few pass": "ls --limit 50 'params.C < 0.05'",
    "ls, a filter that all pass": "ls --limit 50 'params.max_iter == 100'",
    "show the best": "show @best:test/accuracy",
    "compare two": "compare @last @best:test/accuracy",
}
LINEAGE = {
    "trace a model": "trace renamed.bin",
    "trace the data of all": "trace data.csv",
    "trace what came of it": "trace data.csv --down",
}
NEAR = 0.15
"""As far as this from 0 or 1 a power is taken for it."""


def run() -> Iterator[Result]:
    for of_sizes in (_of_runs, _of_jobs, _of_points):
        found: dict[str, list[Result]] = {}
        for result in of_sizes():
            yield result
            found.setdefault(result.name.rpartition(",")[0], []).append(result)
        for name, results in found.items():
            yield from _power(name, results)


def sizes(all_: tuple[int, ...]) -> list[int]:
    return [
        size for size in all_ if size <= max(all_[-1] * (Factor.of_rounds if Factor.of_rounds < 0.3 else 1.0), 1_000)
    ]


def _of_runs() -> Iterator[Result]:
    for size in sizes(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / ".autotrack"
            recorded.jobs(root, size, max(1, size // RUNS_OF_A_JOB))
            yield from _taking_in(root, "runs", size)
            yield from _commands(LISTS, folder, "runs", size)


def _of_jobs() -> Iterator[Result]:
    for size in sizes(JOBS):
        with tempfile.TemporaryDirectory() as folder:
            trace.record(Path(folder), size)
            yield from _taking_in(Path(folder) / ".autotrack", "jobs", size)
            shutil.move(os.path.join(folder, "model.bin"), os.path.join(folder, "renamed.bin"))
            yield from _commands(LINEAGE, folder, "jobs", size)


def _of_points() -> Iterator[Result]:
    for size in sizes(POINTS):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / ".autotrack"
            with recorded.job(root) as job:
                recorded.points(job, size, series=1)
            yield from _taking_in(root, "points", size)
            with open_store(Folder(str(root))) as store:
                yield _curve(store, size)
                everything = [seconds(lambda: _all(store)) * 1e3 for _ in range(scaled(ROUNDS))]
                yield _of_size(estimate(f"growth: read every point, {size:,} points", everything, unit="ms"), size)


def _taking_in(root: Path, what: str, size: int) -> Iterator[Result]:
    """Time and room for each."""
    journal = _bytes(root)
    with open_store(Folder(str(root))) as store:
        taken = seconds(store.refresh)
    yield _once(f"growth: take in one of, {size:,} {what}", "us", taken * 1e6 / size, size)
    yield _once(f"growth: journal of one of, {size:,} {what}", "B", journal / size, size)
    yield _once(f"growth: store of one of, {size:,} {what}", "B", (_bytes(root) - journal) / size, size)


def _commands(commands: dict[str, str], folder: str, what: str, size: int) -> Iterator[Result]:
    for label, command in commands.items():
        yield _of_size(command_line(f"growth: {label}, {size:,} {what}", command, folder, ROUNDS, BUDGET), size)


def _curve(store: Store, size: int) -> Result:
    """As `autotrack plot` draws it: read, thinned out, put on its axes."""

    def draw() -> object:
        (run,) = store.runs()
        import numpy

        _, steps, _, values = zip(*store.points(run["id"], preview=True), strict=True)
        curve = curves.Curve("train/loss", numpy.concatenate(steps), numpy.concatenate(values), size)
        drawn = curves.drawable(curve, log=False, width=120)
        return list(curves.chart("train/loss", [drawn], log=False, unit="", width=120))

    draw()
    taken = [seconds(draw) * 1e3 for _ in range(scaled(ROUNDS))]
    return _of_size(estimate(f"growth: draw a curve, {size:,} points", taken, unit="ms", budget=CURVE), size)


def _all(store: Store) -> int:
    (run,) = store.runs()
    return sum(len(steps) for _, steps, _, _ in store.points(run["id"]))


def _bytes(root: Path) -> int:
    """On disk, also of files that were made longer ahead of time."""
    return sum(path.stat().st_blocks * 512 for path in root.rglob("*") if path.is_file())


def _once(name: str, unit: str, cost: float, size: int) -> Result:
    return _of_size(Result(name, unit, cost, cost, cost), size)


def _of_size(result: Result, size: int) -> Result:
    return replace(result, size=size)


def _power(name: str, results: list[Result]) -> Iterator[Result]:
    """By which power of the size the cost grew over the last two decades: the median over all pairs of sizes."""
    known = [(float(result.size or 0), result.cost) for result in results if result.cost > 0]
    last = [(size, cost) for size, cost in known if size * 100 >= known[-1][0]]
    if len(last) < 3:
        return
    pairs = itertools.combinations(last, 2)
    powers = [math.log(later / cost) / math.log(larger / size) for (size, cost), (larger, later) in pairs]
    power = statistics.median(powers)
    label = name.removeprefix("growth: ")
    yield replace(Result(f"power: {label}", "", power, *interval(powers)), told=in_words(power))


def in_words(power: float) -> str:
    """What a power of the size means."""
    if abs(power) <= NEAR:
        return "does not depend on the size"
    if power < 0:
        return "less of each, the more there are"
    if power < 1 - NEAR:
        return "less than in proportion"
    return "in proportion" if power <= 1 + NEAR else "more than in proportion"
