"""Statistics of columns of numbers, taken a block of rows at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy

Array = numpy.ndarray[Any, Any]

FEW = 20
"""Different values of which a column's values are counted."""
LOOKED_AT = 64
"""Entries of a block that are looked at to see that there are more."""


class Statistics:
    """Of `width` columns of one dtype, which a block holds as its rows."""

    def __init__(self, width: int, dtype: Any) -> None:
        self._dtype = dtype
        self._exact = dtype.kind in "iu"
        """Whether values are counted as they are stored: as float64, large integers are not told apart."""
        self._count = numpy.zeros(width)
        self._mean = numpy.zeros(width)
        self._squares = numpy.zeros(width)
        self._low = numpy.zeros(width, dtype=dtype)
        self._high = numpy.zeros(width, dtype=dtype)
        self.nulls = numpy.zeros(width, dtype=int)
        self.nans = numpy.zeros(width, dtype=int)
        self.infinities = numpy.zeros(width, dtype=int)
        self._counts: list[dict[float, int] | None] = [{} for _ in range(width)]

    def add(self, block: Array, values: Array, valid: Array | None) -> None:
        """Add a block: as it is stored, and as float64; `valid` is False where an entry is missing."""
        rows = block.shape[1]
        sums = values.sum(axis=1)
        if valid is None and numpy.isfinite(sums).all():
            mean = sums / rows
            apart = values - mean[:, None]
            apart *= apart
            self._merge(slice(None), rows, mean, apart.sum(axis=1), block.min(axis=1), block.max(axis=1))
            for at, counts in enumerate(self._counts):
                if counts is not None:
                    self._tally(at, counts, (block if self._exact else values)[at])
            return
        for at in range(len(block)):
            self._add_column(at, block[at], values[at], None if valid is None else valid[at])

    def _add_column(self, at: int, stored: Array, values: Array, valid: Array | None) -> None:
        """A column in which entries are missing or not finite."""
        if valid is not None:
            self.nulls[at] += len(stored) - int(valid.sum())
            stored, values = stored[valid], values[valid]
        finite = numpy.isfinite(values)
        if not finite.all():
            nans = int(numpy.isnan(values).sum())
            self.nans[at] += nans
            self.infinities[at] += len(values) - int(finite.sum()) - nans
            stored, values = stored[finite], values[finite]
        if len(values):
            mean = values.mean()
            self._merge(at, len(values), mean, ((values - mean) ** 2).sum(), stored.min(), stored.max())
            counts = self._counts[at]
            if counts is not None:
                self._tally(at, counts, stored if self._exact else values)

    def _merge(self, at: Any, rows: int, mean: Any, squares: Any, low: Any, high: Any) -> None:
        """Chan, Golub and LeVeque (1979), equation 1.5: moments of two samples taken together."""
        before = self._count[at]
        total = before + rows
        apart = mean - self._mean[at]
        self._mean[at] += apart * rows / total
        self._squares[at] += squares + apart * apart * before * rows / total
        self._low[at] = numpy.where(before > 0, numpy.minimum(self._low[at], low), low)
        self._high[at] = numpy.where(before > 0, numpy.maximum(self._high[at], high), high)
        self._count[at] = total

    def _tally(self, at: int, counts: dict[float, int], values: Array) -> None:
        found = 0
        for value in counts:
            often = int(numpy.count_nonzero(values == value))
            counts[value] += often
            found += often
        if found == len(values):
            return
        if len(counts) + len(set(values[:LOOKED_AT].tolist()) - counts.keys()) > FEW:
            self._counts[at] = None
            return
        different, repeats = numpy.unique(values, return_counts=True)
        fresh = {v: n for v, n in zip(different.tolist(), repeats.tolist(), strict=True) if v not in counts}
        if len(counts) + len(fresh) > FEW:
            self._counts[at] = None
        else:
            counts.update(fresh)

    def of(self, at: int) -> dict[str, Any]:
        """The fields of a column's profile."""
        missing = {"nulls": int(self.nulls[at]), "nans": int(self.nans[at]), "infinities": int(self.infinities[at])}
        counts = self._counts[at]
        shown = {**missing, "counts": None if counts is None else _ordered(counts, self._value)}
        if not self._count[at]:
            return shown
        bounds = (bound[at].item() for bound in (self._low, self._high))
        low, high = (float(bound) if self._dtype.kind == "f" else bound for bound in bounds)
        deviation = math.sqrt(max(self._squares[at], 0.0) / self._count[at])
        return {
            **shown,
            "low": low,
            "high": high,
            "mean": _finite(self._mean[at]),
            "deviation": _finite(deviation),
        }

    def _value(self, value: float) -> Any:
        kind = self._dtype.kind
        return bool(value) if kind == "b" else int(value) if kind in "iu" else value


def _ordered(counts: dict[Any, int], shown: Any) -> tuple[tuple[Any, int], ...]:
    return tuple((shown(value), often) for value, often in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None
