"""Where the folders of a recorded program are in the fresh one, and what of them the program sees at its old place."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from autotrack.store.code import ELSEWHERE


@dataclass(frozen=True)
class Part:
    """A folder of the program: its old place, its fresh one, and whether that is seen at the old place."""

    old: str
    fresh: str
    bound: bool


class Places:
    """The root of the program's code, the folder that it was started in, and those that it has imported from.  `apart`:
    whether folders can be seen at other places than their own (`autotrack.reproduce.apart`)."""

    def __init__(self, about: dict[str, Any], cwd: str, place: str, *, apart: bool) -> None:
        self.place, self.apart, self._about = place, apart, about
        self._also_kept: list[str] = []
        root = about.get("root")
        folders = [(root, os.path.join(place, "code"))] if root else []
        if not root or not is_below(cwd, root):
            folders.append((cwd, os.path.join(place, "started")))
        self.parts = [Part(old, fresh, apart and _can_be_covered(old)) for old, fresh in folders]
        for part in about.get("also") or ():
            fresh = self.fresh(part["root"]) if self.bound(part["root"]) is not None else None
            self.parts.append(Part(part["root"], fresh or elsewhere(place, part["root"]), False))

    def fresh(self, path: str) -> str | None:
        """Where an absolute path of the program is laid out; None for one that lies elsewhere."""
        part = next((part for part in self.parts if is_below(path, part.old)), None)
        return os.path.normpath(os.path.join(part.fresh, os.path.relpath(path, part.old))) if part is not None else None

    def behind_links(self, path: str) -> str | None:
        """Where outside of its folders the program comes to by a path, through a link that is among its code."""
        part = next((part for part in self.parts if is_below(path, part.old)), None)
        if part is None:
            return None
        real = os.path.realpath(os.path.join(part.fresh, os.path.relpath(path, part.old)))
        if is_below(real, os.path.realpath(part.fresh)):
            return None
        if not is_below(real, self.place):
            return real
        return os.path.normpath(os.path.join(part.old, os.path.relpath(real, part.fresh))) if part.bound else None

    def seen(self, path: str) -> str:
        """By which path the program finds what was at an absolute path."""
        return path if self.bound(path) is not None else self.fresh(path) or path

    def bound(self, path: str) -> Part | None:
        """The folder around a path that is seen at its old place."""
        return next((part for part in self.parts if part.bound and is_below(path, part.old)), None)

    def within(self) -> Iterator[tuple[str, str]]:
        """Folders imported from that lie in one that is seen at its old place: where they are written, and where they
        are to be."""
        for part in self._about.get("also") or ():
            if self.bound(part["root"]) is not None:
                yield elsewhere(self.place, part["root"]), str(self.fresh(part["root"]))

    def path_of(self, fresh: str) -> str | None:
        """The old path of what is laid out in one of the folders."""
        part = next((part for part in self.parts if is_below(fresh, part.fresh)), None)
        if part is None:
            return None
        return os.path.normpath(os.path.join(part.old, os.path.relpath(fresh, part.fresh)))

    def keep(self, path: str) -> None:
        """Let a folder be seen as it is, though it lies in one that is not."""
        self._also_kept.append(path)

    def mounts(self) -> Iterator[tuple[str, str]]:
        """What is to be seen where, the outer folders first.  The folders on which it is mounted are made."""
        for old, fresh in self._kept():
            os.makedirs(fresh, exist_ok=True)
            yield old, fresh
        bound = sorted((part for part in self.parts if part.bound), key=lambda part: len(part.old))
        for part in bound:
            os.makedirs(part.fresh, exist_ok=True)
            for outer in bound:
                if outer is not part and is_below(part.old, outer.old):
                    os.makedirs(os.path.join(outer.fresh, os.path.relpath(part.old, outer.old)), exist_ok=True)
            yield part.fresh, part.old

    def _kept(self) -> Iterator[tuple[str, str]]:
        """What the interpreter needs of folders that are not seen any more."""
        import autotrack

        ours = [autotrack, *(module for name, module in sys.modules.items() if name.startswith("autotrack_"))]
        files = [os.path.abspath(str(module.__file__)) for module in ours if getattr(module, "__file__", None)]
        needed = [sys.prefix, sys.base_prefix, *map(os.path.dirname, files), self.place]
        for path in dict.fromkeys(map(os.path.abspath, (*needed, *self._also_kept))):
            part = self.bound(path)
            if part is not None and path != part.old:
                yield path, os.path.join(part.fresh, os.path.relpath(path, part.old))


def elsewhere(place: str, root: str) -> str:
    """Where the code is written that was imported from a folder outside of the program's."""
    return os.path.join(place, "code", ELSEWHERE, root.lstrip("/"))


def is_below(path: str, folder: str) -> bool:
    """Whether a path is that of a folder, or of something in it."""
    return path == folder or path.startswith(os.path.join(folder, ""))


def _can_be_covered(folder: str) -> bool:
    """Whether nothing else is hidden by what is seen in place of a folder."""
    others = [os.path.expanduser("~"), "/tmp", "/usr", "/etc", "/proc", "/dev"]
    return os.path.isdir(folder) and os.path.realpath(folder) == folder and not any(is_below(p, folder) for p in others)
