"""Which runs are like a run, and in what they differ from it."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from autotrack import events
from autotrack.journal.objects import Damaged, Objects
from autotrack.store.database import Database, NotFound
from autotrack.store.present import presented
from autotrack.store.strands import job_facts

WEIGHTS = {"params": 35, "data": 25, "code": 20, "name": 5, "arguments": 5, "packages": 5, "seeds": 5}
"""What each part counts; what is known of neither run counts nothing."""
FILES = 20
"""Changed files that are looked into."""
NEAR = 50
"""Runs at least that are looked at in full: those with the most parameters and data in common."""
MOST = 20_000
"""Runs that are looked at, the newest."""
_COLUMNS = "id, job, name, status, started, author, params, framework"


@dataclass
class Seen:
    """A run as far as it is compared."""

    id: str
    job: str
    name: str
    status: str
    started: float
    user: str
    _: KW_ONLY
    params: dict[str, Any]
    framework: str
    data: dict[str, str] = field(default_factory=dict)
    """Identities by role and part."""
    code: str | None = None
    """The tree of its own code."""
    arguments: list[str] | None = None
    packages: dict[str, str] | None = None
    seeds: dict[str, Any] = field(default_factory=dict)


def similar(database: Database, objects: Objects, id: str, visible: str, limit: int) -> list[dict[str, Any]]:
    """The runs most like a run, as `Store.similar` says.  Raises NotFound."""
    row = database.row(f"SELECT {_COLUMNS} FROM runs WHERE id = ?", (id,))
    if row is None:
        raise NotFound(f"there is no run {id!r}")
    (run,) = _seen([row])
    near = "framework = ?" if run.framework else "name = ?"
    near += f" AND id <> ? AND parent IS NULL AND {visible} ORDER BY started DESC LIMIT {MOST}"
    others = _seen(database.rows(f"SELECT {_COLUMNS} FROM runs WHERE {near}", (run.framework or run.name, id)))
    _add_data(database, [run])
    alike = _common_data(database, run)

    def rank(other: Seen) -> tuple[float, float]:
        data = len(alike.get(other.id, ())) / len(run.data) if run.data else 0.0
        return 35 * _same(run.params, other.params) + 25 * data + 5 * (run.name == other.name), other.started or 0.0

    others.sort(key=rank, reverse=True)
    nearest = others[: max(NEAR, 2 * limit)]
    _add_data(database, nearest)
    _add_jobs(database, [run, *nearest])
    files: dict[str, dict[str, str]] = {}
    found = [_compared(run, other, objects, files) for other in nearest]
    found.sort(key=lambda one: (-one["score"], -(one["started"] or 0.0)))
    return found[:limit]


def _seen(rows: Sequence[Sequence[Any]]) -> list[Seen]:
    params = json.loads(f"[{','.join(row[6] for row in rows)}]")  # at once, in half the time
    return [Seen(*row[:6], params=given, framework=row[7]) for row, given in zip(rows, params, strict=True)]


def _same(first: Mapping[str, Any], second: Mapping[str, Any]) -> float:
    """The share of names under which both have the same."""
    names = first.keys() | second.keys()
    same = sum(name in first and name in second and first[name] == second[name] for name in names)
    return same / len(names) if names else 1.0


_DATA = "SELECT strands.run, role, number, part, data, datasets.name FROM datasets JOIN strands USING (strand) WHERE "


def _common_data(database: Database, run: Seen) -> dict[str, set[str]]:
    """Of each run that used some of the same data, which."""
    found: dict[str, set[str]] = {}
    for other, _, _, _, data, _ in database.within(_DATA + "data IN ({in})", sorted(set(run.data.values()))):
        found.setdefault(other, set()).add(data)
    return found


def _add_data(database: Database, runs: Sequence[Seen]) -> None:
    by_id = {run.id: run for run in runs}
    rows = database.within(_DATA + "strands.run IN ({in})", list(by_id))
    parted = {(run, role, number) for run, role, number, part, *_ in rows if part}
    for run, role, number, part, data, name in sorted(rows, key=lambda row: row[:4]):
        if data is not None and (part or (run, role, number) not in parted):
            what = f"{role} {presented(name)}" if part else f"{role} data"
            known = by_id[run].data
            known[what if what not in known else f"{what} {number}"] = data


def _add_jobs(database: Database, runs: Sequence[Seen]) -> None:
    """What is known of their jobs, and how their generators stood."""
    jobs: dict[str, tuple[list[str] | None, dict[str, Any]]] = {}
    for job in {run.job for run in runs}:
        told = job_facts(database, job, ("job_started", "job_facts"))
        main = told[0][0] if told else ""
        facts = [event for _, event in sorted(told, key=lambda entry: entry[0] == main)]  # what it says counts
        argv = next((list(event.argv) for event in facts if isinstance(event, events.JobStarted)), None)
        sections = {event.section: event.value for event in facts if isinstance(event, events.JobFacts)}
        jobs[job] = argv, sections
    sql = "SELECT strand, body FROM facts WHERE strand IN ({in}) AND tag = 'strand_started'"
    started = {strand: events.decode(body) for strand, body in database.within(sql, [run.id for run in runs])}
    for run in runs:
        argv, sections = jobs[run.job]
        run.arguments = argv
        run.code = (sections.get("code") or {}).get("own")
        run.packages = sections.get("packages")
        event = started.get(run.id)
        if isinstance(event, events.StrandStarted):
            run.seeds = {name: about["seed"] for name, about in event.generators.items() if "seed" in about}


def _compared(run: Seen, other: Seen, objects: Objects, files: dict[str, dict[str, str]]) -> dict[str, Any]:
    scores = {"params": _same(run.params, other.params), "name": float(run.name == other.name)}
    differs: list[dict[str, Any]] = []
    if run.name != other.name:
        differs.append({"what": "name", "name": "", "from": run.name, "to": other.name})
    differs += _differences("params", run.params, other.params)
    if run.data or other.data:
        scores["data"] = _same(run.data, other.data)
        differs += _differences("data", run.data, other.data)
    if run.code is not None and other.code is not None:
        scores["code"], changed = 1.0, []
        if run.code != other.code:
            first, second = (_files(objects, tree, files) for tree in (run.code, other.code))
            scores["code"] = _same_code(objects, first, second) if first and second else 0.0
            changed = _differences("code", first, second) or [{"what": "code", "name": "", "from": None, "to": None}]
        differs += changed
    if run.arguments is not None and other.arguments is not None:
        scores["arguments"] = float(run.arguments == other.arguments)
        if run.arguments != other.arguments:
            differs.append({"what": "arguments", "name": "", "from": run.arguments, "to": other.arguments})
    if run.packages and other.packages:
        scores["packages"] = _same(run.packages, other.packages)
        differs += _differences("packages", run.packages, other.packages)
    if run.seeds or other.seeds:
        scores["seeds"] = _same(run.seeds, other.seeds)
        differs += _differences("seeds", run.seeds, other.seeds)
    whole = sum(WEIGHTS[part] for part in scores)
    return {
        "id": other.id,
        "name": other.name,
        "status": other.status,
        "started": other.started,
        "user": other.user,
        "score": sum(WEIGHTS[part] * score for part, score in scores.items()) / whole,
        "parts": scores,
        "differs": differs,
    }


def _differences(what: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"what": what, "name": name, "from": first.get(name), "to": second.get(name)}
        for name in sorted(first.keys() | second.keys())
        if name not in first or name not in second or first[name] != second[name]
    ]


def _same_code(objects: Objects, first: Mapping[str, str], second: Mapping[str, str]) -> float:
    """The share of files that are the same; of one that was changed, the share of its lines, whatever their order."""
    paths, same, read = first.keys() | second.keys(), 0.0, 0
    for path in first.keys() & second.keys():
        if first[path] == second[path]:
            same += 1
        elif read < FILES:
            read += 1
            with contextlib.suppress(Damaged, OSError):
                one, other = (Counter(objects.blob(tree[path]).splitlines()) for tree in (first, second))
                same += (one & other).total() / max((one | other).total(), 1)
    return same / len(paths)


def _files(objects: Objects, tree: str, known: dict[str, dict[str, str]]) -> dict[str, str]:
    """Path to name of the files of a tree; nothing where it is in another folder."""
    if tree not in known:
        try:
            known[tree] = {entry.path: entry.name for entry in objects.walk(tree)}
        except (Damaged, OSError):
            known[tree] = {}
    return known[tree]
