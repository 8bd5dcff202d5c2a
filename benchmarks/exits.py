"""How much longer a program takes from its last line to the end of its process, with points just recorded; what closes
the run is included.

The programs of a tracker record into one folder, as those of a project do; the first, which makes what all share (a
database, a copy of the code), is not among what is stated."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

from benchmarks import programs, trackers, turns
from benchmarks.measure import Result

POINTS, ROUNDS = 10_000, 5


def run() -> Iterator[Result]:
    chosen = trackers.present(lambda tracker: tracker.by_hand)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:

        def exit_(key: str) -> float:
            place = os.path.join(folder, key)
            os.makedirs(place, exist_ok=True)
            with programs.ended("record", key, POINTS, place) as program:
                return program.ended - float(program.answer["last"])

        rounds = turns.take(chosen, exit_, rounds=ROUNDS)
    name = "exits: after 10,000 points, or 10 s of points"
    for tracker in chosen:
        result = turns.compare(name, rounds, tracker, lambda seconds: seconds, scale=1e3, unit="ms")
        if result:
            yield result
