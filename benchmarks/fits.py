"""What a small scikit-learn fit and a grid search cost more: recorded automatically where a tracker does that, and else
by hand, the parameters and the score, in a run of its own."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks import beside, trackers
from benchmarks.measure import Result
from benchmarks.trackers import Tracker


def run() -> Iterator[Result]:
    chosen = trackers.present(lambda tracker: tracker.by_hand or "sklearn" in tracker.frameworks)
    return beside.compare("fits", chosen, rounds=16)


def trainings(tracker: Tracker) -> beside.Trainings:
    tracker.observe("sklearn")
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    threads: Any = importlib.import_module("threadpoolctl")
    threads.threadpool_limits(1)
    warnings.simplefilter("ignore")
    X, y = load_digits(return_X_y=True)

    def training(model: Any, score: Callable[[], float]) -> Callable[[], None]:
        def by_hand() -> None:
            model.fit(X, y)
            tracker.log("score", score(), 0)

        def automatic() -> None:
            with tracker.training("sklearn"):
                model.fit(X, y)

        if not tracker.by_hand or "sklearn" in tracker.frameworks:
            return automatic
        params = {name: value for name, value in model.get_params().items() if isinstance(value, (int, float, str))}
        return lambda: tracker.around(params, by_hand)

    # Scored by what the fit has left anyway: a prediction would count as a cost of the tracker.
    model = LogisticRegression(max_iter=30)
    search = GridSearchCV(LogisticRegression(max_iter=4), {"C": [0.1, 1.0, 10.0, 100.0]}, cv=3)
    return {
        "fits: LogisticRegression on digits": training(model, lambda: float(model.intercept_[0])),
        "fits: GridSearchCV, 12 fits": training(search, lambda: float(search.best_score_)),
    }
