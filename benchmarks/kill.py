"""How many of the points that a program has recorded by hand can be read after it was killed (`kill -9`).

Of autotrack those count that its own reader returns, of Aim those that are in its databases.  Of the others each value
counts that is found in any file, as a text or as a float of either size and byte order, whether or not the tracker
itself would find it there; and their child processes have some time to write what they hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from benchmarks import programs, trackers, turns
from benchmarks.kept import kept
from benchmarks.measure import Result, estimate

ROUNDS = 3
GRACE = 2.0
"""Seconds."""
KILLS = (
    ("burst", 10_000, "kill: points kept, 10,000 at once"),
    ("paced", 3_000, "kill: points kept, 1,000 a second for 3 s"),
)


def run() -> Iterator[Result]:
    chosen = trackers.present(lambda tracker: tracker.by_hand)
    for program, count, name in KILLS:

        def killed(key: str, program: str = program, count: int = count) -> float:
            with programs.ended(program, key, count, grace=GRACE) as ended:
                recorded = programs.values(count)[: ended.answer["recorded"]]
                return 100 * kept(key, ended.folder, recorded) / len(recorded)

        rounds = turns.take(chosen, killed, rounds=ROUNDS, warm=0, twice=False)
        for tracker in chosen:
            shares = [round_[tracker.key] for round_ in rounds if tracker.key in round_]
            if shares:
                result = replace(estimate(name, shares, unit="%"), more_is_better=True)
                yield turns.named(result, tracker)
