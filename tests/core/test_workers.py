"""What only the workers of a program have recorded: it belongs to the program, and what that was is known."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from autotrack import events
from autotrack.journal.folder import Folder
from autotrack.launch import environment
from autotrack.store import open_store
from autotrack.testing import Recording, run_program

POOL = """
import multiprocessing, os, sys
def shard(number):
    text = open("raw.txt").read()
    with open(f"shard{number}.tmp", "w") as file: file.write(text * number)
    os.replace(f"shard{number}.tmp", f"shard{number}.txt")
if __name__ == "__main__":
    START
"""
STARTS = {
    "fork": "with multiprocessing.get_context('fork').Pool(2) as pool: pool.map(shard, range(4))",
    "spawn": "with multiprocessing.get_context('spawn').Pool(2) as pool: pool.map(shard, range(4))",
    "forkserver": "with multiprocessing.get_context('forkserver').Pool(2) as pool: pool.map(shard, range(4))",
    "executor": "from concurrent.futures import *\n    with ProcessPoolExecutor(2) as p: list(p.map(shard, range(4)))",
    "loky": "import joblib\n    joblib.Parallel(2)(joblib.delayed(shard)(n) for n in range(4))",
    "os.fork": "if os.fork() == 0:\n        for n in range(4): shard(n)\n        os._exit(0)\n    os.wait()",
}


@pytest.mark.parametrize("start", STARTS)
def test_files_of_workers(tmp_path: Path, start: str) -> None:
    (tmp_path / "raw.txt").write_text("raw")
    source = POOL.replace("START", STARTS[start])
    plain = run_program(source, tmp_path, tracked=False)
    done = run_program(source, tmp_path)
    assert (done.returncode, done.stdout) == (plain.returncode, plain.stdout) == (0, "")
    (segment,) = Recording(tmp_path / ".autotrack").segments()
    found = [event for _, event in segment.events(segment.start_cursor())]
    seen = {(Path(e.path).name, e.mode): e.artifact for e in found if isinstance(e, events.ArtifactSeen)}
    assert set(seen) == {("raw.txt", "read"), *((f"shard{number}.txt", "written") for number in range(4))}
    digested = {e.artifact for e in found if isinstance(e, events.ArtifactDigested) and e.digest is not None}
    assert digested == set(seen.values())
    assert not (tmp_path / ".autotrack" / "workers").exists()


def test_files_of_workers_that_train(tmp_path: Path) -> None:
    """They are killed when the pool is left."""
    source = POOL.replace(
        "def shard(number):", "def shard(number):\n    import autotrack; autotrack.log({'n': number})"
    )
    (tmp_path / "raw.txt").write_text("raw")
    assert run_program(source.replace("START", STARTS["fork"]), tmp_path).returncode == 0
    found = Recording(tmp_path / ".autotrack").events()
    seen = {Path(e.path).name for e in found if isinstance(e, events.ArtifactSeen) and e.mode == "written"}
    assert seen == {f"shard{number}.txt" for number in range(4)}


def test_what_workers_of_a_data_loader_read(tmp_path: Path) -> None:
    """Nothing is told of that, epoch after epoch."""
    pytest.importorskip("torch")
    source = """
import os, torch
class Files(torch.utils.data.Dataset):
    def __len__(self): return 8
    def __getitem__(self, number): return len(open(f"{number}.txt").read())
for number in range(8): open(f"{number}.txt", "w").write("x")
for epoch in range(2):
    for batch in torch.utils.data.DataLoader(Files(), num_workers=2): pass
    assert not os.path.exists(".autotrack/workers")
"""
    assert run_program(source, tmp_path).returncode == 0


SPAWNED = """
import multiprocessing, os, pathlib, sys, time
def work(number):
    import autotrack
    autotrack.log({"loss": 1.0})
    while os.environ.get("HANG") and not list(pathlib.Path(".autotrack/objects").glob("known-*")): time.sleep(0.01)
    if os.environ.get("HANG"):
        open("ready", "w").close()
        time.sleep(1000)
if __name__ == "__main__":
    process = multiprocessing.get_context(sys.argv[1]).Process(target=work, args=(0,))
    process.start()
    process.join()
    sys.exit(3)
"""


def job_of(root: Path) -> dict[str, Any]:
    with open_store(Folder(str(root))) as store:
        store.refresh()
        (run,) = store.runs()
        return dict(store.job(run["job"])["job"])


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_program_that_lets_others_train(tmp_path: Path, method: str) -> None:
    (tmp_path / "program.py").write_text(SPAWNED)
    words = [sys.executable, "program.py", method]
    given = environment({name: value for name, value in os.environ.items() if not name.startswith("AUTOTRACK_")})
    done = subprocess.run(words, cwd=tmp_path, env=given, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (3, "")
    job = job_of(tmp_path / ".autotrack")
    assert (job["argv"][1:], job["cwd"], job["name"]) == (words[1:], str(tmp_path), "program.py")
    assert (job["status"], job["exit"]["code"]) == ("failed", 3)
    assert job["packages"]
    assert (job["code"]["program"], job["code"]["files"]) == ("program.py", 1)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_program_that_is_killed_while_others_train(tmp_path: Path, method: str) -> None:
    (tmp_path / "program.py").write_text(SPAWNED)
    words = [sys.executable, "program.py", method]
    given = environment({name: value for name, value in os.environ.items() if not name.startswith("AUTOTRACK_")})
    process = subprocess.Popen(words, cwd=tmp_path, env={**given, "HANG": "1"}, start_new_session=True)
    until = time.monotonic() + 60
    while not (tmp_path / "ready").exists():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    job = job_of(tmp_path / ".autotrack")
    assert (job["argv"][1:], job["cwd"], job["name"]) == (words[1:], str(tmp_path), "program.py")
    assert job["status"] == "killed"
    assert job["packages"]
    assert (job["code"]["program"], job["code"]["files"]) == ("program.py", 1)
