"""Which strand trained an object.  Objects are held weakly: tracking keeps nothing of the user's alive."""

from __future__ import annotations

import weakref
from typing import Any

from autotrack.strand import Strand


class _Reference(weakref.ref[Any]):
    """A weak reference that knows where it stands in `_known`."""

    __slots__ = ("key", "role", "strand")
    key: int
    strand: Strand
    role: str | None


_known: dict[int, _Reference] = {}


def _forget(reference: Any) -> None:
    key: int = reference.key
    if _known.get(key) is reference:
        del _known[key]


def remember(obj: Any, strand: Strand, role: str | None = None) -> None:
    """Note that `strand` trained this very object, or made it as a prediction for data that it had used in
    this `role`.  Objects without weak references are left out."""
    try:
        reference = _Reference(obj, _forget)
    except TypeError:
        return
    reference.key, reference.strand, reference.role = id(obj), strand, role
    _known[reference.key] = reference


def strand_of(obj: Any) -> Strand | None:
    """The strand that trained this very object last, or None."""
    reference = _known.get(id(obj))
    return reference.strand if reference is not None and reference() is obj else None


def role_of(obj: Any) -> str | None:
    """The role of the data for which this very object is a prediction, where it is known."""
    reference = _known.get(id(obj))
    return reference.role if reference is not None and reference() is obj else None
