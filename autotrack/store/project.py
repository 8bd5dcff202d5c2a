"""From facts to runs: what people list and compare is made of a job's strands, and made again when more is known.

A strand of kind `step` is no run; one that the user's run owns is part of that run; every other is a run of its
own, under the strand's id.  What a program printed outside of any training (kind `printed`) is a run where there is no
other, part of the only one where there is one, and the job's alone where there are several: nobody knows of which
each print was.  The candidates of a search are nested runs `<search>.<index>`.  What only `show` needs
is not written but read from the facts: see `detail`.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autotrack import events
from autotrack.journal.process import machine
from autotrack.store import given, strands
from autotrack.store.database import Database
from autotrack.store.present import number_of, presented, text_of
from autotrack.store.strands import Statistics, StrandView

_LIFE = ("segment_started", "segment_ended", "job_started", "job_ended", "process_rank")
_COLUMNS = {
    "runs": (
        "id, job, name, framework, kind, status, started, duration, author, parent, params, metrics, model, tags, "
        "note, hidden"
    ),
    "params": "run, name, number, text",
    "metrics": "run, name, last, low, high, count, first_step, last_step",
    "tags": "run, name, number, text",
}


@dataclass(frozen=True)
class Life:
    """Which segments of a job are written still, and how the others ended."""

    alive: Mapping[str, bool]
    started: Mapping[str, events.SegmentStarted]
    ended: frozenset[str]

    def gone(self, segment: str) -> str:
        """How a process without an end ended: `crashed` where the machine was started again since, else `killed`."""
        started = self.started.get(segment)
        rebooted = started is not None and started.machine.split("/")[0] != machine().split("/")[0]
        return "crashed" if rebooted and started is not None and started.host == socket.gethostname() else "killed"


def project(
    database: Database, folder: str, job: str, touched: set[str], alive: Mapping[str, bool], is_open: bool, now: float
) -> None:
    """Project the job, and the runs that these strands are part of, as well as those whose process has gone."""
    decoded = strands.job_facts(database, job, _LIFE)
    started = next((event for _, event in decoded if isinstance(event, events.JobStarted)), None)
    life = Life(
        alive,
        {segment: event for segment, event in decoded if isinstance(event, events.SegmentStarted)},
        frozenset(segment for segment, event in decoded if isinstance(event, events.SegmentEnded)),
    )
    unfinished = [
        strand
        for strand, segment in database.rows("SELECT strand, segment FROM strands WHERE job = ? AND ended = 0", (job,))
        if not alive.get(segment)
    ]
    ranks = {segment: event.rank for segment, event in decoded if isinstance(event, events.ProcessRank)}
    moved = _join_ranks(database, job, {s: (ranks[s], life.started[s].time) for s in ranks if s in life.started})
    moved |= _place_printed(database, job)
    news = sorted({*touched, *unfinished, *moved})
    runs = database.within("SELECT DISTINCT run FROM strands WHERE strand IN ({in})", news)
    _write_runs(database, job, sorted({run for (run,) in runs}), life, started.user if started else None)
    database.executemany("UPDATE strands SET ended = 1 WHERE strand = ?", [(strand,) for strand in unfinished])
    main = next((segment for segment, event in decoded if event is started), None)
    ended = [event for segment, event in decoded if segment == main and isinstance(event, events.JobEnded)]
    status, duration = _job_status(life, started, ended[-1] if ended else None)
    begun = started or next(iter(life.started.values()), None)
    values = (
        job,
        folder,
        int(is_open),
        now,
        started.parent if started else None,
        presented(started.name) if started else "",
        status,
        begun.time if begun else None,
        duration,
        presented(started.user) if started else None,
    )
    database.put("jobs", "id, folder, open, taken, parent, name, status, started, duration, author", [values], "id")


def _place_printed(database: Database, job: str) -> set[str]:
    """Let what was printed be part of the job's only run; the strands of runs that this changes."""
    printed = database.rows("SELECT strand, run FROM strands WHERE job = ? AND kind = 'printed'", (job,))
    if not printed:
        return set()
    sql = "SELECT DISTINCT run FROM strands WHERE job = ? AND kind NOT IN ('step', 'printed') LIMIT 2"
    others = [run for (run,) in database.rows(sql, (job,))]
    moved: set[str] = set()
    for strand, run in printed:
        home = others[0] if len(others) == 1 else strand
        if home != run:
            database.executemany("UPDATE strands SET run = ? WHERE strand = ?", [(home, strand)])
            moved |= {strand, run, home}
        if others:
            _forget(database, strand)
    return moved


def _join_ranks(database: Database, job: str, ranks: Mapping[str, tuple[int, float]]) -> set[str]:
    """Make one run of what the processes of a distributed training have each of it: all of them run the same program,
    so that the first training of one rank is the first of each other.  `ranks`: by segment, of which rank it is and
    when it began.  The strands that this concerns."""
    if len(ranks) < 2:
        return set()
    sql = "SELECT segment, position, strand FROM strands WHERE job = ? AND kind = 'training'"
    found = [
        (*ranks[segment], position, strand)
        for segment, position, strand in database.rows(sql, (job,))
        if segment in ranks
    ]
    trainings: dict[int, list[str]] = {}
    for rank, _, _, strand in sorted(found):
        trainings.setdefault(rank, []).append(strand)
    first, *others = trainings.values() or [[]]
    moved: set[str] = set()
    for other in others:
        for strand, into in zip(other, first, strict=False):
            homes = dict(database.within("SELECT strand, run FROM strands WHERE strand IN ({in})", [strand, into]))
            if homes[strand] != homes[into]:
                moved |= join(database, strand, into)
    return moved


def join(database: Database, strand: str, into: str) -> set[str]:
    """Make the run of a strand part of that of another; the strands that this concerns."""
    homes = dict(database.within("SELECT strand, run FROM strands WHERE strand IN ({in})", [strand, into]))
    left, kept = homes.get(strand), homes.get(into)
    if left is None or kept is None or left == kept:
        return {strand, into}
    moved = {id for (id,) in database.rows("SELECT strand FROM strands WHERE run = ?", (left,))}
    database.execute("UPDATE strands SET run = ? WHERE run = ?", (kept, left))
    _forget(database, left)
    return {*moved, into}


def _forget(database: Database, run: str) -> None:
    """Take away the rows of what is no run of its own any more."""
    for table, column in (("runs", "id"), ("params", "run"), ("metrics", "run"), ("tags", "run")):
        database.execute(f"DELETE FROM {table} WHERE {column} = ?", (run,))


def _job_status(
    life: Life, started: events.JobStarted | None, ended: events.JobEnded | None
) -> tuple[str, float | None]:
    if ended is not None:
        interrupted = ended.failure is not None and ended.failure.type == "KeyboardInterrupt"
        status = "interrupted" if interrupted else "failed" if ended.code else "finished"
        return status, ended.time - started.time if started else None
    main = next((segment for segment, event in life.started.items() if event.role == "main"), None)
    if life.alive.get(main, False) if main is not None else any(life.alive.values()):
        return "running", None
    if main is None and life.started and life.ended >= life.started.keys():  # only workers had something to record
        return "finished", None
    return life.gone(main or next(iter(life.started), "")), None


def _write_runs(database: Database, job: str, runs: Sequence[str], life: Life, author: str | None) -> None:
    sql = "SELECT 1 FROM strands WHERE job = ? AND kind NOT IN ('step', 'printed') LIMIT 1"
    no_runs = ("step", "printed") if database.row(sql, (job,)) is not None else ("step",)

    arguments = given.of(database, job)
    for start in range(0, len(runs), 1000):
        rows = _Rows(job, presented(author), arguments)
        for run, group in strands.of_runs(database, runs[start : start + 1000]).items():
            root = next((view for view in group if view.id == run), None)
            if root is not None and root.started is not None and root.started.kind not in no_runs:
                rows.add(root, root.started, group, life)
        rows.write(database)


@dataclass
class _Tags:
    """Tags, note and deletion of a run: what was recorded, then what was edited."""

    tags: dict[str, Any]
    note: str | None = None
    hidden: bool = False

    def edit(self, what: str, name: str, value: Any) -> None:
        if what == "tag" and value is None:
            self.tags.pop(name, None)
        elif what == "tag":
            self.tags[name] = value
        elif what == "hidden":
            self.hidden = bool(value)
        elif what == "note":
            self.note = value

    def shown(self) -> str:
        return json.dumps({name: presented(value) for name, value in self.tags.items()})

    def rows(self, run: str) -> list[tuple[Any, ...]]:
        return [(run, name, number_of(value), text_of(value)) for name, value in self.tags.items()]


@dataclass
class _Rows:
    """The rows of some runs of a job before they are written."""

    job: str
    author: str | None
    arguments: given.Arguments
    runs: list[tuple[Any, ...]] = field(default_factory=list)
    params: list[tuple[Any, ...]] = field(default_factory=list)
    metrics: list[tuple[Any, ...]] = field(default_factory=list)
    tags: dict[str, _Tags] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    """Ids under which a run may have been edited, to its own."""

    def add(self, root: StrandView, started: events.StrandStarted, group: Sequence[StrandView], life: Life) -> None:
        """A run and the trials that are folded under it."""
        status, duration = _status(root, started, group, life)
        name = presented(started.name)
        framework = started.framework or next((v.started.framework for v in group[1:] if v.started), "")
        params = {name: value for name, (value, _) in strands.params_of(group, self.arguments.of_run(group)).items()}
        self.aliases |= {view.id: root.id for view in group}
        about = name, framework, started.kind, status, started.time, duration, started.parent
        model = strands.model_of(group)
        made = model.id if model is not None else None
        self._put(root.id, about, params, strands.metrics_of(group), made, recorded_tags(group))
        for trial in (event for view in group for event in view.of(events.StrandTrial)):
            id = f"{root.id}.{trial.index}"
            about = f"{name}[{trial.index}]", framework, "trial", trial.status, started.time, trial.duration, root.id
            params = {presented(param.name): param.value for param in trial.params}
            self._put(id, about, params, trial_metrics(trial), None, {})

    def _put(
        self,
        run: str,
        about: tuple[Any, ...],
        params: Mapping[str, Any],
        metrics: Mapping[str, Statistics],
        model: str | None,
        tags: dict[str, Any],
    ) -> None:
        *listed, parent = about
        shown = json.dumps({name: presented(value) for name, value in params.items()})
        last = json.dumps({name: presented(nan(found[0])) for name, found in metrics.items()})
        self.runs.append((run, self.job, *listed, self.author, parent, shown, last, model))
        self.params += [(run, name, number_of(value), text_of(value)) for name, value in params.items()]
        self.metrics += [(run, name, *found) for name, found in metrics.items()]
        self.tags[run] = _Tags(tags)
        self.aliases[run] = run

    def write(self, database: Database) -> None:
        _apply_edits(database, self.tags, self.aliases)
        for table in ("params", "metrics", "tags"):
            database.executemany(f"DELETE FROM {table} WHERE run = ?", [(run,) for run in self.tags])
        edited = [
            (*row, tags.shown(), tags.note, int(tags.hidden))
            for row, tags in zip(self.runs, self.tags.values(), strict=True)
        ]
        database.put("runs", _COLUMNS["runs"], edited, "id")
        database.put("params", _COLUMNS["params"], self.params, "run, name")
        database.put("metrics", _COLUMNS["metrics"], self.metrics, "run, name")
        rows = [row for run, tags in self.tags.items() for row in tags.rows(run)]
        database.put("tags", _COLUMNS["tags"], rows, "run, name")


def _status(
    root: StrandView, started: events.StrandStarted, group: Sequence[StrandView], life: Life
) -> tuple[str, float | None]:
    last = strands.last_phase(group)
    if root.ended is not None and last is root:
        return root.ended.status, root.ended.seconds
    if last.ended is not None:
        return last.ended.status, last.ended.time - started.time
    if life.alive.get(last.segment):
        return "running", None
    return life.gone(last.segment), max(0.0, *(view.last_time - started.time for view in group))


def _apply_edits(database: Database, tags: Mapping[str, _Tags], aliases: Mapping[str, str]) -> None:
    edits = database.within(
        "SELECT time, folder, target, what, name, value FROM edits WHERE target IN ({in})", list(aliases)
    )
    for _, _, target, what, name, value in sorted(edits):
        tags[aliases[target]].edit(what, presented(name), json.loads(value))


def apply_edits(database: Database, targets: Sequence[str]) -> None:
    """Bring the tags, notes and deletions of runs up to date."""
    aliases = dict(database.within("SELECT strand, run FROM strands WHERE strand IN ({in})", targets))
    runs = sorted({aliases.get(target, target) for target in targets})
    present = [run for (run,) in database.within("SELECT id FROM runs WHERE id IN ({in})", runs)]
    groups = strands.of_runs(database, present)
    tags = {run: _Tags(recorded_tags(group)) for run, group in groups.items()}
    names = {view.id: run for run, group in groups.items() for view in group}
    _apply_edits(database, tags, {**names, **{run: run for run in present}})
    database.executemany("DELETE FROM tags WHERE run = ?", [(run,) for run in present])
    database.put("tags", _COLUMNS["tags"], [row for run in present for row in tags[run].rows(run)], "run, name")
    database.executemany(
        "UPDATE runs SET tags = ?, note = ?, hidden = ? WHERE id = ?",
        [(tags[run].shown(), tags[run].note, int(tags[run].hidden), run) for run in present],
    )


def recorded_tags(group: Sequence[StrandView]) -> dict[str, Any]:
    """The tags that the program gave."""
    return {presented(event.name): event.value for view in group for event in view.of(events.Tagged)}


def trial_metrics(trial: events.StrandTrial) -> dict[str, Statistics]:
    """The metrics of a candidate, each a series of one point; what is no number is none."""
    found: dict[str, Statistics] = {}
    for name, value in trial.metrics.items():
        number = number_of(value)
        if number is not None or presented(value) == "NaN":
            finite = None if number is None or abs(number) == float("inf") else number
            found[presented(name)] = number, finite, finite, 1, 0, 0
    return found


def nan(value: float | None) -> float:
    """The value of a metric as it was before it was stored."""
    return float("nan") if value is None else value
