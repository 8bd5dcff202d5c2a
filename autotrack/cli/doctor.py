"""`autotrack doctor`: what is observed here, and what the last job's receipt says."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from typing import Any

import click

import autotrack
from autotrack import plugins
from autotrack.cli import completing, output
from autotrack.cli.opened import opened, place, reading
from autotrack.extension import compiled
from autotrack.store import NotFound

NOT_IMPORTED = "not imported"


@click.command()
@click.argument("reference", metavar="ID", required=False, shell_complete=completing.runs)
@reading
@click.pass_context
def command(ctx: click.Context, reference: str | None, as_json: bool, directory: str | None) -> None:
    """Say which frameworks are observed here, and what became of each patch in the last job, or in that of ID.

    A silent miss is the usual failure of automatic tracking: exits with 1 where something that was expected did not
    attach, failed or was switched off, or where a journal is damaged.

    Examples:

    \b
      autotrack doctor
      autotrack doctor @last --json
    """
    where, url = place(directory)
    report: dict[str, Any] = {
        "autotrack": autotrack.__version__,
        "python": platform.python_version(),
        "extension": compiled is not None,
        "folder": where.root,
        "store": _without_password(url) if url else where.store,
        "frameworks": list(_frameworks()),
        "job": None,
        "receipt": [],
        "problems": [],
    }
    try:
        with opened(directory) as store:
            if reference is None:
                job = store.job(store.last_job())["job"]
            else:
                kind, id = store.resolve(reference)
                job = store.job(id)["job"] if kind == "job" else store.job(store.run(id)["job"]["id"])["job"]
            report["job"] = {name: job[name] for name in ("id", "name", "status", "started", "frameworks")}
            report["receipt"] = job["receipt"]
            report["overhead"] = job["overhead"]
            report["problems"] = [*_problems(job), *store.damaged()]
    except NotFound:
        if reference is not None:
            raise
    if as_json:
        output.print_json(report)
    else:
        _print(report)
    ctx.exit(1 if report["problems"] else 0)


def _frameworks() -> Iterator[dict[str, Any]]:
    """The installed plugins, and the version of each framework where it is installed."""
    for name, found in sorted(plugins.discover(sys.path).items()):
        supported = plugins.supported(found)
        yield {"framework": name, "plugin": found.module, "supported": supported}


def _problems(job: dict[str, Any]) -> Iterator[str]:
    for name, version in job["frameworks"].items():
        if "not observed" in version:
            yield f"{name} {version}"
    for entry in job["receipt"]:
        if not entry["attached"] and entry["why"] != NOT_IMPORTED:
            yield f"{entry['patch']} did not attach: {entry['why'] or 'for an unknown reason'}"
        elif entry["failed"]:
            yield f"{entry['patch']} failed {entry['failed']} times: {entry['why']}"
        elif entry["attached"] and entry["why"]:
            yield f"{entry['patch']} was switched off: {entry['why']}"
    for gap in job["gaps"]:
        if gap["what"].startswith("autotrack: "):
            yield f"{gap['what'].removeprefix('autotrack: ')} failed: {gap['why'].strip().splitlines()[-1]}"


def _print(report: dict[str, Any]) -> None:
    extension = "" if report["extension"] else ", without its extension in C"
    click.echo(f"autotrack {report['autotrack']}, Python {report['python']}{extension}")
    click.echo(f"records into {report['folder']}" + ("" if os.path.isdir(report["folder"]) else "  (not there yet)"))
    click.echo("\nFrameworks")
    for entry in report["frameworks"]:
        click.echo(f"  {entry['framework']:12} {entry['plugin']:24} {entry['supported'] or 'any version'}")
    job = report["job"]
    if job is None:
        click.echo("\nNothing is recorded yet; record a program with: autotrack run SCRIPT")
        return
    versions = ", ".join(f"{name} {version}" for name, version in job["frameworks"].items()) or "no framework"
    click.echo(f"\nReceipt of job {job['id']} ({job['name']}, {job['status']}; {versions})")
    quiet = 0
    for entry in report["receipt"]:
        state = "attached" if entry["attached"] else entry["why"] or "not attached"
        if entry["attached"] and not entry["fired"] and not entry["failed"]:
            quiet += 1
            continue
        failed = f", failed {entry['failed']}" if entry["failed"] else ""
        click.echo(f"  {entry['patch']:56} {state}, fired {entry['fired']}{failed}")
    if quiet:
        click.echo(f"  {quiet} more attached and not called")
    overhead = report["overhead"]
    click.echo(f"  {output.seconds(overhead['seconds'])} spent on the program's threads")
    if report["problems"]:
        click.echo("\nProblems")
        for problem in report["problems"]:
            click.echo(f"  {problem}")
    else:
        click.echo("\nEverything that was expected is observed.")


def _without_password(url: str) -> str:
    from autotrack.capture.secrets import redact

    return redact(url)
