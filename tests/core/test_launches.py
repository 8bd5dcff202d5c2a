"""Machines that agree on which launch of a program theirs is."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from autotrack.journal.folder import Folder
from autotrack.journal.launches import PATIENCE, SILENCE, launch_of


def test_the_processes_of_a_launch_agree(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / ".autotrack"))
    found: list[tuple[int, str]] = []

    def take_part(machine: int) -> None:
        for number in range(20):
            found.append((number, launch_of(folder, "kind", machine, f"launcher {number} of {machine}")))
            barrier.wait(timeout=30)

    barrier = threading.Barrier(8)
    threads = [threading.Thread(target=take_part, args=(at % 4,)) for at in range(8)]  # two processes on each of four
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 20
    assert len({name for _, name in found}) == 20
    left = [name for _, _, names in os.walk(folder.root) for name in names if name.startswith(".")]
    assert left == [".gitignore"]


def test_other_kinds_are_other_launches(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    assert launch_of(folder, "a", 0, "x") != launch_of(folder, "b", 0, "x")
    assert launch_of(folder, "a", 0, "x") == launch_of(folder, "a", 1, "y")


def recorded(folder: Folder, name: str, *, silent: float | None) -> None:
    """As if a job of this name had begun to record, and given its last sign of life a while ago or was taken in."""
    os.makedirs(folder.job(name))
    if silent is not None:
        os.makedirs(folder.live, exist_ok=True)
        mark = os.path.join(folder.live, name)
        with open(mark, "w", encoding="ascii"):
            pass
        os.utime(mark, (time.time() - silent,) * 2)


def test_a_machine_that_missed_a_launch_does_not_join_it_later(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    for number, silent in enumerate([None, SILENCE + 1]):
        missed = launch_of(folder, "kind", 0, f"missed {number}")
        recorded(folder, missed, silent=silent)
        again = launch_of(folder, "kind", 0, f"again {number}")
        assert launch_of(folder, "kind", 1, f"first {number}") == again != missed


def test_a_launch_that_records_is_joined(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    name = launch_of(folder, "kind", 0, "one")
    recorded(folder, name, silent=1.0)
    assert launch_of(folder, "kind", 1, "other") == name


def test_a_launch_of_long_ago_is_not_joined(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    name = launch_of(folder, "kind", 0, "one")
    path = os.path.join(folder.root, "launches", "kind", "0", "launch")
    os.utime(path, (time.time() - PATIENCE - 1,) * 2)
    assert launch_of(folder, "kind", 1, "other") != name
    assert launch_of(folder, "kind", 0, "one") == name  # of which it is part
