"""How runs differ, as the page shows it: curves over one axis, code line by line, data, and what many runs tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy

from autotrack.journal.objects import Entry
from autotrack.store import NotFound, Store, code, curve, differing, epochs
from autotrack.store.code import Snapshot
from autotrack.store.curve import Array
from autotrack.store.importance import importance, varying
from autotrack.store.interest import by_interest
from autotrack.web.drawing import reduced
from autotrack.web.lines import grouped, opcodes

AXES = ("step", "time", "epoch")
RUNS = 12
"""Runs that are compared at most."""
NEWEST = 1_000
"""Runs, of those that pass a filter, that importance rests on at most."""
CURVES = 50
"""Curves of a run at most."""
LINES, FILES, WIDTH = 4_000, 200, 1_000
"""Lines of all differences of code, files with one, and characters of a line, that are shown at most."""
SIZE = 1 << 20
"""Bytes of a file at most, to be compared line by line."""
AROUND = 3
"""Lines that are the same, before and behind those that differ."""

Side = tuple[Snapshot, Entry | None]
"""The code of a run, and a file of it."""


def curves(store: Store, ids: Sequence[str], names: Sequence[str], along: str, log: bool, most: int) -> dict[str, Any]:
    """`{runs: [{id, curves: {name: {x, value, odd, of}}, without: [name]}]}`: x is the step, the seconds since the run
    began, or how many epochs it had gone through.  `without`: those that have no place on this axis."""
    found = []
    for id in ids:
        run = store.run(id)
        asked = names or [name for name, metric in run["metrics"].items() if metric["count"] > 1]
        points = curve.points(store, run, [name for name in asked if name in run["metrics"]][:CURVES], log=log)
        known = epochs.of(store, run) if along == "epoch" else None
        drawn = {}
        for name, columns in points.items():
            places = _places(run, name, *columns[:2], along, known)
            if places is not None and len(kept := numpy.flatnonzero(numpy.isfinite(places))):
                one = reduced(places[kept], columns[1][kept], columns[2][kept], most)
                of = run["metrics"][name]["count"]
                drawn[name] = {"x": one["step"], "value": one["value"], "odd": one["odd"], "of": of}
        without = [name for name in points if name not in drawn]
        found.append({"id": id, "curves": drawn, "without": without})
    return {"runs": found}


def _places(
    run: dict[str, Any], name: str, steps: Array, times: Array, along: str, known: epochs.Epochs | None
) -> Array | None:
    if along == "epoch":
        origin = run["metrics"][name]["origin"]
        return None if known is None else epochs.along(known, name, origin, steps, times)
    if along == "time":
        seconds: Array = times - (run["started"] or times[0])
        return seconds
    if len(steps) > 1 and (steps == steps[0]).all():  # as of L-BFGS: one step, many passes
        return numpy.arange(len(steps))
    return steps


def differences_of_code(store: Store, first: str, second: str) -> dict[str, Any]:
    """`{first, second, files: [{path, change, told, hunks: [{first, second, lines: [[mark, text]]}]}], more}`.

    `change` is added, removed or changed; `told` says why there are no lines, or not all.  A hunk begins at these lines
    of either file; a mark is " ", "-" or "+".  `more`: files that differ beyond those.  Not as one text in the format
    of diff: there a line of code can look like the head of a file.  Raises NotFound where the code of one was not
    kept."""
    ids = first, second
    before, after = (code.of_job(store, store.run(id)["job"], id) for id in ids)
    if before is None or after is None:
        which = first if before is None else second
        raise NotFound(f"the code of {which} was not kept")
    files: list[dict[str, Any]] = []
    left, more = LINES, 0
    for path, one, other in code.changed(before, after):
        if len(files) >= FILES:
            more += 1
            continue
        file = _of_file(path, (before, one), (after, other), left)
        left -= sum(len(hunk["lines"]) for hunk in file["hunks"])
        files.append(file)
    return {"first": first, "second": second, "files": files, "more": more}


def _of_file(path: str, before: Side, after: Side, left: int) -> dict[str, Any]:
    one, other = before[1], after[1]
    change = "added" if one is None else "removed" if other is None else "changed"
    file: dict[str, Any] = {"path": _text(path.encode("utf-8", "surrogateescape")), "change": change}
    if left <= 0:
        return {**file, "told": "not shown: the difference is too long", "hunks": []}
    contents = [snapshot.content(entry.name) if entry else b"" for snapshot, entry in (before, after)]
    if contents[0] == contents[1]:
        told = f"its mode is another: {one.mode:o} → {other.mode:o}" if one and other else "it is empty"
        return {**file, "told": told, "hunks": []}
    if any(map(code.is_binary, contents)):
        return {**file, "told": "not text", "hunks": []}
    if max(map(len, contents)) > SIZE:
        return {**file, "told": f"longer than {SIZE >> 20} MiB: not compared line by line", "hunks": []}
    lines = [_lines(content) for content in contents]
    hunks: list[dict[str, Any]] = []
    cut_at: str | None = None
    for hunk in _hunks(*lines):
        hunk["lines"], cut = hunk["lines"][:left], len(hunk["lines"]) > left
        left -= len(hunk["lines"])
        hunks.append(hunk)
        if cut or left <= 0:
            cut_at = "cut here: the difference is too long"
            break
    return {**file, "told": cut_at if hunks else "only ends of lines differ", "hunks": hunks}


def _hunks(before: list[str], after: list[str]) -> Iterator[dict[str, Any]]:
    for group in grouped(opcodes(before, after), AROUND):
        lines: list[tuple[str, str]] = []
        for what, start, end, other_start, other_end in group:
            if what == "equal":
                lines += ((" ", _cut(line)) for line in before[start:end])
            else:
                lines += (("-", _cut(line)) for line in before[start:end])
                lines += (("+", _cut(line)) for line in after[other_start:other_end])
        yield {"first": group[0][1] + 1, "second": group[0][3] + 1, "lines": lines}


def _lines(content: bytes) -> list[str]:
    return [line.removesuffix("\r") for line in _text(content).removesuffix("\n").split("\n")] if content else []


def _text(content: bytes) -> str:
    return content.decode("utf-8", "backslashreplace")


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[:WIDTH]}… and {len(line) - WIDTH:,} characters more"


def differences_of_data(store: Store, ids: Sequence[str]) -> dict[str, Any]:
    """`{rows: [{name, texts}]}`: how the data of each run differs from that of the first, in words; a text is None
    where it does not in this."""
    runs = [store.run(id) for id in ids]
    rows = [row for found in differing.differences(store, runs).values() for row in found]
    return {
        "rows": [
            {
                "name": row["name"],
                "texts": [
                    differing.in_words(row["name"], value) if present else None
                    for value, present in zip(row["values"], row["present"], strict=True)
                ],
            }
            for row in rows
        ]
    }


def importances(store: Store, filter: str | None, nested: bool, metric: str | None) -> dict[str, Any]:
    """As `autotrack.store.importance`, of the newest runs that pass, and besides `of`: how many pass, `metrics`: those
    that there are, `varying`: the parameters that differ.  Without a metric: of the one that tells most."""
    runs = store.runs(filter, limit=NEWEST, nested=nested)
    return told(runs, metric, store.count(filter, nested=nested))


def told(runs: Sequence[Mapping[str, Any]], metric: str | None, of: int) -> dict[str, Any]:
    """As `importances`, of these runs."""
    metrics = by_interest(runs)
    telling = (name for name in metrics if len({str(run["metrics"].get(name)) for run in runs} - {"None"}) > 1)
    chosen = metric or next(telling, metrics[0] if metrics else "")
    having = [run for run in runs if chosen in run["metrics"]]
    return {**importance(runs, chosen), "of": of, "metrics": metrics, "varying": varying(having or runs)}
