"""What a training of XGBoost costs more, the rounds of two evaluation sets and the identity of the data included."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import autotrack
from benchmarks.fit import compare
from benchmarks.measure import Result

ROWS, COLUMNS, ROUNDS = 20_000, 20, 50


def run() -> Iterator[Result]:
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

    with tempfile.TemporaryDirectory() as folder:
        autotrack.enable(dir=Path(folder) / ".autotrack", quiet=True)
        try:
            for name, call in (("train", train), ("XGBClassifier.fit", fit)):
                found = compare(f"xgboost: {name}, {ROUNDS} rounds", call, rounds=20, times=1, budget=None)
                yield replace(found, budget=round(20.0 + 0.03 * (found.untracked or 0.0), 2))
        finally:
            autotrack.disable()
