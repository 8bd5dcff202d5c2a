"""`autotrack trace`: where a file, model, dataset or run comes from, and what came of it."""

from __future__ import annotations

import click

from autotrack.cli import completing, lineage, output
from autotrack.cli.opened import opened, reading


@click.command()
@click.argument("target", metavar="TARGET", shell_complete=completing.runs)
@click.option("--down", is_flag=True, help="What came of it: every run, file and model that used it, to the end.")
@click.option("--all", "everything", is_flag=True, help="Leave nothing out, however much there is.")
@click.option("--dot", is_flag=True, help="Print a graph for Graphviz: autotrack trace model.pt --dot | dot -Tsvg")
@reading
def command(target: str, down: bool, everything: bool, dot: bool, as_json: bool, directory: str | None) -> None:
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
    """
    with opened(directory) as store:
        found = store.trace(target, down=down, everything=everything)
    if as_json:
        output.print_json(found.as_dict())
    elif dot:
        click.echo("\n".join(lineage.dot(found)))
    elif output.on_terminal():
        for tree in lineage.trees(found, down=down):
            output.console().print(tree)
        if found.left_out:
            click.echo(f"{found.left_out:,} more that were not followed; all of them with --all")
    else:
        output.print_tsv(lineage.rows(found, down=down))
