"""The numbers in tables and JSON files, by where they stand: a text that tells the time as well may still hold the same
results."""

from __future__ import annotations

import csv
import json
import math
import os
import re
from collections.abc import Iterator
from typing import IO, NamedTuple

LONGEST = 64 << 20
"""Bytes of a file that is looked into."""
_MOMENTS = (1e9, 2e10), (1e12, 2e12), (1e18, 2e18), (2e7, 2.1e7), (2e13, 2.1e13)
"""What seconds, milliseconds and nanoseconds since the epoch are between, and dates that are written as one number."""
_TABLES = ".csv", ".tsv"
_SNIFFED = 4096
"""Characters by which it is told what stands between the columns of a table."""
_TIMES = re.compile(
    r"time|timing|elapsed|durations?|latency|throughput|speed|(^|[^a-z])(pid|wall|hours?|minutes?|mins?|seconds?|secs?|ms|date|fps|"
    r"memory|created|started|ended|finished)([^a-z]|$)|_s$",
    re.IGNORECASE,
)
"""Names of columns and entries that may tell the time: a file has more of them than what is recorded as a metric."""


class Apart(NamedTuple):
    """Where the numbers in two files differ most, and how far, relative to the larger one: infinite where one has
    others."""

    amount: float
    name: str = ""
    before: float | None = None
    now: float | None = None


def apart(before: str, now: str) -> Apart | None:
    """How far the numbers in two files are apart, but for what measures time; None where they hold none."""
    first, second = (dict(_numbers(path)) for path in (before, now))
    if not first and not second:
        return None
    for name in first.keys() ^ second.keys():
        return Apart(math.inf, name, first.get(name), second.get(name))
    return max(Apart(_relative(value, second[name]), name, value, second[name]) for name, value in first.items())


def _relative(one: float, other: float) -> float:
    if one == other or (math.isnan(one) and math.isnan(other)):
        return 0.0
    found = abs(one - other) / max(abs(one), abs(other))
    return math.inf if math.isnan(found) else found


def _numbers(path: str) -> Iterator[tuple[str, float]]:
    kind = os.path.splitext(path)[1].lower()
    if os.path.getsize(path) > LONGEST:
        return
    try:
        with open(path, encoding="utf-8", newline="") as file:
            if kind in _TABLES:
                found = _of_table(csv.reader(file, dialect=_dialect(file)))
            elif kind == ".json":
                found = _of_value(json.load(file), "")
            elif kind == ".jsonl":
                found = _of_value([json.loads(line) for line in file if line.strip()], "")
            else:
                return
            yield from ((name, value) for name, value in found if not _is_moment(value))
    except (ValueError, OverflowError, csv.Error, RecursionError):
        return


def _dialect(file: IO[str]) -> type[csv.Dialect]:
    begin = file.read(_SNIFFED)
    file.seek(0)
    try:
        return csv.Sniffer().sniff(begin.rpartition("\n")[0] or begin, delimiters=",;\t|")
    except csv.Error:
        return csv.excel


def _of_table(rows: Iterator[list[str]]) -> Iterator[tuple[str, float]]:
    header: list[str] = []
    for number, row in enumerate(rows):
        if not number:
            header = row
        for column, cell in enumerate(row):
            name = header[column] if column < len(header) else ""
            try:
                value = float(cell)
            except ValueError:
                continue
            if not _TIMES.search(name):
                yield f"{name or column} of line {number + 1}", value


def _of_value(value: object, name: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            if not _TIMES.search(str(key)):
                yield from _of_value(entry, f"{name}/{key}")
    elif isinstance(value, list):
        for at, entry in enumerate(value):
            yield from _of_value(entry, f"{name}/{at}")
    elif isinstance(value, (int, float)):
        yield name, float(value)


def _is_moment(value: float) -> bool:
    return any(low < value < high for low, high in _MOMENTS)
