"""The code that a program ran: kept whole within the first second, and looked at once more when it ends.

The recorder does it step by step.  No git is started, and nothing of the user's repository is opened for writing: the
files are read from the work tree, as they are, past filters and hooks.  What was read before and has not changed since
is known by what the file system says of it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from autotrack import events, notebook
from autotrack.capture import codefiles, environment, lookout, secrets
from autotrack.capture.codefiles import Found, Omitted
from autotrack.capture.dependence import Dependence
from autotrack.handles import Reading
from autotrack.journal import objects
from autotrack.journal.folder import Folder
from autotrack.journal.objects import Objects
from autotrack.values import storable

if TYPE_CHECKING:
    from autotrack.capture.worktree import Tree
    from autotrack.job import Job
    from autotrack.recorder import Recorder

SLICE, PAUSE = 0.005, 0.01
"""Seconds that the recorder works at it at a time, and leaves it in between."""
AT_END = 1.0
"""Seconds that it may take once the program has ended."""
SETTLED = 50_000_000
"""Nanoseconds for which a file must be unchanged for its stat data to tell that it still is."""
SCANNED = 64 << 10
"""Bytes of a file that is neither source nor tracked, which is kept only where it holds no secret."""
NAMED = 100
"""Files that are named of each kind of what was left out."""
SETTINGS = (".yaml", ".yml", ".json", ".toml", ".ini", ".cfg", ".conf", ".txt", ".gin", ".properties", ".xml", ".md")
"""What the names of files end in that are kept with a program outside of git that has read them."""


class Kept(NamedTuple):
    """A file that is kept, and its stat data: size, times of change of content and of inode, inode."""

    mode: int
    name: str
    state: tuple[int, int, int, int]
    secret: bool
    cleared: bool = False
    """Whether nothing in it could be a secret."""


_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(dict[str, Kept]).decode


class Code:
    """The code of a job."""

    def __init__(self, job: Job, recorder: Recorder, tree: Tree | None, program: str | None) -> None:
        self._job, self._recorder, self._tree, self._program = job, recorder, tree, program
        folder = Folder(job.root)
        self._objects, self._outputs = Objects(folder.objects), folder.outputs
        self._root = tree.root if tree is not None else os.path.dirname(program) if program else job.cwd
        self._known: dict[str, Kept] = {}
        """What was read by earlier jobs."""
        self._files: dict[str, Kept] = {}
        self._elsewhere: dict[str, Kept] = {}
        """By their absolute paths, the imported files that lie outside of the root."""
        self._untracked: set[str] = set()
        self._omitted: list[Omitted] = []
        self._changed_before: dict[str, None] = {}
        """What was changed after the program had begun, and before it was kept."""
        self._until: float | None = None
        """By when it must be done, once the program has ended."""
        self._own: dict[str, tuple[int, str]] = {}
        """Of the files that were imported, mode and name."""
        self._depends = Dependence()
        """What they depend on."""
        self._told = 0
        self._whole = self._named = self._refused = False
        self._bytes = 0
        self._fact: dict[str, Any] = {
            "root": storable(self._root),
            "kind": "git" if tree is not None else "folder",
            "program": self._relative(program) if program else None,
        }
        self._steps = self._take()

    def begin(self) -> None:
        self._recorder.later("code", self._work)
        self._job.at_end.append(self.end)
        if notebook.cells() is not None:
            self._recorder.each_period(self._follow_cells)

    def _work(self) -> None:
        """Go on for a while; once the program has ended, as long as there is time.  A recorder's task."""
        if self._job.ended and self._until is None:
            self._until = time.monotonic() + AT_END
        until = self._until if self._until is not None else time.monotonic() + SLICE
        if self._until is not None and time.monotonic() > until:
            return
        for _ in self._steps:
            if time.monotonic() > until:
                if self._until is not None:
                    self._remember()
                    self._tell("it was not finished in time: what was read is known to the next one")
                else:
                    self._recorder.soon("code", self._work, PAUSE)
                return

    def _take(self) -> Iterator[None]:
        begun = time.monotonic()
        cache = self._cache()
        with contextlib.suppress(OSError, msgspec.DecodeError), open(cache, "rb") as file:
            self._known = _decode(file.read())
        yield from self._imported()
        own = dict(self._own)
        self._know_variables()
        if self._tree is not None:
            for found in codefiles.of_tree(self._tree, self._written(), self._job.root):
                if isinstance(found, Found):
                    if found.path in self._files:
                        continue
                    self._keep(found.path, found.place, found.status, tracked=found.tracked)
                elif found is not None:
                    self._omitted.append(found)
                yield
        self._fact["own"] = self._kept_tree(own) if own else None
        self._whole = True
        self._remember()
        self._fact["seconds"] = time.monotonic() - begun
        self._tell()

    def _imported(self) -> Iterator[None]:
        """Keep what was imported."""
        for place in [self._program, *codefiles.imported()] if self._program else codefiles.imported():
            path = self._relative(place)
            real, root = os.path.realpath(place), os.path.realpath(self._root)
            if path is not None and self._tree is not None and real != os.path.join(root, path):  # through a link
                inside = real.startswith(os.path.join(root, ""))
                place = os.path.join(self._root, os.path.relpath(real, root)) if inside else real
                path = self._relative(place)
            files = self._files if path is not None else self._elsewhere
            key = path if path is not None else place
            if key not in files:
                with contextlib.suppress(OSError):
                    self._keep(key, place, os.stat(place), tracked=True, elsewhere=path is None)
                yield
            if key in files:
                edited = codefiles.changed_ns(files[key].state[1], files[key].state[2]) > self._job.started * 1e9
                if edited and (place == self._program or self._tree is not None):
                    self._changed_before[key] = None
                if key.lstrip("/") not in self._own:
                    with contextlib.suppress(OSError, objects.Damaged):
                        self._depends = self._depends.and_of(self._objects.blob(files[key].name))
                    yield
                self._own[key.lstrip("/")] = files[key][:2]

    def _know_variables(self) -> None:
        """Let the job know of the variables of the environment that the code reads."""
        about, named = self._job.fact("environment"), self._depends.named
        if isinstance(about, dict):
            read = {name: value for name, value in environment.started_with().items() if name in named}
            variables = environment.variables(read, also=read) | about["variables"]
            if variables != about["variables"]:
                self._job.know("environment", {**about, "variables": variables})

    def _keep(self, path: str, place: str, status: os.stat_result, *, tracked: bool, elsewhere: bool = False) -> None:
        files = self._elsewhere if elsewhere else self._files
        if secrets.redact(path) != path:
            self._omitted.append(Omitted(secrets.redact(path), "its name holds a secret"))
        elif len(self._files) + len(self._elsewhere) >= codefiles.FILES:
            self._omitted.append(Omitted(path, f"there are more than {codefiles.FILES:,} files"))
        elif self._bytes + status.st_size > codefiles.BYTES:
            self._omitted.append(Omitted(path, f"all are more than {codefiles.BYTES:,} bytes"))
        else:
            kept = self._read(place, status, tracked=tracked)
            if isinstance(kept, str):
                self._omitted.append(Omitted(path, kept))
            elif kept is not None:
                files[path] = kept
                if not tracked:
                    self._untracked.add(path)
                self._bytes += status.st_size

    def _read(self, place: str, status: os.stat_result, *, tracked: bool) -> Kept | str | None:
        """A file with its content kept; why it is left out; None where it is no text and nobody tracks it."""
        known, state = self._known.get(place), _state(status)
        source = tracked or place.endswith(_SOURCES)
        settled = known is not None and known.state == state and (source or known.cleared)
        if known is not None and settled and self._objects.has(known.name):
            return known
        if not source and stat.S_ISREG(status.st_mode) and status.st_size > SCANNED:
            return _LONG
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
            return None
        try:
            if stat.S_ISLNK(status.st_mode):
                return Kept(
                    objects.LINK, self._objects.put("blob", os.fsencode(os.readlink(place))), state, False, True
                )
            with Reading(place) as file:
                content = file.read(codefiles.TRACKED + 1)
                state = _state(file.status())
        except FileNotFoundError:
            return None
        except OSError as error:
            return f"it can't be read: {error.strerror}"
        if len(content) > codefiles.TRACKED:
            return f"more than {codefiles.TRACKED:,} bytes"
        binary = b"\0" in content[:8192]
        if binary and not tracked:
            return None
        if not source and (len(content) > SCANNED or lookout.is_suspicious(content, place)):
            return _LONG if len(content) > SCANNED else _SUSPICIOUS
        secret = source and not binary and lookout.holds_secret(content)
        mode = objects.EXECUTABLE if status.st_mode & 0o100 else objects.FILE
        try:
            return Kept(mode, self._objects.put("blob", content), state, secret, cleared=not source)
        except OSError as error:
            self._job.failed(error)
            return f"it can't be kept: {error.strerror}"

    def _kept_tree(self, files: dict[str, tuple[int, str]]) -> str | None:
        """The name of a tree of these files; None where it can't be kept."""
        try:
            return self._objects.put_tree(files)
        except OSError as error:
            self._refuse(error)
            return None

    def _refuse(self, error: OSError) -> None:
        self._job.failed(error)
        if not self._refused:
            self._refused = True
            self._gap("code", f"it can't be kept: {error.strerror}")

    def _relative(self, place: str) -> str | None:
        """The path below the root, with slashes; None outside of it."""
        root = os.path.join(self._root, "")
        return place[len(root) :].replace(os.sep, "/") if place.startswith(root) else None

    def _written(self) -> frozenset[str]:
        try:
            with open(self._outputs, encoding="utf-8", errors="surrogateescape") as file:
                return frozenset(file.read().split("\n"))
        except OSError:
            return frozenset()

    def _cache(self) -> str:
        return os.path.join(self._objects.root, f"known-{objects.name_of('path', os.fsencode(self._root))[:16]}")

    def _remember(self) -> None:
        """Let later jobs know of what was read, as far as its stat data tells whether it is still the same."""
        path, before = self._cache(), time.time_ns() - SETTLED
        found = {os.path.join(self._root, name): kept for name, kept in self._files.items()} | self._elsewhere
        settled = {place: kept for place, kept in found.items() if max(kept.state[1:3]) < before}
        if not self._whole:
            settled = self._known | settled
        if settled == self._known:
            return
        beside = f"{path}.{os.getpid()}"
        with contextlib.suppress(OSError):
            os.makedirs(self._objects.root, exist_ok=True)
            with open(beside, "wb") as file:
                file.write(_encode({storable(place): kept for place, kept in settled.items()}))
            os.replace(beside, path)

    # The end

    def end(self) -> None:
        """Look whether what was kept is still there as it was, and keep what came later: late imports, the cells of a
        notebook, and the settings that a program outside of git has read."""
        self._recorder.later("code at the end", self._look_again)

    def _look_again(self) -> None:
        self._work()
        if not self._whole:
            return
        for path in self._untracked:  # this very job has written it before
            if (os.path.join(self._root, path), True) in self._job.artifacts:
                del self._files[path]
        edited: dict[str, tuple[int, str]] = {}
        gone = []
        for path, kept in list(self._files.items()):
            place = os.path.join(self._root, path)
            try:
                status = os.lstat(place)
            except OSError:
                gone.append(path)
                continue
            tracked = path not in self._untracked
            now = self._read(place, status, tracked=tracked) if _state(status) != kept.state else kept
            if isinstance(now, str):
                self._omitted.append(Omitted(path, f"{now}: as it was at the end"))
            if isinstance(now, Kept) and now.name != kept.name:
                edited[path] = now[:2]
        for _ in self._imported():
            pass
        self._know_variables()
        if self._tree is None:
            self._keep_settings()
        changed = [*self._changed_before, *(path for path in (*edited, *gone) if path not in self._changed_before)]
        self._fact["edited"] = [storable(path) for path in changed[:NAMED]]
        self._fact["after"] = self._kept_tree(edited) if edited else None
        self._tell()
        if changed:
            why = "they were changed while the program ran; what they held when it began to record is kept"
            self._gap(f"code: {_some(changed)}", why)

    def _keep_settings(self) -> None:
        for path, written in list(self._job.artifacts):
            relative = self._relative(path)
            own = written or (path, True) in self._job.artifacts
            if not own and relative is not None and path.endswith(SETTINGS) and relative not in self._files:
                with contextlib.suppress(OSError):
                    status = os.stat(path)
                    if status.st_size <= codefiles.UNTRACKED and not codefiles.made_for_secrets(relative):
                        self._keep(relative, path, status, tracked=False)

    # What is said of it

    def _tell(self, missing: str = "") -> None:
        elsewhere: dict[str, dict[str, tuple[int, str]]] = {}
        for place, kept in self._elsewhere.items():
            folder, _, name = place.rpartition("/")
            elsewhere.setdefault(folder or "/", {})[name] = kept[:2]
        tree = self._kept_tree({path: kept[:2] for path, kept in self._files.items()})
        also = [
            {"root": storable(folder), "tree": self._kept_tree(files), "files": len(files)}
            for folder, files in sorted(elsewhere.items())
        ]
        if tree is None or any(part["tree"] is None for part in also):
            return
        named = [path for path, kept in (*self._files.items(), *self._elsewhere.items()) if kept.secret]
        self._fact |= {
            "tree": tree,
            "whole": self._whole,
            "files": len(self._files),
            "bytes": self._bytes,
            "also": also,
            "left_out": [[storable(one.path), one.why] for one in self._omitted[:NAMED]],
            "secrets": [storable(path) for path in named[:NAMED]],
            "cells": self._cells(),
        }
        self._job.know("code", self._fact)
        if missing:
            self._gap("code", missing)
        if self._whole and named and not self._named:
            self._named = True
            self._gap(f"code: {_some(named)}", "it holds what looks like a secret; as part of the code it is kept")
        new, self._told = self._omitted[self._told :], len(self._omitted)
        whys: dict[str, list[str]] = {}
        for one in new:
            whys.setdefault(one.why, []).append(one.path)
        for why, paths in whys.items():
            self._gap(f"code: {_some(paths)}", why)

    def _cells(self) -> str | None:
        """The name of what holds the cells of a notebook in the order in which they were executed."""
        cells = notebook.cells()
        if cells is None:
            return None
        texts = [secrets.redact(cell) for cell in cells]
        try:
            return self._objects.put("blob", msgspec.json.encode([storable(text) for text in texts]))
        except OSError as error:
            self._refuse(error)
            return None

    def _follow_cells(self) -> None:
        """Tell of the cells that came since: a kernel may be killed."""
        if self._whole and self._cells() != self._fact.get("cells"):
            self._tell()

    def _gap(self, what: str, why: str) -> None:
        self._job.report(events.GapFound(time=time.time(), strand=None, what=storable(what), why=storable(why)))


_LONG = f"more than {SCANNED:,} bytes: it is no source, and git does not track it"
_SUSPICIOUS = "it holds what looks like a secret, and git does not track it"
_SOURCES = (".py", ".ipynb", ".pyx", ".pxd", ".sh", ".r", ".R", ".jl", ".c", ".cc", ".cpp", ".h", ".cu", ".cuh", ".rs")


def _state(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _some(paths: list[str]) -> str:
    shown = ", ".join(paths[:3])
    return shown if len(paths) <= 3 else f"{shown} and {len(paths) - 3} more"
