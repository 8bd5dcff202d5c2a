"""What can go: never anything that a journal names, wherever and in whatever state."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from autotrack import events
from autotrack.journal.folder import Folder
from autotrack.store import StoreError, garbage, open_store
from tests.store.journals import Journal

NAMED, LOST, HIDDEN = "a1" * 32, "b2" * 32, "c3" * 32


def blob(folder: Folder, digest: str, age: float = 2 * garbage.YOUNG) -> str:
    path = Path(folder.blob(digest))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"pickled")
    os.utime(path, (time.time() - age,) * 2)
    return str(path)


@pytest.fixture
def recorded(folder: Folder) -> Journal:
    """A folder with two kept models that are named, taken in."""
    journal = Journal(folder)
    for digest in (NAMED, HIDDEN):
        strand = journal.strand(id=f"run{digest[:10]}", status=None)
        journal.add(events.StrandModel, strand=strand, cls="Ridge", kept=digest, bytes=7)
        journal.add(events.StrandEnded, strand=strand, status="finished", seconds=1.0)
        blob(folder, digest)
    journal.end()
    with open_store(folder) as store:
        assert store.refresh()
        store.delete(f"run{HIDDEN[:10]}")
    return journal


def test_only_what_is_old_and_in_no_journal(folder: Folder, recorded: Journal) -> None:
    assert garbage.unused(folder) == []
    lost = blob(folder, LOST)
    blob(folder, "d4" * 32, age=garbage.YOUNG - 100)
    assert garbage.unused(folder) == [garbage.Unused(lost, 7)]
    assert garbage.remove(folder, garbage.unused(folder)) == [garbage.Unused(lost, 7)]
    assert not os.path.exists(lost)
    assert os.path.exists(folder.blob(NAMED))
    assert os.path.exists(folder.blob(HIDDEN))


def test_what_was_never_finished_goes_and_what_is_not_ours_stays(folder: Folder, recorded: Journal) -> None:
    places = [Path(folder.blobs, name) for name in ("tmp-strand", "notes.txt", "ab/short")]
    for path in places:
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
        os.utime(path, (1.0, 1.0))
    assert [found.path for found in garbage.unused(folder)] == [str(places[0])]


def test_damaged_lines_name_too(folder: Folder, recorded: Journal) -> None:
    (path,) = Path(folder.job(recorded.job)).glob("*.jsonl")
    text = path.read_bytes()
    path.write_bytes(b"damage" + text.replace(b'"chain"', b"", 1)[:-40])
    os.unlink(folder.store)
    assert garbage.unused(folder) == []


def test_nothing_while_a_job_runs(folder: Folder, recorded: Journal) -> None:
    blob(folder, LOST)
    found = garbage.unused(folder)
    running = Journal(folder, alive=True)
    with open_store(folder) as store:
        assert store.refresh()
    assert garbage.live(folder) == [running.job]
    assert garbage.unused(folder) == []
    assert garbage.remove(folder, found) == []
    assert os.path.exists(folder.blob(LOST))


def test_nothing_where_a_journal_can_not_be_read(folder: Folder, recorded: Journal) -> None:
    blob(folder, LOST)
    os.symlink("nowhere", os.path.join(folder.job(recorded.job), "gone.jsonl"))
    with pytest.raises(StoreError, match=r"gone\.jsonl can't be read .*nothing was removed"):
        garbage.unused(folder)


def test_usage(folder: Folder, recorded: Journal) -> None:
    found = garbage.usage(folder)
    assert (found["blobs"].files, found["blobs"].bytes) == (2, 14)
    assert found["journals"].files == 1
    assert found["edits"].files >= 1
    total = sum(path.stat().st_size for path in Path(folder.root).rglob("*") if path.is_file())
    assert sum(kind.bytes for kind in found.values()) == total
    assert garbage.usage(Folder(folder.root + "-none"))["other"] == garbage.Usage()
