"""Where a file comes from that a run has read: which run has written it, or the model that it holds."""

from __future__ import annotations

from typing import Any

from autotrack import events
from autotrack.store.database import Database
from autotrack.store.present import presented

LOOKED_AT = 20
"""Files of the same content, of which the one that was written last is looked for."""
_WRITERS = """SELECT digests.job, digests.segment, digests.artifact FROM digests JOIN jobs ON jobs.id = digests.job
    WHERE digests.{column} = ? AND jobs.started <= (SELECT started FROM jobs WHERE id = ?)
    ORDER BY jobs.started DESC, digests.segment, digests.artifact DESC LIMIT {limit}"""
_SEEN = "SELECT position, body FROM facts WHERE job = ? AND segment = ? AND tag = 'artifact'"


def of_file(database: Database, job: str, artifact: dict[str, Any], run: str | None = None) -> dict[str, Any] | None:
    """Who has written, last before it was read in this job, a file of the same content, or else one that holds the same
    model: `{job, run, name, path, step}`, `run` and `name` None where it was no run's.  None for a file that was
    written, and where it is not known or this very run, or job where none is given."""
    if artifact["mode"] != "read":
        return None
    for column in ("digest", "model"):
        if artifact[column] is None:
            continue
        sql = _WRITERS.format(column=column, limit=LOOKED_AT)
        for writer, segment, number in database.rows(sql, (artifact[column], job)):
            found = _written(database, writer, segment, number)
            if found is not None:
                same = found["run"] == run if run is not None else writer == job
                return None if same else found
    return None


def _written(database: Database, job: str, segment: str, number: int) -> dict[str, Any] | None:
    """The file of that number, if it was written; it may be told of several times, at last with its run."""
    seen = [events.decode(body) for _, body in sorted(database.rows(_SEEN, (job, segment)))]
    told = [event for event in seen if isinstance(event, events.ArtifactSeen) and event.artifact == number]
    if not told or told[-1].mode != "written":
        return None
    event = told[-1]
    sql = "SELECT runs.id, runs.name FROM strands JOIN runs ON runs.id = strands.run WHERE strands.strand = ?"
    row = database.row(sql, (event.strand,)) if event.strand is not None else None
    run, name = row if row is not None else (None, None)
    return {"job": job, "run": run, "name": name, "path": presented(event.path), "step": event.step}
