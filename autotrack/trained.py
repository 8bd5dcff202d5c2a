"""Which strand trained an object.  Objects are held weakly: tracking keeps nothing of the user's alive."""

from __future__ import annotations

import weakref
from typing import Any

from autotrack.strand import Strand

_known: dict[int, tuple[weakref.ref[Any], Strand, str | None]] = {}


def remember(obj: Any, strand: Strand, role: str | None = None) -> None:
    """Note that `strand` trained this very object, or made it as a prediction for data that it had used in
    this `role`.  Objects without weak references are left out."""
    key = id(obj)

    def forget(reference: weakref.ref[Any]) -> None:
        known = _known.get(key)
        if known is not None and known[0] is reference:
            del _known[key]

    try:
        _known[key] = weakref.ref(obj, forget), strand, role
    except TypeError:
        return


def strand_of(obj: Any) -> Strand | None:
    """The strand that trained this very object last, or None."""
    known = _known.get(id(obj))
    return known[1] if known is not None and known[0]() is obj else None


def role_of(obj: Any) -> str | None:
    """The role of the data for which this very object is a prediction, where it is known."""
    known = _known.get(id(obj))
    return known[2] if known is not None and known[0]() is obj else None
