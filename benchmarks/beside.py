"""What trainings cost more as recorded by autotrack and, where it is installed, by MLflow's autologging.

Each tracker has a process of its own, since what MLflow puts into a framework can't be taken out again. Untracked, they
are done by two processes, for the noise. All of them live at once and take turns; in each round they do so in another
order. A process answers when its threads have nothing left to do, which would slow down the next.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measure import Result, difference, seconds

Trainings = dict[str, Callable[[], object]]
"""Of a benchmark that is measured so, by their names: what its `trainings(tracker)` returns."""
UNTRACKED, AGAIN, AUTOTRACK = "untracked", "untracked again", "autotrack"
MLFLOW, WITHOUT_MODELS = "mlflow", "mlflow without models"
"""Its default, and without its saving of models, which takes the most of its time."""
SELDOM = 4
"""MLflow takes seconds for a training: it has a turn in one of so many rounds."""
QUIET, PATIENCE = 0.05, 10.0
"""Seconds in which a process uses less than a millisecond of processor, and for which it is waited for at most."""


def compare(module: str, *, rounds: int, budget: Callable[[float], float]) -> Iterator[Result]:
    """The trainings of a benchmark; the budget, of autotrack alone, comes from the milliseconds that they take."""
    try:
        mlflow = f"MLflow {importlib.metadata.version('mlflow')}"
    except importlib.metadata.PackageNotFoundError:
        mlflow = ""
        print("MLflow's autologging is left out, as it is not installed: pip install mlflow", flush=True)
    trackers = {AUTOTRACK: "autotrack"}
    if mlflow:
        trackers |= {MLFLOW: mlflow, WITHOUT_MODELS: f"{mlflow}, log_models=False"}
    for training, turns in measure(module, list(trackers), rounds):
        for tracker, by in trackers.items():
            triples = [(turn[UNTRACKED], turn[tracker], turn[AGAIN]) for turn in turns if tracker in turn]
            result = difference(training, triples, scale=1e3, unit="ms", by=by)
            assert result.untracked is not None
            most = round(budget(result.untracked), 2) if tracker == AUTOTRACK else None
            yield result.with_percent(most)


def measure(module: str, trackers: list[str], rounds: int) -> Iterator[tuple[str, list[dict[str, float]]]]:
    """For each training the seconds of it in each round, by tracker."""
    shuffled = random.Random(0)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        processes = {
            tracker: stack.enter_context(_Process(module, tracker, Path(folder) / str(number)))
            for number, tracker in enumerate([UNTRACKED, AGAIN, *trackers])
        }
        names, *_ = [process.names() for process in processes.values()]  # by when all have imported what they need
        for name in names:
            take_turns(processes, list(processes), name)
            turns = []
            for number in range(rounds):
                seldom = () if number % SELDOM == 0 else (MLFLOW, WITHOUT_MODELS)
                order = [tracker for tracker in processes if tracker not in seldom]
                shuffled.shuffle(order)
                turns.append(take_turns(processes, order, name))
            yield name, turns


def take_turns(processes: dict[str, _Process], order: list[str], name: str) -> dict[str, float]:
    return {tracker: processes[tracker].seconds(name) for tracker in order}


class _Process(contextlib.AbstractContextManager["_Process", None]):
    """One of them, in a folder of its own; what it prints is kept until it has ended well."""

    def __init__(self, module: str, tracker: str, folder: Path) -> None:
        folder.mkdir()
        self.tracker, self.printed = tracker, folder / "printed"
        command = [sys.executable, "-m", "benchmarks.beside", module, tracker, str(folder)]
        env = {key: value for key, value in os.environ.items() if not key.startswith(("AUTOTRACK_", "MLFLOW_"))}
        if "AUTOTRACK_EXTENSION" in os.environ:
            env["AUTOTRACK_EXTENSION"] = os.environ["AUTOTRACK_EXTENSION"]
        with open(self.printed, "w") as file:
            self.process = subprocess.Popen(
                command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, text=True
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.asks, self.answers = self.process.stdin, self.process.stdout

    def names(self) -> list[str]:
        return list(json.loads(self._answer()))

    def seconds(self, name: str) -> float:
        print(name, file=self.asks, flush=True)
        return float(self._answer())

    def _answer(self) -> str:
        line = self.answers.readline()
        if not line:
            raise RuntimeError(f"{self.tracker}: {self.printed.read_text()[-2000:]}")
        return line

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self.asks.close()
        self.process.wait()
        self.answers.close()


def main() -> None:
    """Such a process: trains whatever name it reads, and answers with the seconds."""
    module, tracker, folder = sys.argv[1:]
    os.chdir(folder)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if tracker == AUTOTRACK:
        import autotrack

        autotrack.enable(quiet=True)
    trainings: Trainings = importlib.import_module(f"benchmarks.{module}").trainings(tracker)
    print(json.dumps(list(trainings)), file=answers, flush=True)
    for name in sys.stdin:
        taken = seconds(trainings[name.rstrip("\n")])
        _settle()
        print(taken, file=answers, flush=True)


def _settle() -> None:
    until = time.perf_counter() + PATIENCE
    while time.perf_counter() < until:
        used = time.process_time()
        time.sleep(QUIET)
        if time.process_time() - used < 0.001:
            return


if __name__ == "__main__":
    main()
