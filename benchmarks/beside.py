"""What trainings cost more as recorded by each tracker, in the same rounds.

Each tracker has a process of its own, since what some put into a framework can't be taken out again.  All of them live
at once and take turns; in each round they do so in another order.  A process answers when its threads and its children
have nothing left to do, which would slow down the next.  A training is compared with those of two processes that track
nothing; blocks of steps are compared with blocks of the same process, since two processes of one program differ by more
than a step costs.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import os
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import turns, usage
from benchmarks.measure import Result, difference, seconds
from benchmarks.programs import last_line
from benchmarks.trackers import UNTRACKED, Tracker, named
from benchmarks.trackers.surroundings import surroundings
from benchmarks.turns import Failed

PATIENCE = 100.0
"""Seconds that a process has to answer."""
PATIENCE_AT_END = 20.0
"""Seconds that it has to end."""
QUIET = 0.03
"""Of a process between two blocks: see `usage.settle`."""
MEMORY = "its memory"
"""What a process is asked for besides trainings."""


@dataclass(frozen=True)
class Blocks:
    """Of as many steps each, recorded and not."""

    unrecorded: Callable[[int], object]
    recorded: Callable[[int], object]
    steps: int
    warm: int
    """Steps of the same kind before those that are measured."""


Trainings = dict[str, Callable[[], object] | Blocks]
"""Of a benchmark that is measured so, by their names: what its `trainings(tracker)` returns; with `IN_ONE_RUN`, all of
them are done inside of one run, and else each of them opens its own."""
Use = tuple[float, float]
"""Seconds, and seconds on processors."""


def compare(
    module: str,
    chosen: list[Tracker],
    *,
    rounds: int,
    scale: float = 1e3,
    unit: str = "ms",
    budget: Callable[[float], float] | None = None,
    in_blocks: bool = False,
) -> Iterator[Result]:
    """The trainings of a benchmark; the budget, of autotrack alone, comes from what they take.  `in_blocks`: they are
    `Blocks`."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        keys = [*(() if in_blocks else turns.TWICE), *(tracker.key for tracker in chosen)]
        processes = {
            key: stack.enter_context(_Process(module, key, Path(folder) / str(number)))
            for number, key in enumerate(keys)
        }
        working = {key: names for key in keys if (names := turns.attempt(key, processes[key].steps))}
        chosen = [tracker for tracker in chosen if tracker.key in working]
        for name, steps in next(iter(working.values())).items():
            train = functools.partial(_train, processes, name)
            took = turns.take(chosen, train, rounds=rounds, twice=not in_blocks)
            chosen = [tracker for tracker in chosen if any(tracker.key in round_ for round_ in took)]
            for tracker in chosen:
                triples = [_triple(round_, tracker.key) for round_ in took if tracker.key in round_]
                wall = [(before[0], tracked[0], after[0]) for before, tracked, after in triples]
                result = turns.named(difference(name, wall, scale=scale, unit=unit), tracker)
                more = statistics.median(tracked[1] - (a[1] + b[1]) / 2 for a, tracked, b in triples)
                process = processes[tracker.key]
                memory = None if in_blocks else process.memory() - processes[UNTRACKED].memory()
                result = replace(result, cpu=more * scale, memory=memory, disk=process.disk(name, steps))
                assert result.untracked is not None
                limited = budget is not None and tracker.key == "autotrack"
                yield result.with_percent(round(budget(result.untracked), 2) if budget and limited else None)


def _train(processes: dict[str, _Process], name: str, key: str) -> list[Use]:
    return processes[key].train(name)


def _triple(round_: dict[str, list[Use]], key: str) -> tuple[Use, Use, Use]:
    """Untracked, tracked, and untracked again."""
    if len(round_[key]) == 3:
        before, tracked, after = round_[key]
    else:
        (before,), (tracked,), (after,) = round_[turns.TWICE[0]], round_[key], round_[turns.TWICE[1]]
    return before, tracked, after


class _Process(contextlib.AbstractContextManager["_Process", None]):
    """One of them, in a folder of its own; what it prints is kept until it has ended well."""

    def __init__(self, module: str, key: str, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.printed = str(folder), str(folder.with_suffix(".printed"))
        command = [sys.executable, "-m", "benchmarks.beside", module, key, self.folder]
        with open(self.printed, "w") as file:
            self.process = subprocess.Popen(
                command,
                env=surroundings(self.folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.asks, self.answers = self.process.stdin, self.process.stdout
        self.before, self.trained = 0, dict[str, int]()

    def steps(self) -> dict[str, int]:
        """The names of the trainings, and how many steps are recorded each time."""
        return dict(self._answer())

    def train(self, name: str) -> list[Use]:
        if name not in self.trained:
            self.before = usage.disk_bytes(self.folder)
        self.trained[name] = self.trained.get(name, 0) + 1
        return [(wall, cpu) for wall, cpu in self._ask(name)]

    def memory(self) -> float:
        return float(self._ask(MEMORY))

    def disk(self, name: str, steps: int) -> float:
        """Bytes for each training or step since the first of this name."""
        return (usage.disk_bytes(self.folder) - self.before) / (self.trained[name] * steps)

    def _ask(self, what: str) -> Any:
        try:
            print(what, file=self.asks, flush=True)
        except BrokenPipeError:
            raise Failed(last_line(self.printed)) from None
        return self._answer()

    def _answer(self) -> Any:
        ready, _, _ = select.select([self.answers], [], [], PATIENCE)
        if not ready:
            raise Failed(f"no answer for {PATIENCE:g} s")
        line = self.answers.readline()
        if not line:
            raise Failed(last_line(self.printed) or f"it has ended with {self.process.wait()}")
        return json.loads(line)

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.asks.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE_AT_END)
        usage.end_all(self.folder)
        self.process.wait()
        self.answers.close()


def main() -> None:
    """Such a process: trains whatever name it reads, and answers with what that has taken."""
    name, key, folder = sys.argv[1:]
    os.chdir(folder)
    answers = os.dup(1)
    os.dup2(2, 1)
    tracker, module = named(key), importlib.import_module(f"benchmarks.{name}")
    tracker.prepare(folder)

    def answer(value: object) -> None:
        os.write(answers, f"{json.dumps(value)}\n".encode())

    def serve() -> None:
        trainings: Trainings = module.trainings(tracker)
        answer({name: one.steps + one.warm if isinstance(one, Blocks) else 1 for name, one in trainings.items()})
        for line in sys.stdin:
            asked = line.rstrip("\n")
            answer(usage.peak_memory() if asked == MEMORY else _measured(trainings[asked]))

    if getattr(module, "IN_ONE_RUN", False):
        tracker.around({}, serve)
    else:
        serve()


def _measured(training: Callable[[], object] | Blocks) -> list[Use]:
    if not isinstance(training, Blocks):
        return [_use(training)]
    uses = []
    for steps in (training.unrecorded, training.recorded, training.unrecorded):
        steps(training.warm)
        uses.append(_use(functools.partial(steps, training.steps), QUIET))
    return [(wall / training.steps, cpu / training.steps) for wall, cpu in uses]


def _use(function: Callable[[], object], quiet: float = usage.QUIET) -> Use:
    before = usage.cpu_seconds()
    wall = seconds(function)
    usage.settle(quiet)
    return wall, usage.cpu_seconds() - before


if __name__ == "__main__":
    importlib.import_module("benchmarks.beside").main()  # whose classes are those that the benchmarks make
