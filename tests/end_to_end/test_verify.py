"""Faults in a real record, each of which `autotrack verify` must find: in journals, points, models, code, edits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from autotrack.journal.folder import Folder
from autotrack.journal.objects import Objects
from autotrack.journal.points import RECORD
from autotrack.journal.read import read_points
from autotrack.journal.verify import Finding, verify
from autotrack.store import open_store
from tests.end_to_end.conftest import CommandLine

PROGRAM = """
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
import autotrack
from package import inner
LogisticRegression(max_iter=500).fit(*load_iris(return_X_y=True))
with autotrack.run("by hand"):
    for step in range(300):
        autotrack.log({"loss": 1 / (step + 1)}, step=step)
"""


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose program was recorded twice, with edits, all taken in."""
    cli = CommandLine(tmp_path_factory.mktemp("verified"))
    subprocess.run(["git", "init", "-q", "."], cwd=cli.folder, check=True)
    (cli.folder / "package" / "inner").mkdir(parents=True)
    (cli.folder / "package" / "inner" / "__init__.py").write_text("x = 1\n")
    cli.program(PROGRAM)
    cli("run", "train.py")
    (cli.folder / "package" / "inner" / "__init__.py").write_text("x = 2\n")
    cli("run", "train.py")
    for number in range(3):
        cli("tag", "@last", f"note{number}=honest")
    cli("note", "@last", "looked at")
    return cli.folder


@pytest.fixture
def folder(record: Path, tmp_path: Path) -> Folder:
    """A copy of that record, to be damaged."""
    shutil.copytree(record / ".autotrack", tmp_path / ".autotrack")
    return Folder(str(tmp_path / ".autotrack"))


def found(folder: Folder, *jobs: str) -> list[Finding]:
    with open_store(folder) as store:
        return verify(folder, jobs or None, store.known(), store.known_edits())


def paths(folder: Folder, *jobs: str) -> set[str]:
    return {finding.path for finding in found(folder, *jobs)}


def files(folder: str, pattern: str) -> list[Path]:
    return sorted(path for path in Path(folder).rglob(pattern) if path.is_file())


def jobs_of(folder: Folder) -> list[str]:
    """In the order in which they began."""
    with open_store(folder) as store:
        return sorted(os.listdir(folder.journal), key=lambda id: store.job(id)["job"]["started"])


def damages(whole: bytes) -> Iterator[bytes]:
    """The content with a byte flipped at several places, cut, longer, and empty."""
    for at in {0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 2, len(whole) - 1}:
        yield whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :]
    yield whole[: len(whole) // 2]
    yield whole[:-1]
    yield whole + b"\n"
    yield b""


def each_is_found(folder: Folder, path: Path, *others: Path) -> None:
    """Whatever happens to the file, it is found there and nowhere else; and nothing is once it is as it was."""
    whole = path.read_bytes()
    for damaged in damages(whole):
        path.write_bytes(damaged)
        assert paths(folder) == {str(path)}, damaged
    path.unlink()
    assert paths(folder) == {str(path)}
    for other in others:  # something else of the same kind in its place
        shutil.copy(other, path)
        assert paths(folder) == {str(path)}
    path.write_bytes(whole)
    assert found(folder) == []


def test_all_is_as_it_was_written(folder: Folder) -> None:
    assert found(folder) == []
    for job in jobs_of(folder):
        assert found(folder, job) == []


def test_kept_models(folder: Folder) -> None:
    (model,) = files(folder.blobs, "*")  # the same in both jobs
    each_is_found(folder, model, *files(folder.journal, "*.jsonl"))
    model.write_bytes(b"another")
    finding, *more = found(folder, jobs_of(folder)[0])
    assert (finding.path, more) == (str(model), [])
    assert "the model that" in finding.problem
    unnamed = Path(folder.blob("ab" * 32))
    unnamed.parent.mkdir()
    unnamed.write_bytes(b"x")
    assert paths(folder) == {str(model), str(unnamed)}
    assert paths(folder, jobs_of(folder)[0]) == {str(model)}


def test_code(folder: Folder) -> None:
    """Every object, files and folders."""
    objects = Objects(folder.objects)
    names = list(objects.names())
    assert sorted(objects.get(name)[0] for name in names).count("tree") >= 6
    for name, other in zip(names, names[1:] + names[:1], strict=True):
        each_is_found(folder, Path(objects.path(name)), Path(objects.path(other)))


def test_code_that_other_jobs_name(folder: Folder) -> None:
    """A job is asked for by what it names itself, down to the files of folders in folders."""
    objects, (first, second) = Objects(folder.objects), jobs_of(folder)
    (changed,) = (name for name in objects.names() if objects.get(name)[1] == b"x = 2\n")
    os.unlink(objects.path(changed))
    assert paths(folder, first) == set()
    (finding,) = found(folder, second)
    assert finding.path == objects.path(changed)
    assert finding.problem.startswith(f"is gone: the code that {folder.job(second)}")


def test_objects_of_the_right_content_in_another_form(folder: Folder) -> None:
    """A compression by somebody else is no fault; a forged length or kind is one."""
    objects = Objects(folder.objects)
    name = next(iter(objects.names()))
    path = Path(objects.path(name))
    whole = zlib.decompress(path.read_bytes())
    path.write_bytes(zlib.compress(whole, 9))
    assert found(folder) == []
    kind, _, content = whole.partition(b" ")
    for forged in (b"other " + content, kind + b" 1" + content):
        path.write_bytes(zlib.compress(forged))
        assert paths(folder) == {str(path)}


def test_points(folder: Folder) -> None:
    path = files(folder.journal, "*.points")[0]
    whole = path.read_bytes()
    slots = 1 + 300
    for at in (32, 40, 32 * 150 + 3, 32 * slots - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert paths(folder) == {str(path)}, at
    path.write_bytes(whole[: 32 * 10] + whole[32 * 11 : 32 * 12] + whole[32 * 10 : 32 * 11] + whole[32 * 12 :])
    assert paths(folder) == {str(path)}
    path.write_bytes(whole[: 32 * 200])
    assert paths(folder) == {str(path)}
    path.unlink()
    assert paths(folder) == {str(path)}
    path.write_bytes(whole)
    assert found(folder) == []


def lines_are_checked(folder: Folder, path: Path) -> None:
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    for at in range(len(lines) - 1):
        swapped = [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]
        twice = [*lines[: at + 1], *lines[at:]]
        without = [*lines[:at], *lines[at + 1 :]]
        flipped = [*lines[:at], lines[at].replace(b":", b";", 3), *lines[at + 1 :]]
        for changed in (swapped, twice, without, flipped):
            path.write_bytes(b"".join(changed))
            assert paths(folder) == {str(path)}, at
    path.write_bytes(b"".join(lines[:-1]))  # only what was taken in tells
    assert paths(folder) == {str(path)}
    path.write_bytes(whole[:-3])
    assert paths(folder) == {str(path)}
    path.unlink()
    assert paths(folder) == {str(path)}
    path.write_bytes(whole)
    assert found(folder) == []


def test_journals_that_were_taken_in(folder: Folder) -> None:
    lines_are_checked(folder, files(folder.journal, "*.jsonl")[0])


def test_edits_by_people(folder: Folder) -> None:
    (path,) = files(folder.edits, "*.jsonl")
    lines_are_checked(folder, path)
    other = path.with_name("someone-else.jsonl")
    shutil.copy(path, other)
    assert paths(folder) == {str(other)}


def test_a_stray_file_among_edits(folder: Folder) -> None:
    """As tools leave that keep folders the same: it is told of as long as it is there."""
    (path,) = files(folder.edits, "*.jsonl")
    other = path.with_name(f"{path.stem} (copy).jsonl")
    shutil.copy(path, other)
    with open_store(folder) as store:
        store.refresh()
    assert paths(folder) == {str(other)}
    other.unlink()
    assert found(folder) == []


def test_whole_jobs(folder: Folder) -> None:
    first, second = jobs_of(folder)
    shutil.rmtree(folder.job(first))
    assert paths(folder) == {folder.job(first)}
    assert [path for path in paths(folder, first) if path.startswith(folder.job(first))]
    assert found(folder, second) == []


def test_the_command(folder: Folder) -> None:
    cli = CommandLine(Path(folder.root).parent)
    assert "2 jobs: all as written" in cli("verify").stdout
    objects = Objects(folder.objects)
    name = next(iter(objects.names()))
    os.unlink(objects.path(name))
    assert objects.path(name) in cli("verify", code=1).stdout


POINTS = """
import autotrack
with autotrack.run("by hand"):
    for step in range(300):
        autotrack.log({"loss": 1 / (step + 1)}, step=step)
"""
LATE = """
import atexit
atexit.register(lambda: autotrack.log({"loss": 5.0}, step=99))  # comes last
import autotrack
autotrack.enable()
for step in range(3):
    autotrack.log({"loss": float(step)}, step=step)
"""


def added(path: Path, slots: int, when: float | None = None) -> None:
    """A point more, after so many slots, made of the last one; `when`: with another time."""
    whole = bytearray(path.read_bytes()[: slots * RECORD.size])
    _, moment, step, flags, series = RECORD.unpack(whole[-RECORD.size :])
    path.write_bytes(whole + RECORD.pack(-99.0, moment if when is None else when, step + 1, flags, series))


def slots_of(path: Path) -> int:
    return read_points(str(path)).slots


def test_points_that_were_added_after_the_end_are_found(cli: CommandLine) -> None:
    cli.program(POINTS)
    cli("run", "train.py")
    assert cli("verify").returncode == 0
    (path,) = files(str(cli.folder / ".autotrack" / "journal"), "*.points")
    slots = slots_of(path)
    honest = path.read_bytes()
    for when in (None, 1.0, time.time() + 1.0, time.time() + 86_400.0):
        added(path, slots, when)
        done = cli("verify", code=1)
        assert f"{path}" in done.stdout, when
        path.write_bytes(honest)
    # Nor are they taken in, where nothing is known but the journal.
    added(path, slots)
    cli("gc", "--rebuild", code=None)
    run = cli.json("show", "@last")
    assert run["metrics"]["loss"]["count"] == 300
    assert run["metrics"]["loss"]["min"] == pytest.approx(1 / 300)
    assert "after the program had ended" in cli("verify", code=1).stdout


def test_points_of_the_last_moments_are_as_they_were_written(cli: CommandLine) -> None:
    cli.program(LATE)
    subprocess.run([sys.executable, "train.py"], cwd=cli.folder, env=cli.env, check=True, capture_output=True)
    (path,) = files(str(cli.folder / ".autotrack" / "journal"), "*.points")
    assert slots_of(path) == 5
    for _ in range(2):
        assert "all as written" in cli("verify").stdout
        run = cli.json("show", "@last")
        assert run["metrics"]["loss"]["count"] == 4
        cli("gc", "--rebuild")


def test_points_of_a_killed_program(cli: CommandLine) -> None:
    cli.program(POINTS + "import os\nos.kill(os.getpid(), 9)\n")
    cli("run", "train.py", code=None)
    (path,) = files(str(cli.folder / ".autotrack" / "journal"), "*.points")
    slots = slots_of(path)
    assert slots == 301
    assert "all as written" in cli("verify").stdout
    added(path, slots)
    assert "were not there when it was taken in" in cli("verify", code=1).stdout
    added(path, slots, time.time() + 3600.0)
    assert "without a seal" in cli("verify", code=1).stdout
