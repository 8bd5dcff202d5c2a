"""What lies in a folder, how much of it, and what of it nobody needs any more."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

from autotrack.journal.folder import Folder
from autotrack.store.database import StoreError

KINDS = ("journals", "points", "blobs", "store", "edits", "other")
YOUNG = 3600.0
"""Seconds that a file must be old to be garbage: what names it is written after it."""

_DIGEST = re.compile(rb"[0-9a-f]{64,}")
_LENGTH = 64
_TEMPORARY = "tmp-"


@dataclass
class Usage:
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Unused:
    """A blob that nothing names, or what is left of one that was never finished."""

    path: str
    bytes: int


def usage(folder: Folder) -> dict[str, Usage]:
    """Number and sizes of the files of each kind."""
    found = {kind: Usage() for kind in KINDS}
    for path, status in _files(folder.root):
        kind = found[_kind(os.path.relpath(path, folder.root))]
        kind.files += 1
        kind.bytes += status.st_size
    return found


def _kind(path: str) -> str:
    top = path.partition(os.sep)[0]
    if top == "journal":
        return "points" if path.endswith(".points") else "journals"
    if top in ("blobs", "edits"):
        return top
    return "store" if top.startswith("store.db") else "other"


def live(folder: Folder) -> list[str]:
    """The jobs that run, or that no reader could take in to their end."""
    try:
        return sorted(os.listdir(folder.live))
    except FileNotFoundError:
        return []


def unused(folder: Folder) -> list[Unused]:
    """The blobs that are in no journal and older than `YOUNG`.

    A blob counts as named wherever its digest stands in a journal, also in a line that is damaged, or of a run that
    was deleted.  While a job is `live` there is none: a program that makes the same model again takes the blob that
    is there, and says so only then.  Raises StoreError where a journal can't be read.
    """
    if live(folder):
        return []
    before = time.time() - YOUNG
    old = [
        (_name(path), Unused(path, status.st_size))
        for path, status in _files(folder.blobs)
        if status.st_mtime < before and _name(path) is not None
    ]
    if not old:
        return []
    named = _named(folder, {name for name, _ in old if name})
    return [blob for name, blob in old if name not in named]


def _name(path: str) -> str | None:
    """The digest in the path of a blob, "" for an unfinished one; None for what is none of ours."""
    name = os.path.basename(path)
    if name.startswith(_TEMPORARY):
        return ""
    digest = os.path.basename(os.path.dirname(path)) + name
    return digest if len(digest) == _LENGTH and _DIGEST.fullmatch(digest.encode()) else None


def _named(folder: Folder, digests: set[str]) -> set[str]:
    """Those of the digests that stand in a journal."""
    wanted = {digest.encode() for digest in digests}
    found: set[bytes] = set()
    for path, _ in _files(folder.journal):
        if path.endswith(".points"):
            continue
        try:
            with open(path, "rb") as file:
                for line in file:
                    for match in _DIGEST.findall(line):
                        found.update(match[at : at + _LENGTH] for at in range(len(match) - _LENGTH + 1))
        except OSError as error:
            raise StoreError(
                f"{path} can't be read ({error.strerror}), and what it names is not known: nothing was removed"
            ) from None
        found &= wanted
    return {digest.decode() for digest in found}


def remove(folder: Folder, blobs: list[Unused]) -> list[Unused]:
    """Remove unused blobs, until a job begins; returns those that are gone, the first of these.  Raises OSError."""
    gone = []
    for blob in blobs:
        if live(folder):
            break
        with contextlib.suppress(FileNotFoundError):  # somebody else removes them too
            os.unlink(blob.path)
        gone.append(blob)
        with contextlib.suppress(OSError):  # others are in it
            os.rmdir(os.path.dirname(blob.path))
    return gone


def _files(root: str) -> Iterator[tuple[str, os.stat_result]]:
    """Raises StoreError for a folder that can't be listed."""

    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise StoreError(f"{error.filename} can't be read ({error.strerror}); nothing was removed")

    for parent, _, names in os.walk(root, onerror=fail):
        for name in names:
            path = os.path.join(parent, name)
            with contextlib.suppress(FileNotFoundError):
                yield path, os.lstat(path)
