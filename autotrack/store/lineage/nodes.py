"""The nodes of a lineage, made of rows of the store as they are met."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from autotrack import events
from autotrack.identity.files import digest_bytes
from autotrack.store.database import Database
from autotrack.store.lineage.graph import Lineage, Node
from autotrack.store.present import presented
from autotrack.values import storable

SKEW = 2.0
"""Seconds by which the clocks of two machines may differ."""
NEAR = 0.05
"""Seconds by which what two processes of one machine say may differ: the clock of a file system is not exact."""
FANOUT = 200
"""Things of one kind that are followed from one thing, unless everything is asked for."""
PLACES = 20
"""Paths of a file that are named."""
SEEN = 1_000
"""Readers, and writers, of a file that are looked at for its paths: the last ones."""
EVER = 1e18
"""Seconds since the epoch."""
AMONG = 50
"""Files of about the time in question that are looked at."""
EMPTY = f"blake3:{digest_bytes(b'')}"
"""The digest of every empty file: these are known by their paths alone."""
AT_PATH = "substr(files.path, 1, 600) = substr(?, 1, 600) AND files.path || '' = ?"
"""As the index of paths has them; the path is given twice.  (SQLite puts the value of a bare `path = ?` into the other
term as well, which then is that of the index no more.)"""

_FILES = """SELECT files.job, files.segment, files.artifact, files.path, files.mode, files.kind, files.step, files.time,
    files.digest, files.bytes, files.model, strands.run
    FROM files LEFT JOIN strands ON strands.strand = files.strand WHERE """
_RUNS = """SELECT id, job, name, framework, kind, status, started, duration, author, parent, params, metrics, model
    FROM runs WHERE """
_DATASETS = """SELECT strands.run, data, role, part, name, method, datasets.kind, row_count, column_count
    FROM datasets JOIN strands ON strands.strand = datasets.strand WHERE """


class File(NamedTuple):
    """A file as a job saw it, and the run that it belongs to."""

    job: str
    segment: str
    artifact: int
    path: str
    mode: str
    kind: str
    step: int | None
    time: float | None
    digest: str | None
    bytes: int | None
    model: str | None
    run: str | None

    @property
    def node(self) -> str:
        return f"file:{self.digest or f'{self.job}/{self.segment}/{self.artifact}'}"

    @property
    def moment(self) -> float:
        return self.time if self.time is not None else 0.0

    @property
    def at(self) -> Moment:
        return Moment(self.moment, (self.job, self.segment))


class Moment(NamedTuple):
    """A time, and by whose clock: that of a segment of a job."""

    time: float
    segment: tuple[str, str] | None = None

    def slack(self, other: tuple[str, str] | None) -> float:
        """Seconds by which a time of another clock may differ from this."""
        if self.segment is None or other is None:
            return SKEW
        if self.segment == other:
            return 0.0
        machines = [segment.rsplit("-", 2)[0] for _, segment in (self.segment, other)]
        return NEAR if machines[0] == machines[1] else SKEW

    def not_before(self, other: Moment) -> bool:
        """Whether the other one may have been first, or the same."""
        return other.time <= self.time or other.time <= self.time + self.slack(other.segment)


class Used(NamedTuple):
    """A dataset of a run, or a part of one."""

    run: str
    data: str | None
    role: str
    part: int
    name: str | None
    method: str
    kind: str
    rows: int | None
    columns: int | None


class Nodes:
    """Makes nodes in `found`; `everything`: however many there are."""

    def __init__(self, database: Database, found: Lineage, *, everything: bool = False) -> None:
        self.database, self.found = database, found
        self.undigested: dict[str, File] = {}
        """The files whose content is not known, by their nodes."""
        self._fanout = None if everything else FANOUT
        self._folders = database.row("SELECT 1 FROM files WHERE kind = 'folder' LIMIT 1") is not None

    def limited(self, rows: Sequence[Any]) -> Sequence[Any]:
        """As many as are followed."""
        if self._fanout is None or len(rows) <= self._fanout:
            return rows
        self.found.left_out += len(rows) - self._fanout
        return rows[: self._fanout]

    def add(self, id: str, kind: str, **about: Any) -> str:
        if id not in self.found.nodes:
            self.found.nodes[id] = {"id": id, "kind": kind, **about}
        return id

    def file(self, digest: str, path: str | None, size: int | None, model: str | None = None) -> str:
        """A file of this digest, which lies at `path` now, whichever jobs know of it; `model`: that in it."""
        node = self.add(f"file:{digest}", "file", digest=digest, bytes=size, paths=[])
        if path is not None:
            self._at(node, storable(path), size, model)
        # There may be a hundred thousand who have read it, but not as many who have from elsewhere.
        sql = "SELECT time, path, bytes FROM files WHERE digest = ? AND mode = ? ORDER BY time DESC LIMIT ?"
        rows = [row for mode in ("written", "read") for row in self.database.rows(sql, (digest, mode, SEEN))]
        for _, place, bytes_ in sorted(rows, key=lambda row: row[0] or 0.0, reverse=True):
            self._at(node, place, bytes_, None)
        for held in self._models_in(digest):
            self._holds(node, held)
        return node

    def _models_in(self, digest: str) -> Iterator[str]:
        """What those have told who met files of this content: a look into the index for each."""
        sql = "SELECT model FROM files WHERE digest = ? AND model IS NOT NULL AND model > ? ORDER BY model LIMIT 1"
        row = self.database.row(sql, (digest, ""))
        while row is not None:
            yield row[0]
            row = self.database.row(sql, (digest, row[0]))

    def seen(self, file: File) -> str:
        """A file, with the place where a job saw it and the model that it holds."""
        node = self.add(file.node, "file", digest=file.digest, bytes=file.bytes, paths=[])
        self._at(node, file.path, file.bytes, file.model)
        if file.digest is None:
            self.undigested[node] = file
        return node

    def _at(self, node: str, path: str, size: int | None, model: str | None) -> None:
        about, path = self.found.nodes[node], presented(path)
        if path not in about["paths"] and len(about["paths"]) < PLACES:
            about["paths"].append(path)
        if about["bytes"] is None:
            about["bytes"] = size
        if model is not None:
            self._holds(node, model)

    def _holds(self, node: str, model: str) -> None:
        self.found.nodes[node]["model"] = model
        self.found.join("holds", node, self.model(model))

    def model(self, identity: str) -> str:
        return self.add(f"model:{identity}", "model", identity=identity)

    def data(self, identity: str, **about: Any) -> str:
        node = self.add(f"data:{identity}", "data", identity=identity)
        self.found.nodes[node].update(about)
        return node

    def held_by(self, about: Node) -> str | None:
        """The model in a file, as whoever met a file of its content has told."""
        if about["kind"] != "file" or about.get("model") is not None or about["digest"] is None:
            return about.get("model")
        sql = "SELECT model FROM files WHERE digest = ? AND mode = 'written' AND model IS NOT NULL LIMIT 1"
        row = self.database.row(sql, (about["digest"],))
        return row[0] if row is not None else None

    def known_data(self, identity: str) -> str:
        """Data by its identity, whichever run used it: a dataset or a part of one."""
        for used in self.used("data = ? ORDER BY part LIMIT 1", identity):
            self.data(identity, **described(used))
        return self.data(identity)

    def data_of(self, run: str) -> None:
        """The data that a run used, with the names of its parts."""
        whole: Node | None = None
        for used in self.used("strands.run = ? ORDER BY datasets.strand, role, number, part", run):
            if used.part == 0:
                whole = None
                if used.data is not None:
                    whole = self.found.nodes[self.data(used.data, **described(used))]
                    self.found.join("used", f"run:{run}", whole["id"], role=used.role)
            elif whole is not None and used.data is not None:
                whole.setdefault("parts", {})[used.data] = presented(used.name)

    def run(self, id: str) -> Node | None:
        """A run, its job and its author; None where there is none."""
        known = self.found.nodes.get(f"run:{id}")
        if known is not None:
            return known
        row = self.database.row(f"{_RUNS} id = ?", (id,))
        return self._run(row) if row is not None else None

    def _run(self, row: Sequence[Any]) -> Node:
        id, job, name, framework, kind, status, started, duration, author, parent, params, metrics, model = row
        node = self.add(
            f"run:{id}", "run", run=id, job=job, name=name, framework=framework, type=kind, status=status,
            started=started, duration=duration, user=author, parent=parent, params=json.loads(params),
            metrics=json.loads(metrics), model=model,
        )  # fmt: skip
        self.found.join("part_of", node, self.job(job))
        return self.found.nodes[node]

    def job(self, id: str) -> str:
        """A job, its author, and what started it."""
        node = f"job:{id}"
        sql = "SELECT name, status, started, duration, author, parent FROM jobs WHERE id = ?"
        row = self.database.row(sql, (id,)) if node not in self.found.nodes else None
        if row is not None:
            name, status, started, duration, author, parent = row
            self.add(node, "job", job=id, name=name, status=status, started=started, duration=duration, user=author)
            if author:
                self.found.join("by", node, self.add(f"person:{author}", "person", name=author))
            if parent and self.database.row("SELECT 1 FROM jobs WHERE id = ?", (parent,)):
                self.found.join("started_by", node, self.job(parent))
        return node

    def activity(self, file: File) -> str:
        """The run that read or wrote a file, or else the job."""
        run = self.run(file.run) if file.run is not None else None
        return str(run["id"]) if run is not None else self.job(file.job)

    def describe_jobs(self) -> None:
        """What each of the jobs was started with, and of which code."""
        jobs = [about["job"] for about in self.found.nodes.values() if about["kind"] == "job"]
        sql = """SELECT job, tag, body FROM facts WHERE strand IS NULL AND job IN ({in}) AND (tag = 'job_started'
            OR (tag = 'job_facts' AND instr(body, '"section":"git"') > 0)) ORDER BY job, segment, position"""
        for job, _, body in self.database.within(sql, jobs):
            about, event = self.found.nodes[f"job:{job}"], events.decode(body)
            if isinstance(event, events.JobStarted):
                told = {"argv": list(event.argv), "cwd": event.cwd, "host": event.host, "python": event.python}
                about.update({name: presented(value) for name, value in told.items()})
            elif isinstance(event, events.JobFacts) and event.value:
                about["git"] = {name: presented(event.value.get(name)) for name in ("commit", "branch", "dirty")}

    # Rows

    def files(self, condition: str, values: Sequence[Any]) -> list[File]:
        return [File(*row) for row in self.database.rows(_FILES + condition, values)]

    def first_files(self, condition: str, values: Sequence[Any], order: str = "files.time") -> list[File]:
        """As `limited`, without reading the others."""
        return [
            File(*row) for row in self._first(_FILES, "SELECT COUNT(*) FROM files WHERE ", condition, values, order)
        ]

    def first_readers(self, condition: str, values: Sequence[Any], since: Moment) -> list[File]:
        """Of these files the first since then of each run, or job where none was open: of as many as are followed."""
        found: dict[tuple[str, str | None], File] = {}
        condition, values = f"{condition} AND (files.time >= ? OR files.time IS NULL)", (*values, since.time - SKEW)
        for file in self._in_order(condition, values):
            if file.moment >= since.time or file.at.not_before(since):
                found.setdefault((file.job, file.run), file)
            if self._fanout is not None and len(found) > self._fanout:
                found.popitem()
                in_all = self.database.row(f"SELECT COUNT(DISTINCT files.job) FROM files WHERE {condition}", values)
                jobs = {job for job, _ in found}
                self.found.left_out += max(in_all[0] - len(jobs), 1) if in_all is not None else 1
                break
        return list(found.values())

    def _in_order(self, condition: str, values: Sequence[Any]) -> Iterator[File]:
        """By their times, read a part at a time: the first ones are enough, unless one job has read the same again and
        again."""
        size, start = SEEN, 0
        while size:
            order = f"ORDER BY files.time, files.job, files.segment, files.artifact LIMIT {size} OFFSET {start}"
            files = self.files(f"{condition} {order}", values)
            yield from files
            start, size = start + size, 4 * size if len(files) == size else 0

    def _first(
        self, select: str, count: str, condition: str, values: Sequence[Any], order: str
    ) -> list[tuple[Any, ...]]:
        if self._fanout is None:
            return self.database.rows(f"{select}{condition} ORDER BY {order}", values)
        rows = self.database.rows(f"{select}{condition} ORDER BY {order} LIMIT {self._fanout + 1}", values)
        if len(rows) > self._fanout:
            in_all = self.database.row(count + condition, values)
            assert in_all is not None
            self.found.left_out += in_all[0] - self._fanout
        return rows[: self._fanout]

    def last(
        self, condition: str, values: Iterable[Any], before: Moment, *, path: str = "", but: Collection[File] = ()
    ) -> File | None:
        """The last of these files that was there by then, but for some; before all others those at `path`.  One that
        was there only a little later, by another clock, where there is none."""
        latest = "(files.path = ?) DESC, files.time DESC, files.artifact DESC"
        sql = f"{condition} AND files.time <= ? ORDER BY {latest} LIMIT ?"
        found = self.files(sql, (*values, before.time, path, len(but) + 1))
        if before.time < EVER and all(file in but for file in found):
            sql = f"{condition} AND files.time > ? AND files.time <= ? ORDER BY files.time, files.artifact LIMIT ?"
            found = self.files(sql, (*values, before.time, before.time + SKEW, AMONG))
        return next((file for file in found if file not in but and before.not_before(file.at)), None)

    def folders_of(self, digest: str, path: str, mode: str, since: Moment, before: Moment) -> list[File]:
        """The folder in which a file lies, as the jobs of its project have met it as one in this time."""
        folder = os.path.dirname(path)
        if not path or "://" in path or self._folders is False:
            return []
        return self._met(AT_PATH, [folder, folder], "= 'folder'", digest, path, mode, since, before)

    def files_below(self, digest: str, path: str, mode: str, since: Moment, before: Moment) -> list[File]:
        """The files in a folder that was met as one, as the jobs of its project have met them in this time."""
        begin = os.path.join(path, "")
        if "-manifest:" not in digest or len(begin) >= 600:
            return []
        below = "substr(files.path, 1, 600) BETWEEN ? AND ?"
        return self._met(below, [begin, begin + chr(0x10FFFF)], "<> ''", digest, path, mode, since, before)

    def _met(
        self, where: str, values: list[str], kind: str, digest: str, path: str, mode: str, since: Moment, before: Moment
    ) -> list[File]:
        projects = (
            "SELECT folder FROM jobs JOIN files AS own ON own.job = jobs.id WHERE own.digest = ? AND own.path = ?"
        )
        sql = f"""{where} AND files.kind {kind} AND files.mode = ? AND files.time >= ? AND files.time <= ?
            AND (SELECT folder FROM jobs WHERE id = files.job) IN ({projects}) ORDER BY files.time DESC"""
        found = self.files(sql, (*values, mode, since.time, before.time, digest, path))
        return list({(file.job, file.path): file for file in reversed(self.limited(found))}.values())

    def copied(self, file: File) -> File | None:
        """What a job had read of the same content before it wrote it."""
        # By the index of jobs: there may be many more who have read this content.
        same = "files.job = ? AND files.digest || '' = ? AND files.mode = 'read' AND files.time <= ?"
        values = (file.job, file.digest, file.moment + SKEW)
        rows = self.files(f"{same} ORDER BY files.time DESC", values)
        return next((read for read in rows if file.at.not_before(read.at)), None)

    def trained_by(self, run: str) -> Moment:
        """When a training had come to its model; what belongs to the run after that is evaluation."""
        row = self.database.row("SELECT body FROM facts WHERE strand = ? AND tag = 'strand_ended'", (run,))
        return Moment(events.decode(row[0]).time if row is not None else EVER, self.segment_of(run))

    def first_use(self, file: File) -> float | None:
        """When the run began that a file is filed under which was read before: it was there for later runs, too.  None
        for one that was read in the midst of a run."""
        row = self.database.row("SELECT started FROM runs WHERE id = ?", (file.run,))
        return row[0] if row is not None and file.moment <= row[0] else None

    def segment_of(self, run: str) -> tuple[str, str] | None:
        """By whose clock the times of a run are."""
        row = self.database.row("SELECT job, segment FROM strands WHERE strand = ?", (run,))
        return (row[0], row[1]) if row is not None else None

    def used(self, condition: str, value: str) -> list[Used]:
        return [Used(*row) for row in self.database.rows(_DATASETS + condition, (value,))]

    def users(self, identity: str) -> list[Used]:
        """As many as are followed of the runs that used data of this identity."""
        count = "SELECT COUNT(*) FROM datasets WHERE "
        return [Used(*row) for row in self._first(_DATASETS, count, "data = ?", (identity,), "datasets.strand")]

    def runs(self, condition: str, values: Sequence[Any], order: str = "started, id") -> list[Node]:
        """As many as are followed."""
        rows = self._first(_RUNS, "SELECT COUNT(*) FROM runs WHERE ", condition, values, order)
        return [self.found.nodes.get(f"run:{row[0]}") or self._run(row) for row in rows]

    def last_run(self, condition: str, values: Sequence[Any]) -> Node | None:
        """The one of these that was started last."""
        row = self.database.row(f"{_RUNS}{condition} ORDER BY started DESC LIMIT 1", values)
        return (self.found.nodes.get(f"run:{row[0]}") or self._run(row)) if row is not None else None


def described(used: Used) -> dict[str, Any]:
    """What is known of a dataset beside its identity."""
    about = {"method": used.method, "type": used.kind, "rows": used.rows, "columns": used.columns}
    return {**about, "name": presented(used.name)}
