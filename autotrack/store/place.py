"""Where the store of a folder lies, and the lock under which it is fed.

The embedded one is `store.db` in the folder.  On a network file system, where SQLite's WAL is not safe, and where
the folder can't be written, it is in the node's own cache; where there is no cache either, in memory.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from autotrack.ids import new_id
from autotrack.journal.folder import Folder, on_network

IN_MEMORY = "sqlite:///:memory:"


@dataclass(frozen=True)
class Place:
    """The URL of a store; the file that is locked while it is fed, where there is one; and what the folder is
    called in it."""

    url: str
    lock: str | None
    owner: str


def place(folder: Folder, url: str | None) -> Place:
    """Where the store of a folder lies.  Makes nothing in a folder that is not there yet."""
    writable = os.path.isdir(folder.root) and _writable(folder.root)
    if url:
        return Place(url, folder.lock if writable else None, identity(folder, writable))
    if writable and not on_network(folder.root) and (_writable(folder.store) or not os.path.exists(folder.store)):
        return Place(f"sqlite:///{os.path.abspath(folder.store)}", folder.lock, "")
    if not os.path.isdir(folder.root):
        return Place(IN_MEMORY, None, "")
    cache = _cache()
    if cache is None:
        return Place(IN_MEMORY, None, "")
    path = os.path.join(cache, _digest(os.path.abspath(folder.root)))
    return Place(f"sqlite:///{path}.db", f"{path}.lock", "")


def identity(folder: Folder, writable: bool) -> str:
    """What tells a folder from the others that feed the same store, wherever it is moved to or seen from."""
    path = os.path.join(folder.root, "id")
    if writable:
        try:
            with open(path, "x", encoding="ascii") as file:
                file.write(new_id())
        except FileExistsError:
            pass
    try:
        with open(path, encoding="ascii") as file:
            known = file.read()
    except OSError:
        known = ""
    return known or _digest(f"{socket.gethostname()}:{os.path.abspath(folder.root)}")


def _writable(path: str) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _cache() -> str | None:
    from platformdirs import user_cache_dir

    path = user_cache_dir("autotrack")
    if not os.path.isabs(path):  # there is no home folder
        return None
    try:
        os.makedirs(path, exist_ok=True)
    except OSError:
        return None
    return path if _writable(path) else None


def _digest(text: str) -> str:
    import hashlib

    return hashlib.blake2b(os.fsencode(text), digest_size=8).hexdigest()
