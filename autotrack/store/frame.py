"""A table of runs, a row a run: for data frames and for files of other programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from autotrack.store.database import StoreError

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

FIXED: dict[str, Kind] = {
    "id": "text", "job": "text", "name": "text", "framework": "text", "kind": "text", "status": "text",
    "started": "time", "duration": "number", "user": "text", "parent": "text",
}  # fmt: skip
"""The columns that every table has; `params.NAME`, `metrics.NAME` and `tags.NAME` follow, those that a run has."""
GROUPS = ("params", "metrics", "tags")

Kind = Literal["text", "integer", "number", "boolean", "time"]

_NOT_FINITE = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_INTEGERS = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Column:
    """`values` are all of one kind, or None where a run has no such value: `text`, `integer` (of 64 bits), `number`
    (float; nan and inf as such), `boolean`, `time` (seconds since the epoch).  What is of several kinds is text, as
    JSON has it."""

    name: str
    kind: Kind
    values: list[Any]


def columns(runs: Sequence[dict[str, Any]]) -> list[Column]:
    """The columns of runs as `Store.runs` returns them."""
    made = [Column(name, kind, [run[name] for run in runs]) for name, kind in FIXED.items()]
    for group in GROUPS:
        for name in sorted({name for run in runs for name in run[group]}):
            values = [run[group].get(name) for run in runs]
            kind = "number" if group == "metrics" else _kind(values)
            made.append(Column(f"{group}.{name}", kind, list(map(_CONVERTED[kind], values))))
    return made


def _kind(values: Sequence[Any]) -> Kind:
    present = [value for value in values if value is not None]
    if any(isinstance(value, bool) for value in present):
        return "boolean" if all(isinstance(value, bool) for value in present) else "text"
    if present and all(isinstance(value, int) for value in present):
        return "integer" if all(value in _INTEGERS for value in present) else "text"
    numbers = [value for value in present if isinstance(value, (int, float))]
    exact = all(isinstance(value, float) or abs(value) <= 2**53 for value in numbers)
    others = [value for value in present if not isinstance(value, (int, float))]
    finite = all(isinstance(value, str) and value in _NOT_FINITE for value in others)
    return "number" if numbers and exact and finite else "text"


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(value: Any) -> float | None:
    return None if value is None else _NOT_FINITE[value] if isinstance(value, str) else float(value)


def _same(value: Any) -> Any:
    return value


_CONVERTED: dict[Kind, Callable[[Any], Any]] = {
    "text": _text, "integer": _same, "number": _number, "boolean": _same, "time": _same,
}  # fmt: skip


def to_pandas(made: Sequence[Column]) -> pandas.DataFrame:
    """With int64, float64, bool and str; integers and booleans that some run lacks as pandas' nullable types."""
    import pandas

    def series(column: Column) -> Any:
        lacking = None in column.values
        match column.kind:
            case "time":
                moments = pandas.Series(_microseconds(column), dtype="Int64")
                return pandas.to_datetime(moments, unit="us", utc=True).astype("datetime64[us, UTC]")
            case "integer":
                return pandas.Series(column.values, dtype="Int64" if lacking else "int64")
            case "boolean":
                return pandas.Series(column.values, dtype="boolean" if lacking else "bool")
            case "number":
                return pandas.Series(column.values, dtype="float64")
        return pandas.Series(column.values, dtype=None if set(column.values) - {None} else "object")

    return pandas.DataFrame({column.name: series(column) for column in made})


def to_polars(made: Sequence[Column]) -> polars.DataFrame:
    """With String, Int64, Float64, Boolean and Datetime (in UTC); what a run lacks is null."""
    import polars

    types: dict[Kind, Any] = {
        "text": polars.String, "integer": polars.Int64, "number": polars.Float64, "boolean": polars.Boolean,
        "time": polars.Int64,
    }  # fmt: skip
    frame = polars.DataFrame(
        [
            polars.Series(column.name, _microseconds(column) if column.kind == "time" else column.values,
                          dtype=types[column.kind])
            for column in made
        ]
    )  # fmt: skip
    times = [column.name for column in made if column.kind == "time"]
    return frame.with_columns(polars.col(times).cast(polars.Datetime("us", "UTC")))


def to_arrow(made: Sequence[Column]) -> pyarrow.Table:
    """Raises StoreError where pyarrow is not installed."""
    pyarrow = arrow()
    types: dict[Kind, Any] = {
        "text": pyarrow.string(), "integer": pyarrow.int64(), "number": pyarrow.float64(),
        "boolean": pyarrow.bool_(), "time": pyarrow.timestamp("us", tz="UTC"),
    }  # fmt: skip
    arrays = [
        pyarrow.array(
            _microseconds(column) if column.kind == "time" else column.values, types[column.kind], from_pandas=False
        )
        for column in made
    ]
    return pyarrow.Table.from_arrays(arrays, names=[column.name for column in made])


def arrow() -> Any:
    """The module pyarrow.  Raises StoreError where it is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise StoreError(
            f"Parquet needs pyarrow ({error}); install it with: python3 -m pip install 'autotrack-ml[parquet]'"
        ) from None
    return pyarrow


def _microseconds(column: Column) -> list[int | None]:
    return [None if value is None else round(value * 1e6) for value in column.values]
