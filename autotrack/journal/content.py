"""Checking what journals name by its content: kept models in `blobs/`, and code in `objects/`.

Each is looked at once, however many jobs name it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from autotrack import events
from autotrack.journal import objects
from autotrack.journal.folder import Folder
from autotrack.journal.objects import Damaged, Objects

_DIGEST = re.compile("[0-9a-f]{64}")
_NAME = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was written: where, and what."""

    path: str
    position: int | None
    problem: str


class Content:
    """What is named, as far as it was checked, and what was found to be amiss."""

    def __init__(self, folder: Folder) -> None:
        self._folder, self._objects = folder, Objects(folder.objects)
        self._blobs: set[str] = set()
        self._seen: set[str] = set()
        """Objects that were checked."""
        self.findings: list[Finding] = []

    def named_by(self, event: events.AnyEvent, path: str) -> None:
        """Check what an event of the journal at `path` names."""
        if isinstance(event, events.StrandModel) and event.kept is not None:
            self._blob(event.kept, f"the model that {path} says was kept")
        elif isinstance(event, events.JobFacts) and event.section == "code":
            for name in code_objects(event.value):
                self._object(name, f"the code that {path} says was kept")

    def everything(self) -> None:
        """Check what no journal names, too: the next job that has the same takes it as it is."""
        for parent, folders, names in os.walk(self._folder.blobs):
            folders.sort()
            for name in sorted(names):
                digest = os.path.basename(parent) + name
                if _DIGEST.fullmatch(digest):
                    self._blob(digest, "a kept model")
                elif not name.startswith("tmp-"):
                    self.findings.append(
                        Finding(os.path.join(parent, name), None, "does not have the content that its name says")
                    )
        for name in self._objects.names():
            self._object(name, "a part of code")

    def _blob(self, digest: str, what: str) -> None:
        if digest in self._blobs:
            return
        self._blobs.add(digest)
        path = self._folder.blob(digest)
        try:
            same = _file_digest(path) == digest
        except FileNotFoundError:
            self.findings.append(Finding(path, None, f"is gone: {what}"))
        except OSError as error:
            self.findings.append(Finding(path, None, f"can't be read ({error.strerror}): {what}"))
        else:
            if not same:
                self.findings.append(Finding(path, None, f"does not have the content that its name says: {what}"))

    def _object(self, name: str, what: str) -> None:
        """Check an object, and of a tree all that it reaches."""
        waiting = [name]
        while waiting:
            name = waiting.pop()
            if name in self._seen:
                continue
            self._seen.add(name)
            try:
                kind, content = self._objects.get(name)
            except Damaged:
                path = self._objects.path(name)
                problem = "does not have the content that its name says" if os.path.lexists(path) else "is gone"
                self.findings.append(Finding(path, None, f"{problem}: {what}"))
                continue
            if kind == "tree":
                waiting += reversed([entry.name for entry in objects.entries(content)])


def code_objects(fact: Any) -> Iterator[str]:
    """The objects that a job names as its code, by what it says of it."""
    if not isinstance(fact, dict):
        return
    also = fact.get("also")
    parts = [part.get("tree") for part in also if isinstance(part, dict)] if isinstance(also, list) else []
    for name in (*(fact.get(key) for key in ("tree", "own", "after", "cells")), *parts):
        if isinstance(name, str) and _NAME.fullmatch(name):
            yield name


def _file_digest(path: str) -> str:
    state = blake3()
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            state.update(data)
    return state.hexdigest()
