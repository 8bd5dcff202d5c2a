"""Commits as git keeps them: loose or in a pack.  Read here, since no process of ours may be started, and a library
for it (dulwich) takes 50 ms to import, in each program that is recorded."""

from __future__ import annotations

import os
import struct
import zlib

BASES = 64
"""Deltas that may stand upon one another; git makes at most 50."""
LARGEST = 1 << 20
"""Bytes of a commit that is read."""

_OFFSET_DELTA, _NAMED_DELTA = 6, 7


class Unreadable(Exception):
    """What can't be read, in words."""


def tree_of(common: str, commit: str) -> bytes:
    """The name of the tree of a commit, in the repository whose files are in `common`.  Raises Unreadable, OSError."""
    text = _read_object(_folders(os.path.join(common, "objects")), bytes.fromhex(commit), BASES)
    first = text.partition(b"\n")[0]
    if not first.startswith(b"tree "):
        raise Unreadable(f"{commit} is no commit")
    return bytes.fromhex(first[5:].decode("ascii"))


def _folders(objects: str) -> list[str]:
    """Where objects may be: those of other repositories too, that this one borrows from."""
    found = [objects]
    for folder in found:
        if len(found) > 5:
            break
        try:
            with open(os.path.join(folder, "info", "alternates"), encoding="utf-8", errors="surrogateescape") as file:
                found += [os.path.join(folder, line) for line in file.read().splitlines() if line]
        except OSError:
            continue
    return found


def _read_object(folders: list[str], name: bytes, bases: int) -> bytes:
    digits = name.hex()
    for folder in folders:
        try:
            with open(os.path.join(folder, digits[:2], digits[2:]), "rb") as file:
                content = zlib.decompressobj().decompress(file.read(LARGEST), LARGEST)
        except FileNotFoundError:
            continue
        return content.partition(b"\0")[2]
    for folder in folders:
        packs = os.path.join(folder, "pack")
        try:
            names = os.listdir(packs)
        except OSError:
            continue
        for pack in names:
            if not pack.endswith(".idx"):
                continue
            with open(os.path.join(packs, pack), "rb") as index:
                offset = _offset(index.fileno(), name)
            if offset is not None:
                with open(os.path.join(packs, pack.removesuffix(".idx") + ".pack"), "rb") as file:
                    return _unpacked(folders, file.fileno(), offset, len(name), bases)
    raise Unreadable(f"the object {digits} is not in the repository")


def _offset(index: int, name: bytes) -> int | None:
    """Where an object stands in the pack of an index (git's `gitformat-pack`, version 2)."""
    if os.pread(index, 8, 0) != b"\xfftOc\0\0\0\2":
        raise Unreadable("the index of a pack has an unknown version")
    size = len(name)
    fan = struct.unpack(">256I", os.pread(index, 1024, 8))
    count, low, high = fan[255], fan[name[0] - 1] if name[0] else 0, fan[name[0]]
    names = 8 + 1024
    while low < high:
        middle = (low + high) // 2
        found = os.pread(index, size, names + middle * size)
        if found == name:
            offsets = names + count * (size + 4)
            (offset,) = struct.unpack(">I", os.pread(index, 4, offsets + 4 * middle))
            if offset & 0x80000000:
                large = offsets + 4 * count + 8 * (offset & 0x7FFFFFFF)
                (offset,) = struct.unpack(">Q", os.pread(index, 8, large))
            return int(offset)
        low, high = (middle + 1, high) if found < name else (low, middle)
    return None


def _unpacked(folders: list[str], pack: int, offset: int, name_size: int, bases: int) -> bytes:
    """The content of the object that stands at an offset of a pack, made from those that it is a delta of."""
    if not bases:
        raise Unreadable("an object is a delta of too many others")
    head = os.pread(pack, 64, offset)
    at, kind, size, shift = 1, head[0] >> 4 & 7, head[0] & 15, 4
    while head[at - 1] & 0x80:
        size |= (head[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    if size > LARGEST:
        raise Unreadable("a commit is larger than 1 MiB")
    base = b""
    if kind == _OFFSET_DELTA:
        back, at = variable_length(head, at)
        base = _unpacked(folders, pack, offset - back, name_size, bases - 1)
    elif kind == _NAMED_DELTA:
        base = _read_object(folders, head[at : at + name_size], bases - 1)
        at += name_size
    data = zlib.decompressobj().decompress(os.pread(pack, 2 * LARGEST, offset + at), LARGEST)
    return _applied(base, data) if kind in (_OFFSET_DELTA, _NAMED_DELTA) else data


def variable_length(data: bytes, at: int) -> tuple[int, int]:
    """A number of git's offset encoding, and where it ends."""
    value = data[at] & 0x7F
    while data[at] & 0x80:
        at += 1
        value = ((value + 1) << 7) | (data[at] & 0x7F)
    return value, at + 1


def _applied(base: bytes, delta: bytes) -> bytes:
    """What a delta makes of its base."""
    at = 0
    for _ in range(2):  # the sizes of both
        while delta[at] & 0x80:
            at += 1
        at += 1
    made = bytearray()
    while at < len(delta):
        command = delta[at]
        at += 1
        if not command & 0x80:
            made += delta[at : at + command]
            at += command
            continue
        start = length = 0
        for bit in range(7):
            if command & 1 << bit:
                if bit < 4:
                    start |= delta[at] << 8 * bit
                else:
                    length |= delta[at] << 8 * (bit - 4)
                at += 1
        made += base[start : start + (length or 0x10000)]
    return bytes(made)
