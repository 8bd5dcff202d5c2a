"""What the whole command `autotrack ls` takes on 10,000 runs when there is nothing new to take in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from autotrack.journal.folder import Folder
from autotrack.store import open_store
from benchmarks import recorded
from benchmarks.measure import Result, command_line

RUNS, JOBS, ROUNDS = 10_000, 100, 11
BUDGET = 500.0
COMMANDS = (
    ("ls", BUDGET),
    ("ls --limit 50", BUDGET),
    ("ls --json", BUDGET),
    ("ls --sort test/accuracy", BUDGET),
    ("ls 'params.C < 50 and metrics[\"test/accuracy\"] > .9'", BUDGET),
    ("show @best:test/accuracy", BUDGET),
)


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / ".autotrack"
        recorded.jobs(root, RUNS, JOBS)
        with open_store(Folder(str(root))) as store:
            store.refresh()
        for command, budget in COMMANDS:
            yield command_line(f"listing: {command} on {RUNS:,} runs", command, folder, ROUNDS, budget)
