"""Edits by people: tags, notes, deletions, in a journal of their own, so that the store stays rebuildable.

An edit is appended to `edits/<user>-<host>.jsonl` in the journal's chained format; of two edits of the same
thing the later one holds.
"""

from __future__ import annotations

import json
import os
import socket
import time
from typing import IO, Any

from autotrack.journal.folder import Folder
from autotrack.store.database import Database, StoreError

LAST_PART = 1 << 16
"""Bytes at the end of a file in which its last line is looked for first."""


def append(folder: Folder, target: str, what: str, name: str, value: Any) -> None:
    """Write an edit of a run: `what` is `tag` (value None: removed), `note` or `hidden`.  Raises StoreError where
    the folder can't be written."""
    from filelock import FileLock

    from autotrack.capture import secrets
    from autotrack.capture.environment import user
    from autotrack.journal.segment import chained, line_of
    from autotrack.values import plain, storable

    path = os.path.join(folder.edits, storable(f"{user()}-{socket.gethostname()}.jsonl").replace("/", "_"))
    body = {
        "time": time.time(),
        "author": storable(user()),
        "target": target,
        "what": what,
        "name": storable(name),
        "value": secrets.hidden(name, storable(value) if isinstance(value, str) else plain(value)),
    }
    try:
        folder.create()
        os.makedirs(folder.edits, exist_ok=True)
        with FileLock(path + ".lock"), open(path, "a+b") as file:
            last = _last_line(file)
            chain = json.loads(last)["chain"] if last is not None else _first(os.path.basename(path))
            encoded = json.dumps(body).encode()
            file.write(line_of(chained(chain, encoded), encoded))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"{path} can't be written: {error.strerror}; nothing was changed") from None
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{path} is damaged; move it away and try again") from None


def _first(name: str) -> str:
    """What the chain of a file begins with."""
    from autotrack.journal.segment import first_digest

    return first_digest("edits", name)


def _last_line(file: IO[bytes]) -> bytes | None:
    """The last whole line, without its newline.  What follows it was never acknowledged and is cut off."""
    size = file.seek(0, os.SEEK_END)
    length = LAST_PART
    while size:
        start = max(size - length, 0)
        file.seek(start)
        data = file.read(size - start)
        end = data.rfind(b"\n")
        before = data.rfind(b"\n", 0, max(end, 0))
        if end >= 0 and (before >= 0 or start == 0):
            file.truncate(start + end + 1)
            return data[before + 1 : end]
        if start == 0:
            file.truncate(0)
            return None
        length *= 8
    return None


def pending(database: Database, folder: Folder, owner: str) -> list[str]:
    """The files that have grown since they were taken in."""
    try:
        names = sorted(name for name in os.listdir(folder.edits) if name.endswith(".jsonl"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    taken = {
        name: size if message is None else None
        for name, size, message in database.rows(
            "SELECT name, bytes, message FROM edit_files WHERE folder = ?", (owner,)
        )
    }
    grown = []
    for name in names:
        size = taken.get(name, 0)
        if size is not None and os.path.getsize(os.path.join(folder.edits, name)) > size:
            grown.append(name)
    return grown


def ingest(database: Database, folder: Folder, owner: str) -> tuple[list[str], list[str]]:
    """Take in new edits; returns the runs that they change, and what people should know: damaged files."""
    changed: list[str] = []
    messages: list[str] = []
    for name in pending(database, folder, owner):
        message = _ingest_file(database, os.path.join(folder.edits, name), owner, name, changed)
        if message is not None:
            messages.append(message)
    return sorted(set(changed)), messages


def _ingest_file(database: Database, path: str, owner: str, name: str, changed: list[str]) -> str | None:
    row = database.row("SELECT bytes, digest FROM edit_files WHERE folder = ? AND name = ?", (owner, name))
    offset, digest = row if row is not None else (0, _first(name))
    message = None
    edits: dict[tuple[str, str, str], tuple[Any, ...]] = {}
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                edit, digest = _checked(line, digest)
                if edit is None:
                    message = f"{path}, byte {offset}: edited, removed or reordered; later edits in it are left out"
                    break
                offset += len(line)
                key = edit["target"], edit["what"], edit["name"]
                if key not in edits or edits[key][5] <= edit["time"]:
                    edits[key] = (owner, *key, json.dumps(edit["value"]), edit["time"], edit["author"])
    except OSError as error:
        return f"{path} can't be read: {error.strerror}"
    _put(database, owner, edits)
    changed += [target for target, _, _ in edits]
    database.put(
        "edit_files", "folder, name, bytes, digest, message", [(owner, name, offset, digest, message)], "folder, name"
    )
    return message


def _checked(line: bytes, chain: str) -> tuple[dict[str, Any] | None, str]:
    """The edit on a line that follows from the one before, else None; and the chain after it."""
    from autotrack.journal.segment import chained, line_of

    body = line[line.find(b'"body":') + len(b'"body":') : -2]
    following = chained(chain, body)
    if line != line_of(following, body):
        return None, chain
    try:
        edit = json.loads(body)
        texts = "".join(edit[name] for name in ("target", "what", "name", "author"))
        if "\x00" in texts or not texts.encode():
            return None, chain
        return {**edit, "time": float(edit["time"]), "value": edit["value"]}, following
    except (ValueError, KeyError, TypeError):
        return None, chain


def _put(database: Database, owner: str, edits: dict[tuple[str, str, str], tuple[Any, ...]]) -> None:
    """Of two edits of the same thing, the later one holds."""
    sql = "SELECT folder, target, what, name, time FROM edits WHERE target IN ({in})"
    rows = database.within(sql, sorted({target for target, _, _ in edits}))
    known = {tuple(key): moment for folder, *key, moment in rows if folder == owner}
    newer = [row for key, row in edits.items() if key not in known or known[key] <= row[5]]
    database.put("edits", "folder, target, what, name, value, time, author", newer, "folder, target, what, name")
