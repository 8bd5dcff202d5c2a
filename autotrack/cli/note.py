"""`autotrack note`: what people want to remember of a run."""

from __future__ import annotations

import sys

import click

from autotrack.cli import completing, output
from autotrack.cli.opened import edited, opened


@click.command()
@click.argument("reference", metavar="ID", shell_complete=completing.runs)
@click.argument("words", metavar="[TEXT]", nargs=-1)
@click.option("--remove", is_flag=True, help="Take the note away.")
@click.option("--dir", "directory", metavar="DIR", help="Read this folder, instead of the nearest .autotrack.")
def command(reference: str, words: tuple[str, ...], remove: bool, directory: str | None) -> None:
    """Write a note on a run, in place of the one that it has; without TEXT, print it.

    With - for TEXT, the note is what comes on the standard input.

    Examples:

    \b
      autotrack note @last "the first with the cleaned data"
      git log -1 --format=%s | autotrack note @last -
      autotrack note @last
      autotrack note @last --remove
    """
    if remove and words:
        raise click.UsageError("give a text or --remove, not both")
    text = sys.stdin.read().rstrip("\n") if words == ("-",) else " ".join(words)
    if words and not text.strip():
        raise click.UsageError("the note is empty; to take a note away: autotrack note ID --remove")
    with opened(directory) as store:
        id = edited(store, reference)
        if words or remove:
            store.note(id, text if words else None)
            return
        note = store.run(id)["note"]
    if note is None:
        click.echo(f"autotrack: the run {id} has no note; write one with: autotrack note {id} TEXT", err=True)
    else:
        click.echo(output.printable(note) if output.on_terminal() else note)
