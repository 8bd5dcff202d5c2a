"""The identity of data in memory: what is told apart, and what makes no difference, in every kind of container."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autotrack.identity import arrays, columns, rows
from autotrack.identity.arrays import digest
from autotrack.identity.profile import Abandoned, profile

NAMES = ["age", "height", "weight"]
NUMBERS = np.array([[31.0, 1.7, 70.0], [25.0, 1.8, 80.0], [31.0, 1.6, 60.5], [47.0, 1.75, 90.0], [52.0, 1.9, 81.5]])


def frame(numbers: np.ndarray[Any, Any] = NUMBERS) -> pd.DataFrame:
    return pd.DataFrame(numbers, columns=NAMES)


def structured(numbers: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    kinds = [(name, numbers.dtype) for name in NAMES]
    return np.array([tuple(row) for row in numbers.tolist()], dtype=kinds)


MAKERS: dict[str, Callable[[np.ndarray[Any, Any]], Any]] = {
    "array": lambda numbers: numbers.copy(),
    "Fortran": np.asfortranarray,
    "strided": lambda numbers: np.repeat(numbers, 2, axis=0)[::2],
    "masked": lambda numbers: np.ma.masked_equal(numbers, 60.5),
    "structured": structured,
    "objects": lambda numbers: numbers.astype(object),
    "pandas": frame,
    "pandas with nulls": lambda numbers: frame(numbers).astype(
        pd.Float32Dtype() if numbers.dtype == "f4" else pd.Float64Dtype()
    ),
    "pandas on Arrow": lambda numbers: frame(numbers).astype(pd.ArrowDtype(pa.from_numpy_dtype(numbers.dtype))),
    "polars": lambda numbers: pl.DataFrame({name: numbers[:, at] for at, name in enumerate(NAMES)}),
    "Arrow": lambda numbers: pa.table({name: numbers[:, at] for at, name in enumerate(NAMES)}),
    "csr": sp.csr_array,
    "csc": sp.csc_matrix,
    "coo": sp.coo_array,
    "list": lambda numbers: numbers.tolist(),
}
TABLES = ("pandas", "pandas with nulls", "pandas on Arrow", "polars", "Arrow", "structured")
RETYPED = [name for name in MAKERS if name not in ("list", "objects")]
"""Elements of lists, and objects, have no size."""


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Callable[[np.ndarray[Any, Any]], Any]:
    return MAKERS[request.param]


def test_the_same_content_has_the_same_identity(make: Callable[..., Any]) -> None:
    assert digest(make(NUMBERS)) == digest(make(NUMBERS.copy()))
    assert digest(make(NUMBERS)).startswith(f"xxh3:{arrays.SCHEME}:")


def test_a_changed_cell(make: Callable[..., Any]) -> None:
    changed = NUMBERS.copy()
    changed[3, 2] = np.nextafter(changed[3, 2], 100.0)
    assert digest(make(changed)) != digest(make(NUMBERS))


def test_shuffled_rows_are_told_by_the_rows(make: Callable[..., Any]) -> None:
    shuffled, whole = make(NUMBERS[[4, 2, 0, 1, 3]]), make(NUMBERS)
    assert digest(shuffled) != digest(whole)
    assert profile(shuffled).unordered == profile(whole).unordered
    assert profile(make(NUMBERS[:4])).unordered != profile(whole).unordered


@pytest.mark.parametrize("name", RETYPED)
def test_float64_made_float32(name: str) -> None:
    halves = np.round(NUMBERS * 2) / 2  # which float32 holds exactly
    wide, narrow = MAKERS[name](halves), MAKERS[name](halves.astype(np.float32))
    assert digest(wide) != digest(narrow)
    assert profile(wide).unordered == profile(narrow).unordered


@pytest.mark.parametrize("name", TABLES)
def test_a_renamed_column(name: str) -> None:
    table = MAKERS[name](NUMBERS)
    if name == "structured":
        renamed = table.astype([("age", float), ("size", float), ("weight", float)])
    elif name == "Arrow":
        renamed = table.rename_columns(["age", "size", "weight"])
    elif name == "polars":
        renamed = table.rename({"height": "size"})
    else:
        renamed = table.rename(columns={"height": "size"})
    before, after = profile(table), profile(renamed)
    assert before.data != after.data
    assert [c.digest for c in before.columns] == [c.digest for c in after.columns]
    assert [c.name for c in after.columns] == ["age", "size", "weight"]
    assert before.unordered == after.unordered


def test_nan_is_not_null() -> None:
    values = [1.0, float("nan"), 2.0]
    nulls = [1.0, None, 2.0]
    pairs = [
        (pd.Series(values), pd.Series(values, dtype="Float64")),
        (pd.Series(values, dtype=object), pd.Series(nulls, dtype=object)),
        (pl.Series(values), pl.Series(nulls)),
        (pa.array(values), pa.array(nulls)),
        (np.ma.masked_array(values, mask=False), np.ma.masked_array(values, mask=[False, True, False])),
        (values, nulls),
    ]
    for nan, null in pairs:
        assert digest(nan) != digest(null)
        (first,), (second,) = profile(nan).columns, profile(null).columns
        assert (first.nans, first.nulls, second.nans, second.nulls) == (1, 0, 0, 1)


def test_layout_makes_no_difference(tmp_path: Path) -> None:
    mapped = np.memmap(tmp_path / "numbers", dtype="f8", mode="w+", shape=NUMBERS.shape)
    mapped[:] = NUMBERS
    alike = [np.asfortranarray(NUMBERS), np.repeat(NUMBERS, 2, axis=1)[:, ::2], mapped, NUMBERS.astype(">f8")]
    assert {digest(array) for array in alike} == {digest(NUMBERS)}
    assert {profile(array).unordered for array in alike} == {profile(NUMBERS).unordered}
    table = pa.table({"a": ["x", None, "zebra", "", "é"], "b": pa.array([1, None, 3, 4, 5], type=pa.int32())})
    chunked = pa.concat_tables([table.slice(0, 2), table.slice(2)])
    twice = pa.concat_tables([table, table]).combine_chunks().slice(5)
    assert digest(chunked) == digest(twice) == digest(table)
    coded = pa.chunked_array([pa.array(["u", "v"]).dictionary_encode(), pa.array(["w", "u"]).dictionary_encode()])
    whole = pa.array(["u", "v", "w", "u"]).dictionary_encode()
    assert digest(coded) == digest(whole)


def test_texts_are_the_same_however_they_are_stored() -> None:
    words = ["anna", None, "", "bé", "anna"]
    stored = [pd.Series(words, dtype=pd.StringDtype(storage)) for storage in ("python", "pyarrow")]
    assert len({columns.opened(series).columns[0].kind.digest() for series in stored}) == 1  # type: ignore[union-attr]
    kinds = [*stored, pl.Series(words), pa.array(words), words]
    assert len({profile(kind).unordered for kind in kinds}) == 1
    assert profile(words).columns[0].counts == (("anna", 2), ("", 1), ("bé", 1))
    assert profile(words).columns[0].nulls == 1
    assert digest(["ab", "c"]) != digest(["a", "bc"])
    assert digest(pd.Series(["ab", "c"])) != digest(pd.Series(["a", "bc"]))


def test_every_type_of_a_table_is_read() -> None:
    data = {
        "integer": [1, 2, 3],
        "text": ["a", "b", None],
        "flag": [True, False, True],
        "when": pd.to_datetime(["2020-01-01", "2021-06-01", None]),
        "where": pd.Categorical(["u", None, "u"]),
        "zone": pd.to_datetime(["2020-01-01", "2021-06-01", "2022-01-01"]).tz_localize("Europe/Paris"),
        "span": pd.to_timedelta([1, 2, 3], unit="h"),
        "whole": pd.array([1, None, 3], dtype="Int64"),
        "thin": pd.arrays.SparseArray([0.0, 0.0, 1.0]),
        "month": pd.period_range("2020-01", periods=3, freq="M"),
        "thing": [(1, "a"), None, {"b": 2.5}],
    }
    table = pd.DataFrame(data)
    found = profile(table)
    assert found.data == digest(table)
    nulls = {column.name: column.nulls for column in found.columns if column.nulls}
    assert nulls == {"text": 1, "when": 1, "where": 1, "whole": 1, "thing": 1}
    by_name = {column.name: column for column in found.columns}
    assert by_name["where"].counts == (("u", 2),)
    assert by_name["flag"].counts == ((True, 2), (False, 1))
    assert (by_name["when"].low, by_name["when"].high) == ("2020-01-01T00:00:00.000000", "2021-06-01T00:00:00.000000")
    assert by_name["integer"].mean == 2.0
    simple = pl.from_pandas(table[["integer", "text", "flag", "when", "where", "zone", "span"]])
    assert profile(simple).data == digest(simple)
    assert profile(simple.to_arrow()).data == digest(simple.to_arrow())
    for name in table:
        changed = table.drop(columns=[name])
        changed.insert(0, name, table[name])
        if name != "integer":
            assert digest(changed) != digest(table), "columns in another order"


@pytest.mark.parametrize(
    "data",
    [
        np.array([(1, 2.0, "a"), (3, 4.0, "b")], dtype=[("x", int), ("y", float), ("s", "U3")]),
        np.array(["2020-01-01", "NaT"], dtype="datetime64[D]"),
        np.array([1 + 2j, 3]),
        np.array(["a", "b"]),
        np.array([[1, None], ["x", 2.5]], dtype=object),
        np.ones((5, 4, 3)),
        np.ones((3, 2_000)),
        np.zeros((0, 4)),
        np.array([2**60, 2**60 + 1, 1]),
        [{"word": 1}, {"word": 2, "other": [1, 2]}],
        [[1, 2], [3, 4]],
        [0.5, 1, True],
        ("a", "b"),
        sp.random(20, 2_000, 0.1, format="csr", random_state=0),
        sp.random(20, 5, 0.1, format="lil", random_state=0),
        pd.Index([3, 1, 2]),
        pd.DataFrame({1: [1.0], ("a", "b"): ["x"]}),
        pd.DataFrame(index=[0, 1, 2]),
    ],
    ids=lambda data: type(data).__name__,
)
def test_a_profile_is_of_the_data_that_has_this_identity(data: Any) -> None:
    found = profile(data)
    assert found.data == digest(data)
    sketch = rows.sketch_of(found)
    assert rows.shared(sketch, sketch) == (found.rows, found.rows, True)


@pytest.mark.parametrize("data", [object(), (row for row in [1]), 3.0, {"a": 1}, np.array(1.0), [object()]])
def test_what_has_no_profile_says_so(data: Any) -> None:
    with pytest.raises(arrays.Undigestible):
        profile(data)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_]), hnp.array_shapes(max_dims=2))
)
def test_statistics_are_those_of_numpy(data: np.ndarray[Any, Any]) -> None:
    found = profile(data)
    assert found.data == digest(data)
    matrix = data.reshape(len(data), -1)
    with np.errstate(all="ignore"):
        for at, column in enumerate(found.columns):
            values = matrix[:, at]
            finite = values[np.isfinite(values)]
            assert column.nans == np.isnan(values).sum()
            assert column.infinities == np.isinf(values).sum()
            assert (column.low, column.high) == ((finite.min(), finite.max()) if len(finite) else (None, None))
            if column.mean is not None and column.deviation is not None:
                assert column.mean == pytest.approx(finite.astype(float).mean(), rel=1e-9, abs=1e-300)
                assert column.deviation == pytest.approx(
                    finite.astype(float).std(), rel=1e-6, abs=abs(column.mean) * 1e-7
                )
            counted = dict(zip(*np.unique(finite.astype(float), return_counts=True), strict=True))
            if column.counts is not None:
                found: Counter[float] = Counter()
                for value, often in column.counts:  # integers may differ in what a float leaves out
                    found[float(value)] += often
                assert found == counted
            else:
                assert len(counted) > 20


def test_statistics_over_many_blocks() -> None:
    generator = np.random.default_rng(0)
    data = generator.normal([0.0, 1e6, -5.0], [1.0, 1.0, 100.0], (100_000, 3))
    data[::7, 1] = np.nan
    labels = generator.integers(0, 3, 100_000)
    first, second, third = profile(data).columns
    assert first.mean == pytest.approx(data[:, 0].mean(), abs=1e-12)
    assert second.mean == pytest.approx(np.nanmean(data[:, 1]), rel=1e-12)
    assert second.deviation == pytest.approx(np.nanstd(data[:, 1]), rel=1e-9)
    assert (third.low, third.high) == (data[:, 2].min(), data[:, 2].max())
    assert dict(profile(labels).columns[0].counts or ()) == dict(enumerate(np.bincount(labels).tolist()))
    assert profile(data).columns[0].counts is None


def test_how_many_rows_two_datasets_share() -> None:
    generator = np.random.default_rng(1)
    small = generator.normal(size=(900, 4))
    part = np.concatenate([small[:300], small[:100], generator.normal(size=(200, 4))])
    assert rows.shared(*(rows.sketch_of(profile(data)) for data in (small, part))) == (300, 400, True)
    large = generator.normal(size=(200_000, 4))
    other = np.concatenate([large[50_000:], generator.normal(size=(100_000, 4))])
    found = rows.shared(*(rows.sketch_of(profile(data)) for data in (large, other)))
    assert found.of_first == pytest.approx(150_000, rel=0.1)
    assert found.of_second == pytest.approx(150_000, rel=0.15)
    assert not found.exact
    assert profile(large).distinct == pytest.approx(200_000, rel=0.1)
    repeated = np.tile(small[:10], (1_000, 1))
    assert profile(repeated).distinct == 10
    assert rows.shared(*(rows.sketch_of(profile(data)) for data in (small, repeated))) == (10, 10_000, True)
    nothing = rows.sketch_of(profile(small[:0]))
    assert rows.shared(nothing, rows.sketch_of(profile(large))) == (0, 0, False)


def test_rows_are_the_same_in_any_container() -> None:
    numbers = profile(NUMBERS).unordered
    for name, make in MAKERS.items():
        if name not in ("masked", "csr", "csc", "coo"):
            assert profile(make(NUMBERS)).unordered == numbers, name


def test_wide_rows_and_narrow_ones() -> None:
    wide = np.random.default_rng(2).normal(size=(50, 200))
    assert profile(wide).unordered == profile(wide[::-1]).unordered == profile(pd.DataFrame(wide)).unordered
    assert profile(wide[:, ::-1]).unordered != profile(wide).unordered


def test_a_profile_can_be_abandoned() -> None:
    with pytest.raises(Abandoned):
        profile(NUMBERS, lambda: False)


def test_the_order_of_rows() -> None:
    generator = np.random.default_rng(3)
    numbers = generator.normal(size=(40_000, 2)).astype("f4")
    found = profile(numbers)
    for same in (numbers.astype("f8"), pd.DataFrame(numbers, columns=["a", "b"])):
        assert (profile(same).ordered, profile(same).unordered) == (found.ordered, found.unordered)
    assert profile(numbers[::-1]).ordered != found.ordered
    cities = pd.Series(["Bonn", "Ulm", "Bonn"])
    categories = [pd.Categorical(cities, categories=order) for order in (["Bonn", "Ulm"], ["Ulm", "Bonn", "Rom"])]
    assert len({profile(pd.Series(one)).ordered for one in categories}) == 1
    assert len({digest(pd.Series(one)) for one in categories}) == 2
