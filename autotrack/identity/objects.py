"""Digests of objects: the elements of lists and of arrays of objects, by their kind and content.

Only objects of Python, NumPy and pandas have one, and no method of a class of the user is called: the values of
subclasses are had through the class that they are derived from.
"""

from __future__ import annotations

import struct
import sys
from itertools import chain
from typing import Any

import xxhash

from autotrack.identity.elements import DEEPEST, Undigestible, array, combine, encoded, text
from autotrack.values import EXACT

NESTED = 4
"""Lists within lists up to which a list makes an array."""
EXACTLY_FLOAT = 2**53
"""Integers up to which each is a float64."""
_double, _length = struct.Struct("<d").pack, struct.Struct("<q").pack
_BUILTIN = (bool, int, float, complex, str, bytes, list, tuple, dict, type(None))


def exact(value: Any) -> Any:
    """The value as of a class of Python itself, where its class is derived from one; else the value."""
    kind = type(value)
    if kind in _BUILTIN or kind.__module__ in ("numpy", "pandas"):
        return value
    for base, made in EXACT:
        if base in _BUILTIN and issubclass(kind, base):
            return made(value)
    return value


def sequence(data: Any) -> str:
    """The digest of a list or tuple: of numbers as of the array that they make, of others one by one."""
    data = exact(data)
    converted = as_numbers(data)
    if converted is not None:
        return combine("list", array(converted))
    state = xxhash.xxh3_128()
    text(state, "list")
    text(state, str(len(data)))
    for element in data:
        feed(state, element)
    return str(state.hexdigest())


def listed(values: Any) -> str:
    """The digest of a column of objects that are in a list: that of the array of them."""
    numpy = sys.modules["numpy"]
    made = numpy.empty(len(values), dtype=object)
    for at, value in enumerate(values):
        made[at] = value
    return array(made)


def as_numbers(data: Any) -> Any:
    """The array that a list of plain numbers, or of lists of them, makes without a change; None for any other."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not len(data):
        return None
    flat, kinds = data, set(map(type, data))
    for _ in range(NESTED):
        if not kinds <= {list, tuple}:
            break
        flat = list(chain.from_iterable(flat))
        kinds = set(map(type, flat))
    if not kinds or not all(_is_number(numpy, kind) for kind in kinds):
        return None
    if len(kinds) > 1 and (kinds != {int, float} or not all(_fits(entry) for entry in flat)):
        return None
    try:
        converted = numpy.asarray(data)
    except (ValueError, OverflowError):  # lists of several lengths, integers of more than 64 bits
        return None
    expected = "iu" if kinds == {int} else "biufc"
    return converted if converted.dtype.kind in expected and converted.size == len(flat) else None


def _is_number(numpy: Any, kind: type) -> bool:
    if kind in (int, float, bool, complex):
        return True
    if kind.__module__ != "numpy" or not issubclass(kind, (numpy.number, numpy.bool_)):
        return False
    return kind().dtype.kind in "biufc"


def _fits(entry: Any) -> bool:
    return type(entry) is float or -EXACTLY_FLOAT <= entry <= EXACTLY_FLOAT


def feed(state: Any, element: Any, depth: int = 0) -> None:
    """Feed an object by its kind and content.  Raises Undigestible for one that has no text of its own."""
    if depth > DEEPEST:
        raise Undigestible(f"nested in more than {DEEPEST} others")
    kind = type(element)
    if kind not in _BUILTIN:
        element = exact(element)
        kind = type(element)
    if kind is str:
        data = encoded(element)
        state.update(b"s" + _length(len(data)) + data)
    elif element is None:
        state.update(b"n")
    elif kind is float:
        state.update(b"f" + _double(element))
    elif kind is bool:
        state.update(b"y" if element else b"z")
    elif kind is int:
        state.update(b"i")
        text(state, hex(element))
    elif kind is bytes:
        state.update(b"b" + _length(len(element)) + element)
    elif kind is complex:
        state.update(b"c" + _double(element.real) + _double(element.imag))
    elif kind is list or kind is tuple:
        state.update((b"l" if kind is list else b"u") + _length(len(element)))
        for entry in element:
            feed(state, entry, depth + 1)
    elif kind is dict:
        items = list(element.items())
        if all(type(name) is str for name in element):
            items.sort(key=lambda item: item[0])
        state.update(b"d" + _length(len(items)))
        for name, entry in items:
            feed(state, name, depth + 1)
            feed(state, entry, depth + 1)
    else:
        _other(state, element, depth)


def _other(state: Any, element: Any, depth: int) -> None:
    kind = type(element)
    module, name = kind.__module__, kind.__qualname__
    numpy = sys.modules.get("numpy")
    if numpy is not None and module == "numpy" and issubclass(kind, (numpy.generic, numpy.ndarray)):
        if kind not in (numpy.ndarray, numpy.memmap) and not issubclass(kind, numpy.generic):
            raise Undigestible(f"holds arrays of {module}.{name}")
        state.update(b"g" if issubclass(kind, numpy.generic) else b"a")
        return text(state, array(numpy.asarray(element), depth=depth))
    told = _text(module.partition(".")[0], name, element, state, depth)
    if told is None:
        raise Undigestible(f"holds objects of {module}.{name}")
    state.update(b"o")
    text(state, f"{module.partition('.')[0]}.{name}")
    return text(state, told)


def _text(package: str, name: str, element: Any, state: Any, depth: int) -> str | None:
    """The text of an object of these packages, exact; None where there is none."""
    if type(element) is not getattr(sys.modules.get(package), name, None) and name not in ("NAType", "NaTType"):
        return None
    if package == "pandas":
        return _of_pandas(name, element, state, depth)
    if package == "datetime" and name in ("datetime", "time"):
        return _with_zone(element)
    if package == "datetime" or (package, name) in (("decimal", "Decimal"), ("uuid", "UUID")):
        return repr(element) if name != "timezone" else str(element)
    if (package, name) == ("fractions", "Fraction"):
        return f"{element.numerator:x}/{element.denominator:x}"
    return None


def _of_pandas(name: str, element: Any, state: Any, depth: int) -> str | None:
    if name in ("NAType", "NaTType"):
        return ""
    if name == "Timestamp":
        return f"{_with_zone(element)} {element.unit}"
    if name == "Timedelta":
        return f"{element!r} {element.unit}"
    if name == "Period":
        return f"{element.ordinal} {element.freqstr}"
    if name == "Interval":
        for end in (element.left, element.right):
            feed(state, end, depth + 1)
        return str(element.closed)
    return None


_ZONES = ("datetime", "zoneinfo", "pytz", "dateutil")


def _with_zone(element: Any) -> str:
    """A time with its difference from UTC: what the text of a zone says may be its place in memory."""
    zone = element.tzinfo
    if zone is not None and type(zone).__module__.partition(".")[0] not in _ZONES:
        raise Undigestible(f"holds times of a zone of {type(zone).__module__}.{type(zone).__qualname__}")
    named = str(zone) if zone is not None and not type(zone).__module__.startswith("dateutil") else ""
    return f"{element.isoformat()} {element.fold} {named}"
