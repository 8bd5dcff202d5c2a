"""What recording has taken of a job: `autotrack show --overhead`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from autotrack.cli import output

Row = tuple[Any, ...]
UNKNOWN = "Nothing is known of what recording took: the program is at its beginning, or was killed there."


def rows(job: dict[str, Any], receipt: list[dict[str, Any]], overhead: dict[str, Any]) -> list[Row]:
    """(what, seconds, calls, microseconds a call, why it was switched off), what took the most first; the last two are
    None where they don't apply."""
    known = {entry["patch"]: entry for entry in receipt}
    spent = overhead.get("by") or {}
    off = [name for name, entry in known.items() if name not in spent and entry["off"]]
    found = []
    for name in [*spent, *off]:
        entry, seconds = known.get(name, {}), spent.get(name, 0.0)
        calls = entry.get("fired")
        found.append(
            (name, seconds, calls, 1e6 * seconds / calls if calls else None, entry["why"] if entry.get("off") else None)
        )
    return sorted(found, key=lambda row: -row[1])


def as_json(job: dict[str, Any], receipt: list[dict[str, Any]], overhead: dict[str, Any]) -> dict[str, Any]:
    """`{job, duration, seconds, background, end, bytes, processes, unknown, by: [{patch, seconds, calls, off}]}`:
    seconds of processors, but for the `end`; `unknown` is the number of processes that have told nothing."""
    return {
        "job": job["id"],
        "duration": job["duration"],
        **{name: overhead.get(name) for name in ("seconds", "background", "end", "bytes", "processes", "unknown")},
        "by": [
            {"patch": name, "seconds": seconds, "calls": calls, "off": why}
            for name, seconds, calls, _, why in rows(job, receipt, overhead)
        ],
    }


def lines(job: dict[str, Any], receipt: list[dict[str, Any]], overhead: dict[str, Any]) -> Iterator[str]:
    """The same in words and as a table."""
    if not overhead.get("by"):
        yield UNKNOWN
        return
    duration, one = job["duration"], overhead["processes"] == 1
    yield f"{output.printable(job['name'])}  {job['status']}" + (f" in {output.seconds(duration)}" if duration else "")
    share = _share(overhead["seconds"], duration) if one else f", of {overhead['processes']} processes"
    yield f"  of the program's threads    {output.seconds(overhead['seconds'])}{share}"
    yield f"  beside it                   {output.seconds(overhead['background'])}"
    if overhead["end"] is not None:
        yield f"  waited for at its end       {output.seconds(overhead['end'])}"
    yield f"  written                     {output.size(overhead['bytes'])}"
    table = rows(job, receipt, overhead)
    width = max(len(name) for name, *_ in table)
    yield ""
    yield f"  {'':{width}}  {'took':>9}  {'calls':>9}  {'a call':>9}"
    for name, seconds, calls, each, why in table:
        cells = output.seconds(seconds), f"{calls:,}" if calls else "", output.seconds(each / 1e6) if each else ""
        yield f"  {name:{width}}  {cells[0]:>9}  {cells[1]:>9}  {cells[2]:>9}" + (f"  off: {why}" if why else "")
    yield ""
    yield "  All but the end is time of processors: what waits, for a disk or a lock, is not in it; nor are prints,"
    yield "  files that are opened and log records: about 1 to 4 µs each."
    if overhead["unknown"]:
        few = "process" if overhead["unknown"] == 1 else "processes"
        yield f"  Nothing is known of {overhead['unknown']} {few}: killed, or at the beginning."


def show(found: dict[str, Any], asked_json: bool) -> None:
    """Print it, as a table for people, with tabs between in a pipe."""
    job = found["job"]
    told = job, found.get("receipt", job.get("receipt", [])), found.get("overhead", job.get("overhead", {}))
    if asked_json:
        output.print_json(as_json(*told))
    elif output.on_terminal():
        for line in lines(*told):
            click.echo(line)
    else:
        if not told[2].get("by"):
            click.echo(UNKNOWN, err=True)
        output.print_tsv([("patch", "seconds", "calls", "µs a call", "off"), *rows(*told)])


def _share(seconds: float, duration: float | None) -> str:
    if not duration:
        return ""
    percent = 100 * seconds / duration
    return f", {percent:.0f} % of its time" if percent >= 9.95 else f", {percent:.2g} % of its time"
