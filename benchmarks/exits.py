"""How much longer a program takes from its last line to the end of its process, with points just recorded; what closes
the run is included."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import programs, trackers, turns
from benchmarks.measure import Result

POINTS, ROUNDS = 10_000, 5


def run() -> Iterator[Result]:
    chosen = trackers.present(lambda tracker: tracker.by_hand)
    rounds = turns.take(chosen, _exit, rounds=ROUNDS, warm=0)
    name = "exits: after 10,000 points, or 10 s of points"
    for tracker in chosen:
        result = turns.compare(name, rounds, tracker, lambda seconds: seconds, scale=1e3, unit="ms")
        if result:
            yield result


def _exit(key: str) -> float:
    with programs.ended("record", key, POINTS) as program:
        return program.ended - float(program.answer["last"])
