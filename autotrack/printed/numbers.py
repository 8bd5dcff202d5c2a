"""The numbers in a printed text, and which stretches of it an expression has made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from autotrack.patterns import lazily

LONGEST = 2_000
"""Characters of a print that are looked at."""
MOST = 64
"""Numbers of a line that are looked at."""

_NUMBER = lazily(
    r"(?:(?<![\w.@#$\\])(?<![\w)\]]-)|(?<=\bep)|(?<=\b[Ee]poch)|(?<=\b[Ee]poch_)|(?<=\b[Ee]pisode)|(?<=\b[Ss]tep)"
    r"|(?<=\b[Ss]tep_)|(?<=\b[Ii]ter)|(?<=\b[Ii]ter_)|(?<=\b[Ff]old)|(?<=\b[Ff]old_))"
    r"(?P<number>[-+]?(?:[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|(?<=[\s:=|(\[])[-+]?(?:nan|inf))"
    r"(?P<percent>\s?%)?(?:(?=dB\b)|(?![\w\\'^]|[.:\-]\w|,\d|\s?\*\*|\.\d))",
    re.IGNORECASE,
)
_BEHIND = lazily(r"[\d%]\s*\(\s*$")


class Field(NamedTuple):
    """What an expression made of a text: from `start` to `end`; how it is called, and its value where a variable
    holds a number."""

    start: int
    end: int
    name: str
    value: float | None = None
    text: bool = False
    """Whether it is a text that tells one thing from another: a name of a class, a model."""
    many: bool = False
    """Whether it counts samples."""


class Number(NamedTuple):
    value: float
    start: int
    end: int
    whole: bool
    """Whether it is written as an integer."""
    percent: bool
    field: Field | None
    labels: tuple[str, ...] = ()
    """The texts that expressions have printed beside it."""
    enclosed: bool = False
    """Whether it stands in parentheses behind another number."""


def numbers_in(text: str, fields: Sequence[Field] = ()) -> list[Number]:
    """The numbers in a text that stand for themselves, not those in names, dates, versions and paths."""
    found = []
    for match in _NUMBER.finditer(text):
        start, end = match.span("number")
        made_by = next((f for f in fields if f.start <= start and end <= f.end), None)
        digits = match["number"].replace(",", "")
        exact = (
            made_by is not None
            and made_by.value is not None
            and text[made_by.start : made_by.end].strip(" %")
            in (
                match["number"],
                match["number"].lstrip("+"),
            )
        )
        value = made_by.value if exact and made_by is not None and made_by.value is not None else float(digits)
        whole = digits.lstrip("+-").isdigit()
        labels = tuple(text[f.start : f.end].strip() for f in fields if f.text)
        found.append(
            Number(
                value, start, end, whole, bool(match["percent"]), made_by, labels, bool(_BEHIND.search(text[:start]))
            )
        )
        if len(found) == MOST:
            break
    return found
