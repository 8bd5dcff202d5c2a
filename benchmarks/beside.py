"""What trainings cost more as recorded by each tracker, in the same rounds.

Each tracker has a process of its own, since what some put into a framework can't be taken out again.  All of them live
at once and take turns; in each round they do so in another order.  A process answers when its threads and its children
have nothing left to do, which would slow down the next.  A training is compared with those of two processes that track
nothing; blocks of steps are compared with blocks of the same process, since two processes of one program differ by more
than a step costs, and without a pause between them, after which a processor has another speed.
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
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
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
TRIPLES, LONGEST = 10, 4.0
"""Of blocks in a turn: as many, as far as there are seconds for them."""
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
Triple = tuple[float, float, float]
"""Of seconds: untracked, tracked, and untracked again."""


@dataclass(frozen=True)
class Turn:
    """What a turn gave: the seconds of one training and those on processors; or triples of seconds a step, by how much
    more a recorded one took of processors, and how many were recorded."""

    wall: float = 0.0
    cpu: float = 0.0
    triples: tuple[Triple, ...] = ()
    recorded: int = 1


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
        working = {key: names for key in keys if (names := turns.attempt(key, processes[key].names))}
        chosen = [tracker for tracker in chosen if tracker.key in working]
        for name in next(iter(working.values())):
            train = functools.partial(_train, processes, name)
            took = turns.take(chosen, train, rounds=rounds, twice=not in_blocks)
            chosen = [tracker for tracker in chosen if any(tracker.key in round_ for round_ in took)]
            for tracker in chosen:
                rounds_ = [round_ for round_ in took if tracker.key in round_]
                triples = [triple for round_ in rounds_ for triple in _triples(round_, tracker.key)]
                result = turns.named(difference(name, triples, scale=scale, unit=unit), tracker)
                more = statistics.median(_more_cpu(round_, tracker.key) for round_ in rounds_)
                process = processes[tracker.key]
                memory = None if in_blocks else process.memory() - processes[UNTRACKED].memory()
                result = replace(result, cpu=more * scale, memory=memory, disk=process.disk(name))
                assert result.untracked is not None
                limited = budget is not None and tracker.key == "autotrack"
                yield result.with_percent(round(budget(result.untracked), 2) if budget and limited else None)


def _train(processes: dict[str, _Process], name: str, key: str) -> Turn:
    return processes[key].train(name)


def _triples(round_: dict[str, Turn], key: str) -> tuple[Triple, ...]:
    before, after = (round_.get(twice, Turn()) for twice in turns.TWICE)
    return round_[key].triples or ((before.wall, round_[key].wall, after.wall),)


def _more_cpu(round_: dict[str, Turn], key: str) -> float:
    before, after = (round_.get(twice, Turn()) for twice in turns.TWICE)
    return round_[key].cpu - (before.cpu + after.cpu) / 2


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
        self.before, self.recorded = 0, dict[str, int]()

    def names(self) -> list[str]:
        """Of the trainings."""
        return list(self._answer())

    def train(self, name: str) -> Turn:
        if name not in self.recorded:
            self.before = usage.disk_bytes(self.folder)
        answer = self._ask(name)
        turn = Turn(**{**answer, "triples": tuple((a, b, c) for a, b, c in answer["triples"])})
        self.recorded[name] = self.recorded.get(name, 0) + turn.recorded
        return turn

    def memory(self) -> float:
        return float(self._ask(MEMORY))

    def disk(self, name: str) -> float:
        """Bytes for each training or step since the first of this name."""
        return (usage.disk_bytes(self.folder) - self.before) / self.recorded[name]

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
        answer(list(trainings))
        for line in sys.stdin:
            asked = line.rstrip("\n")
            answer(usage.peak_memory() if asked == MEMORY else asdict(_measured(trainings[asked])))

    if getattr(module, "IN_ONE_RUN", False):
        tracker.around({}, serve)
    else:
        serve()


def _measured(training: Callable[[], object] | Blocks) -> Turn:
    if not isinstance(training, Blocks):
        return Turn(*_use(training))
    recorded, steps = 0, training.steps
    training.unrecorded(training.warm)
    until, triples = time.perf_counter() + LONGEST, list[Triple]()
    while len(triples) < TRIPLES and (not triples or time.perf_counter() < until):
        times = []
        for block in (training.unrecorded, training.recorded, training.unrecorded):
            block(1)
            times.append(seconds(functools.partial(block, steps)) / steps)
        triples.append((times[0], times[1], times[2]))
        recorded += 1 + steps
    usage.settle()
    _, without = _use(functools.partial(training.unrecorded, steps))
    _, with_ = _use(functools.partial(training.recorded, steps))
    return Turn(cpu=(with_ - without) / steps, triples=tuple(triples), recorded=recorded + steps)


def _use(function: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and seconds on processors until nothing is left to do."""
    before = usage.cpu_seconds()
    wall = seconds(function)
    usage.settle()
    return wall, usage.cpu_seconds() - before


if __name__ == "__main__":
    importlib.import_module("benchmarks.beside").main()  # whose classes are those that the benchmarks make
