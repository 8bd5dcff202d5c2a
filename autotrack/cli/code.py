"""`autotrack code`: the code of a run, as it was."""

from __future__ import annotations

import sys

import click

from autotrack.cli import completing, output
from autotrack.cli.opened import opened, reading
from autotrack.store.code import Snapshot, snapshot


@click.command()
@click.argument("reference", metavar="ID", default="@last", shell_complete=completing.runs)
@click.argument("path", required=False)
@click.option("--out", metavar="FOLDER", help="Write all of it into this folder, which must be new or empty.")
@reading
def command(reference: str, path: str | None, out: str | None, as_json: bool, directory: str | None) -> None:
    """Show the code that a run or a job ran: the files, or with PATH what is in one of them.

    It is the work tree as it was when the run began, with what was not committed, or, outside of git, the program and
    what it imported.  Of a notebook, PATH `cells` are the cells in the order in which they were executed.

    In a pipe: mode, name and path of each file.  The names are git's: GIT_OBJECT_DIRECTORY=.autotrack/objects git show
    NAME has the content, too.

    Examples:

    \b
      autotrack code @last
      autotrack code @last train.py
      autotrack code @best:test/accuracy --out best
    """
    with opened(directory) as store:
        found = snapshot(store, reference)
    if out is not None:
        count = found.write(out)
        click.echo(f"{count} files of {found.tree[:12]} written to {out}")
    elif path is not None:
        sys.stdout.flush()
        sys.stdout.buffer.write(found.read(path))
        sys.stdout.buffer.flush()
    elif as_json:
        output.print_json({**found.about, "listing": [entry._asdict() for entry in found.files()]})
    elif output.on_terminal():
        _print(found)
    else:
        output.print_tsv((f"{entry.mode:o}", entry.name, entry.path) for entry in found.files())


def _print(found: Snapshot) -> None:
    from rich.text import Text

    console, about = output.console(), found.about
    files = list(found.files())
    title = Text(f"{len(files)} files of {output.printable(about['root'])}", style="bold")
    title.append(f"  tree {found.tree[:12]}", style="dim")
    console.print(title)
    edited = set(about.get("edited") or ())
    for entry in files:
        line = Text(output.printable(entry.path))
        line.append("  changed while it ran" if entry.path in edited else "", style="yellow")
        console.print(line)
    for omitted, why in about["left_out"]:
        console.print(Text(f"{output.printable(omitted)}  left out: {why}", style="dim"))
    for name in about["secrets"]:
        console.print(Text(f"{output.printable(name)}  holds what looks like a secret", style="yellow"))
    if about.get("cells"):
        console.print(Text(f"the cells that were executed: autotrack code {found.reference} cells", style="dim"))
