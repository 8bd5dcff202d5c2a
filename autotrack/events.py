"""What crosses from recording to storing: frozen events, and the values they may hold.

An event is one line of a journal segment.  The training process builds and appends events; readers
decode them into the store.  Nothing else crosses: no models, no arrays, no live objects.

Compatibility: fields are added with a default, never renamed or removed; a reader that meets a tag it
does not know refuses the segment (`FORMAT` says which vocabulary a segment speaks).
"""

from __future__ import annotations

from typing import Any

import msgspec

FORMAT = 6
"""Version of the journal: the vocabulary below, the chain and the layout of point records."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event"):
    """Something that happened at `time` (seconds since the epoch)."""

    time: float


class SegmentStarted(Event, frozen=True, kw_only=True, tag="segment_started"):
    """First line of every segment: which process writes it."""

    format: int
    job: str
    segment: str
    role: str
    """`main`, `fork`, `spawn` (also loky workers), `rank`."""
    host: str
    machine: str
    """Boot and process-id namespace: within one machine, `pid` and `started` say whether the owner lives."""
    pid: int
    ppid: int
    started: float
    """Start of the process in clock ticks since boot where /proc tells, else 0."""
    points: str = "mapped"
    """`mapped`: a crash of the process loses no point; `buffered`: it can lose those of the last flush."""


class JobStarted(Event, frozen=True, kw_only=True, tag="job_started"):
    """One start of a program.  Written by its main process when there is something to record."""

    job: str
    parent: str | None
    """The job whose process started this one."""
    how: str
    """`enable`, `run` or `notebook`."""
    name: str
    argv: tuple[str, ...]
    cwd: str
    executable: str
    user: str
    host: str
    python: str
    platform: str
    autotrack: str


class JobFacts(Event, frozen=True, kw_only=True, tag="job_facts"):
    """A section of what is known of a job (`packages`, `git`, `seeds`, ...); the last one of a name wins."""

    section: str
    value: Any


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An exception that ended something."""

    type: str
    message: str
    traceback: str = ""


class JobEnded(Event, frozen=True, kw_only=True, tag="job_ended"):
    """The main process came to its end by itself."""

    code: int | None
    """None where it is not known."""
    how: str
    """How the exit code is known: `end`, `exception`, `sys.exit` (also `exit`), `disable` (the program went on
    without recording); or why it is not: `SystemExit`, which was raised by other means."""
    failure: Failure | None = None


class ProcessRank(Event, frozen=True, kw_only=True, tag="process_rank"):
    """Which process of a distributed training this one is; the last one wins."""

    rank: int


class StrandStarted(Event, frozen=True, kw_only=True, tag="strand_started"):
    """One estimator call, one optimizer with its parameters, or one `with autotrack.run()` block."""

    strand: str
    framework: str
    kind: str
    """`fit`, `search`, `cross_validation`, `step`, `run` (opened by the user), `log`, ..."""
    name: str
    cls: str = ""
    parent: str | None = None
    """The strand whose run this one is nested in."""
    owner: str | None = None
    """The strand that the user opened and that this one belongs to."""
    thread: str = ""
    generators: dict[str, Any] = {}
    """Of a run that is nested in no other, the global random number generators (`python`, `numpy`, ...) as it began:
    `{state, seed, fresh}`, the digest of the state, the seed that a call in this process gave it last, and whether
    nothing was drawn since; `seed` is missing where no such call was seen."""


class StrandJoined(Event, frozen=True, kw_only=True, tag="strand_joined"):
    """Two strands turned out to be one training: the run of `strand` is part of that of `into` from here on."""

    strand: str
    into: str
    name: str = ""
    """What tells its names from the same ones of the other, where that is known better than by its class."""


class Param(msgspec.Struct, frozen=True):
    name: str
    value: Any
    source: str
    """`estimator`, `fit`, `optimizer`, `args`, `config`, `global`, `user`."""


class StrandParams(Event, frozen=True, kw_only=True, tag="params"):
    strand: str
    params: tuple[Param, ...]


class Dataset(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Data that a run used.

    `id` is `None` where nothing could be digested; `method` says what the digest covers: `whole`,
    `sampled`, `mutated`, `unverified`, `declared`, or
    `manifest`, the files that a data set names; `held`, what a data set holds in memory, whatever it makes of it;
    `observed`, the rows that passed in the first epoch, whatever their order; `inferred`, the variables that the
    loss is computed from, by the program's source.
    `parts` holds a dataset for each of features, labels and weights, or for each thing that was found.
    """

    id: str | None
    method: str
    kind: str
    rows: int | None = None
    columns: int | None = None
    bytes: int | None = None
    schema: tuple[tuple[str, str], ...] = ()
    name: str | None = None
    parts: tuple[Dataset, ...] = ()
    seen: int | None = None
    """Of `observed` rows, those that were digested: less than `rows`, or of a number that is not known, where it is
    not all of them."""


class StrandDataset(Event, frozen=True, kw_only=True, tag="dataset"):
    """The last one of a (strand, role, number) wins: a large dataset is announced first, digested later."""

    strand: str
    role: str
    dataset: Dataset
    number: int = 0


class ColumnProfile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One column of a dataset.  Statistics are of the finite values of a column of numbers; `low` and `high` of
    times are texts in ISO 8601."""

    name: str
    type: str
    digest: str
    """Of type and content, in the order of the rows; the name is not part of it."""
    nulls: int = 0
    """Entries that are missing: None, NA, NaT, masked."""
    nans: int = 0
    infinities: int = 0
    low: Any = None
    high: Any = None
    mean: float | None = None
    deviation: float | None = None
    """Standard deviation with divisor n."""
    counts: tuple[tuple[Any, int], ...] | None = None
    """The values with how often they come up, the most frequent first, where there are no more than 20; None
    where there are more."""


class DataProfiled(Event, frozen=True, kw_only=True, tag="profile"):
    """What is in the data that has an identity; once for all datasets of a process that have it.

    `unordered` is the same for the same rows in another order; values count there, not their types.  `sketch`
    holds the smallest 64-bit hashes of the rows that differ, ascending (base64 of little-endian uint64), `repeats`
    how often each of these rows comes up (uint32; empty where each does once).  See `autotrack.identity.rows`.
    """

    data: str
    rows: int
    columns: tuple[ColumnProfile, ...]
    left_out: int = 0
    """Columns beyond those listed."""
    unordered: str
    ordered: str = ""
    """The same only for the same rows in the same order; empty where it is not known."""
    distinct: int
    """Number of different rows: exact where it is the number of hashes in the sketch, else estimated from it."""
    sketch: str
    repeats: str = ""
    files: tuple[tuple[str, str], ...] = ()
    """Of a manifest, whose rows are files, name and digest of each; of many files those of their folders."""


class SeriesDefined(Event, frozen=True, kw_only=True, tag="series"):
    """Gives a number to a series of this segment; its points follow in the points file."""

    series: int
    strand: str
    name: str
    origin: str = "framework"
    """Who says so: `framework`, `metric` (a metric function the user called), `user`, `print`; `system`: a sample,
    whose `strand` is the job itself."""


class StrandSummary(Event, frozen=True, kw_only=True, tag="summary"):
    """Values that are not series: best parameters, a confusion matrix, number of iterations."""

    strand: str
    values: dict[str, Any]


class StrandTrial(Event, frozen=True, kw_only=True, tag="trial"):
    """One candidate of a search, folded under the search's run as run `<strand>.<index>`."""

    strand: str
    index: int
    params: tuple[Param, ...]
    metrics: dict[str, Any]
    status: str = "finished"
    duration: float | None = None


class StrandModel(Event, frozen=True, kw_only=True, tag="model"):
    strand: str
    cls: str
    id: str | None = None
    """Digest of the learned state, independent of the file it is saved to."""
    parameters: int | None = None
    """Number of learned scalars, where the model has such a number."""
    kept: str | None = None
    """Digest of the blob that holds the pickled model."""
    bytes: int | None = None


class ArtifactSeen(Event, frozen=True, kw_only=True, tag="artifact"):
    """A file that was written or read.  `artifact` numbers it within its segment."""

    artifact: int
    path: str
    mode: str
    """`read` or `written`."""
    kind: str = "file"
    """`file`; `checkpoint`, `folder` of many; `appended`, where what the file held before is still in it."""
    strand: str | None = None
    step: int | None = None
    model: str | None = None
    """Identity of the model inside."""


class ArtifactDigested(Event, frozen=True, kw_only=True, tag="artifact_digest"):
    artifact: int
    digest: str | None
    bytes: int | None
    why: str = ""
    """Why there is no digest, or what there is to know of it: how many files it is of; of a file elsewhere
    (`declared:`), by which version or ETag, as its server told it."""
    model: str | None = None
    """Identity of the model inside, where that was found out with the digest."""


class Tagged(Event, frozen=True, kw_only=True, tag="tag"):
    strand: str | None
    name: str
    value: Any


class GapFound(Event, frozen=True, kw_only=True, tag="gap"):
    """Something that a reader might expect and that was not captured."""

    strand: str | None
    what: str
    why: str


class WarningFound(Event, frozen=True, kw_only=True, tag="warning"):
    """Something about a run that its author should know: `leakage`."""

    strand: str
    what: str
    text: str
    values: dict[str, Any] = {}
    """What the text says, for programs."""


class StrandEnded(Event, frozen=True, kw_only=True, tag="strand_ended"):
    strand: str
    status: str
    """`finished`, `failed` or `interrupted`; a strand whose process is gone without this is `killed`."""
    seconds: float
    failure: Failure | None = None


class PatchReceipt(msgspec.Struct, frozen=True):
    patch: str
    attached: bool
    fired: int
    failed: int
    why: str = ""
    off: bool = False
    """Whether it was switched off meanwhile, for that reason."""


class ConsoleText(Event, frozen=True, kw_only=True, tag="console"):
    """What a process printed: seconds after `time`, stream (1: output, 2: errors), text.  Secrets are taken out, and
    of a line that was written over by carriage returns within half a second the last state is kept."""

    parts: tuple[tuple[float, int, str], ...]
    left_out: int = 0
    """Characters before these that were not kept."""


class Receipt(Event, frozen=True, kw_only=True, tag="receipt"):
    """Which patches were expected, attached, fired, failed; the last one of a segment wins."""

    frameworks: dict[str, str]
    patches: tuple[PatchReceipt, ...]


class Overhead(Event, frozen=True, kw_only=True, tag="overhead"):
    """Seconds that recording took so far; the last one of a segment wins."""

    seconds: float
    """Of the user's threads, in all."""
    by: dict[str, float]
    """The same by patch, or what else there is: `autotrack.enable`, `plugin of sklearn`."""
    background: float = 0.0
    """Of a processor, on the recorder's thread."""
    bytes: int = 0
    """Size of the journal of this process."""


class Sealed(Event, frozen=True, kw_only=True, tag="sealed"):
    """The first `count` slots of the points file are on disk and have this digest."""

    count: int
    digest: str
    empty: tuple[int, ...] = ()


class SegmentEnded(Event, frozen=True, kw_only=True, tag="segment_ended"):
    """The process closed its segment itself; `left` says what it could not finish in time."""

    left: tuple[str, ...] = ()
    seconds: float | None = None
    """How long the end of the program waited for that."""


AnyEvent = (
    SegmentStarted
    | JobStarted
    | JobFacts
    | JobEnded
    | ProcessRank
    | StrandStarted
    | StrandJoined
    | StrandParams
    | StrandDataset
    | DataProfiled
    | SeriesDefined
    | StrandSummary
    | StrandTrial
    | StrandModel
    | ArtifactSeen
    | ArtifactDigested
    | Tagged
    | GapFound
    | WarningFound
    | StrandEnded
    | ConsoleText
    | Receipt
    | Overhead
    | Sealed
    | SegmentEnded
)

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(AnyEvent).decode
