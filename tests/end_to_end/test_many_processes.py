"""Many processes record into one folder while somebody lists: nothing is lost, nothing twice, nothing damaged."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from autotrack.journal import verify
from autotrack.journal.folder import Folder
from autotrack.store import open_store

PROCESSES, RUNS = 64, 100

PROGRAM = f"""
import sys, time, autotrack
autotrack.enable()
sys.stdin.readline()  # all begin at once
for number in range({RUNS}):
    with autotrack.run("run", process=int(sys.argv[1]), number=number):
        autotrack.log({{"loss": 1 / (number + 1), "process": int(sys.argv[1])}})
    time.sleep(0.03)
"""


def test_64_processes_record_100_runs_each_while_a_reader_lists(tmp_path: Path) -> None:
    root = tmp_path / ".autotrack"
    env = {name: value for name, value in os.environ.items() if not name.startswith("AUTOTRACK_")}
    env |= {"AUTOTRACK_DIR": str(root), "AUTOTRACK_QUIET": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(n)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=env
        )
        for n in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    seen = [0]
    while any(process.poll() is None for process in processes):
        with open_store(Folder(str(root))) as store:
            store.refresh()
            runs = store.runs()
        assert len({run["id"] for run in runs}) == len(runs) >= seen[-1]
        assert {run["status"] for run in runs} <= {"running", "finished"}
        seen.append(len(runs))
    for process in processes:
        assert process.communicate()[1] == b""
        assert process.returncode == 0
    with open_store(Folder(str(root))) as store:
        assert store.refresh()
        runs = store.runs()
        assert (store.messages, store.damaged()) == ([], [])
        assert len({run["id"] for run in runs}) == len(runs) == PROCESSES * RUNS
        assert {run["status"] for run in runs} == {"finished"}
        written = Counter((run["tags"]["process"], run["tags"]["number"]) for run in runs)
        assert written == {(process, number): 1 for process in range(PROCESSES) for number in range(RUNS)}
        for run in runs:
            expected = {"loss": 1 / (run["tags"]["number"] + 1), "process": float(run["tags"]["process"])}
            assert run["metrics"] == expected
        assert {store.job(job)["job"]["status"] for job in {run["job"] for run in runs}} == {"finished"}
        assert verify.verify(Folder(str(root)), None, store.known()) == []
    assert os.listdir(root / "live") == []
    assert any(0 < count < PROCESSES * RUNS for count in seen)  # it was listed meanwhile
