"""`autotrack verify`: whether what was recorded is as it was written."""

from __future__ import annotations

import os
from dataclasses import asdict

import click

from autotrack.cli import completing, output
from autotrack.cli.opened import opened, place, reading
from autotrack.journal.verify import verify
from autotrack.store import NotFound


@click.command()
@click.argument("references", metavar="[ID ...]", nargs=-1, shell_complete=completing.runs)
@reading
@click.pass_context
def command(ctx: click.Context, references: tuple[str, ...], as_json: bool, directory: str | None) -> None:
    """Find whatever was edited, removed or reordered in the record of these jobs or runs, or in all of it.

    Looked at are the journals and their points, the models that were kept and the code, down to every file of it, and,
    where no ID is given, tags, notes and deletions as well.  Models and code bear the digest of what they hold.  Every
    line of a journal carries the digest of the line before, and from time to time a digest of the points, so a
    change shows unless everything that follows it was made anew as well: whoever rewrites a whole journal, and the
    store with it, is not found, nor what was cut off the end of a journal that no command had read before: a crash
    leaves the same.  Exits with 1 where something is not as it was written.

    Examples:

    \b
      autotrack verify
      autotrack verify @last --json
    """
    where, _ = place(directory)
    with opened(directory) as store:
        known, edits = store.known(), store.known_edits()
        jobs = None
        if references:
            resolved = [store.resolve(reference) for reference in references]
            jobs = sorted({id if kind == "job" else store.run(id)["job"]["id"] for kind, id in resolved})
    if not os.path.isdir(where.root):
        raise NotFound(f"{where.root} is gone, and with it the journals")
    findings = verify(where, jobs, known, edits)
    if as_json:
        output.print_json_lines(asdict(finding) for finding in findings)
    else:
        for finding in findings:
            line = "" if finding.position is None else f", entry {finding.position + 1}"
            click.echo(f"{finding.path}{line}: {finding.problem}")
        if not findings:
            count = len(jobs) if jobs is not None else len({job for job, _ in known})
            click.echo(
                f"{count} job{'s' if count != 1 else ''}: all as written, as far as a chain without a secret can tell "
                "(see --help)"
            )
    ctx.exit(1 if findings else 0)
