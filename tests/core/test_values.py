"""Values: whatever a program gives can be written, within bounds, and nothing is approximated silently."""

from __future__ import annotations

import collections
import enum
import json
import math
import time
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrack.values import ITEM_LIMIT, SIZE_LIMIT, TEXT_LIMIT, original, plain, shown, storable

every_character = st.characters()
surrogates = st.characters(categories=["Cs"])
private = st.characters(min_codepoint=0x10EFF0, max_codepoint=0x10F900)
texts = st.text(st.one_of(every_character, surrogates, private, st.just("\x00")))


def written(value: Any) -> bytes:
    """As the journal writes it: JSON without NaN, UTF-8."""
    text = msgspec.json.encode(value)
    assert json.loads(text) == value
    return text


@given(texts)
def test_original_is_the_inverse_of_storable(text: str) -> None:
    stored = storable(text)
    assert original(stored) == text
    assert "\x00" not in stored
    stored.encode("utf-8")


@given(texts, texts)
def test_different_texts_stay_different(one: str, other: str) -> None:
    assert (storable(one) == storable(other)) == (one == other)


@given(st.floats())
def test_floats_survive(value: float) -> None:
    stored = plain(value)
    written(stored)
    back = float(stored["$float"]) if isinstance(stored, dict) else stored
    assert math.isnan(back) if math.isnan(value) else (back, math.copysign(1, back)) == (value, math.copysign(1, value))


@given(st.integers())
def test_integers_survive(value: int) -> None:
    stored = plain(value)
    written(stored)
    assert int(stored["$int"] if isinstance(stored, dict) else stored) == value


anything = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), texts, st.binary(), st.complex_numbers(), st.dates()
    ),
    lambda inner: st.one_of(
        st.lists(inner), st.tuples(inner, inner), st.dictionaries(st.one_of(texts, st.integers()), inner)
    ),
    max_leaves=30,
)


@given(anything)
@settings(max_examples=300)
def test_anything_can_be_written_and_shown(value: Any) -> None:
    stored = plain(value)
    written(stored)
    assert isinstance(shown(stored), str)


class Raises:
    """Everything raises but its `repr`."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        return "<Raises at 0x7f00aa>"

    __str__ = __len__ = __iter__ = __eq__ = __hash__ = __bool__ = None  # type: ignore[assignment]


class Endless(list):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        while True:
            yield 1


class LyingText(str):
    def __str__(self) -> str:
        raise RuntimeError


class LyingDict(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise RuntimeError

    def __iter__(self) -> Any:
        raise RuntimeError


class LyingInt(int):
    def __int__(self) -> int:
        raise RuntimeError

    __index__ = __int__


class Lies:
    @property
    def __class__(self) -> type:  # type: ignore[override]
        return int

    def __repr__(self) -> str:
        return "lies"


class Colour(enum.IntEnum):
    RED = 1


Point = collections.namedtuple("Point", "x y")
cycle: list[Any] = []
cycle.append(cycle)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Endless([1, 2]), [1, 2]),
        (LyingText("abc"), "abc"),
        (LyingDict(a=1), {"a": 1}),
        (LyingInt(5), 5),
        (Point(1, "a"), {"x": 1, "y": "a"}),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array([np.nan]), [{"$float": "nan"}]),
        (np.zeros((300, 2)), {"$array": {"shape": [300, 2], "dtype": "float64"}}),
        (np.array([{}, None]), {"$array": {"shape": [2], "dtype": "object"}}),
        ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
        ({3, 1, 2}, [1, 2, 3]),
        (bytearray(b"ab"), {"$bytes": "6162"}),
        (True, True),
        (len, {"$repr": "builtins.len", "class": "builtin_function_or_method"}),
        (Raises, {"$repr": f"{__name__}.Raises", "class": "type"}),
    ],
)
def test_what_becomes_of(value: Any, expected: Any) -> None:
    stored = plain(value)
    written(stored)
    assert stored == expected
    assert type(stored) is type(expected)


@pytest.mark.parametrize(
    "value",
    [
        Lies(),
        Colour.RED,
        cycle,
        np.longdouble("1.1"),
        np.complex128(1j),
        np.datetime64("2020-01-01"),
        np.array("2020-01-01", dtype="datetime64[D]"),
        np.ma.masked_array([1.0, 2.0], [True, False]),
        pd.Timestamp("2020-01-01"),
        pd.NA,
        pd.DataFrame({"a": [1]}),
        pd.Series([1], name="a"),
        object(),
        lambda: 0,
        iter([]),
        (n for n in range(3)),
        memoryview(b"abc"),
        range(10**12),
        slice(1),
        Ellipsis,
    ],
    ids=lambda value: type(value).__name__,
)
def test_odd_objects(value: Any) -> None:
    stored = plain(value)
    written(stored)
    assert shown(stored)
    assert "0x" not in json.dumps(stored)


def test_integers_that_python_refuses_to_write_out() -> None:
    for value in (10**5000, -(10**5000)):
        assert plain(value) == {"$repr": "an integer of 16610 bits", "class": "int"}
    assert plain(10**3000) == {"$int": str(10**3000)}


@pytest.mark.parametrize("error", [ValueError, RecursionError, MemoryError])
def test_only_their_own_repr_raises(error: type[Exception]) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise error

    with pytest.raises(error):
        plain([Odd()])
    assert plain(Raises()) == {"$repr": "<Raises>", "class": f"{__name__}.Raises"}


def size(value: Any) -> int:
    entries = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(size, entries))


def test_bounds() -> None:
    """What is nested and shared, long or deep is cut, and says so; quickly."""
    begun = time.thread_time()
    shared: Any = 1
    for _ in range(8):
        shared = [shared] * 200
    assert size(plain(shared)) < 4 * SIZE_LIMIT
    long = plain(list(range(1_000_000)))
    assert long == {"$cut": list(range(ITEM_LIMIT)), "length": 1_000_000}
    assert plain("a" * 10_000) == {"$cut": "a" * TEXT_LIMIT, "length": 10_000}
    assert plain({n: n for n in range(300)})["length"] == 300
    assert plain(set(range(1_000_000))) == {"$cut": [], "length": 1_000_000}
    deep: Any = list(range(1_000_000))
    for _ in range(7):
        deep = [deep]
    assert len(written(plain(deep))) < 1000
    assert plain(b"a" * 10_000)["length"] == 10_000
    assert time.thread_time() - begun < 2
