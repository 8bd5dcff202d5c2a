"""How fast data is digested and profiled, and what that adds to a long fit of large data."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import autotrack
from autotrack import context
from autotrack.identity import arrays
from autotrack.identity.profile import profile
from autotrack.job import Job
from benchmarks.measure import Result, paired, repeated, seconds

ROWS, COLUMNS = 10_000_000, 10


def run() -> Iterator[Result]:
    yield from _speeds()
    yield from _large_fit()


def _speeds() -> Iterator[Result]:
    import numpy

    matrix = numpy.random.default_rng(0).standard_normal((12_500_000, 10))  # 1 GB
    rates = [_rate(matrix, lambda: matrix.view("i8").sum()) for _ in range(7)]
    read = statistics.median(rates)
    yield _speed("memory: read of 1 GB", matrix, lambda: matrix.view("i8").sum(), None)
    yield _speed("digest: array of 1 GB", matrix, lambda: arrays.digest(matrix), read / 2)
    for name, table in _tables(matrix[:2_500_000]).items():
        yield _speed(f"digest: {name} of 200 MB", table, lambda table=table: arrays.digest(table), None)  # type: ignore[misc]
    part = matrix[:2_500_000]
    yield _speed("profile: array of 200 MB", part, lambda: profile(part), None)


def _rate(data: Any, function: Callable[[], object]) -> float:
    return float((arrays.size_of(data) or 0) / seconds(function) / 1e9)


def _speed(name: str, data: Any, function: Callable[[], object], budget: float | None) -> Result:
    return repeated(name, lambda: _rate(data, function), rounds=7, unit="GB/s", budget=budget, more_is_better=True)


def _tables(matrix: Any) -> dict[str, Any]:
    """The same in other containers, as far as these are installed."""
    import numpy

    found: dict[str, Any] = {"array in Fortran order": numpy.asfortranarray(matrix)}
    columns = {str(at): matrix[:, at].copy() for at in range(COLUMNS)}
    try:
        import pandas

        found["pandas table"] = pandas.DataFrame(columns)
    except ImportError:
        pass
    try:
        import polars

        found["polars table"] = polars.DataFrame(columns)
    except ImportError:
        pass
    try:
        import pyarrow

        found["Arrow table"] = pyarrow.table(columns)
    except ImportError:
        pass
    return found


def _large_fit() -> Iterator[Result]:
    """A fit that keeps both cores busy for about ten seconds; the data is another one each time."""
    import numpy
    from sklearn.ensemble import HistGradientBoostingRegressor

    generator = numpy.random.default_rng(1)
    X = generator.standard_normal((ROWS, COLUMNS))
    y = X[:, 0] * 2 + generator.standard_normal(ROWS)
    model = HistGradientBoostingRegressor(max_iter=12, early_stopping=False, random_state=0)
    with tempfile.TemporaryDirectory() as folder:
        autotrack.enable(dir=Path(folder) / ".autotrack", quiet=True)
        job = context.Current.job
        assert job is not None

        def fit() -> float:
            X[0, 0] += 1.0
            return seconds(lambda: model.fit(X, y))

        def untracked() -> float:
            context.Current.job = None
            return fit()

        def tracked() -> float:
            context.Current.job = job
            taken = fit()
            _settle(job)
            return taken

        try:
            result = paired(
                f"fit: {ROWS // 1_000_000} million rows x {COLUMNS}",
                untracked, tracked, rounds=5, scale=1.0, unit="s",
            )  # fmt: skip
        finally:
            context.Current.job = job
            autotrack.disable()
    assert result.untracked is not None
    yield replace(result, budget=round(0.05 * result.untracked, 3))


def _settle(job: Job) -> None:
    """Wait until nothing is left to do beside."""
    import threading

    until = time.monotonic() + 60
    while job.profiles is not None and job.profiles.waiting and time.monotonic() < until:
        time.sleep(0.05)
    done = threading.Event()
    assert job.recorder is not None
    job.recorder.later("benchmark", done.set)
    done.wait(60)
