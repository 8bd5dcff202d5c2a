"""Which strand trained an object.  Objects are held weakly: tracking keeps nothing of the user's alive."""

from __future__ import annotations

import weakref
from typing import Any

from autotrack.strand import Strand

_known: dict[int, tuple[weakref.ref[Any], Strand]] = {}


def remember(obj: Any, strand: Strand) -> None:
    """Note that `strand` trained (or made) this very object.  Objects without weak references are left out."""
    key = id(obj)

    def forget(reference: weakref.ref[Any]) -> None:
        known = _known.get(key)
        if known is not None and known[0] is reference:
            del _known[key]

    try:
        _known[key] = weakref.ref(obj, forget), strand
    except TypeError:
        return


def strand_of(obj: Any) -> Strand | None:
    """The strand that trained this very object last, or None."""
    known = _known.get(id(obj))
    return known[1] if known is not None and known[0]() is obj else None
