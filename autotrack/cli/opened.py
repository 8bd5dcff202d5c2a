"""What the commands that read have in common: where the store is, and how to ask for JSON."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from autotrack import settings
from autotrack.journal import folder
from autotrack.journal.folder import Folder
from autotrack.store import NotFound, Store, open_store

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


def place(directory: str | None) -> tuple[Folder, str | None]:
    """The folder that is read, and the URL of the store where it is not the embedded one."""
    here = os.getcwd()
    chosen = settings.load({"dir": directory}, os.environ, here)
    return Folder(os.path.abspath(chosen.dir) if chosen.dir else folder.find(here)), chosen.store or None


@contextmanager
def opened(directory: str | None) -> Iterator[Store]:
    """The store, with everything taken in that is new.  What people should know of that goes to stderr.

    Raises NotFound where nothing was ever recorded: reading leaves no folder behind.
    """
    where, url = place(directory)
    if url is None and not os.path.isdir(where.root):
        raise NotFound(f"nothing is recorded in {where.root}; record a program with: autotrack run SCRIPT")
    with open_store(where, url) as store:
        if not store.refresh():
            click.echo("autotrack: another reader is taking in what is new; this is what was there before", err=True)
        for message in store.messages:
            click.echo(f"autotrack: {message}", err=True)
        yield store


def run_of(store: Store, reference: str) -> str:
    """The run that a reference means; of a job with one run, that.  Raises NotFound, Ambiguous."""
    kind, id = store.resolve(reference)
    if kind == "run":
        return id
    runs = [run["id"] for run in store.job(id)["runs"] if run["parent"] is None]
    if len(runs) != 1:
        raise NotFound(f"{reference!r} is a job with {len(runs)} runs; name one of those: autotrack show {reference}")
    return str(runs[0])
