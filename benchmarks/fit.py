"""What a small scikit-learn fit, a grid search and a one-row prediction cost more, data digest and kept model
included."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import autotrack
from autotrack import context
from benchmarks.measure import Result, paired, seconds


def run(rounds: int = 60) -> Iterator[Result]:
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from threadpoolctl import threadpool_limits

    X, y = load_digits(return_X_y=True)
    warnings.simplefilter("ignore")
    # One thread: those of BLAS spin when there are more of them than idle cores, and then a fit takes any time.
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        autotrack.enable(dir=Path(folder) / ".autotrack", quiet=True)
        try:
            model = LogisticRegression(max_iter=4)
            yield compare(
                "fit: LogisticRegression on digits", lambda: model.fit(X, y), rounds=rounds, times=1, budget=3.0
            )
            search = GridSearchCV(model, {"C": [0.1, 1.0, 10.0, 100.0]}, cv=3)
            found = compare("fit: GridSearchCV, 12 fits", lambda: search.fit(X, y), rounds=12, times=1, budget=None)
            yield replace(found, budget=round(5.0 + 0.02 * (found.untracked or 0.0), 2))
            row = X[:1]
            yield compare("predict: one row", lambda: model.predict(row), rounds=40, times=200, budget=0.010)
        finally:
            autotrack.disable()


def compare(name: str, call: Callable[[], object], *, rounds: int, times: int, budget: float | None) -> Result:
    """Tracking is switched off between by taking the job away, which leaves every patch in place; the cost of
    the patches themselves is in the one-row prediction, which has nothing else."""
    job = context.Current.job

    def repeated() -> None:
        for _ in range(times):
            call()

    def untracked() -> float:
        context.Current.job = None
        return seconds(repeated) / times

    def tracked() -> float:
        context.Current.job = job
        return seconds(repeated) / times

    result = paired(name, untracked, tracked, rounds=rounds, scale=1e3, unit="ms", budget=budget)
    context.Current.job = job
    return result
