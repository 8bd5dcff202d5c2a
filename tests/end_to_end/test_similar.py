"""Work that was done before is found, what is only alike is not; runs are ranked by what they share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import CommandLine

NOTICE = "did already"
FIT = """
import sys
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score

X, y = [[float(i), float(i % 7)] for i in range(40)], [i % 2 for i in range(40)]
import numpy as np
X, y = np.array(X), np.array(y)
model = LogisticRegression(C=float(sys.argv[1]) if len(sys.argv) > 1 else 1.0).fit(X, y)
accuracy_score(y, model.predict(X))
"""

PROGRAM = """
import json, random, sys
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score
import helper

config = json.load(open("config.json"))
if config["seed"] is not None:
    np.random.seed(config["seed"])
    random.seed(config["seed"])
table = np.loadtxt("data.csv", delimiter=",")
X, y = helper.features(table), table[:, -1].astype(int)
if config["seed"] is None:
    model = RandomForestClassifier(n_estimators=2).fit(X, y)
else:
    model = SGDClassifier(alpha=config["alpha"]).fit(X, y)
import late
print(late.SHOWN, accuracy_score(y, model.predict(X)), open("report.txt").read())
"""

# Imports what takes long once, and then is each of the programs, one after the other or several at a time.
MANY = """
import json, os, runpy, sys
import numpy, sklearn.ensemble, sklearn.linear_model, sklearn.metrics
import autotrack
from autotrack import job

autotrack.enable()
autotrack.disable()
job._import_all()
running = 0
for folder, words, variables in json.load(sys.stdin):
    if running == 3:
        assert os.wait()[1] == 0
        running -= 1
    running += 1
    if os.fork() == 0:
        os.chdir(folder)
        for name, number in (("out", 1), ("err", 2)):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
        os.environ.update(variables)
        sys.argv[:] = ["train.py", *words]
        sys.path.insert(0, folder)
        autotrack.enable()
        runpy.run_path(os.path.join(folder, "train.py"), run_name="__main__")
        sys.exit()
for _ in range(running):
    assert os.wait()[1] == 0
"""


class Programs:
    """Programs in folders of their own, which record into one."""

    def __init__(self, cli: CommandLine) -> None:
        self.cli = cli
        (cli.folder / ".autotrack").mkdir()
        self.given: dict[str, tuple[dict[str, str], list[str], dict[str, str]]] = {}

    def make(self, name: str, *words: str, env: dict[str, str] | None = None, **files: str) -> str:
        """A program that is the first one but for this."""
        table = "\n".join(f"{i},{i % 7},{i % 3}.5,{i % 2}" for i in range(60))
        content = {
            "train.py": PROGRAM,
            "helper.py": "def features(table):\n    return table[:, :-1]\n",
            "late.py": "SHOWN = 'accuracy'\n",
            "config.json": json.dumps({"alpha": 0.001, "seed": 0}),
            "data.csv": table,
            "report.txt": "fine",
        } | {file.replace("_", "."): text for file, text in files.items()}
        self.given[name] = content, list(words), env or {}
        self._write(name, content)
        return name

    def copy(self, of: str, name: str) -> str:
        """The same program elsewhere, with another README, started by a Python that hashes otherwise."""
        content, words, env = self.given[of]
        self.given[name] = content, words, {**env, "PYTHONHASHSEED": "7"}
        self._write(name, {**content, "README.md": "other words"})
        return name

    def _write(self, name: str, content: dict[str, str]) -> None:
        folder = self.cli.folder / name
        folder.mkdir()
        for file, text in content.items():
            (folder / file).write_text(text)

    def run(self, *names: str) -> list[str]:
        """Those that said that something was done before.  All of them are taken in then."""
        jobs = [(str(self.cli.folder / name), *self.given[name][1:]) for name in names]
        subprocess.run(
            [sys.executable, "-c", MANY],
            input=json.dumps(jobs),
            text=True,
            check=True,
            timeout=200,
            env={**self.cli.env, "AUTOTRACK_DUPLICATE_SECONDS": "0", "OMP_NUM_THREADS": "1"},
        )
        self.cli("ls")
        return [name for name in names if NOTICE in (self.cli.folder / name / "err").read_text()]


def test_of_a_hundred_runs_the_ten_that_were_done_before_are_found(cli: CommandLine) -> None:
    many = Programs(cli)
    base = many.make("base")
    made = [many.make(f"alpha{i}", config_json=json.dumps({"alpha": 0.01 + i / 100, "seed": 0})) for i in range(29)]
    for i in range(10):
        rows = [f"{j},{j % 7},{j % 3}.5,{j % 2}" for j in range(60)]
        rows[i] = f"{i},{i % 7},{i % 3}.500000001,{i % 2}"
        made.append(many.make(f"data{i}", data_csv="\n".join(rows)))
        helper = f"WIDTH = {i}\ndef features(table):\n    return table[:, :-1]\n"
        made.append(many.make(f"helper{i}", helper_py=helper))
        made.append(many.make(f"seed{i}", config_json=json.dumps({"alpha": 0.001, "seed": i + 1})))
    for i in range(5):
        made.append(many.make(f"program{i}", train_py=PROGRAM + f"# {i}\n"))
        made.append(many.make(f"threads{i}", env={"OMP_NUM_THREADS": str(i + 2)}))
        made.append(many.make(f"words{i}", f"--width={i}"))
        made.append(many.make(f"late{i}", late_py=f"SHOWN = 'accuracy {i}'\n"))
        made.append(many.make(f"report{i}", report_txt=f"fine {i}"))
        made.append(many.make(f"unseeded{i}", config_json=json.dumps({"alpha": 0.001, "seed": None})))
    done = (base, "alpha0", "data1", "helper2", "seed3", "program1", "threads1", "words1", "late1", "report1")
    again = [many.copy(name, f"{name}-again") for name in done]
    assert len([base, *made, *again]) == 100
    assert many.run(base) == []
    assert many.run(*made) == []
    assert many.run(*again) == again
    runs = {run["id"]: run for run in cli.lines("ls")}
    assert len(runs) == 100
    notice = (cli.folder / "seed3-again" / "err").read_text()
    assert "autotrack: this is what run " in notice
    assert "(by you, " in notice
    assert "did already: train/accuracy " in notice
    named = notice.partition(" run ")[2][:8]
    (found,) = [id for id in runs if id.startswith(named)]
    assert cli.json("show", found)["job"]["cwd"] == str(cli.folder / "seed3")


def notices(cli: CommandLine, *words: str, env: dict[str, str] | None = None, code: int = 0) -> int:
    """How often a program says that something was done before; it is taken in then."""
    done = cli("run", *words, env={"AUTOTRACK_DUPLICATE_SECONDS": "0", **(env or {})}, code=code)
    cli("ls")
    assert NOTICE not in done.stdout
    return done.stderr.count(NOTICE)


def test_who_wants_quiet_and_short_jobs_have_none(cli: CommandLine) -> None:
    cli.program(FIT)
    assert notices(cli, "train.py", "1") == 0
    assert notices(cli, "train.py", "1") == 1
    assert cli.json("show", "@last")["job"]["duplicate_of"]["run"] == cli.lines("ls")[-1]["id"]
    assert "the same as" in cli.terminal("show", "@last")
    assert NOTICE not in cli("run", "train.py", "1").stderr, "a minute by default"
    for quiet in ({"AUTOTRACK_QUIET": "1"}, {"PYTEST_CURRENT_TEST": "test"}, {"SLURM_ARRAY_TASK_ID": "3"}):
        assert notices(cli, "train.py", "1", env=quiet) == 0
    assert notices(cli, "train.py", "2") == 0


def test_a_job_that_failed_is_not_what_was_done_before(cli: CommandLine) -> None:
    cli.program(FIT + "import os\nsys.exit(os.path.exists('fails'))\n")
    (cli.folder / "fails").touch()
    cli("run", "train.py", code=1)
    cli("ls")
    (cli.folder / "fails").unlink()
    assert notices(cli, "train.py") == 0
    assert notices(cli, "train.py") == 1


def test_sweeps_tests_and_programs_of_programs_have_none(cli: CommandLine) -> None:
    sweep = FIT + "for C in (0.1, 0.2):\n    LogisticRegression(C=C).fit(X, y)\n"
    cli.program(sweep, "sweep.py")
    cli.program(FIT, "fit.py")
    cli.program("import subprocess, sys\nsubprocess.run([sys.executable, 'fit.py'], check=True)\n", "starts.py")
    calls = "import runpy, sys\ndef test_fit():\n    sys.argv[1:] = []\n    runpy.run_path('fit.py')\n"
    cli.program(calls, "test_it.py")
    for words in (["sweep.py"], ["starts.py"], ["-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]):
        assert [notices(cli, *words) for _ in range(2)] == [0, 0], words


def test_a_torch_program_is_found_by_its_seed(cli: CommandLine) -> None:
    cli.program(
        """
import sys, torch
from torch.utils.data import DataLoader, TensorDataset
if sys.argv[1] != "none":
    torch.manual_seed(int(sys.argv[1]))
data = TensorDataset(torch.arange(40.0).reshape(20, 2) / 40, torch.arange(20.0).reshape(20, 1) / 20)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for x, y in DataLoader(data, batch_size=5, shuffle=True):
    optimizer.zero_grad()
    loss = torch.nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()
"""
    )
    assert [notices(cli, "train.py", seed) for seed in ("1", "2", "1", "none", "none")] == [0, 0, 1, 0, 0]


@pytest.fixture(scope="module")
def alike(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    made = CommandLine(tmp_path_factory.mktemp("alike"))
    made.program(FIT)
    for words in (["1"], ["1"], ["2"]):
        made("run", "train.py", *words)
    made.program(FIT.replace("i % 7", "i % 5").replace("C=", "max_iter=7, C="))
    made("run", "train.py", "3")
    made.program(FIT.replace("LogisticRegression", "Perceptron").replace("C=float(sys.argv[1])", "alpha=0.1"))
    made("run", "train.py", code=None)
    return made


def test_runs_are_ranked_by_what_they_share(alike: CommandLine) -> None:
    first = alike.lines("ls")[-1]["id"]
    found: list[Any] = alike.lines("similar", first)
    assert [one["score"] for one in found] == sorted((one["score"] for one in found), reverse=True)
    assert found[0]["score"] == 1.0
    assert found[0]["differs"] == []
    assert [(d["what"], d["name"], d["from"], d["to"]) for d in found[1]["differs"][:1]] == [("params", "C", 1.0, 2.0)]
    assert [d["what"] for d in found[1]["differs"]] == ["params", "arguments"]
    other = {(d["what"], d["name"]) for d in found[2]["differs"]}
    assert other == {
        ("params", "C"), ("params", "max_iter"), ("data", "train features"), ("code", "train.py"), ("arguments", ""),
    }  # fmt: skip
    assert 0.5 < found[2]["score"] < found[1]["score"] < 1
    assert len(alike.lines("similar", first, "-n", "1")) == 1
    shown = alike.terminal("similar", first)
    assert "C 1 → 2; arguments" in shown
    assert "data: train features; code: train.py" in shown
    lines = alike("similar", first).stdout.splitlines()
    assert lines[1].split("\t")[3] == "C 1 → 2; arguments"
    assert "no run" in alike("similar", "zzzz", code=1).stderr


def test_it_asks_for_no_more_than_is_there(cli: CommandLine) -> None:
    cli.program(FIT)
    cli("run", "train.py")
    assert cli("similar").stdout == ""
    assert "no other run" in cli.terminal("similar")


def test_an_index_that_is_damaged_is_as_if_there_were_none(cli: CommandLine) -> None:
    cli.program(FIT)
    assert notices(cli, "train.py") == 0
    (place,) = (Path(cli.folder) / ".autotrack" / "index").iterdir()
    for content in (b"", b"[", b'[{"run": 1}]', os.urandom(100)):
        place.write_bytes(content)
        assert NOTICE not in cli("run", "train.py", env={"AUTOTRACK_DUPLICATE_SECONDS": "0"}).stderr
    cli("ls")
    assert notices(cli, "train.py") == 1
