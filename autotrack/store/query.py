"""What can be asked of the store, and the JSON that other programs rely on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from autotrack.journal.folder import Folder, on_network
from autotrack.store import edits, schema
from autotrack.store.database import Database, StoreError, connect

if TYPE_CHECKING:
    import numpy


class NotFound(StoreError):
    """There is nothing of that name."""


class Ambiguous(StoreError):
    """More than one thing begins so."""


_LIST = "id, job, name, framework, kind, status, started, duration, author, params, metrics, tags, parent"
_FIRST_LEVEL = "parent IS NULL"
_VISIBLE = "COALESCE(hidden, 0) = 0"


def open_store(folder: Folder, url: str | None = None) -> Store:
    """The store of a folder: embedded (SQLite), or at a URL.  Raises StoreError."""
    return Store(folder, connect(url or f"sqlite:///{_embedded(folder)}"))


def _embedded(folder: Folder) -> str:
    """`store.db`, on a network file system in the node's own cache: SQLite's WAL is not safe there."""
    if not on_network(folder.root):
        if os.path.isdir(folder.root) and not os.access(folder.root, os.W_OK):
            raise StoreError(f"{folder.root} can't be written, so its journals can't be taken in; copy it elsewhere")
        return os.path.abspath(folder.store)
    import hashlib

    from platformdirs import user_cache_dir

    name = hashlib.blake2b(os.path.abspath(folder.root).encode(), digest_size=8).hexdigest()
    return os.path.join(user_cache_dir("autotrack"), f"{name}.db")


class Store:
    """What is recorded in a folder.

    The objects that `runs` returns, also those of `autotrack ls --json`, have the keys `id, job, name, framework,
    kind, status, started` (seconds since the epoch), `duration` (seconds; None while it runs), `user, params`
    (name to value), `metrics` (name to last value), `tags, parent` (id of the run it is nested in).

    That of `run` has besides: `params: [{name, value, source}]`, `metrics: {name: {last, min, max, count,
    first_step, last_step}}`, `datasets: [{role, name, id, method, kind, rows, columns, bytes, schema, parts}]`,
    `model: {class, id, parameters, kept, bytes}`, `artifacts: [{path, mode, digest, bytes, kind, step, model}]`,
    `summary`, `failure: {type, message, traceback}`, `trials` (their number), `note`, `job: {id, argv, cwd, host,
    user, python, packages, git, seeds, exit, files, console, ...}`, `gaps: [{what, why}]`, `receipt: [{patch,
    attached, fired, failed, why}]`, `overhead: {seconds, by}`.

    Status is `running`, `finished`, `failed`, `interrupted`, `killed` (the process is gone without an end) or
    `crashed` (the machine was started again).  Numbers that JSON lacks are "NaN", "Infinity", "-Infinity".
    """

    def __init__(self, folder: Folder, database: Database) -> None:
        self.folder = folder
        self.messages: list[str] = []
        self._database = database
        self._outdated = schema.prepare(database)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    # Taking in

    def refresh(self, wait: float = 0.1) -> bool:
        """Take in what is new.  False where another reader was at it for longer than `wait` seconds: what is
        there can be read all the same."""
        if self._outdated:
            self.rebuild()
            return True
        jobs = sorted(os.listdir(self.folder.live)) if os.path.isdir(self.folder.live) else []
        news = edits.pending(self._database, self.folder)
        if not jobs and not news:
            return True
        return self._ingest(jobs, wait)

    def rebuild(self) -> None:
        """Make the whole store again from the journals and the edits."""
        if not os.path.isdir(self.folder.root):
            return
        jobs = sorted(os.listdir(self.folder.journal)) if os.path.isdir(self.folder.journal) else []
        if not self._ingest(jobs, 60.0, clear=True):
            raise StoreError("another process is taking journals in; try again when it is done")
        self._outdated = False

    def _ingest(self, jobs: list[str], wait: float, *, clear: bool = False) -> bool:
        from filelock import FileLock, Timeout

        from autotrack.store import ingest, project

        try:
            with FileLock(self.folder.lock, timeout=wait):
                if clear:
                    with self._database.transaction():
                        schema.clear(self._database)
                self.messages += ingest.ingest(self._database, self.folder, jobs)
                with self._database.transaction():
                    for run in edits.ingest(self._database, edits.pending(self._database, self.folder)):
                        project.write_tags(self._database, run)
        except Timeout:
            return False
        return True

    def damaged(self) -> list[str]:
        """The segments that are not read to their end, and why."""
        return [message for (message,) in self._database.rows("SELECT message FROM segments WHERE message IS NOT NULL")]

    def known(self) -> dict[tuple[str, str], tuple[int, str]]:
        """(job, segment) to the number of lines taken in and the digest of the last one."""
        rows = self._database.rows("SELECT job, segment, lines, digest FROM segments WHERE message IS NULL")
        return {(job, segment): (lines, digest) for job, segment, lines, digest in rows}

    # Asking

    def runs(
        self,
        where: str | None = None,
        *,
        sort: str | None = None,
        descending: bool = True,
        limit: int | None = None,
        nested: bool = False,
    ) -> list[dict[str, Any]]:
        """Runs as the class's text says, the newest first unless `sort` names a column, parameter or metric.
        Those without it come last.  Raises FilterError."""
        from autotrack.store import filter

        condition, values = self._condition(where, nested)
        expression, order_values = filter.order(sort) if sort else ("started", [])
        direction = "DESC" if descending else "ASC"
        sql = f"SELECT {_LIST} FROM runs WHERE {condition} ORDER BY {expression} {direction} NULLS LAST, id"
        if limit is not None:
            sql += f" LIMIT {int(limit)}"
        return [_listed(row) for row in self._database.rows(sql, [*values, *order_values])]

    def count(self, where: str | None = None, *, nested: bool = False) -> int:
        """Number of runs that a filter lets through."""
        condition, values = self._condition(where, nested)
        row = self._database.row(f"SELECT COUNT(*) FROM runs WHERE {condition}", values)
        assert row is not None
        return int(row[0])

    def _condition(self, where: str | None, nested: bool) -> tuple[str, list[Any]]:
        from autotrack.store import filter

        parts = [_VISIBLE]
        values: list[Any] = []
        if not nested:
            parts.append(_FIRST_LEVEL)
        if where:
            sql, values = filter.where(where)
            parts.append(sql)
        return " AND ".join(parts), values

    def resolve(self, reference: str) -> tuple[Literal["run", "job"], str]:
        """The run or job that an id, a unique prefix, `@last`, `@best:METRIC` or `@best:-METRIC` (the lowest)
        means.  Raises NotFound, Ambiguous."""
        if reference.startswith("@"):
            return "run", self._special(reference)
        queries: tuple[tuple[Literal["run", "job"], str], ...] = (
            ("run", f"SELECT id, name FROM runs WHERE id {{}} AND {_FIRST_LEVEL}"),
            ("run", "SELECT id, name FROM runs WHERE id {}"),
            ("run", "SELECT run, strand FROM strands WHERE strand {} AND kind <> 'step'"),
            ("job", "SELECT id, name FROM jobs WHERE id {}"),
        )
        for kind, sql in queries:
            exact = self._database.rows(sql.format("= ?"), (reference,))
            if exact:
                return kind, exact[0][0]
        pattern = reference.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
        for kind, sql in queries if reference else ():
            found = self._database.rows(sql.format("LIKE ? ESCAPE '!'") + " LIMIT 6", (pattern,))
            if len({row[0] for row in found}) == 1:
                return kind, found[0][0]
            if found:
                names = ", ".join(f"{id} ({name})" for id, name in found[:5])
                raise Ambiguous(f"{reference!r} is the beginning of several {kind}s: {names}; give more of the id")
        raise NotFound(f"there is no run or job {reference!r}; see what there is with: autotrack ls --all")

    def _special(self, reference: str) -> str:
        if reference == "@last":
            found = self.runs(limit=1)
            if not found:
                raise NotFound("there is no run yet; make one with: autotrack run SCRIPT")
            return str(found[0]["id"])
        if reference.startswith("@best:") and len(reference) > 6:
            metric = reference.removeprefix("@best:")
            lowest = metric.startswith("-")
            row = self._database.row(
                "SELECT run FROM metrics JOIN runs ON runs.id = run WHERE metrics.name = ? AND last IS NOT NULL "
                f"AND {_FIRST_LEVEL} AND {_VISIBLE} ORDER BY last {'ASC' if lowest else 'DESC'}, started DESC LIMIT 1",
                (metric.removeprefix("-"),),
            )
            if row is None:
                raise NotFound(
                    f"no run has the metric {metric.removeprefix('-')!r}; see them with: autotrack ls --json"
                )
            return str(row[0])
        raise NotFound(f"{reference!r} means nothing; there are @last, @best:METRIC and @best:-METRIC")

    def run(self, id: str) -> dict[str, Any]:
        """A run with everything that is known of it, as the class's text says.  Raises NotFound."""
        row = self._database.row(f"SELECT {_LIST}, detail FROM runs WHERE id = ?", (id,))
        if row is None:
            raise NotFound(f"there is no run {id!r}")
        listed, detail = _listed(row[:-1]), json.loads(row[-1])
        detail.pop("recorded_tags", None)
        job = self._job_detail(listed["job"])
        statistics = self._database.rows(
            "SELECT name, last, low, high, count, first_step, last_step FROM metrics WHERE run = ? ORDER BY name", (id,)
        )
        metrics = {
            name: {
                "last": _number(last),
                "min": _number(low),
                "max": _number(high),
                "count": count,
                "first_step": first,
                "last_step": last_step,
            }
            for name, last, low, high, count, first, last_step in statistics
        }
        own_gaps = detail.pop("gaps")
        return {
            **listed,
            **detail,
            "metrics": metrics,
            "gaps": own_gaps + job.get("gaps", []),
            "receipt": job.get("receipt", []),
            "overhead": job.get("overhead", {"seconds": 0.0, "by": {}}),
            "job": {name: value for name, value in job.items() if name not in ("gaps", "receipt", "overhead")},
        }

    def job(self, id: str) -> dict[str, Any]:
        """`{"job": ..., "runs": [...]}`: a job with its runs, nested ones too, in the order they began.  Raises
        NotFound."""
        detail = self._job_detail(id)
        if not detail:
            raise NotFound(f"there is no job {id!r}")
        rows = self._database.rows(f"SELECT {_LIST} FROM runs WHERE job = ? AND {_VISIBLE} ORDER BY started, id", (id,))
        return {"job": detail, "runs": [_listed(row) for row in rows]}

    def _job_detail(self, id: str) -> dict[str, Any]:
        row = self._database.row("SELECT detail FROM jobs WHERE id = ?", (id,))
        detail: dict[str, Any] = json.loads(row[0]) if row is not None else {}
        return detail

    def last_job(self) -> str:
        """The job that was started last.  Raises NotFound."""
        row = self._database.row("SELECT id FROM jobs ORDER BY started DESC LIMIT 1")
        if row is None:
            raise NotFound("nothing is recorded yet; record a program with: autotrack run SCRIPT")
        return str(row[0])

    def trials(self, id: str) -> list[dict[str, Any]]:
        """The runs nested in a run, in the order they began."""
        rows = self._database.rows(f"SELECT {_LIST} FROM runs WHERE parent = ? ORDER BY started, id", (id,))
        return [_listed(row) for row in rows]

    def points(
        self, run: str, names: Sequence[str] | None = None
    ) -> Iterator[tuple[str, numpy.ndarray[Any, Any], numpy.ndarray[Any, Any], numpy.ndarray[Any, Any]]]:
        """(name, steps, times, values) of a run's series, a chunk at a time, in the order they were written:
        int64, seconds since the epoch, and values as float64."""
        import numpy

        from autotrack.store.project import series_names

        rows = self._database.rows(
            "SELECT strands.strand, runs.name, series.name, series.job, series.segment, series.series, body "
            "FROM strands JOIN series ON series.strand = strands.strand JOIN runs ON runs.id = strands.run "
            "JOIN facts ON facts.strand = strands.strand AND facts.tag = 'strand_started' "
            "WHERE strands.run = ? AND series.count > 0 ORDER BY series.segment, series.series",
            (run,),
        )
        groups: dict[str, tuple[float, str, list[str]]] = {}
        for strand, run_name, name, *_, body in rows:
            begun = json.loads(body)
            label = begun.get("cls", "").rsplit(".", 1)[-1] or begun.get("name", run_name)
            names_of = groups.setdefault(strand, (begun["time"], label, []))[2]
            if name not in names_of:
                names_of.append(name)
        ordered = sorted(groups.items(), key=lambda item: item[1][0])
        shown = series_names([(strand, label, known) for strand, (_, label, known) in ordered])
        for strand, _, name, job, segment, series, _ in rows:
            if names is not None and shown[strand, name] not in names:
                continue
            sql = "SELECT steps, times, points FROM chunks WHERE job = ? AND segment = ? AND series = ? ORDER BY part"
            for steps, times, values in self._database.rows(sql, (job, segment, series)):
                arrays = (numpy.frombuffer(bytes(b), d) for b, d in ((steps, "<i8"), (times, "<f8"), (values, "<f8")))
                yield (shown[strand, name], *arrays)  # type: ignore[misc]

    # Edits

    def tag(self, id: str, name: str, value: Any = True) -> None:
        """Tag a run; a later tag of the same name takes the place of this one."""
        self._edit(id, "tag", name, value)

    def untag(self, id: str, name: str) -> None:
        """Take a tag away."""
        self._edit(id, "tag", name, None)

    def note(self, id: str, text: str) -> None:
        """Set the note of a run."""
        self._edit(id, "note", "", text)

    def delete(self, id: str) -> None:
        """Hide a run from lists; nothing that was recorded is removed."""
        self._edit(id, "hidden", "", True)

    def restore(self, id: str) -> None:
        """Show a run again that was deleted."""
        self._edit(id, "hidden", "", False)

    def _edit(self, id: str, what: str, name: str, value: Any) -> None:
        edits.append(self.folder, id, what, name, value)
        self.refresh(wait=10.0)


def _number(value: float | None) -> Any:
    if value is None:
        return "NaN"
    return value if abs(value) != float("inf") else "Infinity" if value > 0 else "-Infinity"


def _listed(row: Sequence[Any]) -> dict[str, Any]:
    from autotrack.values import original

    id, job, name, framework, kind, status, started, duration, author, params, metrics, tags, parent = row
    return {
        "id": id,
        "job": job,
        "name": original(name).encode("utf-8", "backslashreplace").decode(),
        "framework": framework,
        "kind": kind,
        "status": status,
        "started": started,
        "duration": duration,
        "user": author,
        "params": json.loads(params),
        "metrics": json.loads(metrics),
        "tags": json.loads(tags or "{}"),
        "parent": parent,
    }
