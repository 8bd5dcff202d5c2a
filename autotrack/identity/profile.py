"""What is in a dataset: its columns with their digests and statistics, and its rows whatever their order.

Read once, a block of rows at a time, so that the numbers of a block stay in the processor's cache: about 2 GB/s for a
matrix of floats.  The identity is digested in the same pass: a profile is of the very data that has this identity.

The hash of a row is that of its values in the order of the columns: integers, floats and booleans by their number, so
that a change of type alone changes no row; texts by their UTF-8, times by their count in the column's unit, missing
entries as one thing, NaN as another.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy
import xxhash

from autotrack import events
from autotrack.identity import arrays, columns, elements, rowhash
from autotrack.identity.columns import Categories, Column, Numbers, Table
from autotrack.identity.elements import Undigestible, named
from autotrack.identity.rowhash import Rows
from autotrack.identity.statistics import FEW, Statistics
from autotrack.values import storable

Array = numpy.ndarray[Any, Any]
Going = Callable[[], bool]

LISTED = 1_000
"""Columns that are profiled; of a matrix that has more none is."""
BLOCK = 1 << 17
"""Entries of a block: 1 MB of float64."""
BLOCK_ROWS = 1 << 14


class Abandoned(Exception):
    """The data is not needed any more, or there is no time left."""


def profile(data: Any, going: Going = lambda: True) -> events.DataProfiled:
    """The profile of an array, table, sparse matrix or list; `going` is asked between blocks.

    Raises Undigestible for data that has no identity, Abandoned where `going` said no.
    """
    with numpy.errstate(all="ignore"):
        if isinstance(data, (list, tuple)):
            return _of_list(data, going)
        table = columns.opened(data)
        if table is not None:
            return _of_table(table, going, None)
        if isinstance(data, numpy.ma.MaskedArray):
            return _of_masked(data, going)
        if isinstance(data, numpy.ndarray):
            return _of_array(data, going)
        if arrays.is_sparse(data):
            return _of_sparse(data, going)
    raise Undigestible(f"{type(data).__module__}.{type(data).__qualname__} has no profile")


def _of_list(data: Any, going: Going) -> events.DataProfiled:
    numbers = elements.as_numbers(data)
    if numbers is not None:
        found = _of_array(numbers, going)
        return _renamed(found, named(elements.combine("list", found.data.rpartition(":")[2])))
    kind = columns.Texts(data) if all(isinstance(e, str) or e is None for e in data) else columns.Objects(list(data))
    return _of_table(Table(len(data), [Column("", "list", kind)]), going, named(elements.sequence(data)))


def _of_array(data: Array, going: Going) -> events.DataProfiled:
    if data.dtype.names:
        return _of_table(columns.of_fields(data), going, named(elements.array(data)))
    if data.ndim == 0:
        raise Undigestible("an array without dimensions has no rows")
    if data.dtype.kind not in "biuf":
        flat = data.reshape(len(data), -1)
        if flat.shape[1] > LISTED:
            raise Undigestible(f"{flat.shape[1]} columns of {data.dtype}")
        kinds = (Numbers(column) if data.dtype.kind in "mM" else columns.Objects(column) for column in flat.T)
        names = _positions(data, flat.shape[1])
        made = [Column(name, str(data.dtype), kind) for name, kind in zip(names, kinds, strict=True)]
        return _of_table(Table(len(data), made), going, named(elements.array(data)))
    return _of_matrix(data, going)


def _of_masked(data: Any, going: Going) -> events.DataProfiled:
    values = numpy.ma.getdata(data)
    if values.ndim == 0 or values.dtype.kind not in "biufmM":
        raise Undigestible(f"a masked array of {values.dtype} in {values.ndim} dimensions")
    flat, there = values.reshape(len(values), -1), ~numpy.ma.getmaskarray(data).reshape(len(values), -1)
    if flat.shape[1] > LISTED:
        raise Undigestible(f"a masked array of {flat.shape[1]} columns")
    made = [
        Column(name, str(values.dtype), Numbers(numpy.ascontiguousarray(flat[:, at]), there[:, at].copy()))
        for at, name in enumerate(_positions(values, flat.shape[1]))
    ]
    return _of_table(Table(len(values), made), going, arrays.digest(data))


def _positions(data: Array, width: int) -> Sequence[str]:
    return [""] if data.ndim == 1 else [str(at) for at in range(width)]


def _blocks(rows: int, width: int, going: Going) -> Iterator[tuple[int, int]]:
    step = max(min(BLOCK_ROWS, BLOCK // max(width, 1)), 1)
    for start in range(0, rows, step):
        if not going():
            raise Abandoned
        yield start, min(start + step, rows)


class _Matrix:
    """Columns of one dtype without missing entries."""

    def __init__(self, rows: int, dtype: Any, types: Sequence[str]) -> None:
        self.dtype, self._types = dtype, types
        stored = numpy.dtype("i8") if dtype.kind in "mM" else dtype
        self.statistics = Statistics(len(types), stored)
        self._states = [elements.begun(dtype, (rows,)) for _ in types]

    def add(self, block: Array) -> Array:
        """Add a block that holds the columns as its rows; returns their bits."""
        for state, column in zip(self._states, block, strict=True):
            elements.content(state, column)
        return _bits(block, self.statistics, None)

    def digests(self) -> list[str]:
        return [elements.combine(t, state.hexdigest()) for t, state in zip(self._types, self._states, strict=True)]


def _bits(block: Array, statistics: Statistics, valid: Array | None) -> Array:
    """The bits of a block of numbers, which is added to the statistics."""
    if block.dtype.kind in "mM":
        there = ~numpy.isnat(block)
        valid = there if valid is None else valid & there
        valid = None if valid.all() else valid
        block = block.view("i8")
    values = block if block.dtype == numpy.float64 else block.astype(numpy.float64)
    statistics.add(block, values, valid)
    return rowhash.number_bits(block, values, valid)


def _of_matrix(data: Array, going: Going) -> events.DataProfiled:
    rows = len(data)
    flat = data.reshape(rows, -1) if data.ndim != 2 else data
    width = flat.shape[1]
    narrow = width <= LISTED
    group = _Matrix(rows, data.dtype, [str(data.dtype)] * width if narrow else [])
    whole, seen = elements.begun(data.dtype, data.shape), Rows()
    for start, end in _blocks(rows, width, going):
        block = flat[start:end].copy(order="C")
        elements.content(whole, block)
        if narrow:
            seen.add(rowhash.of_columns(end - start, list(group.add(numpy.ascontiguousarray(block.T)))))
        else:
            seen.add(rowhash.of_rows(rowhash.number_bits(block, block.astype(numpy.float64), None)))
    names = _positions(data, width) if narrow else []
    profiled = [
        events.ColumnProfile(name=name, type=str(data.dtype), digest=digest, **group.statistics.of(at))
        for at, (name, digest) in enumerate(zip(names, group.digests(), strict=True))
    ]
    return _event(named(whole.hexdigest()), rows, profiled, width, seen)


def _event(
    identity: str, rows: int, profiled: list[events.ColumnProfile], width: int, seen: Rows
) -> events.DataProfiled:
    return events.DataProfiled(
        time=time.time(),
        data=identity,
        rows=rows,
        columns=tuple(profiled[:LISTED]),
        left_out=width - len(profiled[:LISTED]),
        **seen.result(width),
    )


def _renamed(profiled: events.DataProfiled, identity: str) -> events.DataProfiled:
    import msgspec

    return msgspec.structs.replace(profiled, data=identity)


# Tables


def _of_table(table: Table, going: Going, identity: str | None) -> events.DataProfiled:
    """`identity` is given where the table is a view of something else."""
    matrices: dict[str, list[int]] = {}
    readers: dict[int, _Reader] = {}
    for at, column in enumerate(table.columns):
        if isinstance(column.kind, Numbers) and column.kind.valid is None:
            matrices.setdefault(column.kind.values.dtype.str, []).append(at)
        else:
            readers[at] = _reader(column)
    groups = [
        (members, _Matrix(table.rows, _numbers(table, members[0]).dtype, [table.columns[at].type for at in members]))
        for members in matrices.values()
    ]
    seen = Rows()
    for start, end in _blocks(table.rows, len(table.columns), going):
        bits: dict[int, Array] = {at: reader.bits(start, end) for at, reader in readers.items()}
        for members, group in groups:
            block = numpy.stack([_numbers(table, at)[start:end] for at in members])
            bits |= dict(zip(members, group.add(block), strict=True))
        seen.add(rowhash.of_columns(end - start, [bits[at] for at in range(len(table.columns))]))
    digests = {at: reader.digest for at, reader in readers.items()}
    fields = {at: reader.statistics() for at, reader in readers.items()}
    for members, group in groups:
        digests |= dict(zip(members, group.digests(), strict=True))
        fields |= {at: _shown(group.statistics.of(n), group.dtype) for n, at in enumerate(members)}
    profiled = [
        events.ColumnProfile(name=column.name, type=column.type, digest=digests[at], **fields[at])
        for at, column in enumerate(table.columns[:LISTED])
    ]
    known = identity or named(table.identity([digests[at] for at in range(len(table.columns))]))
    return _event(known, table.rows, profiled, len(table.columns), seen)


def _numbers(table: Table, at: int) -> Array:
    kind = table.columns[at].kind
    assert isinstance(kind, Numbers)
    values: Array = kind.values
    return values


def _shown(fields: dict[str, Any], dtype: Any) -> dict[str, Any]:
    """The statistics of times: as texts, without moments."""
    if dtype.kind not in "mM":
        return fields
    bounds: dict[str, Any] = {
        name: str(numpy.array(fields[name]).view(dtype)) for name in ("low", "high") if name in fields
    }
    counts = fields["counts"]
    times = None if counts is None else tuple((str(numpy.array(int(v)).view(dtype)), n) for v, n in counts)
    return {"nulls": fields["nulls"], "counts": times, **bounds}


class _Reader:
    """A column that is read by itself: its digest, and the bits of a block."""

    def __init__(self, column: Column) -> None:
        self.digest = column.digest()

    def bits(self, start: int, end: int) -> Array:
        raise NotImplementedError

    def statistics(self) -> dict[str, Any]:
        raise NotImplementedError


class _Masked(_Reader):
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
        found: Array = _bits(block, self._statistics, valid)[0]
        return found

    def statistics(self) -> dict[str, Any]:
        return _shown(self._statistics.of(0), self._dtype)


class _Categorical(_Reader):
    def __init__(self, column: Column, kind: Categories) -> None:
        super().__init__(column)
        inner = _Things(Column("", "", kind.categories))
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
        counts = Counter({_label(v): int(n) for v, n in zip(self._values, self._often[:-1], strict=True) if n})
        return {"nulls": nulls, "counts": tuple(counts.most_common()) if len(counts) <= FEW else None}


class _Things(_Reader):
    """Texts and other objects."""

    CACHED = 1 << 16

    def __init__(self, column: Column) -> None:
        super().__init__(column)
        kind: Any = column.kind
        self.values = kind.values
        self._known: dict[Any, int] = {}
        self._counts: Counter[str] | None = Counter()
        self._nulls = self._nans = 0

    def bits(self, start: int, end: int) -> Array:
        block = self.values[start:end]
        block = block.tolist() if isinstance(block, numpy.ndarray) else list(block)
        found = [self._bits_of(value) for value in block]
        if self._counts is not None:
            self._counts.update(_label(value) for value in block if not _missing(value) and value == value)
            if len(self._counts) > FEW:
                self._counts = None
        return numpy.array(found, dtype=numpy.uint64)

    def _bits_of(self, value: Any) -> int:
        if isinstance(value, str):
            known = self._known.get(value)
            if known is None:
                known = rowhash.text_bits(value)
                if len(self._known) < self.CACHED:
                    self._known[value] = known
            return known
        if _missing(value):
            self._nulls += 1
            return int(rowhash.NULL)
        if isinstance(value, (bool, int, float)) and abs(value) <= 2.0**53:
            return int(numpy.float64(value + 0.0).view(numpy.uint64))
        if isinstance(value, float) and value != value:
            self._nans += 1
            return int(rowhash.NAN)
        state = xxhash.xxh3_64()
        elements.element_of(state, value)
        return int(state.intdigest())

    def statistics(self) -> dict[str, Any]:
        counts = None if self._counts is None else tuple(self._counts.most_common())
        return {"nulls": self._nulls, "nans": self._nans, "counts": counts}


def _missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _label(value: Any) -> str:
    return storable(value if isinstance(value, str) else repr(value))[:200]


def _reader(column: Column) -> _Reader:
    if isinstance(column.kind, Numbers):
        return _Masked(column, column.kind)
    if isinstance(column.kind, Categories):
        return _Categorical(column, column.kind)
    return _Things(column)


# Sparse matrices


def _of_sparse(data: Any, going: Going) -> events.DataProfiled:
    """Rows by the positions and values of what is stored in them; they are no rows of a dense matrix."""
    identity, matrix = arrays.digest(data), data.tocsr()
    if not matrix.has_sorted_indices:
        matrix = matrix.sorted_indices()
    seen, (rows, width) = Rows(), matrix.shape
    places = rowhash.bytes_of(numpy.ascontiguousarray(matrix.indices, dtype="<i8"))
    values = rowhash.bytes_of(matrix.data.astype("<f8") + 0.0)
    bounds, digest = (matrix.indptr * 8).tolist(), xxhash.xxh3_64_intdigest
    for start, end in _blocks(rows, 8, going):
        pairs = zip(bounds[start:end], bounds[start + 1 : end + 1], strict=True)
        found = (digest(values[a:b], seed=digest(places[a:b])) for a, b in pairs)
        seen.add(numpy.fromiter(found, dtype=numpy.uint64, count=end - start))
    profiled = []
    if width <= LISTED and matrix.dtype.kind in "biuf":
        by_column = matrix.tocsc()
        profiled = [_sparse_column(by_column, at, rows) for at in range(width)]
    return _event(identity, rows, profiled, width, seen)


def _sparse_column(matrix: Any, at: int, rows: int) -> events.ColumnProfile:
    begin, end = matrix.indptr[at], matrix.indptr[at + 1]
    places, stored = matrix.indices[begin:end], matrix.data[begin:end]
    statistics = Statistics(1, stored.dtype)
    zeros = rows - len(stored)
    block = numpy.concatenate([stored, numpy.zeros(min(zeros, 1), dtype=stored.dtype)])[None, :]
    fields: dict[str, Any] = {}
    if block.size:
        statistics.add(block, block.astype(numpy.float64), None)
        fields = statistics.of(0)
        finite = stored[numpy.isfinite(stored)].astype(numpy.float64)
        counted = len(finite) + zeros
        if counted:
            mean = float(finite.sum()) / counted
            squares = float(((finite - mean) ** 2).sum()) + zeros * mean * mean
            moments = {"mean": mean, "deviation": (squares / counted) ** 0.5}
            fields |= {name: value if abs(value) < float("inf") else None for name, value in moments.items()}
        fields["counts"] = None
    digest = elements.combine(str(matrix.dtype), elements.array(places.astype("<i8")), elements.array(stored))
    return events.ColumnProfile(name=str(at), type=str(matrix.dtype), digest=digest, **fields)
