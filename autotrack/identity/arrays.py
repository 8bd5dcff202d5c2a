"""Digests of data in memory: XXH3 of 128 bits over type, shape and content, in a fixed order.

Scheme `1`: an array is digested as its dtype in little-endian, its shape, and its elements in C order, so
that memory order and strides make no difference; objects as their kind and text.  A table is digested
column by column, in order, and combined as the digest of (name, type, column digest); its index is not part
of it.  A sparse matrix is its format, shape and arrays.
"""

from __future__ import annotations

import struct
import sys
from typing import Any

import xxhash

SCHEME = "1"
CHUNK = 1 << 22
"""Bytes that are copied at a time where an array isn't contiguous."""


class Undigestible(Exception):
    """Content that has no digest, and why."""


def combine(*parts: str) -> str:
    """The digest of a list of texts; no two lists give the same input."""
    state = xxhash.xxh3_128()
    for part in parts:
        _text(state, part)
    return state.hexdigest()


def _text(state: Any, text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    state.update(struct.pack("<q", len(data)))
    state.update(data)


def digest(data: Any) -> str:
    """The identity of an array, table, series, sparse matrix, list or scalar, as `xxh3:<scheme>:<hex>`.

    Raises Undigestible for anything else.
    """
    return f"xxh3:{SCHEME}:{_digest(data)}"


def _digest(data: Any) -> str:
    numpy = sys.modules.get("numpy")
    pandas = sys.modules.get("pandas")
    sparse = sys.modules.get("scipy.sparse")
    if numpy is not None and isinstance(data, numpy.ndarray):
        return _masked(numpy, data) if isinstance(data, numpy.ma.MaskedArray) else array(numpy, data)
    if pandas is not None and isinstance(data, pandas.DataFrame):
        columns = [
            combine(repr(name), str(data.dtypes.iloc[at]), _column(data.iloc[:, at]))
            for at, name in enumerate(data.columns)
        ]
        return combine("table", str(len(data)), *columns)
    if pandas is not None and isinstance(data, (pandas.Series, pandas.Index)):
        return combine("column", repr(data.name), str(data.dtype), _column(data))
    if sparse is not None and sparse.issparse(data):
        names = [name for name in ("data", "indices", "indptr", "row", "col", "offsets") if hasattr(data, name)]
        if not names:
            return _digest(data.tocsr())
        return combine("sparse", data.format, str(data.shape), *(_digest(getattr(data, name)) for name in names))
    if isinstance(data, (list, tuple)):
        return _sequence(numpy, data)
    raise Undigestible(f"{type(data).__module__}.{type(data).__qualname__} has no digest yet")


SAMPLED = 1024
"""Elements that a sample takes."""


def sample(data: Any) -> str | None:
    """The digest of a thousand elements that are spread evenly, in about 0.1 ms: what changes nearly everywhere
    shows in it.  None for what has no elements that can be had one by one."""
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if hasattr(data, "indptr"):
        data = data.data
    if numpy is not None and isinstance(data, numpy.ndarray) and not data.dtype.hasobject and data.size:
        taken = data.flat[numpy.linspace(0, data.size - 1, min(SAMPLED, data.size)).astype(numpy.intp)]
        return array(numpy, numpy.ascontiguousarray(taken))
    if pandas is not None and isinstance(data, (pandas.DataFrame, pandas.Series)) and len(data):
        rows = max(SAMPLED // (data.shape[1] if data.ndim == 2 else 1), 1)
        return _digest(data.iloc[:: max(len(data) // rows, 1)])
    if isinstance(data, (list, tuple)) and data:
        return _sequence(numpy, data[:: max(len(data) // 64, 1)])
    return None


def array(numpy: Any, data: Any) -> str:
    """The digest of an ndarray."""
    state = xxhash.xxh3_128()
    dtype = data.dtype.newbyteorder("<")
    _text(state, "array")
    _text(state, str(dtype.descr) if dtype.names else dtype.str)
    _text(state, str(data.shape))
    if data.dtype.hasobject:
        for element in data.ravel(order="C") if data.dtype.names is None else _no_objects(data):
            _object(state, element)
    elif dtype.names:
        for name in dtype.names:
            _text(state, array(numpy, data[name]))
    elif data.size:
        _content(numpy, state, data, dtype)
    return state.hexdigest()


def _no_objects(data: Any) -> Any:
    raise Undigestible(f"a structured array with objects in it ({data.dtype})")


def _content(numpy: Any, state: Any, data: Any, dtype: Any) -> None:
    if data.flags.c_contiguous and data.dtype == dtype:
        state.update(memoryview(data.reshape(-1).view(numpy.uint8)))
        return
    if data.ndim == 0:
        data = data.reshape(1)
    row = max(data.nbytes // len(data), 1)
    step = max(CHUNK // row, 1)
    for start in range(0, len(data), step):
        part = numpy.ascontiguousarray(data[start : start + step], dtype=dtype)
        state.update(memoryview(part.reshape(-1).view(numpy.uint8)))


def _masked(numpy: Any, data: Any) -> str:
    mask = numpy.ma.getmaskarray(data)
    return combine("masked", array(numpy, data.filled()), array(numpy, mask))


def _column(column: Any) -> str:
    """The content of a pandas column.  Missing entries of every kind that pandas has are one kind, told
    apart from NaN by the column's type."""
    numpy = sys.modules["numpy"]
    dtype = column.dtype
    if isinstance(dtype, numpy.dtype):
        return array(numpy, column.to_numpy())
    if dtype.name == "category":
        categories = column.cat.categories if hasattr(column, "cat") else column.categories
        codes = column.cat.codes if hasattr(column, "cat") else column.codes
        return combine("category", _column(categories), array(numpy, numpy.asarray(codes)))
    return array(numpy, numpy.asarray(column, dtype=object))


def _sequence(numpy: Any, data: Any) -> str:
    if numpy is not None and data and isinstance(data[0], (int, float, list, tuple, numpy.generic, numpy.ndarray)):
        try:
            converted = numpy.asarray(data)
        except (ValueError, OverflowError):
            converted = None
        if converted is not None and converted.dtype.kind in "biufc":
            return combine("list", array(numpy, converted))
    state = xxhash.xxh3_128()
    _text(state, "list")
    _text(state, str(len(data)))
    for element in data:
        _object(state, element)
    return state.hexdigest()


def _object(state: Any, element: Any) -> None:
    if isinstance(element, str):
        state.update(b"s")
        _text(state, element)
    elif element is None:
        state.update(b"n")
    elif isinstance(element, bytes):
        state.update(b"b" + struct.pack("<q", len(element)) + element)
    elif isinstance(element, (bool, int)):
        state.update(b"i")
        _text(state, str(int(element)))
    elif isinstance(element, float):
        state.update(b"f" + struct.pack("<d", element))
    elif isinstance(element, (list, tuple)):
        state.update(b"l" + struct.pack("<q", len(element)))
        for entry in element:
            _object(state, entry)
    else:
        _other(state, element)


def _other(state: Any, element: Any) -> None:
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and isinstance(element, numpy.generic) and not isinstance(element, numpy.void):
        return _object(state, element.item())
    if numpy is not None and isinstance(element, numpy.ndarray):
        state.update(b"a")
        return _text(state, array(numpy, element))
    if pandas is not None and (element is pandas.NA or element is pandas.NaT):
        state.update(b"n")
        return None
    if type(element).__module__ in ("datetime", "decimal", "fractions", "uuid") or (
        pandas is not None and isinstance(element, (pandas.Timestamp, pandas.Timedelta, pandas.Period, pandas.Interval))
    ):
        state.update(b"o")
        _text(state, type(element).__qualname__)
        return _text(state, repr(element))
    raise Undigestible(f"holds objects of {type(element).__module__}.{type(element).__qualname__}")
