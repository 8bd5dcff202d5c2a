"""`autotrack compare`: how runs differ."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import click

from autotrack.cli import completing, output, packages, surroundings
from autotrack.cli.opened import opened, reading, run_of
from autotrack.store import NotFound, Store, code, differing

Facts = dict[tuple[str, str], Any]
"""(section, name) to value."""

LINES = 40
"""Of a difference of code that a terminal shows."""
_MISSING = object()
_LONG = re.compile(r"(?<![0-9a-f])[0-9a-f]{40,64}(?![0-9a-f])")
"""Commits and hashes."""


@click.command()
@click.argument("references", metavar="ID ID ...", nargs=-1, required=True, shell_complete=completing.runs)
@click.option("--all", "everything", is_flag=True, help="Also what is the same, and all of the code's difference.")
@click.option("--code", "only_code", is_flag=True, help="Print how the code differs, and nothing else: a unified diff.")
@reading
def command(
    references: tuple[str, ...], everything: bool, only_code: bool, as_json: bool, directory: str | None
) -> None:
    """Show how runs differ: parameters, metrics, data, model, code, environment and packages.

    IDs as for `autotrack show`.  With --json, `{"runs": [id, ...], "differences": [{"section", "name", "values",
    "same", "present"}], "code": [diff, ...]}`; `present` says which of the runs have such a value, those that lack it
    have null.  `code` is a unified diff from the first run's code to that of each, null for the first and where the
    code of one was not kept.  The values of the section "package" are versions, those of packages that are from no
    index with their source: "1.0 from git+https://…@COMMIT".

    Where data differs and both sides were looked into, further rows of the section "data" say how that of each run
    differs from that of the first, which has null there.  With ROLE/PART as in "train/features", their values are:

    \b
    ROLE/PART columns added    [name, ...]; the same for "removed"
    ROLE/PART columns renamed  [{"from", "to"}, ...], the same content
    ROLE/PART columns retyped  [{"name", "from", "to"}, ...]
    ROLE/PART columns changed  {"names": [...], "all": whether every one}
    ROLE/PART columns moved    [{"name", "from", "to"}, ...], from 0 on
    ROLE/PART columns without a profile  [of the first, of this run]
    ROLE/PART files changed    [name, ...]; the same for "added" and
                               "removed"; "renamed" as for columns
    ROLE/PART rows             {"same": the same rows, each as often,
                                "reordered", "same_columns",
                                "same_in_common": the same in the columns
                                that are in both,
                                "shared": rows that are in the first's,
                                "of", "shared_of_first", "of_first",
                                "exact": else estimated}

    Examples:

    \b
      autotrack compare @last @best:test/accuracy
      autotrack compare @last @best:test/accuracy --all
      autotrack compare @best:test/accuracy @last --code > changes.patch
    """
    if len(references) < 2:
        raise click.UsageError("give two runs or more to compare: autotrack compare @last ID")
    with opened(directory) as store:
        ids = [run_of(store, reference) for reference in references]
        runs = [store.run(id) for id in ids]
        of_data = {} if only_code else differing.differences(store, runs)
        diffs = [None, *(_diff(store, runs[0], run) for run in runs[1:])]
    texts = [_told("\n".join(lines)) if lines is not None else None for lines in diffs]
    if only_code:
        if as_json:
            output.print_json({"runs": ids, "code": texts})
        else:
            _print_code(runs, diffs)
        return
    rows = [row for row in _with(compared(runs), of_data) if everything or not row["same"]]
    if as_json:
        output.print_json({"runs": ids, "differences": rows, "code": texts})
    elif not output.on_terminal():
        output.print_tsv([("section", "name", *ids), *((r["section"], r["name"], *r["values"]) for r in rows)])
    else:
        _print_table(runs, rows)
        _print_beginnings(runs, diffs, None if everything else LINES)


def _diff(store: Store, first: dict[str, Any], other: dict[str, Any]) -> list[str] | None:
    """How the code of one run differs from that of another; None where that of one was not kept."""
    kept = [code.of_job(store, run["job"]) for run in (first, other)]
    if kept[0] is None or kept[1] is None:
        return None
    return list(code.difference(kept[0], kept[1]))


def _print_code(runs: list[dict[str, Any]], diffs: list[list[str] | None]) -> None:
    for run, lines in zip(runs[1:], diffs[1:], strict=True):
        if lines is None:
            raise NotFound(f"the code of {runs[0]['id']} or of {run['id']} was not kept")
        for line in lines:
            if output.on_terminal():
                click.echo(output.printable(_told(line).expandtabs()))
            else:  # for `git apply`
                click.echo(line.encode("utf-8", "surrogateescape"))


def _told(text: str) -> str:
    """A text for people and JSON: bytes that are no UTF-8 as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def _print_beginnings(runs: list[dict[str, Any]], diffs: list[list[str] | None], limit: int | None) -> None:
    """How the code differs, for people: so many lines of each difference."""
    from rich.text import Text

    console = output.console()
    for run, lines in zip(runs, diffs, strict=True):
        if not lines:
            continue
        console.print(Text(f"\nCode of {output.short_id(run['id'])}", style="bold"))
        for line in lines[:limit]:
            style = next((_STYLES[mark] for mark in _STYLES if line.startswith(mark)), "")
            console.print(Text(output.printable(_told(line).expandtabs()), style=style))
        if limit is not None and len(lines) > limit:
            told = f"autotrack compare {runs[0]['id']} {run['id']} --code"
            console.print(Text(f"… {len(lines) - limit:,} lines more: {told}", style="dim"))


_STYLES = {"diff ": "bold", "+++": "bold", "---": "bold", "@@": "cyan", "+": "green", "-": "red"}


def compared(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every fact of the runs with its value in each, and whether it is the same in all."""
    facts = [dict(_facts(run)) for run in runs]
    names = list(dict.fromkeys(name for of in facts for name in of))
    order = {section: at for at, section in enumerate(dict.fromkeys(section for section, _ in names))}
    rows = []
    for section, name in sorted(names, key=lambda pair: (order[pair[0]], pair[1] if pair[0] == "package" else "")):
        values = [of.get((section, name), _MISSING) for of in facts]
        texts = {"" if value is _MISSING else json.dumps(value, sort_keys=True) for value in values}
        shown = [None if value is _MISSING else value for value in values]
        present = [value is not _MISSING for value in values]
        same = len(texts) == 1 and all(present)
        rows.append({"section": section, "name": name, "values": shown, "same": same, "present": present})
    return rows


def _with(rows: list[dict[str, Any]], of_data: dict[str, list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """The rows, with those on the data of each part behind its shape."""
    for row in rows:
        yield row
        if row["section"] == "data" and row["name"].endswith(" shape"):
            yield from of_data.get(row["name"].removesuffix(" shape"), [])


def _facts(run: dict[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    for name in ("name", "framework", "kind", "status"):
        yield ("run", name), run[name]
    for name, metric in run["metrics"].items():
        yield ("metric", name), metric["last"]
        if metric["count"] > 1:
            yield ("metric", f"{name}.min"), metric["min"]
            yield ("metric", f"{name}.max"), metric["max"]
    for param in run["params"]:
        yield ("param", param["name"]), param["value"]
    for name, value in run["summary"].items():
        yield ("result", name), value
    for what, part in differing.parts(run):
        yield ("data", what), differing.identity(part, part["id"])
        yield ("data", f"{what} shape"), [part["rows"], part["columns"]]
    if run["model"] is not None:
        for name in ("class", "id", "parameters"):
            yield ("model", name), run["model"][name]
    for name, value in run["tags"].items():
        yield ("tag", name), value
    job = run["job"]
    yield ("program", "argv"), job["argv"]
    for name in ("cwd", "user", "host"):
        yield ("program", name), job[name]
    yield from surroundings.seeds(run["generators"])
    for name in ("commit", "branch", "dirty"):
        yield ("code", name), (job["git"] or {}).get(name)
    yield ("code", "tree"), (job["code"] or {}).get("tree")
    for name in ("python", "platform"):
        yield ("environment", name), job[name]
    yield from surroundings.compared(job)
    for name, version in (job["packages"] or {}).items():
        yield ("package", name), packages.in_words(version, (job["sources"] or {}).get(name))


def _print_table(runs: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = output.console()
    if not rows:
        console.print("They do not differ in anything that was recorded; see it all with --all")
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("", style="dim", no_wrap=True)
    table.add_column("")
    for run in runs:
        table.add_column(Text(f"{output.short_id(run['id'])}\n{output.short(run['name'], 30)}"), overflow="fold")
    section = None
    for row in rows:
        cells = [
            Text(_shown(row, value)) if present else Text(_absent(row, run), style="dim")
            for value, present, run in zip(row["values"], row["present"], runs, strict=True)
        ]
        style = "dim" if row["same"] else ""
        table.add_row(row["section"] if row["section"] != section else "", row["name"], *cells, style=style)
        section = row["section"]
    console.print(table)


def _absent(row: dict[str, Any], run: dict[str, Any]) -> str:
    return "not installed" if row["section"] == "package" and run["job"]["packages"] is not None else "–"


def _shown(row: dict[str, Any], value: Any) -> str:
    words = differing.in_words(row["name"], value) if row["section"] == "data" else None
    if words is not None:
        return words
    if row["section"] == "package":
        return output.short(_LONG.sub(lambda digits: digits[0][:12], value), 120)
    if isinstance(value, str) and value.startswith(("xxh3", "blake3", "stat-manifest:")):
        digest, space, told = value.partition(" ")
        return output.digest(digest) + space + told
    return output.short(value, 80)
