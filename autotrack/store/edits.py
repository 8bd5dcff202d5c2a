"""Edits by people: tags, notes, deletions, in a journal of their own, so that the store stays rebuildable.

An edit is appended to `edits/<user>-<host>.jsonl` in the journal's chained format; of two edits of the same
thing the later one holds.
"""

from __future__ import annotations

import json
import os
import socket
import time
from typing import Any

from autotrack.journal.folder import Folder
from autotrack.store.database import Database


def append(folder: Folder, target: str, what: str, name: str, value: Any) -> None:
    """Write an edit of a run: `what` is `tag` (value None: removed), `note` or `hidden`."""
    from filelock import FileLock

    from autotrack.capture.environment import user
    from autotrack.journal.segment import line_digest

    folder.create()
    os.makedirs(folder.edits, exist_ok=True)
    path = os.path.join(folder.edits, f"{user()}-{socket.gethostname()}.jsonl".replace("/", "_"))
    body = {"time": time.time(), "author": user(), "target": target, "what": what, "name": name, "value": value}
    with FileLock(path + ".lock"), open(path, "a+b") as file:
        file.seek(0)
        lines = file.read().splitlines()
        prev = line_digest(lines[-1]) if lines else line_digest(os.path.basename(path).encode())
        file.write(json.dumps({"prev": prev, "body": body}).encode() + b"\n")


def pending(database: Database, folder: Folder) -> list[tuple[str, int, int]]:
    """(path, bytes taken in, bytes there) of each file that has grown."""
    if not os.path.isdir(folder.edits):
        return []
    found = []
    for name in sorted(os.listdir(folder.edits)):
        if name.endswith(".jsonl"):
            path = os.path.join(folder.edits, name)
            row = database.row("SELECT value FROM meta WHERE key = ?", (f"edits:{name}",))
            taken, size = int(row[0]) if row is not None else 0, os.path.getsize(path)
            if size > taken:
                found.append((path, taken, size))
    return found


def ingest(database: Database, files: list[tuple[str, int, int]]) -> list[str]:
    """Take in new edits; returns the runs that they change."""
    changed = []
    for path, taken, _ in files:
        with open(path, "rb") as file:
            file.seek(taken)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                taken += len(line)
                edit = json.loads(line)["body"]
                _put(database, edit)
                changed.append(edit["target"])
        database.put("meta", "key, value", [(f"edits:{os.path.basename(path)}", str(taken))], "key")
    return changed


def _put(database: Database, edit: dict[str, Any]) -> None:
    key = edit["target"], edit["what"], edit["name"]
    row = database.row("SELECT time FROM edits WHERE target = ? AND what = ? AND name = ?", key)
    if row is None or row[0] <= edit["time"]:
        values = (*key, json.dumps(edit["value"]), edit["time"], edit["author"])
        database.put("edits", "target, what, name, value, time, author", [values], "target, what, name")
