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
REMEMBERED, REMEMBERED_BYTES = 64, 1 << 15
"""Rows that are remembered of data that may go, and their bytes."""
WIDEST = 128
"""Columns of data in another container or of another type that is looked through."""
LONGEST = 1_000_000
"""Rows of lists that are looked through."""


def rows_in(given: Any, there: list[Any], alike: bool = True) -> Found | None:
    """Whether rows of some data are in any of others; None where that can't be seen.  Without `alike`, they are of
    another container or type, and compared as far as they are numbers.

    Rows of few different values are in other data by chance: only rows that are there once tell that they were taken
    from it.
    """
    count = _length(given)
    if not count or ROWS * sum(_length(data) * _width(data) for data in there) > LOOKED_AT:
        return None
    places = range(0, count, max(count // ROWS, 1))[:ROWS]
    often = [_times_in_any(given, at, there) for at in places] if alike else _times_across(given, places, there)
    known = [times for times in often if times is not None]
    if not known:
        return None
    if not any(known):
        return "none" if len(known) == len(often) else None
    if not all(known):
        return "some"
    return "all" if sum(times == 1 for times in known) >= 0.75 * len(often) else "unsure"


def some_rows(data: Any) -> Any:
    """A copy of rows from all over a matrix; None for anything else."""
    array = _matrix(data)
    if array is None or not len(array):
        return None
    most = min(REMEMBERED, REMEMBERED_BYTES // max(array[0].nbytes, 1), len(array))
    return array[_places(len(array), most)].copy() if most else None


def _places(count: int, most: int) -> list[int]:
    return [at * count // most for at in range(most)]


def times(data: Any, rows: Any) -> list[int] | None:
    """How often a matrix has each of these rows, or of some of them; None for what is no matrix of such rows."""
    numpy, array = sys.modules["numpy"], _matrix(data)
    if array is None or array.shape[1] != rows.shape[1]:
        return None
    if len(rows) * len(array) > LOOKED_AT:
        rows = rows[:: max(len(rows) // ROWS, 1)]
    if len(rows) * len(array) > LOOKED_AT:
        return None
    first, theirs = _coarser(rows[:, 0], array[:, 0])
    may = numpy.isin(first, theirs) | (first != first)
    return [_held(array, row) if there else 0 for row, there in zip(rows, may, strict=True)]


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
    values, value = _coarser(values, value)
    equal = values == value
    if values.dtype.kind == "f":
        equal |= (values != values) & (value != value)
    return equal


def _coarser(one: Any, other: Any) -> tuple[Any, Any]:
    """Numbers of two types as the type has them that tells fewer apart."""
    if one.dtype != other.dtype:
        for dtype in sorted((one.dtype, other.dtype), key=lambda dtype: dtype.itemsize):
            if dtype.kind == "f" and dtype.itemsize < 8:
                return one.astype(dtype), other.astype(dtype)
    return one, other


def _times_across(given: Any, places: range, there: list[Any]) -> list[int | None]:
    """How often rows are in data of other containers or types; None where that can't be seen."""
    mine, theirs = _columns(given), [_columns(data) for data in there]
    if mine is None or any(columns is None or len(columns) != len(mine) for columns in theirs):
        return [None]
    names = [list(data.columns) for data in (given, *there) if hasattr(data, "columns")]
    if any(other != names[0] for other in names):
        return [None]
    return [sum(_held_in(columns or [], [values[at] for values in mine]) for columns in theirs) for at in places]


def _columns(data: Any) -> list[Any] | None:
    """The columns of a matrix, or of a table that is nothing but numbers."""
    matrix = _matrix(data)
    width = getattr(data, "shape", (0,))[-1]
    if not 0 < width <= WIDEST:
        return None
    found = list(matrix.T) if matrix is not None else [values for _, values in columns.numbers_of(data)]
    return found if len(found) == width and all(values.dtype.kind in "biuf" for values in found) else None


def _held_in(columns: list[Any], row: list[Any]) -> int:
    numpy = sys.modules["numpy"]
    left = numpy.flatnonzero(_same(columns[0], row[0]))
    for values, value in zip(columns[1:], row[1:], strict=True):
        if not len(left):
            return 0
        left = left[_same(values[left], value)]
    return len(left)


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
