"""Folders full of runs, written by the real writer."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import autotrack
from autotrack import context
from autotrack.job import Job
from autotrack.recorder import Recorder
from autotrack.strand import Strand

PARAMS = {
    "C": 1.0, "class_weight": None, "dual": False, "fit_intercept": True, "intercept_scaling": 1, "l1_ratio": None,
    "max_iter": 100, "multi_class": "auto", "n_jobs": None, "penalty": "l2", "random_state": 0, "solver": "lbfgs",
    "tol": 1e-4, "verbose": 0, "warm_start": False,
}  # fmt: skip
"""As many as a `LogisticRegression` has."""


@contextmanager
def job(root: Path) -> Iterator[Job]:
    """A job that is open inside."""
    autotrack.enable(dir=root, quiet=True)
    os.environ.pop("AUTOTRACK_JOB", None)
    try:
        assert context.Current.job is not None
        yield context.Current.job
    finally:
        autotrack.disable()


def rest(seconds: float) -> Recorder:
    """Wait until the recorder has met what it was given, and so much longer; returns it."""
    opened = context.Current.job
    assert opened is not None
    assert opened.recorder is not None
    done = threading.Event()
    opened.recorder.soon("benchmark", done.set, seconds)
    done.wait()
    return opened.recorder


def runs(opened: Job, first: int, count: int) -> None:
    """Fits with parameters and two metrics of a point each."""
    for number in range(first, first + count):
        strand = Strand(opened, framework="sklearn", kind="fit", name="LogisticRegression", cls="sklearn.Logistic")
        strand.params({**PARAMS, "C": number / 100, "random_state": number}, "estimator")
        strand.series("train/accuracy").record(0, 1 - math.exp(-number / 5000))
        strand.series("test/accuracy").record(0, 0.5 + number % 1000 / 2000)
        strand.end("finished")


def points(opened: Job, count: int, series: int) -> None:
    """Points of several series in turn, as a training loop writes them."""
    strand = Strand(opened, framework="torch", kind="loop", name="Net")
    records = [strand.series(f"train/metric-{number}").record for number in range(series)]
    for step in range(count // series):
        for record in records:
            record(step, 1 / (step + 1))
    strand.end("finished")


def jobs(root: Path, total: int, count: int) -> None:
    """Runs in several jobs, recorded by a process that is gone afterwards."""
    subprocess.run([sys.executable, "-m", "benchmarks.recorded", str(root), str(total), str(count)], check=True)


if __name__ == "__main__":
    _, place, runs_in_all, number_of_jobs = sys.argv
    each = int(runs_in_all) // int(number_of_jobs)
    for number in range(int(number_of_jobs)):
        with job(Path(place)) as recording:
            runs(recording, number * each, each)
