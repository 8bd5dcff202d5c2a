"""What readers take in per second: points, and runs; and what a listing costs while a job of many fits runs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from autotrack.journal.folder import Folder
from autotrack.store import open_store
from benchmarks import recorded
from benchmarks.measure import Result, repeated, seconds

POINTS, SERIES = 1_000_000, 8
RUNS, JOBS = 10_000, 100


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "points"
        with recorded.job(root) as job:
            recorded.points(job, POINTS, SERIES)
        yield repeated(
            f"ingest: points of {SERIES} series, millions",
            lambda: POINTS / 1e6 / _taken_in(root),
            rounds=9,
            unit="/s",
            budget=1.0,
            more_is_better=True,
        )
        root = Path(folder) / "jobs"
        recorded.jobs(root, RUNS, JOBS)
        yield repeated(f"ingest: {RUNS:,} runs of {JOBS} jobs", lambda: _taken_in(root), rounds=3, unit="s")
        yield repeated(f"ingest: {RUNS:,} runs of one job", lambda: _one_job(Path(folder)), rounds=3, unit="s")
        yield repeated(
            f"ingest: {RUNS:,} runs of one job, read 100 times meanwhile",
            lambda: _one_job(Path(folder), reads=100),
            rounds=3,
            unit="s",
        )


def _taken_in(root: Path) -> float:
    """Seconds that it takes to take in everything that is in a folder, into a new store."""
    with tempfile.TemporaryDirectory() as place, open_store(Folder(str(root)), f"sqlite:///{place}/store.db") as store:
        return seconds(store.refresh)


def _one_job(folder: Path, reads: int = 1) -> float:
    """Seconds that reading takes in all."""
    root = folder / "job"
    shutil.rmtree(root, ignore_errors=True)
    taken = 0.0
    with recorded.job(root) as job:
        for number in range(reads):
            recorded.runs(job, number * RUNS // reads, RUNS // reads)
            with open_store(Folder(str(root))) as store:
                taken += seconds(store.refresh)
    return taken
