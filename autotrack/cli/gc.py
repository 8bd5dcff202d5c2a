"""`autotrack gc`: what the folder holds, what of it can go, and the store made again."""

from __future__ import annotations

from dataclasses import asdict

import click

from autotrack.cli import output
from autotrack.cli.opened import existing, opened, reading
from autotrack.cli.progress import progress
from autotrack.store import StoreError, garbage


@click.command()
@click.option("--delete", is_flag=True, help="Remove what can go.")
@click.option("--rebuild", is_flag=True, help="Make the store again from the journals.")
@reading
def command(delete: bool, rebuild: bool, as_json: bool, directory: str | None) -> None:
    """Say how large the folder's parts are, and which kept models and code no run names; --delete removes those.

    Journals and points, which everything else is made from, are never removed.  Nor is a model or code that is less
    than an hour old, or that any line of a journal names, also of a run that `autotrack rm` left out of lists.  While
    a job runs, nothing is: it may come to a model or to code that is kept already.  Where code that a run names is
    missing or damaged, no code is removed.

    With --json, `{"folder", "kinds": {kind: {"files", "bytes"}}, "running": [job, ...], "unused": [{"path", "bytes",
    "kind"}], "removed": [{"path", "bytes", "kind"}]}`, `kind` being `model` or `code`.

    Examples:

    \b
      autotrack gc
      autotrack gc --delete
      autotrack gc --rebuild
    """
    if rebuild:
        with existing(directory) as store, progress("taking in jobs") as update:
            store.watch(update)
            store.rebuild()
            messages = list(store.messages)
        for message in messages:
            click.echo(f"autotrack: {message}", err=True)
    with opened(directory) as store:  # what ended is taken in, and marked so
        folder = store.folder
    running = garbage.live(folder)
    unused = garbage.unused(folder)
    try:
        unused += garbage.unused_code(folder)
    except StoreError as error:
        click.echo(f"autotrack: {error}", err=True)
    removed = garbage.remove(folder, unused) if delete else []
    kinds = garbage.usage(folder)
    left = unused[len(removed) :]
    if as_json:
        output.print_json(
            {
                "folder": folder.root,
                "kinds": {kind: asdict(usage) for kind, usage in kinds.items()},
                "running": running,
                "unused": [asdict(blob) for blob in left],
                "removed": [asdict(blob) for blob in removed],
            }
        )
    elif not output.on_terminal():
        output.print_tsv([("what", "files", "bytes"), *((kind, u.files, u.bytes) for kind, u in kinds.items())])
        output.print_tsv(("unused", blob.path, blob.bytes) for blob in left)
        output.print_tsv(("removed", blob.path, blob.bytes) for blob in removed)
    else:
        _print(folder.root, kinds, running, left, removed)


def _print(
    root: str,
    kinds: dict[str, garbage.Usage],
    running: list[str],
    left: list[garbage.Unused],
    removed: list[garbage.Unused],
) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("")
    for name in ("files", "size"):
        table.add_column(name, justify="right")
    for kind, usage in kinds.items():
        table.add_row(kind, f"{usage.files:,}", output.size(usage.bytes))
    total = sum(usage.bytes for usage in kinds.values())
    table.add_row("in all", f"{sum(usage.files for usage in kinds.values()):,}", output.size(total), style="bold")
    console = output.console()
    console.print(Text(root, style="bold"))
    console.print(table)
    if removed:
        click.echo(f"\nRemoved {_counted(removed)}.")
    if left:
        click.echo(f"\n{_counted(left)} can go: autotrack gc --delete")
    elif running:
        jobs = "1 job runs" if len(running) == 1 else f"{len(running)} jobs run"
        click.echo(f"\n{jobs}; what can go is told when none does: {', '.join(map(output.short_id, running[:5]))}")
    elif not removed:
        click.echo("\nThere is nothing that can go.")


def _counted(unused: list[garbage.Unused]) -> str:
    told = []
    for kind, one, many in (("model", "kept model", "kept models"), ("code", "file of code", "files of code")):
        sizes = [each.bytes for each in unused if each.kind == kind]
        if sizes:
            told.append(
                f"{len(sizes):,} {one if len(sizes) == 1 else many} that no run names ({output.size(sum(sizes))})"
            )
    return " and ".join(told)
