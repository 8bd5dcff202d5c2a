"""Where a file comes from that a run has read: which run has written it, or the model that it holds."""

from __future__ import annotations

from typing import Any

from autotrack.store.database import Database
from autotrack.store.present import presented

_WRITERS = """SELECT files.job, runs.id, runs.name, files.path, files.step FROM files
    JOIN jobs ON jobs.id = files.job
    LEFT JOIN strands ON strands.strand = files.strand
    LEFT JOIN runs ON runs.id = strands.run
    WHERE files.mode = 'written' AND files.{column} = ?
        AND jobs.started <= (SELECT started FROM jobs WHERE id = ?)
    ORDER BY jobs.started DESC, files.segment, files.artifact DESC LIMIT 1"""


def of_file(database: Database, job: str, artifact: dict[str, Any], run: str | None = None) -> dict[str, Any] | None:
    """Who has written, last before it was read in this job, a file of the same content, or else one that holds the same
    model: `{job, run, name, path, step}`, `run` and `name` None where it was no run's.  None for a file that was
    written, and where it is not known or this very run, or job where none is given."""
    if artifact["mode"] != "read":
        return None
    for column in ("digest", "model"):
        row = None
        if artifact[column] is not None:
            row = database.row(_WRITERS.format(column=column), (artifact[column], job))
        if row is not None:
            writer, by, name, path, step = row
            same = by == run if run is not None else writer == job
            return None if same else {"job": writer, "run": by, "name": name, "path": presented(path), "step": step}
    return None
