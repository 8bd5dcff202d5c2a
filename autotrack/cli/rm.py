"""`autotrack rm`: runs that lists leave out."""

from __future__ import annotations

import click

from autotrack.cli import completing, output
from autotrack.cli.opened import edited, opened


@click.command()
@click.argument("references", metavar="ID...", nargs=-1, required=True, shell_complete=completing.runs)
@click.option("--restore", is_flag=True, help="Show them again.")
@click.option("--dir", "directory", metavar="DIR", help="Read this folder, instead of the nearest .autotrack.")
def command(references: tuple[str, ...], restore: bool, directory: str | None) -> None:
    """Leave runs out of lists, with those nested in them, or show them again.

    Nothing that was recorded is removed: `autotrack show` and --restore find such a run by its id, which is printed.

    Examples:

    \b
      autotrack rm @last
      autotrack ls 'status == "killed"' -c id | tail -n +2 | xargs -r autotrack rm
    """
    with opened(directory) as store:
        ids = list(dict.fromkeys(edited(store, reference) for reference in references))
        names = store.names(ids)
        for id in ids:
            store.restore(id) if restore else store.delete(id)
    for id in ids:
        click.echo(f"{id}\t{output.printable(names[id])}")
    if not restore:
        click.echo(f"autotrack: left out of lists; to show again: autotrack rm --restore {' '.join(ids)}", err=True)
