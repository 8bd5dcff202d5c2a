"""The identity of data in memory.

Scheme `2`: an array by its dtype, shape and elements; a masked one with its mask; a table column by column, with
names, types and order, combined as the digest of their digests, its index left out; a sparse matrix by its format,
shape and arrays; a list by the array that it makes, or by its elements.  So one changed cell, a column that was
renamed, retyped or moved, rows in another order, float64 made float32, a missing entry made NaN: all are told apart.
Memory order, strides, chunks, and where in a buffer the data begins are not.
"""

from __future__ import annotations

import sys
from typing import Any

from autotrack.identity import columns, elements
from autotrack.identity.elements import SCHEME, Undigestible, combine, named

__all__ = ["SCHEME", "Undigestible", "combine", "digest", "named", "sample", "seconds_to_digest", "size_of"]

SECONDS_A_BYTE = 1 / 8e9
SECONDS_A_COPIED_BYTE = 1 / 1e9
SECONDS_AN_OBJECT = 4e-7
SECONDS_A_TEXT = 1e-7
SECONDS_A_COLUMN = 3e-5


def digest(data: Any) -> str:
    """The identity of an array, table, series, sparse matrix, list or scalar, as `xxh3:<scheme>:<hex>`.

    Raises Undigestible for anything else.
    """
    return named(_digest(data))


def _digest(data: Any) -> str:
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(data, numpy.ndarray):
        return _masked(numpy, data) if isinstance(data, numpy.ma.MaskedArray) else elements.array(data)
    if isinstance(data, (list, tuple)):
        return elements.sequence(data)
    table = columns.opened(data)
    if table is not None:
        return table.identity([column.digest() for column in table.columns])
    if is_sparse(data):
        names = sparse_parts(data)
        if not names:
            return _digest(data.tocsr())
        parts = (elements.array(numpy.asarray(getattr(data, name))) for name in names)  # type: ignore[union-attr]
        return combine("sparse", data.format, str(data.shape), *parts)
    raise Undigestible(f"{type(data).__module__}.{type(data).__qualname__} has no digest yet")


def is_sparse(data: Any) -> bool:
    """Whether data is a sparse matrix or array of SciPy."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and bool(sparse.issparse(data))


def sparse_parts(data: Any) -> list[str]:
    """The arrays that a sparse matrix is made of; none where it is made of lists or a dict."""
    if data.format in ("lil", "dok"):
        return []
    names = ("data", "indices", "indptr", "row", "col", "offsets")
    return [name for name in names if hasattr(data, name)]


def _masked(numpy: Any, data: Any) -> str:
    mask = numpy.ma.getmaskarray(data)
    values = numpy.ma.getdata(data)
    if values.dtype.names or values.dtype.hasobject:
        raise Undigestible(f"a masked array of {values.dtype}")
    return combine("masked", elements.masked(numpy.ascontiguousarray(values), ~mask))


SAMPLED = 1024
"""Elements that a sample takes."""


def sample(data: Any) -> str | None:
    """The digest of a thousand elements that are spread evenly, in about 0.1 ms: what changes nearly everywhere
    shows in it.  None for what has no elements that can be had one by one, or can't change."""
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if hasattr(data, "indptr"):
        data = data.data
    if numpy is not None and isinstance(data, numpy.ndarray) and not data.dtype.hasobject and data.size:
        taken = data.flat[numpy.linspace(0, data.size - 1, min(SAMPLED, data.size)).astype(numpy.intp)]
        return elements.array(numpy.ascontiguousarray(taken))
    if pandas is not None and isinstance(data, (pandas.DataFrame, pandas.Series)) and len(data):
        rows = max(SAMPLED // (data.shape[1] if data.ndim == 2 else 1), 1)
        return _digest(data.iloc[:: max(len(data) // rows, 1)])
    if isinstance(data, (list, tuple)) and data:
        return elements.sequence(data[:: max(len(data) // 64, 1)])
    return None


def seconds_to_digest(data: Any) -> float:
    """About how long a digest takes."""
    pandas, polars, numpy = (sys.modules.get(name) for name in ("pandas", "polars", "numpy"))
    frames = tuple(getattr(module, "DataFrame", ()) for module in (pandas, polars))
    if isinstance(data, frames):
        return _seconds_of_frame(data)
    dtype = getattr(data, "dtype", None)
    if numpy is not None and isinstance(dtype, numpy.dtype) and not dtype.hasobject:
        flags = getattr(data, "flags", None)
        contiguous = flags is None or getattr(flags, "c_contiguous", True)
        size: int = getattr(data, "nbytes", None) or 0
        return size * (SECONDS_A_BYTE if contiguous else SECONDS_A_COPIED_BYTE)
    if hasattr(data, "indptr"):
        return sum(seconds_to_digest(getattr(data, name)) for name in ("data", "indices", "indptr"))
    if isinstance(data, (list, tuple)):
        width = len(data[0]) if data and isinstance(data[0], (list, tuple)) else 1
        return len(data) * width * SECONDS_AN_OBJECT
    if hasattr(data, "nbytes") and type(data).__module__.startswith("pyarrow"):
        return int(data.nbytes) * 4 * SECONDS_A_BYTE
    try:
        length = len(data)
    except TypeError:
        return 0.0
    return length * (SECONDS_A_TEXT if str(dtype) in ("str", "string", "String") else SECONDS_AN_OBJECT)


def _seconds_of_frame(frame: Any) -> float:
    """By some of its columns."""
    count: int = frame.shape[1]
    looked_at = min(count, 100)
    take = frame.iloc.__getitem__ if hasattr(frame, "iloc") else None
    seconds = 0.0
    for at in range(looked_at):
        column = take((slice(None), at)) if take is not None else frame.to_series(at)
        seconds += _seconds_of_column(column) + SECONDS_A_COLUMN
    return seconds * count / max(looked_at, 1)


def _seconds_of_column(column: Any) -> float:
    dtype = column.dtype
    fixed = dtype.kind in "biufmM" if hasattr(dtype, "kind") else dtype.is_numeric() or dtype.is_temporal()
    if fixed or str(dtype) == "category":
        return float(len(column) * 8 * SECONDS_A_COPIED_BYTE / 4)
    return len(column) * (SECONDS_A_TEXT if str(dtype) in ("str", "string", "String") else SECONDS_AN_OBJECT)


def size_of(data: Any) -> int | None:
    """The bytes that data takes in memory, as far as that is quickly told; None where it is not."""
    if hasattr(data, "memory_usage"):
        usage = data.memory_usage(index=False) if hasattr(data, "columns") else data.memory_usage()
        return int(usage.sum() if hasattr(usage, "sum") else usage)
    if hasattr(data, "estimated_size"):
        return int(data.estimated_size())
    if hasattr(data, "indptr"):
        return int(data.data.nbytes + data.indices.nbytes + data.indptr.nbytes)
    size = getattr(data, "nbytes", None)
    if isinstance(size, int):
        return size
    if isinstance(data, (list, tuple)) and data and isinstance(data[0], (int, float, list, tuple)):
        return len(data) * (len(data[0]) if isinstance(data[0], (list, tuple)) else 1) * 8
    return None
