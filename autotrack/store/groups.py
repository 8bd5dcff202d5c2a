"""Runs put together by what they have in common: how many there are, and their metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autotrack.store import filter
from autotrack.store.database import Database
from autotrack.store.present import presented

BY = ("name", "status", "framework", "kind", "user", "job")
"""Columns to group by, besides parameters and tags."""
ADDED = 1e300
"""What is larger is left out of a mean: databases can't add it up."""

Sql = tuple[str, list[Any]]


def groups(database: Database, condition: Sql, by: str, metrics: Sequence[str], limit: int) -> list[dict[str, Any]]:
    """What `Store.groups` returns."""
    name = filter.named(by)
    if name.group == "metrics" or (name.group == "column" and name.name not in BY):
        raise filter.FilterError(
            f"runs can't be grouped by {by!r}: only by params.NAME, tags.NAME, {', '.join(BY)}; give one of those"
        )
    where, values = condition
    if name.group == "column":
        source, key, given = "runs", name.column, list[Any]()
        chosen = f"NULL, {key}"
    else:
        source = f"runs LEFT JOIN {name.group} AS grouped ON grouped.run = runs.id AND grouped.name = ?"
        # Equal numbers are one group, however they were written, as far as a float tells them apart.
        exact = f"ABS(grouped.number) <= {2**53}"
        number, text = (
            f"CASE WHEN {exact} THEN grouped.number END",
            f"CASE WHEN {exact} THEN NULL ELSE grouped.text END",
        )
        key, given = f"{number}, {text}", [name.name]
        chosen = f"{number}, MIN(grouped.text)"
    order = "3 DESC, 1 NULLS LAST, 2 NULLS LAST"
    sql = f"SELECT {chosen}, COUNT(*) FROM {source} WHERE {where} GROUP BY {key} ORDER BY {order} LIMIT ?"
    found = {
        (number, text): {
            "value": text,
            "number": number,
            "count": count,
            "filter": _filter(name.group, name.name, number, text),
            "metrics": {},
        }
        for number, text, count in database.rows(sql, [*given, *values, limit])
    }
    for metric in metrics:
        told = f"COUNT(last), AVG(CASE WHEN ABS(last) <= {ADDED} THEN last END), MIN(last), MAX(last)"
        sql = (
            f"SELECT {chosen}, {told} FROM {source} "
            f"JOIN metrics AS measured ON measured.run = runs.id AND measured.name = ? WHERE {where} GROUP BY {key}"
        )
        for number, text, count, mean, low, high in database.rows(sql, [*given, metric, *values]):
            if (group := found.get((number, text))) is not None and count:
                group["metrics"][metric] = presented({"count": count, "mean": mean, "min": low, "max": high})
    return list(found.values())


def _filter(group: str, name: str, number: float | None, text: str | None) -> str:
    """The condition that lets the runs of a group through."""
    what = name if group == "column" else f"{group}[{name!r}]"
    if number is not None:
        return f"{what} == {text}" if text in ("True", "False") else f"{what} == {number!r}"
    alike = _number_of(text)  # a text that is written as one
    return f"{what} == {text!r}" + (f" and not {what} == {alike}" if group != "column" and alike else "")


def _number_of(text: str | None) -> str | None:
    if text in ("True", "False"):
        return text
    try:
        number = float(text or "")
    except ValueError:
        return None
    return repr(number) if abs(number) <= 2**53 else None
