"""Digests of the elements that data is made of: XXH3 of 128 bits over type, shape and content, in a fixed order.

An array is digested as its dtype in little-endian, its shape, and its elements in C order, so that memory order and
strides make no difference; floats by their bits (so -0.0 is not 0.0); objects as their kind and text.  Texts are
digested as their lengths and their UTF-8, one after the other.  Entries that are missing are told by a mask, and what
stands in their place is not looked at.
"""

from __future__ import annotations

import functools
import struct
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import xxhash

SCHEME = "2"
CHUNK = 1 << 22
"""Bytes that are copied at a time where an array isn't contiguous."""


class Undigestible(Exception):
    """Content that has no digest, and why."""


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


def text(state: Any, part: str) -> None:
    """Feed a text, so that where it ends is part of the digest."""
    data = part.encode("utf-8", "surrogatepass")
    state.update(_length(len(data)) + data)


def begun(dtype: Any, shape: tuple[int, ...]) -> Any:
    """The state of an array's digest before its elements: those follow in C order, in little-endian."""
    state = xxhash.xxh3_128(_type(dtype))
    text(state, str(shape))
    return state


@functools.lru_cache(maxsize=256)
def _type(dtype: Any) -> bytes:
    """The bytes by which types of arrays are told apart."""
    dtype = dtype.newbyteorder("<")
    named = repr([(name, dtype[name].str, dtype[name].shape) for name in dtype.names]) if dtype.names else dtype.str
    return b"array" + struct.pack("<q", len(named.encode())) + named.encode()


@functools.lru_cache(maxsize=256)
def _packed(dtype: Any) -> Any:
    """A structured type without the gaps between its fields, in which anything may stand."""
    return sys.modules["numpy"].dtype([(name, dtype[name].newbyteorder("<")) for name in dtype.names])


def array(data: Any) -> str:
    """The digest of an ndarray.  Raises Undigestible for objects that have no text of their own."""
    state = begun(data.dtype, data.shape)
    if data.dtype.names and data.dtype.hasobject:
        for name in data.dtype.names:
            text(state, array(data[name]))
    elif data.dtype.names:
        numpy = sys.modules["numpy"]
        state.update(_bytes(numpy, numpy.ascontiguousarray(data.astype(_packed(data.dtype)))))
    elif data.dtype.hasobject:
        for element in data.ravel(order="C"):
            element_of(state, element)
    elif data.size:
        content(state, data)
    return str(state.hexdigest())


def content(state: Any, data: Any) -> None:
    """Feed the elements of an array without objects."""
    numpy = sys.modules["numpy"]
    dtype = data.dtype.newbyteorder("<")
    if data.flags.c_contiguous and data.dtype == dtype:
        state.update(_bytes(numpy, data))
        return
    if data.ndim == 0:
        data = data.reshape(1)
    row = max(data.nbytes // len(data), 1)
    step = max(CHUNK // row, 1)
    for start in range(0, len(data), step):
        state.update(_bytes(numpy, numpy.ascontiguousarray(data[start : start + step], dtype=dtype)))


def _bytes(numpy: Any, data: Any) -> memoryview:
    return memoryview(numpy.asarray(data).reshape(-1).view(numpy.uint8))


def masked(values: Any, valid: Any) -> str:
    """The digest of an array some entries of which are missing: `valid` is False there."""
    numpy = sys.modules["numpy"]
    if valid.all():
        return array(values)
    there = numpy.where(valid, values, numpy.zeros((), dtype=values.dtype))
    return combine("missing", array(there), array(numpy.ascontiguousarray(valid)))


def texts(values: Sequence[Any]) -> str:
    """The digest of a column of texts; what is no text in it is missing."""
    encoded = [value.encode("utf-8", "surrogatepass") if isinstance(value, str) else None for value in values]
    numpy = sys.modules["numpy"]
    lengths = numpy.fromiter((len(value or b"") for value in encoded), dtype="<i8", count=len(encoded))
    valid = numpy.fromiter((value is not None for value in encoded), dtype=bool, count=len(encoded))
    return packed_texts(lengths, valid, [b"".join(value or b"" for value in encoded)])


def packed_texts(lengths: Any, valid: Any, parts: Iterable[Any]) -> str:
    """The digest of a column of texts that lie one after the other in `parts`; missing ones have no length."""
    state = xxhash.xxh3_128()
    text(state, "texts")
    text(state, array(lengths.astype("<i8")))
    text(state, "" if valid.all() else array(valid))
    for part in parts:
        state.update(part)
    return str(state.hexdigest())


def sequence(data: Any) -> str:
    """The digest of a list or tuple: of numbers as of the array that they make, of others one by one."""
    converted = as_numbers(data)
    if converted is not None:
        return combine("list", array(converted))
    state = xxhash.xxh3_128()
    text(state, "list")
    text(state, str(len(data)))
    for element in data:
        element_of(state, element)
    return str(state.hexdigest())


def as_numbers(data: Any) -> Any:
    """The array that a list of numbers, or of lists of numbers, makes; None for any other."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not data or not isinstance(data[0], (int, float, list, tuple, numpy.generic, numpy.ndarray)):
        return None
    try:
        converted = numpy.asarray(data)
    except (ValueError, OverflowError):
        return None
    return converted if converted.dtype.kind in "biufc" else None


def element_of(state: Any, element: Any) -> None:
    """Feed an object by its kind and content.  Raises Undigestible for one that has no text of its own."""
    if isinstance(element, str):
        state.update(b"s")
        text(state, element)
    elif element is None:
        state.update(b"n")
    elif isinstance(element, bytes):
        state.update(b"b" + struct.pack("<q", len(element)) + element)
    elif isinstance(element, bool):
        state.update(b"y" if element else b"z")
    elif isinstance(element, int):
        state.update(b"i")
        text(state, str(int(element)))
    elif isinstance(element, float):
        state.update(b"f" + struct.pack("<d", element))
    elif isinstance(element, complex):
        state.update(b"c" + struct.pack("<dd", element.real, element.imag))
    elif isinstance(element, (list, tuple)):
        state.update(b"l" + struct.pack("<q", len(element)))
        for entry in element:
            element_of(state, entry)
    elif type(element) is dict:
        state.update(b"d" + struct.pack("<q", len(element)))
        for name, entry in element.items():
            element_of(state, name)
            element_of(state, entry)
    else:
        _other(state, element)


_TEXTUAL = ("datetime", "decimal", "fractions", "uuid")


def _other(state: Any, element: Any) -> None:
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and isinstance(element, numpy.generic) and not isinstance(element, numpy.void):
        item = element.item()
        if type(item) is not type(element):
            return element_of(state, item)
    if numpy is not None and isinstance(element, numpy.ndarray):
        state.update(b"a")
        return text(state, array(element))
    if pandas is not None and (element is pandas.NA or element is pandas.NaT):
        state.update(b"n" if element is pandas.NA else b"t")
        return None
    if type(element).__module__ in _TEXTUAL or (
        pandas is not None and isinstance(element, (pandas.Timestamp, pandas.Timedelta, pandas.Period, pandas.Interval))
    ):
        state.update(b"o")
        text(state, type(element).__qualname__)
        return text(state, repr(element))
    raise Undigestible(f"holds objects of {type(element).__module__}.{type(element).__qualname__}")
