"""What plugins use beside what their observers are given: which strand trained an object, which model made a
prediction, files, identities."""

from __future__ import annotations

import inspect
import math
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

from autotrack import context, leakage, trained
from autotrack.artifacts import report_artifact
from autotrack.call import caller
from autotrack.capture.around import attributes, objects_around
from autotrack.capture.callsite import call_at, calls_around, text_of
from autotrack.capture.seeds import know as know_generator
from autotrack.capture.seeds import note as seed_called
from autotrack.capture.shown import variables
from autotrack.evaluation import Loaded, loaded, strand_for, strand_for_loaded
from autotrack.extension import built as extension
from autotrack.identity import data as identity
from autotrack.identity import models
from autotrack.identity.batches import Batches, Piece, Unseen
from autotrack.identity.models import Streamed
from autotrack.journal.points import pack_record
from autotrack.lifecycle import values as as_recorded
from autotrack.loops import LoopTraining, goes_on, is_here
from autotrack.manual import here
from autotrack.plugins import hooks
from autotrack.predictions import Prediction, Tie, like, made
from autotrack.predictions import of as prediction_of
from autotrack.printed.words import name_of, series_name
from autotrack.shield import raised_by_signal_handler
from autotrack.strand import BEGUN, Strand
from autotrack.trained import note_of, remember, role_of, strand_of

if TYPE_CHECKING:
    from autotrack.events import DataProfiled
    from autotrack.identity.source import Source

__all__ = [
    "SELF_TOLD",
    "Batches",
    "Loaded",
    "LoopTraining",
    "Piece",
    "Prediction",
    "Streamed",
    "Tie",
    "Unseen",
    "artifact",
    "as_recorded",
    "attributes",
    "begin",
    "call_at",
    "caller",
    "data_held",
    "data_profiled",
    "data_source",
    "digest",
    "extension",
    "goes_on",
    "is_here",
    "is_model",
    "kept_settings",
    "know_generator",
    "later",
    "like",
    "loaded",
    "made",
    "model_digest",
    "note_of",
    "objects_around",
    "on_record",
    "pack_record",
    "prediction_of",
    "raised_by_signal_handler",
    "remember",
    "role_of",
    "seed_called",
    "series_name",
    "settings_around",
    "split_of",
    "state_digest",
    "strand_around",
    "strand_for",
    "strand_for_loaded",
    "strand_here",
    "strand_inside",
    "strand_of",
    "streams_digest",
    "text_of",
    "variables",
]


SELF_TOLD = "told by its framework"
"""What a strand remembers whose framework tells its steps itself, whatever it is built on: no other plugin adds any."""


TOLD = 1_000
"""Values of one name, and names, that are known as on record where they are printed."""


TRAININGS = 10
"""Trainings of which it is remembered where they began."""


def digest(data: Any) -> str | None:
    """The identity of an array, table, sparse matrix or list, or None where it has none or where it can't be
    had in a few milliseconds."""
    return identity.quick_digest(data)


def model_digest(model: Any, budget: float) -> str | None:
    """The identity of a fitted model, or None where it can't be had within `budget` seconds."""
    try:
        return models.model_digest(model, time.perf_counter() + budget)
    except models.OverBudget:
        return None


def is_model(obj: Any) -> bool:
    """Whether an object is a model of a framework that has a plugin which knows what its models have learned."""
    return hooks.call("autotrack_state", obj=obj) is not None


def state_digest(state: Mapping[str, Any]) -> str:
    """The identity of a model by what it has learned: see the hook `autotrack_state`."""
    return models.state_digest(state)


def kept_settings(obj: Any) -> dict[str, Any]:
    """What the constructor of an object was given, as far as it has kept it under the same name: numbers and words."""
    try:
        arguments = inspect.signature(type(obj).__init__).parameters
    except (TypeError, ValueError):
        return {}
    held = getattr(obj, "__dict__", {})
    return {name: held[name] for name in arguments if isinstance(held.get(name), (int, float, str))}


def streams_digest(framework: str, parts: Mapping[str, Any]) -> str:
    """The identity of a model by its parts, however long that takes: for the recorder.  An array among them may be a
    `Streamed`, which is read as it is digested."""
    return models.model_digest({framework: dict(parts)}, math.inf)


def data_held(
    strand: Strand,
    role: str,
    kind: str,
    held: Mapping[str, Any],
    paths: Sequence[str] = (),
    *,
    method: str = "held",
    kinds: Mapping[str, str] | None = None,
) -> None:
    """Data that is used, by what a data set of this `kind` holds in memory (name to array, table or list) and by the
    files that it names, which the recorder reads.  `kinds`: what the program has where an array is held, by name."""
    from autotrack.identity import manifests

    manifests.Holdings(strand, role, kind, held, paths, method, kinds or {})


def data_source(
    features: Any, labels: Any = None, weights: Any = None, *, size: tuple[int, int] | None = None, **others: Any
) -> Source | None:
    """What a framework's own container of data is being made of, `others` by name; None where nothing is recorded.
    `size`: rows and columns of features that are a list of matrices.  To
    be told to `settle` once the container is made, and to be noted of it (`remember(container, None, note=source)`):
    trainings `use` it then."""
    from autotrack.identity.source import Source

    job = context.Current.job
    return Source(job, features, labels, weights, others, size) if job is not None else None


def data_profiled(strand: Strand, profile: DataProfiled) -> None:
    """What is in the rows that have passed in a training."""
    strand.job.report(profile)
    leakage.of(strand.job).profiled(profile)


def artifact(
    path: str,
    mode: str,
    *,
    kind: str = "file",
    strand: Strand | None = None,
    model: str | Callable[[str], str | None] | None = None,
    file: Any = None,
    step: int | None = None,
    number: int | None = None,
    when: float | None = None,
) -> int | None:
    """A file that was `read` or `written`, by a strand or by the job.  `model` is the identity of the model inside, or
    what the recorder has to call with the path for it, as long as the file is still the one that was seen; `file`,
    where given, is the open file: its content is whole once that is closed.  Returns a number by which the same file
    can be told of once more, as that of a strand, `when` it was met in seconds since the epoch; None where nothing is
    recorded."""
    job = context.Current.job
    if job is None:
        return None
    if strand is not None and isinstance(model, str):
        trained.identify(model, strand)
    return report_artifact(
        job, path, mode, kind=kind, model=model, step=step, strand=strand.id if strand else None, closed=_closed(file),
        number=number, when=when,
    )  # fmt: skip


def begin(
    framework: str, name: str, cls: str = "", frame: FrameType | None = None, *, returned: bool = False
) -> Strand | None:
    """The strand of a training that no single call makes, as it begins in this thread: that of the call that it happens
    in, where one is observed, else a new one, which ends with the program.  None where nothing is recorded.  `frame`:
    that of the program which begins it; `returned`: told by what a patch has as its `returned`, which is called outside
    of observed calls alone."""
    job, inside = context.Current.job, context.here.inside if not returned else None
    if job is None or job.ended or inside is not None:
        known = isinstance(inside, Strand) and inside.job is job and SELF_TOLD not in inside.memo
        return inside if known else None  # type: ignore[return-value]
    around = strand_around()
    if around is not None:
        return around
    strand: Strand = context.aside(lambda: Strand(job, framework=framework, kind="training", name=name, cls=cls))
    context.began(strand)
    calls = strand.memo[BEGUN] = calls_around(frame)
    job.trainings.append((calls, weakref.ref(strand)))
    del job.trainings[:-TRAININGS]
    return strand


def strand_around() -> Strand | None:
    """The strand of the call of a library that stands around what happens here: see `Patch(around=True)`."""
    place = context.opened.get()
    known = isinstance(place, Strand) and place.kind != "run" and place.job is context.Current.job and place.recording
    return place if known else None  # type: ignore[return-value]


def strand_inside() -> Strand | None:
    """The strand whose observed call is running in this thread."""
    place = context.here.inside
    return place if isinstance(place, Strand) and place.recording else None


def strand_here() -> Strand | None:
    """The strand that a value which the program tells belongs to: of the run that is open, of the last one, or of the
    program as a whole.  None where nothing is recorded."""
    job = context.Current.job
    return here(job) if job is not None and not job.ended else None


def is_rank(number: int) -> None:
    """This process is one of several that train together, and `number` its rank."""
    job = context.Current.job
    if job is not None and not job.ended:
        job.is_rank(number)


def later(what: str, task: Callable[[], None], seconds: float = 0.0) -> None:
    """Have the recorder do something in a while, off the program's threads; when the program ends at once."""
    job = context.Current.job
    if job is not None and job.recorder is not None:
        job.recorder.soon(what, task, seconds)


def settings_around(frame: FrameType | None) -> dict[str, Any]:
    """The settings in the variables of the program's functions that run where a training begins, to be recorded as
    parameters of the source `local`."""
    from autotrack.capture import functions

    job = context.Current.job
    return functions.settings(job, frame) if job is not None else {}


def on_record(name: str, value: float) -> None:
    """A value that a library has logged under this name is on record: where the program prints it, too, that is no
    other one."""
    job = context.Current.job
    if job is not None:
        for known in {name, str(name_of(name))} if name in job.told or len(job.told) < TOLD else ():
            job.told.setdefault(known, deque(maxlen=TOLD)).append(float(value))


def split_of(name: str) -> str:
    """The split that a name speaks of: `valid` for `val_loader`; nothing where it speaks of none."""
    return name_of(name).split


def _closed(file: Any) -> Any:
    if not hasattr(file, "closed"):
        return None
    try:
        reference = weakref.ref(file)
    except TypeError:
        return None

    def closed() -> bool:
        alive = reference()
        return alive is None or bool(alive.closed)

    return closed
