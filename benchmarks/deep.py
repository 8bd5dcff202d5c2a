"""What a `fit` of Keras costs more, each batch recorded, and the identity of the data and of the weights included."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import beside
from benchmarks.measure import Result

ROWS, COLUMNS = 20_000, 20


def run() -> Iterator[Result]:
    return beside.compare("deep", rounds=24, budget=lambda untracked: 50.0 + 0.02 * untracked)


def trainings(tracker: str) -> beside.Trainings:
    if tracker in (beside.MLFLOW, beside.WITHOUT_MODELS):
        import mlflow

        mlflow.keras.autolog(log_models=tracker == beside.MLFLOW)  # of its two for Keras, the one for Keras 3
    import keras
    import numpy

    generator = numpy.random.default_rng(0)
    X = generator.random((ROWS, COLUMNS), dtype="float32")
    y = (X.sum(axis=1) > COLUMNS / 2).astype("float32")
    layers = [keras.Input((COLUMNS,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse", metrics=["mae"])
    name = f"keras ({keras.backend.backend()}): fit, 2 epochs of 313 batches"
    return {name: lambda: model.fit(X, y, epochs=2, batch_size=64, verbose=0)}
