"""Taking in: incremental, idempotent, and what is damaged, too new or gone."""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest

from autotrack import events
from autotrack.journal import verify
from autotrack.journal.folder import Folder
from autotrack.journal.points import RECORD
from autotrack.journal.segment import line_of
from autotrack.store import Store, StoreError, open_store
from autotrack.testing import run_program
from autotrack.values import storable
from tests.store.journals import Journal

Open = Callable[[], Store]


def everything(store: Store) -> str:
    """Every answer of a store, as one text."""
    runs = store.runs(nested=True)
    answers: list[Any] = [runs, store.damaged(), sorted(store.known().items())]
    answers += [store.run(run["id"]) for run in runs]
    answers += [store.job(job) for job in sorted({run["job"] for run in runs})]
    for run in runs:
        answers += [(name, s.tolist(), t.tolist(), list(map(repr, v.tolist()))) for name, s, t, v in points(store, run)]
    return json.dumps(answers, sort_keys=True)


def points(store: Store, run: dict[str, Any]) -> list[Any]:
    return list(store.points(run["id"]))


def values(store: Store, run: str, name: str) -> list[float]:
    return [value for _, _, _, array in store.points(run, [name]) for value in array.tolist()]


# Incremental and idempotent


def test_twice_is_once(folder: Folder, opened: Open) -> None:
    journal = Journal(folder)
    journal.strand(params={"alpha": 1}, metrics={"loss": [3.0, 2.0]}, tags={"good": True})
    journal.end()
    store = opened()
    first = everything(store)
    assert store.refresh()
    assert everything(opened()) == first
    store.rebuild()
    assert everything(store) == first


def test_a_half_written_journal(folder: Folder, opened: Open) -> None:
    """Cut after every line and within lines: what is read later adds up to what is read at once."""
    journal = Journal(folder)
    journal.strand(params={"alpha": 1}, tags={"good": True})
    journal.strand("search", status=None)
    journal.end()
    path = Path(journal.segment.path)
    whole = path.read_bytes()
    store = opened()
    store.rebuild()
    at_once = everything(store)
    path.write_bytes(b"")
    store.rebuild()
    assert store.runs() == []
    mark = Path(folder.live, journal.job)
    for end in [*range(0, len(whole), 97), len(whole)]:
        path.write_bytes(whole[:end])
        mark.touch()
        assert store.refresh()
        assert store.damaged() == []
    assert everything(store) == at_once


def test_a_process_that_lives(folder: Folder, opened: Open) -> None:
    journal = Journal(folder, alive=True)
    strand = journal.strand(params={"alpha": 1}, status=None)
    number = journal.points(strand, "loss", [0.5, 0.25])
    store = opened()
    (run,) = store.runs()
    assert (run["status"], run["duration"], run["metrics"]) == ("running", None, {"loss": 0.25})
    assert store.job(run["job"])["job"]["status"] == "running"
    journal.points(strand, "loss", [0.125], number=number, first=2)
    store.refresh()
    assert store.run(strand)["metrics"]["loss"] == {
        "origin": "framework", "last": 0.125, "min": 0.125, "max": 0.5, "count": 3, "first_step": 0, "last_step": 2,
    }  # fmt: skip
    journal.add(events.StrandEnded, strand=strand, status="finished", seconds=1.0)
    journal.end()
    store.refresh()
    (run,) = store.runs()
    assert (run["status"], run["duration"]) == ("finished", 1.0)
    assert store.job(run["job"])["job"]["status"] == "finished"
    assert values(store, strand, "loss") == [0.5, 0.25, 0.125]


def test_a_process_that_is_killed_between_two_fits(folder: Folder, opened: Open, tmp_path: Path) -> None:
    """Nothing new in the journal, and yet the job is over."""
    source = f"""
import autotrack, os, sys, time
autotrack.enable(dir={folder.root!r}, quiet=True)
with autotrack.run("first"):
    autotrack.log({{"loss": 1.5}})
print("ready", flush=True)
sys.stdin.read()
os.kill(os.getpid(), 9)
"""
    import subprocess
    import sys

    with subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        store = opened()
        (run,) = store.runs()
        assert run["status"] == "finished"
        assert store.job(run["job"])["job"]["status"] == "running"
        assert os.listdir(folder.live) == [run["job"]]
        process.communicate()
    store.refresh()
    assert store.job(run["job"])["job"]["status"] == "killed"
    assert os.listdir(folder.live) == []
    (points,) = Path(folder.job(run["job"])).glob("*.points")
    assert points.stat().st_size == 2 * RECORD.size  # what was allocated ahead is given back


def test_points_round_trip_exactly(folder: Folder, opened: Open) -> None:
    """Several chunks, several series, written and read in pieces that fit no chunk."""
    journal = Journal(folder, alive=True)
    strand = journal.strand(status=None)
    random = numpy.random.default_rng(0)
    odd = [math.nan, math.inf, -math.inf, 5e-324, -0.0, 1.7976931348623157e308, 0.1]
    expected: dict[str, list[float]] = {"train/loss": [], "valid/loss": []}
    numbers = {name: journal.define(strand, name) for name in expected}
    store = opened()
    for size in (3, 1, 8190, 8191, 8192, 8193, 5, 20_000):
        for name, number in numbers.items():
            new = [*odd, *random.standard_normal(size).tolist()]
            journal.points(strand, name, new, number=number, first=len(expected[name]))
            expected[name] += new
        assert store.refresh()
    for name, known in expected.items():
        found = list(store.points(strand, [name]))
        assert {entry[0] for entry in found} == {name}
        steps, _, read = (numpy.concatenate(column) for column in list(zip(*found, strict=True))[1:])
        assert steps.tolist() == list(range(len(known)))
        assert read.tobytes() == numpy.array(known).tobytes()
        assert all(len(chunk) == 8192 for *_, chunk in found[:-1])
    whole = everything(store)
    store.rebuild()
    assert everything(store) == whole


def test_ends_of_the_range_of_steps(folder: Folder, opened: Open) -> None:
    journal = Journal(folder)
    strand = journal.strand()
    number = journal.define(strand, "loss")
    journal.points(strand, "loss", [1.0], number=number, first=-(2**63))
    journal.points(strand, "loss", [2.0], number=number, first=2**63 - 1)
    journal.end()
    store = opened()
    assert [step for _, steps, _, _ in store.points(strand) for step in steps.tolist()] == [-(2**63), 2**63 - 1]
    metric = store.run(strand)["metrics"]["loss"]
    assert (metric["first_step"], metric["last_step"]) == (-(2**63), 2**63 - 1)


def test_rebuilding_gives_the_same_answers_byte_by_byte(folder: Folder, opened: Open, tmp_path: Path) -> None:
    """Of a real program, killed and crashed ones, damaged ones and edits."""
    source = """
import warnings; warnings.simplefilter("ignore")
import autotrack
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import StandardScaler
X, y = [[float(n), n % 3] for n in range(30)], [float(n) for n in range(30)]
StandardScaler().fit(X)
GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2).fit(X, y).score(X, y)
with autotrack.run("mine", owner="kim"):
    for alpha in (1, 2):
        Ridge(alpha=alpha).fit(X, y)
    autotrack.log({"note": "text", "loss": float("nan")})
    autotrack.log({"loss": 0.5})
"""
    done = run_program(source, tmp_path, env={"AUTOTRACK_DIR": folder.root, "AUTOTRACK_QUIET": "1"})
    assert (done.returncode, done.stderr) == (0, "")
    killed = Journal(folder)
    killed.strand(metrics={"loss": [1.0, math.nan]}, status=None)
    damaged = Journal(folder)
    damaged.strand("before")
    with open(damaged.segment.path, "ab") as file:
        file.write(b"no event\n")
    store = opened()
    mine = store.runs("name == 'mine'")[0]["id"]
    store.tag(mine, "best", 0.1)
    store.untag(mine, "owner")
    store.note(mine, "look here")
    store.delete(killed.job and store.runs("status == 'killed'")[0]["id"])
    assert len(store.runs(nested=True)) > 4
    before = everything(store)
    store.rebuild()
    assert everything(store) == before
    assert everything(opened()) == before


# Damage


def test_a_damaged_segment_is_quarantined(folder: Folder, opened: Open) -> None:
    whole, broken = Journal(folder), Journal(folder)
    whole.strand("whole")
    whole.end()
    broken.strand("before", metrics={"loss": 1.0})
    path = broken.segment.path
    with open(path, "ab") as file:
        file.write(line_of("0" * 32, b'{"event":"gap","time":1.0,"strand":null,"what":"","why":""}'))
    after = Journal(folder, broken.job, name="host-2-1", role="fork")
    after.strand("other process")
    store = opened()
    assert {run["name"] for run in store.runs()} == {"whole", "before", "other process"}
    (message,) = store.messages
    assert message.startswith(f"{path}, line ")
    assert "edited, removed or reordered; what came before is kept, the rest of this file is left out" in message
    assert store.damaged() == [message]
    again = opened()
    assert again.messages == []  # said once
    assert again.damaged() == [message]
    assert again.known().keys() == {(whole.job, "host-1-1"), (broken.job, "host-2-1")}


@pytest.mark.parametrize("content", [b"\xff\xfe garbage\n", b"{}\n", b'{"prev":1,"body":2}\n', b"\0" * 50 + b"\n"])
def test_garbage_in_a_journal(folder: Folder, opened: Open, content: bytes) -> None:
    journal = Journal(folder)
    journal.strand("before")
    with open(journal.segment.path, "ab") as file:
        file.write(content)
    Path(folder.journal, "a-file").write_bytes(content)
    Path(folder.journal, "empty-job").mkdir()
    for name in ("no-such-job", "empty-job"):
        Path(folder.live, name).touch()
        os.utime(Path(folder.live, name), (1, 1))
    Path(folder.live, "beginning").touch()
    other = Path(folder.journal, "other-job")
    other.mkdir()
    (other / "first-line.jsonl").write_bytes(content)
    store = opened()
    assert [run["name"] for run in store.runs()] == ["before"]
    assert len(store.damaged()) == 2
    assert os.listdir(folder.live) == ["beginning"]


def test_damaged_points_leave_the_events(folder: Folder, opened: Open) -> None:
    journal = Journal(folder, alive=True)
    strand = journal.strand(metrics={"loss": [1.0, 2.0]}, status=None)
    path = journal.segment.points.path
    with open(path, "r+b") as file:
        file.write(b"NOTOURS!")
    store = opened()
    assert store.messages == [f"{path}, line 1: is not a points file; its points are left out"]
    journal.add(events.StrandEnded, strand=strand, status="finished", seconds=1.0)
    journal.end()
    assert store.refresh()
    assert store.runs()[0]["status"] == "finished"
    assert len(store.damaged()) == 1


def test_points_without_a_name_are_kept_and_told(folder: Folder, opened: Open) -> None:
    """The line that defines their series is damaged."""
    journal = Journal(folder, alive=True)
    strand = journal.strand()
    journal.points(strand, "loss", [1.0])
    with open(journal.segment.path, "ab") as file:
        file.write(b"damage\n")
    store = opened()
    journal.points(strand, "loss", [1.0] * 3, number=77)
    Path(folder.live, journal.job).touch()
    store.refresh()
    journal.points(strand, "loss", [1.0] * 2, number=77)
    Path(folder.live, journal.job).touch()
    store.refresh()
    gap = {"what": "5 points", "why": "the line of the journal that names their series is damaged"}
    assert store.job(journal.job)["job"]["gaps"] == [gap]
    assert values(store, strand, "loss") == [1.0]


def test_points_of_nonsense(folder: Folder, opened: Open) -> None:
    """A file whose records are random bits."""
    journal = Journal(folder)
    strand = journal.strand()
    journal.points(strand, "loss", [1.0])
    with open(journal.segment.points.path, "r+b") as file:
        file.seek(2 * RECORD.size)
        nans = struct.pack("<d", math.nan)
        file.write(nans + nans + struct.pack("<qII", -5, 2**32 - 1, 1))
        file.write(os.urandom(28) + struct.pack("<I", 2**32 - 1))
    journal.end()
    assert opened().run(strand)["metrics"]["loss"]["last"] == "NaN"


@pytest.mark.parametrize("what", ["format", "points"])
def test_a_newer_journal_is_refused_and_read_after_an_upgrade(folder: Folder, opened: Open, what: str) -> None:
    journal = Journal(folder, format=events.FORMAT + (what == "format"))
    journal.strand("new", metrics={"loss": 1.0})
    path = journal.segment.points.path

    def write_version(version: int) -> None:
        with open(path, "r+b") as file:
            file.seek(8)
            file.write(struct.pack("<I", version))

    if what == "points":
        write_version(99)
    store = opened()
    (message,) = store.messages
    too_new = f"has journal format {events.FORMAT + 1}, this version reads {events.FORMAT}"
    assert (too_new if what == "format" else "points version 99") in message
    assert message.endswith(": upgrade with pip install -U autotrack-ml")
    assert store.damaged() == [message]
    assert opened().messages == []  # said once
    if what == "points":  # the next version understands it, which is as if it were of this one
        write_version(1)
    else:
        shutil.rmtree(folder.job(journal.job))
        Journal(folder, journal.job).strand("new", metrics={"loss": 1.0})
    again = opened()
    assert again.damaged() == []
    (run,) = again.runs()
    assert (run["name"], run["metrics"]) == ("new", {"loss": 1.0})


def test_a_journal_that_is_removed_while_it_is_known(folder: Folder, opened: Open) -> None:
    journal = Journal(folder, alive=True)
    journal.strand("kept", status=None)
    store = opened()
    shutil.rmtree(folder.job(journal.job))
    assert store.refresh()
    assert [run["name"] for run in store.runs()] == ["kept"]
    findings = verify.verify(folder, None, store.known())
    assert [finding.problem for finding in findings] == ["was taken in, and is gone"]
    store.rebuild()
    assert store.runs(nested=True) == []


def test_another_journal_of_the_same_name(folder: Folder, opened: Open) -> None:
    """A job's folder copied under another name is no job: its lines say where they belong."""
    journal = Journal(folder)
    journal.strand()
    journal.end()
    shutil.copytree(folder.job(journal.job), folder.job("copy"))
    store = opened()
    assert len(store.runs()) == 1
    (message,) = store.damaged()
    assert "does not follow from the line before" in message


# Names and values of any kind

ODD: dict[str, Any] = {
    "caf\udce9": "caf\udce9",
    "nul\0": "nul\0",
    "\U0010f000": "\U0010effe\U0010f000",
    "emoji": "🙂",
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "big": 10**400,
    "tuple": (1, math.nan, None),
    "mark": {"$float": "none of ours", "$int": [], "$repr": 1, "$array": 1, "$bytes": 2, "$cut": 3},
    "mark 2": {"$int": "12x"},
    "none": None,
    "bytes": b"\xff",
    "nested": {"a": {"b": [math.inf]}},
    "long": "x" * 3000,
    "class": dict,
}


def test_any_name_and_value_survives(folder: Folder, opened: Open) -> None:
    journal = Journal(folder)
    params = {storable(name): value for name, value in ODD.items()}
    strand = journal.strand(storable("n\udce9me\0"), params=params, metrics={storable("m\udce9t"): [math.nan]})
    for name, value in ODD.items():
        from autotrack.values import plain

        journal.add(events.Tagged, strand=strand, name=storable(name), value=plain(value))
        journal.add(events.StrandSummary, strand=strand, values={storable(name): plain(value)})
    journal.end()
    store = opened()
    (run,) = store.runs()
    expected = {
        "caf\\udce9": "caf\\udce9",
        "nul\\x00": "nul\\x00",
        "\U0010f000": "\U0010effe\U0010f000",
        "emoji": "🙂",
        "nan": "NaN",
        "inf": "Infinity",
        "-inf": "-Infinity",
        "big": 10**400,
        "tuple": [1, "NaN", None],
        "mark": ODD["mark"],
        "mark 2": "12x",
        "none": None,
        "bytes": "bytes ff",
        "nested": {"a": {"b": ["Infinity"]}},
        "long": "x" * 2000 + " ... (3000 in all)",
        "class": "builtins.dict",
    }
    assert run["name"] == "n\\udce9me\\x00"
    assert run["params"] == expected
    assert run["tags"] == expected
    assert run["metrics"] == {"m\\udce9t": "NaN"}
    shown = store.run(strand)
    assert {param["name"]: param["value"] for param in shown["params"]} == expected
    assert shown["summary"] == expected
    assert [name for name, *_ in store.points(strand)] == ["m\\udce9t"]
    json.dumps(shown, allow_nan=False).encode()


# The store itself


def test_a_newer_schema_is_refused(folder: Folder, url: str | None, opened: Open) -> None:
    Journal(folder).strand()
    store = opened()
    store._database.execute("UPDATE meta SET value = '99' WHERE key = 'version'")
    with pytest.raises(StoreError, match=r"schema version 99, this autotrack knows \d+: upgrade with pip install -U"):
        open_store(folder, url)


def test_an_older_schema_is_made_again(folder: Folder, opened: Open) -> None:
    journal = Journal(folder)
    journal.strand("kept", metrics={"loss": 1.0})
    journal.end()
    store = opened()
    before = everything(store)
    store._database.execute("UPDATE meta SET value = '1' WHERE key = 'version'")
    store._database.execute("DROP TABLE runs")
    store._database.execute("CREATE TABLE runs (id TEXT)")
    assert everything(opened()) == before


def test_tables_of_something_else_are_left_alone(folder: Folder, postgresql: str, tmp_path: Path) -> None:
    """Others call their tables `runs`, too."""
    import psycopg

    Journal(folder).strand()
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE runs (uuid TEXT)")
    with pytest.raises(StoreError, match="the database holds tables of something else"):
        open_store(folder, f"sqlite:///{path}")
    with psycopg.connect(postgresql, autocommit=True) as connection:
        connection.execute("CREATE TABLE runs (uuid TEXT)")
        with open_store(folder, postgresql) as store:
            store.refresh()
            assert len(store.runs()) == 1
        row = connection.execute("SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public'")
        assert row.fetchone() == (1,)


def test_a_damaged_database_says_what_to_do(folder: Folder) -> None:
    Journal(folder).strand()
    Path(folder.store).write_bytes(b"this is no database, but it is long enough" * 100)
    with pytest.raises(StoreError, match=r"store\.db is damaged \(.*\): move it away and try again"):
        open_store(folder)
    os.rename(folder.store, folder.store + ".old")
    with open_store(folder) as store:
        store.refresh()
        assert len(store.runs()) == 1


def test_a_store_that_is_removed_is_made_again(folder: Folder, opened: Open) -> None:
    """Its live marks are long gone."""
    journal = Journal(folder)
    journal.strand("kept")
    journal.end()
    if os.path.exists(folder.store):
        os.unlink(folder.store)
    with open_store(folder) as store:
        store.refresh()
    os.unlink(folder.store)
    assert os.listdir(folder.live) == []
    assert [run["name"] for run in opened().runs()] == ["kept"]


def test_two_stores_of_one_folder_know_everything(folder: Folder, postgresql: str) -> None:
    """One takes the live mark away; the other is told by the folder, and by what it saw unfinished."""
    with open_store(folder) as one, open_store(folder, postgresql) as other:
        running = Journal(folder, alive=True)
        strand = running.strand("running", status=None)
        assert one.refresh()
        assert other.refresh()
        running.add(events.StrandEnded, strand=strand, status="finished", seconds=1.0)
        running.end()
        ended = Journal(folder)
        ended.strand("short")
        ended.end()
        for store in (one, other):
            assert store.refresh()
            assert {run["name"]: run["status"] for run in store.runs()} == {"running": "finished", "short": "finished"}


@pytest.mark.parametrize("url", ["mysql://host/db", "sqlite://", "nothing", "sqlite:///no/such/folder/store.db"])
def test_bad_urls(folder: Folder, url: str) -> None:
    with pytest.raises(StoreError, match=r"is no store; expected|there is no folder"):
        open_store(folder, url)


def test_a_server_that_is_not_there(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="can't be reached") as refusal:
        open_store(folder, f"postgresql://kim:topsecret@/db?host={tmp_path}")
    assert "topsecret" not in str(refusal.value)
