"""`autotrack env`, `gc` and `completion`, progress, and the examples of every command's help."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

from autotrack.cli import COMMANDS
from autotrack.journal.folder import Folder
from autotrack.journal.objects import Objects
from tests.end_to_end.conftest import TRAINING, CommandLine
from tests.store.journals import Journal

OLD = 1_600_000_000


def copy(trained: CommandLine, folder: Path) -> CommandLine:
    """The same record in a folder that may be changed."""
    shutil.copytree(trained.folder, folder, dirs_exist_ok=True)
    return CommandLine(folder)


# env


def test_env_is_a_requirements_file(trained: CommandLine) -> None:
    run = trained.json("show")
    lines = trained("env", "@last").stdout.splitlines()
    assert lines[0] == f"# python: {run['job']['python']}"
    assert lines[1] == f"# platform: {run['job']['platform']}"
    wanted = [Requirement(line) for line in lines if not line.startswith("#")]
    found = {each.name: str(each.specifier).removeprefix("==") for each in wanted if each.url is None}
    sources = run["job"]["sources"] or {}
    assert found == {name: version for name, version in run["job"]["packages"].items() if name not in sources}
    assert list(found) == sorted(found)
    assert trained("env", run["job"]["id"]).stdout == trained("env").stdout
    assert trained.json("env") == {
        "job": run["job"]["id"], **{name: run["job"][name] for name in ("python", "platform", "packages")},
        "sources": sources,
    }  # fmt: skip


def test_env_of_odd_packages_and_of_none(cli: CommandLine) -> None:
    from autotrack import events

    journal = Journal(Folder(str(cli.folder / ".autotrack")))
    packages = {"good": "1.0+cu12", "odd": "1.0\nevil==1", "bad": "unknown", "--pre": "1.0"}
    journal.add(events.JobFacts, section="packages", value=packages)
    journal.strand()
    journal.end()
    lines = cli("env").stdout.splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["good==1.0+cu12"]
    assert "# bad unknown: this version is none that an installer knows" in lines
    other = Journal(Folder(str(cli.folder / ".autotrack")), started=1_800_000_000.0)
    other.strand("without")
    other.end()
    assert f"the packages of the job {other.job} were not recorded" in cli("env", code=1).stderr


# gc


def blob(cli: CommandLine, digest: str, age: float = OLD) -> Path:
    path = Path(Folder(str(cli.folder / ".autotrack")).blob(digest))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 1000)
    os.utime(path, (age, age))
    return path


def test_gc_removes_on_request_what_nobody_names(trained: CommandLine, tmp_path: Path) -> None:
    cli = copy(trained, tmp_path)
    for parent, _, names in os.walk(cli.folder / ".autotrack"):
        for name in names:
            os.utime(os.path.join(parent, name), (OLD, OLD))
    models = {path for path in (cli.folder / ".autotrack" / "blobs").rglob("*") if path.is_file()}
    assert models
    found = cli.json("gc")
    assert found["kinds"]["blobs"]["files"] == len(models)
    assert found["kinds"]["journals"]["files"] == 1
    assert found["kinds"]["store"]["bytes"] > 0
    assert (found["unused"], found["removed"], found["running"]) == ([], [], [])
    lost = blob(cli, "ab" * 32)
    cli("rm", "@last")
    listed = cli.json("gc")
    assert [entry["path"] for entry in listed["unused"]] == [str(lost)]
    assert lost.exists()
    rows = [line.split("\t") for line in cli("gc").stdout.splitlines()]
    assert ["unused", str(lost), "1000"] in rows
    assert "1 kept model that no run names (1.0 kB) can go: autotrack gc --delete" in cli.terminal("gc")
    assert [entry["path"] for entry in cli.json("gc", "--delete")["removed"]] == [str(lost)]
    assert not lost.parent.exists()
    assert all(path.exists() for path in models)
    assert "nothing that can go" in cli.terminal("gc", "--delete")
    cli("verify")


def test_gc_removes_nothing_while_a_job_runs(cli: CommandLine) -> None:
    ready, done = cli.folder / "ready", cli.folder / "done"
    os.mkfifo(ready)
    os.mkfifo(done)
    cli.program(
        "import autotrack\nautotrack.enable()\nautotrack.log({'x': 1})\n"
        "open('ready', 'w').close()\nopen('done').close()\n"
    )
    program = subprocess.Popen([sys.executable, "-m", "autotrack", "run", "train.py"], cwd=cli.folder, env=cli.env)
    open(ready).close()
    try:
        lost = blob(cli, "cd" * 32)
        found = cli.json("gc", "--delete")
        assert (len(found["running"]), found["unused"], found["removed"]) == (1, [], [])
        assert "1 job runs; what can go is told when none does" in cli.terminal("gc")
        assert lost.exists()
    finally:
        open(done, "w").close()
        program.wait(60)
    assert len(cli.json("gc", "--delete")["removed"]) == 1


def test_gc_removes_code_that_no_job_names(cli: CommandLine) -> None:
    """Of two programs in one folder, with the journal of the second gone."""
    for number in (1, 2):
        cli.program("shared = 1\n", "shared.py")
        cli.program(f"x = {number}\n", "own.py")
        cli.program("import autotrack, shared, own\nautotrack.log({'x': own.x})\n")
        cli("run", "train.py")
    first, second = (run["job"] for run in reversed(cli.lines("ls")))
    folder = Folder(str(cli.folder / ".autotrack"))
    shutil.rmtree(folder.job(second))
    cli("gc", "--rebuild")
    assert cli.json("gc")["unused"] == []
    for path in Path(folder.objects).rglob("*"):
        os.utime(path, (OLD, OLD))
    before = cli.json("gc")
    assert {entry["kind"] for entry in before["unused"]} == {"code"}
    assert before["kinds"]["code"]["files"] > len(before["unused"]) == 2  # own.py, and the folder that it lies in
    assert "2 files of code that no run names (" in cli.terminal("gc")
    damaged = Path(Objects(folder.objects).path(cli.json("code", first)["tree"]))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1])
    held = cli("gc", "--delete", "--json")
    assert json.loads(held.stdout)["removed"] == []
    assert f"autotrack: {damaged} holds something else" in held.stderr
    damaged.write_bytes(whole)
    os.utime(damaged, (OLD, OLD))
    after = cli.json("gc", "--delete")
    assert after["removed"] == before["unused"]
    assert after["kinds"]["code"]["files"] == before["kinds"]["code"]["files"] - 2
    assert cli("code", first, "own.py").stdout == "x = 1\n"
    cli("verify")
    cli("run", "train.py")  # the same as the second
    assert cli("code", "@last", "own.py").stdout == "x = 2\n"
    cli("verify")


def test_gc_makes_the_store_again(trained: CommandLine, tmp_path: Path) -> None:
    cli = copy(trained, tmp_path)
    before = cli.lines("ls", "--all")
    cli("gc", "--rebuild")
    assert cli.lines("ls", "--all") == before
    os.unlink(cli.folder / ".autotrack" / "store.db")
    cli("gc", "--rebuild")
    assert cli.lines("ls", "--all") == before
    assert "nothing is recorded in" in CommandLine(tmp_path)("gc", "--rebuild", "--dir", "none", code=1).stderr


# Progress


def test_progress_is_shown_on_a_terminal_only_and_late(cli: CommandLine, trained: CommandLine) -> None:
    folder = Folder(str(cli.folder / ".autotrack"))
    for _ in range(60):
        journal = Journal(folder)
        for number in range(150):
            journal.strand(f"Ridge {number}", params={"alpha": number}, metrics={"loss": [1.0, 0.5]})
        journal.end()
    shown = cli.terminal("gc", "--rebuild")
    assert re.search(r"taking in jobs.*/60", shown)
    assert "taking in jobs" not in cli.terminal("gc", "--rebuild", env={"AUTOTRACK_QUIET": "1"})
    assert cli("gc", "--rebuild").stderr == ""
    assert "taking in jobs" not in trained.terminal("gc", "--rebuild")


# Completion


COMPLETE = """
{script}
COMP_WORDS=({words} '')
COMP_CWORD=$((${{#COMP_WORDS[@]}} - {back}))
_autotrack_completion {program}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completed(cli: CommandLine, words: str, back: int = 1) -> list[str]:
    """What bash offers behind these words; with `back=2`, for the last one of them."""
    program = cli.folder / "program"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m autotrack "$@"\n')
    program.chmod(0o755)
    script = cli("completion", "bash").stdout
    source = COMPLETE.format(script=script, words=words, back=back, program=program)
    done = subprocess.run(
        ["bash", "-c", source], cwd=cli.folder, env=cli.env, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_runs_and_metrics(trained: CommandLine) -> None:
    runs = [run["id"] for run in trained.lines("ls")]
    assert set(COMMANDS) <= set(completed(trained, "autotrack"))
    for command in ("show", "compare", "plot", "tag", "note", "rm", "env", "export", "doctor", "verify"):
        assert completed(trained, f"autotrack {command}") == runs
    assert completed(trained, f"autotrack show {runs[1][:8]}", 2) == [runs[1]]
    assert completed(trained, "autotrack show @l", 2) == ["@last"]
    assert completed(trained, "autotrack show @best:test", 2) == ["@best:test/accuracy", "@best:test/r2"]
    assert completed(trained, f"autotrack plot {runs[1]}") == ["test/accuracy"]
    assert "cv/r2" in completed(trained, "autotrack ls --sort cv", 2)
    assert "--remove" in completed(trained, "autotrack tag --", 2)


def test_completion_makes_and_says_nothing_where_nothing_is_recorded(cli: CommandLine) -> None:
    assert completed(cli, "autotrack show") == []
    assert not (cli.folder / ".autotrack").exists()
    (cli.folder / ".autotrack").mkdir()
    (cli.folder / ".autotrack" / "store.db").write_text("no database at all, but a text that is long enough" * 99)
    assert completed(cli, "autotrack show") == []


def test_scripts_of_other_shells(cli: CommandLine) -> None:
    assert "#compdef autotrack" in cli("completion", "zsh").stdout
    assert "complete --no-files --command autotrack" in cli("completion", "fish").stdout
    assert "'tcsh' is not one of" in cli("completion", "tcsh", code=2).stderr


# Help


def examples(cli: CommandLine) -> list[str]:
    """The command lines in the help of every command."""
    found = []
    for command in COMMANDS:
        shown = cli(command, "--help").stdout
        lines = re.findall(r"^    (\S.*)$", shown.partition("Options:")[0], re.MULTILINE)
        own = [line for line in lines if re.search(rf"(^|[|(] *|xargs -r )autotrack {command}\b", line)]
        assert own, f"the help of {command} has no example"
        found += own
    return found


def test_the_examples_of_every_command_run(tmp_path: Path) -> None:
    """Each as a shell runs it, one after the other, on what a program has recorded."""
    cli = CommandLine(tmp_path)
    cli.program(
        TRAINING + "import autotrack\nfor step in range(20):\n    autotrack.log({'train/loss': 1 / (step + 1)}, step)\n"
    )
    (tmp_path / "package").mkdir()
    shutil.copy(tmp_path / "train.py", tmp_path / "package" / "train.py")
    (tmp_path / "train.sh").write_text("#!/bin/sh\nautotrack run train.py\n")
    commands = tmp_path / "commands"
    commands.mkdir()
    (commands / "autotrack").write_text(f'#!/bin/sh\nexec {sys.executable} -m autotrack "$@"\n')
    for script in (tmp_path / "train.sh", commands / "autotrack"):
        script.chmod(0o755)
    home = tmp_path / "home"
    (home / ".config" / "fish" / "completions").mkdir(parents=True)
    env = {**cli.env, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "HOME": str(home)}
    for repository in ("git init -q .", "git -c user.name=a -c user.email=a commit -q --allow-empty -m first"):
        subprocess.run(repository.split(), cwd=tmp_path, env=env, check=True)
    lines = examples(cli)
    assert len(lines) > 2 * len(COMMANDS)
    for line in lines:
        if re.search(r"autotrack completion zsh\)", line):  # for another shell
            continue
        if line.startswith("autotrack ui"):  # which serves until it is interrupted
            with subprocess.Popen(
                ["bash", "-c", f"exec {line}"],
                cwd=tmp_path,
                env={**env, "BROWSER": "true"},
                stdout=subprocess.PIPE,
                text=True,
            ) as serving:
                assert serving.stdout is not None
                assert serving.stdout.readline().startswith("http://"), line
                serving.send_signal(signal.SIGINT)
            continue
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        if line.startswith("autotrack rm @last"):
            id = done.stdout.split("\t")[0]
            subprocess.run(["autotrack", "rm", "--restore", id], cwd=tmp_path, env=env, check=True, timeout=60)
