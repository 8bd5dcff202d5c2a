"""Lists of numbers in a printed line: `accuracy of each class: [0.9, 0.8]`."""

from __future__ import annotations

from collections.abc import Sequence

from autotrack.patterns import lazily
from autotrack.printed.numbers import Number
from autotrack.printed.words import NOTHING, Name, name_of

_LIST = lazily(
    r"[\[(]\s*[-+]?[\d.][-+.\deE]*(?:[\s,]+[-+]?[\d.][-+.\deE]*)+\s*(?:\.\.\.[^\])]*)?,?\s*(?:[\])]|$)|\(\d+,\)"
)
LISTED = 20
"""Entries of a list of values that are series each."""
FEW = 4
"""The same where no word tells that they are metrics."""


def without_lists(text: str, numbers: list[Number]) -> tuple[list[Number], dict[int, list[Number]]]:
    """The numbers, of lists that one expression has printed the first alone, and such lists by where they begin."""
    lists: dict[int, list[Number]] = {}
    for match in _LIST.finditer(text):
        inside = [number for number in numbers if match.start() <= number.start < match.end()]
        makers = {number.field for number in inside}
        if inside and (len(makers) < len(inside) or None in makers):
            lists[inside[0].start] = inside
            numbers = [number for number in numbers if number is inside[0] or number not in inside]
    return numbers, lists


def entries_of(label: str, numbers: Sequence[Number], split: str) -> list[tuple[str, float, bool]]:
    """Name, value, and whether it is known for a metric's.  The entries of a list whose label names a metric are series
    each, and so may be the few of one whose label says nothing; those of others are data."""
    said = name_of(label) if label else NOTHING
    few = said.metric and not said.kind and len(numbers) <= FEW and not any(number.whole for number in numbers)
    if not (said.kind == "metric" or few) or not 1 < len(numbers) <= LISTED:
        return []
    name = str(Name(said.metric, said.split or split, ""))
    return [(f"{name}[{at}]", number.value, not few) for at, number in enumerate(numbers)]
