"""How commands print: tables with colour on a terminal, tab-separated values in a pipe, JSON on request."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from autotrack.shortened import printable as printable
from autotrack.shortened import short as short

if TYPE_CHECKING:
    from rich.console import Console

STATUS_STYLES = {
    "finished": "green",
    "running": "cyan",
    "failed": "red",
    "killed": "red",
    "crashed": "red",
    "interrupted": "yellow",
}
LINES_AT_A_TIME = 1000
ID_LENGTH = 8
"""Characters of an id that are shown to people: enough to tell a million runs apart in nearly all cases."""


def on_terminal() -> bool:
    """Whether people read the output: a terminal, or FORCE_COLOR is set."""
    return sys.stdout is not None and (sys.stdout.isatty() or bool(os.environ.get("FORCE_COLOR")))


def console() -> Console:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False, emoji=False, markup=False)


def print_json(value: Any) -> None:
    """A JSON text on one line."""
    print_json_lines([value])


def print_json_lines(values: Iterable[Any]) -> None:
    """A JSON text on a line of its own for each value."""
    _write(json.dumps(value, allow_nan=False) for value in values)


def print_tsv(rows: Iterable[Sequence[Any]]) -> None:
    """Tab-separated values; tabs, newlines, backslashes and what does not print are escaped as in Python."""
    _write(map(tsv_line, rows))


def tsv_line(row: Sequence[Any]) -> str:
    """One of these lines, without its end."""
    return "\t".join([_escaped(plain_text(value)) for value in row])


def _write(lines: Iterable[str]) -> None:
    """Many lines at a time: a write for each of ten thousand runs takes longer than all the rest of listing them."""
    waiting = iter(lines)
    while block := list(islice(waiting, LINES_AT_A_TIME)):
        click.echo("\n".join(block), color=True)  # as it is: what is in it is ours to escape


def _escaped(text: str) -> str:
    if "\\" not in text and text.isprintable():
        return text
    return "".join(char if char.isprintable() and char != "\\" else _escape(char) for char in text)


def _escape(char: str) -> str:
    return "\\\\" if char == "\\" else char.encode("unicode_escape").decode()


def plain_text(value: Any) -> str:
    """A value without loss: numbers with all their digits, lists and dicts as JSON; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return repr(value) if type(value) in (int, float) else json.dumps(value)  # the same, in a third of the time


def seconds(value: float | None) -> str:
    """A duration for people: 35 µs, 12 ms, 3.2 s, 4 min 10 s, 2 h 5 min."""
    if value is None:
        return ""
    if 0 < value < 0.9995e-3:
        return f"{value * 1e6:.1f} µs" if value < 9.95e-6 else f"{value * 1e6:.0f} µs"
    if value < 0.9995:
        return f"{value * 1e3:.0f} ms"
    if value < 59.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def ago(moment: float) -> str:
    """A moment for people: `12 s ago`, `3 h ago`; the date where it is over a week ago."""
    passed = time.time() - moment
    if passed < 60:
        return f"{max(passed, 0):.0f} s ago"
    for limit, unit, name in ((3600, 60, "min"), (86400, 3600, "h"), (7 * 86400, 86400, "d")):
        if passed < limit:
            return f"{passed // unit:.0f} {name} ago"
    return time.strftime("%Y-%m-%d", time.localtime(moment))


def moment(value: float) -> str:
    """A moment in full, in local time: `2026-01-31 12:30:05`."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(value))


def size(count: int | None) -> str:
    """A number of bytes for people: 612 B, 1.4 MB (of 1,000)."""
    if count is None:
        return ""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def short_id(id: str) -> str:
    """The beginning of an id, with the index of a trial: `dtbq1zb3.4`."""
    head, dot, index = id.partition(".")
    return head[:ID_LENGTH] + dot + index


def digest(text: str | None) -> str:
    """The beginning of a digest: `blake3:b5fcb0b55a13`; the whole is in the JSON."""
    scheme, colon, hexadecimal = (text or "").rpartition(":")
    return scheme + colon + hexadecimal[:12]
