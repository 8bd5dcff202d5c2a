"""What the whole command `autotrack ls` takes on 10,000 runs when there is nothing new to take in."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from autotrack.journal.folder import Folder
from autotrack.store import open_store
from benchmarks import recorded
from benchmarks.measure import Result, paired, seconds

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
            yield _compare(command, folder, budget)


def _compare(command: str, folder: str, budget: float) -> Result:
    """A command in a pipe, beside an interpreter that does nothing; stated is the whole, not the difference."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("AUTOTRACK_")}

    def start(line: str) -> float:
        words = f"exec {sys.executable} {line} > /dev/null"
        return seconds(lambda: subprocess.run(words, shell=True, cwd=folder, env=env, check=True))

    difference = paired(
        f"listing: {command} on {RUNS:,} runs",
        lambda: start("-c pass"),
        lambda: start(f"-m autotrack {command}"),
        rounds=ROUNDS,
        scale=1e3,
        unit="ms",
    )
    return difference.with_untracked(budget)
