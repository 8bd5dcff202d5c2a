"""Tables of runs: the kind of each column follows from all values in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pyarrow
import pytest

from autotrack.journal.folder import Folder
from autotrack.store import frame, open_store
from tests.store.journals import Journal

ABSENT = object()


def table(folder: Folder, values: Sequence[Any]) -> list[frame.Column]:
    """The table of runs that have these values of a parameter, in this order."""
    journal = Journal(folder)
    for at, value in enumerate(values):
        params = {} if value is ABSENT else {"p": value}
        journal.strand(id=f"run{at}aaaaaaaaa", params=params, metrics={"loss": [math.nan, math.inf, 1.0][at % 3]})
    journal.end()
    with open_store(folder) as store:
        assert store.refresh()
        return frame.columns(store.runs(sort="id", descending=False))


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2, ABSENT], "integer", [1, 2, None]),
        ([True, ABSENT, False], "boolean", [True, None, False]),
        ([1, 2.5], "number", [1.0, 2.5]),
        ([1, math.inf, -math.inf], "number", [1.0, math.inf, -math.inf]),
        (["a", None, "b"], "text", ["a", None, "b"]),
        ([1, "auto", 2.5, True, None], "text", ["1", "auto", "2.5", "true", None]),
        ([True, 1], "text", ["true", "1"]),
        ([2**62, 2.5], "text", [str(2**62), "2.5"]),
        ([2**80, 1], "text", [str(2**80), "1"]),
        ([[1, "é"], {"a": None}], "text", ['[1, "é"]', '{"a": null}']),
        (["NaN", "Infinity"], "text", ["NaN", "Infinity"]),
        ([1, [2]], "text", ["1", "[2]"]),
        ([None, ABSENT], "text", [None, None]),
    ],
)
def test_kinds(folder: Folder, values: list[Any], kind: str, expected: list[Any]) -> None:
    found = {column.name: column for column in table(folder, values)}
    assert (found["params.p"].kind, found["params.p"].values) == (kind, expected)
    assert [type(value) for value in found["params.p"].values] == [type(value) for value in expected]
    loss = found["metrics.loss"]
    assert (loss.kind, [repr(value) for value in loss.values[:2]]) == ("number", ["nan", "inf"])
    columns = list(found.values())
    arrow = frame.to_arrow(columns)
    assert arrow["params.p"].to_pylist() == expected
    assert frame.to_polars(columns)["params.p"].to_list() == expected
    pandas_ = frame.to_pandas(columns)["params.p"]
    assert [None if missing else value for value, missing in zip(pandas_, pandas_.isna(), strict=True)] == expected
    assert arrow.schema.field("started").type == pyarrow.timestamp("us", tz="UTC")


def test_no_runs(folder: Folder) -> None:
    columns = frame.columns([])
    assert [column.name for column in columns] == list(frame.FIXED)
    for made in (frame.to_pandas(columns), frame.to_polars(columns), frame.to_arrow(columns)):
        assert made.shape == (0, len(columns))
