"""What is known of an object: which strand trained it, or what else was said of it.  Objects are held weakly:
tracking keeps nothing of the user's alive."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autotrack.strand import Strand


class _Reference(weakref.ref[Any]):
    """A weak reference with what is known of its object."""

    __slots__ = ("note", "role", "strand")
    strand: Strand | None
    role: str | None
    note: Any


_known: dict[int, _Reference] = {}
"""By the object's id.  Entries of dead objects are swept out now and then, not by a callback: an exception that a
signal handler of the user raises in one would be lost."""
SWEPT_FROM = 512


_identified: OrderedDict[str, Strand] = OrderedDict()
"""The last strands that trained a model, by its identity: copies of it are known by that."""
IDENTIFIED = 128


class _State:
    limit = SWEPT_FROM


def remember(obj: Any, strand: Strand | None, role: str | None = None, note: Any = None) -> None:
    """Note that `strand` trained this very object, or made it as a prediction for data that it had used in
    this `role`; `note` is anything more that is known of it.  Objects without weak references are left out."""
    try:
        reference = _Reference(obj)
    except TypeError:
        return
    reference.strand, reference.role, reference.note = strand, role, note
    _known[id(obj)] = reference
    if len(_known) > _State.limit:
        _sweep()


def _sweep() -> None:
    for key, reference in list(_known.items()):
        if reference() is None and _known.get(key) is reference:
            _known.pop(key, None)
    _State.limit = max(SWEPT_FROM, 2 * len(_known))


def identify(identity: str, strand: Strand) -> None:
    """Note that `strand` trained the model that has this identity."""
    _identified[identity] = strand
    _identified.move_to_end(identity)
    if len(_identified) > IDENTIFIED:
        _identified.popitem(last=False)


def identified(identity: str) -> Strand | None:
    """The strand that trained the model of this identity, where it is one of the last."""
    return _identified.get(identity)


def forget() -> None:
    """Let go of what is kept, as recording ends."""
    _identified.clear()


def _reference_to(obj: Any) -> _Reference | None:
    reference = _known.get(id(obj))
    return reference if reference is not None and reference() is obj else None


def strand_of(obj: Any) -> Strand | None:
    """The strand that trained this very object last, or None."""
    reference = _known.get(id(obj))
    return reference.strand if reference is not None and reference() is obj else None


def role_of(obj: Any) -> str | None:
    """The role of the data for which this very object is a prediction, where it is known."""
    reference = _reference_to(obj)
    return reference.role if reference is not None else None


def note_of(obj: Any) -> Any:
    """What else was said of this very object, or None."""
    reference = _reference_to(obj)
    return reference.note if reference is not None else None
