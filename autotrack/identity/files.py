"""Digests of files: BLAKE3 of the content; of many files of a folder, of their names and digests."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from blake3 import blake3

from autotrack.handles import Reading

CHUNK = 1 << 20
CACHED = 16 << 20
"""Bytes of a file from which on its digest is kept for others that meet it unchanged."""
CONTENTS = 256 << 20
"""Bytes of the files of a folder up to which their contents are read for its manifest."""


class Cache:
    """Digests of large files by what the file system says of them: device, inode, size, times of change.

    A file of its own each, in `<folder>/digests/`; whatever is missing is only digested again.
    """

    def __init__(self, root: str) -> None:
        self._root = os.path.join(root, "digests")

    def get(self, status: os.stat_result) -> str | None:
        try:
            with open(self._path(status), encoding="ascii") as file:
                return file.read() or None
        except OSError:
            return None

    def put(self, status: os.stat_result, digest: str) -> None:
        path = self._path(status)
        with contextlib.suppress(OSError):
            os.makedirs(self._root, exist_ok=True)
            beside = f"{path}.{os.getpid()}"
            with open(beside, "w", encoding="ascii") as file:
                file.write(digest)
            os.replace(beside, path)

    def _path(self, status: os.stat_result) -> str:
        key = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        return os.path.join(self._root, blake3(repr(key).encode()).hexdigest(16))


def digest_file(path: str, cache: Cache | None = None) -> tuple[str, int]:
    """`blake3:<hex>` of a file's content, and its size in bytes.  Raises OSError."""
    state, size = blake3(), 0
    with Reading(path) as file:
        before = file.status()
        large = before.st_size >= CACHED and cache is not None
        known = cache.get(before) if large and cache is not None else None
        if known is not None:
            return known, before.st_size
        while chunk := file.read(CHUNK):
            state.update(chunk)
            size += len(chunk)
        digest = f"blake3:{state.hexdigest()}"
        after = file.status()
        if large and cache is not None and (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, size):
            cache.put(after, digest)
    return digest, size


def below(folder: str, since: float | None = None) -> Iterator[str]:
    """The names of the files in a folder and in those below it, hidden ones left out; those that were written to
    `since` then."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = os.path.join(place, name)
            with contextlib.suppress(OSError):  # it is gone
                if name[0] != "." and (since is None or os.stat(path).st_mtime >= since):
                    yield os.path.relpath(path, folder)


def digest_bytes(content: bytes) -> str:
    """The digest of what is in memory, without its scheme."""
    return blake3(content).hexdigest()


class Manifest(NamedTuple):
    digest: str
    bytes: int
    why: str
    """What the digest leaves out."""


def manifest(folder: str, names: Sequence[str], cache: Cache | None = None) -> Manifest:
    """The digest of the files of these names in a folder: of their contents, or, where these are too many bytes to be
    read once more, of their sizes and times.  Raises OSError."""
    found = []
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(os.path.join(folder, name))
            if stat.S_ISREG(status.st_mode):
                found.append((name, status))
    size = sum(status.st_size for _, status in found)
    state = blake3()
    whole = size <= CONTENTS
    for name, status in found:
        told = digest_file(os.path.join(folder, name), cache)[0] if whole else str(status.st_mtime_ns)
        state.update(f"{name}\0{status.st_size}\0{told}\n".encode("utf-8", "surrogateescape"))
    why = f"{len(found)} files" if whole else f"{len(found)} files by name, size and time; their contents were not read"
    kind = "blake3-manifest" if whole else "stat-manifest"
    return Manifest(f"{kind}:{state.hexdigest()}", size, why)
