"""Whether a git work tree differs from its last commit: told from the index and the files alone.  No process is
started, nothing is written, and what is not sure is said to be unknown.

As git itself does (`racy-git`, `index-format` of its documentation), a file is taken as unchanged where the index
has it with the same stat data and an older time than the index; any other is read and its content's name compared.
Submodules and untracked files don't count.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import os
import re
import stat
import struct
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

from autotrack.capture.gitobjects import Unreadable, tree_of, variable_length
from autotrack.patterns import lazily

SECONDS = 0.5
"""Time on a processor that is spent on one work tree; beyond it the answer is unknown."""
LARGEST = 64 << 20
"""Bytes of a file that is compared by its content."""
ENTRIES = 100
"""Entries of an index between two looks at the clock."""
FILES = 10
"""Files between two looks: asking for each may take until a busy program lets go of the interpreter, 5 ms."""

MODULE = 0o160000
"""Mode of a submodule."""
_LINK, _FOLDER = 0o120000, 0o040000
_STAT = struct.Struct(">10I")
_CONVERTS = lazily(r"(?:^|\s)(?:filter|ident|working-tree-encoding)(?:[=\s]|$)")


class Tree(NamedTuple):
    """A work tree: its root, the folder of its own files of git, and that of those which it shares with others."""

    root: str
    place: str
    common: str


class Answer(NamedTuple):
    """Whether there are changes that are not committed; None where that is not known, and why."""

    dirty: bool | None
    why: str = ""


class Entry(NamedTuple):
    path: bytes
    mode: int
    name: bytes
    """Of the content, as git calls it."""
    about: tuple[int, ...]
    """Ten numbers of stat data, see `_same`."""
    assumed: bool
    """Whether git was told not to look at the file."""


def search(tree: Tree, commit: str | None) -> Iterator[Answer | None]:
    """Look step by step, a few milliseconds each: None until the answer is there, which comes last."""
    spent = 0.0
    looking = _search(tree, commit)
    while True:
        begun = time.thread_time()
        answer = next(looking)
        spent += time.thread_time() - begun
        if answer is None and spent > SECONDS:
            answer = Answer(None, f"the work tree is too large to be compared within {SECONDS:g} s")
        yield answer
        if answer is not None:
            return


def _search(tree: Tree, commit: str | None) -> Iterator[Answer | None]:
    if commit is None:
        yield Answer(None, "there is no commit yet")
        return
    try:
        yield from _looking(tree, commit)
    except FileNotFoundError as error:
        yield Answer(None, f"{os.path.basename(error.filename or 'a file')} of git is not there")
    except OSError as error:
        yield Answer(None, f"{error.filename or 'a file'} can't be read: {error.strerror}")
    except Unreadable as error:
        yield Answer(None, str(error))
    except (IndexError, struct.error, ValueError):
        yield Answer(None, "the index of git is damaged")


def _looking(tree: Tree, commit: str) -> Iterator[Answer | None]:
    digest = hashlib.sha256 if len(commit) == 64 else hashlib.sha1
    entries: list[Entry] = []
    with open(os.path.join(tree.place, "index"), "rb") as file:
        written, data = os.fstat(file.fileno()).st_mtime_ns, file.read()
    for number, entry in enumerate(_entries(data, len(bytes.fromhex(commit)))):
        if entry is None:
            yield Answer(True)
            return
        entries.append(entry)
        if number % ENTRIES == 0:
            yield None
    named = yield from _named(entries, digest)
    if named != tree_of(tree.common, commit):
        yield Answer(True)
        return
    comparing = _Comparing(tree, digest, written)
    for number, entry in enumerate(entries):
        if entry.mode & 0o170000 not in (MODULE, _FOLDER) and not entry.assumed and comparing.differs(entry):
            yield Answer(True)
            return
        if number % FILES == 0:
            yield None
    yield Answer(None, comparing.unknown) if comparing.unknown else Answer(False)


def entries(tree: Tree) -> Iterator[tuple[bytes, int]]:
    """Path and mode of each file that git tracks, as far as its index can be read."""
    size = 32 if re.search(r"objectformat\s*=\s*sha256", _text(os.path.join(tree.common, "config")), re.I) else 20
    shared = [name for name in os.listdir(tree.place) if name.startswith("sharedindex.")]  # of one that is split
    for name in (*shared, "index"):
        with contextlib.suppress(OSError, Unreadable, IndexError, ValueError, struct.error):
            with open(os.path.join(tree.place, name), "rb") as file:
                data = file.read()
            for entry in _entries(data, size):
                if entry is not None:
                    yield entry.path, entry.mode


def _entries(data: bytes, size: int) -> Iterator[Entry | None]:
    """The entries of an index of version 2, 3 or 4, whose names have `size` bytes; None for one that tells by itself
    that something is not committed: a conflict, or a file that is to be added."""
    signature, version, count = struct.unpack_from(">4sII", data)
    if signature != b"DIRC" or version not in (2, 3, 4):
        raise Unreadable(f"the index of git has version {version}")
    at, path = 12, b""
    for _ in range(count):
        begun = at
        about = _STAT.unpack_from(data, at)
        name = data[at + 40 : at + 40 + size]
        (flags,) = struct.unpack_from(">H", data, at + 40 + size)
        at += 42 + size
        extended = 0
        if flags & 0x4000:
            (extended,) = struct.unpack_from(">H", data, at)
            at += 2
        if version == 4:
            dropped, at = variable_length(data, at)
            end = data.index(b"\0", at)
            path = path[: len(path) - dropped] + data[at:end]
            at = end + 1
        else:
            end = data.index(b"\0", at)
            path = data[at:end]
            at = begun + (end - begun + 8) // 8 * 8
        if flags & 0x3000 or extended & 0x2000:
            yield None
        yield Entry(path, about[6], name, about, bool(flags & 0x8000 or extended & 0x4000))
    while at + 8 <= len(data) - size:
        kind, length = struct.unpack_from(">4sI", data, at)
        if kind[:1].islower() and kind != b"sdir":
            raise Unreadable("the index of git is split" if kind == b"link" else "the index of git has unknown parts")
        at += 8 + length


def _named(entries: list[Entry], digest: Callable[[bytes], Any]) -> Generator[None, None, bytes]:
    """The name of the tree that a commit of the index would have."""
    open_folders: list[tuple[bytes, bytearray]] = [(b"", bytearray())]

    def close() -> bytes:
        path, body = open_folders.pop()
        name: bytes = digest(b"tree %d\0" % len(body) + body).digest()
        if open_folders:
            open_folders[-1][1].extend(b"40000 " + path[:-1].rpartition(b"/")[2] + b"\0" + name)
        return name

    for number, entry in enumerate(entries):
        path = entry.path
        while not path.startswith(open_folders[-1][0]):
            close()
        at, end = len(open_folders[-1][0]), len(path) - 1  # a folder of a sparse index ends in a slash
        while (slash := path.find(b"/", at, end)) >= 0:
            at = slash + 1
            open_folders.append((path[:at], bytearray()))
        open_folders[-1][1].extend(b"%o %s\0" % (entry.mode, path[at:].removesuffix(b"/")) + entry.name)
        if number % ENTRIES == 0:
            yield None
    while len(open_folders) > 1:
        close()
    return close()


class _Comparing:
    """Files with what the index says of them.  `unknown` is why one could not be compared for sure."""

    def __init__(self, tree: Tree, digest: Callable[[bytes], Any], written: int) -> None:
        self.unknown = ""
        self._tree, self._digest, self._written = tree, digest, written
        self._root = os.fsencode(os.path.join(tree.root, ""))
        self._config = _text(os.path.join(tree.common, "config"))
        self._modes = re.search(r"filemode\s*=\s*false", self._config, re.I) is None
        self._attributes: dict[str, list[str]] = {}

    def differs(self, entry: Entry) -> bool:
        """Whether a file is surely another than the one that was added."""
        path = self._root + entry.path
        try:
            found = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return True
        linked = entry.mode & 0o170000 == _LINK
        if linked and stat.S_ISREG(found.st_mode) and re.search(r"symlinks\s*=\s*false", self._config, re.I):
            self.unknown = self.unknown or f"{os.fsdecode(entry.path)} stands for a symbolic link"
            return False
        if linked != stat.S_ISLNK(found.st_mode) or not (linked or stat.S_ISREG(found.st_mode)):
            return True
        if self._modes and not linked and bool(entry.mode & 0o100) != bool(found.st_mode & 0o100):
            return True
        if _same(entry.about, found) and found.st_mtime_ns < self._written:
            return False
        return not self._holds(path, entry, found, linked)

    def _holds(self, path: bytes, entry: Entry, found: os.stat_result, linked: bool) -> bool:
        """Whether a file has the content that was added, or may have it."""
        name = os.fsdecode(entry.path)
        if linked:
            return self._named(os.readlink(path)) == entry.name
        if found.st_size > LARGEST:
            self.unknown = self.unknown or f"{name} is too large to be compared"
            return True
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError as error:
            self.unknown = self.unknown or f"{name} can't be read: {error.strerror}"
            return True
        if self._named(content) == entry.name:
            return True
        if b"\r\n" in content and self._named(content.replace(b"\r\n", b"\n")) == entry.name:
            self.unknown = self.unknown or f"{name} differs in its line endings"
            return True
        if self._converted(name):
            self.unknown = self.unknown or f"{name} passes through a filter of git"
            return True
        return False

    def _named(self, content: bytes) -> bytes:
        name: bytes = self._digest(b"blob %d\0" % len(content) + content).digest()
        return name

    def _converted(self, name: str) -> bool:
        """Whether git may have kept another content than the file's."""
        folder, _, last = name.rpartition("/")
        parts = folder.split("/") if folder else []
        home = os.path.expanduser("~")
        own = os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "git")
        configs = ("/etc/gitconfig", os.path.join(home, ".gitconfig"), os.path.join(own, "config"))
        if any("attributesfile" in text.lower() for text in (self._config, *map(_text, configs))):
            return True
        places = [("/etc", "gitattributes", ""), (own, "attributes", "")]
        places.append((os.path.join(self._tree.common, "info"), "attributes", ""))
        for depth in range(len(parts) + 1):
            above = "/".join(parts[:depth])
            places.append((os.path.join(self._tree.root, above), ".gitattributes", above))
        for place, file, above in places:
            for pattern in self._converting(os.path.join(place, file)):
                below = name[len(above) :].lstrip("/")
                if "/" not in pattern.rstrip("/"):
                    below = last
                if fnmatch.fnmatchcase(below, pattern.lstrip("/")) or pattern[0] in '"[' or "**" in pattern:
                    return True
        return False

    def _converting(self, path: str) -> list[str]:
        """The patterns of a file of attributes that a filter or the like stands behind."""
        known = self._attributes.get(path)
        if known is None:
            lines = [line.strip() for line in _text(path).splitlines()]
            known = [line.split()[0] for line in lines if line[:1] not in ("", "#") and _CONVERTS.search(line)]
            self._attributes[path] = known
        return known


def _same(about: tuple[int, ...], found: os.stat_result) -> bool:
    """Whether stat data is that of the index: times of change and content in two halves, device (which changes from
    one mount to the next), inode, mode, user, group and size, of 32 bits each."""
    changed, changed_ns, modified, modified_ns, _, inode, _, _, _, size = about
    low = 0xFFFFFFFF
    return (
        found.st_size & low == size
        and (found.st_mtime_ns // 10**9) & low == modified
        and found.st_mtime_ns % 10**9 == modified_ns
        and (found.st_ctime_ns // 10**9) & low == changed
        and found.st_ctime_ns % 10**9 == changed_ns
        and found.st_ino & low == inode
    )


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
