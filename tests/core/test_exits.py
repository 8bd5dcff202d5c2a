"""However a program ends: it ends as without us, and the record says how."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autotrack import events
from autotrack.journal.folder import Folder
from autotrack.launch import environment
from autotrack.store import open_store
from autotrack.testing import Recording, run_program

BEGIN = """
import atexit, os, signal, sys, threading, time
if {tracked}:
    import autotrack
    autotrack.log({{"loss": 1.0}})
"""
QUIET = {"AUTOTRACK_QUIET": "1", "AUTOTRACK_STRICT": "0"}
"""Not strict: what the program's own `str` and handlers raise is contained."""


def ends(ending: str, folder: Path) -> tuple[Any, Any, Recording]:
    outcomes = []
    for tracked in (False, True):
        done = run_program(BEGIN.format(tracked=tracked) + ending, folder, tracked=tracked, env=QUIET)
        outcomes.append((done.returncode, done.stdout, done.stderr.replace(str(folder), "")))
    return outcomes[0], outcomes[1], Recording(folder / ".autotrack")


ENDINGS = [
    ("pass", 0, "end"),
    ("sys.exit(0)", 0, "sys.exit"),
    ("sys.exit()", 0, "sys.exit"),
    ("sys.exit(None)", 0, "sys.exit"),
    ("sys.exit(3)", 3, "sys.exit"),
    ("sys.exit(300)", 44, "sys.exit"),
    ("sys.exit(True)", 1, "sys.exit"),
    ("sys.exit('a text')", 1, "sys.exit"),
    ("sys.exit([1])", 1, "sys.exit"),
    ("exit(4)", 4, "sys.exit"),
    ("quit()", 0, "sys.exit"),
    ("try:\n    sys.exit(3)\nexcept SystemExit:\n    pass", 0, "end"),
    ("try:\n    sys.exit(3)\nfinally:\n    autotrack = None", 3, "sys.exit"),
    ("raise SystemExit(5)", None, "SystemExit"),
    ("from sys import exit as leave\nleave(6)", 6, "sys.exit"),
    ("class Program:\n    leave = sys.exit\nProgram().leave(5)", 5, "sys.exit"),
    ("1 / 0", 1, "exception"),
    ("raise BaseException('odd')", 1, "exception"),
    ("class Odd(Exception):\n    def __str__(self): raise ValueError\nraise Odd", 1, "exception"),
    ("def end():\n    sys.exit(7)\nt = threading.Thread(target=end)\nt.start()\nt.join()", 0, "end"),
    ("def end():\n    1 / 0\nt = threading.Thread(target=end)\nt.start()\nt.join()", 0, "end"),
    ("atexit.register(print, 'bye')\nsys.exit(8)", 8, "sys.exit"),
    ("sys.excepthook = lambda *_: print('mine')\n1 / 0", 1, "exception"),
    ("import argparse\nargparse.ArgumentParser().parse_args(['--what'])", 2, "sys.exit"),
    ("t = threading.Thread(target=lambda: time.sleep(0.1))\nt.start()\nsys.exit(9)", 9, "sys.exit"),
    ("import autotrack\nwith autotrack.run('r'):\n    sys.exit(10)", 10, "sys.exit"),
    ("import multiprocessing\nsys.exit(11)", 11, "sys.exit"),
]


@pytest.mark.parametrize(("ending", "code", "how"), ENDINGS, ids=[ending for ending, *_ in ENDINGS])
def test_exit_code_and_streams(tmp_path: Path, ending: str, code: int | None, how: str) -> None:
    plain, tracked, recording = ends(ending, tmp_path)
    assert tracked == plain
    (ended,) = [event for event in recording.events() if isinstance(event, events.JobEnded)]
    assert (ended.code, ended.how) == (code, how)
    if code is not None:
        assert plain[0] == code
    assert (ended.failure is not None) == (how == "exception")


def test_keyboard_interrupt(tmp_path: Path) -> None:
    plain, tracked, recording = ends("os.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)", tmp_path)
    assert tracked == plain
    assert plain[0] == -signal.SIGINT
    (ended,) = [event for event in recording.events() if isinstance(event, events.JobEnded)]
    assert (ended.code, ended.how) == (130, "exception")
    assert recording.strands()[0].status == "interrupted"


@pytest.mark.parametrize("ending", ["os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(5)", "os._exit(5)", "os.abort()"])
def test_ends_that_nobody_sees(tmp_path: Path, ending: str) -> None:
    plain, tracked, recording = ends(ending, tmp_path)
    assert tracked == plain
    assert not [event for event in recording.events() if isinstance(event, events.JobEnded)]
    (segment,) = recording.segments()
    assert not segment.owner_alive(None)
    assert recording.strands()[0].points == {"loss": [(0, 1.0)]}


@pytest.mark.parametrize(
    ("ending", "status"),
    [("pass", "finished"), ("sys.exit(0)", "finished"), ("sys.exit(2)", "failed"), ("1 / 0", "failed")],
)
def test_what_was_logged_outside_of_any_run_ends_as_the_program(tmp_path: Path, ending: str, status: str) -> None:
    _, _, recording = ends(ending, tmp_path)
    assert recording.strands()[0].status == status


@pytest.mark.parametrize(
    ("ending", "status"),
    [("sys.exit(0)", "finished"), ("sys.exit('why')", "failed"), ("1 / 0", "failed"), ("pass", "finished")],
)
def test_a_run_ends_with_its_block(tmp_path: Path, ending: str, status: str) -> None:
    run_program(f"import autotrack, sys\nwith autotrack.run('r'):\n    {ending}", tmp_path, env=QUIET)
    assert Recording(tmp_path / ".autotrack").strands()[0].status == status


def test_modules_and_strings_are_programs_too(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("import autotrack, sys\nautotrack.log({'loss': 1.0})\nsys.exit(3)")
    for arguments in (["-m", "program"], ["-c", (tmp_path / "program.py").read_text()]):
        env = {**os.environ, **QUIET, "AUTOTRACK_DIR": str(tmp_path / arguments[0][1:])}
        done = subprocess.run([sys.executable, *arguments], cwd=tmp_path, env=environment(env), check=False)
        assert done.returncode == 3
        recording = Recording(tmp_path / arguments[0][1:])
        (ended,) = [event for event in recording.events() if isinstance(event, events.JobEnded)]
        assert (ended.code, ended.how) == (3, "sys.exit")


def test_finalizers_run_in_the_same_order(tmp_path: Path) -> None:
    source = """
import weakref
class Object:
    def __init__(self, name): self.name = name
    def __del__(self): print("del", self.name)
atexit.register(print, "atexit 1")
kept, gone, cycle = Object("kept"), Object("gone"), Object("cycle")
cycle.me = cycle
weakref.finalize(kept, print, "finalize kept")
weakref.finalize(gone, print, "finalize gone")
atexit.register(print, "atexit 2")
del gone
def function():
    local = Object("local")
    sys.exit(1)
function()
"""
    plain, tracked, _ = ends(source, tmp_path)
    assert tracked == plain
    assert "del kept" in plain[1]


def test_what_the_recorder_does_not_come_away_from(tmp_path: Path) -> None:
    """A file system that hangs: what it holds up, and what waits behind it, is named."""
    named = ["a file that hangs", "one more", "one in a while"]
    source = """
from autotrack.context import Current
begun, recorder = threading.Event(), Current.job.recorder
def hang():
    begun.set()
    threading.Event().wait()
recorder.later("a file that hangs", hang)
begun.wait()
recorder.later("one more", print)
recorder.soon("one in a while", print, 60)
"""
    done = run_program(BEGIN.format(tracked=True) + source, tmp_path, env={**QUIET, "AUTOTRACK_EXIT_TIMEOUT": "0.2"})
    assert (done.returncode, done.stdout) == (0, "")
    with open_store(Folder(str(tmp_path / ".autotrack"))) as store:
        store.refresh()
        gaps = {gap["what"]: gap["why"] for gap in store.job(store.runs()[0]["job"])["job"]["gaps"]}
    assert [what for what in gaps if what in named] == named
    assert "not finished when the process ended" in gaps["one more"]


def test_stderr_that_can_not_be_written(tmp_path: Path) -> None:
    """Our line, left in the stream's buffer, would make the interpreter exit with 120."""
    (tmp_path / "program.py").write_text("import autotrack\nautotrack.log({'loss': 1.0})\nprint('done')")
    for stderr in ("/dev/full", "closed", "pipe"):
        env = environment(os.environ)
        command = [sys.executable, "program.py"]
        if stderr == "closed":
            command = ["/bin/sh", "-c", f'exec "{sys.executable}" program.py 2>&-']
        source, sink = os.pipe()
        os.close(source)
        if stderr == "/dev/full":
            os.close(sink)
            sink = os.open(stderr, os.O_WRONLY)
        done = subprocess.run(
            command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=sink, text=True, check=False
        )
        os.close(sink)
        assert (done.returncode, done.stdout) == (0, "done\n"), stderr
    assert len(Recording(tmp_path / ".autotrack").strands()) == 3


def test_stderr_that_is_none_or_an_object(tmp_path: Path) -> None:
    source = """
import io, sys, atexit
atexit.register(lambda: sys.__stdout__.write(repr(sys.stderr and sys.stderr.getvalue())))
import autotrack
autotrack.enable()
autotrack.log({"loss": 1.0})
sys.stderr = STDERR
"""
    done = run_program(source.replace("STDERR", "None"), tmp_path, tracked=False)
    assert (done.stdout, done.stderr) == ("None", "")
    done = run_program(source.replace("STDERR", "io.StringIO()"), tmp_path, tracked=False)
    assert "autotrack: 1 run recorded" in done.stdout
    assert done.stderr == ""


def test_an_alarm_at_the_very_end_prints_nothing(tmp_path: Path) -> None:
    """Waiting for the recorder at exit takes time that the program would not have taken."""
    source = """
import signal, autotrack
class Timeout(Exception): pass
def handler(number, frame): raise Timeout
signal.signal(signal.SIGALRM, handler)
autotrack.log({"loss": 1.0})
from autotrack import context
import time
context.Current.job.recorder.later("slow", lambda: time.sleep(0.5))
signal.setitimer(signal.ITIMER_REAL, 0.2)
"""
    done = run_program(source, tmp_path, env=QUIET)
    assert (done.returncode, done.stderr) == (0, "")
    recording = Recording(tmp_path / ".autotrack")
    (ended,) = [event for event in recording.events() if isinstance(event, events.JobEnded)]
    assert ended.code == 0
    assert any(isinstance(event, events.SegmentEnded) for event in recording.events())


@pytest.mark.parametrize("ends", ["", "autotrack.disable()"])
def test_what_is_left_at_the_end_is_finalized(tmp_path: Path, ends: str) -> None:
    """An object in a cycle, of a class that is observed, is finalized by the interpreter's very last collection, if
    nothing leads there that the interpreter keeps for good."""
    source = f"""
import autotrack, sys
from sklearn.linear_model import LinearRegression
class Kept:
    def __del__(self, stream=sys.stderr): print("finalized", file=stream)
model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
model.itself, model.kept = model, Kept()
{ends}
"""
    done = run_program(source, tmp_path, env={"AUTOTRACK_QUIET": "1", "AUTOTRACK_STRICT": "1"})
    assert done.stderr == "finalized\n"
