"""A list of runs a page at a time: what comes behind a run, in the order that the list has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autotrack.store.database import Database, NotFound


def behind(
    database: Database, id: str, expressions: Sequence[str], values: Sequence[Any], descending: bool
) -> tuple[str, list[Any]]:
    """The condition of those that come behind a run in an order."""
    values = [*(values or [None] * len(expressions)), None, None]  # of a column nothing is looked up
    expressions = [*expressions, "LENGTH(id)", "id"]
    found = database.row(
        f"SELECT {', '.join(expressions)} FROM runs WHERE id = ?", [*(v for v in values if v is not None), id]
    )
    if found is None:
        raise NotFound(f"there is no run {id!r} to go on from")
    parts, same, before, known = [], "1 = 1", list[Any](), list[Any]()
    for at, (expression, own, there) in enumerate(zip(expressions, values, found, strict=True)):
        asked = [] if own is None else [own]
        sign = "<" if descending and at < len(expressions) - 2 else ">"
        if there is not None:
            parts.append(f"({same} AND ({expression} {sign} ? OR {expression} IS NULL))")
            known += [*before, *asked, there, *asked]
            same, before = f"{same} AND {expression} = ?", [*before, *asked, there]
        else:
            same, before = f"{same} AND {expression} IS NULL", [*before, *asked]
    return f"({' OR '.join(parts)})", known
