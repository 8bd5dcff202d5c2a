"""The files that a program reads and writes, seen by `open`, `os.rename` and `os.replace`, and by the readers that go
past them (see `readers`).

What is opened is only remembered.  The recorder does the rest, or the end of the program where there was nothing else
to record: what is read is digested soon, what is written once it was left alone for a while, or at the end.  Files of
libraries, caches, hidden folders and the system are left out; of folders from which many files are read, a manifest is
kept.

An audit hook would see the same and more, but the interpreter calls it for every `id()` and `sys._getframe()` as well:
240 ns each, which doubles the time of `copy.deepcopy` (CPython 3.11).

Not seen: files that native code opens, that are opened by `os.open`, and those of child processes that are no Python
programs.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import itertools
import os
import sys
import time
from collections import deque

from autotrack import context, shield
from autotrack.capture import owned
from autotrack.capture.handed import Handed, Handing
from autotrack.capture.openings import SLACK, OpenedFile, Opening, Writer, state_of
from autotrack.entries import Entry, StandIn
from autotrack.extension import Switch
from autotrack.frames import transparent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from autotrack.job import Job

PERIOD = 1.0
"""Seconds between looks at what was opened."""
CALM = 2.0
"""Seconds for which a file that was written must be left alone before it is digested."""
MANY = 50
"""Files of one folder that stand for themselves; more make a manifest."""
WRITERS = 32
"""Files open for writing of which it is watched when they are closed."""
KEPT = 100_000
"""Openings that wait at most, and files that are known at most."""

_SETTINGS = (".toml", ".cfg", ".ini", ".yaml", ".yml", ".md", ".rst")
"""Files that every tool reads: no reason to record a program that does nothing else."""


class Following(StandIn):
    """Of a function that opens or moves files: what it is called with is told afterwards."""

    def __init__(self, original: Any, told: Callable[..., None]) -> None:
        super().__init__(original)
        self._told = told

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        result = self.__wrapped__(*args, **kwargs)
        shield.contain("files", self._told, result, args, kwargs)
        return result


transparent(Following.__call__)
_FILES = (io.TextIOWrapper, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.FileIO)


class Files:
    """The files of this process."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._opened: deque[Opening] = deque(maxlen=KEPT)
        self._writers: list[Writer] = []
        """The file objects for writing that were not closed when one was opened last."""
        self._known: dict[tuple[str, bool], OpenedFile] = {}
        self._before: list[OpenedFile] = []
        """Those that were opened again when they had changed."""
        self._counts: dict[tuple[str, bool], int] = {}
        """How many files of a folder are known one by one."""
        self._folders: dict[tuple[str, bool], set[str]] = {}
        """The names of the files in folders of many."""
        self._since: dict[tuple[str, bool], float] = {}
        """When the first file of a folder was opened, or one elsewhere."""
        self._entries: list[Entry] = []
        self._openers: dict[str | None, Any] = {}
        """Numpy's functions that open files, where ours is among them."""
        self.switch = Switch()
        self.switch.on = False
        self._moved: dict[str, str] = {}
        """Where files were moved to from where."""
        self._due = False
        self.begun = time.time()
        self._elsewhere: dict[tuple[str, bool], dict[tuple[str, str] | None, bool]] = {}
        """Files elsewhere, by URL and whether they were written: versions, and whether each was reported."""
        self._handing: Handing | None = None
        self._handed: Handed | None = None
        self._was_there = os.path.isdir(job.root)
        self.said: dict[str, Mapping[str, Any]] = {}
        """By URL, what a server has said of a file."""

    def follow(self) -> None:
        """See what is opened from here on."""
        self.switch.on = True
        original = builtins.open
        ours = Following(original, self._opened_file)
        self._entries += [Entry(builtins, "open", ours)]
        if io.open is original:
            self._entries.append(Entry(io, "open", ours))
        shell = sys.modules.get("IPython.core.interactiveshell")  # whose `open` for cells has kept this one
        if shell is not None and vars(shell).get("io_open") is original:
            self._entries.append(Entry(shell, "io_open", ours))
        source = sys.modules.get("numpy.lib._datasource")  # `numpy.loadtxt` and its like have kept it, too
        openers = getattr(getattr(source, "_file_openers", None), "_file_openers", None)
        if type(openers) is dict and openers.get(None) is original:
            openers[None] = ours
            self._openers = openers
        for name in ("rename", "replace"):
            renaming = getattr(os, name)
            following = Following(renaming, self._renamed)
            homes = {os, sys.modules.get(renaming.__module__, os)}  # `posix`, by which they are pickled
            self._entries += [Entry(home, name, following) for home in homes if vars(home).get(name) is renaming]

    def leave(self) -> None:
        self.switch.on = False
        for entry in reversed(self._entries):
            entry.undo()
        self._entries.clear()
        if isinstance(self._openers.get(None), Following):
            self._openers[None] = self._openers[None].__wrapped__

    def after_fork(self) -> None:
        self._opened.clear()
        self._writers.clear()
        self._known.clear()
        self._before.clear()
        self._folders.clear()
        self._counts.clear()
        self._due = False
        self._elsewhere.clear()
        self._since.clear()
        self._handing = self._handed = None

    def follow_readers(self, when: Callable[[str, Callable[[], None]], None]) -> None:
        """See what is opened past the audit hook; `when` says when a module has been imported."""
        from autotrack.capture import readers

        for module in readers.FUNCTIONS:
            when(module, lambda module=module: self._follow_reader(module))  # type: ignore[misc]

    def _follow_reader(self, module: str) -> None:
        from autotrack.capture import readers

        shield.contain(module, lambda: self._entries.extend(readers.follow(module, self)))

    def touched(
        self,
        path: str,
        writing: bool,
        state: tuple[int, ...] | None = None,
        *,
        writer: Writer | None = None,
        moved: bool = False,
        when: float | None = None,
    ) -> None:
        """A file that was read or written; `state`: what it was as it was opened, where that is known.  One for writing
        counts as written only if it changes from there; () stands for one, or a folder, that certainly was.  `writer`:
        by which object it is written; `moved`: that it was not read, but moved; `when`: where that was not now."""
        self.settle()
        if not self.outside() or "://" in path or "\0" in path or owned.is_foreign(path):
            return
        try:
            folder = "" if path[:1] == "/" else os.getcwd()
        except OSError:  # it is gone
            return
        if writing and self._job.checkpoints:  # what it held, it holds no more
            self._job.checkpoints.pop(os.path.normpath(os.path.join(folder, path)), None)
        if self._job.role in ("fork", "spawn") and (writing or self._job.segment is None):  # which may be killed
            self._hand(os.path.normpath(os.path.join(folder, path)), writing, state)
        if writer is not None and writer.closed is None:
            self._writers.append(writer)
        self._opened.append(Opening(path, folder, writing, state, writer, moved, when))
        self._schedule()

    def settle(self) -> None:
        """Something is opened: what was closed before that is closed by now."""
        if self._writers:
            now = time.time()
            self._writers = [known for known in self._writers[-WRITERS:] if known.is_open(now)]

    def _hand(self, path: str, writing: bool, state: tuple[int, ...] | None) -> None:
        """Tell the process that started this one: there may be nothing else to record here."""
        if self._handing is None:
            self._handing = Handing(self._job)
        with contextlib.suppress(OSError):
            if self._handing.is_new(path, writing) and self._is_the_programs(path):
                self._handing.hand(path, writing, state)

    def outside(self) -> bool:
        """Whether what is opened here is the program's: it is recorded, and no part of a call that is observed."""
        return self.switch.on and context.here.inside not in (context.OURS, context.CALLED)

    def _opened_file(self, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """By the name that the file has itself: asking a path of the program's own once more could do anything."""
        kind = type(result)
        path = result.name if kind in _FILES else None
        if type(path) is bytes:
            path = os.fsdecode(path)
        if type(path) is not str or (kwargs.get("opener") is not None and not os.path.isabs(path)):
            return
        mode = args[1] if len(args) > 1 else kwargs.get("mode", "r")
        status = os.fstat(result.fileno())
        state = state_of(status)
        if "w" in mode or "x" in mode:
            self.touched(path, True, writer=Writer(result))
            return
        goes_on = "a" in mode and status.st_size > 0
        if "a" not in mode or ("+" in mode and goes_on):
            self.touched(path, False, state)
        if "a" in mode or "+" in mode:  # what is written within a tick of the clock need not show
            settled = status.st_size > 0 and time.time() - status.st_mtime > SLACK
            self.touched(path, True, state if settled else None, writer=Writer(result, goes_on=goes_on))

    def _renamed(self, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        paths = [*args[:2], *(kwargs[name] for name in ("src", "dst") if name in kwargs)]
        if len(paths) != 2 or any(kwargs.get(name) is not None for name in ("src_dir_fd", "dst_dir_fd")):
            return
        kinds = (str, bytes, *(getattr(sys.modules.get("pathlib"), n, str) for n in ("PosixPath", "WindowsPath")))
        if type(paths[0]) in kinds and type(paths[1]) in kinds:
            source, target = (os.fsdecode(path) for path in paths)
            source, target = self._absolute(source), self._absolute(target)
            self._moved[source] = target
            known = self._job.checkpoints
            found = [path for path in list(known) if path == source or path.startswith(os.path.join(source, ""))]
            if source not in found:
                with contextlib.suppress(OSError):  # it is gone again
                    status = os.stat(target)
                    if status.st_mtime < self.begun - SLACK:  # else it is of the program itself, as far as is known
                        self.touched(source, False, state_of(status), moved=True)
                self._come(target)
                for path in self._written_below(source) if os.path.isdir(target) else ():
                    self._come(target + path[len(source) :])
            if found:
                from autotrack.artifacts import moved  # which is imported by then: an import may be what moves a file

                for path in found:
                    moved(self._job, path, target + path[len(source) :])

    def _come(self, path: str) -> None:
        """A file has come to this place: what the program has written itself is as old as its content."""
        try:
            changed = os.stat(path).st_mtime
        except OSError:
            changed = 0.0
        own = changed >= self.begun - SLACK
        self.touched(path, True, writer=Writer.done(), when=changed if own else None)

    def _written_below(self, folder: str) -> list[str]:
        """The files that were written in a folder, which is moved."""
        begin = os.path.join(folder, "")
        known = [path for path, writing in list(self._known) if writing]
        waiting = [self._absolute(os.path.join(o.folder, o.path)) for o in list(self._opened) if o.writing]
        many = list(self._folders.items())
        of_many = [os.path.join(at, name) for (at, writing), names in many if writing for name in list(names)]
        return [path for path in dict.fromkeys((*known, *waiting, *of_many)) if path.startswith(begin)]

    def _absolute(self, path: str) -> str:
        try:
            return os.path.normpath(os.path.join(os.getcwd(), path))
        except OSError:  # the current folder is gone
            return path

    def elsewhere(self, url: str, writing: bool, version: tuple[str, str] | None = None) -> None:
        """A file on another machine that was read or written, and its version, where that is known: under which name
        its server told it, and what."""
        if self.outside() and len(self._elsewhere) < KEPT:
            self._elsewhere.setdefault((url, writing), {}).setdefault(version, False)
            self._since.setdefault((url, writing), time.time())
            self._schedule()

    def _schedule(self) -> None:
        if not self._due:
            recorder = self._job.recorder
            if recorder is not None:
                self._due = True
                recorder.soon("files", self._take, PERIOD)

    def begin(self) -> None:
        """There is something to record."""
        recorder = self._job.recorder
        if recorder is not None:
            self._due = True
            recorder.soon("files", self._take, PERIOD)

    def anything(self) -> bool:
        """Whether the program has opened a file that is worth a record by itself."""
        self._sort()
        return (
            bool(self._folders)
            or bool(self._elsewhere)
            or any(
                os.path.exists(file.path)
                for file in self._known.values()
                if file.writing or not file.path.lower().endswith(_SETTINGS)
            )
        )

    def _sort(self) -> None:
        """Tell the program's own files from others."""
        if self._job.role == "main":
            if self._handed is None:
                self._handed = Handed(self._job, self._was_there)
            for path, writing, when, state in self._handed.news():
                self._opened.append(Opening(path, "", writing, state, None, False, when))
        while self._opened:
            opening = self._opened.popleft()
            writing, state = opening.writing, opening.state
            path = os.path.normpath(os.path.join(opening.folder, opening.path))
            key = path, writing
            known = self._known.get(key)
            later = known is not None and known.is_of_before(opening)
            if known is not None and later:
                self._before.append(known)
                self._known[key] = OpenedFile(path, opening, known.versions + 1)
            elif known is not None:
                known.again(opening)
            if known is not None or len(self._known) >= KEPT or not self._is_the_programs(path):
                continue
            if opening.moved and (path, True) in self._known:
                continue
            parent = os.path.dirname(path)
            if os.path.isdir(path):
                if writing and state is not None:  # `tempfile` opens its folder for writing, and writes nothing
                    self._folders[key] = _names(path, self.begun - SLACK)
                    self._since[key] = opening.when
                elif not writing and key not in self._folders:  # tables in parts
                    self._folders[key] = _names(path)
                    self._since[key] = opening.when
                continue
            names = self._folders.get((parent, writing))
            if names is not None:
                names.add(os.path.basename(path))
                continue
            self._known[key] = OpenedFile(path, opening)
            count = self._counts[parent, writing] = self._counts.get((parent, writing), 0) + 1
            if count > MANY:
                same = [known for known in self._known.values() if known.writing == writing and known.folder == parent]
                self._folders[parent, writing] = {os.path.basename(file.path) for file in same}
                self._since[parent, writing] = min(file.when for file in same)
                for file in same:
                    del self._known[file.path, writing]

    def _is_the_programs(self, path: str) -> bool:
        return owned.is_owned(path, self._job.root, self._job.cwd)

    def _take(self) -> bool | None:
        """Record what is new, and digest what is ready."""
        self._due = False
        self._sort()
        self._report_elsewhere()
        waits = False
        for file in [*self._before, *self._known.values()]:
            if not file.done and not owned.is_temporary(file.path):
                file.look(self._job, CALM, self._moved, self._known)
                waits = waits or not file.done
        if waits and self._job.recorder is not None and not self._due:
            self._due = True
            self._job.recorder.soon("files", self._take, CALM)
        return None

    def finish(self, ends: bool = True) -> None:
        """The program `ends`, or goes on without record: what was written is whole now.  Opens the journal where files
        are all there is."""
        job = self._job
        self.leave()
        threading = sys.modules.get("threading")  # a thread that goes on keeps alive what the program's variables hold
        go_on = threading is not None and any(thread.daemon for thread in threading.enumerate())
        for writer in self._writers if ends and job.role == "main" and not go_on else ():
            shield.contain("files", writer.flush, vars(sys.modules["__main__"]))
        if job.segment is None:
            if job.role != "main" or not self.anything():
                return
            job.prepare()
            job.opened()
        if job.recorder is not None:
            job.recorder.later("files", self._finish)

    def _report_elsewhere(self) -> None:
        for (url, writing), versions in list(self._elsewhere.items()):
            for version, done in list(versions.items()):
                if not done and (version is not None or len(versions) == 1):
                    from autotrack.artifacts import report_remote

                    versions[version] = True
                    when = None if writing else self._since.get((url, writing))
                    report_remote(self._job, url, "written" if writing else "read", version, when)

    def _finish(self) -> None:
        self._sort()
        self._report_elsewhere()
        for file in [*(file for file in self._before if not file.done), *self._known.values()]:
            file.look(self._job, 0.0, self._moved, self._known)
        later: set[str] = set()
        for (folder, writing), names in reversed(self._folders.items()):
            when = None if writing else self._since.get((folder, writing))
            _report_folder(self._job, folder, writing, names, changed=folder in later, when=when)
            if writing:
                later.add(folder)

    def forget_workers(self) -> None:
        """The program is over."""
        if self._handed is not None:
            self._handed.forget()


def _names(folder: str, since: float | None = None) -> set[str]:
    from autotrack.identity.files import below

    return set(itertools.islice(below(folder, since), KEPT))


def _report_folder(job: Job, folder: str, writing: bool, names: set[str], changed: bool, when: float | None) -> None:
    from autotrack.artifacts import report_artifact, report_manifest

    if changed and not writing:
        why = "it was written to after it was read"
        report_artifact(job, folder, "read", kind="folder", unknown=why, when=when)
    else:
        report_manifest(job, folder, "written" if writing else "read", sorted(names), when)
