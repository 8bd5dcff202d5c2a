"""`autotrack env`: the environment that a run had."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import click

from autotrack.cli import completing, output
from autotrack.cli.opened import opened, reading
from autotrack.store import NotFound

_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.IGNORECASE)


@click.command()
@click.argument("reference", metavar="ID", default="@last", shell_complete=completing.runs)
@reading
def command(reference: str, as_json: bool, directory: str | None) -> None:
    """Print the packages that were installed when a run or job was recorded, as a requirements file.

    Python and platform are comments.  What is not installed from an index (a folder, a repository) has its version
    here, not its place.  With --json, `{"job", "python", "platform", "packages": {name: version}}`.

    Examples:

    \b
      autotrack env @best:test/accuracy > requirements.txt
      autotrack env --json
    """
    with opened(directory) as store:
        kind, id = store.resolve(reference)
        job = store.job(id if kind == "job" else store.run(id)["job"]["id"])["job"]
    if job["packages"] is None:
        raise NotFound(
            f"the packages of the job {job['id']} were not recorded: it ended before, or its journal is damaged; "
            "see autotrack verify"
        )
    if as_json:
        output.print_json(
            {"job": job["id"], **{name: job[name] for name in ("python", "platform")}, "packages": job["packages"]}
        )
    else:
        click.echo("\n".join(_lines(job)))


def _lines(job: dict[str, Any]) -> Iterator[str]:
    yield f"# python: {output.short(job['python'])}"
    yield f"# platform: {output.short(job['platform'], 200)}"
    yield f"# recorded by autotrack in the job {job['id']}"
    for name, version in sorted(job["packages"].items()):
        yield _requirement(name, str(version))


def _requirement(name: str, version: str) -> str:
    """The line of a package; a comment where an installer could not read it."""
    from packaging.version import InvalidVersion, Version

    try:
        Version(version)
    except InvalidVersion:
        return f"# {output.short(name)} {output.short(version)}: this version is none that an installer knows"
    if not _NAME.fullmatch(name):
        return f"# {output.short(name)} {output.short(version)}: this name is none that an installer knows"
    return f"{name}=={version.strip()}"
