"""Digests of the elements that data is made of: XXH3 of 128 bits over type, shape and content, in a fixed order.

An array is digested as its dtype in little-endian, its shape, and its elements in C order, so that memory order and
strides make no difference; floats by their bits (so -0.0 is not 0.0).  Texts are digested as their lengths and their
UTF-8, one after the other.  Entries that are missing are told by a mask, and what stands in their place is not looked
at.  Objects are in `autotrack.identity.objects`.
"""

from __future__ import annotations

import functools
import struct
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import xxhash

from autotrack import shield

SCHEME = "2"
CHUNK = 1 << 22
"""Bytes that are copied at a time where an array isn't contiguous."""
DEEPEST = 100
"""Containers within each other that are looked into."""


class Undigestible(Exception):
    """Content that has no digest, and why."""


def foreign() -> tuple[type[Exception], ...]:
    """What libraries raise that can't give their data: evaluated only where something was raised."""
    polars = sys.modules.get("polars.exceptions")
    theirs = getattr(polars, "PolarsError", RuntimeError)
    common = (ArithmeticError, AttributeError, BufferError, LookupError, MemoryError, RuntimeError)
    return (*common, TypeError, ValueError, theirs)


def refused(data: Any, error: Exception) -> Exception:
    """What to raise where the library that data is of raised `error`."""
    if shield.raised_by_signal_handler(error):
        return error
    kind = type(data)
    return Undigestible(f"{kind.__module__}.{kind.__qualname__} can't be read: {type(error).__name__}: {error}")


_length = struct.Struct("<q").pack


def named(digest: str) -> str:
    """An identity as it is written: `xxh3:<scheme>:<hex>`."""
    return f"xxh3:{SCHEME}:{digest}"


def combine(*parts: str) -> str:
    """The digest of a list of texts; no two lists give the same input."""
    state = xxhash.xxh3_128()
    for part in parts:
        text(state, part)
    return state.hexdigest()


def encoded(value: str) -> bytes:
    """The UTF-8 of a text, whatever methods its class has."""
    return str.encode(value, "utf-8", "surrogatepass")


def text(state: Any, part: str) -> None:
    """Feed a text, so that where it ends is part of the digest."""
    data = encoded(part)
    state.update(_length(len(data)) + data)


def begun(dtype: Any, shape: tuple[int, ...]) -> Any:
    """The state of an array's digest before its elements: those follow in C order, in little-endian."""
    state = xxhash.xxh3_128(_type(dtype))
    text(state, str(shape))
    return state


@functools.lru_cache(maxsize=256)
def _type(dtype: Any) -> bytes:
    """The bytes by which types of arrays are told apart."""
    named = _described(dtype).encode()
    return b"array" + struct.pack("<q", len(named)) + named


def _described(dtype: Any) -> str:
    """A type with all that is nested in it, whatever the offsets of its fields."""
    if dtype.subdtype is not None:
        inner, shape = dtype.subdtype
        return f"{shape}{_described(inner)}"
    if dtype.names:
        return repr([(name, _described(dtype[name])) for name in dtype.names])
    if dtype.kind == "T":
        raise Undigestible(f"an array of {dtype}")
    return str(dtype.newbyteorder("<").str)


@functools.lru_cache(maxsize=256)
def _packed(dtype: Any) -> Any:
    """A structured type without the gaps between its fields, in which anything may stand."""
    numpy = sys.modules["numpy"]
    if dtype.subdtype is not None:
        inner, shape = dtype.subdtype
        return numpy.dtype((_packed(inner), shape))
    if dtype.names:
        return numpy.dtype([(name, _packed(dtype[name])) for name in dtype.names])
    if dtype.char in "gG":
        raise Undigestible(f"a field of {dtype}, which has bytes in which anything may stand")
    return dtype.newbyteorder("<")


def array(data: Any, dtype: Any = None, depth: int = 0) -> str:
    """The digest of an ndarray, as the type `dtype` where it is given.  Raises Undigestible for objects that have no
    text of their own."""
    dtype = dtype or data.dtype
    state = begun(dtype, data.shape)
    if dtype.names and dtype.hasobject:
        for name in dtype.names:
            text(state, array(data[name], depth=depth + 1))
    elif dtype.names:
        numpy = sys.modules["numpy"]
        state.update(_bytes(numpy, numpy.ascontiguousarray(data.astype(_packed(dtype)))))
    elif dtype.hasobject:
        from autotrack.identity import objects

        for element in data.ravel(order="C").tolist():
            objects.feed(state, element, depth + 1)
    elif data.size:
        content(state, data, dtype)
    return str(state.hexdigest())


def content(state: Any, data: Any, dtype: Any = None) -> None:
    """Feed the elements of an array without objects."""
    numpy = sys.modules["numpy"]
    dtype = (dtype or data.dtype).newbyteorder("<")
    if dtype.char in "gG":
        return _long(numpy, state, data)
    if data.flags.c_contiguous and data.dtype == dtype:
        state.update(_bytes(numpy, data))
        return None
    if data.ndim == 0:
        data = data.reshape(1)
    row = max(data.nbytes // len(data), 1)
    step = max(CHUNK // row, 1)
    for start in range(0, len(data), step):
        state.update(_bytes(numpy, numpy.ascontiguousarray(data[start : start + step], dtype=dtype)))
    return None


def _long(numpy: Any, state: Any, data: Any) -> None:
    """Feed long doubles without the bytes that pad them: those of x87 have ten that count."""
    raw = numpy.array(data, dtype=data.dtype.newbyteorder("="), order="C", copy=True).reshape(-1).view(numpy.uint8)
    if numpy.finfo(data.dtype).nmant == 63:
        raw.reshape(-1, numpy.dtype("g").itemsize)[:, 10:] = 0
    state.update(memoryview(raw))


def _bytes(numpy: Any, data: Any) -> memoryview:
    return memoryview(numpy.asarray(data).reshape(-1).view(numpy.uint8))


def masked(values: Any, valid: Any) -> str:
    """The digest of an array some entries of which are missing: `valid` is False there."""
    numpy = sys.modules["numpy"]
    if valid.all():
        return array(values)
    there = numpy.where(valid, values, numpy.zeros((), dtype=values.dtype))
    return combine("missing", array(there), array(numpy.asarray(valid)))


def texts(values: Sequence[Any]) -> str:
    """The digest of a column of texts; what is no text in it is missing."""
    found = [encoded(value) if issubclass(type(value), str) else None for value in values]
    numpy = sys.modules["numpy"]
    lengths = numpy.fromiter((len(value or b"") for value in found), dtype="<i8", count=len(found))
    valid = numpy.fromiter((value is not None for value in found), dtype=bool, count=len(found))
    return packed_texts(lengths, valid, [b"".join(value or b"" for value in found)])


def packed_texts(lengths: Any, valid: Any, parts: Iterable[Any]) -> str:
    """The digest of a column of texts that lie one after the other in `parts`; missing ones have no length."""
    state = xxhash.xxh3_128()
    text(state, "texts")
    text(state, array(lengths.astype("<i8")))
    text(state, "" if valid.all() else array(valid))
    for part in parts:
        state.update(part)
    return str(state.hexdigest())
