"""What is in datasets, in words and tables; how they differ: `autotrack.store.differing`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from autotrack.cli import output
from autotrack.store.differing import parts, percent

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS_SHOWN = 8
"""Columns of a dataset that a terminal shows."""
CLASSES_SHOWN = 10
"""Values with their counts that a terminal shows of a column."""
MOST_COUNTED = 20
"""Values up to which a profile counts them: see `autotrack.events.ColumnProfile`."""


# What is in them


def column_rows(run: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Every column, for a pipe."""
    for what, part in parts(run):
        for column in (part["profile"] or {"columns": []})["columns"]:
            yield "column", what, *(column[name] for name in _DETAILS)


_DETAILS = ("name", "type", "nulls", "nans", "infinities", "low", "mean", "deviation", "high", "counts")


def tables(run: dict[str, Any], limit: int | None) -> Iterator[RenderableType]:
    """The columns of each part for people, at most `COLUMNS_SHOWN` of each unless `limit` is None; of data that is
    used twice, once."""
    seen = set()
    for what, part in parts(run):
        if part["profile"] is not None and part["profile"]["columns"] and part["id"] not in seen:
            seen.add(part["id"])
            yield _table(what.replace("/", " ", 1), part["profile"], what.endswith("/labels"), limit)


def _table(what: str, profile: dict[str, Any], labels: bool, limit: int | None) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    columns = profile["columns"]
    shown = columns if limit is None else columns[:COLUMNS_SHOWN]
    heading, values = _values(shown, labels, profile["rows"], None if limit is None else CLASSES_SHOWN)
    missing = [_missing(column, profile["rows"]) for column in shown]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2), header_style="dim")
    table.add_column("", overflow="fold")
    table.add_column("type", style="dim", no_wrap=True)
    if any(missing):
        table.add_column("missing", no_wrap=True)
    table.add_column(heading, overflow="fold")
    for column, lacking, value in zip(shown, missing, values, strict=True):
        between = [lacking] if any(missing) else []
        cells = [output.short(column["name"], 40), output.short(column["type"], 30), *between, value]
        table.add_row(*map(Text, cells))
    lines: list[RenderableType] = [Text(f"\nColumns of {what}", style="bold"), table]
    more = []
    if len(shown) < len(columns):
        more.append(f"… {len(columns) - len(shown)} more with --all")
    if profile["left_out"]:
        more.append(f"{profile['left_out']:,} beyond them without a profile")
    if more:
        lines.append(Text(f"  {'; '.join(more)}", style="dim"))
    return Group(*lines)


def _missing(column: dict[str, Any], rows: int) -> str:
    found = [(column["nulls"], ""), (column["nans"], " NaN"), (column["infinities"], " inf")]
    return ", ".join(f"{count:,}{what} ({percent(count, rows)})" for count, what in found if count)


def _values(columns: list[dict[str, Any]], labels: bool, rows: int, limit: int | None) -> tuple[str, list[str]]:
    """A heading, and for each column how its numbers lie, one below the other, or how often each value comes up
    where these are few."""
    ranges: dict[int, tuple[str, str, str]] = {}
    texts: dict[int, str] = {}
    for at, column in enumerate(columns):
        counts, low, mean = column["counts"], column["low"], column["mean"]
        if counts is not None and (labels or mean is None or len(counts) <= CLASSES_SHOWN):
            texts[at] = _balance(counts, rows, limit)
        elif low is not None:
            spread = "" if mean is None else f"{_value(mean)} ± {_value(column['deviation'])}"
            ranges[at] = _value(low), spread, _value(column["high"])
        else:
            texts[at] = f"over {MOST_COUNTED} different ones" if counts is None else ""
    if not ranges:
        return "values", [texts[at] for at in range(len(columns))]
    heading = ("low", "mean ± deviation" if any(spread for _, spread, _ in ranges.values()) else "", "high")
    widths = [max(map(len, entries)) for entries in zip(heading, *ranges.values(), strict=True)]

    def line(entries: tuple[str, str, str]) -> str:
        return "  ".join(entry.rjust(width) for entry, width in zip(entries, widths, strict=True) if width)

    return line(heading), [texts[at] if at in texts else line(ranges[at]) for at in range(len(columns))]


def _value(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return output.short(value, 30)
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e9 else f"{value:.4g}"


def _balance(counts: list[list[Any]], rows: int, limit: int | None) -> str:
    """`0: 50 (33 %), 1: 100 (67 %)`."""
    told = [f"{output.short(value, 30)}: {count:,} ({percent(count, rows)})" for value, count in counts[:limit]]
    if len(told) < len(counts):
        told.append(f"… {len(counts) - len(told)} more")
    return ", ".join(told)
