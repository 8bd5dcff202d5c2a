"""What a list marks runs with, beside their columns: those nested in them, what was not recorded, what they repeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from autotrack import events
from autotrack.duplicates import FOUND
from autotrack.store.database import Database
from autotrack.store.present import presented

_NESTED = "SELECT parent, COUNT(*) FROM runs WHERE parent IN ({in}) AND COALESCE(hidden, 0) = 0 GROUP BY parent"
_GAPS = (
    "SELECT strands.run, COUNT(*) FROM strands JOIN facts ON facts.strand = strands.strand "
    "WHERE strands.run IN ({in}) AND facts.tag = 'gap' GROUP BY strands.run"
)
_OF_JOBS = (
    "SELECT job, COUNT(*) FROM facts WHERE job IN ({in}) AND strand IS NULL AND (tag = 'gap' "
    "OR (tag = 'segment_ended' AND instr(body, '\"left\":[\"') > 0)) GROUP BY job"
)
_NAMELESS = "SELECT job, COUNT(*) FROM series WHERE job IN ({in}) AND name IS NULL GROUP BY job"
_REPEATED = (
    "SELECT job, body FROM facts WHERE job IN ({in}) AND strand IS NULL AND tag = 'job_facts' "
    f'AND instr(body, \'"section":"{FOUND}"\') > 0'
)


def marks(database: Database, runs: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """What `Store.marks` returns."""
    ids, jobs = [run["id"] for run in runs], list({run["job"] for run in runs})
    nested, gaps = dict(database.within(_NESTED, ids)), dict(database.within(_GAPS, ids))
    of_jobs = Counter(dict(database.within(_OF_JOBS, jobs))) + Counter(dict(database.within(_NAMELESS, jobs)))
    notes = dict(database.within("SELECT id, note FROM runs WHERE id IN ({in}) AND note IS NOT NULL", ids))
    repeated = {job: run for job, body in database.within(_REPEATED, jobs) if (run := _repeated(body))}
    return {
        run["id"]: {
            "nested": nested.get(run["id"], 0),
            "gaps": gaps.get(run["id"], 0) + of_jobs[run["job"]],
            "duplicate_of": repeated.get(run["job"]),
            "note": presented(notes.get(run["id"])),
        }
        for run in runs
    }


def _repeated(body: str) -> str | None:
    fact = events.decode(body)
    value = fact.value if isinstance(fact, events.JobFacts) else None
    return str(value["run"]) if isinstance(value, dict) and "run" in value else None
