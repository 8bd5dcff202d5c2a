"""What a framework's own container of data was made of: described and digested as it is made, told to each training
that uses it.  Nothing of the data is kept alive."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from autotrack import events
from autotrack.identity import arrays, profiles
from autotrack.identity import data as identity

if TYPE_CHECKING:
    from autotrack.job import Job
    from autotrack.strand import Strand


class Source:
    """Features, labels and weights that a container is being made of."""

    def __init__(self, job: Job, features: Any, labels: Any, weights: Any, others: Mapping[str, Any]) -> None:
        self._job = job
        self.settings: dict[str, Any] = {}
        """What the container was told to make of the data, which is a parameter of what is trained on it."""
        description = self._description = identity.describe(features, labels, weights, others=others)
        self._users: list[tuple[weakref.ref[Strand], str, int]] = []
        self._beside: identity.Beside | None = None
        for identified, given in description.digested:
            profiles.of(job).later(identified, given)
        description.digested = []
        if description.pending:
            self._beside = identity.Beside(job, description, self._report, self._gap)
            self._beside.begin()
        self._references = {what: _weak(data) for what, data, _ in description.parts}
        description.parts = [(what, None, part) for what, _, part in description.parts]

    @property
    def id(self) -> str | None:
        """The identity of the features, where it is known."""
        return self._description.parts[0][2].id

    def settle(self, seconds: float) -> None:
        """The container is made: see whether large data changed meanwhile, where that takes at most so long."""
        if self._beside is not None:
            self._beside.settle(seconds)

    def put(self, what: str, data: Any) -> None:
        """Other `labels`, `weights` or whatever else are put into the container."""
        described = identity.Description()
        identity.add(described, what, data)
        self._references[what] = _weak(data)
        put = [(name, None, part) for name, _, part in described.parts]
        kept = [entry for entry in self._description.parts if entry[0] != what]
        self._description.parts = sorted([*kept, *put], key=lambda entry: _ORDER.get(entry[0], len(_ORDER)))
        self._users.clear()

    def part(self, rows: Any) -> Source:
        """Of a container that holds some rows of this one, by their numbers."""
        import numpy

        part = object.__new__(Source)
        part._job, part._users, part._beside, part._references = self._job, [], None, {}
        part.settings = self.settings
        part._description = identity.Description()
        chosen = numpy.asarray(rows)
        picked = arrays.digest(chosen)
        part._description.parts = [
            (
                what,
                None,
                identity.changed(
                    described,
                    id=arrays.named(arrays.combine(described.id, picked)) if described.id is not None else None,
                    rows=len(chosen),
                    bytes=None,
                ),
            )
            for what, _, described in self._description.parts
        ]
        return part

    def used(self, strand: Strand, role: str, container: Any, name: str | None = None) -> None:
        """A training uses the container, in this role, and under this name: told once."""
        if any(reference() is strand for reference, *_ in self._users):
            return
        description = identity.Description()
        description.gaps, description.name = self._description.gaps, name
        references = self._references
        description.parts = [
            (what, references.get(what, _nothing)(), part) for what, _, part in self._description.parts
        ]
        number = strand.described(role, description, container)
        self._users.append((weakref.ref(strand), role, number))

    def _report(self, dataset: events.Dataset) -> None:
        for reference, role, number in self._users:
            strand = reference()
            if strand is not None:
                strand.report_dataset(role, number, dataset)

    def _gap(self, what: str, why: str) -> None:
        self._description.gaps.append((what, why))
        for reference, *_ in self._users:
            strand = reference()
            if strand is not None:
                strand.gap(what, why)


_ORDER = {"features": 0, "labels": 1, "weights": 2}


def _nothing() -> None:
    return None


def _weak(data: Any) -> Any:
    try:
        return weakref.ref(data)
    except TypeError:
        return _nothing
