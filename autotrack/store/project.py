"""From facts to runs: what people list and compare is made of a job's strands, and made again when more is known.

A strand of kind `step` is no run; one that the user's run owns is part of that run; every other is a run of its
own, under the strand's id.  The candidates of a search are nested runs `<search>.<index>`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from autotrack import events
from autotrack.journal.process import machine
from autotrack.store.database import Database
from autotrack.store.present import number_of, presented, text_of

JOB_FACTS = ("packages", "git", "seeds")


def project(database: Database, job: str, strands: set[str], alive: dict[str, bool], *, changed: bool) -> None:
    """Project the runs that these strands are part of, those whose process has gone, and the job."""
    gone = [name for name, lives in alive.items() if not lives]
    unfinished = [
        (strand, run)
        for strand, segment, run in database.rows(
            "SELECT strand, segment, run FROM strands WHERE job = ? AND ended = 0", (job,)
        )
        if segment in gone
    ]
    touched = strands | {strand for strand, _ in unfinished}
    if not changed and not unfinished:
        return
    view = _JobView(database, job, alive)
    runs = {row[0] for row in database.within("SELECT run FROM strands WHERE strand IN ({in})", sorted(touched))}
    view.write_runs(sorted(runs))
    view.write_job()
    database.executemany("UPDATE strands SET ended = 1 WHERE strand = ?", [(strand,) for strand, _ in unfinished])


class _JobView:
    """A job while its runs are written."""

    def __init__(self, database: Database, job: str, alive: dict[str, bool]) -> None:
        self._database, self._job, self._alive = database, job, alive
        facts = database.rows(
            "SELECT segment, position, body FROM facts WHERE job = ? AND strand IS NULL ORDER BY segment, position",
            (job,),
        )
        self._facts = [(segment, events.decode(body)) for segment, _, body in facts]
        self._started = self._last(events.JobStarted)
        self._digests = {
            (segment, event.artifact): event
            for segment, event in self._facts
            if isinstance(event, events.ArtifactDigested)
        }
        self._machines = {
            segment: event.machine for segment, event in self._facts if isinstance(event, events.SegmentStarted)
        }

    def _last(self, kind: type[Any]) -> Any:
        found = [event for _, event in self._facts if isinstance(event, kind)]
        return found[-1] if found else None

    # Runs

    def write_runs(self, runs: Sequence[str]) -> None:
        database = self._database
        members: dict[str, list[str]] = defaultdict(list)
        for strand, run in database.within("SELECT strand, run FROM strands WHERE run IN ({in})", runs):
            members[run].append(strand)
        strands = [strand for group in members.values() for strand in group]
        facts: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        sql = "SELECT strand, segment, body FROM facts WHERE strand IN ({in}) ORDER BY segment, position"
        for strand, segment, body in database.within(sql, strands):
            facts[strand].append((segment, events.decode(body)))
        series: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        sql = (
            "SELECT strand, name, origin, count, low, high, last, last_time, first_step, last_step, segment, series "
            "FROM series WHERE strand IN ({in}) AND count > 0 ORDER BY segment, series"
        )
        for row in database.within(sql, strands):
            series[row[0]].append(row[1:])
        for table in ("params", "metrics", "tags"):
            database.executemany(f"DELETE FROM {table} WHERE run = ?", [(run,) for run in runs])
        for run in runs:
            group = [_StrandView(strand, facts[strand], series[strand]) for strand in members[run] if facts[strand]]
            group.sort(key=lambda view: view.started.time if view.started else 0.0)
            root = next((view for view in group if view.id == run), None)
            if root is not None and root.started is not None and root.started.kind != "step":
                self._write_run(root, group)

    def _write_run(self, root: _StrandView, group: list[_StrandView]) -> None:
        assert root.started is not None
        started = root.started
        params = _qualified([(view, view.params()) for view in group], same=lambda one, other: one[0] == other[0])
        metrics = _qualified([(view, view.metrics()) for view in group], same=lambda one, other: False)
        status, duration = self._status(root, group)
        trials = [event for view in group for event in view.of(events.StrandTrial)]
        row = {
            "id": root.id,
            "job": self._job,
            "name": started.name,
            "framework": started.framework or next((v.started.framework for v in group[1:] if v.started), ""),
            "kind": started.kind,
            "status": status,
            "started": started.time,
            "duration": duration,
            "author": self._started.user if self._started else None,
            "parent": started.parent,
        }
        detail = {
            "params": [{"name": n, "value": presented(v), "source": source} for n, (v, source) in params.items()],
            "datasets": [_dataset(event) for view in group for event in view.datasets()],
            "model": next(
                (_model(event) for view in reversed(group) for event in view.of(events.StrandModel)[-1:]), None
            ),
            "artifacts": [self._artifact(*seen) for view in group for seen in view.artifacts()],
            "summary": {
                n: presented(v) for view in group for e in view.of(events.StrandSummary) for n, v in e.values.items()
            },
            "failure": _failure(root.failure),
            "gaps": [
                {"what": presented(e.what), "why": presented(e.why)} for v in group for e in v.of(events.GapFound)
            ],
            "trials": len(trials),
        }
        tags = {event.name: event.value for view in group for event in view.of(events.Tagged)}
        self._put(row, {name: value for name, (value, _) in params.items()}, metrics, tags, detail)
        for trial in trials:
            self._write_trial(row, trial)

    def _write_trial(self, parent: dict[str, Any], trial: events.StrandTrial) -> None:
        row = {
            **parent,
            "id": f"{parent['id']}.{trial.index}",
            "name": f"{parent['name']}[{trial.index}]",
            "kind": "trial",
            "status": trial.status,
            "duration": trial.duration,
            "parent": parent["id"],
        }
        self._database.execute("DELETE FROM params WHERE run = ?", (row["id"],))
        self._database.execute("DELETE FROM metrics WHERE run = ?", (row["id"],))
        params = {param.name: param.value for param in trial.params}
        metrics = {name: _single(value) for name, value in trial.metrics.items()}
        detail: dict[str, Any] = {
            "params": [{"name": p.name, "value": presented(p.value), "source": p.source} for p in trial.params],
            "datasets": [], "model": None, "artifacts": [], "summary": {}, "failure": None, "gaps": [], "trials": 0,
        }  # fmt: skip
        self._put(row, params, metrics, {}, detail)

    def _put(
        self,
        row: dict[str, Any],
        params: dict[str, Any],
        metrics: dict[str, tuple[Any, ...]],
        tags: dict[str, Any],
        detail: dict[str, Any],
    ) -> None:
        run = row["id"]
        lists = {
            "params": json.dumps({name: presented(value) for name, value in params.items()}),
            "metrics": json.dumps({name: presented(_float(stats[0])) for name, stats in metrics.items()}),
            "detail": json.dumps(detail),
        }
        columns = {**row, **lists}
        self._database.put("runs", ", ".join(columns), [tuple(columns.values())], "id")
        described = [(run, name, number_of(value), text_of(value)) for name, value in params.items()]
        self._database.put("params", "run, name, number, text", described, "run, name")
        self._database.put(
            "metrics",
            "run, name, last, low, high, count, first_step, last_step",
            [(run, name, *stats) for name, stats in metrics.items()],
            "run, name",
        )
        write_tags(self._database, run, tags)

    def _status(self, root: _StrandView, group: list[_StrandView]) -> tuple[str, float | None]:
        if root.ended is not None:
            return root.ended.status, root.ended.seconds
        if self._alive.get(root.segment):
            return "running", None
        assert root.started is not None
        last = max(view.last_time for view in group)
        return self._gone(root.segment), max(last - root.started.time, 0.0)

    def _gone(self, segment: str) -> str:
        """`crashed` where the machine has been started again since, else `killed`."""
        theirs, ours = self._machines.get(segment, ""), machine()
        started = next((e for s, e in self._facts if s == segment and isinstance(e, events.SegmentStarted)), None)
        import socket

        same_host = started is not None and started.host == socket.gethostname()
        return "crashed" if same_host and theirs.split("/")[0] != ours.split("/")[0] else "killed"

    def _artifact(self, segment: str, event: events.ArtifactSeen) -> dict[str, Any]:
        digested = self._digests.get((segment, event.artifact))
        return {
            "path": presented(event.path),
            "mode": event.mode,
            "digest": digested.digest if digested else None,
            "bytes": digested.bytes if digested else None,
            "kind": event.kind,
            "step": event.step,
            "model": event.model,
        }

    # The job

    def write_job(self) -> None:
        started = self._started
        if started is None:
            return
        ended = self._last(events.JobEnded)
        main = next((s for s, e in self._facts if isinstance(e, events.SegmentStarted) and e.role == "main"), "")
        duration: float | None = None
        if ended is not None:
            status, duration = "finished" if ended.code == 0 else "failed", ended.time - started.time
        elif self._alive.get(main):
            status = "running"
        else:
            status = self._gone(main)
        sections = {event.section: event.value for _, event in self._facts if isinstance(event, events.JobFacts)}
        artifacts = self._database.rows(
            "SELECT segment, body FROM facts WHERE job = ? AND tag = 'artifact' ORDER BY segment, position",
            (self._job,),
        )
        detail = {
            "id": self._job,
            "parent": started.parent,
            "how": started.how,
            "name": presented(started.name),
            "argv": [presented(word) for word in started.argv],
            "cwd": presented(started.cwd),
            "executable": presented(started.executable),
            "host": presented(started.host),
            "user": presented(started.user),
            "python": started.python,
            "platform": started.platform,
            "autotrack": started.autotrack,
            "started": started.time,
            "duration": duration,
            "status": status,
            **{name: presented(sections.get(name)) for name in JOB_FACTS},
            "exit": {"code": ended.code, "how": ended.how, "failure": _failure(ended.failure)} if ended else None,
            "files": [self._artifact(segment, events.decode(body)) for segment, body in artifacts],
            "console": None,
            "steps": self._steps(),
            "gaps": [
                {"what": presented(event.what), "why": presented(event.why)}
                for _, event in self._facts
                if isinstance(event, events.GapFound)
            ],
            "receipt": self._receipt(),
            "frameworks": self._frameworks(),
            "overhead": self._overhead(),
            "tags": {e.name: presented(e.value) for _, e in self._facts if isinstance(e, events.Tagged)},
        }
        columns = "id, parent, name, status, started, duration, author, detail"
        values = (
            self._job,
            started.parent,
            started.name,
            status,
            started.time,
            duration,
            started.user,
            json.dumps(detail),
        )
        self._database.put("jobs", columns, [values], "id")

    def _steps(self) -> list[dict[str, Any]]:
        """The standalone transformers, in the order of their calls; the first hundred."""
        ids = self._database.rows("SELECT strand FROM strands WHERE job = ? AND kind = 'step' LIMIT 100", (self._job,))
        facts: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        sql = "SELECT strand, segment, body FROM facts WHERE strand IN ({in}) ORDER BY segment, position"
        for strand, segment, body in self._database.within(sql, [strand for (strand,) in ids]):
            facts[strand].append((segment, events.decode(body)))
        views = [_StrandView(strand, found, []) for strand, found in facts.items()]
        views.sort(key=lambda view: view.started.time if view.started else 0.0)
        return [
            {
                "id": view.id,
                "name": presented(view.started.name),
                "class": presented(view.started.cls),
                "params": {name: presented(value) for name, (value, _) in view.params().items()},
                "seconds": view.ended.seconds if view.ended else None,
            }
            for view in views
            if view.started is not None
        ]

    def _latest(self, kind: type[Any]) -> list[Any]:
        """The last event of a kind in each segment."""
        return list({segment: event for segment, event in self._facts if isinstance(event, kind)}.values())

    def _receipt(self) -> list[dict[str, Any]]:
        total: dict[str, dict[str, Any]] = {}
        for receipt in self._latest(events.Receipt):
            for patch in receipt.patches:
                entry = total.setdefault(
                    patch.patch, {"patch": patch.patch, "attached": False, "fired": 0, "failed": 0, "why": ""}
                )
                entry["attached"] = entry["attached"] or patch.attached
                entry["fired"] += patch.fired
                entry["failed"] += patch.failed
                entry["why"] = entry["why"] or presented(patch.why)
        return list(total.values())

    def _frameworks(self) -> dict[str, str]:
        return {
            name: version for receipt in self._latest(events.Receipt) for name, version in receipt.frameworks.items()
        }

    def _overhead(self) -> dict[str, Any]:
        by: dict[str, float] = defaultdict(float)
        for overhead in self._latest(events.Overhead):
            for name, seconds in overhead.by.items():
                by[name] += seconds
        return {"seconds": sum(by.values()), "by": dict(by)}


class _StrandView:
    """A strand with its facts, and its series as (name, origin, count, low, high, last, last time, first step,
    last step, segment, number)."""

    def __init__(self, id: str, facts: list[tuple[str, Any]], series: list[tuple[Any, ...]]) -> None:
        self.id, self._facts, self._series = id, facts, series
        self.segment = facts[0][0] if facts else ""
        started = self.of(events.StrandStarted)
        self.started: events.StrandStarted | None = started[0] if started else None
        if self.started is not None:
            self.segment = next(s for s, e in facts if e is self.started)
        ended = self.of(events.StrandEnded)
        self.ended: events.StrandEnded | None = ended[-1] if ended else None
        self.failure = self.ended.failure if self.ended is not None else None

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for _, event in self._facts if isinstance(event, kind)]

    @property
    def last_time(self) -> float:
        times = [event.time for _, event in self._facts] + [row[6] for row in self._series if row[6] is not None]
        return max(times, default=0.0)

    def params(self) -> dict[str, tuple[Any, str]]:
        return {p.name: (p.value, p.source) for e in self.of(events.StrandParams) for p in e.params}

    def metrics(self) -> dict[str, tuple[Any, ...]]:
        """Last, least, greatest, count, first and last step of each series; a series that several processes
        wrote is one."""
        merged: dict[str, tuple[Any, ...]] = {}
        times: dict[str, float] = {}
        for name, _, count, low, high, last, last_time, first, last_step, *_ in self._series:
            if name in merged:
                other = merged[name]
                newest = (last, last_step) if last_time >= times[name] else (other[0], other[5])
                lows = [value for value in (low, other[1]) if value is not None]
                highs = [value for value in (high, other[2]) if value is not None]
                merged[name] = (
                    newest[0],
                    min(lows, default=None),
                    max(highs, default=None),
                    count + other[3],
                    min(first, other[4]),
                    newest[1],
                )
            else:
                merged[name] = (last, low, high, count, first, last_step)
            times[name] = max(last_time, times.get(name, 0.0))
        return merged

    def datasets(self) -> Iterable[events.StrandDataset]:
        return {event.number: event for event in self.of(events.StrandDataset)}.values()

    def artifacts(self) -> list[tuple[str, events.ArtifactSeen]]:
        return [(segment, event) for segment, event in self._facts if isinstance(event, events.ArtifactSeen)]


def _qualified(groups: list[tuple[_StrandView, dict[str, Any]]], *, same: Callable[[Any, Any], bool]) -> dict[str, Any]:
    """The names of several strands in one run: those of the first as they are, others that mean something else
    under the same name as `Class.name`, further ones of the class as `Class#2.name`."""
    merged: dict[str, Any] = {}
    for view, named in groups:
        prefix = ""
        if any(name in merged and not same(merged[name], value) for name, value in named.items()):
            label = (view.started.cls.rsplit(".", 1)[-1] or view.started.name) if view.started else view.id
            number = 1
            while any(f"{_prefix(label, number)}{name}" in merged for name in named):
                number += 1
            prefix = _prefix(label, number)
        for name, value in named.items():
            if name in merged and same(merged[name], value):
                continue
            merged[prefix + name if name in merged else name] = value
    return merged


def _prefix(label: str, number: int) -> str:
    return f"{label}." if number == 1 else f"{label}#{number}."


def series_names(groups: list[tuple[str, str, list[str]]]) -> dict[tuple[str, str], str]:
    """(strand, series name) to the name in the run, by the rule of `_qualified`.  `groups`: (strand, class or
    name, names) in the order of beginning."""
    merged: dict[str, Any] = {}
    found: dict[tuple[str, str], str] = {}
    for strand, label, names in groups:
        prefix = ""
        if any(name in merged for name in names):
            number = 1
            while any(f"{_prefix(label, number)}{name}" in merged for name in names):
                number += 1
            prefix = _prefix(label, number)
        for name in names:
            chosen = prefix + name if name in merged else name
            merged[chosen] = True
            found[strand, name] = chosen
    return found


def write_tags(database: Database, run: str, recorded: dict[str, Any] | None = None) -> None:
    """The tags of a run: those recorded, then those edited.  `recorded` None: as they were."""
    row = database.row("SELECT detail FROM runs WHERE id = ?", (run,))
    detail = json.loads(row[0]) if row is not None and row[0] else {}
    tags = detail.get("recorded_tags", {}) if recorded is None else {n: presented(v) for n, v in recorded.items()}
    hidden, note = 0, None
    shown = dict(tags)
    edits = database.rows("SELECT what, name, value FROM edits WHERE target = ? ORDER BY time", (run,))
    for what, name, value in edits:
        if what == "tag":
            edit = json.loads(value)
            if edit is None:
                shown.pop(name, None)
            else:
                shown[name] = edit
        elif what == "hidden":
            hidden = int(json.loads(value))
        elif what == "note":
            note = json.loads(value)
    detail["recorded_tags"], detail["note"] = tags, note
    database.execute("DELETE FROM tags WHERE run = ?", (run,))
    described = [(run, name, number_of(value), text_of(value)) for name, value in shown.items()]
    database.put("tags", "run, name, number, text", described, "run, name")
    database.execute(
        "UPDATE runs SET tags = ?, hidden = ?, detail = ? WHERE id = ?",
        (json.dumps(shown), hidden, json.dumps(detail), run),
    )


def _single(value: Any) -> tuple[Any, ...]:
    """A value as a series of one point."""
    number = number_of(value)
    return number, number, number, 1, 0, 0


def _float(value: float | None) -> float:
    return float("nan") if value is None else value


def _dataset(event: events.StrandDataset) -> dict[str, Any]:
    return {"role": event.role, **_described(event.dataset)}


def _described(dataset: events.Dataset) -> dict[str, Any]:
    return {
        "name": presented(dataset.name),
        "id": dataset.id,
        "method": dataset.method,
        "kind": dataset.kind,
        "rows": dataset.rows,
        "columns": dataset.columns,
        "bytes": dataset.bytes,
        "schema": [[presented(name), kind] for name, kind in dataset.schema],
        "parts": [_described(part) for part in dataset.parts],
    }


def _model(event: events.StrandModel) -> dict[str, Any]:
    return {
        "class": presented(event.cls),
        "id": event.id,
        "parameters": event.parameters,
        "kept": event.kept,
        "bytes": event.bytes,
    }


def _failure(failure: events.Failure | None) -> dict[str, str] | None:
    if failure is None:
        return None
    fields = {"type": failure.type, "message": failure.message, "traceback": failure.traceback}
    return {name: presented(value) for name, value in fields.items()}
