"""Memory that a program's process grows by while it fits and scores ten thousand models."""

from __future__ import annotations

import gc
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import autotrack
from benchmarks.measure import Result

FITS = 10_000
WARM = 4_000
"""Fits before the first look: what is kept has its greatest size by then."""


def run() -> Iterator[Result]:
    import numpy
    from sklearn.datasets import load_iris
    from sklearn.linear_model import Ridge
    from sklearn.metrics import mean_squared_error

    X, y = load_iris(return_X_y=True)
    warnings.simplefilter("ignore")
    generator = numpy.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        autotrack.enable(dir=Path(folder) / ".autotrack", quiet=True)
        try:
            for number in range(FITS):
                if number == WARM:
                    before = _resident()
                part = X + generator.normal(size=X.shape)  # other data each time
                model = Ridge().fit(part, y)
                model.score(part, y)
                mean_squared_error(y, model.predict(X))
            grown = _resident() - before
        finally:
            autotrack.disable()
    each = grown / (FITS - WARM) * 1e3
    yield Result(f"memory: {FITS - WARM} fits with scores, a fit", "KB", each, 0.0, 0.0, 0.0, None, 0.5)


def _resident() -> float:
    """Resident memory in MB."""
    gc.collect()
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1e3
