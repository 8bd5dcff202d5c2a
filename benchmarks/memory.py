"""Memory that a program's process grows by while it fits and scores ten thousand models.

The growth is the Theil-Sen slope: a single step, such as a queue that is full while the machine is busy with something
else, is no growth.  The noise floor is that of the same loop untracked.
"""

from __future__ import annotations

import gc
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import autotrack
from benchmarks.measure import Result, scaled, slope

FITS = 10_000
WARM = 4_000
"""Fits before the first look: what is kept has its greatest size by then."""
LOOK = 500
"""Fits between two looks."""


def run() -> Iterator[Result]:
    warnings.simplefilter("ignore")
    noise = _growth()
    with tempfile.TemporaryDirectory() as folder:
        autotrack.enable(dir=Path(folder) / ".autotrack", quiet=True)
        try:
            grown = _growth()
        finally:
            autotrack.disable()
    name = f"memory: {FITS} fits with scores, a fit"
    yield Result(name, "KB", *grown, *noise, budget=0.5)


def _growth() -> tuple[float, float, float]:
    """KB a fit, and the interval of that."""
    import numpy
    from sklearn.datasets import load_iris
    from sklearn.linear_model import Ridge
    from sklearn.metrics import mean_squared_error

    X, y = load_iris(return_X_y=True)
    generator = numpy.random.default_rng(0)
    looks: list[tuple[float, float]] = []
    fits = LOOK * scaled(FITS // LOOK)
    for number in range(WARM + fits + 1):
        if number >= WARM and not number % LOOK:
            looks.append((number, _resident()))
        part = X + generator.normal(size=X.shape)  # other data each time
        model = Ridge().fit(part, y)
        model.score(part, y)
        mean_squared_error(y, model.predict(X))
    return slope(looks)


def _resident() -> float:
    """Resident memory in KB."""
    gc.collect()
    with open("/proc/self/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("VmRSS:"))
    return float(line.split()[1])
