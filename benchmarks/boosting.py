"""What a training of XGBoost costs more, the rounds of two evaluation sets and the identity of the data included."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import beside
from benchmarks.measure import Result

ROWS, COLUMNS, ROUNDS = 20_000, 20, 50


def run() -> Iterator[Result]:
    return beside.compare("boosting", rounds=20, budget=lambda untracked: 20.0 + 0.03 * untracked)


def trainings(tracker: str) -> beside.Trainings:
    if tracker in (beside.MLFLOW, beside.WITHOUT_MODELS):
        import mlflow

        mlflow.xgboost.autolog(log_models=tracker == beside.MLFLOW)
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
        xgboost.train(settings, data, ROUNDS, evals=sets, verbose_eval=False)

    def fit() -> None:
        xgboost.XGBClassifier(n_estimators=ROUNDS, n_jobs=1).fit(X, y, eval_set=[(X[:half], y[:half])], verbose=False)

    return {f"xgboost: train, {ROUNDS} rounds": train, f"xgboost: XGBClassifier.fit, {ROUNDS} rounds": fit}
