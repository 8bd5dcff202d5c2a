"""`autotrack trace`: where a file, model, dataset or run comes from, and what came of it."""

from __future__ import annotations

import os

import click

from autotrack.cli import completing, lineage, output, tables
from autotrack.cli.opened import opened, reading
from autotrack.store.lineage import Lineage


@click.command()
@click.argument("target", metavar="TARGET", shell_complete=completing.runs)
@click.option("--down", is_flag=True, help="What came of it: every run, file and model that used it, to the end.")
@click.option("--all", "everything", is_flag=True, help="Leave nothing out, however much there is.")
@click.option("--dot", is_flag=True, help="Print a graph for Graphviz: autotrack trace model.pt --dot | dot -Tsvg")
@click.option("--prov", metavar="FILE", help="Write it as W3C PROV-JSON; - is the output.")
@click.option("--crate", metavar="FOLDER", help="Write it as an RO-Crate (Process Run Crate): a new folder, or a .zip.")
@click.option("--with-files", is_flag=True, help="With --crate: the files too, where they are as they were.")
@reading
def command(
    target: str,
    down: bool,
    everything: bool,
    dot: bool,
    prov: str | None,
    crate: str | None,
    with_files: bool,
    as_json: bool,
    directory: str | None,
) -> None:
    """Show where a file comes from: which run wrote it, from which data, that which program wrote, to the beginning.

    TARGET is a file or a folder, also one that was renamed or copied since: it is known by what it holds.  Or a run or
    job as for `autotrack show`, or the beginning of the id of a dataset or model, as `autotrack show` has them.  Last
    come the runs and programs that have used it.

    In a pipe: depth, relation, kind, id, name and path, with tabs between.

    Examples:

    \b
      autotrack trace model.joblib
      autotrack trace @last --down
      autotrack trace @last --json
      autotrack trace model.joblib --prov model.prov.json
      autotrack trace model.joblib --crate model.zip --with-files

    --prov and --crate need: pip install 'autotrack-ml[provenance]'
    """
    _check(prov, crate, with_files, others=as_json or dot)
    with opened(directory) as store:
        found = store.trace(target, down=down, everything=everything)
    if prov is not None or crate is not None:
        _write(found, target, prov, crate, with_files)
    elif as_json:
        output.print_json(found.as_dict())
    elif dot:
        click.echo("\n".join(lineage.dot(found)))
    elif output.on_terminal():
        for tree in lineage.trees(found, down=down):
            output.console().print(tree)
    else:
        output.print_tsv(lineage.rows(found, down=down))
    if found.left_out and not as_json:
        told = f"{found.left_out:,} more that were not followed; all of them with --all"
        shown = output.on_terminal() and not (dot or prov or crate)
        click.echo(told if shown else f"autotrack: {told}", err=not shown)


def _check(prov: str | None, crate: str | None, with_files: bool, *, others: bool) -> None:
    """Raises UsageError, ExportError before anything is read."""
    if (prov is not None or crate is not None) and others:
        raise click.UsageError("leave --json and --dot out with --prov and --crate")
    if with_files and crate is None:
        raise click.UsageError("--with-files goes with --crate")
    if prov is not None and prov != "-":
        tables.check(prov, force=False)
    if crate is not None and os.path.lexists(crate):
        raise tables.ExportError(f"{crate} is there already; name another folder")


def _write(found: Lineage, target: str, prov: str | None, crate: str | None, with_files: bool) -> None:
    if prov is not None:
        from autotrack.store.lineage.prov import document

        written = str(document(found).serialize(format="json", indent=1))
        if prov == "-":
            click.echo(written, color=True)  # as it is: the library escapes what does not print
        else:
            tables.write_texts([written, "\n"], prov, force=False)
    if crate is not None:
        from autotrack.store.lineage import rocrate

        rocrate.write(found, crate, name=f"Lineage of {target}", files=with_files)
