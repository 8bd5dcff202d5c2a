"""Files that the program has locked are read beside it without losing it its locks."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import pytest

from autotrack.testing import run_program

TRY = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    connection.execute("begin immediate")
    print("written")
except sqlite3.OperationalError as error:
    print(error)
"""
LOCK = """
import fcntl, sys
with open(sys.argv[1], "r+b") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        print("locked")
    except OSError:
        print("refused")
"""
WAIT = """
def recorded(count):
    from autotrack import events
    from pathlib import Path
    from autotrack.testing import Recording
    while sum(type(e) is events.ArtifactDigested for e in Recording(Path(".autotrack")).events()) < count:
        pass

def other(source, path):
    import subprocess, sys
    done = subprocess.run([sys.executable, "-S", "-c", source, path], capture_output=True, text=True)
    return done.stdout.strip() or done.stderr
"""
ENV = {"AUTOTRACK_STRICT": "1", "TMPDIR": "/nowhere"}


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_a_database_stays_locked_while_it_is_digested(tmp_path: Path) -> None:
    source = f"""{WAIT}
import autotrack, os, sqlite3
made = sqlite3.connect("x.db")
made.execute("create table t(a)")
made.close()
os.utime("x.db", (0, 0))
autotrack.log({{"a": 1.0}})
connection = sqlite3.connect("x.db", isolation_level=None)
connection.execute("begin exclusive")
connection.execute("insert into t values(1)")
recorded(1)
print(other({TRY!r}, "x.db"))
connection.execute("commit")
print(connection.execute("select * from t").fetchall())
"""
    done = run_program(source, tmp_path, env=ENV)
    assert done.stdout.splitlines() == ["database is locked", "[(1,)]"], done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_a_file_that_is_locked_stays_so_and_is_let_go_with_the_programs_own_handle(tmp_path: Path) -> None:
    source = f"""{WAIT}
import fcntl, os
from autotrack import handles
from autotrack.identity.files import digest_file
open("x", "w").write("1")
file = os.open("x", os.O_RDWR)
fcntl.lockf(file, fcntl.LOCK_EX)
first = digest_file("x")
handles.let_go()
print(other({LOCK!r}, "x"), digest_file("x") == first)
os.close(file)
handles.let_go()
print(other({LOCK!r}, "x"))
"""
    done = run_program(source, tmp_path, env=ENV)
    assert done.stdout.splitlines() == ["refused True", "locked"], done.stderr


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the handles of a process are listed elsewhere")
@pytest.mark.parametrize("locks", ["asked of each file", "listed", "not told"])
def test_only_what_may_be_locked_is_kept(tmp_path: Path, locks: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is locked, where the system tells of locks, else what the program has open."""
    import fcntl

    from autotrack import handles
    from autotrack.identity.files import digest_file

    for number in range(100):
        (tmp_path / str(number)).write_text(str(number))
    monkeypatch.setattr(handles, "_TELLS", locks == "asked of each file")
    if locks == "not told":
        monkeypatch.setattr(handles, "_LOCKS", "/proc/none")
    with (tmp_path / "7").open("r+b") as file, (tmp_path / "8").open("rb"):
        fcntl.lockf(file, fcntl.LOCK_EX)
        for number in range(100):
            digest_file(str(tmp_path / str(number)))
        handles.let_go()
        assert len(ours(tmp_path)) == 2 + (2 if locks == "not told" else 1)
    handles.let_go()
    assert ours(tmp_path) == []


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="the handles of a process are listed elsewhere")
def test_numbers_that_the_program_uses_again(tmp_path: Path) -> None:
    """It closes all handles, ours too, and opens files of its own; and it has closed a standard stream."""
    source = """
import os, sys
from autotrack import handles
from autotrack.identity.files import digest_file
for name in "ab": open(name, "w").write(name)
held = open("a")
digest_file("a")
handles.let_go()
os.closerange(3, 100)
mine = [os.open("b", os.O_RDONLY) for _ in range(8)]
print(digest_file("a") != digest_file("b"))
handles.let_go()
print(all(os.fstat(number) for number in mine))
os.close(0)
digest_file("a")
print(os.open("b", os.O_RDONLY))
"""
    done = run_program(source, tmp_path, env=ENV)
    assert done.stdout.splitlines() == ["True", "True", "0"], done.stderr


def ours(folder: Path) -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return [path for path in found if path.startswith(str(folder))]
