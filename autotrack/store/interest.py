"""Which metrics tell most of runs, where nobody has said which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from autotrack.ranks import is_of_another

SPLITS = ("test", "valid", "cv", "train")
"""What a metric is of: the one that tells most of a model first."""


def by_interest(runs: Iterable[Mapping[str, Any]]) -> list[str]:
    """The metrics of runs by how many of these have them, then by split."""
    counts = Counter(name for run in runs for name in run["metrics"] if not is_of_another(name))
    return sorted(counts, key=lambda name: (-counts[name], _interest(name), name))


def _interest(name: str) -> tuple[bool, int]:
    split = name.partition("/")[0]
    return name.endswith(".std"), SPLITS.index(split) if split in SPLITS else len(SPLITS)
