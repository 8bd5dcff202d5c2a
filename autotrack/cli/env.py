"""`autotrack env`: the environment that a run had."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from autotrack.cli import completing, index, output, packages, pylock
from autotrack.cli.opened import opened, reading
from autotrack.store import NotFound, StoreError


@click.command()
@click.argument("reference", metavar="ID", default="@last", shell_complete=completing.runs)
@click.option("--pylock", "lock", is_flag=True, help="Print a lock file, pylock.toml, instead.")
@click.option(
    "--index", "indexes", metavar="URL", multiple=True, help="Ask this package index, for --pylock; several in turn."
)
@click.option("-o", "--out", metavar="FILE", help="Write it into this file.")
@reading
def command(
    reference: str, lock: bool, indexes: tuple[str, ...], out: str | None, as_json: bool, directory: str | None
) -> None:
    """Print the packages that were installed when a run or job was recorded, as a requirements file.

    Python and platform are comments.  What was installed from a repository, an archive or a folder is told with its
    place and its commit or hash; what was editable is a comment, since its folder holds whatever it holds by now.

    With --pylock, a lock file of PEP 751, for that Python version and platform: `pip install -r pylock.toml` (from
    pip 26.1 on) and `uv pip sync pylock.toml` install from it and check hashes.  An entry must name files and hashes,
    which an installation does not keep: they are asked from the index that PIP_INDEX_URL or UV_DEFAULT_INDEX names,
    else PyPI.  All wheels of the version are there, not only that which was installed.  What no index has is left
    out: a message says so, and `tool.autotrack.left-out` in the file.  What depends on what, extras and groups are
    not told.

    With --json, `{"job", "python", "platform", "packages": {name: version}, "sources": {name: {"url", ...}}}`; in
    `sources` is what was installed from no index: of a repository `vcs`, `commit` and the `requested` revision, of a
    folder `editable`, of an archive `hashes`.

    Examples:

    \b
      autotrack env @best:test/accuracy > requirements.txt
      autotrack env -o requirements.txt
      autotrack env --json
    """
    if as_json and lock:
        raise click.UsageError("--json and --pylock are two formats: give one of them")
    if indexes and not lock:
        raise click.UsageError("--index goes with --pylock")
    if lock and out is not None and not pylock.is_named_well(out):
        raise click.UsageError("installers look for pylock.toml or pylock.NAME.toml: name the file so")
    with opened(directory) as store:
        kind, id = store.resolve(reference)
        job = store.job(id if kind == "job" else store.run(id)["job"]["id"])["job"]
    if job["packages"] is None:
        raise NotFound(
            f"the packages of the job {job['id']} were not recorded: it ended before, or its journal is damaged; "
            "see autotrack verify"
        )
    if as_json:
        about = {"job": job["id"], **{name: job[name] for name in ("python", "platform", "packages")}}
        text = json.dumps({**about, "sources": job["sources"] or {}}) + "\n"
    elif lock:
        text, left_out = pylock.written(job, indexes or index.usual())
        for name, version, why in left_out:
            click.echo(f"autotrack: {output.short(name)} {output.short(version)} is left out: {why}", err=True)
    else:
        text = "".join(f"{line}\n" for line in _lines(job))
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        with open(out, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StoreError(f"{out} can't be written: {error.strerror}") from None


def _lines(job: dict[str, Any]) -> Iterator[str]:
    yield f"# python: {output.short(job['python'])}"
    yield f"# platform: {output.short(job['platform'], 200)}"
    yield f"# recorded by autotrack in the job {job['id']}"
    sources = job["sources"] or {}
    for name, version in sorted(job["packages"].items()):
        yield packages.requirement(name, str(version), sources.get(name))
