"""What a training of XGBoost costs more, the rounds of two evaluation sets recorded; by autotrack, the identity of the
data as well."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import beside, trackers
from benchmarks.measure import Result
from benchmarks.trackers import Tracker

ROWS, COLUMNS, ROUNDS = 20_000, 20, 50


def run() -> Iterator[Result]:
    chosen = trackers.present(lambda tracker: "xgboost" in tracker.frameworks)
    return beside.compare("boosting", chosen, rounds=20, budget=lambda untracked: 20.0 + 0.03 * untracked)


def trainings(tracker: Tracker) -> beside.Trainings:
    tracker.observe("xgboost")
    import numpy
    import xgboost

    generator = numpy.random.default_rng(0)
    X = generator.random((ROWS, COLUMNS))
    y = (X.sum(axis=1) + generator.random(ROWS) > COLUMNS / 2).astype(float)
    half = ROWS // 2
    settings = {"objective": "binary:logistic", "nthread": 1}

    def train() -> None:
        data = xgboost.DMatrix(X, y)
        other = xgboost.DMatrix(X[:half], y[:half])
        sets = [(data, "train"), (other, "valid")]
        with tracker.training("xgboost") as callbacks:
            xgboost.train(settings, data, ROUNDS, evals=sets, verbose_eval=False, callbacks=callbacks or None)

    def fit() -> None:
        with tracker.training("xgboost") as callbacks:
            model = xgboost.XGBClassifier(n_estimators=ROUNDS, n_jobs=1, callbacks=callbacks or None)
            model.fit(X, y, eval_set=[(X[:half], y[:half])], verbose=False)

    return {f"xgboost: train, {ROUNDS} rounds": train, f"xgboost: XGBClassifier.fit, {ROUNDS} rounds": fit}
