"""Sixty-four processes that record into one folder, sixteen at once: how much longer they take, how many of them fail,
and how many of their points can be read afterwards (see `kill` for what counts).  A tracker of which one hangs is left
out."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from benchmarks import programs, trackers, turns, usage
from benchmarks.kept import kept
from benchmarks.measure import Result, estimate

PROCESSES, WAVE, POINTS = 64, 16, programs.SHARE
TIME, READ, FAILED = (f"concurrent: {PROCESSES} processes, {what}" for what in ("time", "points kept", "failed"))


@dataclass(frozen=True)
class _Turn:
    seconds: float
    kept: float
    failed: int


def run() -> Iterator[Result]:
    chosen = trackers.present(lambda tracker: tracker.by_hand)
    rounds = turns.take(chosen, _all, rounds=1, warm=0)
    for tracker in chosen:
        result = turns.compare(TIME, rounds, tracker, lambda turn: turn.seconds, scale=1.0, unit="s")
        if result:
            yield result
            (turn,) = (round_[tracker.key] for round_ in rounds)
            yield turns.named(replace(estimate(READ, [turn.kept], unit="%"), more_is_better=True), tracker)
            yield turns.named(estimate(FAILED, [float(turn.failed)], unit=""), tracker)


def _all(key: str) -> _Turn:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, contextlib.ExitStack() as stack:
        stack.callback(usage.end_all, folder)
        begun = time.perf_counter()
        failed = sum(_wave(key, folder, first) for first in range(0, PROCESSES, WAVE))
        taken = time.perf_counter() - begun
        values = programs.values(PROCESSES * POINTS)
        return _Turn(taken, 100 * kept(key, folder, values) / len(values), failed)


def _wave(key: str, folder: str, first: int) -> int:
    """How many have failed."""
    failed = 0
    with ExitStack() as stack:
        started = list[tuple[subprocess.Popen[str], float, str]]()
        for number in range(first, first + WAVE):
            own = stack.enter_context(tempfile.TemporaryDirectory())
            started.append(programs.start("share", key, number * POINTS, folder, own))
        for process, begun, printed in started:
            try:
                programs.wait(process, begun, printed, folder, 0.0)
            except turns.Hangs:
                raise
            except turns.Failed as error:
                failed += 1
                print(f"  one of {key}'s has failed: {error}", flush=True)
    return failed
