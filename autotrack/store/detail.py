"""What `show` says of a run and of a job, read from the facts when it is asked for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from autotrack import events
from autotrack.duplicates import FOUND
from autotrack.store import given, origins, profiles, strands
from autotrack.store.database import Database
from autotrack.store.present import presented
from autotrack.store.project import nan, trial_metrics
from autotrack.store.strands import Statistics, StrandView

SECTIONS = ("packages", "sources", "git", "code", "environment", "hardware", "seeds", "launch", FOUND)
"""The facts of a job that stand in its view under their own name."""
STEPS = 100
"""Standalone transformers that are shown at most."""

_TAGS = (
    "segment_started", "job_started", "job_facts", "job_ended", "segment_ended", "gap", "tag", "receipt",
    "overhead",
)  # fmt: skip
_TRAINERS = "SELECT id FROM runs WHERE model = ? AND id <> ? AND kind <> 'evaluation' ORDER BY started, LENGTH(id), id"
Digests = Mapping[tuple[str, int], events.ArtifactDigested]


def run(database: Database, id: str, job: str) -> dict[str, Any]:
    """What a run has beyond the columns of a list, its job excepted."""
    group = strands.of_runs(database, [id])[id]
    if group:
        return _run(database, id, group, job)
    parent, _, index = id.rpartition(".")
    for view in strands.of_runs(database, [parent])[parent]:
        for trial in view.of(events.StrandTrial):
            if str(trial.index) == index:
                return _trial(trial)
    return _run(database, id, [], job)


def _run(database: Database, id: str, group: Sequence[StrandView], job: str) -> dict[str, Any]:
    digests = _digests(database, job)
    summaries = [
        (v.id, v.label, {n: x for e in v.of(events.StrandSummary) for n, x in e.values.items()}) for v in group
    ]
    names = strands.names_in_run(summaries)
    ended = strands.last_phase(group).ended if group else None
    model = strands.model_of(group)
    used: list[events.StrandDataset] = []
    for event in (event for view in group for event in view.datasets()):
        if not any(other.role == event.role and other.dataset == event.dataset for other in used):  # of another rank
            used.append(event)
    known = profiles.of(database, [data for event in used for data in _identities(event.dataset)])
    described = {data: profiles.described(profile) for data, profile in known.items()}
    return {
        "params": [
            {"name": name, "value": presented(value), "source": source}
            for name, (value, source) in strands.params_of(group, given.of(database, job).of_run(group)).items()
        ],
        "metrics": _metrics(strands.metrics_of(group), strands.origins_of(group)),
        "datasets": [{"role": event.role, **_described(event.dataset, described)} for event in used],
        "model": _model(database, model, id) if model is not None else None,
        "artifacts": [
            {**artifact, "made_by": origins.of_file(database, job, artifact, id)}
            for artifact in (_artifact(segment, event, digests) for segment, event in _files_of(database, group, job))
        ],
        "summary": {
            presented(names[strand, name]): presented(value)
            for strand, _, named in summaries
            for name, value in named.items()
        },
        "failure": _failure(ended.failure) if ended is not None else None,
        "generators": next((presented(view.started.generators) for view in group if view.started), {}),
        "warnings": [
            {"what": presented(event.what), "text": presented(event.text), "values": presented(event.values)}
            for view in group
            for event in view.of(events.WarningFound)
        ],
        "gaps": _gaps(event for view in group for event in view.of(events.GapFound)),
        "trials": sum(len(view.of(events.StrandTrial)) for view in group),
    }


def _files_of(database: Database, group: Sequence[StrandView], job: str) -> Iterable[tuple[str, events.ArtifactSeen]]:
    """The files of a run; where a program evaluates a model and trains none, that model's are."""
    yield from (file for view in group for file in view.artifacts())
    if group and group[0].started is not None and group[0].started.kind == "printed":
        yield from (file for file in _files(database, job) if file[1].kind == "checkpoint" and file[1].strand is None)


def _files(database: Database, job: str) -> list[tuple[str, events.ArtifactSeen]]:
    """The files of a job, with their segments."""
    sql = "SELECT segment, position, body FROM facts WHERE job = ? AND tag = 'artifact'"
    seen = [(segment, events.decode(body)) for segment, _, body in sorted(database.rows(sql, (job,)))]
    told = {(segment, event.artifact): event for segment, event in seen if isinstance(event, events.ArtifactSeen)}
    return [(segment, event) for (segment, _), event in told.items()]  # one may be told of once more


def _trial(trial: events.StrandTrial) -> dict[str, Any]:
    return {
        "params": [{"name": presented(p.name), "value": presented(p.value), "source": p.source} for p in trial.params],
        "metrics": _metrics(trial_metrics(trial)),
        "datasets": [],
        "model": None,
        "artifacts": [],
        "summary": {},
        "failure": None,
        "generators": {},
        "warnings": [],
        "gaps": [],
        "trials": 0,
    }


def job(database: Database, id: str) -> dict[str, Any] | None:
    """Everything about a job but its runs; None where there is none."""
    row = database.row("SELECT parent, name, status, started, duration, author FROM jobs WHERE id = ?", (id,))
    if row is None:
        return None
    parent, name, status, begun, duration, author = row
    facts = strands.job_facts(database, id, _TAGS)
    main = next((segment for segment, event in facts if isinstance(event, events.JobStarted)), None)
    own = [event for segment, event in facts if segment == main]
    started = next((event for event in own if isinstance(event, events.JobStarted)), None)
    ended = next((event for event in reversed(own) if isinstance(event, events.JobEnded)), None)
    told = [*(event for segment, event in facts if segment != main), *own]
    sections = {event.section: event.value for event in told if isinstance(event, events.JobFacts)}
    receipts = _latest(facts, events.Receipt)
    digests = _digests(database, id)
    host = next((event.host for _, event in facts if isinstance(event, events.SegmentStarted)), None)
    return {
        "id": id,
        "parent": parent,
        "how": started.how if started else None,
        "name": name,
        "argv": [presented(word) for word in started.argv] if started else [],
        "cwd": presented(started.cwd) if started else None,
        "executable": presented(started.executable) if started else None,
        "host": presented(started.host if started else host),
        "user": author,
        "python": started.python if started else None,
        "platform": started.platform if started else None,
        "autotrack": started.autotrack if started else None,
        "started": begun,
        "duration": duration,
        "status": status,
        "arguments": [given.described(part) for part in given.of(database, id).of_job()],
        **{section: presented(sections.get(section)) for section in SECTIONS},
        "exit": {"code": ended.code, "how": ended.how, "failure": _failure(ended.failure)} if ended else None,
        "files": [
            {**artifact, "made_by": origins.of_file(database, id, artifact)}
            for artifact in (_artifact(segment, event, digests) for segment, event in _files(database, id))
        ],
        "console": _console(database, id),
        "printed": _printed(database, id),
        "steps": _steps(database, id),
        "gaps": [
            *_gaps(event for _, event in facts if isinstance(event, events.GapFound)),
            *_nameless(database, id),
            *_left(event for _, event in facts if isinstance(event, events.SegmentEnded)),
        ],
        "receipt": _receipt(receipts),
        "frameworks": {name: version for receipt in receipts for name, version in receipt.frameworks.items()},
        "overhead": _overhead(facts),
        "tags": {presented(e.name): presented(e.value) for _, e in facts if isinstance(e, events.Tagged)},
    }


def _console(database: Database, job: str) -> list[dict[str, Any]]:
    """What was printed, in the order of time."""
    parts: list[tuple[float, int, str]] = []
    for _, event in strands.job_facts(database, job, ("console",)):
        if event.left_out:
            parts.append((event.time, 0, f"… {event.left_out:,} characters were not kept …\n"))
        parts += [(event.time + after, stream, text) for after, stream, text in event.parts]
    streams = {0: "gap", 1: "stdout", 2: "stderr"}
    return [
        {"time": time, "stream": streams.get(stream, str(stream)), "text": presented(text)}
        for time, stream, text in sorted(parts, key=lambda part: part[0])
    ]


def _printed(database: Database, job: str) -> dict[str, dict[str, Any]]:
    """What was printed outside of any training, where nobody knows of which run it was."""
    sql = "SELECT strand FROM strands WHERE job = ? AND kind = 'printed' AND run = strand"
    found = [strand for (strand,) in database.rows(sql, (job,))]
    group = [] if not found or database.row("SELECT 1 FROM runs WHERE id = ?", (found[0],)) else found
    views = strands.views(database, group)
    return _metrics(strands.metrics_of(views), strands.origins_of(views))


def _latest(facts: Sequence[tuple[str, Any]], kind: type[Any]) -> list[Any]:
    """The last event of a kind in each segment."""
    return list({segment: event for segment, event in facts if isinstance(event, kind)}.values())


def _steps(database: Database, job: str) -> list[dict[str, Any]]:
    """The standalone transformers, in the order of their calls."""
    sql = f"SELECT strand FROM strands WHERE job = ? AND kind = 'step' ORDER BY segment, position LIMIT {STEPS}"
    found = strands.views(database, [strand for (strand,) in database.rows(sql, (job,))])
    return [
        {
            "id": view.id,
            "name": presented(view.started.name),
            "class": presented(view.started.cls),
            "params": {name: presented(value) for name, (value, _) in view.params().items()},
            "seconds": view.ended.seconds if view.ended else None,
        }
        for view in sorted(found, key=lambda view: view.order)
        if view.started is not None
    ]


def _nameless(database: Database, job: str) -> list[dict[str, str]]:
    """The points that belong to no series: the line that names it is damaged."""
    row = database.row("SELECT SUM(count) FROM series WHERE job = ? AND name IS NULL", (job,))
    if row is None or not row[0]:
        return []
    return [{"what": f"{int(row[0])} points", "why": "the line of the journal that names their series is damaged"}]


def _receipt(receipts: Iterable[events.Receipt]) -> list[dict[str, Any]]:
    total: dict[str, dict[str, Any]] = {}
    for receipt in receipts:
        for patch in receipt.patches:
            new = {"patch": patch.patch, "attached": False, "fired": 0, "failed": 0, "off": False, "why": ""}
            entry = total.setdefault(patch.patch, new)
            entry["attached"] = entry["attached"] or patch.attached
            entry["fired"] += patch.fired
            entry["failed"] += patch.failed
            if patch.off or not entry["off"]:
                entry["why"] = presented(patch.why) if patch.off else entry["why"] or presented(patch.why)
            entry["off"] = entry["off"] or patch.off
    return list(total.values())


def _overhead(facts: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    by: dict[str, float] = defaultdict(float)
    overheads: list[events.Overhead] = _latest(facts, events.Overhead)
    for overhead in overheads:
        for name, seconds in overhead.by.items():
            by[presented(name)] += seconds
    ends = [event.seconds for event in _latest(facts, events.SegmentEnded) if event.seconds is not None]
    processes = len({segment for segment, event in facts if isinstance(event, events.SegmentStarted)})
    known = bool(overheads)
    return {
        "seconds": sum(by.values()) if known else None,
        "by": dict(by),
        "background": sum(overhead.background for overhead in overheads) if known else None,
        "end": max(ends, default=None),
        "bytes": sum(overhead.bytes for overhead in overheads) if known else None,
        "processes": processes,
        "unknown": max(processes - len(overheads), 0),
    }


def _digests(database: Database, job: str) -> Digests:
    found = strands.job_facts(database, job, ("artifact_digest",))
    return {(segment, event.artifact): event for segment, event in found}


def _artifact(segment: str, event: Any, digests: Digests) -> dict[str, Any]:
    digested = digests.get((segment, event.artifact))
    return {
        "path": presented(event.path),
        "mode": event.mode,
        "digest": digested.digest if digested else None,
        "bytes": digested.bytes if digested else None,
        "kind": event.kind,
        "step": event.step,
        "model": event.model or (digested.model if digested else None),
    }


def _metrics(found: Mapping[str, Statistics], origins: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "origin": (origins or {}).get(name, "framework"),
            "last": presented(nan(last)),
            "min": low,
            "max": high,
            "count": count,
            "first_step": first,
            "last_step": last_step,
        }
        for name, (last, low, high, count, first, last_step) in sorted(found.items())
    }


def _identities(dataset: events.Dataset) -> Iterator[str]:
    for part in (dataset, *dataset.parts):
        if part.id is not None:
            yield part.id


def _described(dataset: events.Dataset, profile_of: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": presented(dataset.name),
        "id": dataset.id,
        "method": dataset.method,
        "seen": dataset.seen,
        "kind": dataset.kind,
        "rows": dataset.rows,
        "columns": dataset.columns,
        "bytes": dataset.bytes,
        "schema": [[presented(name), kind] for name, kind in dataset.schema],
        "profile": profile_of.get(dataset.id) if dataset.id is not None else None,
        "parts": [_described(part, profile_of) for part in dataset.parts],
    }


def _model(database: Database, event: events.StrandModel, run: str) -> dict[str, Any]:
    return {
        "class": presented(event.cls),
        "id": event.id,
        "parameters": event.parameters,
        "kept": event.kept,
        "bytes": event.bytes,
        "trained_by": [id for (id,) in database.rows(_TRAINERS, (event.id, run))],
    }


def _gaps(gaps: Iterable[events.GapFound]) -> list[dict[str, str]]:
    return [{"what": presented(gap.what), "why": presented(gap.why)} for gap in gaps]


def _left(ends: Iterable[events.SegmentEnded]) -> list[dict[str, str]]:
    """What processes could not finish before they ended."""
    why = "it was not finished when the process ended; AUTOTRACK_EXIT_TIMEOUT is how many seconds it may take"
    return [{"what": what, "why": why} for what in dict.fromkeys(presented(one) for end in ends for one in end.left)]


def _failure(failure: events.Failure | None) -> dict[str, str] | None:
    if failure is None:
        return None
    fields = {"type": failure.type, "message": failure.message, "traceback": failure.traceback}
    return {name: presented(value) for name, value in fields.items()}
