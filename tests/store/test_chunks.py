"""Points in chunks: as they were written, and what a preview of a long series has of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy
import pytest

from autotrack.journal.folder import Folder
from autotrack.store import Store
from autotrack.store.chunks import LONG, SIZE, SPAN
from tests.store.journals import Journal

Open = Callable[[], Store]
COUNT = LONG + SIZE + 7


def columns(store: Store, run: str, *, preview: bool = False) -> dict[str, list[Any]]:
    """Name to steps, times and values."""
    parts: dict[str, list[Any]] = {}
    for name, *arrays in store.points(run, preview=preview):
        parts.setdefault(name, []).append(arrays)
    return {name: [numpy.concatenate(column) for column in zip(*found, strict=True)] for name, found in parts.items()}


def long_series() -> list[float]:
    values = numpy.sin(numpy.arange(COUNT) / 1e4)
    values[[70_001, 123_456]] = 50.0, -50.0
    values[[90_000, 90_001, 130_000]] = math.nan, math.inf, math.nan
    values[40 * SIZE // 4 : 41 * SIZE // 4] = math.nan  # whole spans of it
    return list(values)


def test_a_preview_has_what_a_drawing_needs(folder: Folder, opened: Open) -> None:
    journal = Journal(folder)
    strand = journal.strand(metrics={"loss": long_series(), "short": [3.0, 1.0, 2.0]})
    journal.end()
    store = opened()
    (steps, times, values), short = columns(store, strand)["loss"], columns(store, strand)["short"]
    assert numpy.array_equal(steps, numpy.arange(COUNT))
    assert numpy.array_equal(values, long_series(), equal_nan=True)
    found = columns(store, strand, preview=True)
    assert numpy.array_equal(found["short"], short)
    seen, when, told = found["loss"]
    assert numpy.array_equal(when, times[seen])
    assert numpy.array_equal(told, values[seen], equal_nan=True)
    assert (numpy.diff(seen) > 0).all()
    assert COUNT / SPAN < len(seen) < COUNT / 50 + SIZE  # of the last chunk every point
    assert {0, 70_001, 123_456, 90_000, 90_001, 130_000, COUNT - 1} <= set(seen.tolist())
    for start in range(0, LONG, SPAN):
        part, kept = values[start : start + SPAN], told[(seen >= start) & (seen < start + SPAN)]
        finite = part[numpy.isfinite(part)]
        if len(finite):
            assert {finite.min(), finite.max()} <= set(kept)
        assert numpy.isnan(part).any() == numpy.isnan(kept).any()
        assert numpy.isinf(part).any() == numpy.isinf(kept).any()


@pytest.mark.parametrize(
    "steps",
    [
        list(range(0, 300, 3)),
        list(range(100, 0, -1)),
        [5] * 10,
        [0, 1, 2, 4],
        [0, 10, 5],
        [7],
        [-(2**63), 2**63 - 1],
        [2**63 - 1, -(2**63)],
        [0, 2**62, 2**63 - 1],
    ],
)
def test_steps_are_as_they_were(folder: Folder, opened: Open, steps: list[int]) -> None:
    """Whether they are as far apart from each other, which takes no room, or not."""
    journal = Journal(folder)
    strand = journal.strand(status=None)
    number = journal.define(strand, "loss")
    for step in steps:
        journal.points(strand, "loss", [1.0], number=number, first=step)
    journal.end()
    assert columns(opened(), strand)["loss"][0].tolist() == steps


def test_steps_at_equal_distances_take_no_room(folder: Folder, opened: Open) -> None:
    journal = Journal(folder)
    journal.strand(metrics={"loss": [1.0] * (SIZE + 5)})
    journal.end()
    sizes = opened()._database.rows("SELECT count, LENGTH(steps), LENGTH(times) FROM chunks ORDER BY part")
    assert sizes == [(SIZE, 0, 8 * SIZE), (5, 0, 40)]
