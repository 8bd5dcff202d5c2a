"""Memory that a process has more at its peak which has recorded points by hand, its children included, than one without
a tracker.  What a program has imported anyway (PyTorch, for TensorBoard) is not counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks import programs, trackers, turns
from benchmarks.measure import Result

POINTS, ROUNDS = 10_000, 3


def run() -> Iterator[Result]:
    chosen = trackers.present(lambda tracker: tracker.by_hand)
    rounds = turns.take(chosen, _memory, rounds=ROUNDS, warm=0)
    name = "memories: of 10,000 points, or 10 s of points"
    for tracker in chosen:
        result = turns.compare(name, rounds, tracker, lambda more: more, scale=1.0, unit="MB")
        if result:
            yield replace(result, memory=result.cost)


def _memory(key: str) -> float:
    with programs.ended("record", key, POINTS) as program:
        return float(program.answer["memory"]) - float(program.answer["memory before"])
