"""`autotrack run`: the program's arguments, output, exit code and signals are its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import CommandLine

FIT = "from sklearn.linear_model import Ridge\nRidge().fit([[0.0], [1.0]], [0.0, 1.0])\n"


def test_arguments_input_and_output_are_the_programs_own(cli: CommandLine) -> None:
    cli.program("import sys\nprint(sys.argv, input(), __name__, sys.flags.safe_path)\nprint('err', file=sys.stderr)\n")
    words = ["train.py", "--epochs", "3", "-m", "--", "--dir", "x", "--help"]
    tracked = cli("run", *words, input="hello\n")
    plain = subprocess.run(
        [sys.executable, *words],
        cwd=cli.folder,
        env=cli.env,
        input="hello\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert (tracked.stdout, tracked.stderr) == (plain.stdout, plain.stderr)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("", 0),
        ("import sys; sys.exit(7)", 7),
        ("raise SystemExit(7)", 7),
        ("raise ValueError('no')", 1),
        ("import os; os._exit(9)", 9),
    ],
)
def test_exit_code_is_the_programs_own(cli: CommandLine, source: str, code: int) -> None:
    cli.program(FIT + source)
    cli("run", "train.py", code=code)
    job = cli.json("show", cli.json("ls")["job"])["job"]
    if source.startswith("import os"):
        assert (job["status"], job["exit"]) == ("killed", None)
    elif source.startswith("raise SystemExit"):  # the code is nowhere to be seen, and not guessed
        assert (job["exit"]["code"], job["exit"]["how"]) == (None, "SystemExit")
    else:
        assert (job["status"], job["exit"]["code"]) == ("finished" if code == 0 else "failed", code)


def test_death_by_signal_is_the_programs_own(cli: CommandLine) -> None:
    cli.program(FIT + "import os, signal; os.kill(os.getpid(), signal.SIGTERM)")
    assert cli("run", "train.py", code=None).returncode == -signal.SIGTERM
    assert cli.json("ls")["status"] == "finished"
    assert cli.json("show", cli.json("ls")["job"])["job"]["status"] == "killed"


def test_a_module_and_a_package(cli: CommandLine) -> None:
    package = cli.folder / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "train.py").write_text(FIT + "import sys; print(sys.argv[1:])")
    assert cli("run", "-m", "package.train", "--lr", "1").stdout == "['--lr', '1']\n"
    assert cli.json("show", cli.json("ls")["job"])["job"]["name"] == "package.train"


def test_a_command_and_the_programs_that_it_starts(cli: CommandLine) -> None:
    cli.program(FIT)
    (cli.folder / "train.sh").write_text(f"#!/bin/sh\n{sys.executable} train.py && {sys.executable} train.py\nexit 3\n")
    (cli.folder / "train.sh").chmod(0o755)
    cli("run", "--", "./train.sh", code=3)
    first, second = cli.lines("ls")
    assert first["job"] != second["job"]


def test_a_program_started_by_a_program_is_its_child_job(cli: CommandLine) -> None:
    cli.program(FIT, "child.py")
    cli.program(FIT + "import subprocess, sys; subprocess.run([sys.executable, 'child.py'], check=True)")
    cli("run", "train.py")
    child, parent = (cli.json("show", run["job"])["job"] for run in cli.lines("ls"))
    assert (child["name"], parent["name"]) == ("child.py", "train.py")
    assert child["parent"] == parent["id"]


def test_what_cannot_be_started_is_said(cli: CommandLine) -> None:
    assert "nowhere.py: there is no such file" in cli("run", "nowhere.py", code=1).stderr
    assert "a command runs with: autotrack run -- ls" in cli("run", "ls", code=1).stderr
    assert (
        cli("run", "--", "no-such-command", code=1).stderr == "autotrack: no-such-command: there is no such command\n"
    )
    assert "say what to run" in cli("run", code=2).stderr
    assert not (cli.folder / ".autotrack").exists()


def test_recording_elsewhere_quietly_and_not_at_all(cli: CommandLine, tmp_path: Path) -> None:
    cli.program(FIT)
    elsewhere = tmp_path / "elsewhere"
    assert cli("run", "--quiet", "--dir", str(elsewhere), "train.py").stderr == ""
    assert len(cli.lines("ls", "--dir", str(elsewhere))) == 1
    assert cli("run", "--skip", "sklearn", "train.py").stderr == ""
    assert cli("run", "train.py", env={"AUTOTRACK_DISABLED": "1"}).stderr == ""
    assert not (cli.folder / ".autotrack").exists()
    assert "1 run recorded" in cli("run", "train.py").stderr


def test_a_sitecustomize_of_the_users_own_is_run(cli: CommandLine) -> None:
    (cli.folder / "sitecustomize.py").write_text("print('theirs')")
    cli.program("import sitecustomize; print(sitecustomize.__file__.rsplit('/')[-2:])")
    done = cli("run", "train.py", env={"PYTHONPATH": str(cli.folder)})
    assert done.stdout.startswith("theirs\n")
    assert cli.folder.name in done.stdout


def test_an_empty_entry_of_the_path_means_the_current_folder(cli: CommandLine) -> None:
    cli.program("VALUE = 1", "beside.py")
    (cli.folder / "sub").mkdir()
    cli.program("import beside; print(beside.VALUE)", "sub/train.py")
    for path in (":", "/nowhere:"):
        assert cli("run", "sub/train.py", env={"PYTHONPATH": path}).stdout == "1\n"


def test_closed_streams_are_no_reason_not_to_start(cli: CommandLine) -> None:
    cli.program("open('started', 'w')")
    for closed in (">&-", "2>&-"):
        words = f"exec {sys.executable} -m autotrack run train.py {closed}"
        subprocess.run(["sh", "-c", words], cwd=cli.folder, env=cli.env, check=True)
        (cli.folder / "started").unlink()


def test_a_program_that_was_started_by_another_adds_nothing_to_its_stderr(cli: CommandLine) -> None:
    cli.program(FIT, "child.py")
    cli.program(
        FIT + "import subprocess, sys\n"
        "print(subprocess.run([sys.executable, 'child.py'], capture_output=True, text=True, check=True).stderr)"
    )
    assert cli("run", "train.py").stdout == "\n"
    assert len(cli.lines("ls")) == 2


def test_a_program_on_standard_input(cli: CommandLine) -> None:
    assert cli("run", "-", "word", input="import sys; print(sys.argv)").stdout == "['-', 'word']\n"
