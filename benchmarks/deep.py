"""What a `fit` of Keras costs more: by autotrack each batch is recorded, with the identity of data and weights; the
callbacks of the others record each epoch, as they do by default."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from benchmarks import beside, trackers
from benchmarks.measure import Result
from benchmarks.trackers import Tracker

ROWS, COLUMNS = 20_000, 20


def run() -> Iterator[Result]:
    chosen = trackers.present(lambda tracker: "keras" in tracker.frameworks)
    return beside.compare("deep", chosen, rounds=24, budget=lambda untracked: 50.0 + 0.02 * untracked)


def trainings(tracker: Tracker) -> beside.Trainings:
    tracker.observe("keras")
    import numpy

    keras: Any = importlib.import_module("keras")
    generator = numpy.random.default_rng(0)
    X = generator.random((ROWS, COLUMNS), dtype="float32")
    y = (X.sum(axis=1) > COLUMNS / 2).astype("float32")
    layers = [keras.Input((COLUMNS,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse", metrics=["mae"])

    def fit() -> None:
        with tracker.training("keras") as callbacks:
            given = {"callbacks": callbacks} if callbacks else {}  # MLflow fails where there is a None
            model.fit(X, y, epochs=2, batch_size=64, verbose=0, **given)

    return {f"keras ({keras.backend.backend()}): fit, 2 epochs of 313 batches": fit}
