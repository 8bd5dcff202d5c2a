"""The programs that were recorded, as a list."""

from __future__ import annotations

from typing import Any

from autotrack.store.database import Database, NotFound
from autotrack.store.present import presented

_LIST = "jobs.id, jobs.name, jobs.status, jobs.started, jobs.duration, jobs.author, jobs.parent"


def jobs(database: Database, visible: str, limit: int | None, after: str | None) -> list[dict[str, Any]]:
    """What `Store.jobs` returns."""
    condition, values = "1 = 1", list[Any]()
    if after is not None:
        row = database.row("SELECT started FROM jobs WHERE id = ?", (after,))
        if row is None:
            raise NotFound(f"there is no job {after!r} to go on from")
        if row[0] is None:  # they are the last ones
            condition, values = "jobs.started IS NULL AND jobs.id > ?", [after]
        else:
            condition = "(jobs.started < ? OR (jobs.started = ? AND jobs.id > ?) OR jobs.started IS NULL)"
            values = [row[0], row[0], after]
    most = f" LIMIT {max(int(limit), 0)}" if limit is not None else ""
    rows = database.rows(
        f"SELECT {_LIST} FROM jobs WHERE {condition} ORDER BY jobs.started DESC NULLS LAST, jobs.id{most}", values
    )
    sql = f"SELECT job, COUNT(*) FROM runs WHERE job IN ({{in}}) AND parent IS NULL AND {visible} GROUP BY job"
    runs = dict(database.within(sql, [row[0] for row in rows]))
    return [
        {
            "id": id,
            "name": presented(name),
            "status": status,
            "started": started,
            "duration": duration,
            "user": presented(author),
            "parent": parent,
            "runs": runs.get(id, 0),
        }
        for id, name, status, started, duration, author, parent in rows
    ]
