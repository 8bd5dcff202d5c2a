"""Files of the program that are read beside it.

A process that closes any handle of a file loses all the POSIX locks that it has on it: SQLite and DuckDB lock their
databases so, and programs what they share.  A handle of ours is therefore closed only where nobody has a lock on the
file, or, where the system does not tell of locks, where the program has no handle of it; until then it is kept, and
used again.  One of a database is kept as long as the program has that open.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
import threading

from autotrack.journal.file import above_standard_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    File: TypeAlias = tuple[int, int]
    """Device and inode."""

TOGETHER = 32
"""Files that were read after which it is looked which of them may be closed: that takes a microsecond for each."""
KEPT = 64
"""Handles that are kept at most, of files that the program has open, and of databases."""
LOOKS = 2
"""Looks in a row after which a database is not in use any more."""
_DATABASES = b"SQLite format 3\0", b"DUCK"
_MARKED = 16
"""Bytes from the beginning of a file that tell a database: DuckDB has its mark after 8."""
MARK = 0x6175746F
"""The position in a file that a handle of ours has: it is read from by others."""
_LOCKS = "/proc/locks"
_LISTS = "/proc/self/fd", "/dev/fd"
_LOCK = "hhqqi4x"
"""`struct flock` (`fcntl.h`) of Linux on 64 bits: kind, whence, start, length (0: to the end), process."""
_TELLS = sys.platform == "linux" and struct.calcsize("P") == 8 and hasattr(fcntl, "F_OFD_GETLK")


class _Handle:
    __slots__ = ("number", "unused", "users")

    def __init__(self, number: int) -> None:
        self.number, self.users = number, 1
        self.unused = 0
        """At how many looks in a row the program did not have it open, if it is a database."""


class _State:
    ours: dict[File, _Handle] = {}
    """What is being read, and what is kept."""
    kept = 0
    """How many had to be kept at the last look."""
    lock = threading.RLock()
    """Files are read by the recorder and, at the end of the program, beside it."""


class Reading:
    """A file that is open for reading, from its beginning.  Raises OSError, also where its handle could not be closed
    again."""

    __slots__ = ("_at", "_handle")

    def __init__(self, path: str) -> None:
        self._at = 0
        with _State.lock:
            self._handle = self._opened(path)

    @staticmethod
    def _opened(path: str) -> _Handle:
        file = _file(os.stat(path))
        known = _State.ours.get(file)
        if known is not None and _is_still(known, file):
            known.users += 1
            return known
        if _State.kept >= KEPT:
            let_go()
            if _State.kept >= KEPT and _is_held(file, _held()):
                raise OSError(errno.EMFILE, "the program has it open, as it has many others that were read")
        number = above_standard_streams(
            os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0))
        )
        os.lseek(number, MARK, os.SEEK_SET)
        opened = _State.ours[_file(os.fstat(number))] = _Handle(number)
        return opened

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *about: object) -> None:
        with _State.lock:
            self._handle.users -= 1
            if len(_State.ours) >= _State.kept + TOGETHER:
                let_go()

    def status(self) -> os.stat_result:
        return os.fstat(self._handle.number)

    def read(self, size: int) -> bytes:
        """At most so many bytes, from where the last ones ended."""
        found = _read(self._handle.number, size, self._at)
        self._at += len(found)
        return found


def let_go() -> None:
    """Close what the program does not have open."""
    if _State.ours:
        with _State.lock:
            _let_go()


def _let_go() -> None:
    for file, handle in list(_State.ours.items()):
        if not _is_still(handle, file):
            _State.ours.pop(file, None)
    for file, handle in list(_State.ours.items()):
        if handle.users or _is_locked(file, handle) or _is_in_use(file, handle):
            continue
        if _State.ours.pop(file, None) is handle:
            os.close(handle.number)
    _State.kept = len(_State.ours)


def _is_locked(file: File, handle: _Handle) -> bool:
    """Whether anybody has a lock on a file, or, where the system does not tell, the program has it open.

    Asked by the rules of locks that belong to an open file: those of this very process count then, too.  (To read
    /proc/locks takes up to 15 ms, in which the kernel waits for all processors.)"""
    if not _TELLS:
        return _is_held(file, _held())
    asked = struct.pack(_LOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        answer = fcntl.fcntl(handle.number, fcntl.F_OFD_GETLK, asked)
    except OSError:  # a file system that has none of these
        return _is_held(file, _held())
    return bool(struct.unpack(_LOCK, answer)[0] != fcntl.F_UNLCK)


def _is_still(handle: _Handle, file: File) -> bool:
    """Whether a handle is what it was: a program may close all that it has, and use the number again, for the same file
    too."""
    try:
        return _file(os.fstat(handle.number)) == file and os.lseek(handle.number, 0, os.SEEK_CUR) == MARK
    except OSError:
        return False


def _is_in_use(file: File, handle: _Handle) -> bool:
    """Whether it is a database, which could be locked between a look and its end, that the program has had open of
    late."""
    if _State.kept >= KEPT or not os.fstat(handle.number).st_nlink:
        return False
    begin = _read(handle.number, _MARKED, 0)
    if not (begin.startswith(_DATABASES[0]) or begin[8:].startswith(_DATABASES[1])):
        return False
    handle.unused = 0 if file in (_of_the_program() or ()) else handle.unused + 1
    return handle.unused < LOOKS


def forget() -> None:
    """In a forked child, which has none of the locks: close what the parent has kept."""
    _State.lock = threading.RLock()  # another thread of the parent may have held it
    handles, _State.ours, _State.kept = list(_State.ours.items()), {}, 0
    for file, handle in handles:
        if _is_still(handle, file):
            os.close(handle.number)


def _held() -> set[int] | set[File] | None:
    """The files that must stay open: by their inodes those that are locked, else those that the program has open; None
    where there are no such locks."""
    try:
        with open(_LOCKS, encoding="ascii") as file:
            return {int(line.split()[-3].rpartition(":")[2]) for line in file if " POSIX " in line}
    except (OSError, ValueError, IndexError):
        return _of_the_program()


def _is_held(file: File, held: set[int] | set[File] | None) -> bool:
    return held is not None and (file in held or file[1] in held)


def _of_the_program() -> set[File] | None:
    """The files that this process has open beside ours; None where there are no such locks."""
    ours = {handle.number for handle in list(_State.ours.values())}
    found: set[File] = set()
    for place in _LISTS:
        try:
            names = os.listdir(place)
        except OSError:
            continue
        for name in names:
            try:
                if int(name) not in ours:
                    found.add(_file(os.fstat(int(name))))
            except (OSError, ValueError):  # it has been closed
                continue
        return found
    return None


def _read(handle: int, size: int, at: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(handle, size, at)
    os.lseek(handle, at, os.SEEK_SET)
    return os.read(handle, size)


def _file(status: os.stat_result) -> File:
    return status.st_dev, status.st_ino
