"""What has an identity only with care: nested types, objects, sparse matrices; and what has none."""

from __future__ import annotations

import datetime as dt
import decimal
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp

from autotrack.identity import arrays
from autotrack.identity.arrays import digest, seconds_to_digest, size_of
from autotrack.identity.data import describe
from autotrack.identity.profile import Abandoned, profile
from autotrack.identity.rows import sketch_of

RAW = np.arange(1, 7, dtype="i4")
YEARS = pd.to_datetime(["2020", "2021"])


def objects(*values: Any) -> Any:
    made = np.empty(len(values), dtype=object)
    for at, value in enumerate(values):
        made[at] = value
    return made


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (RAW.view([("a", "i4", (2,))]), RAW.view([("a", "f4", (2,))])),
        (RAW.view([("a", [("x", "i4"), ("y", "f4")])]), RAW.view([("a", [("x", "f4"), ("y", "i4")])])),
        (RAW.view([("a", [("x", "i4"), ("y", "f4")])]), RAW.view([("a", [("u", "i4"), ("v", "f4")])])),
        (pd.Series(pd.Categorical(["a"], ordered=True)), pd.Series(pd.Categorical(["a"]))),
        (
            pd.Series(pd.Categorical(YEARS.tz_localize("UTC"))),
            pd.Series(pd.Categorical(YEARS.tz_localize("UTC").tz_convert("Asia/Tokyo"))),
        ),
        (pd.Series(pd.PeriodIndex(["2020-01"], freq="M")), pd.Series(pd.PeriodIndex(["2020-01"], freq="2M"))),
        (objects(np.float32(1)), objects(1.0)),
        (objects(np.datetime64(5, "ns")), objects(np.timedelta64(5, "ns"))),
        (objects(np.datetime64("NaT")), objects(None)),
        (objects(pd.NaT), objects(None)),
        (objects(pd.NA), objects(None)),
        (objects((1, 2)), objects([1, 2])),
        ([2**53 + 1, 0.5], [2**53, 0.5]),
        ([-1, 2**63], [-1, 2**63 + 1]),
        ([True, 2], [1, 2]),
        ([10**5000], [10**5000 + 1]),
        (np.ma.array(1.0, mask=True), np.ma.array([1.0], mask=[True])),
        (pl.Series([2**100], dtype=pl.Int128), pl.Series([2**100 + 1], dtype=pl.Int128)),
        ([dt.datetime(2020, 1, 1, tzinfo=dt.UTC)], [dt.datetime(2020, 1, 1)]),
    ],
)  # fmt: skip
def test_told_apart(first: Any, second: Any) -> None:
    assert digest(first) != digest(second)


def _padded() -> Any:
    """Long doubles with something in the bytes that pad them."""
    made = np.full(48, 255, dtype=np.uint8).view("g")
    np.add(np.ones(3, "g"), np.ones(3, "g"), out=made)
    return made


CSR = sp.csr_array(np.array([[1.0, 2, 0], [0, 3, 4]]))


def _csr(data: Any, indices: Any, indptr: Any) -> Any:
    made = CSR.copy()
    made.data, made.indices, made.indptr = np.array(data), np.array(indices), np.array(indptr)
    return made


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (_padded(), np.full(3, 2, "g")),
        ([{"a": 1, "b": 2}], [{"b": 2, "a": 1}]),
        (CSR, _csr([2.0, 1, 3, 4], [1, 0, 1, 2], [0, 2, 4])),
        (CSR, _csr([1.0, 2, 1, 2, 4], [0, 1, 1, 1, 2], [0, 2, 5])),
        (CSR, _csr(CSR.data, CSR.indices.astype("i8"), CSR.indptr.astype("i8"))),
        (CSR, _csr([*CSR.data, 9.0], [*CSR.indices, 0], CSR.indptr)),
        (sp.coo_array(([1.0, 2], ([0, 1], [1, 1]))), sp.coo_array(([2.0, 1], ([1, 0], [1, 1])))),
        (sp.dok_array(CSR), sp.dok_array(sp.coo_array(CSR.T).T)),
        (RAW.view([("a", "<i4", (2,))]), RAW.astype(">i4").view([("a", ">i4", (2,))])),
    ],
)
def test_the_same(first: Any, second: Any) -> None:
    before = [getattr(second, name, np.zeros(0)).copy() for name in ("indices", "indptr")]
    assert digest(first) == digest(second)
    for name, entries in zip(("indices", "indptr"), before, strict=True):
        assert np.array_equal(getattr(second, name, entries), entries), "the program's matrix is left as it was"


def test_formats_are_told_apart() -> None:
    assert len({digest(CSR.asformat(name)) for name in ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")}) == 7


def _looped() -> Any:
    made: list[Any] = ["a"]
    made.append(made)
    return made


def _deep() -> Any:
    made: list[Any] = [1.0]
    for _ in range(3000):
        made = [made]
    return made


HARD: dict[str, Callable[[], Any]] = {
    "StringDType": lambda: np.array(["a"], dtype=np.dtypes.StringDType()),
    "Int128": lambda: pl.DataFrame({"a": pl.Series([1, None, 2**100], dtype=pl.Int128)}),
    "huge": lambda: [10**5000],
    "looped": _looped,
    "deep": _deep,
    "empty": lambda: np.zeros(0),
    "empty in three dimensions": lambda: np.zeros((0, 2, 3)),
    "empty texts": lambda: np.zeros(0, "U3"),
    "one dimension": lambda: sp.csr_array(np.array([0, 1.0])),
    "three dimensions": lambda: sp.coo_array(np.ones((2, 2, 2))),
    "arrays": lambda: pd.DataFrame({"a": objects(np.ones(3), np.ones(3))}),
    "fields of arrays": lambda: np.zeros(3, [("a", "f4", (2,))]),
    "fields of fields": lambda: np.zeros(3, [("a", [("x", "i4")])]),
    "signalling": lambda: objects(decimal.Decimal("sNaN")),
    "complex": lambda: pd.DataFrame({"a": [1 + 2j, 3]}),
    "complex sparse": lambda: CSR.astype(complex),
    "long": lambda: np.array([np.longdouble("1e4000"), 1]),
    "long column": lambda: pd.DataFrame({"a": np.ones(3, "g")}),
    "long complex": lambda: np.ones(3, "G"),
    "mixed": lambda: objects(1, None, "a", 2.5, 1j, b"x", pd.NaT, pd.NA, np.float32(2), np.longdouble(2), float("inf")),
    "periods": lambda: pd.Series(pd.Categorical(pd.period_range("2020", periods=2, freq="M"))),
    "zoned": lambda: pd.Series(pd.Categorical(YEARS.tz_localize("UTC"))),
    "broken": lambda: _csr([1.0], [0], [0, 5, 9]),
    "index of levels": lambda: pd.MultiIndex.from_tuples([(1, 2)]),
}


@pytest.mark.parametrize("name", HARD)
def test_nothing_but_undigestible(name: str) -> None:
    from autotrack import events

    data = HARD[name]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for function in (digest, profile, arrays.sample, seconds_to_digest, size_of, describe):
            try:
                found: Any = function(data)
            except arrays.Undigestible:
                assert function in (digest, profile)
            else:
                if function is profile:
                    assert found.data == digest(data)
                    assert events.decode(events.encode(found)) == found


CHANGING: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "objects": (lambda: objects(*["x"] * 40_000), lambda data: data.__setitem__(-1, "y")),
    "masked": (lambda: np.ma.array(np.zeros(40_000), mask=np.arange(40_000) % 2), lambda data: data.data.fill(7)),
    "structured": (lambda: np.zeros(40_000, [("a", "f8")]), lambda data: data["a"].fill(7)),
    "times": (lambda: np.zeros(40_000, "M8[s]"), lambda data: data.__setitem__(-1, 7)),
    "csr": (lambda: sp.csr_array(np.ones((40_000, 2))), lambda data: data.data.fill(7)),
    "texts": (lambda: ["x"] * 40_000, lambda data: data.__setitem__(-1, "y")),
    "numbers": (lambda: [0.5] * 40_000, lambda data: data.__setitem__(-1, 7.0)),
    "column": (
        lambda: pd.DataFrame({"a": pd.Series(["x"] * 40_000, dtype=object)}),
        lambda data: data._mgr.blocks[0].values.__setitem__((0, -1), "y"),
    ),
}


@pytest.mark.parametrize("name", CHANGING)
def test_data_that_changes_while_it_is_read_has_no_profile(name: str) -> None:
    make, change = CHANGING[name]
    data = make()
    asked = []

    def going() -> bool:
        asked.append(True)
        if len(asked) == 1:
            change(data)
        return True

    with pytest.raises(Abandoned):
        profile(data, going)


def test_large_integers_are_counted_exactly() -> None:
    (column,) = profile(np.array([2**53, 2**53 + 1, 2**53 + 1])).columns
    assert column.counts == ((2**53 + 1, 2), (2**53, 1))
    (column,) = profile(np.array([2**64 - 1, 2**64 - 1, 0], "u8")).columns
    assert column.counts == ((2**64 - 1, 2), (0, 1))
    times = pd.Series(pd.to_datetime(["2021-06-01 00:00:00.123457001", "2021-06-01 00:00:00.123457002"]))
    assert len(profile(times).columns[0].counts or ()) == 2


def test_large_numbers_are_the_same_in_every_type() -> None:
    values = [2**60 + 1024 * at for at in range(5)]
    found = {profile(made).unordered for made in (np.array(values), np.array(values, "f8"), objects(*values), values)}
    assert len(found) == 1
    odd = [2**60 + 1, 2**63 - 1]
    assert profile(np.array(odd)).unordered == profile(objects(*odd)).unordered
    assert profile(np.array(odd)).unordered != profile(np.array(odd, "f8")).unordered
    assert profile(objects(2**63)).unordered != profile(objects(2**63 - 1)).unordered


def test_a_sketch_that_is_exactly_full_is_whole_until_something_is_cut() -> None:
    base = np.tile(np.arange(1024.0), 16)
    found = profile(np.concatenate([base, np.arange(1024.0, 1044)]))
    assert not sketch_of(found).whole
    assert sketch_of(profile(base)).whole


def test_values_that_begin_alike_are_counted_apart() -> None:
    words = ["x" * 300 + end for end in "aab"]
    assert [often for _, often in profile(words).columns[0].counts or ()] == [2, 1]


class Called(Exception):
    pass


def _called(*_: Any, **__: Any) -> Any:
    raise Called


class Integer(int):
    __int__ = __abs__ = __add__ = __eq__ = __float__ = __repr__ = __le__ = __index__ = _called  # type: ignore[assignment]
    __hash__ = int.__hash__


class Text(str):
    encode = __eq__ = __repr__ = __str__ = __len__ = _called  # type: ignore[assignment]
    __hash__ = _called  # type: ignore[assignment]


class Zone(dt.tzinfo):
    utcoffset = dst = __repr__ = _called  # type: ignore[assignment]


class Foreign:
    __array__ = __len__ = __getitem__ = __eq__ = __repr__ = memory_usage = estimated_size = _called  # type: ignore[assignment]
    nbytes = shape = indptr = property(_called)


def test_no_method_of_a_class_of_the_user_is_called() -> None:
    assert digest(objects(Integer(3))) == digest(objects(3))
    assert profile(objects(Integer(3))).unordered == profile(objects(3)).unordered
    assert digest(objects(Text("a"))) == digest(objects("a"))
    assert profile(objects(Text("a"))).columns[0].counts == (("a", 1),)
    for data in ([Foreign()] * 3, [[1.0], Foreign()], [dt.datetime(2020, 1, 1, tzinfo=Zone())], Foreign()):
        for function in (digest, profile):
            with pytest.raises(arrays.Undigestible):
                function(data)
        seconds_to_digest(data)
        size_of(data)


COSTLY: dict[str, Callable[[], Any]] = {
    "list of arrays": lambda: [np.ones(10**6) for _ in range(50)],
    "list of texts": lambda: ["é" * 20_000] * 2_400,
    "column of texts": lambda: pd.DataFrame({"t": ["x" * 20_000] * 9_000}),
    "column of lists": lambda: pd.DataFrame({"e": [[0.5] * 768] * 2_000}),
    "polars lists": lambda: pl.DataFrame({"e": [[0.5] * 768] * 2_000}),
    "polars texts": lambda: pl.Series(["x" * 20_000] * 9_000),
    "Arrow lists": lambda: pa.table({"e": [[0.5] * 100] * 2_000}),
    "nested": lambda: np.ones((50, 1_000, 20)).tolist(),
    "dicts": lambda: [{f"k{at}": at for at in range(200)}] * 2_000,
    "ragged": lambda: [[1], *([list(range(10**5))] * 20)],
    "chunks": lambda: pa.chunked_array([pa.array([True] * 1_000)] * 1_000),
    "coo": lambda: sp.random(1_000, 1_000, 0.2, format="coo", random_state=0),
}


@pytest.mark.parametrize("name", COSTLY)
def test_what_takes_long_is_told_beforehand(name: str) -> None:
    """In time of this thread on the processor: what else the machine does says nothing of ours."""
    data = COSTLY[name]()
    telling = []
    for _ in range(5):
        begun = time.thread_time()
        told = seconds_to_digest(data)
        telling.append(time.thread_time() - begun)
    assert min(telling) < 0.01
    begun = time.thread_time()
    digest(data)
    assert told > 0.1 * (time.thread_time() - begun)
    assert told > 0.001


def test_a_part_that_fails_leaves_the_others() -> None:
    described = describe(np.array(["a"], dtype=np.dtypes.StringDType()), np.ones(3), [object()])
    assert [part.id is None for _, _, part in described.parts] == [True, False, True]
    assert [what for what, _ in described.gaps] == ["identity of the features", "identity of the weights"]


def test_a_failure_of_ours_is_the_gap_of_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    from autotrack import shield

    class Shaped:
        @property
        def shape(self) -> Any:
            raise Called

    monkeypatch.setattr(shield._State, "strict", False)
    described = describe(np.ones((3, 2)), Shaped())
    assert [part.id is None for _, _, part in described.parts] == [False, True]
    assert [what for what, _ in described.gaps] == ["description of the labels"]
    assert described.dataset.id is None
