"""Several readers at once, folders that can't be written, and a store that several folders feed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from autotrack.journal.folder import Folder
from autotrack.store import Store, StoreError, open_store
from autotrack.store.place import place
from tests.store.journals import Journal

Open = Callable[[], Store]


def fill(folder: Folder, count: int, **given: Any) -> None:
    for number in range(count):
        journal = Journal(folder, **given)
        journal.strand(f"run-{number}", params={"n": number}, metrics={"loss": [1.0] * 10})
        journal.end()


# Two readers of one folder


def test_a_reader_waits_for_a_moment_and_reads_what_is_there(
    folder: Folder, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autotrack.store.intake.REBUILD_SECONDS", 0.1)
    fill(folder, 1)
    store = opened()
    fill(folder, 1)
    with FileLock(folder.lock):
        begun = time.perf_counter()
        assert store.refresh() is False
        assert 0.05 < time.perf_counter() - begun < 5
        assert store.count() == 1
        with pytest.raises(StoreError, match="taking journals in; try again"):
            store.rebuild()
    assert store.refresh() is True
    assert store.count() == 2


def test_many_readers_begin_at_once(folder: Folder, url: str | None) -> None:
    """On a store that nobody has made yet."""
    fill(folder, 20)
    source = f"""
from autotrack.journal.folder import Folder
from autotrack.store import open_store
with open_store(Folder({folder.root!r}), {url!r}) as store:
    while not store.refresh():
        pass
    print(len({{run["id"] for run in store.runs()}}), store.count(), store.messages)
"""
    processes = [subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) for _ in range(6)]
    assert {process.communicate()[0] for process in processes} == {b"20 20 []\n"}


def test_readers_see_the_old_store_until_the_new_one_is_there(folder: Folder, url: str | None, opened: Open) -> None:
    fill(folder, 100)
    seen = set()
    rebuilding = True

    def read() -> None:
        with open_store(folder, url) as reader:
            while rebuilding:
                reader.refresh(wait=0.0)
                runs = reader.runs()
                seen.add((len(runs), reader.count(), reader.run(runs[0]["id"])["metrics"]["loss"]["count"]))

    store = opened()
    thread = threading.Thread(target=read)
    thread.start()
    try:
        for _ in range(3):
            store.rebuild()
    finally:
        rebuilding = False
        thread.join()
    assert seen == {(100, 100, 10)}


def test_a_killed_reader_leaves_the_store_as_it_was(folder: Folder, url: str | None, opened: Open) -> None:
    fill(folder, 200)
    before = opened().runs()
    source = f"""
from autotrack.journal.folder import Folder
from autotrack.store import open_store
store = open_store(Folder({folder.root!r}), {url!r})
print("ready", flush=True)
store.rebuild()
"""
    for delay in (0.0, 0.02, 0.05, 0.1):
        with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay)
            process.kill()
        assert opened().runs() == before


def test_a_store_that_is_written_to_by_others(folder: Folder, opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the lock on the file, as on another machine: what is there is read."""
    monkeypatch.setattr("autotrack.store.database.BUSY_SECONDS", 0.2)
    fill(folder, 1)
    writer = opened()
    store = opened()
    if folder.root in place(folder, None).url and store._database.blob == "BLOB":
        store._database.execute("PRAGMA busy_timeout = 200")
    fill(folder, 1)
    with writer._database.transaction():
        assert store.refresh() is False
        assert store.count() == 1
    assert store.refresh() is True
    assert store.count() == 2


# Folders that can't be written


READ = """
import os, sys
from autotrack.journal.folder import Folder
from autotrack.store import StoreError, open_store

def read(root, url=None):
    with open_store(Folder(root), url) as store:
        assert store.refresh()
        assert store.refresh()
        print(sorted(run["name"] for run in store.runs()), store.messages)
        try:
            store.tag(store.runs()[0]["id"], "x")
        except StoreError as error:
            print(error)

if os.geteuid() == 0:  # for whom permissions do not count
    import platformdirs.unix
    read(sys.argv[2], "sqlite:///:memory:")  # what is imported by now is all that may be
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
read(sys.argv[1])
"""


@pytest.mark.parametrize("home", ["a home", "no home"])
@pytest.mark.parametrize("store", ["store", "no store"])
def test_a_folder_that_can_not_be_written(home: str, store: str, tmp_path: Path) -> None:
    """Somebody else's: everything is listed, from a store in the cache of whoever reads, or in memory."""
    base = Path(subprocess.check_output(["mktemp", "-d", "/tmp/autotrack-XXXXXX"], text=True).strip())
    try:
        folder = Folder(str(base / "theirs" / ".autotrack"))
        fill(folder, 1)
        if store == "store":
            with open_store(folder) as opened:
                opened.refresh()
        Journal(folder).strand("new", status=None)
        other = Folder(str(tmp_path / ".autotrack"))
        fill(other, 1)
        homes = base / "home"
        homes.mkdir(mode=0o777)
        homes.chmod(0o777 if home == "a home" else 0o555)
        for parent, _, names in os.walk(base / "theirs"):
            os.chmod(parent, 0o555)
            for name in names:
                os.chmod(os.path.join(parent, name), 0o444)
        base.chmod(0o755)
        env = {"HOME": str(homes), "PATH": os.environ["PATH"]}
        before = sorted(str(path) for path in base.rglob("*") if "home" not in path.parts)
        for _ in range(2):
            words = [sys.executable, "-c", READ, folder.root, other.root]
            done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, cwd="/")
            assert done.returncode == 0, done.stderr
            *_, first, second = done.stdout.splitlines()
            assert first == "['new', 'run-0'] []"
            assert "can't be written: Permission denied; nothing was changed" in second
        assert sorted(str(path) for path in base.rglob("*") if "home" not in path.parts) == before
        assert any(homes.rglob("*.db")) == (home == "a home")
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(base)], check=True)
        subprocess.run(["rm", "-r", str(base)], check=True)


def test_reading_makes_no_folder(folder: Folder) -> None:
    with open_store(folder) as store:
        assert store.refresh()
        fill(folder, 1)  # it appears while the store is open
        assert store.refresh()
        assert store.count() == 1


# A store that several folders feed


def test_several_folders_in_one_store(tmp_path: Path, postgresql: str) -> None:
    folders = [Folder(str(tmp_path / name / ".autotrack")) for name in ("one", "two")]
    stores = []
    for number, folder in enumerate(folders, 1):
        fill(folder, number)
        stores.append(open_store(folder, postgresql))
        stores[-1].refresh()
    one, two = stores
    with one, two:
        assert one.count() == two.count() == 3
        assert len(one.known()) == 1
        assert len(two.known()) == 2
        (mine,) = one.known()
        run = next(run["id"] for run in two.runs() if run["job"] == mine[0])
        one.tag(run, "from", "one")
        two.tag(run, "from", "two")  # an edit of a run of the other folder
        assert one.run(run)["tags"] == {"from": "two"}
        for store in (one, two):
            store.rebuild()  # touches nothing of the other folder
            assert store.count() == 3
            assert store.run(run)["tags"] == {"from": "two"}


def test_a_folder_that_is_moved_is_the_same(tmp_path: Path, postgresql: str) -> None:
    folder = Folder(str(tmp_path / "before" / ".autotrack"))
    fill(folder, 2)
    with open_store(folder, postgresql) as store:
        store.refresh()
    os.rename(tmp_path / "before", tmp_path / "after")
    with open_store(Folder(str(tmp_path / "after" / ".autotrack")), postgresql) as store:
        store.refresh()
        assert store.count() == 2
        assert len(store.known()) == 2
        store.rebuild()
        assert store.count() == 2


def test_folders_that_feed_one_store_at_the_same_time(tmp_path: Path, postgresql: str) -> None:
    """As from several machines: each process takes in a folder of its own while they all tag the same run."""
    shared = Folder(str(tmp_path / "shared" / ".autotrack"))
    fill(shared, 1)
    with open_store(shared, postgresql) as store:
        store.refresh()
        (run,) = (run["id"] for run in store.runs())
        source = """
import sys
from autotrack.journal.folder import Folder
from autotrack.store import open_store
from tests.store.test_readers import fill
root, url, run = sys.argv[1:]
folder = Folder(root)
with open_store(folder, url) as store:
    for round in range(4):
        fill(folder, 10)
        assert store.refresh(wait=60)
        store.tag(run, root[-20:], round)
        assert store.count("params.n >= 0") >= 10 * (round + 1)
    store.rebuild()
"""
        words = [sys.executable, "-c", source]
        root = Path(__file__).parents[2]
        processes = [
            subprocess.Popen([*words, str(tmp_path / str(n) / ".autotrack"), postgresql, run], cwd=root)
            for n in range(4)
        ]
        assert [process.wait() for process in processes] == [0] * 4
        assert store.count() == 161
        assert sorted(store.run(run)["tags"].values()) == [3] * 4
