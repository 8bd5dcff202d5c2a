"""What a framework's own container of data was made of: described and digested as it is made, told to each training
that uses it.  Nothing of the data is kept alive."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from autotrack.identity import arrays, profiles
from autotrack.identity import data as identity

if TYPE_CHECKING:
    from autotrack.job import Job
    from autotrack.strand import Strand


class Source:
    """Features, labels and weights that a container is being made of."""

    def __init__(
        self, job: Job, features: Any, labels: Any, weights: Any, others: Mapping[str, Any],
        size: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        self._job = job
        self.settings: dict[str, Any] = {}
        """What the container was told to make of the data, which is a parameter of what is trained on it."""
        description = identity.describe(features, labels, weights, others=others, size=size)
        self._users: list[tuple[weakref.ref[Strand], str, int, str | None]] = []
        self._references = {what: _weak(data) for what, data, _ in description.parts}
        self._beside: identity.Beside | None = None
        self._begun = False
        if labels is not None:  # else it may be one of many that are predicted for
            self._profile(description.digested)
        if description.pending:
            self._beside = identity.Beside(job, description, lambda _: self._digested(description), self._gap)
            self._begun = self._beside.begin()
        self._gaps = description.gaps
        self._parts = {what: part for what, _, part in description.parts}
        self._put: set[str] = set()
        """What was put into the container since."""

    def _profile(self, digested: list[tuple[str, Any]]) -> None:
        for identified, given in digested:
            profiles.of(self._job).later(identified, given)

    @property
    def id(self) -> str | None:
        """The identity of the features, where it is known."""
        features = self._parts.get("features")
        return features.id if features is not None else None

    def settle(self, seconds: float) -> None:
        """The container is made: see whether large data changed meanwhile, where that takes at most so long."""
        if self._beside is not None:
            self._beside.settle(seconds)

    def put(self, what: str, data: Any) -> None:
        """Other `labels`, `weights` or whatever else are put into the container; None: they are taken out."""
        self._put.add(what)
        self._parts.pop(what, None)
        self._users.clear()
        if data is None:
            return
        described = identity.Description()
        identity.add(described, what, data)
        self._references[what] = _weak(data)
        self._gaps = [*self._gaps, *described.gaps]
        if described.pending:
            self._gaps.append((f"identity of the {what}", "they were put in later, and are not digested at once"))
        self._parts.update({name: part for name, _, part in described.parts})

    def part(self, rows: Any) -> Source:
        """Of a container that holds some rows of this one, by their numbers."""
        import numpy

        chosen = numpy.asarray(rows)
        picked = arrays.digest(chosen)
        part = object.__new__(Source)
        part._job, part._users, part._beside, part._references = self._job, [], None, {}
        part.settings, part._gaps, part._put = self.settings, self._gaps, set()
        part._parts = {
            what: identity.changed(
                described,
                id=arrays.named(arrays.combine(described.id, picked)) if described.id is not None else None,
                rows=len(chosen),
                bytes=None,
            )
            for what, described in self._parts.items()
        }
        return part

    def used(self, strand: Strand, role: str, container: Any, name: str | None = None) -> None:
        """A training uses the container, in this role, and under this name: told once."""
        if any(reference() is strand for reference, *_ in self._users):
            return
        description = self._description(name)
        number = strand.described(role, description, container)
        self._users.append((weakref.ref(strand), role, number, name))
        if self._beside is not None and not self._begun:
            self._begun = self._beside.begin_late()
        if self._description(name).dataset != description.dataset:  # known since, on the recorder's thread
            self._report()
        # Not where that was done as it was made: it may have been one of many, or nothing was recorded yet.
        self._profile([(part.id, data) for _, data, part in description.parts if part.id and data is not None])

    def _description(self, name: str | None) -> identity.Description:
        description = identity.Description()
        description.gaps, description.name = self._gaps, name
        alive = {what: reference() for what, reference in self._references.items()}
        parts = sorted(self._parts.items(), key=lambda entry: _ORDER.get(entry[0], len(_ORDER)))
        description.parts = [(what, alive.get(what), part) for what, part in parts]
        return description

    def _digested(self, description: identity.Description) -> None:
        """More is known of what the container was made of; what was put into it since is another thing."""
        self._parts.update({what: part for what, _, part in description.parts if what not in self._put})
        self._report()

    def _report(self) -> None:
        for reference, role, number, name in list(self._users):
            strand = reference()
            if strand is not None:
                strand.report_dataset(role, number, self._description(name).dataset)

    def _gap(self, what: str, why: str) -> None:
        self._gaps = [*self._gaps, (what, why)]
        for reference, *_ in list(self._users):
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
