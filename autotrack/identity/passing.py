"""Rows that pass by, digested whatever their order: of data that can't be had in any other way.

Each row is hashed as it is, by the bytes of its fields; the identity is that of the sums of the hashes, so that a
finished epoch has the same one however it was shuffled.  The sketch tells how many rows two such datasets share.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy
import xxhash

from autotrack import events
from autotrack.identity.elements import encoded
from autotrack.identity.rowhash import Rows
from autotrack.values import storable

GATHERED = 4096
"""Hashes that are summed up at a time."""
PREFIX = "xxh3-rows"
_digest = xxhash.xxh3_64_intdigest


Field = tuple[str, Any]
"""A field of some rows: what tells it from others (name, type, shape of a row), and its bytes, those of the rows one
after the other, as a `memoryview`; or those of each row, as a list."""


class Passed:
    """The rows that have passed."""

    def __init__(self) -> None:
        self.rows = 0
        """That were digested."""
        self._fields = 0
        self._gathered: list[int] = []
        self._sums = Rows()

    def add(self, fields: Sequence[Field], rows: int) -> None:
        """Rows that pass."""
        hashes = [0] * rows
        for tag, content in fields:
            kind = _digest(encoded(tag))
            if isinstance(content, memoryview):
                width = len(content) // rows
                content = [content[at * width : at * width + width] for at in range(rows)]
            hashes = [_digest(row, seed=kind ^ before) for row, before in zip(content, hashes, strict=True)]
        self._fields = len(fields)
        self.rows += rows
        self._gathered += hashes
        if len(self._gathered) >= GATHERED:
            self._sum_up()

    def _sum_up(self) -> None:
        gathered, self._gathered = self._gathered, []
        with numpy.errstate(all="ignore"):  # sums of hashes overflow
            self._sums.add(numpy.array(gathered, dtype=numpy.uint64))

    def profile(self) -> events.DataProfiled:
        """Their identity and their sketch."""
        self._sum_up()
        told = self._sums.result(self._fields) | {"ordered": ""}
        identity = f"{PREFIX}:{told['unordered'].partition(':')[2]}"
        return events.DataProfiled(time=time.time(), data=identity, rows=self.rows, columns=(), **told)

    def observed(
        self, kind: str, rows: int | None, columns: int | None = None, name: str | None = None
    ) -> tuple[events.Dataset, events.DataProfiled | None]:
        """What has passed of a dataset that has `rows`, where that is known."""
        profile = self.profile() if self.rows else None
        identity, method = (profile.data, "observed") if profile is not None else (None, "declared")
        dataset = events.Dataset(
            id=identity, method=method, kind=storable(kind), name=storable(name or "rows"), rows=rows, columns=columns,
            seen=self.rows,
        )  # fmt: skip
        return dataset, profile
