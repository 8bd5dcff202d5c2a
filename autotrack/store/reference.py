"""What people call a run or a job by: an id, the beginning of one, `@last`, `@best:METRIC`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from autotrack.store.database import Ambiguous, Database, NotFound
from autotrack.store.present import asked

if TYPE_CHECKING:
    from autotrack.store.query import Store

FIRST_LEVEL = "parent IS NULL"
VISIBLE = """id NOT IN (WITH RECURSIVE gone(id) AS (SELECT id FROM runs WHERE hidden = 1
    UNION SELECT runs.id FROM runs JOIN gone ON runs.parent = gone.id) SELECT id FROM gone)"""
LAST = chr(0x10FFFF)
"""What begins with a text lies between that and it with this character behind."""

_QUERIES: tuple[tuple[Literal["run", "job"], str], ...] = (
    ("run", f"SELECT DISTINCT id, name FROM runs WHERE {{}} AND {FIRST_LEVEL}"),
    ("run", "SELECT DISTINCT id, name FROM runs WHERE {}"),
    ("run", "SELECT DISTINCT run, name FROM (SELECT strand AS id, run FROM strands) AS aliases "
            "JOIN runs ON runs.id = run WHERE aliases.{}"),
    ("job", "SELECT DISTINCT id, name FROM jobs WHERE {}"),
)  # fmt: skip


def resolve(store: Store, database: Database, reference: str) -> tuple[Literal["run", "job"], str]:
    """What `Store.resolve` returns."""
    reference = asked(reference)
    if reference.startswith("@"):
        return "run", _special(store, database, reference)
    for kind, sql in _QUERIES:
        exact = database.rows(sql.format("id = ?"), (reference,))
        if exact:
            return kind, exact[0][0]
    beginning, _, index = reference.rpartition(".")
    trial = bool(beginning) and index.isdecimal()
    condition = "id BETWEEN ? AND ?" + (" AND id = parent || '.' || ?" if trial else "")
    given = [beginning, beginning + LAST, index] if trial else [reference, reference + LAST]
    for kind, sql in (_QUERIES[1:2] if trial else _QUERIES) if reference else ():
        found = database.rows(sql.format(condition) + " ORDER BY 1 LIMIT 6", given)
        if len(found) == 1:
            return kind, found[0][0]
        if found:
            names = ", ".join(f"{id} ({name})" for id, name in found[:5]) + (" and more" if len(found) > 5 else "")
            raise Ambiguous(f"{reference!r} may be any of several {kind}s: {names}; give more of the id")
    raise NotFound(f"there is no run or job {reference!r}; see what there is with: autotrack ls --all")


def _special(store: Store, database: Database, reference: str) -> str:
    if reference == "@last":
        found = store.runs(limit=1)
        if not found:
            seen = f"; of programs that trained nothing the last one is: autotrack show {store.last_job()}"
            raise NotFound(f"there is no run yet{seen}")
        return str(found[0]["id"])
    metric = reference.removeprefix("@best:")
    lowest = metric.startswith("-")
    metric = metric.removeprefix("-")
    if metric and reference.startswith("@best:"):
        return _best(database, metric, "ASC" if lowest else "DESC")
    raise NotFound(f"{reference!r} means nothing; there are @last, @best:METRIC and @best:-METRIC")


def _best(database: Database, metric: str, direction: str) -> str:
    """Of the runs whose last value is finite; of equals the newest."""
    row = database.row(
        "SELECT id FROM runs JOIN metrics ON metrics.run = id WHERE metrics.name = ? AND last > ? AND last < ? "
        f"AND {FIRST_LEVEL} AND {VISIBLE} ORDER BY last {direction}, started DESC, id LIMIT 1",
        (metric, float("-inf"), float("inf")),
    )
    if row is None:
        raise NotFound(f"no run has the metric {metric!r}; see them with: autotrack ls --json")
    return str(row[0])
