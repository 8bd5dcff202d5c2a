"""Scores that a library computes of a whole model, in a call of its own."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterator
from typing import Any

from autotrack import Strand
from autotrack.plugin_api import loaded, note_of, remember, strand_for, strand_of
from autotrack_torch import checkpoints, loaders, loop, modules, optimizers
from autotrack_torch import training as trainings

BYTES = 256 << 20
"""Of a model whose identity is asked for."""


def adopt(model: Any) -> None:
    """Where parameters of a model have been trained already, what trains it now is the same training."""
    if strand_of(model) is None:
        known = trainings.of_parameters(model.parameters())
        if known and known[0].strand.recording:
            remember(model, known[0].strand)


def strand_to_score(model: Any, framework: str) -> Strand | None:
    """The strand that scores of a model belong to: of the training of this very model, or of its weights, else of a
    run of kind `evaluation`, which leads to the run that trained it."""
    model = modules.unwrapped(model)
    known = strand_of(model)
    if known is not None and known.recording:
        return known
    training = next(iter(trainings.of_parameters(model.parameters())), None)
    if training is not None and training.strand.recording:
        return training.strand
    if note_of(model) is None or known is not None:
        loaded(model, _identity(model), None, type(model).__name__)
    return strand_for(model, framework, type(model).__name__)


def fitted(strand: Strand, model: Any) -> None:
    """A training is over: this is what it has made."""
    identity, kind = _identity(model), type(model)
    size = sum(parameter.numel() for parameter in model.parameters())
    strand.fitted(f"{kind.__module__}.{kind.__qualname__}", identity, size)


def _identity(model: Any) -> str | None:
    """The identity of a model's weights; None where they are many, or on several machines, each of which had to be
    asked."""
    torch: Any = sys.modules["torch"]
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return None
    if sum(tensor.numel() * tensor.element_size() for tensor in model.parameters()) > BYTES:
        return None
    return checkpoints.identity_of(checkpoints.state_in(model))


@contextlib.contextmanager
def fitting(strand: Strand, model: Any) -> Iterator[None]:
    """A training by a library, whose strand stands around it: what the library says of it ends with it."""
    trainings.leave(strand)
    here = trainings.in_thread()
    before, here.split = here.split, ""
    try:
        yield
    finally:
        here.split, here.name, here.given, here.epochs = before, "", None, 0
        loaders.settle()
    fitted(strand, model)


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """What a library does in this thread meanwhile is no part of any training: it is tried out, and undone."""
    here = trainings.in_thread()
    before, round, counts = here.paused, here.round, optimizers.counts()
    here.paused = True
    loop.unsettle()
    try:
        yield
    finally:
        here.paused, here.round = before, round
        optimizers.put_back(counts)
        loop.unsettle()


def evaluating(model: Any, split: str) -> Generator[None, Any, Any]:
    """Of an observer: the data that is iterated meanwhile is for a `split`, and evaluates this model."""
    here = trainings.in_thread()
    loaders.settle()
    before, training = here.split, here.training
    here.split = split
    here.training = next(iter(trainings.of_parameters(modules.unwrapped(model).parameters())), None)
    try:
        result = yield
    finally:
        loaders.settle()
        here.split, here.training = before, training
    return result
