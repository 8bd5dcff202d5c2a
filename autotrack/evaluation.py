"""Scores of a model that was not trained here as this very object: copied, unpickled, loaded from a file.

A copy of a model that was trained here is known by the model's identity, and its scores are those of that run.  Any
other makes a run of its own, of kind `evaluation`, which names the model's identity: by that it leads to the run that
trained it, in whatever program that was.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from autotrack import context, events, shield, trained
from autotrack.identity import models
from autotrack.strand import Strand

if TYPE_CHECKING:
    from autotrack.job import Job

BUDGET = 0.100
"""Seconds that the identity of a model may take."""
LIMIT = 100
"""Runs of this kind that a process makes."""

COPY = object()
"""What is noted of a model whose scores belong to a run: its own training would be another one."""


class Loaded:
    """What is noted of a model that came from a file: its identity, where that could be had, the file, a name and the
    class.  Scores of its predictions are known by it when the model is gone."""

    __slots__ = ("cls", "identity", "name", "path", "strand")

    def __init__(self, model: Any, identity: str | None, path: str | None, name: str) -> None:
        kind = type(model)
        self.cls = f"{kind.__module__}.{kind.__qualname__}"
        self.identity, self.path, self.name = identity, path, name
        self.strand: Strand | None = None


def loaded(model: Any, identity: str | None, path: str | None, name: str) -> None:
    """Note that a model came from a file."""
    trained.remember(model, None, note=Loaded(model, identity, path, name))


def strand_for(model: Any, framework: str, name: str) -> Strand | None:
    """The strand that scores of this fitted model belong to; None where there are too many of them."""
    known = trained.strand_of(model)
    job = context.Current.job
    if known is not None or job is None:
        return known
    note = trained.note_of(model)
    if not isinstance(note, Loaded):
        note = Loaded(model, _identity(model), None, name)
    strand = _strand(job, note, model, framework)
    if strand is not None:
        trained.remember(model, strand, note=COPY)
    return strand


def strand_for_loaded(note: Loaded, framework: str) -> Strand | None:
    """As `strand_for`, of a model that came from a file and is gone."""
    job = context.Current.job
    return _strand(job, note, None, framework) if job is not None else None


def _strand(job: Job, note: Loaded, model: Any, framework: str) -> Strand | None:
    identity = note.identity
    strand = note.strand or (trained.identified(identity) if identity is not None else None)
    if strand is None or strand.job is not job:
        if job.evaluations >= LIMIT:
            if job.evaluations == LIMIT:
                job.evaluations += 1
                why = f"more than {LIMIT} models that were not trained in this program"
                job.report(events.GapFound(time=time.time(), strand=None, what="scores", why=why))
            return None
        job.evaluations += 1
        strand = Strand(job, framework=framework, kind="evaluation", name=note.name, cls=note.cls)
        if model is not None:
            strand.params_of(model)
        strand.evaluates(note.cls, identity)
        if note.path is not None:
            strand.artifact(note.path, "read", kind="model", model=identity)
        strand.end("finished")
        context.put(context.latest, strand)
        if identity is not None:
            trained.identify(identity, strand)
    note.strand = strand
    return strand


def _identity(model: Any) -> str | None:
    try:
        return context.aside(models.model_digest, model, time.perf_counter() + BUDGET)
    except (models.OverBudget, TypeError, AttributeError, ValueError, RecursionError) as error:
        if shield.raised_by_signal_handler(error):
            raise
        return None
