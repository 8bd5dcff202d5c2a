"""What a fit on 1 GB of floats costs more, the identity of the data included; without a model being saved."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import beside, trackers
from benchmarks.measure import Result
from benchmarks.trackers import Tracker

ROWS, COLUMNS = 12_500_000, 10


def run() -> Iterator[Result]:
    chosen = trackers.present(lambda tracker: tracker.key in ("autotrack", "mlflow-without-models"))
    return beside.compare("large", chosen, rounds=4, scale=1.0, unit="s", budget=lambda untracked: 0.05 * untracked)


def trainings(tracker: Tracker) -> beside.Trainings:
    tracker.observe("sklearn")
    import numpy
    from sklearn.ensemble import HistGradientBoostingRegressor

    generator = numpy.random.default_rng(1)
    X = generator.standard_normal((ROWS, COLUMNS))
    y = X[:, 0] * 2 + generator.standard_normal(ROWS)
    model = HistGradientBoostingRegressor(max_iter=8, early_stopping=False, random_state=0)

    def fit() -> None:
        X[0, 0] += 1.0  # other data each time
        with tracker.training("sklearn"):
            model.fit(X, y)

    return {f"large: a fit of {ROWS / 1e6:g} million rows x {COLUMNS}": fit}
