"""What plugins use beside what their observers are given: which strand trained an object, which model made a
prediction, files, identities."""

from __future__ import annotations

import time
import weakref
from typing import Any

from autotrack import context, trained
from autotrack.artifacts import report_artifact
from autotrack.capture.seeds import know as know_generator
from autotrack.capture.seeds import note as seed_called
from autotrack.evaluation import Loaded, loaded, strand_for, strand_for_loaded
from autotrack.identity import data as identity
from autotrack.identity import models
from autotrack.predictions import Prediction, Tie, like, made
from autotrack.predictions import of as prediction_of
from autotrack.shield import raised_by_signal_handler
from autotrack.strand import Strand
from autotrack.trained import note_of, remember, role_of, strand_of

__all__ = [
    "Loaded",
    "Prediction",
    "Tie",
    "artifact",
    "digest",
    "know_generator",
    "like",
    "loaded",
    "made",
    "model_digest",
    "note_of",
    "prediction_of",
    "raised_by_signal_handler",
    "remember",
    "role_of",
    "seed_called",
    "strand_for",
    "strand_for_loaded",
    "strand_of",
]


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


def artifact(
    path: str,
    mode: str,
    *,
    kind: str = "file",
    strand: Strand | None = None,
    model: str | None = None,
    file: Any = None,
) -> None:
    """A file that was `read` or `written`, by a strand or by the job.  `file`, where given, is the open file:
    its content is whole once that is closed."""
    job = context.Current.job
    if job is None:
        return
    if strand is not None and model is not None:
        trained.identify(model, strand)
    report_artifact(job, path, mode, kind=kind, model=model, strand=strand.id if strand else None, closed=_closed(file))


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
