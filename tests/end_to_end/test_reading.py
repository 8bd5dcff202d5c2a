"""The commands that read: what they print in a pipe, on a terminal, as JSON, and how they fail."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.end_to_end.conftest import CommandLine

LISTED = {
    "id", "job", "name", "framework", "kind", "status", "started", "duration", "user", "params", "metrics", "tags",
    "parent",
}  # fmt: skip
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_ls_json(trained: CommandLine) -> None:
    runs = trained.lines("ls")
    assert [run["name"] for run in runs] == ["GridSearchCV(Ridge)", "LogisticRegression", "LogisticRegression"]
    assert all(set(run) == LISTED for run in runs)
    assert runs[2]["params"]["C"] == 0.01
    assert set(runs[2]["metrics"]) == {"test/accuracy"}
    nested = trained.lines("ls", "--all")
    assert len(nested) == 6
    assert {run["parent"] for run in nested} == {None, runs[0]["id"]}


def test_ls_filters_sorts_and_limits(trained: CommandLine) -> None:
    assert [run["params"]["C"] for run in trained.lines("ls", "params.C < 1")] == [0.01]
    assert len(trained.lines("ls", 'params.C < 1 and metrics["test/accuracy"] > .99')) == 0
    assert [run["params"]["C"] for run in trained.lines("ls", "--sort", "test/accuracy", "-n", "2")] == [1.0, 0.01]
    assert [run["params"]["C"] for run in trained.lines("ls", "--sort", "-params.C", "-n", "2")] == [0.01, 1.0]


def test_ls_in_a_pipe_has_a_header_and_the_same_columns_always(trained: CommandLine) -> None:
    lines = [line.split("\t") for line in trained("ls").stdout.splitlines()]
    assert lines[0] == [
        "id", "name", "framework", "kind", "status", "started", "duration", "user", "metrics", "params", "tags",
    ]  # fmt: skip
    assert all(len(line) == len(lines[0]) for line in lines)
    assert json.loads(lines[2][9])["C"] == 1.0
    chosen = trained("ls", "-c", "id,params.C,test/accuracy").stdout.splitlines()
    assert chosen[0] == "id\tparams.C\ttest/accuracy"
    assert [line.split("\t")[1] for line in chosen[1:]] == ["", "1.0", "0.01"]
    assert not COLOUR.search(trained("ls").stdout)


def test_ls_on_a_terminal_is_a_table_that_fits(trained: CommandLine) -> None:
    for columns in (60, 80, 120, 200):
        printed = trained.terminal("ls", columns=columns)
        plain = COLOUR.sub("", printed).splitlines()
        assert plain[0].startswith("id")
        assert max(map(len, plain)) <= columns
        assert COLOUR.search(printed)
    assert "test/accuracy" in plain[0]
    assert re.search(r"\bC\b", plain[0])
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", trained.terminal("ls", env={"NO_COLOR": "1"}))


def test_show_json_has_every_documented_key(trained: CommandLine) -> None:
    run = trained.json("show", "@best:test/accuracy")
    assert set(run) > LISTED
    assert run["job"]["id"] == trained.lines("ls")[0]["job"]
    assert {"name": "C", "value": 1.0, "source": "estimator"} in run["params"]
    dataset, evaluated = run["datasets"]
    assert (dataset["role"], evaluated["role"]) == ("train", "test")
    assert set(dataset) == {
        "role",
        "name",
        "id",
        "method",
        "seen",
        "kind",
        "rows",
        "columns",
        "bytes",
        "schema",
        "profile",
        "parts",
    }
    assert (dataset["role"], dataset["rows"], dataset["columns"], dataset["method"]) == ("train", 112, 4, "whole")
    assert set(run["model"]) == {"class", "id", "parameters", "kept", "bytes", "trained_by"}
    assert (run["model"]["class"].rpartition(".")[2], run["model"]["parameters"]) == ("LogisticRegression", 15)
    assert {"path", "mode", "digest", "bytes", "kind", "step"} <= set(run["artifacts"][0])
    assert run["artifacts"][0]["model"] == run["model"]["id"]
    of_job = "id argv cwd host user python packages git seeds exit files console".split()
    assert set(of_job) <= set(run["job"])
    assert run["job"]["packages"]["scikit-learn"]
    assert set(run["receipt"][0]) >= {"patch", "attached", "fired", "failed"}
    assert set(run["overhead"]) == {"seconds", "by", "background", "end", "bytes", "processes", "unknown"}
    metric = run["metrics"]["test/accuracy"]
    assert set(metric) == {"origin", "last", "min", "max", "count", "first_step", "last_step"}


def test_show_a_job_a_trial_and_a_pipe(trained: CommandLine) -> None:
    search = trained.lines("ls")[0]
    job = trained.json("show", search["job"][:8])
    assert set(job) == {"job", "runs"}
    assert len(job["runs"]) == 6
    trial = trained.json("show", f"{search['id'][:8]}.2")
    assert (trial["parent"], trial["params"][0]["value"]) == (search["id"], 10.0)
    rows = [line.split("\t") for line in trained("show", search["id"]).stdout.splitlines()]
    assert ["param", "estimator__alpha", "1.0", "estimator"] in rows
    assert [row[2] for row in rows if row[:2] == ["run", "status"]] == ["finished"]


def test_show_on_a_terminal(trained: CommandLine) -> None:
    shown = COLOUR.sub("", trained.terminal("show"))
    for heading in ("Metrics", "Results", "Parameters", "Data", "Model", "Trials: 3, by cv/r2"):
        assert heading in shown
    job = trained.lines("ls")[0]["job"]
    assert "Runs" in COLOUR.sub("", trained.terminal("show", job))


def test_compare_shows_differences_only(trained: CommandLine) -> None:
    _, second, first = trained.lines("ls")
    compared = trained.json("compare", first["id"], second["id"])
    assert compared["runs"] == [first["id"], second["id"]]
    found = {(row["section"], row["name"]): row["values"] for row in compared["differences"]}
    assert found["param", "C"] == [0.01, 1.0]
    assert ("metric", "test/accuracy") in found
    assert ("model", "id") in found
    assert not [key for key in found if key[0] in ("data", "environment", "code")]
    everything = trained.json("compare", "--all", first["id"], second["id"])["differences"]
    (tol,) = [row for row in everything if row["name"] == "tol"]
    assert tol == {
        "section": "param", "name": "tol", "values": [0.0001, 0.0001], "same": True, "present": [True, True]
    }  # fmt: skip
    assert "0.01" in COLOUR.sub("", trained.terminal("compare", first["id"], second["id"]))
    same = trained.terminal("compare", first["id"], first["id"])
    assert "do not differ" in same
    assert "two runs or more" in trained("compare", first["id"], code=2).stderr


def test_export_points(cli: CommandLine) -> None:
    cli.program(
        "import autotrack\nautotrack.enable()\n"
        "with autotrack.run('by hand'):\n"
        "    for step, value in enumerate([0.5, float('nan'), float('inf'), 1 / 3]):\n"
        "        autotrack.log({'loss': value}, step)\n"
    )
    cli("run", "train.py")
    points = cli.lines("export", "@last", "--points")
    assert [set(point) for point in points] == [{"name", "step", "time", "value"}] * 4
    assert [point["value"] for point in points] == [0.5, "NaN", "Infinity", 1 / 3]
    assert [point["step"] for point in points] == [0, 1, 2, 3]
    rows = cli("export", "@last", "--points").stdout.splitlines()
    assert rows[0] == "name\tstep\ttime\tvalue"
    assert len(rows) == 5
    assert cli.json("export", "@last")["metrics"]["loss"]["count"] == 4


def test_bad_references_and_filters_are_told(trained: CommandLine) -> None:
    assert "there is no run or job 'zzzzz'" in trained("show", "zzzzz", code=1).stderr
    assert "no run has the metric 'loss'" in trained("show", "@best:loss", code=1).stderr
    wrong = trained("ls", "params.C <", code=2).stderr
    assert "is no filter" in wrong
    assert "^" in wrong
    assert "did you mean status" in trained("ls", "statu == 'finished'", code=2).stderr
    assert "__import__" in trained("ls", "__import__('os').system('true')", code=2).stderr
    assert "No such command 'lst'" in trained("lst", code=2).stderr
    for command in ("ls", "show", "compare", "export", "doctor", "verify", "run", "demo"):
        assert trained(command, "--help").stdout.startswith(f"Usage: autotrack {command} ")
        if command != "run":
            assert "Traceback" not in trained(command, "--no-such-option", code=2).stderr


def test_nothing_recorded_is_no_mistake_and_leaves_no_folder(cli: CommandLine) -> None:
    assert "nothing is recorded in" in cli("ls").stderr
    assert cli("ls", "--json").stdout == ""
    assert "nothing is recorded in" in cli("show", code=1).stderr
    (cli.folder / "other").mkdir()
    (cli.folder / "other" / "file").touch()
    assert "nothing is recorded in" in cli("ls", "--dir", "other", code=None).stderr
    assert [path.name for path in (cli.folder / "other").iterdir()] == ["file"]
    (cli.folder / "other" / ".autotrack").mkdir()
    assert "look into: --dir" in cli("ls", "--dir", "other", code=None).stderr
    assert "Nothing is recorded yet" in cli("doctor").stdout
    assert not (cli.folder / ".autotrack").exists()


def test_doctor_and_verify_are_content(trained: CommandLine) -> None:
    report = trained.json("doctor")
    assert report["problems"] == []
    assert {"framework", "plugin", "supported"} == set(report["frameworks"][0])
    fits = next(entry for entry in report["receipt"] if entry["patch"].endswith("BaseEstimator.fit"))
    assert (fits["attached"], fits["fired"], fits["failed"]) == (True, 3, 0)
    assert "Everything that was expected is observed" in trained("doctor").stdout
    assert "1 job: all as written" in trained("verify").stdout
    assert trained.lines("verify", "@last") == []


def _plugin(folder: Path, framework: str, source: str, requires: str = "") -> None:
    """Install a plugin of one module into a folder, as pip would."""
    about = folder / f"broken_{framework}-1.dist-info"
    about.mkdir(parents=True)
    (about / "entry_points.txt").write_text(f"[autotrack.frameworks]\n{framework} = broken_{framework}\n")
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: broken-{framework}\nVersion: 1\n{requires}")
    (folder / f"broken_{framework}.py").write_text(source)
    (folder / f"{framework}.py").write_text("__version__ = '2.0'\ndef train(): return 1\n")


def test_doctor_is_loud_about_what_did_not_attach(cli: CommandLine, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    hook = (
        "from autotrack import Patch, hookimpl\n"
        "def observe(call):\n    {body}\n    yield\n"
        "@hookimpl\ndef autotrack_patches():\n"
    )
    gone = "    yield Patch('moved:no_such_function', observe=observe)\n"
    _plugin(packages, "moved", hook.format(body="pass") + gone)
    _plugin(packages, "raising", hook.format(body="1 / 0") + "    yield Patch('raising:train', observe=observe)\n")
    _plugin(packages, "toonew", hook.format(body="pass"), "Requires-Dist: toonew<2,>=1; extra == 'toonew'\n")
    env = {"PYTHONPATH": str(packages)}
    cli.program("import moved, raising, toonew, autotrack\nprint(raising.train())\nautotrack.log({'x': 1})")
    done = cli("run", "train.py", env=env)
    assert done.stdout == "1\n"
    assert [line for line in done.stderr.splitlines() if "recorded" not in line] == [
        "autotrack: toonew 2.0 is not observed: supported is toonew<2,>=1"
    ]
    report = json.loads(cli("doctor", "--json", code=1, env=env).stdout)
    text = "\n".join(report["problems"])
    assert "moved:no_such_function did not attach" in text
    assert "raising:train failed 1 times: ZeroDivisionError" in text
    assert "toonew 2.0 (not observed: supported is toonew<2,>=1)" in text
    assert "Problems" in cli("doctor", code=1, env=env).stdout


@pytest.mark.parametrize("change", ["edit", "remove"])
def test_verify_finds_a_changed_journal(cli: CommandLine, change: str) -> None:
    cli.program("import autotrack\nautotrack.enable()\nautotrack.log({'accuracy': 0.5, 'text': 'honest'})\n")
    cli("run", "train.py")
    assert len(cli.lines("ls")) == 1
    (segment,) = (cli.folder / ".autotrack" / "journal").glob("*/*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    at = next(at for at, line in enumerate(lines) if b"honest" in line)
    lines[at] = lines[at].replace(b"honest", b"forged") if change == "edit" else b""
    segment.write_bytes(b"".join(lines))
    done = cli("verify", code=1)
    assert str(segment) in done.stdout


def test_a_plugins_command(trained: CommandLine) -> None:
    assert "toyboost" in trained("--help").stdout
    assert trained("toyboost").stdout


def test_a_closed_pipe_is_no_error(trained: CommandLine) -> None:
    import subprocess
    import sys

    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    reader.wait()
    done = subprocess.run(
        [sys.executable, "-m", "autotrack", "ls", "--all"],
        cwd=trained.folder, env=trained.env, stdout=reader.stdin, stderr=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""


def test_a_narrow_table_keeps_the_score(trained: CommandLine) -> None:
    heading = COLOUR.sub("", trained.terminal("ls", 'name == "LogisticRegression"', columns=80)).splitlines()[0]
    assert "test/accuracy" in heading
    assert "status" in heading


def test_names_that_nothing_has_are_told(trained: CommandLine) -> None:
    assert "no run listed here has 'nosuch'" in trained("ls", "--sort", "nosuch", code=1).stderr
    assert "no run listed here has 'params.nosuch'" in trained("ls", "-c", "id,params.nosuch", code=1).stderr


def test_escape_sequences_of_a_name_are_shown_not_sent(cli: CommandLine) -> None:
    name = "r\t\x1b[31mred\\"
    cli.program(f"import autotrack\nautotrack.enable()\nwith autotrack.run({name!r}): pass\n")
    cli("run", "train.py")
    assert cli("ls").stdout.splitlines()[1].split("\t")[1] == r"r\t\x1b[31mred\\"
    assert cli.json("ls")["name"] == name
    assert "\x1b[31mred" not in cli.terminal("ls")


def test_a_full_device_or_a_closed_stream_is_told_without_a_traceback(trained: CommandLine) -> None:
    import subprocess
    import sys

    for command in ("ls", "show"):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "autotrack", command],
                cwd=trained.folder, env=trained.env, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        closed = f"exec {sys.executable} -m autotrack {command} >&-"
        done = subprocess.run(
            ["sh", "-c", closed], cwd=trained.folder, env=trained.env, capture_output=True, text=True, check=False
        )
        assert done.stderr == ""


def test_verify_misses_a_model_that_is_gone(cli: CommandLine) -> None:
    cli.program("from sklearn.linear_model import Ridge\nRidge().fit([[0.0], [1.0]], [0.0, 1.0])\n")
    cli("run", "train.py")
    (blob,) = (path for path in (cli.folder / ".autotrack" / "blobs").rglob("*") if path.is_file())
    cli("verify")
    blob.unlink()
    assert str(blob) in cli("verify", code=1).stdout
