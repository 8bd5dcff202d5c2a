"""What the commands that read have in common: where the store is, and how to ask for JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from autotrack.cli.progress import progress
from autotrack.store import NotFound, Store
from autotrack.store.reading import existing, place, run_of

__all__ = ["edited", "existing", "opened", "place", "reading", "run_of"]

Function = TypeVar("Function", bound=Callable[..., Any])


def reading(function: Function) -> Function:
    """The options of every command that reads."""
    function = click.option(
        "--dir",
        "directory",
        metavar="DIR",
        help="Read this folder, instead of the nearest .autotrack.",
    )(function)
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for other programs.")(function)


@contextmanager
def opened(directory: str | None) -> Iterator[Store]:
    """The store, with everything taken in that is new.  What people should know of that goes to stderr.

    Raises NotFound where nothing was ever recorded: reading leaves no folder behind.
    """
    with existing(directory) as store:
        with progress("taking in jobs") as update:
            store.watch(update)
            refreshed = store.refresh()
        if not refreshed:
            click.echo("autotrack: another reader is taking in what is new; this is what was there before", err=True)
        for message in store.messages:
            click.echo(f"autotrack: {message}", err=True)
        yield store


def edited(store: Store, reference: str) -> str:
    """The run that is to be edited; of a job with one run, that.  Raises NotFound, Ambiguous."""
    kind, id = store.resolve(reference)
    if kind == "job" and sum(run["parent"] is None for run in store.job(id)["runs"]) != 1:
        raise NotFound(f"{reference!r} is a job, and only runs can be edited; name one of: autotrack show {id}")
    return run_of(store, reference)
