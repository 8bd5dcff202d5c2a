"""What a training is told: its parameters, the model that it goes on from; and what it finds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from autotrack import Strand
from autotrack.plugin_api import artifact, kept_settings, model_digest

BUDGET = 0.1
"""Seconds that the identity of a model may take, as far as it is known before how long it will."""
FEATURES = 1_000
"""Features of which importances are recorded."""


class Pace:
    """How long the identities of boosters take: they are had in one piece, in which nothing can be stopped."""

    def __init__(self) -> None:
        self._each = 0.0
        """Seconds a round, of the last one."""

    def digest(self, strand: Strand | None, rounds: int, take: Callable[[], str | None]) -> str | None:
        """What `take` says is the identity of a booster of so many rounds; None, and a gap, where that would go over
        the budget."""
        if self._each * rounds > BUDGET:
            if strand is not None:
                strand.gap("identity of saved models", f"it would take more than {BUDGET:g} s")
            return None
        begun = time.perf_counter()
        found = take()
        self._each = (time.perf_counter() - begun) / max(rounds, 1)
        return found


def params_of(given: Any) -> dict[str, Any]:
    """The parameters of a booster, which may be given as pairs, where a name may come up again."""
    if isinstance(given, dict):
        return {str(name): value for name, value in given.items()}
    found: dict[str, Any] = {}
    for name, value in given if isinstance(given, (list, tuple)) else ():
        before = found.get(name)
        found[name] = [*(before if isinstance(before, list) else [before]), value] if name in found else value
    return found


def tell_callbacks(strand: Strand, callbacks: Any) -> None:
    """Callbacks by their classes, and what they are set to."""
    given = list(callbacks) if isinstance(callbacks, (list, tuple, set)) else []
    if not given:
        return
    names = [getattr(callback, "__qualname__", type(callback).__name__).partition(".")[0] for callback in given]
    settings: dict[str, Any] = {"callbacks": names}
    for name, callback in zip(names, given, strict=True):
        settings.update({f"{name.lstrip('_')}.{setting}": value for setting, value in kept_settings(callback).items()})
    strand.params(settings, source="fit")


def tell_model(strand: Strand, model: Any, name: str) -> None:
    """The model that training goes on from: a file, or one of this program by its identity, as a parameter."""
    if isinstance(model, (str, os.PathLike)):
        artifact(os.path.expanduser(os.fsdecode(model)), "read", kind="model", strand=strand)
    elif model is not None:
        strand.params({name: model_digest(model, BUDGET) or type(model).__name__}, source="fit")


def importances(strand: Strand, name: str, scores: dict[str, float], features: int) -> dict[str, Any]:
    """Scores of features, the largest first, where they are not many."""
    if features > FEATURES:
        strand.gap("feature_importances", f"{features:,} features, more than {FEATURES:,}")
        return {}
    return {name: dict(sorted(scores.items(), key=lambda pair: -pair[1]))} if scores else {}
