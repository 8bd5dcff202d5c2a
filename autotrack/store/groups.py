"""Runs put together by what they have in common: how many there are, and their metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autotrack.store import filter
from autotrack.store.database import Database

BY = ("name", "status", "framework", "kind", "user", "job")
"""Columns to group by, besides parameters and tags."""

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
        sql = (
            f"SELECT {chosen}, COUNT(last), AVG(last), MIN(last), MAX(last) FROM {source} "
            f"JOIN metrics AS measured ON measured.run = runs.id AND measured.name = ? WHERE {where} GROUP BY {key}"
        )
        for number, text, count, mean, low, high in database.rows(sql, [*given, metric, *values]):
            if (group := found.get((number, text))) is not None and count:
                group["metrics"][metric] = {"count": count, "mean": mean, "min": low, "max": high}
    return list(found.values())


def _filter(group: str, name: str, number: float | None, text: str | None) -> str:
    """The condition that lets the runs of a group through."""
    what = name if group == "column" else f"{group}[{name!r}]"
    if number is not None and text in ("True", "False"):
        return f"{what} == {text}"
    return f"{what} == {text!r}" if number is None else f"{what} == {number!r}"
