"""A view of the file system for one program: what it sees at the places of old is what was laid out for it, and what it
writes there lands where nothing else is.

Linux gives each process mounts of its own (`mount_namespaces(7)`), to users who are not root together with a user
namespace, where the system allows that.  `python -m autotrack.reproduce.apart FILE WORDS...` mounts what a JSON file
says, and becomes the program.  The mounts end with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_READ_ONLY, _REMOUNT, _BIND, _RECURSIVE, _PRIVATE = 0x1, 0x20, 0x1000, 0x4000, 0x40000
_KEPT_FLAGS = {
    os.ST_NOSUID: 0x2,
    os.ST_NODEV: 0x4,
    os.ST_NOEXEC: 0x8,
    os.ST_NOATIME: 0x400,
    os.ST_NODIRATIME: 0x800,
    os.ST_RELATIME: 0x200000,
}
"""Flags of a mount that one made from it must have as well."""
TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/run/user", "/run/lock")
_SYSTEM = ("/proc", "/sys", "/dev")
_SET_SIGNAL_OF_PARENT = 1
FAILED = 97
"""What the process exits with where something can't be mounted."""


@dataclass
class View:
    """What is to be mounted, in this order."""

    cwd: str
    place: str = ""
    """The fresh folder."""
    files: list[tuple[str, str]] = field(default_factory=list)
    """Large files to be read, and the empty files that stand for them."""
    folders: list[tuple[str, str]] = field(default_factory=list)
    """Folders, and where they are to be seen."""
    covered: list[tuple[str, str, str, bool]] = field(default_factory=list)
    """Folders that stay as they are, what is written in each, a folder to work with, and whether it can't do without:
    some file systems can't be covered."""
    over: list[tuple[str, str]] = field(default_factory=list)
    """Files that are to be read at the places of others."""
    rest: bool = False
    """Whether all else can only be read, but for folders of temporary files and the system's."""
    open: list[str] = field(default_factory=list)
    """Folders that stay as they are even so."""


def words(view: View, file: str, command: list[str]) -> list[str]:
    """The command line by which a program gets this view; `file` is written."""
    with open(file, "w", encoding="utf-8") as output:
        json.dump(asdict(view), output)
    return [sys.executable, "-m", "autotrack.reproduce.apart", file, *command]


def possible(place: str) -> tuple[bool, bool]:
    """Whether folders can be mounted over others here, and covered, with what is written in `place`."""
    if sys.platform != "linux":
        return False, False
    with tempfile.TemporaryDirectory(dir=place) as folder:
        names = ["fresh", "lower", "upper", "work"]
        fresh, lower, upper, work = (os.path.join(folder, name) for name in names)
        for path in (fresh, lower, upper, work):
            os.mkdir(path)
        bound, covered = View("/", folders=[(fresh, lower)]), View("/", covered=[(lower, upper, work, True)])
        found = []
        for view in (bound, covered):
            command = words(view, os.path.join(folder, "view.json"), ["/bin/sh", "-c", f"echo > {lower}/mark"])
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            found.append(done.returncode == 0 and not os.path.exists(os.path.join(lower, "mark")))
        _remove_work(work)
    return found[0], found[1]


@functools.cache
def mounted() -> list[str]:
    """Where something is mounted."""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            return [_ESCAPED.sub(lambda found: chr(int(found[1], 8)), line.split(" ")[4]) for line in mounts]
    except OSError:
        return []


_ESCAPED = re.compile(r"\\([0-7]{3})")


def _remove_work(work: str) -> None:
    """The kernel leaves a folder in it that nobody may enter."""
    for name in os.listdir(work):
        os.chmod(os.path.join(work, name), 0o700)


class _System:
    """Calls of the C library.  Raises OSError."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None, use_errno=True)

    def unshare(self, flags: int) -> None:
        if self._library.unshare(flags):
            raise self._error("unshare")

    def mount(self, source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
        given = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
        if self._library.mount(*given, ctypes.c_ulong(flags), os.fsencode(data)):
            raise self._error(target)

    def only_read(self, target: str) -> None:
        told = os.statvfs(target).f_flag
        kept = sum(flag for of, flag in _KEPT_FLAGS.items() if told & of)
        self.mount("none", target, None, _BIND | _REMOUNT | _READ_ONLY | kept)

    def _error(self, what: str) -> OSError:
        number = ctypes.get_errno()
        return OSError(number, os.strerror(number), what)


def _mount(view: View) -> None:
    system = _System()
    own_user = _leave(system)
    system.mount("none", "/", None, _RECURSIVE | _PRIVATE)
    kept = [*TEMPORARY, *view.open, view.place]
    for folder in kept:
        if view.rest and os.path.isdir(folder):  # which stays as it is when what is around it can only be read
            system.mount(folder, folder, None, _BIND | _RECURSIVE)
    for source, target in view.files:
        system.mount(source, target, None, _BIND)
        system.only_read(target)
    for lower, upper, work, needed in view.covered:
        options = f"lowerdir={lower},upperdir={upper},workdir={work}" + (",userxattr" if own_user else "")
        try:
            system.mount("overlay", lower, "overlay", 0, options)
        except OSError:
            if needed:
                raise
            kept.append(lower)  # a folder that can't be covered must be written to as it is
            system.mount(lower, lower, None, _BIND | _RECURSIVE)
    for source, target in view.folders:  # some of them within those
        system.mount(source, target, None, _BIND | _RECURSIVE)
    for source, target in view.over:
        system.mount(source, target, None, _BIND)
        system.only_read(target)
    if view.rest:
        own = {*(target for _, target in (*view.files, *view.folders)), *(covered[0] for covered in view.covered)}
        mounted.cache_clear()
        for target in mounted():
            if target not in own and not any(f"{target}/".startswith(f"{one}/") for one in (*kept, *_SYSTEM)):
                with contextlib.suppress(OSError):  # nothing that could be written to by a path
                    system.only_read(target)


def _leave(system: _System) -> bool:
    """Have mounts of our own; whether that took a user namespace, in which we are who we were."""
    user, group = os.getuid(), os.getgid()
    try:
        system.unshare(_NEW_MOUNTS)
    except OSError:
        system.unshare(_NEW_USER | _NEW_MOUNTS)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
        return True
    return False


def end_with_parent() -> None:
    """Let the system end this process when the one that started it is killed, on Linux."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_SIGNAL_OF_PARENT, signal.SIGKILL)


def main(file: str, command: list[str]) -> None:
    """Become a program with a view of its own."""
    with open(file, encoding="utf-8") as given:
        view = View(**json.load(given))
    try:
        _mount(view)
        end_with_parent()
        os.chdir(view.cwd)
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"autotrack: {error.filename}: {error.strerror}\n")
        sys.exit(FAILED)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
