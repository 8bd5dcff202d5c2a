"""What is in a dataset: its columns with their digests and statistics, and its rows whatever their order.

Read once, a block of rows at a time, so that the numbers of a block stay in the processor's cache: about 2 GB/s for a
matrix of floats.  The identity is digested in the same pass: a profile is of the very data that has this identity.

The hash of a row is that of its values in the order of the columns: integers, floats and booleans by their number, so
that a change of type alone changes no row; texts by their UTF-8, times by their count in the column's unit, missing
entries as one thing, NaN as another.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy
import xxhash

from autotrack import events
from autotrack.identity import arrays, columns, elements, objects, rowhash, sparse
from autotrack.identity.columns import Column, Numbers, Table
from autotrack.identity.elements import Undigestible, named
from autotrack.identity.readers import Reader, bits_of, reader, shown_as
from autotrack.identity.rowhash import Rows
from autotrack.identity.rows import Sketch
from autotrack.identity.statistics import Statistics

Array = numpy.ndarray[Any, Any]
Going = Callable[[], bool]

LISTED = 1_000
"""Columns that are profiled; of a matrix that has more none is."""
SKETCHED = 1 << 16
"""Different rows in the sketch by which datasets of one program are compared: of 1 % of the rows of the smaller one, a
few are in it as long as that has about a hundredth of the rows of the larger one."""
BLOCK = 1 << 17
"""Entries of a block: 1 MB of float64."""
BLOCK_ROWS = 1 << 14


class Abandoned(Exception):
    """The data is not needed any more, or there is no time left."""


class Profile(NamedTuple):
    """What goes on record, and a sketch of more rows than that holds."""

    event: events.DataProfiled
    sketch: Sketch


def profile(data: Any, going: Going = lambda: True) -> events.DataProfiled:
    """What goes on record of the profile of data: see `profiled`."""
    return profiled(data, going).event


def profiled(data: Any, going: Going = lambda: True) -> Profile:
    """The profile of an array, table, sparse matrix or list; `going` is asked between blocks.

    Raises Undigestible for data that has no identity, Abandoned where `going` said no.
    """
    try:
        with numpy.errstate(all="ignore"):
            return _of_any(data, going)
    except elements.foreign() as error:
        raise elements.refused(data, error) from error


def _of_any(data: Any, going: Going) -> Profile:
    if issubclass(type(data), (list, tuple)):
        return _of_list(data, going)
    table = columns.opened(data)
    if table is not None:
        return _of_table(table, going, None)
    if isinstance(data, numpy.ma.MaskedArray):
        return _of_masked(data, going)
    if isinstance(data, numpy.ndarray):
        return _of_array(numpy.asarray(data), going)
    if sparse.is_sparse(data):
        return _of_sparse(data, going)
    raise Undigestible(f"{type(data).__module__}.{type(data).__qualname__} has no profile")


def _of_list(data: Any, going: Going) -> Profile:
    def identity() -> str:
        return named(objects.sequence(data))

    before, taken = identity(), list(objects.exact(data))
    matrix = _stacked(taken)
    if matrix is not None:
        found = _of_array(matrix, going)
        if identity() != before:
            raise Abandoned
        return _renamed(found, before)
    texts = all(issubclass(type(entry), str) or entry is None for entry in taken)
    kind = columns.Texts(taken) if texts else columns.Objects(taken)
    return _of_table(Table(len(taken), [Column("", "list", kind)]), going, identity, before)


def _stacked(data: list[Any]) -> Any:
    """The array that a list of numbers, of lists of them, or of arrays of one type and shape makes; else None."""
    first = data[0] if data else None
    if type(first) is numpy.ndarray and first.ndim and first.dtype.kind in "biuf":
        alike = all(type(e) is numpy.ndarray and (e.dtype, e.shape) == (first.dtype, first.shape) for e in data)
        return numpy.stack(data) if alike else None
    return objects.as_numbers(data)


def _of_array(data: Array, going: Going) -> Profile:
    def identity() -> str:
        return named(elements.array(data))

    if data.dtype.names:
        return _of_table(columns.of_fields(data), going, identity)
    if data.ndim == 0:
        raise Undigestible("an array without dimensions has no rows")
    if data.dtype.kind not in "biuf":
        flat = _flat(data)
        if flat.shape[1] > LISTED:
            raise Undigestible(f"{flat.shape[1]} columns of {data.dtype}")
        kinds = (Numbers(column) if data.dtype.kind in "mM" else columns.Objects(column) for column in flat.T)
        names = _positions(data, flat.shape[1])
        made = [Column(name, str(data.dtype), kind) for name, kind in zip(names, kinds, strict=True)]
        return _of_table(Table(len(data), made), going, identity)
    return _of_matrix(data, going)


def _flat(data: Array) -> Array:
    """A matrix with the rows of an array."""
    return data.reshape(len(data), math.prod(data.shape[1:]))


def _of_masked(data: Any, going: Going) -> Profile:
    values: Array = numpy.asarray(numpy.ma.getdata(data))
    if values.ndim == 0 or values.dtype.kind not in "biufmM":
        raise Undigestible(f"a masked array of {values.dtype} in {values.ndim} dimensions")
    before = arrays.digest(data)
    flat, there = _flat(values), _flat(~numpy.ma.getmaskarray(data))
    if flat.shape[1] > LISTED:
        raise Undigestible(f"a masked array of {flat.shape[1]} columns")
    made = [
        Column(name, str(values.dtype), Numbers(numpy.ascontiguousarray(flat[:, at]), there[:, at].copy()))
        for at, name in enumerate(_positions(values, flat.shape[1]))
    ]
    return _of_table(Table(len(values), made), going, lambda: arrays.digest(data), before)


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
        return bits_of(block, self.statistics, None)

    def digests(self) -> list[str]:
        return [elements.combine(t, state.hexdigest()) for t, state in zip(self._types, self._states, strict=True)]


def _of_matrix(data: Array, going: Going) -> Profile:
    rows = len(data)
    flat = _flat(data)
    width = flat.shape[1]
    narrow = width <= LISTED
    group = _Matrix(rows, data.dtype, [str(data.dtype)] * width if narrow else [])
    whole, seen = elements.begun(data.dtype, data.shape), Rows(SKETCHED)
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


def _event(identity: str, rows: int, profiled: list[events.ColumnProfile], width: int, seen: Rows) -> Profile:
    event = events.DataProfiled(
        time=time.time(),
        data=identity,
        rows=rows,
        columns=tuple(profiled[:LISTED]),
        left_out=width - len(profiled[:LISTED]),
        **seen.result(width),
    )
    return Profile(event, seen.sketch())


def _renamed(profiled: Profile, identity: str) -> Profile:
    import msgspec

    return profiled._replace(event=msgspec.structs.replace(profiled.event, data=identity))


# Tables


def _of_table(table: Table, going: Going, identity: Callable[[], str] | None, before: str | None = None) -> Profile:
    """`identity` is given where the table is a view of something else, `before` is what it was."""
    before = identity() if identity is not None and before is None else before
    matrices: dict[str, list[int]] = {}
    readers: dict[int, Reader] = {}
    for at, column in enumerate(table.columns):
        if isinstance(column.kind, Numbers) and column.kind.valid is None:
            matrices.setdefault(column.kind.values.dtype.str, []).append(at)
        else:
            readers[at] = reader(column)
    groups = [
        (members, _Matrix(table.rows, _numbers(table, members[0]).dtype, [table.columns[at].type for at in members]))
        for members in matrices.values()
    ]
    seen = Rows(SKETCHED)
    for start, end in _blocks(table.rows, len(table.columns), going):
        bits: dict[int, Array] = {at: one.bits(start, end) for at, one in readers.items()}
        for members, group in groups:
            block = numpy.stack([_numbers(table, at)[start:end] for at in members])
            bits |= dict(zip(members, group.add(block), strict=True))
        seen.add(rowhash.of_columns(end - start, [bits[at] for at in range(len(table.columns))]))
    if identity is not None and identity() != before:
        raise Abandoned
    if identity is None and any(one.changed() for one in readers.values()):
        raise Abandoned
    digests = {at: one.digest for at, one in readers.items()}
    fields = {at: one.statistics() for at, one in readers.items()}
    for members, group in groups:
        digests |= dict(zip(members, group.digests(), strict=True))
        fields |= {at: shown_as(group.statistics.of(n), group.dtype) for n, at in enumerate(members)}
    profiled = [
        events.ColumnProfile(name=column.name, type=column.type, digest=digests[at], **fields[at])
        for at, column in enumerate(table.columns[:LISTED])
    ]
    known = before or named(table.identity([digests[at] for at in range(len(table.columns))]))
    return _event(known, table.rows, profiled, len(table.columns), seen)


def hashes(table: Table) -> Array:
    """The hash of each row of a table, that of a batch of rows."""

    def bits(column: Column) -> Array:
        kind = column.kind
        if not isinstance(kind, Numbers) or kind.valid is not None:
            return reader(column).bits(0, table.rows)
        stored: Array = kind.values
        stored = stored.view("i8") if stored.dtype.kind in "mM" else stored
        return rowhash.number_bits(stored, stored.astype(numpy.float64), None)

    with numpy.errstate(all="ignore"):
        return rowhash.of_columns(table.rows, [bits(column) for column in table.columns])


def _numbers(table: Table, at: int) -> Array:
    kind = table.columns[at].kind
    assert isinstance(kind, Numbers)
    values: Array = kind.values
    return values


# Sparse matrices


def _of_sparse(data: Any, going: Going) -> Profile:
    """Rows by the positions and values of what is stored in them; they are no rows of a dense matrix."""
    if data.ndim != 2:
        raise Undigestible(f"a sparse array of {data.ndim} dimensions")
    identity, matrix = arrays.digest(data), sparse.canonical(data).tocsr()
    seen, (rows, width) = Rows(SKETCHED), matrix.shape
    places = rowhash.bytes_of(numpy.ascontiguousarray(matrix.indices, dtype="<i8"))
    values, wide = rowhash.bytes_of(_stored_bits(matrix.data)), 2 if matrix.dtype.kind == "c" else 1
    bounds, digest = (matrix.indptr.astype("i8") * 8).tolist(), xxhash.xxh3_64_intdigest
    for start, end in _blocks(rows, 8, going):
        pairs = zip(bounds[start:end], bounds[start + 1 : end + 1], strict=True)
        found = (digest(values[a * wide : b * wide], seed=digest(places[a:b])) for a, b in pairs)
        seen.add(numpy.fromiter(found, dtype=numpy.uint64, count=end - start))
    profiled = []
    if width <= LISTED and matrix.dtype.kind in "biuf":
        by_column = matrix.tocsc()
        profiled = [_sparse_column(by_column, at, rows) for at in range(width)]
    if arrays.digest(data) != identity:
        raise Abandoned
    return _event(identity, rows, profiled, width, seen)


def _stored_bits(stored: Array) -> Array:
    if stored.dtype.kind == "c":
        return stored.astype("<c16") + 0.0
    return rowhash.number_bits(stored, stored.astype(numpy.float64), None)


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
