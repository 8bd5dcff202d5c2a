"""Headings that a program prints above values, by which those of one name are told apart: `Global metrics:`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autotrack.patterns import lazily
from autotrack.printed.words import Name, qualifier_of

if TYPE_CHECKING:
    from types import CodeType

_HEADING = lazily(r"\W*(?:[A-Za-z][\w-]*\s+){0,2}[\w-]+\s*:\s*")
"""A line of a few words that stands above others."""
_LETTER = lazily(r"[^\W\d_]")


class Headings:
    """By thread, the heading that what is printed stands below, and which function has printed it."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[CodeType, str]] = {}

    def line(self, thread: int, code: CodeType, row: str) -> None:
        """A line without values was printed; an empty one ends what the last heading is of."""
        if not row:
            self._last.pop(thread, None)
        elif _LETTER.search(row):
            self._last[thread] = code, row.strip() if _HEADING.fullmatch(row) else ""

    def above(self, thread: int, code: CodeType) -> str:
        """The heading that a function prints below."""
        by, heading = self._last.get(thread, (None, ""))
        return heading if by is code else ""


def name_below(name: str, heading: str) -> str:
    """The name of a value with what its heading says: `test/global_loss`; nothing where that says nothing."""
    split, _, metric = name.rpartition("/")
    mark = qualifier_of(heading)
    return str(Name(f"{mark}_{metric}", split, "")) if mark else ""
