"""`autotrack export --html`: a run as a page in one file."""

from __future__ import annotations

import click

from autotrack.cli import output, tables
from autotrack.cli.opened import opened, run_of
from autotrack.errors import AutotrackError


def is_html(path: str | None) -> bool:
    """Whether the name of a file says so."""
    return path is not None and path.lower().endswith((".html", ".htm"))


def write(reference: str, path: str | None, directory: str | None, *, force: bool) -> None:
    """Write a run as a page to a file, whole or not at all, or to the output.  Raises AutotrackError."""
    try:
        from autotrack.web import files
        from autotrack.web.report import report
    except ImportError as missing:
        raise AutotrackError(f"a page needs {missing.name}: pip install 'autotrack-ml[ui]'") from None
    files.needed()
    if path is not None:
        tables.check(path, force=force)
    elif output.on_terminal():
        raise click.UsageError("a page is written to a file; name it with -o FILE")
    with opened(directory) as store:
        text = report(store, run_of(store, reference))
    if path is None:
        click.echo(text.encode("utf-8", "backslashreplace"), nl=False)
    else:
        tables.write_texts([text], path, force=force)
