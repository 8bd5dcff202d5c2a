"""Sealing points: from time to time a digest of all points so far goes into the chain of events.

The digest is BLAKE3 of the raw slots from the header on.
"""

from __future__ import annotations

from blake3 import blake3

from autotrack.events import SegmentEnded
from autotrack.journal.points import RECORD, Points

BATCH = 1 << 15
"""Slots that are read at a time."""
LATE = 60.0
"""Seconds that a program may take to go down once its last seal is written, and for which points of a program that was
killed may be without one: two periods of the recorder, and what a machine may be behind."""


def slots_of(data: bytes) -> list[int]:
    """The last four bytes of each slot: the number of the series, which is 0 where the slot holds no record."""
    whole = len(data) - len(data) % RECORD.size
    return memoryview(data)[:whole].cast("I")[RECORD.size // 4 - 1 :: RECORD.size // 4].tolist()


def empty_slots(data: bytes, first: int) -> list[int]:
    """Those of the slots, numbered from `first`, that hold no record; the header is none of them."""
    series = slots_of(data)
    return [number for number, filled in enumerate(series, first) if not filled and number] if 0 in series else []


def unfit(data: bytes, last: bytes, ended: SegmentEnded | None) -> str | None:
    """Why these slots, which come after the `last` one that was sealed, can't be of the program; None where they may
    be: of one that has ended those of its last moments, of one that was killed those of its last periods."""
    before, times = _times(last), _times(data)
    if not times:
        return None
    if ended is not None:
        begun = max(before, default=ended.time - LATE) - (LATE if ended.left else 0.0)
        if min(times) <= begun or max(times) > ended.time + LATE:
            return "were added after the program had ended"
    elif (before and min(times) < before[0] - LATE) or max(times) - min(times) > LATE:
        return "are without a seal, which they would have"
    return None


def _times(data: bytes) -> list[float]:
    whole = len(data) - len(data) % RECORD.size
    return [moment for _, moment, _, _, series in RECORD.iter_unpack(data[:whole]) if series]


class Sealer:
    """Digests the points of a process as they come.

    A slot is sealed only one `advance` after it was first seen to be claimed: a thread that stands between
    claiming and writing has that long to finish.  What is empty then stays empty, and is listed.
    """

    def __init__(self, points: Points) -> None:
        self._points = points
        self._state = blake3()
        self._sealed = 0
        self._claimed = 0
        self._empty: list[int] = []

    def advance(self, *, last: bool = False) -> tuple[int, str, tuple[int, ...]] | None:
        """Number of sealed slots, their digest, and which of them are empty; None when nothing new is sealed.
        With `last`, everything up to the last record is sealed."""
        claimed = self._last_used()
        target = claimed if last else self._claimed
        self._claimed = claimed
        if target <= self._sealed:
            return None
        while self._sealed < target:
            count = min(BATCH, target - self._sealed)
            data = self._points.read(self._sealed, count)
            if len(data) < count * RECORD.size:
                break
            self._state.update(data)
            self._empty += empty_slots(data, self._sealed)
            self._sealed += count
        return self._sealed, self._state.hexdigest(), tuple(self._empty)

    def _last_used(self) -> int:
        """One past the last slot that holds a record; the header counts as one."""
        last, at = self._claimed, max(self._claimed, self._sealed)
        while at < self._points.slots:
            series = slots_of(self._points.read(at, BATCH))
            filled = len(series) - series.count(0)
            if filled:
                last = at + next(number for number in range(len(series), 0, -1) if series[number - 1])
            if not series or filled < len(series) // 2:
                break
            at += len(series)
        return last
