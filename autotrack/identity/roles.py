"""In which role some data was used in a training: what tells a score on training data from one on other data.

The very same object, the same identity, and for arrays a few rows are asked, in this order.  What can't be told is
None: a score is then filed without a split.
"""

from __future__ import annotations

import math
import weakref
from collections import deque
from typing import Any

from autotrack import events
from autotrack.identity import data as identity
from autotrack.identity import lookup

KEPT = 64
"""Datasets that are remembered of a strand: `partial_fit` brings one with each call."""
BATCHES = 8
"""The last data of a training whose rows are looked at."""
UNLIKELY = 1e-3
"""The chance that a part of the training data has as few of its remembered rows, from which on it is other data."""
FEW = 0.25
"""Of the rows that a part of the training data would have, the share up to which other data has some by mistake."""
TRAIN = "train"
MIXED = "mixed"
OTHER = "test"
"""The role of data that was not used in the training."""


class _Used:
    """Data that was used, without keeping it alive: its shape, its identity once that is known, some of its rows."""

    __slots__ = ("_container", "description", "number", "part", "reference", "role", "rows")

    def __init__(
        self, role: str, number: int, part: str, data: Any, description: events.Dataset, container: Any
    ) -> None:
        self.role: str | None = role
        """None: it is not told."""
        self.number, self.part, self.description = number, part, description
        self.reference, self._container = _weak(data), _weak(container)
        self.rows = lookup.some_rows(data) if part == "features" else None

    @property
    def data(self) -> Any:
        return self.reference() if self.reference is not None else None

    @property
    def container(self) -> Any:
        return self._container() if self._container is not None else None


class Roles:
    """The data of one strand."""

    def __init__(self) -> None:
        self._used: list[_Used] = []
        self._evaluated: list[_Used] = []
        self._mixed: deque[Any] = deque(maxlen=KEPT)

    def add(self, role: str, number: int, parts: list[tuple[str, Any, events.Dataset]], container: Any = None) -> None:
        """Remember the `number`th data of the strand, and what of the framework's holds them."""
        among = self._used if role == TRAIN else self._evaluated
        for part, data, description in parts:
            among.append(_Used(role, number, part, data, description, container))
        del among[: -3 * KEPT]

    def learn(self, number: int, dataset: events.Dataset) -> None:
        """The identities of the `number`th data are known now."""
        known = {part.name: part for part in dataset.parts} or {"features": dataset}
        for used in (*self._used, *self._evaluated):
            if used.number == number and used.part in known:
                used.description = known[used.part]

    def of_features(self, data: Any) -> str | None:
        """The role of features: that in which they, or all of the rows that are looked at, were used; `test` where
        they are other data; None where that can't be told."""
        for entry in (*self._evaluated, *self._used):
            if entry.part == "features" and entry.data is data:
                return entry.role
        asked = _Asked(data)
        used = [entry for entry in reversed(self._used) if entry.part == "features"]
        if any(asked.is_(entry) for entry in used):
            return TRAIN
        for entry in reversed(self._evaluated):
            if entry.part == "features" and asked.is_(entry):
                return entry.role
        found = _by_rows(used[:BATCHES], asked, whole=len(used) <= BATCHES) if used else None
        if found == MIXED:
            self._mixed.append(_weak(data))
        return found if found != MIXED else None

    def is_mixed(self, data: Any) -> bool:
        """Whether some of the rows of this data were found to be those of the training, and others not to be."""
        return any(reference is not None and reference() is data for reference in self._mixed)

    def leave_open(self, data: Any) -> None:
        """Say of this data nothing but that it was used."""
        for entry in self._evaluated:
            if entry.data is data:
                entry.role = None

    def of_source(self, container: Any, id: str | None) -> str | None:
        """The role of a framework's own container, by itself or the identity of the features that it was made of."""
        among = [entry for entry in (*self._evaluated, *self._used) if entry.part == "features"]
        if any(entry.container is container for entry in among):
            return next(entry.role for entry in among if entry.container is container)
        if id is None or any(entry.description.id is None for entry in among):
            return None
        return next((entry.role for entry in reversed(among) if entry.description.id == id), OTHER)

    def seen(self, data: Any) -> bool:
        """Whether this very object was used as features; a list, which can't be known again, by its identity."""
        among = [entry for entry in (*self._evaluated, *self._used) if entry.part == "features"]
        if isinstance(data, list):
            asked = _Asked(data)
            return any(asked.is_(entry) is not False for entry in among if entry.reference is None)
        return any(entry.data is data for entry in among)

    def of_labels(self, data: Any) -> str | None:
        """The role in which labels were used; None where they were not: other labels may be the same by chance,
        so nothing follows from few of them."""
        asked = _Asked(data)
        for entry in reversed(self._used):
            if entry.part == "labels" and (entry.data is data or asked.is_(entry)):
                return entry.role
        return None


class _Asked:
    """Data whose role is asked for: its shape, and its identity once it is needed."""

    def __init__(self, data: Any) -> None:
        self.data = data
        self.description = identity.shape(data)
        self._digest: list[str | None] = []

    def is_(self, used: _Used) -> bool | None:
        """Whether this has the identity of some data; None where that is not quickly told."""
        theirs = used.description
        if theirs.id is None or theirs.method != "whole":
            return None
        if (self.description.rows, self.description.columns) != (theirs.rows, theirs.columns):
            return False
        if not self._digest:
            self._digest.append(identity.quick_digest(self.data))
        return None if self._digest[0] is None else self._digest[0] == theirs.id


def _by_rows(used: list[_Used], asked: _Asked, *, whole: bool) -> str | None:
    """The role by the rows that are looked at, or by the number of columns; `whole`: of all data of the training."""
    data, description = asked.data, asked.description
    widths = {entry.description.columns for entry in used}
    if description.columns is not None and None not in widths and description.columns not in widths:
        return OTHER
    alive = [entry.data for entry in used if entry.data is not None]
    if len(alive) == len(used):
        alike = all(
            (entry.description.kind, entry.description.schema) == (description.kind, description.schema)
            for entry in used
        )
        return {"all": TRAIN, "none": OTHER, "some": MIXED}.get(lookup.rows_in(data, alive, alike) or "")
    return _by_remembered(used, data, description.rows or 0, whole)


def _by_remembered(used: list[_Used], data: Any, given: int, whole: bool) -> str | None:
    """The role by how many of the rows come again that are remembered of data that is gone: of a part of it, as many
    as it is large."""
    times: list[int] = []
    for entry in used:
        found = lookup.times(data, entry.rows) if entry.rows is not None else None
        if found is None:
            return None
        times += found
    rows = [entry.description.rows or 0 for entry in used]
    held = sum(map(bool, times))
    if held == len(times):
        return TRAIN if times.count(1) >= 0.75 * len(times) and given <= sum(rows) else None
    if not held and given >= max(rows):
        return OTHER
    share = min(given / max(sum(rows), 1), 1.0)
    if not whole or _chance(held, len(times), share) > UNLIKELY:
        return None
    return OTHER if held <= FEW * share * len(times) else MIXED


def _chance(most: int, count: int, share: float) -> float:
    """The chance that at most so many of `count` rows are in a share of all."""
    return sum(math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(most + 1))


def _weak(data: Any) -> Any:
    try:
        return weakref.ref(data)
    except TypeError:
        return None
