"""`autotrack ls`: the runs as a table."""

from __future__ import annotations

import click

from autotrack.cli import completing, output, runtable
from autotrack.cli.opened import opened, reading
from autotrack.store import NotFound, StoreError

FIXED = ("id", "name", "framework", "kind", "status", "started", "duration", "user", "metrics", "params", "tags")
"""What a pipe gets unless it asks for something else: the columns are always the same."""
ON_SCREEN = 50
"""Runs on a terminal unless `--limit` says otherwise; a pipe gets all."""


@click.command()
@click.argument("filter", required=False, metavar="[FILTER]")
@click.option(
    "--sort",
    metavar="NAME",
    shell_complete=completing.metrics,
    help="A column, params.NAME or a metric; the largest first, with -NAME the smallest.",
)
@click.option("-c", "--columns", metavar="NAMES", help="With commas between: id,status,params.C,test/accuracy.")
@click.option(
    "-n", "--limit", type=click.IntRange(0, 1_000_000_000), help=f"Runs at most; 0 for all. [{ON_SCREEN} on a terminal]"
)
@click.option("--all", "nested", is_flag=True, help="Nested runs too: the trials of a search.")
@reading
def command(
    filter: str | None,
    sort: str | None,
    columns: str | None,
    limit: int | None,
    nested: bool,
    as_json: bool,
    directory: str | None,
) -> None:
    """List runs, the newest first.

    FILTER is a condition in Python's grammar, for example

    \b
      autotrack ls 'params.C < 1 and metrics["test/accuracy"] > .9'
      autotrack ls 'status == "failed" or "Forest" in name'
      autotrack ls 'framework == "sklearn" and started > "2026-01-31"'

    over params.NAME, metrics["NAME"] (the last value; .min, .max, .count), tags.NAME and the columns id, job, name,
    framework, kind, status, started, duration, user, parent.  No comparison is true of what a run lacks, but
    NAME == None is.

    On a terminal this is a table of what tells the runs apart; in a pipe, tab-separated values with a header, always
    with the same columns; with --json, an object a line.

    Examples:

    \b
      autotrack ls --sort test/accuracy -n 5
      autotrack ls 'params.C < 1' -c id,params.C,test/accuracy
    """
    on_terminal = output.on_terminal() and not as_json
    if limit is None and on_terminal:
        limit = ON_SCREEN
    descending = not (sort or "").startswith("-")
    try:
        with opened(directory) as store:
            sort = sort.removeprefix("-") if sort else None
            runs = store.runs(filter, sort=sort, descending=descending, limit=limit or None, nested=nested)
            count = store.count(filter, nested=nested) if on_terminal and len(runs) == limit else len(runs)
            anything = bool(runs) or store.count(nested=True) > 0
    except NotFound as nothing:  # an empty list is no mistake
        click.echo(f"autotrack: {nothing}", err=True)
        return
    chosen = [name.strip() for name in columns.split(",") if name.strip()] if columns else None
    for name in [*(chosen or ()), *([sort] if sort and sort.replace(".", "").replace("/", "").isalnum() else ())]:
        if runs and name not in runs[0] and all(runtable.value(run, name) is None for run in runs):
            raise StoreError(f"no run listed here has {name!r}; see what they have with: autotrack ls --json")
    if as_json:
        output.print_json_lines(runs)
        return
    if not on_terminal:
        names = chosen or list(FIXED)
        output.print_tsv([names, *([runtable.value(run, name) for name in names] for run in runs)])
    elif not runs:
        click.echo("No run is like that; all of them: autotrack ls" if anything else "There are no runs yet.", err=True)
    else:
        console = output.console()
        console.print(runtable.table(runs, console.width, chosen))
        if count > len(runs):
            click.echo(f"{len(runs)} of {count:,} runs; all of them with --limit 0")
