"""The points of curves as a browser gets them: as many as there is room for on the screen."""

from __future__ import annotations

from typing import Any

import numpy
from tsdownsample import MinMaxLTTBDownsampler

from autotrack.store.curve import Array

FEWEST = 3
"""Points that tsdownsample can choose: with less it panics."""
ODD = 100
"""Points that are no numbers, of a curve, that are told."""


def reduced(steps: Array, times: Array, values: Array, most: int) -> dict[str, Any]:
    """`{step, time, value, odd: [[index, "NaN"]], of}` of at most about `most` points in the order of their steps:
    those that tell most of the shape, chosen by MinMaxLTTB (Van Der Donckt et al., 2023, https://arxiv.org/abs/2305.00332),
    and besides those that are no numbers, in place of which there is None; `of`: how many there were."""
    order = numpy.argsort(steps, kind="stable") if len(steps) and (steps[1:] < steps[:-1]).any() else slice(None)
    steps, times, values = steps[order], times[order], values[order]
    finite = numpy.isfinite(values)
    plain, odd = numpy.flatnonzero(finite), numpy.flatnonzero(~finite)
    if len(plain) > most:
        downsampler: Any = MinMaxLTTBDownsampler
        plain = plain[downsampler().downsample(values[plain], n_out=max(most, FEWEST))]
    if len(odd) > ODD:
        odd = odd[numpy.linspace(0, len(odd) - 1, ODD).astype(int)]
    kept = numpy.union1d(plain, odd)
    shown = values[kept].tolist()
    return {
        "step": steps[kept].tolist(),
        "time": times[kept].tolist(),
        "value": [value if there else None for value, there in zip(shown, finite[kept].tolist(), strict=True)],
        "odd": [[at, _word(shown[at])] for at in numpy.flatnonzero(~finite[kept]).tolist()],
        "of": len(values),
    }


def _word(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
