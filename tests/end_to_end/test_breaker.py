"""The circuit breaker: an observer that takes too much of the program's time is switched off, which shows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autotrack.shield import SHARE_FLOOR
from tests.end_to_end.conftest import CommandLine

FRAMEWORK = "__version__ = '1.0'\n\ndef train(rounds):\n    return 2 * rounds\n"
PLUGIN = """
import time
from autotrack import Opening, Patch, hookimpl

@hookimpl
def autotrack_patches():
    yield Patch("slowboost:train", observe=observe, opens=lambda call: Opening("fit", "slowboost.train"))

def observe(call, strand):
    strand.params({"rounds": call["rounds"]}, source="fit")
    until = time.thread_time() + 0.4
    while time.thread_time() < until:
        pass
    yield
"""
PROGRAM = """
import sys
import slowboost
from sklearn.linear_model import Ridge

for rounds in range(8):
    print("rounds", rounds, "made", slowboost.train(rounds))
model = Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
print("predicted", model.predict([[2.0]])[0])
print("the end", file=sys.stderr)
sys.exit(3)
"""
SEEN = 5
"""Calls of 0.4 s after which it has taken more than `shield.SHARE_FLOOR`."""


@pytest.fixture
def slow(cli: CommandLine, tmp_path: Path) -> CommandLine:
    """A folder with the program, and an environment with the framework and its plugin, installed as pip would."""
    packages = tmp_path / "packages"
    about = packages / "slowboost-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "entry_points.txt").write_text("[autotrack.frameworks]\nslowboost = watches_slowboost\n")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: slowboost\nVersion: 1.0\n")
    (packages / "slowboost.py").write_text(FRAMEWORK)
    (packages / "watches_slowboost.py").write_text(PLUGIN)
    cli.env["PYTHONPATH"] = str(packages)
    cli.program(PROGRAM)
    return cli


def test_a_slow_observer_is_switched_off_and_the_rest_recorded(slow: CommandLine) -> None:
    plain = subprocess.run(
        [sys.executable, "train.py"], cwd=slow.folder, env=slow.env, capture_output=True, text=True, check=False
    )
    tracked = slow("run", "train.py", code=plain.returncode)
    assert plain.returncode == 3
    assert tracked.stdout == plain.stdout
    assert [line for line in tracked.stderr.splitlines() if not line.startswith("autotrack: ")] == ["the end"]

    runs = slow.lines("ls")
    assert [run["params"].get("rounds") for run in reversed(runs)] == [*range(SEEN), None]
    assert runs[0]["name"] == "Ridge"

    report = json.loads(slow("doctor", "--json", code=1).stdout)
    (problem,) = report["problems"]
    assert re.fullmatch(r"slowboost:train was switched off: took 2\.\d s of \d+\.\d s, more than 5%", problem)
    (entry,) = (entry for entry in report["receipt"] if entry["patch"] == "slowboost:train")
    assert (entry["attached"], entry["fired"], entry["failed"]) == (True, SEEN, 0)
    assert report["overhead"]["by"]["slowboost:train"] > SHARE_FLOOR

    job = slow.json("show", report["job"]["id"])["job"]
    assert job["exit"]["code"] == 3
    (gap,) = (gap for gap in job["gaps"] if gap["what"] == "slowboost:train")
    assert gap["why"].startswith("not observed any more, since it took 2.")
    shown = slow.terminal("show", report["job"]["id"])
    assert "Not captured" in shown
    assert "slowboost:train" in shown


FAILING = """
from autotrack import Patch, hookimpl

@hookimpl
def autotrack_patches():
    yield Patch("slowboost:train", observe=observe, opens=opens)

def opens(call):
    raise ValueError("caf\\udce9 is no text")

def observe(call, strand):
    yield
"""


def test_one_that_fails_before_anything_is_recorded_leaves_its_gap_too(slow: CommandLine, tmp_path: Path) -> None:
    """Also with what no text can hold in its error."""
    (tmp_path / "packages" / "watches_slowboost.py").write_text(FAILING)
    slow("run", "train.py", code=3)
    job = slow.json("show", slow.lines("ls")[0]["job"])["job"]
    told = [gap["why"] for gap in job["gaps"] if gap["what"] == "slowboost:train"]
    assert len(told) == 1
    assert told[0].startswith("not observed any more, since it failed 5 times in a row")
    (entry,) = (entry for entry in job["receipt"] if entry["patch"] == "slowboost:train")
    assert (entry["off"], entry["failed"]) == (True, 5)
