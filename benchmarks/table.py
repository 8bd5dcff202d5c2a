"""The table that README shows: `python -m benchmarks.table RESULTS` prints it as Markdown, of what
`python -m benchmarks --json` has written."""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

Entry = dict[str, Any]


class Column(NamedTuple):
    """A workload, the names of its results that are shown, and how."""

    title: str
    workload: str
    names: tuple[str, ...]
    shown: Callable[[Entry], str]


def costs(entry: Entry) -> str:
    """The cost; in brackets, where it is not above the noise."""
    above = entry["cost"] > max(0.0, entry["noise_high"] or 0.0) and entry["low"] > 0
    return number(entry["cost"]) if above else f"({number(entry['cost'])})"


def _kept(entry: Entry) -> str:
    """In percent; what is not all is less than 100."""
    share = entry["cost"]
    return f"{share:.0f}" if share == 100 or share <= 99 else f"{math.floor(share * 10) / 10:.1f}"


def number(value: float) -> str:
    """To two significant digits, or three from 100 on; nothing below 0."""
    if value < 0.01:
        return "0"
    if value >= 100:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 0.995 else f"{value:.2g}"


COLUMNS = (
    Column("start, ms", "start", ("start: until a point can be recorded",), costs),
    Column("a point, µs", "points", ("points: one point",), costs),
    Column(
        "kept of a burst, and at 1 kHz, %",
        "kill",
        ("kill: points kept, 10,000 at once", "kill: points kept, 1,000 a second for 3 s"),
        _kept,
    ),
    Column("a small fit, ms", "fits", ("fits: LogisticRegression on digits",), costs),
    Column("a step of 0.2 ms, µs", "loops", ("loops: a step of 0.2 ms",), costs),
    Column("end, ms", "exits", ("exits: after 10,000 points, or 10 s of points",), costs),
    Column("memory, MB", "memories", ("memories: of 10,000 points, or 10 s of points",), costs),
)
AUTOMATIC = ("point", "point: series.record(step, value)")
"""What a point costs that is recorded by itself, which no program can ask for: stated of `autotrack`."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description=sys.modules["__main__"].__doc__)
    parser.add_argument("results", type=stored, help="what `python -m benchmarks --json` has written")
    arguments = parser.parse_args()
    print("\n".join(lines(arguments.results)))
    return 0


def stored(path: str) -> list[Entry]:
    """The results in a file, for `argparse`, which tells why there are none."""
    try:
        found: list[Entry] = json.loads(Path(path).read_text(encoding="utf-8"))["results"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise argparse.ArgumentTypeError(f"{path} can't be read as results: {error}") from error
    return found


def lines(results: list[Entry]) -> Iterator[str]:
    """A row for each tracker, autotrack first, then by what a step costs; cells are empty where a tracker has
    no such thing."""
    known = {(entry["workload"], entry["name"], entry["tracker"]): entry for entry in results}
    labels = {entry["tracker"]: entry["by"] for entry in results if entry["workload"] in {c.workload for c in COLUMNS}}
    yield f"| | {' | '.join(column.title for column in COLUMNS)} |"
    yield f"|-|{'-|' * len(COLUMNS)}"
    yield f"| noise | {' | '.join(_noise(results, column) for column in COLUMNS)} |"
    for tracker in sorted(labels, key=lambda tracker: _rank(known, tracker)):
        cells = [_cell(known, tracker, column) for column in COLUMNS]
        yield f"| {labels[tracker]} | {' | '.join(cells)} |"


def _cell(known: dict[tuple[str, str, str], Entry], tracker: str, column: Column) -> str:
    found = [known.get((column.workload, name, tracker)) for name in column.names]
    if tracker == "autotrack" and column.workload == "points":
        found = [known.get((*AUTOMATIC, tracker))]
    return " / ".join(column.shown(entry) for entry in found if entry is not None)


def _noise(results: list[Entry], column: Column) -> str:
    """How far untracked is from untracked: the median of what it was beside each tracker."""
    found = [
        max(abs(entry["noise_low"]), abs(entry["noise_high"]))
        for entry in results
        if entry["workload"] == column.workload and entry["name"] in column.names and entry["noise_low"] is not None
    ]
    middle = statistics.median(found) if found else None
    return "" if middle is None else f"±{number(middle)}" if middle >= 0.01 else "<0.01"


def _rank(known: dict[tuple[str, str, str], Entry], tracker: str) -> tuple[bool, float, float]:
    entries = (known.get((name, shown, tracker)) for name, shown in ((c.workload, c.names[0]) for c in COLUMNS))
    step = known.get(("loops", "loops: a step of 0.2 ms", tracker))
    first = next((entry["cost"] for entry in entries if entry is not None), 0.0)
    return not tracker.startswith("autotrack"), step["cost"] if step else float("inf"), first


if __name__ == "__main__":
    sys.exit(main())
