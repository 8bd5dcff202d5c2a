"""What can go: never anything that a journal names, wherever and in whatever state."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from autotrack import events
from autotrack.journal.folder import Folder
from autotrack.journal.objects import FILE, FOLDER, Objects, entries, name_of
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


def test_code_that_nothing_reaches(folder: Folder, recorded: Journal) -> None:
    objects = Objects(folder.objects)
    inner = objects.put("blob", b"x = 1\n")
    tree = objects.put_tree({"package/inner.py": (FILE, inner), "train.py": (FILE, objects.put("blob", b"y = 2\n"))})
    also = objects.put_tree({"late.py": (FILE, objects.put("blob", b"z = 3\n"))})
    cells = objects.put("blob", b"[]")
    journal = Journal(folder)
    about = {"tree": tree, "own": None, "cells": cells, "also": [{"root": "/lib", "tree": also}]}
    journal.add(events.JobFacts, section="code", value=about)
    journal.end()
    lost = objects.put_tree({"lost.py": (FILE, objects.put("blob", b"lost")), "kept.py": (FILE, inner)})
    unfinished = Path(objects.path(lost) + ".123")
    cache = Path(folder.objects, "known-0123456789abcdef")
    for path in (unfinished, cache):
        path.write_bytes(b"")
    with open_store(folder) as store:
        assert store.refresh()
    assert garbage.unused_code(folder) == [], "young"
    for path in Path(folder.objects).rglob("*"):
        os.utime(path, (1.0, 1.0))
    expected = {objects.path(lost), objects.path(name_of("blob", b"lost")), str(unfinished)}
    found = garbage.unused_code(folder)
    assert {(one.path, one.kind) for one in found} == {(path, "code") for path in expected}

    inside = next(entry.name for entry in entries(objects.get(tree)[1]) if entry.mode == FOLDER)
    for damaged in (tree, inside, also, cells):
        path = Path(objects.path(damaged))
        for change in (lambda whole: whole[:-4], lambda whole: None):
            whole = path.read_bytes()
            changed = change(whole)
            path.unlink() if changed is None else path.write_bytes(changed)
            with pytest.raises(StoreError, match=r"no code was removed; see autotrack verify"):
                garbage.unused_code(folder)
            path.write_bytes(whole)
            os.utime(path, (1.0, 1.0))

    running = Journal(folder, alive=True)
    with open_store(folder) as store:
        assert store.refresh()
    assert garbage.live(folder) == [running.job]
    assert garbage.unused_code(folder) == []
    assert garbage.remove(folder, found) == []
    os.unlink(os.path.join(folder.live, running.job))
    assert {one.path for one in garbage.remove(folder, garbage.unused_code(folder))} == expected
    assert set(objects.names()) == {tree, inside, inner, also, cells, *(e.name for e in objects.walk(tree))} | {
        entry.name for entry in objects.walk(also)
    }
    assert cache.exists()
    usage = garbage.usage(folder)
    assert usage["code"].files == len(set(objects.names())) + 1


def test_usage(folder: Folder, recorded: Journal) -> None:
    found = garbage.usage(folder)
    assert (found["blobs"].files, found["blobs"].bytes) == (2, 14)
    assert found["journals"].files == 1
    assert found["edits"].files >= 1
    total = sum(path.stat().st_size for path in Path(folder.root).rglob("*") if path.is_file())
    assert sum(kind.bytes for kind in found.values()) == total
    assert garbage.usage(Folder(folder.root + "-none"))["other"] == garbage.Usage()
