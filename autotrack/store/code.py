"""The code of runs, read back from its snapshots."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from autotrack.journal import objects
from autotrack.journal.objects import Damaged, Entry, Objects
from autotrack.store.database import NotFound, StoreError
from autotrack.values import original

if TYPE_CHECKING:
    from autotrack.store.query import Store

ELSEWHERE = "@"
"""The folder under which imported files from outside of the root stand, by their absolute paths."""


class Snapshot:
    """The code of a job.  `about` is what the job says of it, `tree` the name of its tree."""

    def __init__(self, folder: Objects, about: dict[str, Any], reference: str) -> None:
        self.about, self.reference, self.tree = about, reference, str(about["tree"])
        self._objects = folder

    def files(self) -> Iterator[Entry]:
        """Path, mode and name of each file; those from outside of the root have paths `@/home/...`.  Raises
        StoreError."""
        try:
            yield from self._objects.walk(self.tree)
            for part in self.about.get("also") or ():
                yield from self._objects.walk(part["tree"], ELSEWHERE + original(part["root"]).rstrip("/") + "/")
        except Damaged as damage:
            raise StoreError(str(damage)) from None

    def imported(self) -> Iterator[bytes]:
        """What the program and the modules hold that it imported from outside of libraries.  Raises StoreError."""
        own = self.about.get("own")
        try:
            yield from (self.content(entry.name) for entry in (self._objects.walk(own) if own else ()))
        except Damaged as damage:
            raise StoreError(str(damage)) from None

    def read(self, path: str) -> bytes:
        """What a file held.  Raises NotFound, StoreError."""
        if path == "cells" and self.about.get("cells"):
            return self._cells()
        wanted = path.removeprefix("./")
        for entry in self.files():
            if entry.path == wanted:
                return self.content(entry.name)
        raise NotFound(f"the code of {self.reference} has no {path}; see the files: autotrack code {self.reference}")

    def content(self, name: str) -> bytes:
        """Raises StoreError."""
        try:
            return self._objects.blob(name)
        except Damaged as damage:
            raise StoreError(str(damage)) from None

    def cells(self) -> list[str]:
        """The cells of a notebook as they were executed, by their numbers: the first is empty.  Raises StoreError."""
        name = self.about.get("cells")
        return [original(cell) for cell in json.loads(self.content(name))] if name else []

    def _cells(self) -> bytes:
        told = "".join(f"# In [{number}]\n{cell}\n\n" for number, cell in enumerate(self.cells()) if cell)
        return told.encode("utf-8", "backslashreplace")

    def write(self, place: str, *, beside: bool = False) -> int:
        """Write all files into a folder that is new or empty, or, `beside` what is there, those that are not; returns
        their number.  Raises StoreError, OSError."""
        if not beside and os.path.isdir(place) and os.listdir(place):
            raise StoreError(f"{place} is not empty; name a folder that is not there yet")
        count = 0
        for entry in self.files():
            parts = entry.path.split("/")
            if ".." in parts or ".git" in parts:
                raise StoreError(
                    f"the tree {self.tree} holds the path {entry.path!r}, which no program of ours has written"
                )
            target = os.path.join(place, *parts)
            if beside and os.path.lexists(target):
                continue
            os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
            content = self.content(entry.name)
            if entry.mode == objects.LINK:
                os.symlink(os.fsdecode(content), target)
            else:
                with open(target, "wb") as file:
                    file.write(content)
                if entry.mode == objects.EXECUTABLE:
                    os.chmod(target, 0o777 & ~_umask())
            count += 1
        return count


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def snapshot(store: Store, reference: str) -> Snapshot:
    """The code of a run or a job.  Raises NotFound, Ambiguous, StoreError."""
    kind, id = store.resolve(reference)
    job = store.run(id)["job"] if kind == "run" else store.job(id)["job"]
    found = of_job(store, job, reference)
    if found is None:
        elsewhere = (job.get("code") or {}).get("tree")
        why = f"lies in another folder than {store.folder.root}" if elsewhere else "was not kept"
        raise NotFound(f"the code of {reference} {why}; see also its gaps: autotrack show {job['id']}")
    return found


def of_job(store: Store, job: dict[str, Any], reference: str = "") -> Snapshot | None:
    """The code of a job; None where it was not kept, or in another folder that feeds the same store."""
    about, objects_ = job.get("code"), Objects(store.folder.objects)
    if not about or not about.get("tree") or not objects_.has(about["tree"]):
        return None
    return Snapshot(objects_, about, reference or job["id"])


def difference(first: Snapshot, second: Snapshot) -> Iterator[str]:
    """The lines of a unified diff from the one to the other, as git has it; bytes that are no UTF-8 stand as
    surrogates.  Raises StoreError."""
    for path, one, other in changed(first, second):
        yield from _of_file(path, one, other, first, second)


def changed(first: Snapshot, second: Snapshot) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """Path of each file that is not the same in both, and what it is in either.  Raises StoreError."""
    before = {entry.path: entry for entry in first.files()}
    after = {entry.path: entry for entry in second.files()}
    for path in sorted(before.keys() | after.keys()):
        one, other = before.get(path), after.get(path)
        if one is None or other is None or one[1:] != other[1:]:
            yield path, one, other


def is_binary(content: bytes) -> bool:
    """As git has it."""
    return b"\0" in content[:8192]


def _of_file(path: str, one: Entry | None, other: Entry | None, first: Snapshot, second: Snapshot) -> Iterator[str]:
    left, right = _quoted(f"a/{path}"), _quoted(f"b/{path}")
    names = left if one is not None else "/dev/null", right if other is not None else "/dev/null"
    yield f"diff --git {left} {right}"
    if one is None and other is not None:
        yield f"new file mode {other.mode:o}"
    elif one is not None and other is None:
        yield f"deleted file mode {one.mode:o}"
    elif one is not None and other is not None and one.mode != other.mode:
        yield f"old mode {one.mode:o}"
        yield f"new mode {other.mode:o}"
    contents = first.content(one.name) if one else b"", second.content(other.name) if other else b""
    if any(map(is_binary, contents)):
        yield f"Binary files {names[0]} and {names[1]} differ"
        return
    before, after = (_lines(content) for content in contents)
    yield from difflib.unified_diff(before, after, *names, lineterm="")


def _quoted(path: str) -> str:
    """A path as git writes it, in quotes where it must be."""
    if not any(sign in '"\\' or sign < " " or sign >= "\x7f" for sign in path):
        return path
    special = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    signs = (special.get(sign) or (sign if " " <= sign < "\x7f" else _octal(sign)) for sign in path)
    return f'"{"".join(signs)}"'


def _octal(sign: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(sign))


def _lines(content: bytes) -> list[str]:
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    if lines[-1]:
        lines[-1] += "\n\\ No newline at end of file"
    else:
        lines.pop()
    return lines
