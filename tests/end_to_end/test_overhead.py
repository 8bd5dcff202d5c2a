"""What recording has taken, as `autotrack show --overhead` says it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from tests.end_to_end.conftest import CommandLine

FIT = "sklearn.base:BaseEstimator.fit"
PROGRAM = """
from sklearn.linear_model import Ridge

for alpha in range(1, 4):
    Ridge(alpha).fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 2.0])
"""
FORKING = """
import os
from sklearn.linear_model import Ridge

for _ in range(5):
    Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
for child in range(4):
    if os.fork() == 0:
        Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
        if child:
            raise SystemExit
        os.kill(os.getpid(), 9)
    os.wait()
"""
ENDLESS = """
import autotrack.recorder, autotrack.tracking

autotrack.recorder.PERIOD = autotrack.tracking.FIRST_RECEIPT = 0.05
autotrack.enable()
from sklearn.linear_model import Ridge

while True:
    Ridge().fit([[0.0], [1.0]], [0.0, 1.0])
"""


def test_it_is_said_by_patch(cli: CommandLine) -> None:
    cli.program(PROGRAM)
    cli("run", "train.py")
    told = cli.json("show", "--overhead")
    by = {entry.pop("patch"): entry for entry in told["by"]}
    assert by[FIT]["calls"] == 3
    assert 0 < by[FIT]["seconds"] < told["seconds"] < told["duration"]
    assert {"autotrack.enable", "plugin of sklearn"} < set(by)
    assert sum(entry["seconds"] for entry in by.values()) == told["seconds"]
    assert 0 < told["background"] < told["duration"]
    assert 0 < told["end"] < told["duration"]
    journal = cli.folder / ".autotrack" / "journal" / told["job"]
    assert 0 < told["bytes"] <= sum(path.stat().st_size for path in journal.iterdir()) + 65_536  # which was allocated

    assert cli.json("show", told["job"], "--overhead")["bytes"] == told["bytes"]
    heading, *rows = (line.split("\t") for line in cli("show", "--overhead").stdout.splitlines())
    assert heading == ["patch", "seconds", "calls", "µs a call", "off"]
    assert [(row[0], row[2]) for row in rows if row[0] == FIT] == [(FIT, "3")]
    shown = cli.terminal("show", "--overhead")
    assert "of the program's threads" in shown
    assert FIT in shown


def test_a_killed_program_has_told_by_then(cli: CommandLine) -> None:
    """Which patches there were and what they took is written while it goes on."""
    cli.program(ENDLESS)
    with subprocess.Popen([sys.executable, "train.py"], cwd=cli.folder, env=cli.env) as program:
        try:
            while not cli("ls", "--json").stdout or not cli.json("show", "--overhead")["by"]:
                assert program.poll() is None
        finally:
            os.kill(program.pid, signal.SIGKILL)
    told = cli.json("show", "--overhead")
    assert told["end"] is None
    (entry,) = (entry for entry in told["by"] if entry["patch"] == FIT)
    assert entry["calls"] > 0
    assert "waited" not in cli.terminal("show", "--overhead")


def test_nothing_is_known_of_one_that_was_killed_at_once(cli: CommandLine) -> None:
    cli.program("import os, autotrack\nautotrack.enable()\nautotrack.log({'loss': 1.0})\nos.kill(os.getpid(), 9)\n")
    cli("run", "train.py", code=None)
    assert "Nothing is known" in cli.terminal("show", "--overhead")
    told = cli.json("show", "--overhead")
    assert (told["by"], told["seconds"], told["background"], told["bytes"]) == ([], None, None, None)
    assert "Nothing is known" in cli("show", "--overhead").stderr


def test_processes_tell_what_is_their_own(cli: CommandLine) -> None:
    """What a parent has done is not done again by the children that it forks; of who was killed nothing is known."""
    cli.program(FORKING)
    cli("run", "train.py")
    told = cli.json("show", "--overhead")
    (entry,) = (entry for entry in told["by"] if entry["patch"] == FIT)
    assert entry["calls"] == 5 + 3
    assert (told["processes"], told["unknown"]) == (5, 1)
    shown = cli.terminal("show", "--overhead")
    assert "of 5 processes" in shown
    assert "Nothing is known of 1 process" in shown
