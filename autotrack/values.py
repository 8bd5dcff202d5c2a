"""The values that a journal and a store may hold, made of whatever a program gives.

A value is None, a bool, an int of 64 bits, a finite float, a text, a list or a dict with text keys.
Everything else is written as a dict with one of the marks below, so that nothing is approximated
silently:

* `{"$float": "nan"}`, `"inf"`, `"-inf"`: JSON has no such numbers, SQLite turns NaN into NULL;
* `{"$int": "123..."}`: beyond 64 bits;
* `{"$bytes": "hex"}`;
* `{"$repr": "...", "class": "..."}`: the text of an object, without memory addresses;
* `{"$array": {"shape": [...], "dtype": "...", "id": "..."}}`: too large to be written out;
* `{"$cut": value, "length": n}`: a text or container of which only the beginning is kept.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable
from typing import Any, cast

TEXT_LIMIT = 2_000
ITEM_LIMIT = 200
DEPTH_LIMIT = 6
DIGITS_LIMIT = 4_000
SIZE_LIMIT = 10_000
"""Entries of all containers in a value together."""

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_FIRST_SURROGATE, _LAST_SURROGATE = 0xD800, 0xDFFF
_SURROGATE_HOME = 0x10F000
_NUL_HOME = 0x10EFFF
_ESCAPE = 0x10EFFE
_UNSTORABLE = re.compile("[\x00\ud800-\udfff\U0010effe-\U0010f7ff]")
_STORED = re.compile("\U0010effe[\U0010effe-\U0010f7ff]|[\U0010efff-\U0010f7ff]")


def storable(text: str) -> str:
    """The text with what UTF-8 and PostgreSQL cannot hold (lone surrogates, as file names that are not
    valid UTF-8 have them, and NUL) moved to a private-use area.  `original` is the exact inverse."""
    if text.isascii() and "\x00" not in text:
        return text
    return _UNSTORABLE.sub(_store_character, text)


def _store_character(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code == 0:
        return chr(_NUL_HOME)
    if _FIRST_SURROGATE <= code <= _LAST_SURROGATE:
        return chr(_SURROGATE_HOME + code - _FIRST_SURROGATE)
    return chr(_ESCAPE) + match[0]


def original(text: str) -> str:
    """The inverse of `storable`."""
    return text if text.isascii() else _STORED.sub(_original_character, text)


def _original_character(match: re.Match[str]) -> str:
    if len(match[0]) == 2:
        return match[0][1]
    code = ord(match[0])
    return "\x00" if code == _NUL_HOME else chr(_FIRST_SURROGATE + code - _SURROGATE_HOME)


def number(value: float) -> Any:
    """A float as a value: non-finite ones get their mark."""
    return value if math.isfinite(value) else {"$float": repr(value)}


def plain(value: Any) -> Any:
    """The value of an object, as the module's text says.  Calls `repr` of an object only where its class
    defines one; may raise whatever that raises."""
    return _plain(value, 0, [SIZE_LIMIT])


def _plain(value: Any, depth: int, room: list[int]) -> Any:
    """`room` holds how many more values may be written: what is nested and shared could be endless."""
    room[0] -= 1
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return _integer(value)
    if kind is float:
        return number(value)
    if kind is str:
        return _text(value)
    if kind is bytes:
        return {"$bytes": value[:TEXT_LIMIT].hex(), **({"length": len(value)} if len(value) > TEXT_LIMIT else {})}
    if kind is dict:
        return _mapping(value, depth, room)
    if kind in (list, tuple, set, frozenset):
        return _sequence(value, depth, room)
    return _foreign(value, depth, room)


def _integer(value: int) -> Any:
    if -(2**63) <= value < 2**63:
        return value
    if value.bit_length() > DIGITS_LIMIT * 3:  # CPython refuses to write out more than some 4,300 digits
        return {"$repr": f"an integer of {value.bit_length()} bits", "class": "int"}
    return {"$int": str(value)}


def _text(text: str) -> Any:
    text = storable(text)
    return text if len(text) <= TEXT_LIMIT else {"$cut": text[:TEXT_LIMIT], "length": len(text)}


def _mapping(value: dict[Any, Any], depth: int, room: list[int]) -> Any:
    items: dict[str, Any] = {}
    for key, entry in list(dict.items(value)):
        if len(items) >= ITEM_LIMIT or depth >= DEPTH_LIMIT or room[0] <= 0:
            return {"$cut": items, "length": len(value)}
        name = key if type(key) is str else str(_plain(key, depth + 1, room))
        items[storable(name)] = _plain(entry, depth + 1, room)
    return items


def _sequence(value: Any, depth: int, room: list[int]) -> Any:
    length = len(value)
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=repr) if length <= SIZE_LIMIT else ()
    items = []
    for entry in value[:ITEM_LIMIT] if depth < DEPTH_LIMIT else ():
        if room[0] <= 0:
            break
        items.append(_plain(entry, depth + 1, room))
    return items if len(items) == length else {"$cut": items, "length": length}


EXACT: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (int, int.__int__),
    (float, float.__float__),
    (str, str.__str__),
    (bytes, lambda value: bytes(memoryview(value))),
    (bytearray, bytes),
    (dict, dict.copy),
    (list, lambda value: list.__getitem__(value, slice(None))),
    (tuple, lambda value: tuple.__getitem__(value, slice(None))),
)
"""How the value of a subclass is had without its own methods, which may do anything."""


def _foreign(value: Any, depth: int, room: list[int]) -> Any:
    kind = type(value)
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        owner = getattr(value, "__module__", None)
        name = f"{owner}.{value.__qualname__}" if isinstance(owner, str) else str(value.__qualname__)
        return {"$repr": storable(name), "class": storable(kind.__qualname__)}
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)):
        if value.dtype.hasobject or value.dtype.kind not in "biufUS" or (value.ndim and value.size > ITEM_LIMIT):
            shape = {"shape": list(value.shape), "dtype": str(value.dtype)}
            return {"$array": shape} if value.ndim else described(value)
        listed = value.tolist()
        return _plain(listed, depth + 1, room) if type(listed) is not kind else described(value)
    if issubclass(kind, tuple) and isinstance(getattr(kind, "_fields", None), tuple):
        return _mapping(dict(zip(kind._fields, tuple.__iter__(value), strict=False)), depth, room)  # type: ignore[attr-defined]
    if issubclass(kind, (int, str)) and kind.__repr__ not in (int.__repr__, str.__repr__):
        return described(value)  # members of an enumeration
    for base, exact in EXACT:
        if issubclass(kind, base):
            return _plain(exact(value), depth, room)
    return described(value)


def described(value: Any) -> dict[str, Any]:
    """An object by its class and, where the class defines one, its text without memory addresses."""
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    text = name if kind.__repr__ is cast(Any, object.__repr__) else _ADDRESS.sub("", repr(value))
    cut = {"length": len(text)} if len(text) > TEXT_LIMIT else {}
    return {"$repr": storable(text[:TEXT_LIMIT]), "class": storable(name), **cut}


def shown(value: Any) -> str:
    """A value as one line of text for people."""
    if isinstance(value, str):
        return original(value).encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float):
        return f"{value:.6g}" if value == value and abs(value) != math.inf else repr(value)
    if isinstance(value, dict):
        if "$float" in value:
            return str(value["$float"])
        if "$int" in value:
            return str(value["$int"])
        if "$repr" in value:
            return shown(value["$repr"])
        if "$array" in value:
            return f"array{tuple(value['$array']['shape'])} {value['$array']['dtype']}"
        if "$bytes" in value:
            return f"bytes {value['$bytes']}"
        if "$cut" in value:
            return f"{shown(value['$cut'])} ... ({value['length']} in all)"
        return "{" + ", ".join(f"{shown(k)}: {shown(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(shown(entry) for entry in value) + "]"
    return str(value)
