"""Hashes of rows, and what is kept of them: the identity of the rows in any order, and the sketch."""

from __future__ import annotations

from typing import Any

import numpy
import xxhash

from autotrack.identity import elements
from autotrack.identity.rows import KEPT, Sketch, packed

Array = numpy.ndarray[Any, Any]

NULL = numpy.uint64(0x9AE16A3B2F90404F)
NAN = numpy.uint64(0xC949D7C7509E6557)
_FIRST = numpy.uint64(0x1465A3E2B7C95F21)
_FACTORS = numpy.uint64(0x9E3779B97F4A7C15), numpy.uint64(0xD6E8FEB86659FD93)
"""Odd, from the golden ratio and from Stafford's search for mixers of 64 bits (2011)."""
_HALF = numpy.uint64(32)
NARROW = 64
"""Columns up to which whole columns are mixed at a time; wider rows are digested one by one."""


def number_bits(stored: Array, values: Array, valid: Array | None) -> Array:
    """The bits by which numbers are told apart, for an array as it is stored and as float64."""
    bits = (values + 0.0).view(numpy.uint64)  # -0.0 is 0.0
    if stored.dtype.kind == "f":
        nan = numpy.isnan(values)
        if nan.any():
            bits[nan] = NAN
    elif stored.dtype.kind in "iu" and stored.dtype.itemsize == 8:
        large = numpy.abs(values) > 2.0**53
        if large.any():
            bits[large] = _large_bits(stored[large], values[large])
    if valid is not None:
        bits[~valid] = NULL
    return bits


def _large_bits(stored: Array, values: Array) -> Array:
    """Of integers beyond those of which each is a float64: of those that are one, its bits."""
    same = values < 2.0 ** (63 if stored.dtype.kind == "i" else 64)
    same[same] = values[same].astype(stored.dtype) == stored[same]
    return numpy.where(same, values.view(numpy.uint64), stored.view(numpy.uint64) ^ NULL)


def number(value: float) -> int:
    """The bits by which a number of Python is told apart, the same as in an array of its type."""
    try:
        near = float(value)
    except OverflowError:
        return text_bits(hex(int(value)))
    if near == value:
        return int(numpy.float64(near + 0.0).view(numpy.uint64))
    if -(2**63) <= value < 2**64:
        return (int(value) & (2**64 - 1)) ^ int(NULL)
    return text_bits(hex(int(value)))


def text_bits(value: str) -> int:
    """The bits by which texts are told apart."""
    return int(xxhash.xxh3_64_intdigest(elements.encoded(value)))


def of_columns(rows: int, bits: list[Array]) -> Array:
    """The hash of each of the rows, from the bits of each column."""
    if len(bits) > NARROW:
        return of_rows(numpy.ascontiguousarray(numpy.stack(bits, axis=1)))
    hashes = numpy.full(rows, _FIRST, dtype=numpy.uint64)
    shifted = numpy.empty_like(hashes)
    for column in bits:
        numpy.bitwise_xor(hashes, column, out=hashes)
        _mix(hashes, shifted, _FACTORS[0])
    _mix(hashes, shifted, _FACTORS[1])
    return hashes


def bytes_of(array: Array) -> memoryview:
    flat: Any = array.reshape(-1).view(numpy.uint8)
    return memoryview(flat)


def of_rows(rows: Array) -> Array:
    """The hash of each row of a matrix of bits."""
    width = rows.shape[1] * 8
    data = bytes_of(rows)
    digest = xxhash.xxh3_64_intdigest
    found = (digest(data[start : start + width]) for start in range(0, len(rows) * width, width))
    return numpy.fromiter(found, dtype=numpy.uint64, count=len(rows))


def _mix(hashes: Array, shifted: Array, factor: Any) -> None:
    numpy.multiply(hashes, factor, out=hashes)
    numpy.right_shift(hashes, _HALF, out=shifted)
    numpy.bitwise_xor(hashes, shifted, out=hashes)


class Rows:
    """The rows seen so far."""

    def __init__(self, kept: int = KEPT) -> None:
        """`kept`: of how many different rows the sketch is that is had here; the profile holds `KEPT` of them."""
        self._kept = kept
        self._count = 0
        self._ordered = xxhash.xxh3_128()
        self._sums = [numpy.uint64(0), numpy.uint64(0)]
        self._hashes = numpy.zeros(0, dtype=numpy.uint64)
        self._repeats = numpy.zeros(0, dtype=numpy.int64)
        self._fresh: list[Array] = []
        self._limit = numpy.uint64(2**64 - 1)
        self._cut = False

    def add(self, hashes: Array) -> None:
        self._count += len(hashes)
        self._ordered.update(bytes_of(hashes.astype("<u8", copy=False)))
        again = hashes.copy()
        _mix(again, numpy.empty_like(again), _FACTORS[1])
        for at, part in enumerate((hashes, again)):
            self._sums[at] += numpy.add.reduce(part)
        self._fresh.append(hashes[hashes <= self._limit])
        if sum(map(len, self._fresh)) > 4 * self._kept:
            self._sort()

    def _sort(self) -> None:
        """Bring what came since the last time into its place."""
        hashes = numpy.concatenate([self._hashes, *self._fresh])
        seen, once = len(self._hashes), bool((self._repeats == 1).all())
        self._fresh = []
        if once:
            hashes.sort()  # much faster than where the order is asked for
        else:
            order = numpy.argsort(hashes, kind="stable")
            often = numpy.ones(len(hashes), dtype=numpy.int64)
            often[:seen] = self._repeats
            hashes, often = hashes[order], often[order]
        begins = numpy.flatnonzero(numpy.concatenate([[True], hashes[1:] != hashes[:-1]])[: len(hashes)])
        if once:
            self._repeats = numpy.diff(numpy.append(begins, len(hashes)))
        elif len(hashes):
            self._repeats = numpy.add.reduceat(often, begins)
        self._hashes = hashes[begins]
        if len(self._hashes) > self._kept:
            self._cut = True
            self._hashes, self._repeats = self._hashes[: self._kept].copy(), self._repeats[: self._kept].copy()
        if self._cut:
            self._limit = self._hashes[-1]

    def sketch(self) -> Sketch:
        """The sketch of the rows so far."""
        self._sort()
        return Sketch(self._count, self._hashes, self._repeats.astype("<u4"), not self._cut)

    def result(self, width: int) -> dict[str, Any]:
        """The fields of a profile."""
        self._sort()
        distinct = len(self._hashes)
        if self._cut:
            distinct = max(round((self._kept - 1) / (int(self._limit) + 1) * 2**64), self._kept + 1)
        sums = (f"{int(part):016x}" for part in self._sums)
        shape = str(self._count), str(width)
        sketch, repeats = packed(self._hashes[:KEPT], self._repeats[:KEPT])
        return {
            "unordered": elements.named(elements.combine("rows", *shape, *sums)),
            "ordered": elements.named(elements.combine("ordered rows", *shape, self._ordered.hexdigest())),
            "distinct": distinct,
            "sketch": sketch,
            "repeats": repeats,
        }
