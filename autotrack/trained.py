"""Which strand trained an object.  Objects are held weakly: tracking keeps nothing of the user's alive."""

from __future__ import annotations

import weakref
from typing import Any

from autotrack.strand import Strand


class _Reference(weakref.ref[Any]):
    """A weak reference with what is known of its object."""

    __slots__ = ("role", "strand")
    strand: Strand
    role: str | None


_known: dict[int, _Reference] = {}
"""By the object's id.  Entries of dead objects are swept out now and then, not by a callback: an exception that a
signal handler of the user raises in one would be lost."""
SWEPT_FROM = 512


class _State:
    limit = SWEPT_FROM


def remember(obj: Any, strand: Strand, role: str | None = None) -> None:
    """Note that `strand` trained this very object, or made it as a prediction for data that it had used in
    this `role`.  Objects without weak references are left out."""
    try:
        reference = _Reference(obj)
    except TypeError:
        return
    reference.strand, reference.role = strand, role
    _known[id(obj)] = reference
    if len(_known) > _State.limit:
        _sweep()


def _sweep() -> None:
    for key, reference in list(_known.items()):
        if reference() is None and _known.get(key) is reference:
            _known.pop(key, None)
    _State.limit = max(SWEPT_FROM, 2 * len(_known))


def strand_of(obj: Any) -> Strand | None:
    """The strand that trained this very object last, or None."""
    reference = _known.get(id(obj))
    return reference.strand if reference is not None and reference() is obj else None


def role_of(obj: Any) -> str | None:
    """The role of the data for which this very object is a prediction, where it is known."""
    reference = _known.get(id(obj))
    return reference.role if reference is not None and reference() is obj else None
