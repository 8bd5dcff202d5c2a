"""`autotrack plot`: curves of metrics in the terminal."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from autotrack.cli import completing, curves, output
from autotrack.cli.opened import opened, reading, run_of
from autotrack.ranks import is_of_another
from autotrack.store import NotFound, Store, curve
from autotrack.store.interest import SPLITS
from autotrack.store.present import asked, presented

if TYPE_CHECKING:
    from autotrack.store.curve import Points

CHARTS = 8
"""Those that are drawn where no metric is named."""
IN_A_PIPE = 80


@click.command()
@click.argument("words", metavar="[ID [METRIC...]]", nargs=-1, shell_complete=completing.plotted)
@click.option(
    "-m", "--metric", "metrics", metavar="METRIC", multiple=True, shell_complete=completing.metrics,
    help="Draw this metric; every argument is then a run. Can be given several times.",
)  # fmt: skip
@click.option("--log", is_flag=True, help="Values on a logarithmic scale.")
@click.option("--x", "axis", type=click.Choice(["step", "time"]), default="step", help="What runs along. [step]")
@reading
def command(
    words: tuple[str, ...],
    metrics: tuple[str, ...],
    log: bool,
    axis: str,
    as_json: bool,
    directory: str | None,
) -> None:
    """Draw the curves of a run's metrics, or of one metric of several runs.

    Without METRIC: those with more than one point, of a distributed training those of its first rank.  Metrics that
    differ in their split only (train/loss, valid/loss) share a chart; without colour (in a pipe, or where NO_COLOR is
    set) each curve has its own.  Time counts seconds from the beginning of each run.

    With --json, every point: an object {run, name, step, time, value} a line; time in seconds since the epoch, numbers
    that JSON lacks as "NaN", "Infinity", "-Infinity".

    Examples:

    \b
      autotrack plot
      autotrack plot @last train/loss --log
      autotrack plot @last @best:test/accuracy --metric train/loss --x time
    """
    references, names = (words, metrics) if metrics else (words[:1], words[1:])
    names = tuple(dict.fromkeys(map(asked, names)))
    with opened(directory) as store:
        ids = list(dict.fromkeys(run_of(store, reference) for reference in references or ("@last",)))
        runs = [store.run(id) for id in ids]
        chosen = [_chosen(store, run, names) for run in runs]
        found = [curve.points(store, *pair, log=log, whole=as_json) for pair in zip(runs, chosen, strict=True)]
    for name in names:
        if not any(name in points for points in found):
            raise _not_found(store, runs, name)
    if as_json:
        for run, points in zip(runs, found, strict=True):
            output.print_json_lines(_objects(run["id"], points))
        return
    _draw(runs, found, log=log, axis=axis, named=bool(names))


def _chosen(store: Store, run: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    if names:
        return list(names)
    mine = {name: metric for name, metric in run["metrics"].items() if not is_of_another(name)} or run["metrics"]
    return [name for name, metric in mine.items() if metric["count"] > 1] or list(mine)


def _not_found(store: Store, runs: list[dict[str, Any]], name: str) -> NotFound:
    with_it = [run for run in runs if name in run["metrics"]]
    if with_it:
        return without_points(with_it[0])
    has = ", ".join(dict.fromkeys(metric for run in runs for metric in run["metrics"])) or "none"
    who = f"the run {runs[0]['id']} has no" if len(runs) == 1 else "none of these runs has a"
    return NotFound(
        f"{who} metric {name!r}; there are: {output.printable(has)}.  Several runs: autotrack plot ID ID --metric NAME"
    )


def without_points(run: dict[str, Any]) -> NotFound:
    """What is said of a run that has no points."""
    if run["parent"] is not None and run["metrics"]:
        return NotFound(
            f"the run {run['id']} is nested in {run['parent']}: it has metrics, each a single value, but no points; "
            f"see them with: autotrack show {run['id']}"
        )
    return NotFound(f"the run {run['id']} has no points; see what it has with: autotrack show {run['id']}")


def _objects(run: str, points: Points) -> Iterator[dict[str, Any]]:
    for name, (steps, times, values) in points.items():
        for step, time, value in zip(steps.tolist(), times.tolist(), values.tolist(), strict=True):
            yield {"run": run, "name": name, "step": step, "time": time, "value": presented(value)}


def _draw(runs: list[dict[str, Any]], found: list[Points], *, log: bool, axis: str, named: bool) -> None:
    console, on_terminal = output.console(), output.on_terminal()
    width = max(console.width if on_terminal else IN_A_PIPE, curves.LEAST_WIDTH)
    charts: dict[str, list[curves.Drawn]] = defaultdict(list)
    for run, points in zip(runs, found, strict=True):
        for name in points:
            curve = _curve(run, name, points, axis, several=len(runs) > 1)
            charts[_title(name)].append(curves.drawable(curve, log, width))
    if not charts:
        raise without_points(runs[0])
    shown = list(charts) if named else list(charts)[:CHARTS]
    together = [(title, some) for title in shown for some in _by_colour(charts[title])]
    if not on_terminal or os.environ.get("NO_COLOR"):
        together = [(each.label, [each]) for _, drawn in together for each in drawn]
    for at, (title, drawn) in enumerate(together):
        heading = drawn[0].label if len(drawn) == 1 else title
        if at:
            click.echo()
        for line in curves.chart(heading, drawn, log=log, unit=" s" if axis == "time" else "", width=width):
            console.print(line, soft_wrap=True)
        for told in (each.told for each in drawn if each.told):
            click.echo(f"  {told}")
    if len(shown) < len(charts):
        click.echo(f"\n… and, where you name them: {output.short(', '.join(list(charts)[CHARTS:]), 200)}")


def _by_colour(drawn: list[curves.Drawn]) -> Iterator[list[curves.Drawn]]:
    """As many at a time as there are colours to tell them apart."""
    for start in range(0, len(drawn), len(curves.COLOURS)):
        yield drawn[start : start + len(curves.COLOURS)]


def _title(name: str) -> str:
    """What is in one chart: a metric of all splits."""
    split, slash, rest = name.partition("/")
    return rest if slash and split in SPLITS else name


def _curve(run: dict[str, Any], name: str, points: Points, axis: str, *, several: bool) -> curves.Curve:
    steps, times, values = points[name]
    of = max(len(steps), run["metrics"][name]["count"] if name in run["metrics"] else 0)
    label = f"{name}  {output.short_id(run['id'])} {output.short(run['name'], 30)}" if several else name
    if axis == "time":
        return curves.Curve(label, times - run["started"], values, of)
    import numpy

    if len(steps) > 1 and steps[0] == steps[-1] and (steps == steps[0]).all():  # as of L-BFGS: one step, many passes
        steps = numpy.arange(len(steps))
    return curves.Curve(label, steps, values, of)
