"""`autotrack show`: a run or a job with all that is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from autotrack.cli import completing, datasets, output, overhead, runtable, showrows, surroundings
from autotrack.cli.opened import opened, reading
from autotrack.ranks import is_of_another
from autotrack.store import differing

if TYPE_CHECKING:
    from rich.console import RenderableType

    from autotrack.store import Store

Row = tuple[Any, ...]
TRIALS_SHOWN = 5
ITEMS_SHOWN = 40
"""Parameters, steps or files that a terminal shows of a kind; a pipe gets all."""


@click.command()
@click.argument("reference", metavar="ID", default="@last", shell_complete=completing.runs)
@click.option("--all", "everything", is_flag=True, help="Leave nothing out on a terminal.")
@click.option("--console", is_flag=True, help="What the program printed, as it printed it; --all with times.")
@click.option("--overhead", "costs", is_flag=True, help="What recording has taken: of which thread, by which patch.")
@reading
def command(reference: str, everything: bool, console: bool, costs: bool, as_json: bool, directory: str | None) -> None:
    """Show a run or a job.

    ID is the beginning of an id, @last (which is meant when it is left out), @best:METRIC, or @best:-METRIC for the
    lowest: autotrack show @best:test/accuracy

    In a pipe: section, name, value and details, with tabs between; of a column its name, type, nulls, NaN, infinities,
    low, mean, deviation, high and, where they are few, its values with how often each comes up.

    Examples:

    \b
      autotrack show
      autotrack show @best:test/accuracy
      autotrack show @last --json
      autotrack show @last --overhead
    """
    limit = None if everything else ITEMS_SHOWN
    trainers: dict[str, str] = {}
    with opened(directory) as store:
        kind, id = store.resolve(reference)
        if console:
            found = store.run(id)["job"] if kind == "run" else store.job(id)["job"]
            print_console(found["console"], everything, as_json)
            return
        if costs:
            overhead.show(store.run(id) if kind == "run" else store.job(id), as_json)
            return
        if output.on_terminal() and not as_json:
            print_run(store, id, limit) if kind == "run" else print_job(store, id, limit)
            return
        found = store.run(id) if kind == "run" else store.job(id)
        if kind == "run" and not as_json:
            trainers = _trainers(store, found)
    if as_json:
        output.print_json(found)
    else:
        output.print_tsv(
            showrows.of_run(found, trainers) if kind == "run" else showrows.of_job(found["job"], found["runs"])
        )


def print_run(store: Store, id: str, limit: int | None) -> None:
    """A run for people, with at most `limit` entries of each kind."""
    console = output.console()
    run = store.run(id)
    for part in _run_parts(run, store.trials(id), _trainers(store, run), limit):
        console.print(part)


def print_job(store: Store, id: str, limit: int | None) -> None:
    """A job for people, with at most `limit` entries of each kind."""
    console = output.console()
    found = store.job(id)
    for part in _job_parts(found["job"], found["runs"], limit, console.width):
        console.print(part)


def print_console(parts: list[dict[str, Any]], times: bool, as_json: bool) -> None:
    """What a program printed; to our errors what it printed to its own."""
    if as_json:
        output.print_json_lines(parts)
        return
    for part in parts:
        if times:
            lines = part["text"].splitlines(keepends=True)
            text = "".join(f"{output.moment(part['time'])} {part['stream']:6} {line}" for line in lines)
            click.echo(text, nl=not text.endswith("\n"))
        else:
            click.echo(part["text"], nl=False, err=part["stream"] == "stderr")


def _trainers(store: Store, run: dict[str, Any]) -> dict[str, str]:
    """Id to name of the runs that made the model, the oldest first."""
    ids = run["model"]["trained_by"] if run["model"] is not None else []
    names = store.names(ids)
    return {id: names[id] for id in ids}


# On a terminal


def _run_parts(
    run: dict[str, Any], nested: list[dict[str, Any]], trainers: dict[str, str], limit: int | None
) -> Iterator[RenderableType]:
    from rich.text import Text

    job = run["job"]
    yield _title(run["name"], run["status"], run["duration"])
    facts = [
        ("run", f"{run['id']}  ({', '.join(word for word in (run['framework'], run['kind']) if word)})"),
        ("started", f"{output.moment(run['started'])}  ({output.ago(run['started'])})"),
        *_program_facts(job),
    ]
    if job["duplicate_of"]:
        facts.append(("the same as", f"{output.short_id(job['duplicate_of']['run'])}, which was there before"))
    if run["parent"]:
        facts.append(("part of", output.short_id(run["parent"])))
    if run["tags"]:
        facts.append(("tags", ", ".join(_tag(name, value) for name, value in run["tags"].items())))
    seeds = surroundings.seeds_in_words(run["generators"])
    if seeds:
        facts.append(("seeds", seeds))
    if run["note"]:
        facts.append(("note", run["note"]))
    yield _pairs(facts)
    yield from _failure_part(run["failure"])
    if run["metrics"]:
        shown = {n: metric for n, metric in run["metrics"].items() if limit is None or not is_of_another(n)}
        yield _metrics_part("Metrics", shown)
        if len(shown) < len(run["metrics"]):
            yield Text("  … those of the other ranks with --all", style="dim")
    if run["summary"]:
        yield _section("Results", None, [(name, value) for name, value in run["summary"].items()])
    rows = [(param["name"], param["value"], param["source"]) for param in run["params"]]
    if rows:
        yield _section("Parameters", None, rows, limit=limit)
    if run["datasets"]:
        yield _section("Data", None, [row for dataset in run["datasets"] for row in _dataset_rows(dataset)])
        yield from datasets.tables(run, limit)
    if run["model"] is not None:
        yield _section("Model", None, list(_model_rows(run, trainers)), limit=limit)
    yield from _system_part(run["system"])
    if run["artifacts"]:
        yield _section("Files", None, [row for file in run["artifacts"] for row in _file_rows(file)], limit=limit)
    if nested:
        yield _trials(nested, limit)
    if run["warnings"]:
        yield _section("Warnings", None, [(found["what"], found["text"]) for found in run["warnings"]])
    yield from _gaps_part(run["gaps"])


def _metrics_part(title: str, metrics: dict[str, dict[str, Any]]) -> RenderableType:
    several = any(metric["count"] > 1 for metric in metrics.values())
    columns = ["last", "min", "max", "points"] if several else ["last"]
    told = {"print": "printed", "user": "logged", "inferred": "inferred"}
    if any(metric["origin"] in told for metric in metrics.values()):
        columns.append("")
    rows = []
    for name, metric in metrics.items():
        values = {**metric, "points": metric["count"], "": told.get(metric["origin"], "")}
        rows.append((name, *(values[column] for column in columns)))
    return _section(title, ["", *columns], rows, numeric=True)


def _job_parts(
    job: dict[str, Any], runs: list[dict[str, Any]], limit: int | None, width: int
) -> Iterator[RenderableType]:
    from rich.text import Text

    yield _title(job["name"], job["status"], job["duration"])
    exit = job["exit"]
    facts = [
        ("job", f"{job['id']}  (recorded by {job['how']})"),
        ("started", f"{output.moment(job['started'])}  ({output.ago(job['started'])})"),
        *_program_facts(job)[1:],
        ("exit", _exit(exit)),
        ("platform", job["platform"]),
        *surroundings.in_words(job),
        ("packages", f"{len(job['packages'] or {})}; all of them with --json"),
    ]
    if job["status"] == "running":
        facts = [fact for fact in facts if fact[0] != "exit"]
    if job["parent"]:
        facts.append(("started by", output.short_id(job["parent"])))
    yield _pairs(facts)
    yield from _failure_part((exit or {}).get("failure"))
    listed = [run for run in runs if limit is None or run["parent"] is None][:limit]
    if listed:
        yield Text("\nRuns", style="bold")
        yield runtable.table(listed, width - 2)
    if len(listed) < len(runs):
        yield Text(f"  … {len(runs) - len(listed)} more with --all", style="dim")
    if job["printed"]:
        yield _metrics_part("Printed values", job["printed"])

    arguments = [row for part in job["arguments"] for row in _argument_rows(part)]
    if arguments:
        yield _section("Arguments", None, arguments, limit=limit)
    steps = [(step["name"], output.seconds(step["seconds"]), step["params"] or "") for step in job["steps"]]
    if steps:
        yield _section("Steps", None, steps, limit=limit)
    yield from _system_part(job["system"])
    if job["files"]:
        yield _section("Files", None, [row for file in job["files"] for row in _file_rows(file)], limit=limit)
    yield from _gaps_part(job["gaps"])


def _argument_rows(part: dict[str, Any]) -> Iterator[Row]:
    for name, value in part["values"].items():
        before = f", parsed {output.short(part['parsed'][name])}" if name in part["parsed"] else ""
        yield name, value, f"{part['source']}: {showrows.given_by(part)}{before}"


def _program_facts(job: dict[str, Any]) -> list[tuple[str, str]]:
    facts = [
        ("job", output.short_id(job["id"])),
        ("program", " ".join(job["argv"])),
        ("in", job["cwd"]),
        ("by", f"{job['user']} on {job['host']}, {job['python']}"),
    ]
    git = job["git"]
    if git is not None and git.get("commit"):
        place = " ".join(
            filter(None, (git["commit"][:12], git.get("branch") and f"({git['branch']})", git.get("remote")))
        )
        changed = ", with changes that are not committed" if git.get("dirty") else ""
        facts.append(("commit", place + changed))
    code = job["code"]
    if code is not None and code.get("tree"):
        edited = f", {len(code['edited'])} changed while it ran" if code.get("edited") else ""
        facts.append(("code", f"{code['files']} files{edited}: autotrack code {output.short_id(job['id'])}"))
    frameworks = ", ".join(f"{name} {version}" for name, version in job["frameworks"].items())
    if frameworks:
        facts.append(("frameworks", frameworks))
    return facts


def _exit(exit: dict[str, Any] | None) -> str:
    if exit is None:
        return "none: the process is gone without one"
    return str(exit["code"]) if exit["code"] is not None else f"not known: {exit['how']} was raised"


def _title(name: str, status: str, duration: float | None) -> RenderableType:
    from rich.text import Text

    text = Text(output.short(name, 100), style="bold")
    text.append(f"  {status}", style=output.STATUS_STYLES.get(status, ""))
    if duration is not None:
        text.append(f" in {output.seconds(duration)}", style="not bold")
    return text


def _pairs(facts: list[tuple[str, str]]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, Text(output.printable(value)))
    return table


def _section(
    title: str, heading: list[str] | None, rows: list[Row], *, numeric: bool = False, limit: int | None = None
) -> RenderableType:
    """A titled table: the first column is a name, the last one takes the room that is left."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=heading is not None, pad_edge=False, padding=(0, 2, 0, 2), header_style="dim")
    width = max((len(row) for row in rows), default=1)
    for at in range(width):
        table.add_column(
            heading[at] if heading else "",
            justify="right" if numeric and at else "left",
            overflow="fold",
            style="dim" if at == width - 1 and at > 1 and not numeric else "",
        )
    for row in rows[:limit]:
        table.add_row(*(Text(value if isinstance(value, str) else output.short(value, 200)) for value in row))
    parts: list[RenderableType] = [Text(f"\n{title}", style="bold"), table]
    if limit is not None and len(rows) > limit:
        parts.append(Text(f"  … {len(rows) - limit} more with --all", style="dim"))
    return Group(*parts)


def _dataset_rows(dataset: dict[str, Any]) -> Iterator[Row]:
    for part in dataset["parts"] or [dataset]:
        shape = "×".join(f"{size:,}" for size in (part["rows"], part["columns"]) if size is not None)
        kinds = {kind for _, kind in part["schema"]}
        what = " ".join(filter(None, (part["kind"], shape, next(iter(kinds)) if len(kinds) == 1 else "")))
        if dataset["parts"] and dataset["method"] in ("manifest", "held"):
            what = f"{what} of {dataset['kind']}"
        told = differing.identity(part, output.digest(part["id"]))
        yield f"{dataset['role']} {part['name'] or 'features'}", what, output.size(part["bytes"]), told


def _model_rows(run: dict[str, Any], trainers: dict[str, str]) -> Iterator[Row]:
    model = run["model"]
    yield "class", model["class"]
    if model["parameters"] is not None:
        yield "parameters", f"{model['parameters']:,}"
    yield "identity", output.digest(model["id"]) or "unknown"
    yield "kept", f"yes, {output.size(model['bytes'])}" if model["kept"] else "no"
    evaluation = run["kind"] == "evaluation"
    for id, name in trainers.items():
        yield "trained by" if evaluation else "also trained by", f"{output.short_id(id)} {name}"
    if evaluation and not trainers:
        yield "trained by", "no run that is recorded here"


def _file_rows(file: dict[str, Any]) -> Iterator[Row]:
    yield _artifact_row(file)
    maker = file["made_by"]
    if maker is not None:
        who = f"run {output.short_id(maker['run'])} {maker['name']}" if maker["run"] else f"job {maker['job'][:8]}"
        step = "" if maker["step"] is None else f" at step {maker['step']}"
        path = "" if maker["path"] == file["path"] else f" as {maker['path']}"
        yield "  made by", f"{who}{step}{path}", "", ""


def _artifact_row(file: dict[str, Any]) -> Row:
    step = "" if file["step"] is None else f" at step {file['step']}"
    return (
        f"{file['mode']}{step}",
        file["path"],
        output.size(file["bytes"]),
        output.digest(file["digest"]) or "no digest",
    )


def _trials(nested: list[dict[str, Any]], limit: int | None) -> RenderableType:
    """The nested runs, the best first where they have a score."""
    metric = next((name for run in nested for name in run["metrics"] if not name.endswith(".std")), None)

    def rank(run: dict[str, Any]) -> float:
        value = run["metrics"].get(metric)
        return -value if isinstance(value, float) else float("inf")

    best = sorted(nested, key=rank) if metric is not None else nested
    shown = best if limit is None else best[:TRIALS_SHOWN]
    rows = [
        (output.short_id(run["id"]), *((run["metrics"].get(metric),) if metric else ()), run["params"] or run["name"])
        for run in shown
    ]
    title = f"Trials: {len(nested)}" + (f", by {metric}" if metric is not None else "")
    if len(shown) < len(nested):
        title += f", the first {len(shown)}"
    return _section(title, None, rows)


def _failure_part(failure: dict[str, str] | None) -> Iterator[RenderableType]:
    from rich.text import Text

    if failure is not None:
        yield Text(f"\n{failure['type']}: {output.printable(failure['message'])}", style="red")
        yield Text(output.printable(failure["traceback"].rstrip()), style="dim")


def _system_part(system: dict[str, Any]) -> Iterator[RenderableType]:
    if system:
        yield _section("System", ["", "mean", "max"], surroundings.sample_lines(system), numeric=True)


def _gaps_part(gaps: list[dict[str, str]]) -> Iterator[RenderableType]:
    if gaps:
        yield _section("Not captured", None, [(gap["what"], gap["why"].strip().splitlines()[-1]) for gap in gaps])


def _tag(name: str, value: Any) -> str:
    return name if value is True else f"{name}={output.short(value)}"
