"""The index of finished runs, by which programs that are about to do the same again find them."""

from __future__ import annotations

import contextlib
import math
import os
from typing import Any

import msgspec

from autotrack import duplicates, events
from autotrack.duplicates import Entry
from autotrack.journal.folder import Folder
from autotrack.store.database import Database
from autotrack.values import original

KEPT = 50
"""Runs of one key: those that differ in what is no part of it."""
RESULTS = 2
"""Metrics that are told of a run."""
_FIRST = ("test/", "valid/", "eval/", "val", "train/")


def publish(database: Database, folder: Folder, job: str) -> None:
    """Put the run that has the key of a finished job into the index.  Raises OSError."""
    sql = (
        "SELECT body FROM facts WHERE job = ? AND strand IS NULL AND tag = 'job_facts' "
        f'AND instr(body, \'"section":"{duplicates.SECTION}"\') > 0 ORDER BY position DESC LIMIT 1'
    )
    found = database.row(sql, (job,))
    fact = events.decode(found[0]) if found is not None else None
    if not isinstance(fact, events.JobFacts) or not isinstance(fact.value, dict) or "strand" not in fact.value:
        return
    entry = _entry(database, job, fact.value)
    if entry is None:
        return
    place = folder.index(os.path.basename(str(fact.value["key"])))
    before: list[Entry] = []
    with contextlib.suppress(OSError, msgspec.DecodeError), open(place, "rb") as file:
        before = duplicates.decode(file.read())
    entries = sorted([*(one for one in before if one.run != entry.run), entry], key=lambda one: one.ended)[-KEPT:]
    if entries != before:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        beside = f"{place}.{os.getpid()}"
        with open(beside, "wb") as file:
            file.write(duplicates.encode(entries))
        os.replace(beside, place)


def _entry(database: Database, job: str, about: dict[str, Any]) -> Entry | None:
    """What the index says of the run; None where it is none that others could repeat."""
    row = database.row(
        "SELECT runs.id, jobs.author, jobs.started, jobs.duration FROM strands JOIN runs ON runs.id = strands.run "
        "JOIN jobs ON jobs.id = runs.job WHERE strands.strand = ? AND runs.status = 'finished' "
        "AND jobs.status = 'finished'",
        (about["strand"],),
    )
    read = _read(database, job, about)
    if row is None or read is None or row[3] is None:
        return None
    run, user, started, seconds = row
    return Entry(
        run=run,
        job=job,
        user=user or "",
        ended=started + seconds,
        seconds=seconds,
        result=_result(database, run),
        params=about["params"],
        data=about["data"],
        files=sorted({**about["late"], **read}.items()),
        several=about["several"],
    )


def _read(database: Database, job: str, about: dict[str, Any]) -> dict[str, str] | None:
    """Path to digest of the files that the job has read and not written; None where that is not known of each."""
    rows = database.rows("SELECT path, mode, kind, digest FROM files WHERE job = ?", (job,))
    written = {path for path, mode, *_ in rows if mode == "written"}
    root = os.path.join(about["root"], "")
    found: dict[str, str] = {}
    for path, mode, kind, digest in rows:
        if mode != "read" or path in written or (kind == "folder" and about["manifest"]):
            continue
        if kind == "folder" or not digest or original(path) != path or len(found) >= duplicates.FILES:
            return None
        found[path.removeprefix(root)] = digest
    return found


def _result(database: Database, run: str) -> dict[str, float]:
    """The metrics that tell most of a run, at the end."""

    def rank(name: str) -> tuple[int, str]:
        return next((at for at, start in enumerate(_FIRST) if name.startswith(start)), len(_FIRST)), name

    rows = database.rows("SELECT name, last FROM metrics WHERE run = ?", (run,))
    known = {name: last for name, last in rows if last is not None and math.isfinite(last)}
    return {name: known[name] for name in sorted(known, key=rank)[:RESULTS]}
