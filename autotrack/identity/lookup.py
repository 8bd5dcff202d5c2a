"""Whether rows of some data are in other data: a few are looked for, at the cost of comparing a column."""

from __future__ import annotations

import sys
from typing import Any, Literal

from autotrack.identity import columns

Found = Literal["all", "some", "none", "unsure"]
"""`unsure`: all are there, but that may be so by chance."""
ROWS = 8
"""Rows that are looked for."""
LOOKED_AT = 1_000_000
"""Entries that are looked at in all, in some milliseconds: each prediction asks.  Of larger data nothing is said."""
NARROW = 16
"""Columns of a table that are looked through at little cost."""
CANDIDATES = 1_000
"""Rows that are compared whole: those whose first entry is the same."""
COMPARED = 10
"""Rows of tables that are compared whole."""
ROW_BYTES = 4096
"""The largest row that is remembered of data that may go."""
LONGEST = 1_000_000
"""Rows of lists that are looked through."""


def rows_in(given: Any, there: list[Any]) -> Found | None:
    """Whether rows of some data are in any of others; None where that can't be seen.

    Rows of few different values are in other data by chance: only rows that are there once tell that they were taken
    from it.
    """
    count = _length(given)
    if not count or ROWS * sum(_length(data) * _width(data) for data in there) > LOOKED_AT:
        return None
    places = range(0, count, max(count // ROWS, 1))[:ROWS]
    often = [_times_in_any(given, at, there) for at in places]
    known = [times for times in often if times is not None]
    if not known:
        return None
    if not any(known):
        return "none" if len(known) == len(often) else None
    if not all(known):
        return "some"
    return "all" if sum(times == 1 for times in known) >= 0.75 * len(often) else "unsure"


def first_row(data: Any) -> Any:
    """A copy of the first row of a matrix; None for anything else."""
    array = _matrix(data)
    return array[0].copy() if array is not None and len(array) and array[0].nbytes <= ROW_BYTES else None


def times(data: Any, row: Any) -> int | None:
    """How often a matrix has this row; None for what is no matrix of such rows."""
    array = _matrix(data)
    return None if array is None or array.shape[1] != len(row) else _held(array, row)


def _length(data: Any) -> int:
    shape = getattr(data, "shape", None)
    if isinstance(shape, tuple) and shape and isinstance(shape[0], int):
        return int(shape[0])
    return len(data) if isinstance(data, (list, tuple)) else 0


def _width(data: Any) -> int:
    """How much longer it takes to look through a table than through one of few columns."""
    shape = getattr(data, "shape", None) if hasattr(data, "columns") else None
    return max(int(shape[1]) // NARROW, 1) if isinstance(shape, tuple) and len(shape) == 2 else 1


def _times_in_any(given: Any, at: int, there: list[Any]) -> int | None:
    times = [_times(given, at, data) for data in there]
    return None if None in times else sum(filter(None, times))


def _times(given: Any, at: int, there: Any) -> int | None:
    """How often a row is there; None where that can't be seen."""
    if type(given) is not type(there):
        return None
    matrix = _matrix(there)
    if matrix is not None:
        array = _matrix(given)
        return None if array is None or array.shape[1] != matrix.shape[1] else _held(matrix, array[at])
    if isinstance(there, (list, tuple)):
        return there.count(given[at]) if len(there) <= LONGEST and _plain(given[at]) else None
    if getattr(there, "format", None) == "csr":
        return _times_sparse(given, at, there)
    return _times_in_table(given, at, there)


def _plain(row: Any) -> bool:
    """Whether comparing rows of a list runs no code of the user's."""
    plain = (str, int, float)
    return isinstance(row, plain) or (isinstance(row, (list, tuple)) and all(isinstance(part, plain) for part in row))


def _matrix(data: Any) -> Any:
    """The data where it is an array of rows of numbers, else None."""
    numpy = sys.modules.get("numpy")
    if numpy is None or type(data) is not numpy.ndarray or data.ndim != 2 or data.dtype.kind not in "biuf":
        return None
    return data if data.shape[1] else None


def _held(array: Any, row: Any) -> int:
    numpy = sys.modules["numpy"]
    found = numpy.flatnonzero(_same(array[:, 0], row[0]))[:CANDIDATES]
    return int(_same(array[found], row).all(axis=1).sum())


def _same(values: Any, value: Any) -> Any:
    """Where values are equal; NaN is the same as NaN here."""
    equal = values == value
    if values.dtype.kind == "f":
        equal |= (values != values) & (value != value)
    return equal


def _times_sparse(given: Any, at: int, there: Any) -> int | None:
    numpy = sys.modules["numpy"]
    begin, end = given.indptr[at], given.indptr[at + 1]
    if begin == end or given.shape[1] != there.shape[1]:
        return None
    starts = there.indptr[:-1][numpy.diff(there.indptr) == end - begin]
    starts = starts[(there.indices[starts] == given.indices[begin]) & (there.data[starts] == given.data[begin])]
    return sum(
        bool((there.indices[start : start + end - begin] == given.indices[begin:end]).all())
        and bool((there.data[start : start + end - begin] == given.data[begin:end]).all())
        for start in starts[:CANDIDATES]
    )


def _times_in_table(given: Any, at: int, there: Any) -> int | None:
    """By the columns of numbers; the first rows that agree in these are compared whole."""
    numpy = sys.modules["numpy"]
    row, numbers = columns.numbers_of(given, at), columns.numbers_of(there)
    if not numbers or [name for name, _ in row] != [name for name, _ in numbers]:
        return None
    left = numpy.arange(len(numbers[0][1]))
    for (_, values), (_, value) in zip(numbers, row, strict=True):
        left = left[_same(values[left], value[0])]
        if not len(left):
            return 0
    whole = columns.row_of(given, at)
    found = sum(_alike(columns.row_of(there, int(other)), whole) for other in left[:COMPARED])
    return found if found or len(left) <= COMPARED else None


def _alike(first: tuple[Any, ...], second: tuple[Any, ...]) -> bool:
    return all(_equal(one, other) for one, other in zip(first, second, strict=True))


def _equal(one: Any, other: Any) -> bool:
    try:
        return one is other or bool(one == other) or bool(one != one and other != other)
    except (TypeError, ValueError):  # of pandas.NA, of arrays
        return False
