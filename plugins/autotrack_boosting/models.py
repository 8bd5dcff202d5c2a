"""Models of either framework: the booster in them, and what it predicts."""

from __future__ import annotations

import sys
from typing import Any

from autotrack.plugin_api import made, strand_of


def booster_of(model: Any, module: str) -> Any:
    """The booster, a class of this module, that a model is or has; None where it has none."""
    known = sys.modules.get(module)
    if known is None:
        return None
    held = getattr(model, "__dict__", {}).get("_Booster", model)
    return held if isinstance(held, known.Booster) else None


def name_of(objective: Any) -> str:
    """The name of a training without an estimator: `Booster(binary:logistic)`, or by a function of the program's."""
    return f"Booster({getattr(objective, '__name__', objective)})"


def predicted(booster: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """A prediction is known by the model that made it, and for which data.  One of a single row is left alone."""
    features = args[0] if args else kwargs.get("data")
    if getattr(result, "shape", (1,))[0] == 1:
        return
    strand = strand_of(booster)
    role = strand.role_of(features) if strand is not None else None
    made(result, booster, strand, role=role, features=features)
