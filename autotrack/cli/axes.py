"""Axes of charts: from values to places, and the round numbers that stand beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

ROUND = (1, 2, 5, 10)


@dataclass(frozen=True)
class Axis:
    """From the least to the greatest value, which differ.  `whole`: of integers."""

    low: float
    high: float
    log: bool
    whole: bool

    def places(self, values: Array, count: int) -> Array:
        """Where values lie among so many places, from 0 on; NaN stays."""
        import numpy

        low, high, scaled = self.low, self.high, values.astype(float)
        if self.log:
            low, high, scaled = math.log10(low), math.log10(high), numpy.log10(scaled)
        return numpy.clip((scaled - low) / (high - low), 0, 1) * (count - 1)


def axis(parts: Sequence[Array], *, log: bool = False, whole: bool = False) -> Axis:
    """The axis that holds all values of these, of which one at least is finite."""
    import numpy

    low = min(float(numpy.nanmin(part)) for part in parts if not numpy.isnan(part).all())
    high = max(float(numpy.nanmax(part)) for part in parts if not numpy.isnan(part).all())
    if high - low <= 1e-12 * max(abs(low), abs(high)):  # one value, or as good as one
        if log:
            low, high = low / 2, high * 2
        else:
            around = 1.0 if whole or abs(low) < 1e-9 else abs(low) / 2
            low, high = low - around, high + around
    return Axis(low, high, log, whole)


def marks(of: Axis, most: int) -> list[tuple[float, str]]:
    """Round numbers on an axis, ascending, with their texts."""
    values = _powers(of, most) if of.log else []
    if len(values) < 2:
        values = _steps(of, max(most, 2))
    texts = [f"{value:.10g}" for value in values]
    if len(set(texts)) < len(texts):
        texts = [repr(value) for value in values]
    return list(zip(values, texts, strict=True))


def _powers(of: Axis, most: int) -> list[float]:
    """Powers of ten, or every second, third ... of them."""
    first, last = math.ceil(math.log10(of.low)), math.floor(math.log10(of.high))
    apart = max(math.ceil((last - first + 1) / most), 1)
    return [float(f"1e{power}") for power in range(first, last + 1, apart)]


def _steps(of: Axis, most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten: as many as there may be."""
    size = 10.0 ** math.floor(math.log10((of.high - of.low) / most))
    step = next((size * each for each in ROUND if (of.high - of.low) / (size * each) <= most), size * 10)
    if of.whole:
        step = max(step, 1.0)
    first, last = math.ceil(of.low / step), math.floor(of.high / step)
    return [float(f"{number * step:.15g}") for number in range(first, last + 1)]
