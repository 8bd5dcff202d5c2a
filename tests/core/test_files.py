"""The files that a program reads and writes: which, with what content, and which are none of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from blake3 import blake3

from autotrack import events
from autotrack.testing import Recording, run_program

ENV = {"AUTOTRACK_STRICT": "1", "TMPDIR": "/nowhere"}  # pytest's own folders are temporary ones


def files(folder: Path) -> dict[tuple[str, str], events.ArtifactDigested | None]:
    """(name, mode) to what was digested."""
    seen: dict[tuple[str, int], tuple[str, str]] = {}
    found: dict[tuple[str, str], events.ArtifactDigested | None] = {}
    for segment in Recording(folder / ".autotrack").segments():
        for _, event in segment.events(segment.start_cursor()):
            if isinstance(event, events.ArtifactSeen):
                key = os.path.relpath(event.path, folder), event.mode
                seen[segment.name, event.artifact] = key
                found[key] = None
            elif isinstance(event, events.ArtifactDigested):
                found[seen[segment.name, event.artifact]] = event
    return found


def digest(content: bytes) -> str:
    return f"blake3:{blake3(content).hexdigest()}"


def digests(folder: Path) -> dict[tuple[str, str], str | None]:
    return {key: event.digest if event is not None else None for key, event in files(folder).items()}


WRITERS = {
    "open": "open('out', 'w').write('content')",
    "binary": "f = open('out', 'wb')\nf.write(b'content'); f.close()",
    "path": "import pathlib; pathlib.Path('out').write_text('content')",
    "exclusive": "open('out', mode='x').write('content')",
    "renamed": "import os\nopen('beside', 'w').write('content'); os.replace('beside', 'out')",
    "moved": "import shutil\nopen('beside', 'w').write('content'); shutil.move('beside', 'out')",
    "copied": "import shutil, pathlib\npathlib.Path('in').write_text('content'); shutil.copy('in', 'out')",
    "elsewhere": "import os; os.mkdir('sub'); os.chdir('sub'); open('../out', 'w').write('content')",
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_that_is_written(name: str, tmp_path: Path) -> None:
    done = run_program(WRITERS[name], tmp_path, env=ENV)
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path)["out", "written"] == digest(b"content")
    assert ("beside", "written") not in files(tmp_path)


def test_a_file_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    run_program("print(open('data.csv').read())", tmp_path, env=ENV)
    assert digests(tmp_path) == {("data.csv", "read"): digest(b"a,b\n1,2\n")}


def test_a_file_that_is_read_and_then_written_to(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("before")
    source = "text = open('data').read()\nopen('data', 'w').write('after')"
    run_program(source, tmp_path, env=ENV)
    found = files(tmp_path)
    read = found["data", "read"]
    assert read is not None
    assert (read.digest, read.why) == (None, "it was written to after it was read")
    assert digests(tmp_path)["data", "written"] == digest(b"after")


def test_a_csv_becomes_parquet(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("x,y\n1,2\n")
    run_program("import pandas\npandas.read_csv('in.csv').to_parquet('out.parquet')", tmp_path, env=ENV)
    assert digests(tmp_path) == {
        ("in.csv", "read"): digest(b"x,y\n1,2\n"),
        ("out.parquet", "written"): digest((tmp_path / "out.parquet").read_bytes()),
    }


NATIVE = {
    "pandas": "import pandas\npandas.read_parquet('in.parquet').to_feather('out')",
    "polars": "import polars\npolars.read_parquet('in.parquet').write_ipc('out')",
    "polars, lazily": "import polars\npolars.scan_parquet('in.parquet').collect().write_csv('out')",
    "Arrow": "import pyarrow.parquet as pq\npq.write_table(pq.read_table('in.parquet'), 'out')",
    "Arrow, in parts": """
import pyarrow.parquet as pq
table = pq.ParquetFile('in.parquet').read()
with pq.ParquetWriter('out', table.schema) as writer: writer.write_table(table)""",
}


@pytest.mark.parametrize("name", NATIVE)
def test_readers_that_open_their_files_themselves(name: str, tmp_path: Path) -> None:
    import polars

    polars.DataFrame({"a": [1]}).write_parquet(tmp_path / "in.parquet")
    done = run_program(NATIVE[name], tmp_path, env=ENV)
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path) == {
        ("in.parquet", "read"): digest((tmp_path / "in.parquet").read_bytes()),
        ("out", "written"): digest((tmp_path / "out").read_bytes()),
    }


def test_many_files_of_a_folder_are_one_manifest(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in range(80):
        (tmp_path / "images" / f"{number}.png").write_text(str(number))
    source = "for i in range(80): open(f'images/{i}.png').read()"
    run_program(source, tmp_path, env=ENV)
    found = files(tmp_path)
    assert found.keys() == {("images", "read")}
    first = found["images", "read"]
    assert first is not None
    assert (first.why, first.bytes) == ("80 files", 10 + 70 * 2)
    (tmp_path / "images" / "7.png").write_text("8")
    shutil.rmtree(tmp_path / ".autotrack")
    run_program(source, tmp_path, env=ENV)
    assert digests(tmp_path)["images", "read"] != first.digest


@pytest.mark.parametrize(
    "source",
    [
        "pass",
        "import json, sklearn.linear_model",
        "open('.hidden', 'w').write('x')",
        "import os; os.mkdir('.cache'); open('.cache/x', 'w').write('x')",
        "open('gone', 'w').write('x'); import os; os.remove('gone')",
        "import tempfile\nwith tempfile.NamedTemporaryFile() as f: f.write(b'x')",
        "open('setup.cfg').read()",
        "open('program.py').read()",
        "try: open('missing')\nexcept FileNotFoundError as error: assert error.filename == 'missing'",
        "open('/proc/self/status').read(); open('/dev/null', 'w').write('x')",
        "import os; r, w = os.pipe(); open(w, 'w').close(); open(r).read()",
    ],
)
def test_what_leaves_nothing(source: str, tmp_path: Path) -> None:
    (tmp_path / "setup.cfg").write_text("[x]")
    done = run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1"})
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / ".autotrack").exists()


def test_open_is_as_it_was(tmp_path: Path) -> None:
    source = """
import copy, inspect, io, os, pickle, builtins
print(open.__name__, inspect.signature(open), pickle.loads(pickle.dumps(open)) is open, io.open is open)
for wrong in ((), ('missing',), (3.5,), ('x', 'what')):
    try: open(*wrong)
    except Exception as error: print(type(error).__name__, error)
with open('a', 'w', encoding='utf-8') as file: print(file.name, file.mode, file.encoding)
print(os.replace('a', 'b'), os.path.exists('b'), os.rename(src='b', dst='c'))
"""
    outputs = [run_program(source, tmp_path, tracked=tracked, env=ENV) for tracked in (False, True)]
    assert outputs[1].stdout == outputs[0].stdout
    assert outputs[1].stderr == outputs[0].stderr
    assert "FileNotFoundError" in outputs[0].stdout


def test_functions_that_others_hold(tmp_path: Path) -> None:
    source = """
import multiprocessing, os, pickle
class Holds:
    _open, move = open, os.replace
with Holds()._open('a', 'w') as file: file.write('x')
Holds().move('a', 'b')
if __name__ == '__main__':
    with multiprocessing.get_context('fork').Pool(1) as pool: pool.starmap(os.rename, [('b', 'c')])
    print(os.path.exists('c'), pickle.loads(pickle.dumps(os.rename)) is os.rename, repr(open))
class Path:
    calls = 0
    def __fspath__(self):
        self.calls += 1
        return 'c'
path = Path()
print(open(path).read(), path.calls)
"""
    outputs = [run_program(source, tmp_path, tracked=tracked, env=ENV) for tracked in (False, True)]
    assert outputs[1].stdout == outputs[0].stdout == "True True <built-in function open>\nx 1\n"
    assert outputs[1].stderr == outputs[0].stderr == ""


def test_a_file_that_is_read_and_replaced_by_an_older_one(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("other")
    os.utime(tmp_path / "other", (1, 1))
    (tmp_path / "in").write_text("in")
    (tmp_path / "raw").write_text("raw")
    source = "import os\nopen('in').read(); os.replace('other', 'in')\nopen('raw').read(); os.rename('raw', 'done')"
    run_program(source, tmp_path, env=ENV)
    found = files(tmp_path)
    read = found["in", "read"]
    assert read is not None
    assert read.digest is None
    assert "written to" in read.why
    read = found["raw", "read"]  # which is still there, under another name
    assert read is not None
    assert read.digest == digest(b"raw")


def test_the_digest_of_a_large_file_is_kept_for_the_next(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(17 << 20))
    run_program("open('large').close()", tmp_path, env=ENV)
    (kept,) = (tmp_path / ".autotrack" / "digests").iterdir()
    assert kept.read_text() == digest(bytes(17 << 20))
    kept.write_text("blake3:known")
    run_program("open('large').close()", tmp_path, env=ENV)
    assert digests(tmp_path)["large", "read"] in ("blake3:known", digest(bytes(17 << 20)))
    os.utime(tmp_path / "large")
    run_program("open('large').close()", tmp_path, env=ENV)
    assert len(list((tmp_path / ".autotrack" / "digests").iterdir())) == 2


STILL_OPEN = {
    "by the program": """
late = open("late.txt", "w")
late.write("late")
other = open("other.txt", "w")
other.write("held twice")
held = [other]
""",
    "by a thread": """
import os, threading
os.mkfifo("pipe")
ready, forever = threading.Event(), threading.Event()
def write():
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    pipe, log = open("pipe", "w"), open("log.txt", "w")
    os.set_blocking(pipe.fileno(), True)
    os.write(pipe.fileno(), b"x" * 65536)
    pipe.write("more than the pipe holds")
    log.write("never written")
    ready.set()
    forever.wait()
threading.Thread(target=write, daemon=True).start()
ready.wait()
other = open("other.txt", "w")
other.write("not written either")
""",
}


@pytest.mark.parametrize("held", STILL_OPEN)
def test_files_that_are_still_open_at_the_end(tmp_path: Path, held: str) -> None:
    """What the interpreter writes when it ends is on record; nothing else is written, and nothing waited for."""
    contents = []
    for tracked in (False, True):
        folder = tmp_path / str(tracked)
        folder.mkdir()
        done = run_program(STILL_OPEN[held], folder, tracked=tracked, timeout=60)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        contents.append({path.name: path.read_bytes() for path in folder.glob("*.txt")})
    assert contents[0] == contents[1]
    found = Recording(tmp_path / "True" / ".autotrack").events()
    seen = {event.artifact: Path(event.path).name for event in found if isinstance(event, events.ArtifactSeen)}
    told = {seen[e.artifact]: (e.digest, e.why) for e in found if isinstance(e, events.ArtifactDigested)}
    if held == "by the program":
        assert contents[1]["late.txt"] == b"late"
        assert told.pop("late.txt")[0] == f"blake3:{blake3(b'late').hexdigest()}"
    assert "other.txt" in told
    assert {why for _, why in told.values()} == {"it was still open when the program ended"}
