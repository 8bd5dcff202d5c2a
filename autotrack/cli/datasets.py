"""What is in datasets and how they differ, in words and tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from autotrack.cli import output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from autotrack.store import Store

COLUMNS_SHOWN = 8
"""Columns of a dataset, and names in a sentence, that a terminal shows."""
CLASSES_SHOWN = 10
"""Values with their counts that a terminal shows of a column."""
MOST_COUNTED = 20
"""Values up to which a profile counts them: see `autotrack.events.ColumnProfile`."""


def parts(run: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(role/part, part) of the data that a run used: `train/labels`."""
    for dataset in run["datasets"]:
        for part in dataset["parts"] or [dataset]:
            yield f"{dataset['role']}/{part['name'] or 'features'}", part


def identity(part: dict[str, Any], digest: str | None) -> str:
    """The identity of a part, or the beginning of it, with what it can be trusted for."""
    told = digest or "no identity"
    if part["method"] == "whole" or (str(part["id"]).startswith("blake3-manifest:") and part["method"] == "manifest"):
        return told
    if str(part["id"]).startswith("stat-manifest:") and part["method"] == "manifest":
        return f"{told} (names, sizes and times)"
    seen, rows = part["seen"], part["rows"]
    if part["method"] != "observed" or seen is None or seen == rows:
        return f"{told} ({part['method']})"
    return f"{told} (observed {seen:,} {'rows' if rows is None else f'of {rows:,} rows'})"


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


def percent(count: int, of: int) -> str:
    """A share, never rounded to all or nothing: `80 %`, `under 1 %`, `over 99 %`."""
    share = 100 * count / of if of else 0.0
    if 0 < share < 1:
        return "under 1 %"
    return "over 99 %" if 99 < share < 100 else f"{share:.0f} %"


# How they differ


def differences(store: Store, runs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Role/part to the rows that say how the data of each later run differs from that of the first."""
    known = [dict(parts(run)) for run in runs]
    found: dict[str, list[dict[str, Any]]] = {}
    for what, first in known[0].items():
        of_runs = [{}, *(_between(store, first, of.get(what)) for of in known[1:])]
        found[what] = [
            {
                "section": "data",
                "name": f"{what} {aspect}",
                "values": [of.get(aspect) for of in of_runs],
                "same": False,
                "present": [aspect in of for of in of_runs],
            }
            for aspect in _WORDS
            if any(aspect in of for of in of_runs)
        ]
    return found


def _between(store: Store, first: dict[str, Any], other: dict[str, Any] | None) -> dict[str, Any]:
    """Aspect to how the other part differs from the first in it."""
    if other is None or not first["profile"] or not other["profile"] or first["id"] == other["id"]:
        return {}
    if _sparse(first) != _sparse(other) or _scheme(first) != _scheme(other):
        return {}  # nothing in their profiles can be compared
    difference = store.data_difference(first["id"], other["id"])
    if difference is None:
        return {}
    columns, rows = difference["columns"], difference["rows"]
    told = {f"columns {aspect}": found for aspect, found in columns.items() if found}
    told |= {f"files {aspect}": found for aspect, found in difference["files"].items() if found}
    if columns["changed"]:
        told["columns changed"] = {
            "names": columns["changed"],
            "all": len(columns["changed"]) == difference["common"] > 1,
        }
    if any(difference["left_out"]):
        told["columns without a profile"] = difference["left_out"]
    if rows["same"] or rows["same_in_common"] or rows["shared"] is not None:
        alike = difference["common"] > 0 and not any(columns[aspect] for aspect in columns if aspect != "changed")
        told["rows"] = {**rows, "same_columns": alike and not any(difference["left_out"])}
    return told


def _scheme(part: dict[str, Any]) -> str:
    """How rows are told apart: by their values, by their bytes as they pass, by their files."""
    return str(part["id"]).partition(":")[0]


def _sparse(part: dict[str, Any]) -> bool:
    return str(part["kind"]).startswith("scipy.")


def in_words(name: str, value: Any) -> str | None:
    """The text of a value of one of these rows; None for those of other rows."""
    for aspect, words in _WORDS.items():
        if name.endswith(f" {aspect}"):
            return words(value)
    return None


def _listed(names: list[str]) -> str:
    shown = [output.short(name, 40) or "the one without a name" for name in names[:COLUMNS_SHOWN]]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def _changed(value: dict[str, Any]) -> str:
    return f"all {len(value['names'])} that are in both" if value["all"] else _listed(value["names"])


def _renamed(value: list[dict[str, Any]]) -> str:
    return _listed([f"{one['from']} → {one['to']}" for one in value])


def _retyped(value: list[dict[str, Any]]) -> str:
    return _listed([f"{one['name']} {one['from']} → {one['to']}" for one in value])


def _moved(value: list[dict[str, Any]]) -> str:
    return _listed([f"{one['name']} from place {one['from'] + 1} to {one['to'] + 1}" for one in value])


def _rows(value: dict[str, Any]) -> str:
    if value["same"]:
        order = {None: "", False: " in the same order", True: " in another order"}[value["reordered"]]
        return f"the same rows{order}" + (", the same columns" if value["same_columns"] else "")
    if value["same_in_common"]:
        return "the same in the columns that are in both"
    exact = value["exact"]
    about = "" if exact else "about "
    if not value["shared"] and not value["shared_of_first"]:
        if exact:
            return f"none shared: {value['of_first']:,} and {value['of']:,} others"
        return f"few or none shared of {value['of_first']:,} and {value['of']:,}"
    count, of, count_of_first, of_first = (value[name] for name in ("shared", "of", "shared_of_first", "of_first"))
    shared = f"{about}{count:,} of {of:,} rows ({_share(count, of, exact)}) shared"
    if (count, of) == (count_of_first, of_first):
        return shared
    return f"{shared}; of the first, {count_of_first:,} of {of_first:,} ({_share(count_of_first, of_first, exact)})"


def _share(count: int, of: int, exact: bool) -> str:
    """An estimate is never told as all or nothing."""
    if exact:
        return percent(count, of)
    return "under 1 %" if count == 0 < of else "over 99 %" if count >= of > 0 else percent(count, of)


_WORDS: dict[str, Callable[[Any], str]] = {
    "columns added": _listed,
    "columns removed": _listed,
    "columns renamed": _renamed,
    "columns retyped": _retyped,
    "columns changed": _changed,
    "columns moved": _moved,
    "columns without a profile": lambda value: f"{value[0]:,} and {value[1]:,}, which are not compared",
    "files added": _listed,
    "files removed": _listed,
    "files renamed": _renamed,
    "files changed": _listed,
    "rows": _rows,
}
