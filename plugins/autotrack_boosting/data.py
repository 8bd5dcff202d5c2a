"""Data that a framework holds in a container of its own."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import Any

from autotrack import Dataset, Strand
from autotrack.plugin_api import Batches, Unseen, artifact, data_held, data_profiled, note_of
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


class Passing:
    """Data that a container is made of batch by batch: the rows of the first pass, as they are handed over."""

    id = None

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self.columns: int | None = None
        self.why = ""
        """Nothing is known of the content, and why."""
        self.over = False
        """Whether the first pass is."""
        self.whole = False
        """Whether it has come to its end."""
        self._batches = Batches()
        self._put: list[str] = []
        self._users: list[tuple[weakref.ref[Strand], str, str, str | None, Callable[[Dataset], None]]] = []

    def batch(self, batch: dict[str, Any]) -> None:
        """A batch passes, by what it holds."""
        shape: Any = getattr(batch.get("data"), "shape", ())
        self.columns = shape[1] if len(shape) > 1 else self.columns
        if not self.why:
            try:
                self._batches.look({name: part for name, part in batch.items() if part is not None})
            except Unseen as error:
                self.why = str(error)

    def put(self, what: str, data: Any) -> None:
        self._put.append(what)

    def used(self, strand: Strand, role: str, container: Any, name: str | None = None) -> None:
        """A training uses the container, in this role, and under this name: told once."""
        if any(reference() is strand for reference, *_ in self._users):
            return
        kind = kind_of(container)
        report = strand.dataset(role, Dataset(id=None, method="declared", kind=kind, name=name))
        self._users.append((weakref.ref(strand), role, kind, name, report))
        if self.over:
            self._tell(self._users[-1:])

    def settle(self, seconds: float) -> None:
        """The container is made."""
        if not self.over:
            self.over = True
            self._tell(self._users)

    def _tell(self, users: list[tuple[weakref.ref[Strand], str, str, str | None, Callable[[Dataset], None]]]) -> None:
        missing = self._batches.missing()
        if not self.whole:
            missing.append(f"what has passed ends after {self._batches.rows:,} {self._batches.what}")
        if self._put:
            missing.append(f"what was set afterwards is not part of it: {', '.join(self._put)}")
        for reference, role, kind, name, report in users:
            strand = reference()
            if strand is None:
                continue
            rows = self._batches.rows if self.whole else None
            dataset, profile = self._batches.observed(kind, rows, self.columns, name)
            report(dataset)
            if self.why or missing:
                strand.gap(f"identity of the {role} data", self.why or "; ".join(missing))
            if profile is not None:
                data_profiled(strand, profile)


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
