"""About how long data takes to be digested, and how large it is: told from its type, size, and some of its entries.

What is told here decides what is done in the user's thread, so it errs on the side of too much; it is had in some 10 µs
for an array, and runs no method of a class of the user.
"""

from __future__ import annotations

import sys
from itertools import islice
from typing import Any

from autotrack.identity.columns import is_a

SECONDS_A_BYTE = 1 / 8e9
SECONDS_A_COPIED_BYTE = 1 / 1e9
SECONDS_A_TEXT_BYTE = 1 / 4e8
SECONDS_AN_OBJECT = 4e-7
SECONDS_A_TEXT = 1e-7
SECONDS_A_COLUMN = 3e-5
SECONDS_A_CHUNK = 6e-5
SECONDS_A_STORED_ENTRY = 2e-7
"""Of a sparse matrix whose entries have to be sorted."""
SECONDS_A_NESTED = 1e-6
"""An entry of a list within a column, which is made an object."""
LOOKED_AT = 16
"""Entries of a list or a column that are looked at."""
COLUMNS_LOOKED_AT = 100
DEEP = 3
"""Containers within each other that are looked into."""


def seconds_to_digest(data: Any) -> float:
    """About how long a digest takes."""
    numpy = sys.modules.get("numpy")
    kind = type(data)
    if numpy is not None and issubclass(kind, numpy.ndarray):
        return _of_array(data)
    if issubclass(kind, (list, tuple, dict)):
        return _of_entries(data, 0)
    if is_a(data, "pandas", "DataFrame"):
        return _of_pandas_frame(data)
    if _is_column(data):
        return _of_column(data) + SECONDS_A_COLUMN
    if is_a(data, "polars", "DataFrame"):
        return sum((_of_polars(series) + SECONDS_A_COLUMN for series in data.get_columns()), 0.0)
    if is_a(data, "polars", "Series"):
        return _of_polars(data) + SECONDS_A_COLUMN
    if is_a(data, "pyarrow", "Table", "RecordBatch"):
        return sum((_of_arrow(column) + SECONDS_A_COLUMN for column in data.columns), 0.0)
    if is_a(data, "pyarrow", "Array", "ChunkedArray"):
        return _of_arrow(data) + SECONDS_A_COLUMN
    if _module(data) == "scipy" and hasattr(data, "nnz"):
        return _of_sparse(data)
    return 0.0


def _is_column(data: Any) -> bool:
    """Whether data is a column, an index of one level, or an array of pandas."""
    if is_a(data, "pandas", "Series", "Index"):
        return not is_a(data, "pandas", "MultiIndex")
    extensions = getattr(getattr(sys.modules.get("pandas"), "api", None), "extensions", None)
    return isinstance(data, getattr(extensions, "ExtensionArray", ()))


def _module(data: Any) -> str:
    return str(type(data).__module__).partition(".")[0]


def _of_array(data: Any) -> float:
    if not data.dtype.hasobject:
        return float(data.nbytes * (SECONDS_A_BYTE if data.flags.c_contiguous else SECONDS_A_COPIED_BYTE))
    if data.dtype.names:
        return float(data.size * len(data.dtype.names) * 1e-6)
    return _spread(data.flat, int(data.size), 0)


def _of_entries(data: Any, depth: int) -> float:
    kind = type(data)
    if issubclass(kind, dict):
        count = dict.__len__(data)
        values = list(islice(dict.values(data), LOOKED_AT))
        return _spread(values, len(values), depth) * count / max(len(values), 1) + count * SECONDS_AN_OBJECT
    base: Any = list if issubclass(kind, list) else tuple
    entries = data if kind is base else base.__getitem__(data, slice(None))
    return _spread(entries, len(entries), depth)


def _spread(entries: Any, count: int, depth: int) -> float:
    """By some of the entries that are spread evenly; the last one is among them."""
    looked_at = min(LOOKED_AT, count)
    seconds = 0.0
    for at in range(looked_at):
        seconds += _of_entry(entries[at * (count - 1) // max(looked_at - 1, 1)], depth + 1)
    return seconds * count / max(looked_at, 1)


def _of_entry(entry: Any, depth: int) -> float:
    kind = type(entry)
    if kind is float or kind is int:
        return SECONDS_AN_OBJECT / 4
    if issubclass(kind, str):
        return SECONDS_AN_OBJECT / 2 + str.__len__(entry) * SECONDS_A_TEXT_BYTE
    if issubclass(kind, bytes):
        return SECONDS_AN_OBJECT / 2 + bytes.__len__(entry) * SECONDS_A_BYTE
    if issubclass(kind, (list, tuple, dict)):
        base = next(base for base in (list, tuple, dict) if issubclass(kind, base))
        if depth > DEEP:
            return SECONDS_AN_OBJECT + base.__len__(entry) * SECONDS_AN_OBJECT
        return SECONDS_AN_OBJECT + _of_entries(entry, depth)
    numpy = sys.modules.get("numpy")
    if numpy is not None and kind is numpy.ndarray:
        return 3e-6 + (_of_array(entry) if not entry.dtype.hasobject else entry.size * 1e-6)
    return SECONDS_AN_OBJECT * (10 if kind.__module__ != "builtins" else 1)


def _of_pandas_frame(frame: Any) -> float:
    rows, count = frame.shape
    others = []
    for at, dtype in enumerate(frame.dtypes):
        if not (_module(dtype) == "numpy" and dtype.kind in "biufcmM"):
            others.append(at)
    fixed = rows * 8 * SECONDS_A_COPIED_BYTE / 4
    seconds = sum(_of_column(frame.iloc[:, at]) for at in others[:COLUMNS_LOOKED_AT])
    seconds *= len(others) / max(min(len(others), COLUMNS_LOOKED_AT), 1)
    return float((count - len(others)) * fixed + seconds + count * SECONDS_A_COLUMN)


def _of_column(column: Any) -> float:
    """A column, index or array of pandas."""
    pandas, count = sys.modules["pandas"], len(column)
    dtype = getattr(column, "dtype", None)
    if isinstance(dtype, pandas.CategoricalDtype):
        return count * 8 * SECONDS_A_COPIED_BYTE / 4 + _of_column(dtype.categories)
    if isinstance(dtype, pandas.SparseDtype):
        return 3e-4 + count * (1e-8 if dtype.subtype.kind in "biuf" else 1e-6)
    if isinstance(dtype, pandas.PeriodDtype | pandas.IntervalDtype):
        return float(count * 5e-6)
    made = getattr(column, "array", column)
    if isinstance(dtype, (pandas.StringDtype, pandas.ArrowDtype)):
        arrow = getattr(made, "_pa_array", None)
        if arrow is not None:
            return _of_arrow(arrow)
    if getattr(dtype, "kind", "O") in "biufcmM":
        return float(count * 8 * SECONDS_A_COPIED_BYTE / 4)
    return _spread(column.iloc if hasattr(column, "iloc") else column, count, 0) if count else 0.0


def _of_polars(series: Any) -> float:
    dtype, polars = series.dtype, sys.modules["polars"]
    count, size = len(series), series.estimated_size()
    if dtype == polars.String:
        return count * 2 * SECONDS_A_TEXT + float(size * SECONDS_A_TEXT_BYTE)
    if isinstance(dtype, (polars.Categorical, polars.Enum)):
        return float(count * 2 * SECONDS_A_TEXT)
    if dtype.is_nested():
        return count * SECONDS_AN_OBJECT + float(size / 8 * SECONDS_A_NESTED)
    if dtype == polars.Boolean or dtype.is_integer() or dtype.is_float() or dtype.is_temporal():
        return float(count * 8 * SECONDS_A_COPIED_BYTE / 4)
    return count * SECONDS_AN_OBJECT * 4 + float(size * SECONDS_A_COPIED_BYTE)


def _of_arrow(column: Any) -> float:
    types, kind = sys.modules["pyarrow"].types, column.type
    chunks, count = getattr(column, "num_chunks", 1), len(column)
    size = int(column.nbytes)
    seconds = chunks * SECONDS_A_CHUNK
    if types.is_nested(kind):
        return float(seconds + count * SECONDS_AN_OBJECT + size / 8 * SECONDS_A_NESTED)
    if types.is_dictionary(kind):
        first = column.chunk(0) if chunks and hasattr(column, "chunk") else column
        within = _of_arrow(first.dictionary) * chunks if hasattr(first, "dictionary") else 0.0
        return float(seconds + within + count * 2e-8)
    if types.is_string(kind) or types.is_large_string(kind):
        missing = count * SECONDS_A_TEXT if column.null_count else 0.0
        return float(seconds + size * 4 * SECONDS_A_BYTE + missing)
    if types.is_boolean(kind):
        return float(seconds + count * 1e-9)
    if types.is_integer(kind) or types.is_floating(kind) or types.is_temporal(kind):
        missing = count * 3e-9 if column.null_count else 0.0
        return float(seconds + size * 4 * SECONDS_A_BYTE + missing)
    return float(seconds + count * 1e-6 + size * SECONDS_A_COPIED_BYTE)


def _of_sparse(data: Any) -> float:
    stored = int(data.nnz)
    size = stored * (16 + data.dtype.itemsize)
    if data.format in ("csr", "csc"):
        return float(1e-4 + size * SECONDS_A_COPIED_BYTE / 2)
    return 5e-4 + stored * SECONDS_A_STORED_ENTRY


def size_of(data: Any) -> int | None:
    """The bytes that data takes in memory, as far as that is quickly told; None where it is not."""
    numpy = sys.modules.get("numpy")
    kind = type(data)
    if numpy is not None and issubclass(kind, numpy.ndarray):
        return int(data.nbytes)
    if issubclass(kind, (list, tuple)):
        return _size_of_list(data)
    if is_a(data, "pandas", "DataFrame"):
        return _size_of_frame(data)
    if _is_column(data):
        return _size_of_column(data)
    if is_a(data, "polars", "DataFrame", "Series"):
        return int(data.estimated_size())
    if is_a(data, "pyarrow", "Table", "RecordBatch", "Array", "ChunkedArray"):
        return int(data.nbytes)
    if _module(data) == "scipy" and hasattr(data, "nnz"):
        parts = [getattr(data, name, None) for name in ("data", "indices", "indptr", "row", "col")]
        return sum([int(part.nbytes) for part in parts if part is not None and is_a(part, "numpy", "ndarray")])
    return None


def _size_of_frame(frame: Any) -> int:
    fixed = [dtype.itemsize if _module(dtype) == "numpy" else None for dtype in frame.dtypes]
    others = [at for at, size in enumerate(fixed) if size is None]
    size = sum(_size_of_column(frame.iloc[:, at]) for at in others[:COLUMNS_LOOKED_AT])
    size = size * len(others) // max(min(len(others), COLUMNS_LOOKED_AT), 1)
    return int(size + len(frame) * sum(entry for entry in fixed if entry is not None))


def _size_of_column(column: Any) -> int:
    """Of a category, its codes: `memory_usage` of pandas would read the categories, and warn of some."""
    codes = getattr(column, "cat", column)
    if hasattr(codes, "codes") and hasattr(codes, "categories"):
        return int(codes.codes.nbytes) + 8 * len(codes.categories)
    return int(column.nbytes)


def size_of_copy(data: Any) -> int | None:
    """The bytes that a copy of data would keep, what its objects refer to included; None where that is not told."""
    if is_a(data, "numpy", "ndarray") and data.dtype.hasobject:
        return None if data.dtype.names else _size_of_entries(data.flat, int(data.size), 0)
    size = size_of(data)
    if is_a(data, "pandas", "DataFrame"):
        things = [data.iloc[:, at] for at, dtype in enumerate(data.dtypes) if getattr(dtype, "kind", "O") == "O"]
    else:
        things = [data] if is_a(data, "pandas", "Series") and data.dtype.kind == "O" else []
    for column in things:
        if _module(column.dtype) == "numpy" or is_a(column.dtype, "pandas", "StringDtype"):
            within = _size_of_entries(column.iloc, len(column), 0)
            size = None if within is None or size is None else size + within
    return size


def _size_of_list(data: Any) -> int | None:
    """None where entries are of a size that isn't told."""
    base: Any = list if issubclass(type(data), list) else tuple
    entries = data if type(data) is base else base.__getitem__(data, slice(None))
    return _size_of_entries(entries, len(entries), 0)


def _size_of_entries(entries: Any, count: int, depth: int) -> int | None:
    """By some that are spread evenly."""
    looked_at = min(LOOKED_AT, count)
    size = 0
    for at in range(looked_at):
        found = _size_of_entry(entries[at * (count - 1) // max(looked_at - 1, 1)], depth)
        if found is None:
            return None
        size += found
    return size * count // looked_at if looked_at else 0


def _size_of_entry(entry: Any, depth: int) -> int | None:
    kind = type(entry)
    if kind in (int, float, bool, complex, type(None)):
        return 8
    if kind in (str, bytes):
        return len(entry)
    if kind in (list, tuple, dict) and depth < DEEP:
        entries = list(islice(entry.values(), LOOKED_AT)) if kind is dict else entry
        inner = _size_of_entries(entries, len(entries), depth + 1)
        return None if inner is None else 8 + inner * max(len(entry), 1) // max(len(entries), 1)
    if is_a(entry, "numpy", "ndarray", "generic") and kind.__module__ == "numpy":
        return None if entry.dtype.hasobject else int(entry.nbytes)
    return 64 if kind.__module__.partition(".")[0] in ("datetime", "decimal", "pandas", "uuid") else None
