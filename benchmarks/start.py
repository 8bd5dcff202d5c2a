"""How long it takes until a program can record: the interpreter, the tracker's import, and a run that is begun; beside
the same program without a tracker.  What a program has imported anyway (PyTorch, for TensorBoard) is not counted."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import programs, trackers, turns
from benchmarks.measure import Result

ROUNDS = 8


def run() -> Iterator[Result]:
    chosen = trackers.present(lambda tracker: tracker.by_hand or tracker.key == "autotrack")
    rounds = turns.take(chosen, _start, rounds=ROUNDS)
    for tracker in chosen:
        name = "start: until a point can be recorded"
        result = turns.compare(name, rounds, tracker, lambda seconds: seconds, scale=1e3, unit="ms")
        if result:
            yield result


def _start(key: str) -> float:
    with programs.ended("start", key) as program:
        return float(program.answer["ready"]) - program.started - float(program.answer["beside"])
