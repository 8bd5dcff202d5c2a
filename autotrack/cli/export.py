"""`autotrack export`: runs, a run, or its points, for other programs."""

from __future__ import annotations

import json
import os
from itertools import chain
from typing import Any

import click

from autotrack.cli import completing, report, tables
from autotrack.cli.opened import opened, reading, run_of
from autotrack.cli.plot import without_points
from autotrack.cli.progress import progress
from autotrack.store import Store, frame


@click.command()
@click.argument("word", metavar="[ID | FILTER]", required=False, shell_complete=completing.runs)
@click.option("--points", is_flag=True, help="Every point of every series: name, step, time, value.")
@click.option("--runs", "listed", is_flag=True, help="A row a run, of all or those that FILTER lets through.")
@click.option("--all", "nested", is_flag=True, help="With --runs: nested runs too, the trials of a search.")
@click.option("--html", is_flag=True, help="One run as a page that stands alone, to mail or attach.")
@click.option(
    "-f", "--format", "form", type=click.Choice(tables.FORMATS), help="[what the name of FILE ends in, else tsv]"
)
@click.option("-o", "--output", "path", metavar="FILE", help="Write to this file.")
@click.option("--force", is_flag=True, help="Replace FILE where it is there.")
@reading
def command(
    word: str | None,
    points: bool,
    listed: bool,
    nested: bool,
    html: bool,
    form: str | None,
    path: str | None,
    force: bool,
    as_json: bool,
    directory: str | None,
) -> None:
    """Write out a run, its points, or a table of runs.

    Without --points and --runs, the run as `autotrack show --json` prints it; with --html, or where FILE ends in .html,
    as a page in one file: curves, parameters, data, what it comes from.  It needs no server and no network (but here
    pip install 'autotrack-ml[ui]'), and anybody who has the file sees all that is in it, the console's output too.

    Points have name, step, time (seconds since the epoch) and value; those of a job are its samples of the system.  A
    table of runs has the columns id, job, name, framework, kind, status, started, duration, user, parent, then
    params.NAME, metrics.NAME (the last value) and tags.NAME, as far as a run has them; FILTER as for `autotrack ls`.

    Formats: tsv (what a pipe gets), csv, jsonl (an object a line, also with --json), json (one list), parquet (needs
    pip install 'autotrack-ml[parquet]').  Numbers that JSON lacks are "NaN", "Infinity", "-Infinity" in all but
    Parquet.  A file is written whole or not at all.

    Examples:

    \b
      autotrack export --runs -o runs.csv
      autotrack export --runs 'params.C < 1' --format csv
      autotrack export @last --points -o points.parquet
      autotrack export @best:test/accuracy -o run.json
      autotrack export @best:test/accuracy --html -o run.html
    """
    if points and listed:
        raise click.UsageError("--points are those of one run; leave --runs out")
    if nested and not listed:
        raise click.UsageError("--all goes with --runs")
    if force and path is None:
        raise click.UsageError("--force goes with -o FILE")
    one = not points and not listed
    if html or (one and form is None and not as_json and report.is_html(path)):
        if not one or as_json or form is not None:
            raise click.UsageError("--html is one run as a page; leave --points, --runs, --json and --format out")
        report.write(word or "@last", path, directory, force=force)
        return
    form = _format(form, path, as_json, one=one)
    if form == "parquet":
        if path is None:
            raise click.UsageError("Parquet is written to a file; name it with -o FILE")
        frame.arrow()
    if path is not None:
        tables.check(path, force=force)
    with opened(directory) as store:
        if one:
            _write_run(store.run(run_of(store, word or "@last")), path, force)
            return
        table = tables.Runs(store.runs(word, nested=nested)) if listed else _points(store, word or "@last")
        with progress("writing", beside_output=path is None) as update:
            table.progress = update
            if path is None:
                tables.print_table(table, form)
            else:
                tables.write_table(table, form, path, force=force)


def _format(form: str | None, path: str | None, as_json: bool, *, one: bool) -> str:
    if as_json and form not in (None, "jsonl"):
        raise click.UsageError(f"--json is --format jsonl; leave one of --json and --format {form} out")
    if as_json:
        form = "jsonl"
    if form is None and path is not None:
        suffix = os.path.splitext(path)[1].lower()
        form = tables.SUFFIXES.get(suffix)
        if form is None:
            raise click.UsageError(
                f"{path}: its name does not tell the format; give one of --format {', '.join(tables.FORMATS)}"
            )
    if one and form not in (None, "json", "jsonl"):
        raise click.UsageError(
            f"one run is written as JSON; as {form} there are tables: export ID --points, or export --runs [FILTER]"
        )
    return form or "tsv"


def _write_run(run: dict[str, Any], path: str | None, force: bool) -> None:
    text = json.dumps(run, allow_nan=False) + "\n"
    if path is None:
        click.echo(text, nl=False, color=True)
    else:
        tables.write_texts([text], path, force=force)


def _points(store: Store, reference: str) -> tables.Points:
    kind, id = store.resolve(reference)
    if kind == "job":
        count = sum(metric["count"] for metric in store.job(id)["job"]["system"].values())
        return tables.Points(store.points(id), count)
    run = store.run(run_of(store, reference))
    parts = store.points(run["id"])
    first = next(parts, None)
    if first is None:
        if run["parent"] is not None and run["metrics"]:
            raise without_points(run)
        click.echo(f"autotrack: {without_points(run)}", err=True)
        return tables.Points([], 0)
    count = sum(metric["count"] for metric in run["metrics"].values())
    return tables.Points(chain([first], parts), count)
