"""Which launch of a program on several machines this one is, agreed on through the folder that they share.

All that the machines know of a launch in common may have been the same the last time: the address and port of the
first machine, and a name that nobody changes.  So the launches of that kind are numbered, and each machine takes part
in the first that it has not yet taken part in, that was begun a short while ago, and that is not over: in
`launches/<kind>/<number>/` lies the name of the launch, in a file named `launch`, and for each machine, by its number,
who launched the processes there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from autotrack.ids import new_id
from autotrack.journal.folder import Folder

PATIENCE = 900.0
"""Seconds for which machines wait for one another: the default of torchrun."""
SILENCE = 60.0
"""Seconds without a sign of life after which a launch that had begun to record is over."""
NUMBERS = 100_000


def launch_of(folder: Folder, kind: str, machine: int, launcher: str) -> str:
    """The name of the launch that the processes of `launcher` on a machine are part of.  Raises OSError."""
    folder.create()
    place = os.path.join(folder.root, "launches", kind)
    os.makedirs(place, exist_ok=True)
    for number in range(NUMBERS):
        launch = os.path.join(place, str(number))
        mine = os.path.join(launch, str(machine))
        taken = _read(mine)
        if taken is None:
            os.makedirs(launch, exist_ok=True)
            name = _agreed(os.path.join(launch, "launch"), new_id())
            if _is_over(folder, os.path.join(launch, "launch"), name):
                continue
            taken = _agreed(mine, launcher)
        if taken == launcher:
            return _agreed(os.path.join(launch, "launch"), new_id())
    raise OSError(None, "too many launches", place)


def _is_over(folder: Folder, path: str, name: str) -> bool:
    now = _now(folder)
    if now - os.stat(path).st_mtime > PATIENCE:
        return True
    if not os.path.isdir(folder.job(name)):
        return False
    try:
        return now - os.stat(os.path.join(folder.live, name)).st_mtime > SILENCE
    except FileNotFoundError:  # it was taken in, after its end
        return True


def _now(folder: Folder) -> float:
    """By the clock of the file system."""
    with _new(folder.root) as path:
        return os.stat(path).st_mtime


def _agreed(path: str, text: str) -> str:
    """What the first who wrote a file has written to it: `text` where that is this process."""
    while (found := _read(path)) is None:
        with _new(os.path.dirname(path), text) as whole, contextlib.suppress(FileExistsError):
            os.link(whole, path)
    return found


@contextlib.contextmanager
def _new(folder: str, text: str = "") -> Iterator[str]:
    path = os.path.join(folder, f".{new_id()}")
    with open(path, "x", encoding="utf-8") as file:
        file.write(text)
    try:
        yield path
    finally:
        os.unlink(path)


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None
