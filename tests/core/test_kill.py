"""`kill -9` at random instants: no point that was acknowledged is missing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autotrack.journal.folder import Folder
from autotrack.journal.verify import verify
from autotrack.testing import Recording

KILLS = 200

SERVER = """
import json, os, random, select, signal, struct, sys, threading, time
import autotrack, autotrack.manual, autotrack.identity.data, autotrack.identity.models, autotrack.journal.points

root, how, kills = sys.argv[1], sys.argv[2], int(sys.argv[3])
chance = random.Random(20)
ACK = struct.Struct("<BxxxI")


def acknowledge(out, name, step):
    os.write(out, ACK.pack(name, step))  # less than PIPE_BUF: whole or not at all


def log(out):
    step = 0
    while True:
        step += 1
        autotrack.log({"0": step * 0.5}, step=step)
        acknowledge(out, 0, step)


def record(out, name=0):
    from autotrack import context
    from autotrack.strand import Strand

    series = Strand(context.Current.job, framework="", kind="run", name="r").series(str(name))
    series_record, step = series.record, 0
    while True:
        step += 1
        series_record(step, step * 0.5)
        acknowledge(out, name, step)


def threads(out):
    for name in range(3):
        threading.Thread(target=record, args=(out, name), daemon=True).start()
    threading.Event().wait()


def child(out):
    autotrack.enable(dir=root, quiet=True, strict=True)
    {"log": log, "record": record, "threads": threads}[how](out)


results = []
for number in range(kills):
    source, sink = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(source)
        child(sink)
    os.close(sink)
    end = time.monotonic() + chance.random() ** 2 * 0.12
    acknowledged, rest = {}, b""

    def take():
        global rest
        rest += os.read(source, 1 << 16)
        whole = len(rest) - len(rest) % ACK.size
        for name, step in ACK.iter_unpack(rest[:whole]):
            acknowledged[name] = step
        rest = rest[whole:]

    while (left := end - time.monotonic()) > 0 and select.select([source], [], [], left)[0]:
        take()
    os.kill(pid, signal.SIGKILL)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    while select.select([source], [], [], 0)[0]:
        before = len(rest), dict(acknowledged)
        take()
        if (len(rest), acknowledged) == before:
            break
    os.close(source)
    results.append((pid, acknowledged))
json.dump(results, sys.stdout)
"""


def recorded_steps(recording: Recording) -> dict[int, dict[str, Any]]:
    """Process to series to (steps, values)."""
    found: dict[int, dict[str, Any]] = defaultdict(dict)
    for segment in recording.segments():
        first = segment.header()
        if first is None:
            continue
        numbers = {e.series: e.name for _, e in segment.events(segment.start_cursor()) if hasattr(e, "series")}
        records = segment.read_points().records
        for number, name in numbers.items():
            of_series = records[records["series"] == number]
            found[first.pid][name] = of_series["step"], of_series["value"]
    return found


@pytest.mark.parametrize(("how", "kills"), [("log", KILLS), ("record", KILLS), ("threads", 50)])
def test_no_acknowledged_point_is_missing(tmp_path: Path, how: str, kills: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVER, str(tmp_path / "rec"), how, str(kills)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = recorded_steps(Recording(tmp_path / "rec"))
    acknowledged = 0
    for pid, series in json.loads(done.stdout):
        for name, last in series.items():
            steps, values = found[pid][name]
            assert len(steps) >= last, f"{last} points of process {pid} were acknowledged, {len(steps)} are there"
            assert np.array_equal(steps, np.arange(1, len(steps) + 1))
            assert np.array_equal(values, steps * 0.5)
            acknowledged += last
    assert acknowledged > 10 * kills
    assert verify(Folder(str(tmp_path / "rec"))) == []
