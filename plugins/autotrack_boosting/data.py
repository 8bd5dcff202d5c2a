"""Data that a framework holds in a container of its own."""

from __future__ import annotations

import os
from typing import Any

from autotrack import Strand
from autotrack.plugin_api import artifact, data_held, note_of
from autotrack_boosting.rounds import prefixes_of

SHARE = 0.01
"""Of the time that a container takes to be made, for a second look at large data."""


class File:
    """What a container is read from."""

    __slots__ = ("_path",)
    id = None

    def __init__(self, path: str) -> None:
        self._path = path

    def used(self, strand: Strand, role: str, container: Any, name: str | None = None) -> None:
        known = strand.memo.setdefault("files of data", set())
        if self._path not in known:
            known.add(self._path)
            data_held(strand, role, kind_of(container), {}, [self._path])


def file_of(path: Any) -> File | None:
    """What is noted of a container that is made of a file; None for other data."""
    if not isinstance(path, (str, os.PathLike)):
        return None
    found = os.path.abspath(os.fsdecode(path).partition("?")[0].partition("#")[0].removeprefix("file://"))
    artifact(found, "read")
    return File(found)


def tell(
    strand: Strand, role: str, container: Any, *, name: str | None = None, rows: int | None = None, why: str = ""
) -> None:
    """A training uses a container, under a name; `rows` and `why` where it is not known what that was made of."""
    source = note_of(container)
    if hasattr(source, "used"):
        source.used(strand, role, container, name)
        if role == "train" and getattr(source, "settings", None):
            strand.params(source.settings, source="data")
    else:
        strand.data_seen(role, kind_of(container), rows=rows, why=why)


def kind_of(container: Any) -> str:
    kind = type(container)
    return f"{kind.__module__.partition('.')[0]}.{kind.__name__}"


def pairs(given: Any) -> list[tuple[Any, Any]]:
    """Evaluation sets in a list of pairs; nothing of an iterator, which can be gone through only once."""
    listed = given if isinstance(given, (list, tuple)) else ()
    return [tuple(entry) for entry in listed if isinstance(entry, (list, tuple)) and len(entry) == 2]


def tell_sets(strand: Strand, features: Any, given: Any, names: list[str], weights: Any) -> dict[str, str]:
    """Evaluation sets of a `fit`, pairs of features and labels; returns their prefixes, see `prefixes_of`."""
    sets = pairs(given)
    prefixes = prefixes_of([(name, data is features) for name, (data, _) in zip(names, sets, strict=False)])
    for at, (name, (data, labels)) in enumerate(zip(names, sets, strict=False)):
        if data is not features:
            weight = weights[at] if isinstance(weights, (list, tuple)) and at < len(weights) else None
            strand.data(prefixes.get(name, "valid"), data, labels=labels, weights=weight, name=name)
    return prefixes
