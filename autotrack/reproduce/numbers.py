"""The numbers in tables and JSON files, by where they stand: a text that tells the time as well may still hold the same
results."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Callable, Iterator

LONGEST = 64 << 20
"""Bytes of a file that is looked into."""
_MOMENTS = (1e9, 2e10), (1e12, 2e13), (1e18, 2e19)
"""What seconds, milliseconds and nanoseconds since the epoch are between."""
_TABLES = {".csv": ",", ".tsv": "\t"}


def apart(before: str, now: str, left_out: Callable[[str], object]) -> float | None:
    """How far the numbers in two files are apart, the largest difference relative to the larger one: 0 where all are
    the same, infinite where one has others; None where they hold none.  `left_out` says which names measure time."""
    found = [dict(_numbers(path, left_out)) for path in (before, now)]
    if not found[0] and not found[1]:
        return None
    if found[0].keys() != found[1].keys():
        return math.inf
    return max(_relative(value, found[1][name]) for name, value in found[0].items())


def _relative(one: float, other: float) -> float:
    if one == other or (math.isnan(one) and math.isnan(other)):
        return 0.0
    found = abs(one - other) / max(abs(one), abs(other))
    return math.inf if math.isnan(found) else found


def _numbers(path: str, left_out: Callable[[str], object]) -> Iterator[tuple[str, float]]:
    kind = os.path.splitext(path)[1].lower()
    if os.path.getsize(path) > LONGEST:
        return
    try:
        with open(path, encoding="utf-8", newline="") as file:
            if kind in _TABLES:
                found = _of_table(csv.reader(file, delimiter=_TABLES[kind]), left_out)
            elif kind == ".json":
                found = _of_value(json.load(file), "", left_out)
            elif kind == ".jsonl":
                found = _of_value([json.loads(line) for line in file if line.strip()], "", left_out)
            else:
                return
            yield from ((name, value) for name, value in found if not _is_moment(value))
    except (ValueError, csv.Error, RecursionError):
        return


def _of_table(rows: Iterator[list[str]], left_out: Callable[[str], object]) -> Iterator[tuple[str, float]]:
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
            if not left_out(name):
                yield f"{number}/{column}", value


def _of_value(value: object, name: str, left_out: Callable[[str], object]) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            if not left_out(str(key)):
                yield from _of_value(entry, f"{name}/{key}", left_out)
    elif isinstance(value, list):
        for at, entry in enumerate(value):
            yield from _of_value(entry, f"{name}/{at}", left_out)
    elif isinstance(value, (int, float)):
        yield name, float(value)


def _is_moment(value: float) -> bool:
    return any(low < value < high for low, high in _MOMENTS)
