"""`autotrack similar`: the runs that are most like a run."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import click

from autotrack.cli import completing, output
from autotrack.cli.opened import opened, reading, run_of

NAMED = 4
"""Differences of a kind that a terminal names."""


@click.command()
@click.argument("reference", metavar="ID", default="@last", shell_complete=completing.runs)
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=10, show_default=True, help="Runs at most.")
@reading
def command(reference: str, limit: int, as_json: bool, directory: str | None) -> None:
    """Show the runs that are most like a run, and what of each is other.

    They are ranked by how much they share: parameters (35 of 100), data (25), code (20), name, arguments, packages and
    seeds (5 each).  1 is a run that has everything the same.

    In a pipe: id, name, score, and what differs; with --json, an object a run.

    Examples:

    \b
      autotrack similar @last
      autotrack similar @best:test/accuracy -n 3
    """
    with opened(directory) as store:
        found = store.similar(run_of(store, reference), limit)
    if as_json:
        output.print_json_lines(found)
    elif not output.on_terminal():
        output.print_tsv((one["id"], one["name"], one["score"], "; ".join(_told(one["differs"]))) for one in found)
    elif not found:
        click.echo("There is no other run of this kind.", err=True)
    else:
        _print(found)


def _print(found: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("id", "name", "like it", "differs in"):
        table.add_column(name, no_wrap=name == "id", justify="right" if name == "like it" else "left", overflow="fold")
    for one in found:
        differs = "; ".join(_told(one["differs"], NAMED)) or "nothing"
        score = f"{int(one['score'] * 100) / 100:.2f}"  # 1.00 is the same
        id = Text(output.short_id(one["id"]), style="bold")
        table.add_row(id, Text(output.short(one["name"], 30)), score, Text(output.printable(differs)))
    output.console().print(table)


def _told(differs: list[dict[str, Any]], limit: int | None = None) -> Iterator[str]:
    """The differences of each kind, in words."""
    for what, group in groupby(differs, key=lambda one: str(one["what"])):
        every = list(group)
        if what in ("data", "code"):
            words = [one["name"] for one in every if one["name"]]
        elif what == "arguments":
            words = []
        else:
            words = [" ".join(filter(None, (one["name"], _change(one)))) for one in every]
        more = len(words) - limit if limit is not None and len(words) > limit else 0
        shown = ", ".join(words[:limit]) + (f" and {more} more" if more else "")
        yield shown if what == "params" else f"{what}: {shown}" if shown else what


def _change(one: dict[str, Any]) -> str:
    before, after = ("–" if value is None else output.short(value, 30) for value in (one["from"], one["to"]))
    return f"{before} → {after}"
