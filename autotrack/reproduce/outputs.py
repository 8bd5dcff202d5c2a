"""How the files and the output of a program compare with what it writes and prints once more."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from autotrack.identity import files
from autotrack.reproduce import numbers
from autotrack.reproduce.differences import Difference, Tally, of_names
from autotrack.store import Store

if TYPE_CHECKING:
    from autotrack.reproduce.plan import Plan

_CLOCK = re.compile(
    r"\d+(\.\d+)?\s*(s|secs?|seconds?|ms|us|µs|minutes?|h|hours?|it/s|s/it|fps|[KMGT]i?B)\b"
    r"|\d+(\.\d+)?\s*min\b(?!\s*[:=]?\s*[-+]?\d)|\d+\s*min(?=\s+\d+(\.\d+)?\s*s)"  # `mean 0.2 min 0.1` is none
    r"|(?i:\b(took|elapsed|time|duration|runtime))\b\W*(is|was|in)?\W*\d+(\.\d+)?"
    r"|\b20\d\d[01]\d[0-3]\d([_T-]?\d{6})?\b|\b1\d{9}(\.\d+)?\b|\bpid\W{1,2}\d+|\b0x[0-9a-f]{6,}\b"
    r"|\b\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?([.,]\d+)?|\b\d+:\d\d(:\d\d)?([.,]\d+)?\b",
)
"""What in a line tells the time, how long something took, or which process it was."""
_ARRAYS = (".npy", ".npz", ".safetensors", ".parquet", ".feather", ".pt", ".pth")
"""Files that hold nothing but what was computed."""
_TABLES = (".csv", ".tsv", ".json", ".jsonl")


_PASSING = re.compile(r"tmp\w+|[^\W_]*\d[^\W_]*")
"""What in the name of a file may be another each time: dates, numbers, what was drawn."""
NAMED = 5
"""Names in a note."""


def written(
    store: Store,
    made: Plan,
    before: Sequence[Mapping[str, Any]],
    now: Sequence[Mapping[str, Any]],
    own: Collection[str],
    compared: Tally,
) -> Iterator[Difference]:
    """The files that the job wrote, but for `own` ones of its runs.  Where it has runs, of files that hold no model the
    numbers: a log may hold the time."""
    models = bool(made.runs)
    written, was = ({file["path"]: file for file in listed if file["mode"] == "written"} for listed in (now, before))
    pairs = _paired(made, was, written)
    unlike: list[str] = []
    for path, file in was.items():
        name, other = path.rpartition("/")[2], pairs.get(path)
        if path in own:
            continue
        compared["file"] = compared.get("file", 0) + 1
        if other is None:
            yield Difference("file", name, "written", "not written")
        elif file["model"] and other["model"]:
            yield from of_names("model", {name: file["model"]}, {name: other["model"]}, compared)
        elif None in (file["digest"], other["digest"]):
            unlike.append(name)
        elif file["digest"] != other["digest"]:
            found = _unlike(store, made, file, other)
            words = found is not None and found.before == file["digest"] and found.amount == math.inf
            if words and models and not _is_told(path, compared):
                unlike.append(name)
            elif found is not None:
                yield found
    if unlike:
        made.notes.append(f"not as before, and not compared, for they may tell the time: {some(unlike)}")
    paired = {file["path"] for file in pairs.values()}
    more = [path.rpartition("/")[2] for path, file in written.items() if path not in paired and not file["model"]]
    if more:
        made.notes.append(f"written besides: {some(more)}")


def _is_told(path: str, compared: Tally) -> bool:
    """Whether a file with words counts where there are other results: where these are by chance, a table does."""
    return compared.by_chance and path.endswith(_TABLES)


def _unlike(store: Store, made: Plan, before: Mapping[str, Any], now: Mapping[str, Any]) -> Difference | None:
    """How two files differ: in their numbers, as far as these can be seen, else in anything; None where what differs
    tells the time."""
    name, path = before["path"].rpartition("/")[2], now["path"]
    anything = Difference("file", name, before["digest"], now["digest"])
    if path.endswith(_ARRAYS):
        return anything._replace(amount=math.nan)
    fresh = [made.places.fresh(path), os.path.join(made.place, "outside", path.lstrip("/")), path]
    first = _lying([before["path"], *store.places(before["digest"] or "")], before["digest"])
    second = _lying([place for place in fresh if place is not None], now["digest"])
    if first is None or second is None:
        return anything
    apart = numbers.apart(first, second)
    if apart is not None and apart.amount:
        return Difference("file", f"{name}, {apart.name}", apart.before, apart.now, amount=apart.amount)
    texts = [_text(place) for place in (first, second)]
    return None if None not in texts and texts[0] == texts[1] else anything


def _text(path: str) -> str | None:
    """A text without what tells the time."""
    if os.path.getsize(path) > numbers.LONGEST:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return _CLOCK.sub("#", file.read())
    except ValueError:
        return None


def _lying(places: Sequence[str], digest: str | None) -> str | None:
    """The first of these places where a file of this content lies."""
    for path in places:
        with contextlib.suppress(OSError):
            if os.path.isfile(path) and files.digest_file(path)[0] == digest:
                return path
    return None


def _paired(
    made: Plan, before: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """The files of now by the paths of those of before: of the same place, else of a name that differs in what may be
    another each time."""
    found: dict[str, Mapping[str, Any]] = {}
    for path in before:
        there = now.get(made.places.seen(path)) or now.get(path)
        if there is not None:
            found[path] = there
    taken = {file["path"] for file in found.values()}
    left = [path for path in now if path not in taken]
    for shape in (_shape_of_folder, _shape, _kind_in_folder, _kind):
        for path in before:
            wanted = shape(made.places.seen(path))
            alike = next((other for other in left if shape(other) == wanted), None)
            if path not in found and alike is not None:
                found[path] = now[alike]
                left.remove(alike)
    return found


def _shape(path: str) -> str:
    return _PASSING.sub("#", path)


def _kind(path: str) -> str:
    return os.path.splitext(path)[1]


def _kind_in_folder(path: str) -> str:
    return os.path.join(_shape(os.path.dirname(path)), _kind(path))


def _shape_of_folder(path: str) -> str:
    return os.path.join(_shape(os.path.dirname(path)), os.path.basename(path))


def some(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED} more"


def printed(
    made: Plan, before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]], compared: Tally
) -> Iterator[Difference]:
    """What was printed, where nothing else tells what came of the program, or there is a reason for another result."""
    texts = [_printed(one, made, "stdout") for one in (before, now)]
    errors = [_printed(one, made, "stderr") for one in (before, now)]
    reason = made.reads_input or compared.by_chance or any(what in ("code", "data") for what, _ in made.changes)
    is_all = not made.runs or reason
    if is_all:
        compared["output"] = 1
        if texts[0] != texts[1]:
            yield Difference("output", "what it printed", *_first_lines(*texts))
    unlike = [
        name
        for name, (one, other) in (("output", texts), ("error", errors))
        if one != other and (name == "error" or not is_all)
    ]
    if unlike:
        made.notes.append(f"not as before, and not compared, for it may tell the time: standard {' and '.join(unlike)}")


def _printed(parts: Sequence[Mapping[str, Any]], made: Plan, stream: str) -> str:
    """What was written to a stream, without what tells the time; paths in the fresh folder as they were."""
    text = "".join(part["text"] for part in parts if part["stream"] == stream)
    for part in made.places.parts:
        text = text.replace(part.fresh, part.old)
    return _CLOCK.sub("#", text)


def _first_lines(before: str, now: str) -> tuple[str, str]:
    for one, other in zip(before.splitlines(), now.splitlines(), strict=False):
        if one != other:
            return one, other
    return f"{len(before.splitlines())} lines", f"{len(now.splitlines())} lines"
