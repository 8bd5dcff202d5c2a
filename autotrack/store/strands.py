"""Strands as they are read back: what the facts and series of one strand say, and how those of several strands are
called in the run that they make up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from autotrack import events
from autotrack.store.database import Database
from autotrack.store.present import presented

if TYPE_CHECKING:
    from autotrack.store.given import Given

Statistics = tuple[float | None, float | None, float | None, int, int, int]
"""Last (None: NaN), least and greatest finite value (None where there is none), count, first and last step."""


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """A series that has points, in one segment."""

    strand: str
    job: str
    segment: str
    series: int
    name: str
    origin: str
    last_time: float
    last: float | None
    low: float | None
    high: float | None
    count: int
    first_step: int
    last_step: int

    @property
    def key(self) -> tuple[str, str, int]:
        return self.job, self.segment, self.series


class StrandView:
    """A strand with its facts as (segment, event) and its series, in the order they were written."""

    def __init__(self, id: str, facts: Sequence[tuple[str, Any]], series: Sequence[SeriesRow]) -> None:
        self.id, self._facts, self.series = id, facts, series
        self._by_kind: dict[type[Any], list[Any]] = defaultdict(list)
        for _, event in facts:
            self._by_kind[type(event)].append(event)
        started = self.of(events.StrandStarted)
        self.started: events.StrandStarted | None = started[0] if started else None
        self.segment = next((segment for segment, event in facts if event is self.started), "")
        ended = self.of(events.StrandEnded)
        self.ended: events.StrandEnded | None = ended[-1] if ended else None

    def of(self, kind: type[Any]) -> list[Any]:
        return self._by_kind.get(kind, [])

    @property
    def order(self) -> tuple[float, str]:
        """Where the strand comes among others of its run: by when it began."""
        return self.started.time if self.started is not None else float("inf"), self.id

    @property
    def label(self) -> str:
        """What tells names of this strand from the same names of another."""
        if self.started is None:
            return self.id
        named = [joined.name for joined in self.of(events.StrandJoined) if joined.name]
        if named:
            return str(presented(named[0]))
        return str(presented(self.started.cls.rsplit(".", 1)[-1] or self.started.name))

    @property
    def last_time(self) -> float:
        """The last sign of life."""
        return max([event.time for _, event in self._facts] + [series.last_time for series in self.series], default=0.0)

    def params(self) -> dict[str, tuple[Any, str]]:
        """Name to recorded value and source.  A variable of a function gives way to what else has its name."""
        every = [param for event in self.of(events.StrandParams) for param in event.params]
        found = {presented(p.name): (p.value, p.source) for p in every if p.source != "local"}
        for p in every:
            name = presented(p.name)
            if p.source == "local" and (name not in found or found[name][0] != p.value):
                found[f"local.{name}" if name in found else name] = p.value, p.source
        return found

    def metrics(self) -> dict[str, Statistics]:
        """The statistics of each series; one that several processes wrote is one."""
        return _statistics((presented(row.name), row) for row in self.series)

    def summary(self) -> dict[str, Any]:
        """Name to recorded value."""
        return {name: value for e in self.of(events.StrandSummary) for name, value in e.values.items()}

    def datasets(self) -> Iterable[events.StrandDataset]:
        """Each dataset as it was described last."""
        return {event.number: event for event in self.of(events.StrandDataset)}.values()

    def artifacts(self) -> list[tuple[str, events.ArtifactSeen]]:
        return [(segment, event) for segment, event in self._facts if isinstance(event, events.ArtifactSeen)]


def of_runs(database: Database, runs: Sequence[str]) -> dict[str, list[StrandView]]:
    """The strands of each run: the one that it goes by, then the others in the order they began."""
    members = dict(database.within("SELECT strand, run FROM strands WHERE run IN ({in})", runs))
    groups: dict[str, list[StrandView]] = {run: [] for run in runs}
    for view in views(database, list(members)):
        groups[members[view.id]].append(view)
    for run, group in groups.items():
        group.sort(key=lambda view: (view.id != run, view.order))
    return groups


def views(database: Database, strands: Sequence[str]) -> list[StrandView]:
    """Strands by their ids; those of which there are no facts yet are left out."""
    facts: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    sql = "SELECT strand, segment, body FROM facts WHERE strand IN ({in}) ORDER BY segment, position"
    for strand, segment, body in database.within(sql, strands):
        facts[strand].append((segment, events.decode(body)))
    series: dict[str, list[SeriesRow]] = defaultdict(list)
    columns = ", ".join(field.name for field in fields(SeriesRow))
    sql = f"SELECT {columns} FROM series WHERE strand IN ({{in}}) AND count > 0 ORDER BY segment, series"
    for values in database.within(sql, strands):
        row = SeriesRow(*values)
        series[row.strand].append(row)
    return [StrandView(strand, facts[strand], series[strand]) for strand in strands if strand in facts]


def job_facts(database: Database, job: str, tags: Sequence[str]) -> list[tuple[str, Any]]:
    """The facts of a job that belong to no strand, as (segment, event) in the order they were written, those of the
    main process first: of several, on several machines, that of the first rank."""
    # Sorted here: for ORDER BY, SQLite would read the whole job in the order of its key.
    every = sorted({*tags, "process_rank", "segment_started"})
    sql = (
        "SELECT segment, position, tag, body FROM facts WHERE job = ? AND strand IS NULL "
        f"AND tag IN ({', '.join('?' * len(every))})"
    )
    found = [(segment, tag, events.decode(body)) for segment, _, tag, body in sorted(database.rows(sql, (job, *every)))]
    order: dict[str, tuple[bool, int]] = {}
    for segment, _, event in found:
        if isinstance(event, events.SegmentStarted):
            order[segment] = event.role != "main", order.get(segment, (False, 0))[1]
        elif isinstance(event, events.ProcessRank):
            order[segment] = order.get(segment, (True, 0))[0], event.rank
    found.sort(key=lambda entry: order.get(entry[0], (True, 0)))
    return [(segment, event) for segment, tag, event in found if tag in tags]


def params_of(group: Sequence[StrandView], given: Sequence[Given] = ()) -> dict[str, tuple[Any, str]]:
    """The parameters of a run: name in the run to recorded value and source.  What the job was given comes after its
    own; under a name that is taken by another value it is called `args.NAME`."""
    named = [(view.id, view.label, view.params()) for view in group]
    for number, part in enumerate(given):
        params = {presented(name): (value, part.source) for name, value in part.values.items()}
        named.append((f"given {number}", part.source, params))
    names = names_in_run([(id, label, {n: value for n, (value, _) in params.items()}) for id, label, params in named])
    merged: dict[str, tuple[Any, str]] = {}
    for id, _, params in named:
        for name, param in params.items():
            merged.setdefault(names[id, name], param)
    return merged


def metrics_of(group: Sequence[StrandView]) -> dict[str, Statistics]:
    """The metrics of a run."""
    names = series_names(group)
    return _statistics((names[view.id, presented(row.name)], row) for view in group for row in view.series)


def _statistics(rows: Iterable[tuple[str, SeriesRow]]) -> dict[str, Statistics]:
    """By name, the statistics of the series that have it."""
    merged: dict[str, Statistics] = {}
    times: dict[str, float] = {}
    for name, row in rows:
        if name in merged:
            other = merged[name]
            newest = (row.last, row.last_step) if row.last_time >= times[name] else (other[0], other[5])
            least = min((value for value in (row.low, other[1]) if value is not None), default=None)
            most = max((value for value in (row.high, other[2]) if value is not None), default=None)
            first = min(row.first_step, other[4])
            merged[name] = newest[0], least, most, row.count + other[3], first, newest[1]
        else:
            merged[name] = row.last, row.low, row.high, row.count, row.first_step, row.last_step
        times[name] = max(row.last_time, times.get(name, row.last_time))
    return merged


def origins_of(group: Sequence[StrandView]) -> dict[str, str]:
    """Who says the values of each metric of a run: `framework`, `metric`, `user`, `inferred`, `print`."""
    names = series_names(group)
    return {names[view.id, presented(row.name)]: row.origin for view in group for row in view.series}


def model_of(group: Sequence[StrandView]) -> events.StrandModel | None:
    """The model of a run, as it was described last."""
    return next((view.of(events.StrandModel)[-1] for view in reversed(group) if view.of(events.StrandModel)), None)


def last_phase(group: Sequence[StrandView]) -> StrandView:
    """The strand with which a run ended: the first one, or what was trained on in the same way after that had ended."""
    root = group[0]
    phase = root
    for view in group[1:]:
        if view.started is None or root.started is None or phase.ended is None or phase.started is None:
            continue
        alike = (view.started.framework, view.started.kind) == (root.started.framework, root.started.kind)
        if alike and view.started.time >= phase.ended.time:
            phase = view
    return phase


def series_names(group: Sequence[StrandView]) -> dict[tuple[str, str], str]:
    """(strand, name as it is presented) of each series to its name in the run.  What was printed outside of a training
    gives way to what the training has under that name, but where that was printed too, later, and goes on from it.  A
    strand whose steps come after all those of another of its name goes on from that."""
    group = sorted(group, key=lambda view: view.started is not None and view.started.kind == "printed")
    found: list[tuple[str, str, dict[str, object]]] = []
    goes_on: dict[str, tuple[int, object]] = {}
    before: dict[str, tuple[int, object]] = {}
    for view in group:
        named: dict[str, object] = {}
        outside = view.started is not None and view.started.kind == "printed"
        for row in view.series:
            name = presented(row.name)
            if not outside and name in before and before[name][0] < row.first_step:
                named[name] = before[name][1]
            first, later = goes_on.get(name, (None, None))
            follows = outside and first is not None and row.last_step < first
            named[name] = later if follows else named.get(name, object())
            if row.origin == "print" and not outside:
                goes_on[name] = min(row.first_step, goes_on.get(name, (row.first_step, None))[0]), named[name]
            if not outside:
                last = max(row.last_step, before[name][0]) if name in before else row.last_step
                before[name] = last, before[name][1] if name in before else named[name]
        found.append((view.id, view.label, named))
    return names_in_run(found)


def names_in_run(groups: Sequence[tuple[str, str, Mapping[str, Any]]]) -> dict[tuple[str, str], str]:
    """(strand, name) to the name in the run, for (strand, label, name to value) in the order of beginning.

    The names of the first strand stay as they are, and so do those that mean the same later.  Others under a name
    that is taken become `Class.name`, of further strands of the class `Class#2.name`.
    """
    taken: dict[str, Any] = {}
    numbers: dict[str, int] = defaultdict(lambda: 1)
    found: dict[tuple[str, str], str] = {}
    for strand, label, named in groups:
        prefix = ""
        if any(name in taken and taken[name] != value for name, value in named.items()):
            while any(f"{_prefix(label, numbers[label])}{name}" in taken for name in named):
                numbers[label] += 1
            prefix = _prefix(label, numbers[label])
            numbers[label] += 1
        for name, value in named.items():
            chosen = prefix + name if name in taken and taken[name] != value else name
            taken[chosen] = value
            found[strand, name] = chosen
    return found


def _prefix(label: str, number: int) -> str:
    return f"{label}." if number == 1 else f"{label}#{number}."
