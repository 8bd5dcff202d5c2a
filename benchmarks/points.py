"""What a point costs that is recorded by hand, one metric of one step, in a loop that does nothing else.

The time on the calling thread is the median over blocks of points; the mean is stated as well, since some trackers stop
the caller only now and then.  Processor time and bytes are of the whole process, until it has ended, and of each point
more than a hundred.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from benchmarks import measure, programs, trackers, turns, usage
from benchmarks.measure import Result, difference

POINTS, FEW, ROUNDS = 10_000, 100, 3


@dataclass(frozen=True)
class _Turn:
    """Of a process."""

    triples: list[tuple[float, float, float]]
    recorded: int
    cpu: float
    disk: int


def run() -> Iterator[Result]:
    chosen = trackers.present(lambda tracker: tracker.by_hand)
    rounds = turns.take(chosen, lambda key: (_record(key, FEW), _record(key, POINTS)), rounds=ROUNDS, warm=0)
    for tracker in chosen:
        taken = [round_[tracker.key] for round_ in rounds if tracker.key in round_]
        if not taken:
            continue

        def each_more(value: Callable[[_Turn], float], taken: list[tuple[_Turn, _Turn]] = taken) -> float:
            pairs = [pair for pair in taken if pair[1].recorded > pair[0].recorded]
            return statistics.median((value(b) - value(a)) / (b.recorded - a.recorded) for a, b in pairs)

        triples = [triple for _, many in taken for triple in many.triples]
        result = difference("points: one point", triples, scale=1e6 / programs.BLOCK, unit="µs")
        cpu, disk = each_more(lambda turn: turn.cpu) * 1e6, each_more(lambda turn: turn.disk)
        yield replace(turns.named(result, tracker), cpu=cpu, disk=disk)
        each = [(full - (before + after) / 2) * 1e6 / programs.BLOCK for before, full, after in triples]
        yield turns.named(Result("points: one point, mean", "µs", *measure.mean(each)), tracker)


def _record(key: str, count: int) -> _Turn:
    with programs.ended("blocks", key, count) as program:
        triples = [(a, b, c) for a, b, c in program.answer["triples"]]
        used = program.cpu - program.answer["cpu"]
        return _Turn(triples, program.answer["recorded"], used, usage.disk_bytes(program.folder))
