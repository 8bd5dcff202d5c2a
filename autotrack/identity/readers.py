"""Columns of a table that are read one by one: numbers some of which are missing, categories, texts, other objects."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy
import xxhash

from autotrack.identity import columns, objects, rowhash
from autotrack.identity.columns import Categories, Column, Numbers
from autotrack.identity.statistics import FEW, Statistics
from autotrack.values import DIGITS_LIMIT, plain, shown, storable

Array = numpy.ndarray[Any, Any]


def bits_of(block: Array, statistics: Statistics, valid: Array | None) -> Array:
    """The bits of a block of numbers, which is added to the statistics."""
    if block.dtype.kind in "mM":
        there = ~numpy.isnat(block)
        valid = there if valid is None else valid & there
        valid = None if valid.all() else valid
        block = block.view("i8")
    values = block if block.dtype == numpy.float64 else block.astype(numpy.float64)
    statistics.add(block, values, valid)
    return rowhash.number_bits(block, values, valid)


def shown_as(fields: dict[str, Any], dtype: Any) -> dict[str, Any]:
    """The statistics of times: as texts, without moments."""
    if dtype.kind not in "mM":
        return fields
    bounds: dict[str, Any] = {
        name: str(numpy.array(fields[name]).view(dtype)) for name in ("low", "high") if name in fields
    }
    counts = fields["counts"]
    times = None if counts is None else tuple((str(numpy.array(int(v)).view(dtype)), n) for v, n in counts)
    return {"nulls": fields["nulls"], "counts": times, **bounds}


class Reader:
    """A column that is read by itself: its digest, and the bits of a block."""

    def __init__(self, column: Column) -> None:
        self._column = column
        self.digest = column.digest()

    def changed(self) -> bool:
        """Whether it is another now; what was made for this profile can't be."""
        kind = self._column.kind
        if isinstance(kind, columns.ArrowTexts) or isinstance(getattr(kind, "values", None), list):
            return False
        return self._column.digest() != self.digest

    def bits(self, start: int, end: int) -> Array:
        raise NotImplementedError

    def statistics(self) -> dict[str, Any]:
        raise NotImplementedError


class Masked(Reader):
    """Numbers some of which are missing."""

    def __init__(self, column: Column, kind: Numbers) -> None:
        super().__init__(column)
        self._kind = kind
        self._dtype = kind.values.dtype
        self._statistics = Statistics(1, numpy.dtype("i8") if self._dtype.kind in "mM" else self._dtype)

    def bits(self, start: int, end: int) -> Array:
        block = numpy.ascontiguousarray(self._kind.values[start:end])[None, :]
        valid: Any = self._kind.valid
        valid = valid[start:end][None, :]
        found: Array = bits_of(block, self._statistics, valid)[0]
        return found

    def statistics(self) -> dict[str, Any]:
        return shown_as(self._statistics.of(0), self._dtype)


class Categorical(Reader):
    def __init__(self, column: Column, kind: Categories) -> None:
        super().__init__(column)
        inner = Things(Column("", "", kind.categories))
        count = len(inner.values)
        self._codes = kind.codes
        self._values = inner.values
        self._bits = numpy.append(inner.bits(0, count), rowhash.NULL)  # which the code -1 means
        self._often = numpy.zeros(count + 1, dtype=numpy.int64)

    def bits(self, start: int, end: int) -> Array:
        codes = self._codes[start:end].astype(numpy.intp)
        codes[codes < 0] = -1
        self._often += numpy.bincount(codes % len(self._often), minlength=len(self._often))
        found: Array = self._bits[codes]
        return found

    def statistics(self) -> dict[str, Any]:
        nulls = int(self._often[-1])
        if numpy.count_nonzero(self._often[:-1]) > FEW:
            return {"nulls": nulls, "counts": None}
        counts = [(_shortened(_label(v)), int(n)) for v, n in zip(self._values, self._often[:-1], strict=True) if n]
        return {"nulls": nulls, "counts": tuple(sorted(counts, key=lambda pair: -pair[1]))}


class Things(Reader):
    """Texts and other objects."""

    CACHED = 1 << 16
    STEP = 256
    """Entries after which it is looked whether there are more different ones than are counted."""

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        kind: Any = column.kind
        self.values = kind.values
        self._texts = isinstance(kind, (columns.Texts, columns.ArrowTexts))
        self._known: dict[str, int] = {}
        self._counts: Counter[tuple[type, str]] | None = Counter()
        self._nulls = self._nans = 0

    def bits(self, start: int, end: int) -> Array:
        block = self.values[start:end]
        block = [objects.exact(value) for value in (block.tolist() if isinstance(block, numpy.ndarray) else block)]
        for at in range(0, len(block), self.STEP):
            self._count(block[at : at + self.STEP])
        return numpy.fromiter(map(self._bits_of, block), dtype=numpy.uint64, count=len(block))

    def _count(self, values: list[Any]) -> None:
        if self._counts is None:
            return
        present = [value for value in values if not self._missing(value) and not _is_nan(value)]
        if all(type(value) in _COUNTED for value in present):
            self._counts.update((type(value), _label(value)) for value in present)
        if len(self._counts) > FEW or not all(type(value) in _COUNTED for value in present):
            self._counts = None

    def _bits_of(self, value: Any) -> int:
        if type(value) is str:
            known = self._known.get(value)
            if known is None:
                known = rowhash.text_bits(value)
                if len(self._known) < self.CACHED:
                    self._known[value] = known
            return known
        if self._missing(value):
            self._nulls += 1
            return int(rowhash.NULL)
        if isinstance(value, numpy.generic) and value.dtype.kind in "biuf":
            value = float(value) if value.dtype.kind == "f" else value.item()
        if _is_nan(value):
            self._nans += 1
            return int(rowhash.NAN)
        if type(value) in (bool, int, float):
            return rowhash.number(value)
        state = xxhash.xxh3_64()
        objects.feed(state, value)
        return int(state.intdigest())

    def _missing(self, value: Any) -> bool:
        if value is None or (self._texts and type(value) is not str):
            return True
        if type(value) in (numpy.datetime64, numpy.timedelta64):
            return bool(numpy.isnat(value))
        return type(value).__name__ in ("NAType", "NaTType")

    def statistics(self) -> dict[str, Any]:
        counts = None
        if self._counts is not None:
            counts = tuple((_shortened(label), often) for (_, label), often in self._counts.most_common())
        return {"nulls": self._nulls, "nans": self._nans, "counts": counts}


_COUNTED = {str, bool, int, float, complex, bytes}
"""Types of objects whose values are counted."""


def _is_nan(value: Any) -> bool:
    return type(value) is float and value != value


def _label(value: Any) -> str:
    kind = type(value)
    if kind is str:
        return str(value)
    if kind in _COUNTED or kind.__module__.partition(".")[0] in ("numpy", "pandas", "datetime", "decimal"):
        return hex(value) if kind is int and value.bit_length() > DIGITS_LIMIT else repr(value)
    return shown(plain(value))


def _shortened(label: str) -> str:
    return storable(label)[:200]


def reader(column: Column) -> Reader:
    if isinstance(column.kind, Numbers):
        return Masked(column, column.kind)
    if isinstance(column.kind, Categories):
        return Categorical(column, column.kind)
    return Things(column)
