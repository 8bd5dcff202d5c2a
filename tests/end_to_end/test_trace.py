"""Pipelines of three programs that know nothing of each other: from a copy of the model back to the raw data."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import CommandLine

pytestmark = pytest.mark.filterwarnings("ignore")

PREPARE = """
import pandas as pd
from sklearn.model_selection import train_test_split
frame = pd.read_csv("raw.csv").dropna()
train, test = train_test_split(frame, random_state=0)
train.to_parquet("train.parquet")
test.to_parquet("test.parquet")
"""
TRAIN_DATA = """
import pandas as pd
train = pd.read_parquet("train.parquet")
X, y = train.drop(columns="target"), train["target"]
"""
TEST_DATA = """
import pandas as pd
test = pd.read_parquet("test.parquet")
X, y = test.drop(columns="target"), test["target"]
"""
TORCH_MODEL = """
import torch
torch.manual_seed(0)
X, y = torch.tensor(X.values, dtype=torch.float32), torch.tensor(y.values)
X = (X - X.mean(0)) / X.std(0)
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
"""
PIPELINES = {
    "sklearn": (
        "model.joblib",
        """
import joblib
from sklearn.linear_model import LogisticRegression
joblib.dump(LogisticRegression(max_iter=500).fit(X, y), "model.joblib")
""",
        """
import joblib
from sklearn.metrics import accuracy_score
model = joblib.load("model.joblib")
print(f"accuracy {accuracy_score(y, model.predict(X)):.4f}")
""",
    ),
    "torch": (
        "model.pt",
        TORCH_MODEL
        + """
optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
for epoch in range(20):
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(net(X), y)
    loss.backward()
    optimizer.step()
torch.save(net.state_dict(), "model.pt")
""",
        TORCH_MODEL
        + """
net.load_state_dict(torch.load("model.pt"))
net.eval()
with torch.no_grad():
    accuracy = (net(X).argmax(1) == y).float().mean().item()
print(f"accuracy {accuracy:.4f}")
""",
    ),
    "keras": (
        "model.keras",
        """
import keras
keras.utils.set_random_seed(0)
model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(3, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(X.values, y.values, epochs=2, verbose=0)
model.save("model.keras")
""",
        """
import keras
model = keras.saving.load_model("model.keras")
loss, accuracy = model.evaluate(X.values, y.values, verbose=0)
print(f"accuracy {accuracy:.4f}")
""",
    ),
    "xgboost": (
        "model.ubj",
        """
import xgboost
model = xgboost.XGBClassifier(n_estimators=5, max_depth=2, n_jobs=1).fit(X, y)
model.save_model("model.ubj")
""",
        """
import xgboost
from sklearn.metrics import accuracy_score
model = xgboost.XGBClassifier()
model.load_model("model.ubj")
print(f"accuracy {accuracy_score(y, model.predict(X)):.4f}")
""",
    ),
}
MODULES = {"keras": "keras", "torch": "torch", "xgboost": "xgboost", "sklearn": "sklearn"}


@pytest.fixture(scope="module", params=sorted(PIPELINES))
def pipeline(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[CommandLine, str, float]:
    """A folder in which the programs have run, the name of the model's file, and the accuracy that was printed."""
    pytest.importorskip(MODULES[request.param])
    cli = CommandLine(tmp_path_factory.mktemp(request.param))
    cli.env |= {"KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    name, train, evaluate = PIPELINES[request.param]
    return cli, name, record(cli, train, evaluate)


def record(cli: CommandLine, train: str, evaluate: str) -> float:
    from sklearn.datasets import load_iris

    load_iris(as_frame=True).frame.to_csv(cli.folder / "raw.csv", index=False)
    cli.program(PREPARE, "prepare.py")
    cli.program(TRAIN_DATA + train, "train.py")
    cli.program(TEST_DATA + evaluate, "evaluate.py")
    cli("run", "prepare.py")
    cli("run", "train.py")
    (line,) = [line for line in cli("run", "evaluate.py").stdout.splitlines() if line.startswith("accuracy ")]
    return float(line.split()[1])


def nodes(found: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [node for node in found["nodes"] if node["kind"] == kind]


def file_at(found: dict[str, Any], path: Path) -> dict[str, Any]:
    (node,) = [node for node in nodes(found, "file") if str(path) in node["paths"]]
    return node


def joined(found: dict[str, Any], kind: str, later: str) -> list[str]:
    """What a node is joined to in this way."""
    return [edge["to"] for edge in found["edges"] if (edge["kind"], edge["from"]) == (kind, later)]


def copied(cli: CommandLine, name: str) -> Path:
    """A copy of the model under another name in another folder."""
    folder = cli.folder / "elsewhere"
    folder.mkdir(exist_ok=True)
    return Path(shutil.copy(cli.folder / name, folder / "best one.bin"))


def test_a_copy_is_traced_to_the_raw_data(pipeline: tuple[CommandLine, str, float]) -> None:
    cli, name, accuracy = pipeline
    copy = copied(cli, name)
    found = cli.json("trace", str(copy))
    (target,) = found["target"]
    assert str(copy) in file_at(found, copy)["paths"]
    assert str(cli.folder / name) in file_at(found, copy)["paths"]
    (run,) = [to for to in joined(found, "generated", target) if to.startswith("run:")]
    about = next(node for node in nodes(found, "run") if node["id"] == run)
    job = next(node for node in nodes(found, "job") if node["job"] == about["job"])
    assert job["name"] == "train.py"
    parquet = file_at(found, cli.folder / "train.parquet")["id"]
    assert parquet in joined(found, "used", run)
    (prepare,) = joined(found, "generated", parquet)
    assert next(node for node in nodes(found, "job") if node["id"] == prepare)["name"] == "prepare.py"
    assert file_at(found, cli.folder / "raw.csv")["id"] in joined(found, "used", prepare)
    users = [edge["from"] for edge in found["edges"] if edge["kind"] == "used" and edge["to"] == target]
    (user,) = [node for node in nodes(found, "run") if node["id"] in users]
    assert any(value == pytest.approx(accuracy, abs=1e-4) for value in user["metrics"].values()), user["metrics"]


def test_on_a_terminal(pipeline: tuple[CommandLine, str, float]) -> None:
    cli, name, accuracy = pipeline
    copied(cli, name)
    text = cli.terminal("trace", "elsewhere/best one.bin", columns=200)
    order = [
        "best one.bin",
        "written by",
        "train.py",
        "train.parquet",
        "prepare.py",
        "raw.csv",
        "used by",
        "evaluate.py",
    ]
    places = [text.find(word) for word in order]
    assert -1 not in places, text
    assert places == sorted(places), text
    assert f"accuracy={accuracy:.4f}"[:14] in text.replace("test/", "").replace("sparse_categorical_", "")
    # In a pipe: tabs between, one line a node.
    rows = [line.split("\t") for line in cli("trace", "elsewhere/best one.bin").stdout.splitlines()]
    assert {len(row) for row in rows} == {6}
    assert rows[0][:3] == ["0", "", "file"]
    assert ["written by", "run"] in [row[1:3] for row in rows]


def test_down_from_the_raw_data(pipeline: tuple[CommandLine, str, float]) -> None:
    cli, name, accuracy = pipeline
    found = cli.json("trace", "raw.csv", "--down")
    assert {node["name"] for node in nodes(found, "job")} == {"prepare.py", "train.py", "evaluate.py"}
    file_at(found, cli.folder / name)
    values = [value for node in nodes(found, "run") for value in node["metrics"].values()]
    assert any(value == pytest.approx(accuracy, abs=1e-4) for value in values)
    text = cli.terminal("trace", "raw.csv", "--down", columns=200)
    assert all(word in text for word in ("prepare.py", "train.parquet", "train.py", name, "evaluate.py")), text


def test_the_graph_is_well_formed(pipeline: tuple[CommandLine, str, float]) -> None:
    cli, name, _ = pipeline
    for words in ((name,), ("raw.csv", "--down")):
        found, text = cli.json("trace", *words), cli("trace", *words, "--dot").stdout
        first, _, *statements, last = text.splitlines()
        assert (first, last) == ("digraph lineage {", "}")
        drawn = [match for match in map(DRAWN.fullmatch, statements) if match is not None]
        assert len(drawn) == len(statements), text
        assert {json.loads(node[1]) for node in drawn if node[2] is None} == {node["id"] for node in found["nodes"]}
        assert sum(edge[2] is not None for edge in drawn) == len(found["edges"])


DRAWN = re.compile(r'  ("[^"]*")(?: -> ("[^"]*"))? \[label="(?:[^"\\]|\\.)*"(?:, \w+="?\w+"?)*\];')
"""A node, or an edge from one to another."""


IN_MEMORY = """
import json, sys
import autotrack
held = net if "net" in globals() else model
for found in (autotrack.trace(held), autotrack.trace(held, down=True), autotrack.trace(sys.argv[1])):
    print(json.dumps([found.as_dict(), str(found)]))
"""


def test_a_model_in_memory(pipeline: tuple[CommandLine, str, float]) -> None:
    """In a program that is not recorded."""
    cli, name, _ = pipeline
    evaluate = next(evaluate for file, _, evaluate in PIPELINES.values() if file == name)
    cli.program(TEST_DATA + evaluate + IN_MEMORY, "ask.py")
    words = [sys.executable, "ask.py", name]
    done = subprocess.run(words, cwd=cli.folder, env=cli.env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    up, down, of_file = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))
    (target,) = up[0]["target"]
    (run,) = joined(up[0], "generated", target)
    assert run in {edge["to"] for edge in of_file[0]["edges"] if edge["kind"] == "generated"}
    file_at(up[0], cli.folder / "raw.csv")
    assert all(word in up[1] for word in ("train.py", "train.parquet", "raw.csv", "evaluate.py")), up[1]
    assert "evaluate.py" in down[1]
    assert of_file[0] == cli.json("trace", name)
    assert of_file[1].startswith(name)


ANOTHER = """
import autotrack
from sklearn.linear_model import Ridge
try:
    autotrack.trace(Ridge().fit([[0.0], [1.0]], [0.0, 1.0]))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_model_that_nobody_knows(trained: CommandLine) -> None:
    trained.program(ANOTHER, "ask.py")
    words = [sys.executable, "ask.py"]
    done = subprocess.run(words, cwd=trained.folder, env=trained.env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("NotFound ")
    assert "Ridge" in done.stdout


SAVED_AGAIN = """
import torch
state = torch.load("model.pt")
torch.save({"epoch": 3, "state_dict": state}, "again.pt")
from safetensors.torch import save_file
save_file(state, "again.safetensors")
"""


def test_a_model_that_was_saved_again_by_a_program_that_is_not_recorded(cli: CommandLine) -> None:
    """Its bytes are known to no job, but what is in them."""
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    _, train, evaluate = PIPELINES["torch"]
    record(cli, train, evaluate)
    cli.program(SAVED_AGAIN, "again.py")
    subprocess.run([sys.executable, "again.py"], cwd=cli.folder, env=cli.env, check=True)
    for name in ("again.pt", "again.safetensors"):
        found = cli.json("trace", name)
        (target,) = found["target"]
        assert joined(found, "derived", target) == [file_at(found, cli.folder / "model.pt")["id"]]
        text = cli.terminal("trace", name, columns=200)
        assert all(word in text for word in ("same model as", "model.pt", "train.py", "raw.csv")), text
        assert "evaluate.py" in text
        assert "evaluate.py" in cli.terminal("trace", name, "--down", columns=200)


# Folders


FOLDERS = """
import pathlib, sys
import joblib, numpy
from sklearn.linear_model import LogisticRegression
X, y = numpy.random.default_rng(0).normal(size=(40, 3)), numpy.arange(40) % 2
model = LogisticRegression().fit(X, y)
saved = pathlib.Path("saved")
(saved / "variables").mkdir(parents=True)
joblib.dump(model, saved / "model.joblib")
(saved / "variables" / "index").write_text("1")
many = pathlib.Path("many")
many.mkdir()
for number in range(70):
    numpy.save(many / f"{number}.npy", X + number)
"""


def test_a_folder(cli: CommandLine) -> None:
    cli.program(FOLDERS)
    cli("run", "train.py")
    os.rename(cli.folder / "saved", cli.folder / "renamed")
    found = cli.json("trace", "renamed")
    assert {
        Path(path).name
        for id in found["target"]
        for node in nodes(found, "file")
        if node["id"] == id
        for path in node["paths"]
    } >= {"model.joblib", "index"}
    (run,) = nodes(found, "run")
    assert run["id"] in {edge["to"] for edge in found["edges"] if edge["kind"] == "generated"}
    # A file of it; and a folder of which the job knows no single file.
    assert cli.json("trace", "renamed/model.joblib")["target"][0] in found["target"]
    os.rename(cli.folder / "many", cli.folder / "much")
    found = cli.json("trace", "much")
    generated = [edge for edge in found["edges"] if edge["kind"] == "generated"]
    assert generated
    assert "train.py" in cli.terminal("trace", "much")
    assert "train.py" in cli.terminal("trace", str(cli.folder / "many"))


# What can't be


def test_errors(cli: CommandLine) -> None:
    cli.program(FOLDERS)
    (cli.folder / "other.bin").write_bytes(b"?")
    assert "autotrack run" in cli("trace", "other.bin", code=1).stderr
    cli("run", "train.py")
    for target, word in (
        ("other.bin", "other.bin"),
        ("nothing", "nothing"),
        ("abcdef", "abcdef"),
        ("@nothing", "@nothing"),
    ):
        done = cli("trace", target, code=1)
        assert (done.stdout, done.stderr.count("\n")) == ("", 1)
        assert word in done.stderr
        assert "Traceback" not in done.stderr
    (cli.folder / "empty").mkdir()
    assert "empty" in cli("trace", "empty", code=1).stderr
    assert cli("trace", "@last", "--json", "--prov", "-", code=2).stdout == ""
    assert cli("trace", "@last", "--with-files", code=2).stdout == ""
    assert cli("trace", code=2).stdout == ""


@pytest.mark.skipif(sys.platform == "darwin", reason="names are UTF-8 there")
def test_a_name_that_is_no_text(cli: CommandLine) -> None:
    cli.program("import sys\nopen('caf\\udce9.bin', 'w').write(open(__file__).read())\nopen('x', 'w').write('x')")
    cli("run", "train.py")
    name = "caf\udce9.bin"
    for words in ((name,), (name, "--json"), (name, "--dot"), (name, "--down")):
        assert "caf\\udce9" in cli("trace", *words).stdout.replace("\\\\", "\\")
    assert "train.py" in cli.terminal("trace", name)
    os.unlink(os.path.join(cli.folder, name))
    assert "train.py" in cli("trace", name).stdout
    assert "Traceback" not in cli("trace", "other\udce9", code=1).stderr
