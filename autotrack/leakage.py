"""Evaluation rows that were among the training rows, beyond what a clean split of the data leaves in both.

What a run was trained on and evaluated on is compared by its rows, as they were profiled: see `identity.overlap` for
the rule.  Every part has to show it: where features come again with labels that are all others, these are other rows.
Data that is named after the training is evaluated on purpose, and so is the training data itself beside other data.
Both that is told of and that has come is only queued in the user's thread; the recorder compares, and tells at the end.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, NamedTuple

from autotrack import events
from autotrack.patterns import lazily

if TYPE_CHECKING:
    from autotrack.identity.overlap import Overlap
    from autotrack.identity.rows import Sketch
    from autotrack.job import Job

WHAT = "leakage"
EVALUATED = {"valid": "validation data", "test": "test data"}
KNOWN = ("whole", "unverified", "mutated", "observed")
"""Methods of identities that are of the rows themselves: what a data set holds may be more than it gives."""
RUNS, DATASETS, BYTES, QUEUED = 256, 64, 16 << 20, 4096
"""Runs, datasets of each of them, and bytes of sketches that are remembered; what waits for the recorder."""
MANY = 20
"""Different labels from which on it says something that none of them comes again."""
ALIKE = 1.25
"""Times the rows that the part shares which shares the fewest, up to which a part says as much as that."""
PATIENCE = 2.0
"""Seconds that other evaluation data may be told of later than the training data as such."""
SHOWN = 8
"""Characters of the id of a run."""
FREE, SHARE = 0.5, 0.01
"""Seconds, and share of the time since the job began, that comparing may take."""
_TRAINED = lazily(r"(?:^|[^a-z])[dx]?train(?:ing)?(?:[^a-z]|$)")
_PARTS = lazily(r"features$|labels$|rows$|[xy](\[|$)|tensors\[\d+\]$")
_LABELS = lazily(r"labels$|y(\[|$)")


class _Use(NamedTuple):
    """A dataset of a run: its parts by name, each with the identity under which it is profiled, once that is known."""

    role: str
    name: str | None
    parts: tuple[tuple[str, str | None], ...]

    @property
    def ids(self) -> tuple[str | None, ...]:
        return tuple(id for _, id in self.parts)


Key = tuple[str, str, int]
"""Strand, role and number of a dataset."""


class _Run:
    """What a run has used, in the order in which it was told of first."""

    def __init__(self) -> None:
        self.uses: OrderedDict[Key, _Use] = OrderedDict()
        self.told: set[Key] = set()
        self.compared: dict[Key, Any] = {}
        """With the identities of what each was compared with last."""
        self.waited: set[Key] = set()
        """What is the training data itself, and has waited for other data that is told of beside it."""


class Leakage:
    """What is known of it in this process."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._inbox: deque[tuple[Any, ...]] = deque(maxlen=QUEUED)
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._into: dict[str, str] = {}
        self._sketches: OrderedDict[str, tuple[Sketch, int]] = OrderedDict()
        """By identity: the sketch, and the number of columns."""
        self._bytes = 0
        self._scheduled = False
        self._spent = 0.0
        self._final = self._late = False
        self.found: list[tuple[float, str, str]] = []
        """How much of the data it was, the run, and what was said of it."""

    def uses(self, strand: str, role: str, number: int, dataset: events.Dataset) -> None:
        """A dataset of a run, as far as it is known."""
        if role == "train" or role in EVALUATED:
            self._inbox.append((strand, role, number, dataset))
            if role in EVALUATED:
                self._schedule()

    def joins(self, strand: str, into: str) -> None:
        """Two strands are one run."""
        self._inbox.append((strand, into))

    def profiled(self, profile: events.DataProfiled, sketch: Sketch | None = None) -> None:
        """What is in some data, with a sketch of more rows than go on record where there is one."""
        self._inbox.append((profile, sketch))
        self._schedule()

    def finish(self) -> None:
        """At the program's end: no profile comes any more."""
        self._final = True
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and self._job.recorder is not None:
            self._scheduled = True
            self._job.recorder.later("comparison of training and evaluation data", self._work)

    def _work(self) -> None:
        """A recorder's task: take what has come, and compare what is complete; at the end, what there is."""
        self._scheduled = False
        begun = time.perf_counter()
        changed: dict[str, None] = {}
        while self._inbox:
            changed |= dict.fromkeys(self._take(*self._inbox.popleft()))
        for id in list(self._runs) if self._final else changed:
            run = self._runs.get(id)
            if run is None or not any(use.role in EVALUATED for use in run.uses.values()):
                continue
            if self._spent + time.perf_counter() - begun > FREE + SHARE * (time.time() - self._job.started):
                self._miss()
                break
            self._look_at(id, run)
        self._spent += time.perf_counter() - begun

    def _miss(self) -> None:
        if not self._late:
            self._late = True
            what, why = "comparison of training and evaluation data", "there was no time left for all of them"
            self._job.report(events.GapFound(time=time.time(), strand=None, what=what, why=why))

    def _take(self, *news: Any) -> list[str]:
        """Take one of what has come; returns the runs that it concerns."""
        if len(news) == 4:
            strand, role, number, dataset = news
            return [self._use(self._root(strand), (strand, role, number), _used(role, dataset))]
        first, second = news
        if isinstance(first, str):
            return self._join(first, second)
        from autotrack.identity import rows

        self._keep(first.data, second or rows.sketch_of(first), len(first.columns) + first.left_out)
        return [id for id, run in self._runs.items() if any(first.data in use.ids for use in run.uses.values())]

    def _root(self, strand: str) -> str:
        while strand in self._into:
            strand = self._into[strand]
        return strand

    def _use(self, id: str, key: tuple[str, str, int], use: _Use) -> str:
        run = self._runs.get(id)
        if run is None:
            run = self._runs[id] = _Run()
            if len(self._runs) > RUNS:
                self._runs.popitem(last=False)
        run.uses[key] = use
        if len(run.uses) > DATASETS:
            gone, _ = run.uses.popitem(last=False)
            run.told.discard(gone)
            run.compared.pop(gone, None)
        return id

    def _join(self, strand: str, into: str) -> list[str]:
        into = self._root(into)
        if into == strand:
            return []
        self._into[strand] = into
        if len(self._into) > RUNS:
            del self._into[next(iter(self._into))]
        run = self._runs.pop(strand, None)
        for key, use in run.uses.items() if run is not None else ():
            self._use(into, key, use)
        if run is not None and into in self._runs:
            self._runs[into].told |= run.told
        return [into]

    def _keep(self, identity: str, sketch: Sketch, width: int) -> None:
        before = self._sketches.pop(identity, None)
        self._bytes += _size(sketch) - (_size(before[0]) if before is not None else 0)
        self._sketches[identity] = sketch, width
        while self._bytes > BYTES and len(self._sketches) > 1:
            _, (gone, _) = self._sketches.popitem(last=False)
            self._bytes -= _size(gone)

    def _look_at(self, id: str, run: _Run) -> None:
        for key, use in list(run.uses.items()):
            if use.role not in EVALUATED or key in run.told or _TRAINED.search((use.name or "").lower()):
                continue
            parts = [part for part in use.ids if part in self._sketches]
            if not parts or not (self._final or len(parts) == len(use.ids)):
                continue
            trained = _before(run, key)
            known = [one.ids for one in trained if not self._sketches.keys().isdisjoint(one.ids)]
            if not known or run.compared.get(key) == (parts, known):
                continue
            whole = any(one.ids == use.ids for one in trained)
            if whole and any(other.ids != use.ids for at, other in run.uses.items() if at[:2] == key[:2]):
                continue  # beside other data it is watched on purpose
            if whole and key not in run.waited and not self._final and self._job.recorder is not None:
                run.waited.add(key)
                self._job.recorder.soon("comparison of data", lambda: self._look_at(id, run), PATIENCE)
                continue
            run.compared[key] = parts, known
            found = self._compare(trained, use, whole)
            if found is not None:
                run.told.add(key)
                self._tell(id, key, use, trained, found, whole)

    def _compare(self, trained: list[_Use], use: _Use, whole: bool) -> Overlap | None:
        """What is found in the part of the data that shares the fewest rows."""
        from autotrack.identity import overlap, rows

        told, least = [], 1.0
        for part, identity in use.parts:
            if identity is None or identity not in self._sketches:
                continue
            sketch, width = self._sketches[identity]
            ids = dict.fromkeys(dict(one.parts).get(part) for one in trained)
            theirs = [self._sketches[data] for data in ids if data is not None and data in self._sketches]
            alike = [one for one, columns in theirs if columns == width]
            labels = _LABELS.match(part) is not None
            many = len(sketch.hashes) > MANY
            if not alike or (labels and not many):
                continue
            found = overlap.overlap(rows.merged(alike), sketch)
            least = min(least, found.share)
            if not labels and (found.beyond or (whole and many)):
                told.append(found)
        return min((one for one in told if one.share <= ALIKE * least), key=lambda one: one.share, default=None)

    def _tell(self, id: str, key: Key, use: _Use, trained: list[_Use], found: Overlap, whole: bool) -> None:
        strand, role, number = key
        text = in_words(found, whole=whole)
        values = {
            "role": role,
            "number": number,
            "rows": found.rows,
            "of": found.of,
            "expected": round(found.expected, 1),
            "exact": found.exact,
            "data": [data for data in use.ids if data is not None],
            "train": sorted({data for one in trained for data in one.ids if data is not None}),
        }
        what = EVALUATED[role]
        verb = "is" if whole else "has"
        event = events.WarningFound(
            time=time.time(), strand=strand, what=WHAT, text=f"the {what} {verb} {text}", values=values
        )
        if self._job.report(event):
            self.found.append((found.share, id, f"{what} of run {id[:SHOWN]} {verb} {text}"))

    def last_word(self) -> str | None:
        """One line on the worst of it, at the end of the program."""
        if not self.found:
            return None
        _, id, text = max(self.found, key=lambda one: one[0])
        more = f" (and {len(self.found) - 1} more)" if len(self.found) > 1 else ""
        return f"{text}{more}: autotrack show {id[:SHOWN]}"


def in_words(found: Overlap, *, whole: bool) -> str:
    """How many rows of some data were trained on."""
    if whole:
        return "the very data that was trained on"
    percent = 100 * found.share
    about = "" if found.exact else "about "
    share = f"{percent:.0f}" if percent >= 9.95 else f"{percent:.2g}"
    expected = f", {found.expected:,.0f} of which were to be expected" if found.expected >= 0.5 else ""
    return f"{about}{found.rows:,} of {found.of:,} rows ({share} %) that were trained on{expected}"


def of(job: Job) -> Leakage:
    """What is known of leakage in this process."""
    if job.leakage is None:
        job.leakage = Leakage(job)
    return job.leakage


def _used(role: str, dataset: events.Dataset) -> _Use:
    """The parts of a dataset that hold a row of each of its rows."""
    alone = dataset.parts or (dataset,)
    named = [(part.name or "features") if dataset.parts else "features" for part in alone]
    parts = tuple(
        (name, part.id)
        for name, part in zip(named, alone, strict=True)
        if part.method in KNOWN and _PARTS.match(name) is not None
    )
    return _Use(role, dataset.name, parts)


def _before(run: _Run, key: Key) -> list[_Use]:
    """What a run was trained on; where that is several data sets, before it was evaluated on this."""
    trained = [(at, use) for at, use in run.uses.items() if use.role == "train"]
    if len({use.ids for _, use in trained}) > 1:
        order = list(run.uses)
        trained = [(at, use) for at, use in trained if order.index(at) < order.index(key)]
    return list({use.ids: use for _, use in trained}.values())


def _size(sketch: Sketch) -> int:
    return int(sketch.hashes.nbytes + sketch.repeats.nbytes)
