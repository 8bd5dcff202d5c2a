"""What the folder has kept of models and of code: found by its content, never by where something lies."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING, Any

from autotrack.journal import objects
from autotrack.journal.objects import Damaged, Objects
from autotrack.store import code
from autotrack.store.database import NotFound, StoreError

if TYPE_CHECKING:
    from autotrack.store.query import Store

FILES = 1_000
"""Files of code of a run that are listed at most."""
_BLOB, _OBJECT = re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{40}")


def of_run(store: Store, run: dict[str, Any]) -> dict[str, Any]:
    """`{kept: [digest], code: [{path, digest}], left_out}`: what of a run, as `Store.run` has it, can be had: its model
    and its files, as they name them, and its code by names of git, without the `left_out` last ones."""
    named = [(run["model"] or {}).get("kept"), *(artifact["digest"] for artifact in run["artifacts"])]
    kept = [digest for digest in dict.fromkeys(named) if digest and _path(store, digest) is not None]
    snapshot = code.of_job(store, run["job"])
    files: list[dict[str, str]] = []
    if snapshot is not None:
        try:
            found = [entry for entry in snapshot.files() if entry.mode in (objects.FILE, objects.EXECUTABLE)]
        except StoreError:  # `autotrack verify` says so
            found = []
        files = [{"path": entry.path.encode(errors="replace").decode(), "digest": entry.name} for entry in found]
    return {"kept": kept, "code": files[:FILES], "left_out": max(len(files) - FILES, 0)}


def blob(store: Store, digest: str) -> str | None:
    """The path of the file that holds what is kept under a digest, with `blake3:` before it or without; None for a
    digest of code.  Raises NotFound."""
    if _OBJECT.fullmatch(digest):
        return None
    path = _path(store, digest)
    if path is None:
        raise NotFound(f"nothing is kept under the digest {digest!r}")
    return path


def source(store: Store, name: str) -> bytes:
    """A file of code, by its name in git.  Raises NotFound, also where it is damaged."""
    kept = Objects(store.folder.objects)
    try:
        if not _OBJECT.fullmatch(name) or not _is_inside(store, kept.path(name)):
            raise NotFound(f"nothing is kept under the digest {name!r}")
        kind, content = kept.get(name)
    except Damaged:
        raise NotFound(f"what is kept under the digest {name!r} is damaged; see autotrack verify") from None
    if kind != "blob":
        raise NotFound(f"{name!r} is no file")
    return content


def called(store: Store, digest: str) -> str:
    """What a content is to be called as a file: as it was called when a job saw it last, else by its digest."""
    digits = digest.removeprefix("blake3:")
    paths = store.places(f"blake3:{digits}")
    return os.path.basename(paths[0]) if paths and os.path.basename(paths[0]) else digits[:12]


def _path(store: Store, digest: str) -> str | None:
    digits = digest.removeprefix("blake3:")
    if not _BLOB.fullmatch(digits):
        return None
    path = store.folder.blob(digits)
    return path if _is_inside(store, path) else None


def _is_inside(store: Store, path: str) -> bool:
    """Whether there is a file that lies where it seems to: no link on the way leads out of the folder."""
    root = store.folder.root
    try:
        ordinary = stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
    return ordinary and os.path.realpath(path) == os.path.join(os.path.realpath(root), os.path.relpath(path, root))
