"""Which folder and store are read, and which run is meant: for whoever asks by name."""

from __future__ import annotations

import os

from autotrack import settings
from autotrack.journal import folder
from autotrack.journal.folder import Folder
from autotrack.store.database import NotFound
from autotrack.store.query import Store, open_store


def place(directory: str | os.PathLike[str] | None) -> tuple[Folder, str | None]:
    """The folder that is read, and the URL of the store where it is not the embedded one."""
    here = os.getcwd()
    chosen = settings.load({"dir": directory}, os.environ, here)
    return Folder(os.path.abspath(chosen.dir) if chosen.dir else folder.find(here)), chosen.store or None


def existing(directory: str | os.PathLike[str] | None) -> Store:
    """The store of that place, with nothing taken in yet.  Raises NotFound where nothing was ever recorded: reading
    leaves no folder behind."""
    where, url = place(directory)
    if url is None and not where.is_ours():
        beside = os.path.join(where.root, folder.NAME)
        hint = f"look into: --dir {beside}" if os.path.isdir(beside) else "record a program with: autotrack run SCRIPT"
        raise NotFound(f"nothing is recorded in {where.root}; {hint}")
    return open_store(where, url)


def run_of(store: Store, reference: str) -> str:
    """The run that a reference means; of a job with one run, that.  Raises NotFound, Ambiguous."""
    kind, id = store.resolve(reference)
    if kind == "run":
        return id
    runs = [run["id"] for run in store.job(id)["runs"] if run["parent"] is None]
    if len(runs) != 1:
        raise NotFound(f"{reference!r} is a job with {len(runs)} runs; name one of those: autotrack show {reference}")
    return str(runs[0])
