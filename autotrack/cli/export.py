"""`autotrack export`: a run or its points, for other programs."""

from __future__ import annotations

import click

from autotrack.cli import output
from autotrack.cli.opened import opened, reading, run_of
from autotrack.store.present import presented


@click.command()
@click.argument("reference", metavar="ID", default="@last")
@click.option("--points", is_flag=True, help="Every point of every series: name, step, time, value.")
@reading
def command(reference: str, points: bool, as_json: bool, directory: str | None) -> None:
    """Write out a run, or its points.

    Points as tab-separated values with a header, or with --json an object {name, step, time, value} a line; time in
    seconds since the epoch, numbers that JSON lacks as "NaN", "Infinity", "-Infinity".  Without --points, the run as
    `autotrack show --json` prints it.
    """
    with opened(directory) as store:
        id = run_of(store, reference)
        if not points:
            output.print_json(store.run(id))
            return
        if not as_json:
            output.print_tsv([("name", "step", "time", "value")])
        for name, steps, times, values in store.points(id):
            rows = zip(steps.tolist(), times.tolist(), map(presented, values.tolist()), strict=True)
            if as_json:
                output.print_json_lines({"name": name, "step": s, "time": t, "value": v} for s, t, v in rows)
            else:
                output.print_tsv((name, step, time, value) for step, time, value in rows)
