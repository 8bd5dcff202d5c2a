"""The points file: its pages are made ready ahead of what is written to them."""

from __future__ import annotations

import struct
import threading
from pathlib import Path

import pytest

from autotrack.extension import compiled
from autotrack.journal import read
from autotrack.journal.points import FIRST_WINDOW, RECORD, Points, header, pack_record, tail

pytestmark = pytest.mark.skipif(compiled is None, reason="only what is compiled sees to pages ahead")
SMAPS = Path("/proc/self/smaps")


def resident(path: str) -> int:
    """Bytes of a file's mappings whose pages this process may write to without asking the kernel."""
    size, ours = 0, False
    for line in SMAPS.read_text().splitlines():
        if "-" in line.partition(" ")[0]:
            ours = line.endswith(path)
        elif ours and line.startswith(("Private_Clean:", "Private_Dirty:")):
            size += 1024 * int(line.split()[1])
    return size


@pytest.mark.skipif(not SMAPS.exists(), reason="the kernel does not say which pages are there")
def test_pages_are_ready_before_they_are_written_to(tmp_path: Path) -> None:
    path = str(tmp_path / "x.points")
    points = Points(path, mapped=True)
    points.advance(points.window)
    assert next(points.window[1]) == RECORD.size
    ready = resident(path)
    points.prepare()
    assert ready < resident(path) == FIRST_WINDOW
    assert points.read(0, FIRST_WINDOW // RECORD.size) == header() + bytes(FIRST_WINDOW - RECORD.size)

    for _ in range(FIRST_WINDOW // RECORD.size - 1):  # the last of which does not fit
        next(points.window[1])
    points.advance(points.window)
    points.prepare()  # the pace of which is that of before
    assert resident(path) < 2 * FIRST_WINDOW
    points.prepare()
    assert resident(path) == 3 * FIRST_WINDOW
    points.close()
    points.prepare()


def test_what_is_written_while_pages_are_made_ready_is_there(tmp_path: Path) -> None:
    path, count = str(tmp_path / "x.points"), 200_000
    points = Points(path, mapped=True)
    over = threading.Event()

    def prepare() -> None:
        while not over.is_set():
            points.prepare()

    beside = threading.Thread(target=prepare)
    beside.start()
    try:
        for step in range(count):
            while True:
                buffer, offsets = window = points.window
                try:
                    pack_record(buffer, next(offsets), step / 7, step / 3, step, tail(1 + step % 5))
                    break
                except (struct.error, ValueError):
                    assert points.advance(window)
    finally:
        over.set()
        beside.join()
    points.close()
    records = read.read_points(path).records
    assert records["step"].tolist() == list(range(count))
    assert records["value"].tolist() == [step / 7 for step in range(count)]
    assert records["series"].tolist() == [1 + step % 5 for step in range(count)]
