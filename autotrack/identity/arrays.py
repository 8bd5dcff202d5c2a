"""The identity of data in memory.

Scheme `2`: an array by its dtype, shape and elements; a masked one with its mask; a table column by column, with
names, types and order, combined as the digest of their digests, its index left out; a sparse matrix by its format,
shape and entries; a list by the array that it makes, or by its elements.  So one changed cell, a column that was
renamed, retyped or moved, rows in another order, float64 made float32, a missing entry made NaN: all are told apart.
Memory order, strides, chunks, and where in a buffer the data begins are not.
"""

from __future__ import annotations

import sys
from typing import Any

from autotrack.identity import columns, elements, objects, sparse
from autotrack.identity.cost import seconds_to_digest, size_of
from autotrack.identity.elements import SCHEME, Undigestible, combine, foreign, named, refused

__all__ = ["SCHEME", "Undigestible", "combine", "digest", "named", "sample", "seconds_to_digest", "size_of"]


def digest(data: Any) -> str:
    """The identity of an array, table, series, sparse matrix, list or scalar, as `xxh3:<scheme>:<hex>`.

    Raises Undigestible for anything else.
    """
    try:
        return named(_digest(data))
    except foreign() as error:
        raise refused(data, error) from error


def _digest(data: Any) -> str:
    numpy = sys.modules.get("numpy")
    kind = type(data)
    if numpy is not None and issubclass(kind, numpy.ndarray):
        if issubclass(kind, numpy.ma.MaskedArray):
            return _masked(numpy, data)
        return elements.array(data if kind is numpy.ndarray else numpy.asarray(data))
    if issubclass(kind, (list, tuple)):
        return objects.sequence(data)
    table = columns.opened(data)
    if table is not None:
        return table.identity([column.digest() for column in table.columns])
    if sparse.is_sparse(data):
        return sparse.digest(data)
    raise Undigestible(f"{kind.__module__}.{kind.__qualname__} has no digest yet")


def _masked(numpy: Any, data: Any) -> str:
    mask = numpy.ma.getmaskarray(data)
    values = numpy.asarray(numpy.ma.getdata(data))
    if values.dtype.names or values.dtype.hasobject:
        raise Undigestible(f"a masked array of {values.dtype}")
    return combine("masked", elements.masked(values, ~mask))


SAMPLED = 1024
"""Elements that a sample takes."""
SAMPLED_COLUMNS = 64
"""Columns of a table that they are of."""


def sample(data: Any) -> str | None:
    """The digest of a thousand elements that are spread evenly, in about 0.1 ms: what changes nearly everywhere
    shows in it.  None for what has no elements that can be had one by one, or can't change."""
    try:
        return _sample(data)
    except Undigestible:
        return None
    except foreign() as error:
        if isinstance(refused(data, error), Undigestible):
            return None
        raise


def _sample(data: Any) -> str | None:
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if sparse.is_sparse(data) and hasattr(data, "indptr"):
        data = data.data
    if numpy is not None and isinstance(data, numpy.ndarray) and not data.dtype.hasobject and data.size:
        taken = data.flat[numpy.linspace(0, data.size - 1, min(SAMPLED, data.size)).astype(numpy.intp)]
        return elements.array(numpy.ascontiguousarray(taken))
    if pandas is not None and isinstance(data, (pandas.DataFrame, pandas.Series)) and len(data):
        if data.ndim == 2 and data.shape[1] > SAMPLED_COLUMNS:
            data = data.iloc[:, :: data.shape[1] // SAMPLED_COLUMNS]
        rows = max(SAMPLED // (data.shape[1] if data.ndim == 2 else 1), 1)
        return _digest(data.iloc[:: max(len(data) // rows, 1)])
    if isinstance(data, (list, tuple)) and data:
        data = objects.exact(data)
        return objects.sequence(data[:: max(len(data) // 64, 1)])
    return None
