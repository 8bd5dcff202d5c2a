"""What lies in a folder, how much of it, and what of it nobody needs any more."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from autotrack import events
from autotrack.journal import objects, read
from autotrack.journal.content import code_objects
from autotrack.journal.folder import Folder
from autotrack.journal.objects import Damaged, Objects
from autotrack.store.database import StoreError

KINDS = ("journals", "points", "blobs", "code", "store", "edits", "other")
YOUNG = 3600.0
"""Seconds that a file must be old to be garbage: what names it is written after it."""

_DIGEST = re.compile(rb"[0-9a-f]{40,}")
_BLOB, _OBJECT = 64, 40
"""Digits in the names of kept models and of objects."""
_TEMPORARY = "tmp-"
_UNFINISHED = re.compile(r"[0-9a-f]{40}\.\d+")
"""An object while it is written."""


@dataclass
class Usage:
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Unused:
    """A kept model or an object of code that nothing names, or what is left of one that was never finished."""

    path: str
    bytes: int
    kind: str = "model"
    """Or `code`."""


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
    if top in ("objects", "outputs"):
        return "code"
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
    old = _old(folder, folder.blobs, _BLOB, "model")
    named = _named(folder, {name for name, _ in old if name}, _BLOB)
    return [blob for name, blob in old if name not in named]


def unused_code(folder: Folder) -> list[Unused]:
    """The same of objects: those that nothing reaches that is in a journal.

    Raises StoreError also where a folder that is named is missing or damaged: what was in it is not known.
    """
    old = _old(folder, folder.objects, _OBJECT, "code")
    if not old:
        return []
    found = Objects(folder.objects)
    present = set(found.names())
    for name in _code(folder):
        if name not in present:
            raise StoreError(f"the object {name} is missing in {found.root}: no code was removed; see autotrack verify")
    reached: set[str] = set()
    waiting = list(_named(folder, present, _OBJECT))
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            try:
                kind, content = found.get(name)
            except Damaged as damage:
                raise StoreError(f"{damage}: no code was removed; see autotrack verify") from None
            for entry in objects.entries(content) if kind == "tree" else ():
                if entry.mode == objects.FOLDER:
                    waiting.append(entry.name)
                else:
                    reached.add(entry.name)
    return [one for name, one in old if name not in reached]


def _code(folder: Folder) -> Iterator[str]:
    """The objects that jobs say are their code, in lines that can be read."""
    for path, _ in _files(folder.journal):
        with open(path, "rb") as file:
            for line in file if path.endswith(".jsonl") else ():
                with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                    if b'"section":"code"' in line:
                        event = events.decode(line[read.BODY : -2])
                        yield from code_objects(event.value if isinstance(event, events.JobFacts) else None)


def _old(folder: Folder, root: str, digits: int, kind: str) -> list[tuple[str, Unused]]:
    """What may be garbage by its age, with the name it goes under; none while a job runs."""
    if live(folder):
        return []
    before = time.time() - YOUNG
    return [
        (name, Unused(path, status.st_size, kind))
        for path, status in _files(root)
        if status.st_mtime < before and (name := _name(path, digits)) is not None
    ]


def _name(path: str, digits: int) -> str | None:
    """The name of a blob or an object, by its path; "" for an unfinished one, None for what is none of ours."""
    name = os.path.basename(path)
    if name.startswith(_TEMPORARY):
        return ""
    whole = os.path.basename(os.path.dirname(path)) + name
    if digits == _OBJECT and _UNFINISHED.fullmatch(whole):
        return ""
    return whole if len(whole) == digits and _DIGEST.fullmatch(whole.encode()) else None


def _named(folder: Folder, digests: set[str], digits: int) -> set[str]:
    """Those of the digests, of so many digits, that stand in a journal."""
    if not digests:
        return set()
    wanted = {digest.encode() for digest in digests}
    found: set[bytes] = set()
    for path, _ in _files(folder.journal):
        if path.endswith(".points"):
            continue
        try:
            with open(path, "rb") as file:
                for line in file:
                    for match in _DIGEST.findall(line):
                        found.update(match[at : at + digits] for at in range(len(match) - digits + 1))
        except OSError as error:
            raise StoreError(
                f"{path} can't be read ({error.strerror}), and what it names is not known: nothing was removed"
            ) from None
        found &= wanted
    return {digest.decode() for digest in found}


def remove(folder: Folder, unneeded: list[Unused]) -> list[Unused]:
    """Remove what is unused, until a job begins; returns those that are gone, the first of these.  Raises OSError."""
    gone = []
    for one in unneeded:
        if live(folder):
            break
        with contextlib.suppress(FileNotFoundError):  # somebody else removes them too
            os.unlink(one.path)
        gone.append(one)
        with contextlib.suppress(OSError):  # others are in it
            os.rmdir(os.path.dirname(one.path))
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
