"""Recorded programs run once more: to the bit where nothing differs, and the right first difference where something
does."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import CommandLine

SKLEARN = """
import numpy as np, joblib
from helper import load
from sklearn.ensemble import RandomForestClassifier
np.random.seed(3)
X, y = load()
order = np.random.permutation(len(X))
model = RandomForestClassifier(n_estimators=10).fit(X[order], y[order])
joblib.dump(model, "model.joblib")
print("accuracy", model.score(X, y))
"""
XGBOOST = """
import xgboost
from helper import load
X, y = load()
data = xgboost.DMatrix(X, y)
booster = xgboost.train({"objective": "multi:softmax", "num_class": 3, "subsample": 0.7, "seed": 3}, data, 6,
                        evals=[(data, "train")], verbose_eval=False)
booster.save_model("model.ubj")
"""
TORCH = """
import torch
from helper import load
torch.manual_seed(3)
X, y = (torch.tensor(part) for part in load())
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(8, 3))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X.float(), y), batch_size=32, shuffle=True)
for epoch in range(3):
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(inputs), labels)
        loss.backward()
        optimizer.step()
torch.save(net.state_dict(), "model.pt")
"""
KERAS = """
import keras
from helper import load
keras.utils.set_random_seed(3)
X, y = load()
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(8, activation="relu"),
                          keras.layers.Dropout(0.2), keras.layers.Dense(3, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(X, y, epochs=3, batch_size=32, verbose=0)
model.save("model.keras")
"""
HELPER = """
import csv
import numpy as np

def load():
    rows = np.array([[float(value) for value in row] for row in csv.reader(open("data.csv"))])
    return rows[:, :4], rows[:, 4].astype(int)
"""
PROGRAMS = {"sklearn": SKLEARN, "xgboost": XGBOOST, "torch": TORCH, "keras": KERAS}


def laid_out(folder: Path, source: str) -> None:
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True)
    lines = [
        ",".join([*(repr(float(value)) for value in row), str(int(label))]) for row, label in zip(X, y, strict=True)
    ]
    (folder / "data.csv").write_text("\n".join(lines) + "\n")
    (folder / "helper.py").write_text(HELPER)
    (folder / "train.py").write_text(source)


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=kim", "-c", "user.email=kim@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def reproduced(cli: CommandLine, *words: str, code: int = 0, env: dict[str, str] | None = None) -> dict[str, Any]:
    """The verdict on the last run, in the environment of the test."""
    import json

    if "--out" not in words:
        words = (*words, "--out", tempfile.mkdtemp(prefix="again", dir=cli.folder.parent))
    done = cli("reproduce", "@last", "--current-env", "--json", *words, code=code, env=env)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("place", ["git", "folder"])
@pytest.mark.parametrize("framework", PROGRAMS)
def test_to_the_bit(cli: CommandLine, framework: str, place: str) -> None:
    pytest.importorskip(framework)
    laid_out(cli.folder, PROGRAMS[framework])
    if place == "git":
        (cli.folder / ".gitignore").write_text("data.csv\n")
        (cli.folder / "helper.py").write_text("")
        git(cli.folder, "init", "-q", ".")
        git(cli.folder, "add", "-A")
        git(cli.folder, "commit", "-qm", "one")
        (cli.folder / "helper.py").write_text(HELPER)  # the tree is dirty
    cli("run", "train.py")
    before = {path: path.stat().st_mtime_ns for path in cli.folder.glob("*") if path.is_file()}
    (cli.folder / "helper.py").unlink()  # the author has left
    (cli.folder / "train.py").write_text("raise SystemExit(1)\n")
    del before[cli.folder / "helper.py"], before[cli.folder / "train.py"]
    found = reproduced(cli)
    assert found["verdict"] == "bitwise", found
    assert found["compared"].get("model") or found["compared"].get("checkpoint") or found["compared"].get("points")
    assert {path: path.stat().st_mtime_ns for path in before} == before, "nothing was written where it ran before"


def difference(cli: CommandLine, source: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    laid_out(cli.folder, source)
    cli("run", "train.py", env=env)
    return reproduced(cli, code=3)["first"]


def test_changed_data(cli: CommandLine) -> None:
    laid_out(cli.folder, SKLEARN)
    cli("run", "train.py")
    text = (cli.folder / "data.csv").read_text()
    (cli.folder / "data.csv").write_text(text.replace("5.1,3.5", "5.2,3.5"))
    found = reproduced(cli, code=3)
    assert (found["first"]["what"], "data.csv" in found["first"]["name"]) == ("data", True)


def test_data_that_was_moved_is_found_by_its_content(cli: CommandLine) -> None:
    laid_out(cli.folder, "import shutil\n" + SKLEARN)
    cli("run", "train.py")
    laid_out(cli.folder, "open('copy.csv', 'w').write(open('data.csv').read())")
    cli("run", "train.py")
    os.unlink(cli.folder / "data.csv")
    (run,) = cli.lines("ls")
    done = cli("reproduce", run["id"], "--current-env")
    assert done.stdout.splitlines()[-1] == "bitwise"


def test_missing_data_is_named(cli: CommandLine) -> None:
    laid_out(cli.folder, SKLEARN)
    cli("run", "train.py")
    os.unlink(cli.folder / "data.csv")
    found = reproduced(cli, code=1)
    assert found["verdict"] == "not runnable"
    assert "data.csv is gone" in found["problems"][0]


def test_a_changed_package(cli: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A package of another version whose function computes something else."""
    site = tmp_path_factory.mktemp("other") / "site-packages"
    site.mkdir()

    def install(version: str, factor: float) -> None:
        for old in site.glob("scaling-*"):
            old.rename(site / f"scaling-{version}.dist-info")
        (site / f"scaling-{version}.dist-info").mkdir(exist_ok=True)
        (site / "scaling.py").write_text(f"def scaled(data): return data[0] * {factor}, data[1]\n")

    install("1.0", 1.0)
    env = {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    laid_out(cli.folder, "import scaling\n" + SKLEARN.replace("load()", "scaling.scaled(load())"))
    cli("run", "train.py", env=env)
    install("2.0", 3.0)
    found = reproduced(cli, code=3, env=env)
    firsts = [(one["what"], one["name"]) for one in found["differences"][:2]]
    assert ("package", "scaling 1.0 → 2.0") in firsts, found


def test_no_seed(cli: CommandLine) -> None:
    first = difference(cli, SKLEARN.replace("np.random.seed(3)\n", ""))
    assert (first["what"], first["name"]) in {("data", "train 0"), ("rng", "numpy")}, first


def test_no_seed_for_the_weights(cli: CommandLine) -> None:
    first = difference(cli, TORCH.replace("torch.manual_seed(3)\n", ""))
    assert (first["what"], first["name"]) == ("rng", "torch")


def test_code_edited_while_running(cli: CommandLine) -> None:
    """The module that it imports late is not what it was when it began."""
    source = """
import os, pathlib, time
import helper
import autotrack
autotrack.log({"begun": 1.0})
first = os.path.exists(".autotrack")
while first and not list(pathlib.Path(".autotrack/objects").glob("known-*")): time.sleep(0.01)
path = pathlib.Path("helper.py")
path.write_text(path.read_text().replace("[:, :4]", "[:, 1:4]"))
import importlib
importlib.reload(helper)
""" + SKLEARN.replace("from helper import load", "load = helper.load")
    source = source.replace("path.write_text", "if first: path.write_text")
    laid_out(cli.folder, source)
    cli("run", "train.py")
    found = reproduced(cli, code=3)
    assert (found["first"]["what"], "helper.py" in found["first"]["name"]) == ("code", True)


def test_a_loss_that_differs_from_some_step_on(cli: CommandLine) -> None:
    step = "        optimizer.zero_grad()"
    other = "        if os.path.exists(os.environ['MARK']) and epoch == 1: net[0].weight.data *= 1.01\n"
    laid_out(cli.folder, "import os\n" + TORCH.replace(step, other + step))
    mark = f"{cli.folder}-mark"
    cli("run", "train.py", env={"MARK": mark})
    Path(mark).touch()
    first = reproduced(cli, code=3, env={"MARK": mark})["first"]
    assert (first["what"], first["name"], first["step"]) == ("series", "train/loss", 5), "of five steps an epoch"


def test_within_a_tolerance(cli: CommandLine) -> None:
    source = "import os, autotrack\nfor step in range(5):\n"
    source += "    autotrack.log({'loss': 1.0 + step + float(os.environ['E' 'PS'])}, step=step)\n"
    laid_out(cli.folder, source)
    cli("run", "train.py", env={"EPS": "0"})
    found = reproduced(cli, env={"EPS": "1e-9"})
    assert found["verdict"] == "within tolerance"
    assert (found["first"]["name"], found["first"]["step"]) == ("loss", 0)
    assert reproduced(cli, "--tolerance", "1e-12", code=3, env={"EPS": "1e-9"})["verdict"] == "diverged"


@pytest.mark.parametrize(
    ("before", "verdict", "code"), [("for epoch", "within tolerance", 0), ("torch.save", "diverged", 3)]
)
def test_weights_that_differ_by_little(cli: CommandLine, before: str, verdict: str, code: int) -> None:
    """By how much is not in their digests: it shows in what came of them, if anything did."""
    source = TORCH.replace(before, "net[0].weight.data *= 1 + float(os.environ['E' 'PS'])\n" + before)
    laid_out(cli.folder, "import os\n" + source)
    cli("run", "train.py", env={"EPS": "0"})
    found = reproduced(cli, code=code, env={"EPS": "1e-6"})
    assert found["verdict"] == verdict
    assert "model" in [one["what"] for one in found["differences"]]


def test_threads_are_as_they_were(cli: CommandLine) -> None:
    source = "import os, autotrack\nautotrack.log({'threads': float(os.environ['OMP_NUM_THREADS'])})\n"
    laid_out(cli.folder, source)
    cli("run", "train.py", env={"OMP_NUM_THREADS": "3"})
    assert reproduced(cli, env={"OMP_NUM_THREADS": "7"})["verdict"] == "bitwise"


def test_a_parameter_that_comes_from_elsewhere(cli: CommandLine) -> None:
    laid_out(cli.folder, "import os\n" + SKLEARN.replace("n_estimators=10", "n_estimators=int(os.environ['TR' 'EES'])"))
    cli("run", "train.py", env={"TREES": "10"})
    first = reproduced(cli, code=3, env={"TREES": "11"})["first"]
    assert (first["what"], first["name"], first["before"], first["now"]) == ("param", "n_estimators", 10, 11)


def test_a_program_that_fails_now(cli: CommandLine) -> None:
    source = SKLEARN + "import os\nif os.environ.get('FA' 'IL'): raise ValueError('now')\n"
    laid_out(cli.folder, source)
    cli("run", "train.py")
    first = reproduced(cli, code=3, env={"FAIL": "1"})["first"]
    assert (first["what"], first["before"], first["now"]) == ("exit", 0, "1, ValueError: now")


def test_a_run_that_does_not_come_to_be(cli: CommandLine) -> None:
    source = "import os\nif os.environ.get('FA' 'IL'): raise SystemExit(0)\n" + SKLEARN
    laid_out(cli.folder, source)
    cli("run", "train.py")
    first = reproduced(cli, code=3, env={"FAIL": "1"})["first"]
    assert first["what"] in ("run", "data")


def test_a_program_that_only_prepares_data(cli: CommandLine) -> None:
    source = "import os\ntext = open('data.csv').read()\n"
    source += "open('out.csv', 'w').write(text.upper() + os.environ.get('MO' 'RE', ''))\n"
    laid_out(cli.folder, source)
    cli("run", "train.py")
    job = cli("trace", "out.csv").stdout.splitlines()[1].split("\t")[3]
    assert cli("reproduce", job, "--current-env").stdout.splitlines()[-1] == "bitwise"
    diverged = cli("reproduce", job, "--current-env", code=3, env={"MORE": "x"}).stdout.splitlines()[-1]
    assert diverged.startswith("diverged: first file out.csv")


def test_what_it_writes_elsewhere_is_put_back(cli: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "model.joblib"
    laid_out(cli.folder, SKLEARN.replace('"model.joblib"', repr(str(elsewhere))))
    cli("run", "train.py")
    elsewhere.write_bytes(b"precious")
    assert reproduced(cli, "--out", "again")["verdict"] == "bitwise"
    assert elsewhere.read_bytes() == b"precious"
    assert (cli.folder / "again" / "outside" / str(elsewhere).lstrip("/")).exists()


def test_arguments_and_paths(cli: CommandLine) -> None:
    """Absolute paths in the command line are in the fresh folder."""
    source = SKLEARN.replace('"model.joblib"', "sys.argv[1]").replace("import numpy", "import sys, numpy")
    laid_out(cli.folder, source)
    cli("run", "train.py", str(cli.folder / "chosen.joblib"))
    stamp = (cli.folder / "chosen.joblib").stat().st_mtime_ns
    assert reproduced(cli)["verdict"] == "bitwise"
    assert (cli.folder / "chosen.joblib").stat().st_mtime_ns == stamp


def test_a_secret_in_the_command_line(cli: CommandLine) -> None:
    laid_out(cli.folder, SKLEARN)
    cli("run", "train.py", "--password", "hunter22hunter")
    assert "held a secret" in reproduced(cli, code=1)["problems"][0]


def test_the_preflight_changes_nothing(cli: CommandLine) -> None:
    laid_out(cli.folder, SKLEARN)
    cli("run", "train.py")
    shown = cli("reproduce", "@last", "--dry-run", "--current-env").stdout
    assert shown.splitlines()[-1] == "runnable"
    assert "data.csv: same" in shown


def test_a_new_environment(tmp_path: Path) -> None:
    """Of the packages on record a small one here, in an environment of its own, and this autotrack."""
    from autotrack.reproduce.packages import NotInstallable, Packages

    versions = {"six": "1.17.0", "autotrack-ml": "0.1.0"}
    packages = Packages(f"cpython {sys.version.split()[0]}", sys.executable, versions)
    python = packages.install(str(tmp_path / "env"), str(tmp_path / "log"))
    code = "import six; from importlib.metadata import entry_points\n"
    code += "print(six.__version__, len(entry_points(group='autotrack.frameworks')))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    version, plugins = done.stdout.split()
    assert version == "1.17.0"
    assert int(plugins) > 5
    wrong = Packages(packages.python, sys.executable, {"autotrack-no-such-package": "1.0"})
    with pytest.raises(NotInstallable, match="autotrack-no-such-package"):
        wrong.install(str(tmp_path / "wrong"), str(tmp_path / "log"))


# What is there stays as it is


def beside(cli: CommandLine) -> Path:
    """A folder beside that of the program."""
    return Path(f"{cli.folder}-outside")


VIEWS = pytest.mark.parametrize("view", ["--own-view", "--no-own-view"])
TELLS = "import autotrack\nautotrack.log({'loss': 1.0})\n"


def tree(folder: Path) -> dict[str, tuple[bytes, int]]:
    """What lies in a folder, and when it was changed."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file() and ".autotrack" not in path.parts
    }


WRITERS = {
    "an absolute path in its own folder": "open(os.path.join(HERE, 'out.txt'), 'w').write('1')",
    "a path relative to the folder above": "open(os.path.relpath(OUTSIDE) + '/out.txt', 'w').write('1')",
    "a link": "os.makedirs('a', exist_ok=True); open('link.txt', 'w').write('1')",
    "a folder that is a link": "open('linked/out.txt', 'w').write('1')",
    "one of two names": "open(os.path.join(OUTSIDE, 'name'), 'w').write('1')",
    "what it read": "text = open('read.txt').read(); open(os.path.join(HERE, 'read.txt'), 'w').write(text + '1')",
    "many files": "[open(os.path.join(OUTSIDE, f'{n}.txt'), 'w').write('1') for n in range(60)]",
    "a new file": "open(os.path.join(OUTSIDE, 'new', str(os.getpid())), 'w').write('1')",
    "a file by rename": "open(OUTSIDE + '/x', 'w').write('1'); os.replace(OUTSIDE + '/x', OUTSIDE + '/out.txt')",
    "a folder at the place of a file": "open(OUTSIDE + '/out.txt', 'w').write('1')\n"
    "if os.environ.get('AGA' 'IN'): os.remove(OUTSIDE + '/out.txt'); os.mkdir(OUTSIDE + '/out.txt')",
    "times of what it reads": "open(OUTSIDE + '/large').read(1); os.utime(OUTSIDE + '/large')",
    "what it reads and removes": "open(OUTSIDE + '/name').read(); os.remove(OUTSIDE + '/name')",
    "a large file that it reads and removes": "open(OUTSIDE + '/large').read(1); os.remove(OUTSIDE + '/large')",
    "other processes": "subprocess.run(['sh', '-c', f'echo 1 > {HERE}/out.txt'])",
}


@VIEWS
@pytest.mark.parametrize("name", WRITERS)
def test_what_is_there_stays(cli: CommandLine, name: str, view: str) -> None:
    here, outside = cli.folder, beside(cli)
    cli.env["TMPDIR"] = "/nowhere"  # else what lies in pytest's folders is temporary
    (outside / "new").mkdir(parents=True)
    source = f"import os, subprocess\nHERE, OUTSIDE = {str(here)!r}, {str(outside)!r}\n"
    (here / "train.py").write_text(source + WRITERS[name] + "\n" + TELLS)
    for path in (here / "out.txt", here / "read.txt", outside / "out.txt", outside / "name", outside / "5.txt"):
        path.write_text("then")
    with open(outside / "large", "wb") as file:
        file.truncate(65 << 20)
    os.link(outside / "name", outside / "other name")
    (here / "link.txt").symlink_to(outside / "out.txt")
    (here / "linked").symlink_to(outside)
    git(here, "init", "-q", ".")
    git(here, "add", "-A")
    cli("run", "train.py")
    for path in (here / "out.txt", outside / "out.txt", outside / "name", outside / "5.txt"):
        path.write_text("then" if "removes" in name else "precious")
    with open(outside / "large", "wb") as file:
        file.truncate(65 << 20)
    before = tree(cli.folder), tree(outside)
    if view == "--no-own-view" and name in ("other processes", "a new file"):
        pytest.skip("what is not on record can't be put aside")
    found = reproduced(cli, view, code=None, env={"AGAIN": "1"})
    assert (tree(cli.folder), tree(outside)) == before
    assert found["verdict"] in ("bitwise", "diverged")
    assert found["exit"] == 0


@pytest.fixture
def not_temporary() -> Iterator[Path]:
    """A folder that lies elsewhere than those for temporary files, in which anything may write."""
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        if folder.startswith(("/tmp/", "/var/tmp/", "/dev/shm/")):
            pytest.skip("the user's home is a temporary folder")
        yield Path(folder)


UNCOVERED = {
    "the fresh folder in it": lambda cli, home: ["--out", str(home / "again")],
    "a link": lambda cli, home: home.symlink_to(home.rename(f"{home}-real")),
    "a name that mounts can't have": lambda cli, home: cli.env.update(HOME=str(home.rename(f"{home},x:y"))),
    "none": lambda cli, home: cli.env.update(HOME=str(home / "none")),
}


@pytest.mark.parametrize("name", UNCOVERED)
def test_a_home_that_can_not_be_covered(cli: CommandLine, name: str, not_temporary: Path) -> None:
    """All else can only be read all the same."""
    home, outside = Path(f"{cli.folder}-home"), not_temporary
    home.mkdir()
    cli.env |= {"HOME": str(home), "TMPDIR": "/nowhere"}
    words = UNCOVERED[name](cli, home) or []
    source = f"import os\nif os.environ.get('AGA' 'IN'): os.chmod({str(outside)!r}, 0o700)\n"
    (cli.folder / "train.py").write_text(source + TELLS)
    cli("run", "train.py")
    before = outside.stat().st_mode
    done = cli("reproduce", "@last", "--current-env", *words, code=1, env={"AGAIN": "1", "TMPDIR": "/tmp"})
    assert "can only be read" in done.stderr
    assert outside.stat().st_mode == before


def test_what_is_written_beside_the_folder_of_the_program(cli: CommandLine, tmp_path: Path) -> None:
    """The folder around it is covered, and the recorded code is seen in it all the same."""
    inner = CommandLine(tmp_path / "around" / "project")
    inner.folder.mkdir(parents=True)
    (inner.folder / "helper.py").write_text("value = 1.0\n")
    source = "import helper, autotrack\nautotrack.log({'value': helper.value})\nopen('../out.csv', 'w').write('1')\n"
    (inner.folder / "train.py").write_text(source)
    (inner.folder.parent / "data").mkdir()
    inner("run", "train.py")
    (inner.folder / "helper.py").write_text("value = 20.0\n")
    (inner.folder.parent / "out.csv").write_text("precious")
    before = tree(inner.folder.parent)
    found = reproduced(inner, "--out", str(tmp_path / "again"))
    assert found["verdict"] == "bitwise", found
    assert tree(inner.folder.parent) == before


INSTEAD = {
    "a queue": "for name in os.listdir(OUTSIDE): open(f'{OUTSIDE}/{name}').read(); os.remove(f'{OUTSIDE}/{name}')",
    "a new folder each time": "os.makedirs(f'{OUTSIDE}/{time.time()}'); open(f'{OUTSIDE}/{time.time()}', 'w').close()",
    "through a link": "open('linked/in.txt').read(); open('linked/out.txt', 'w').write('1')",
    "made where nothing was": "os.makedirs(OUTSIDE + '/made'); open(OUTSIDE + '/made/out.txt', 'w').write('1')",
    "made anew": "shutil.rmtree(OUTSIDE + '/anew', ignore_errors=True); os.makedirs(OUTSIDE + '/anew')\n"
    "open(OUTSIDE + '/anew/out.txt', 'w').write('1')",
}


@pytest.mark.parametrize("name", INSTEAD)
def test_what_it_does_elsewhere(cli: CommandLine, name: str) -> None:
    """With a view of its own all of that can be done once more, and nobody else sees it."""
    cli.env["TMPDIR"] = "/nowhere"  # else what lies in pytest's folders is temporary
    outside = beside(cli) / "work"
    outside.mkdir(parents=True)
    (outside / "in.txt").write_text("1")
    (cli.folder / "linked").symlink_to(os.path.relpath(outside, cli.folder))
    source = f"import os, shutil, time\nOUTSIDE = {str(outside)!r}\n{INSTEAD[name]}\n"
    (cli.folder / "train.py").write_text(source + TELLS)
    git(cli.folder, "init", "-q", ".")
    git(cli.folder, "add", "-A")
    cli("run", "train.py")
    (outside / "in.txt").write_text("1")
    before = tree(outside), sorted(outside.rglob("*"))
    found = reproduced(cli)
    assert found["verdict"] == "bitwise", found
    assert (tree(outside), sorted(outside.rglob("*"))) == before


def test_what_is_hidden_at_home(cli: CommandLine) -> None:
    """Nothing of that is on record."""
    home = Path(f"{cli.folder}-home")
    (home / ".config").mkdir(parents=True)
    cli.env["HOME"] = str(home)
    source = "import os\nopen(os.path.expanduser('~/.config/mine'), 'w').write('1')\n" + TELLS
    (cli.folder / "train.py").write_text(source)
    cli("run", "train.py")
    (home / ".config" / "mine").write_text("precious")
    before = tree(home)
    assert reproduced(cli)["verdict"] == "bitwise"
    assert tree(home) == before


def test_processes_that_go_their_own_way(cli: CommandLine) -> None:
    """They end with it."""
    source = "import subprocess, sys\nchild = subprocess.Popen([sys.executable, '-c', 'import signal, time\\n"
    source += "signal.signal(signal.SIGTERM, signal.SIG_IGN)\\ntime.sleep(1000)'], start_new_session=True)\n"
    (cli.folder / "train.py").write_text(
        source + "print(child.pid)\nimport os\nif ('KE' 'EP') not in os.environ: child.kill()\n" + TELLS
    )
    cli("run", "train.py")
    place = Path(reproduced(cli, env={"KEEP": "1"}, code=None)["place"])
    child = int((place / "output.log").read_text())
    assert not os.path.exists(f"/proc/{child}")


def test_folders_that_it_empties(cli: CommandLine) -> None:
    """Only with a view of its own: what it removed is not on record."""
    outside = beside(cli)
    source = f"import os, shutil\nshutil.rmtree({str(outside)!r}, ignore_errors=True)\nos.makedirs({str(outside)!r})\n"
    (cli.folder / "train.py").write_text(source + f"open({str(outside / 'out')!r}, 'w').write('1')\n" + TELLS)
    cli("run", "train.py")
    (outside / "notes.txt").write_text("precious")
    before = tree(outside)
    reproduced(cli, code=None)
    assert tree(outside) == before


@VIEWS
def test_large_inputs_are_lent_and_not_changed(cli: CommandLine, view: str) -> None:
    resumed = (
        "size = len(open('large.bin', 'rb').read())\nfile = open('large.bin', 'r+b')\nfile.write(b'1')\nfile.close()\n"
    )
    (cli.folder / "train.py").write_text(resumed + "open('other.bin', 'rb').read(1)\nprint(size)\n" + TELLS)
    for name in ("large.bin", "other.bin"):
        with open(cli.folder / name, "wb") as file:
            file.truncate(65 << 20)
    cli("run", "train.py")
    before = [(cli.folder / name).stat().st_mtime_ns for name in ("large.bin", "other.bin")]
    found = reproduced(cli, view)
    assert found["verdict"] == "bitwise", found
    lent = Path(found["place"]) / "code" / "other.bin"
    assert not lent.is_symlink()
    assert lent.stat().st_size == (65 << 20 if view == "--no-own-view" else 0)
    assert [(cli.folder / name).stat().st_mtime_ns for name in ("large.bin", "other.bin")] == before


@VIEWS
@pytest.mark.parametrize("ending", ["signal", "timeout"])
def test_a_reproduction_that_is_ended(cli: CommandLine, view: str, ending: str) -> None:
    """What it had changed is put back, and no process of it goes on."""
    outside = Path(f"{cli.folder}-out.txt")
    source = f"import os, sys, subprocess, time\nopen({str(outside)!r}, 'w').write('1')\n" + TELLS
    source += "if os.environ.get('HA' 'NG'):\n    child = subprocess.Popen(['sleep', '1000'])\n"
    source += "    print(child.pid, flush=True)\n    time.sleep(1000)\n"
    (cli.folder / "train.py").write_text(source)
    cli("run", "train.py")
    outside.write_text("precious")
    place = Path(f"{cli.folder}-again")
    words = [sys.executable, "-m", "autotrack", "reproduce", "@last", "--current-env", view, "--out", str(place)]
    words += ["--timeout", "3"] if ending == "timeout" else []
    process = subprocess.Popen(words, cwd=cli.folder, env={**cli.env, "HANG": "1"}, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while not (place / "output.log").exists() or not (place / "output.log").read_text().strip():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    child = int((place / "output.log").read_text())
    if ending == "signal":
        process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (143 if ending == "signal" else 1), errors
    assert "Traceback" not in errors
    assert outside.read_text() == "precious"
    while os.path.exists(f"/proc/{child}") and "Z" not in Path(f"/proc/{child}/stat").read_text().split()[2]:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_store_that_is_set(cli: CommandLine) -> None:
    """Of a whole team: what is run once more is not in it."""
    env = {"AUTOTRACK_STORE": f"sqlite:///{cli.folder}/team.db"}
    (cli.folder / "train.py").write_text("import os\nif os.environ.get('LE' 'AVE'): os._exit(0)\n" + SKLEARN)
    laid_out(cli.folder, "import os\nif os.environ.get('LE' 'AVE'): os._exit(0)\n" + SKLEARN)
    cli("run", "train.py", env=env)
    assert reproduced(cli, env=env)["verdict"] == "bitwise"
    first = reproduced(cli, code=3, env={**env, "LEAVE": "1"})["first"]
    assert first["what"] == "run"
    assert len(cli("ls", "--json", env=env).stdout.splitlines()) == 1


# Where it lies and how it is started

STARTS = {
    "in a folder below": (["src/train.py"], "src"),
    "as a module": (["-m", "src.train"], "src"),
}


@VIEWS
@pytest.mark.parametrize("start", STARTS)
def test_a_program_in_a_folder_without_git(cli: CommandLine, start: str, view: str) -> None:
    words, folder = STARTS[start]
    (cli.folder / folder).mkdir()
    source = "import sys\nsys.path[:0] = ['src', '.']\nimport part, beside\n"
    (cli.folder / folder / "train.py").write_text(source + TELLS)
    (cli.folder / folder / "part.py").write_text("")
    name = f"{cli.folder.name}-above.txt"
    (cli.folder / "beside.py").write_text(f"open('in.txt').read()\nopen('../{name}').read()\n")
    (cli.folder / "in.txt").write_text("1")
    (cli.folder.parent / name).write_text("1")
    cli("run", *words)
    if view == "--no-own-view":
        shown = cli("reproduce", "@last", "--current-env", view, "--dry-run").stdout
        assert name in shown
        return
    assert reproduced(cli, view)["verdict"] == "bitwise"


def test_a_folder_that_was_there(cli: CommandLine) -> None:
    (cli.folder / "models").mkdir()
    (cli.folder / "train.py").write_text("open('models/m.txt', 'w').write('1')\n" + TELLS)
    cli("run", "train.py")
    assert reproduced(cli)["verdict"] == "bitwise"


def test_its_own_earlier_output_is_not_there(cli: CommandLine) -> None:
    outside = beside(cli) / "log.txt"
    source = f"import os\nos.makedirs(os.path.dirname({str(outside)!r}), exist_ok=True)\n"
    source += f"if os.path.exists({str(outside)!r}): raise SystemExit('done before')\n"
    (cli.folder / "train.py").write_text(source + f"open({str(outside)!r}, 'a').write('1')\n" + TELLS)
    cli("run", "train.py")
    assert reproduced(cli)["verdict"] == "bitwise"
    assert outside.read_text() == "1"


# What is compared


def test_another_exception(cli: CommandLine) -> None:
    source = "import os\nif os.environ.get('OT' 'HER'): raise KeyError('other')\n" + TELLS + "raise ValueError('one')\n"
    (cli.folder / "train.py").write_text(source)
    cli("run", "train.py", code=1)
    assert reproduced(cli)["verdict"] == "bitwise"
    first = reproduced(cli, code=3, env={"OTHER": "1"})["first"]
    assert first["what"] in ("run", "exit")


def test_a_program_that_does_nothing_now(cli: CommandLine) -> None:
    (cli.folder / "train.py").write_text(
        "import os\nif not os.environ.get('SK' 'IP'): open('out.txt', 'w').write('1')\n"
    )
    cli("run", "train.py")
    job = cli("trace", "out.txt").stdout.splitlines()[1].split("\t")[3]
    out = tempfile.mkdtemp(dir=cli.folder.parent)
    done = cli("reproduce", job, "--current-env", "--out", out, code=3, env={"SKIP": "1"})
    assert done.stdout.splitlines()[-1].startswith("diverged")


def test_programs_that_it_starts(cli: CommandLine) -> None:
    """They are jobs of their own, which is said."""
    (cli.folder / "child.py").write_text("import random, autotrack\nautotrack.log({'loss': random.random()})\n")
    source = "import subprocess, sys\nsubprocess.run([sys.executable, 'child.py'], check=True)\n" + TELLS
    (cli.folder / "train.py").write_text(source)
    cli("run", "train.py")
    (id,) = [run["id"] for run in cli.lines("ls") if run["name"] == "train.py"]
    out = tempfile.mkdtemp(dir=cli.folder.parent)
    shown = cli("reproduce", id, "--current-env", "--out", out).stdout
    assert "programs that it starts are not compared" in shown
    assert shown.splitlines()[-1] == "bitwise"


def test_nested_runs(cli: CommandLine) -> None:
    source = "import os, autotrack\nwith autotrack.run('outer'):\n    for fold in range(3):\n"
    source += "        with autotrack.run('fold'):\n"
    source += "            autotrack.log({'loss': fold + float(os.environ.get('MO' 'RE', 0))})\n"
    (cli.folder / "train.py").write_text(source)
    cli("run", "train.py")
    assert reproduced(cli)["verdict"] == "bitwise"
    job = cli.json("show", "@last")["job"]["id"]
    nested = next(run["id"] for run in cli.lines("show", job)[0]["runs"] if run["name"] == "fold")
    for reference in (job, nested):
        out = tempfile.mkdtemp(dir=cli.folder.parent)
        words = ("reproduce", reference, "--current-env", "--out", out)
        assert cli(*words, code=3, env={"MORE": "1"}).stdout.splitlines()[-1].startswith("diverged"), reference


BESIDE = {
    "numbers in a table": ("open('p.csv', 'w').write(f'id,p\\n1,{0.5 + n}\\n')", "diverged", "file"),
    "a little": ("open('p.json', 'w').write(json.dumps({'p': [0.5 + n * 1e-9]}))", "within tolerance", "file"),
    "times in a table": ("open('p.csv', 'w').write(f'fit_time,p\\n{n},0.5\\n')", "bitwise", None),
    "words in a table": ("open('p.csv', 'w').write(f'id,p\\nrun-{n},0.5\\n')", "bitwise", None),
    "times in JSON": (
        "json.dump({'fit_ms': n, 'timings': {'fit': n}, 'at': 20261127182030 + n, 'p': 0.5}, open('p.json', 'w'))",
        "bitwise",
        None,
    ),
    "one more row": ("open('p.csv', 'w').write('id;p\\n' + '1;0,5\\n' * (2 + n))", "diverged", "file"),
    "a log": ("open('p.log', 'w').write(f'started {n}')", "bitwise", None),
    "a name with a number": ("open(f'p-{10 + n}.npy', 'wb').write(b'1')", "bitwise", None),
    "another array": ("open('p.npy', 'wb').write(b'%d' % n)", "diverged", "file"),
    "nothing": ("n or open('p.log', 'w').write('1')", "diverged", "file"),
    "one more run": ("if n: autotrack.run('more').__enter__(); autotrack.log({'loss': 1.0})", "diverged", "run"),
    "a time by its name": ("autotrack.log({'mae_duration': 1.0 + n})", "bitwise", None),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_else_it_does(cli: CommandLine, name: str) -> None:
    line, verdict, what = BESIDE[name]
    source = f"import json, os\nn = int(os.environ.get('AGA' 'IN', '0'))\n{TELLS}{line}\n"
    (cli.folder / "train.py").write_text(source)
    cli("run", "train.py")
    assert reproduced(cli)["verdict"] == "bitwise"
    found = reproduced(cli, code=3 if verdict == "diverged" else 0, env={"AGAIN": "1"})
    assert (found["verdict"], (found["first"] or {}).get("what")) == (verdict, what)
    told = {"a log": "p.log", "words in a table": "p.csv", "a time by its name": "mae_duration"}.get(name, "")
    assert not told or any(told in note for note in found["notes"])


def test_chance_of_which_nothing_comes_that_could_be_compared(cli: CommandLine) -> None:
    source = "import numpy as np\nfrom sklearn.ensemble import IsolationForest\nX = np.arange(100.0).reshape(50, 2)\n"
    source += "print(IsolationForest(n_estimators=5).fit(X).score_samples(X)[:2])\n"
    (cli.folder / "train.py").write_text(source)
    cli("run", "train.py", env={"AUTOTRACK_KEEP_MODEL_SECONDS": "0"})
    first = reproduced(cli, code=3, env={"AUTOTRACK_KEEP_MODEL_SECONDS": "0"})["first"]
    assert (first["what"], first["name"]) == ("rng", "numpy")


def test_words_by_chance(cli: CommandLine) -> None:
    source = "import numpy as np\nfrom sklearn.linear_model import Ridge\nRidge().fit(np.eye(3), np.arange(3.0))\n"
    source += (
        "words = np.random.choice(['cat', 'dog', 'cow'], 40)\nopen('p.csv', 'w').write('\\n'.join(['p', *words]))\n"
    )
    (cli.folder / "train.py").write_text(source)
    cli("run", "train.py")
    assert reproduced(cli, code=3)["first"]["name"] in ("numpy", "p.csv")


def test_a_log_of_a_program_that_only_prepares(cli: CommandLine) -> None:
    source = "import json, time\nopen('p.log', 'w').write(f'{time.ctime()} done in {time.perf_counter():.3f} s')\n"
    (cli.folder / "train.py").write_text(source + "json.dump({'at': time.time(), 'rows': 3}, open('p.json', 'w'))\n")
    cli("run", "train.py")
    job = cli("trace", "p.log").stdout.splitlines()[1].split("\t")[3]
    out = tempfile.mkdtemp(dir=cli.folder.parent)
    cli("reproduce", job, "--current-env", "--out", out)


def test_runs_of_threads(cli: CommandLine) -> None:
    source = "import numpy as np, os, threading\nfrom sklearn.linear_model import Ridge\nX = np.eye(4)\n"
    source += "order = [1.0, 2.0, 3.0][:: -1 if os.environ.get('AGA' 'IN') else 1]\n"
    source += "for alpha in order:\n    one = threading.Thread(target=lambda: Ridge(alpha=alpha).fit(X, X[0]))\n"
    source += "    one.start()\n    one.join()\n"
    (cli.folder / "train.py").write_text(source)
    cli("run", "train.py")
    job = cli.json("show", "@last")["job"]["id"]
    for env in ({}, {"AGAIN": "1"}):
        out = tempfile.mkdtemp(dir=cli.folder.parent)
        shown = cli("reproduce", job, "--current-env", "--out", out, env=env).stdout
        assert shown.splitlines()[-1] == "bitwise", shown


def test_a_model_that_is_only_converted(cli: CommandLine) -> None:
    """By a program that trains nothing."""
    source = "import os, torch\nweights = torch.arange(3.0) + int(os.environ.get('AGA' 'IN', '0'))\n"
    (cli.folder / "train.py").write_text(source + "torch.save({'weight': weights}, 'm.pt')\nopen('in', 'w')\n")
    cli("run", "train.py")
    job = cli("trace", "m.pt").stdout.splitlines()[1].split("\t")[3]
    for env, code in (({}, 0), ({"AGAIN": "1"}, 3)):
        out = tempfile.mkdtemp(dir=cli.folder.parent)
        cli("reproduce", job, "--current-env", "--out", out, code=code, env=env)


def test_variables_that_the_code_reads(cli: CommandLine) -> None:
    source = "import os, autotrack\nscale, more = (float(os.environ.get(name, 1)) for name in ('SCALE', 'MORE'))\n"
    source += "os.environ.get('SCALE'), os.environ.get('MORE'), os.environ.setdefault('OWN', '1')\n"
    source += "autotrack.log({'loss': scale * more})\n"
    (cli.folder / "train.py").write_text(source)
    cli("run", "train.py", env={"SCALE": "2"})
    variables = cli.json("show", "@last")["job"]["environment"]["variables"]
    assert variables["SCALE"] == "2"
    assert "OWN" not in variables, "the program has set it itself"
    found = reproduced(cli, env={"SCALE": "3", "MORE": "3"})
    assert found["verdict"] == "bitwise"
    assert any("MORE" in note for note in found["notes"])


def test_standard_input_that_is_not_there(cli: CommandLine) -> None:
    (cli.folder / "train.py").write_text("import sys\nprint(sum(map(int, sys.stdin)))\n" + TELLS)
    cli("run", "train.py", input="1\n2\n")
    assert "output" in [one["what"] for one in reproduced(cli, code=3)["differences"]]


def test_code_elsewhere_that_has_changed(cli: CommandLine) -> None:
    """The program finds it as it was."""
    beside(cli).mkdir()
    (beside(cli) / "elsewhere.py").write_text("value = 1.0\n")
    source = f"import sys\nsys.path.insert(0, {str(beside(cli))!r})\nimport autotrack, elsewhere\n"
    (cli.folder / "train.py").write_text(source + "autotrack.log({'loss': elsewhere.value})\n")
    cli("run", "train.py")
    (beside(cli) / "elsewhere.py").write_text("value = 20.0\n")
    assert reproduced(cli)["verdict"] == "bitwise"
    assert (beside(cli) / "elsewhere.py").read_text() == "value = 20.0\n"
    assert reproduced(cli, "--no-own-view", code=3)["first"]["what"] == "code"


def test_an_input_that_is_a_pipe_now(cli: CommandLine) -> None:
    (cli.folder / "train.py").write_text("open('in.txt').read()\n" + TELLS)
    (cli.folder / "in.txt").write_text("1")
    cli("run", "train.py")
    (cli.folder / "in.txt").unlink()
    os.mkfifo(cli.folder / "in.txt")
    shown = cli("reproduce", "@last", "--current-env", "--dry-run").stdout
    assert "in.txt: changed" in shown


def test_times_are_not_compared(cli: CommandLine) -> None:
    source = "import time\nopen('out.txt', 'w').write('1')\n"
    source += "print(f'took {time.time():.3f}s', time.strftime('%H:%M:%S'), __file__)\n"
    (cli.folder / "train.py").write_text(source)
    cli("run", "train.py")
    job = cli("trace", "out.txt").stdout.splitlines()[1].split("\t")[3]
    for view in ("--own-view", "--no-own-view"):
        out = tempfile.mkdtemp(dir=cli.folder.parent)
        assert cli("reproduce", job, "--current-env", view, "--out", out).stdout.splitlines()[-1] == "bitwise"


@pytest.mark.parametrize(
    ("name", "measures"),
    [("epoch_time", True), ("it/s", True), ("time/epoch", True), ("time_mae", False), ("speed_rmse", False)],
)
def test_names_of_times(name: str, measures: bool) -> None:
    from autotrack.reproduce.differences import TIMES

    assert bool(TIMES.search(name)) == measures


# Several processes

DISTRIBUTED = """
import torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

def work(rank):
    torch.manual_seed(3)
    net = DistributedDataParallel(torch.nn.Linear(4, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(rank)
    for step in range(5):
        inputs = torch.randn(8, 4, generator=generator)
        loss = (net(inputs) - inputs.sum(1, keepdim=True)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if rank == 0:
        torch.save(net.module.state_dict(), "model.pt")
    dist.destroy_process_group()
"""
LAUNCHED = """
dist.init_process_group("gloo")
work(dist.get_rank())
"""
LAUNCHERS = {
    "module": ["-m", "torch.distributed.run"],
    "command": ["--", os.path.join(os.path.dirname(sys.executable), "torchrun")],
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_processes_of_a_launcher(cli: CommandLine, launcher: str) -> None:
    torch = pytest.importorskip("torch")
    if not torch.distributed.is_available():
        pytest.skip("this build of PyTorch has no torch.distributed")
    (cli.folder / "train.py").write_text(DISTRIBUTED + LAUNCHED)
    env = {"OMP_NUM_THREADS": "1"}
    cli("run", *LAUNCHERS[launcher], "--standalone", "--nproc-per-node", "2", "train.py", env=env)
    found = reproduced(cli)
    assert (found["verdict"], found["exit"]) == ("bitwise", 0)
    assert found["compared"]["series"] >= 2
    assert found["compared"]["checkpoint"] == 1
    if launcher == "command":
        return
    source = (DISTRIBUTED + LAUNCHED).replace("manual_seed(rank)", "manual_seed(rank * int(__import__('time').time()))")
    (cli.folder / "train.py").write_text(source)
    cli("run", *LAUNCHERS[launcher], "--standalone", "--nproc-per-node", "2", "train.py", env=env)
    found = reproduced(cli, code=3)
    assert (found["first"]["what"], found["first"]["name"]) == ("series", "rank1/train/loss")
