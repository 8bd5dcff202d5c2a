"""What a `fit` of Keras costs more, each batch recorded, and the identity of the data and of the weights included."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import autotrack
from benchmarks.fit import compare
from benchmarks.measure import Result

ROWS, COLUMNS = 20_000, 20


def run() -> Iterator[Result]:
    import keras
    import numpy

    generator = numpy.random.default_rng(0)
    X = generator.random((ROWS, COLUMNS), dtype="float32")
    y = (X.sum(axis=1) > COLUMNS / 2).astype("float32")
    layers = [keras.Input((COLUMNS,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile("adam", "mse", metrics=["mae"])
    with tempfile.TemporaryDirectory() as folder:
        autotrack.enable(dir=Path(folder) / ".autotrack", quiet=True)
        try:
            found = compare(
                f"keras ({keras.backend.backend()}): fit, 2 epochs of 313 batches",
                lambda: model.fit(X, y, epochs=2, batch_size=64, verbose=0),
                rounds=12,
                times=1,
                budget=None,
            )
            yield replace(found, budget=round(50.0 + 0.02 * (found.untracked or 0.0), 2))
        finally:
            autotrack.disable()
