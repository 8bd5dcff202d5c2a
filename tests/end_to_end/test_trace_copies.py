"""Who made a file, where programs copy, move, append to and rewrite files, and do so quickly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autotrack.journal.folder import Folder
from tests.end_to_end.conftest import CommandLine
from tests.store.journals import BEGUN, Journal

pytestmark = pytest.mark.filterwarnings("ignore")

Tree = list[tuple[int, str, str]]


def record(cli: CommandLine, *programs: str) -> None:
    """Programs, which are recorded one after the other; each is called by its number."""
    for number, source in enumerate(programs):
        cli.program(source, f"p{number}.py")
        cli("run", f"p{number}.py")


def tree(cli: CommandLine, *words: str) -> Tree:
    """Depth, relation, and name of the program or file."""
    rows = [line.split("\t") for line in cli("trace", *words).stdout.splitlines()]
    return [(int(row[0]), row[1], row[4] if row[2] != "file" else Path(row[5]).name) for row in rows]


def origins(found: Tree) -> Tree:
    return [row for row in found if row[1] != "used by"]


MAKER = "open('x.csv', 'w').write('made of ' + open('raw.csv').read())"
COPIES = {
    "copy": "import shutil; shutil.copy('x.csv', 'y.csv')",
    "copy2": "import shutil; shutil.copy2('x.csv', 'y.csv')",
    "by hand": "open('y.csv', 'w').write(open('x.csv').read())",
    "renamed": "import os; os.rename('x.csv', 'y.csv')",
    "moved": "import shutil; shutil.move('x.csv', 'y.csv')",
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_is_of_whoever_made_what_was_copied(cli: CommandLine, how: str) -> None:
    (cli.folder / "raw.csv").write_text("raw")
    user = "open('z.csv', 'w').write(open('y.csv').read() + 'more')"
    record(cli, MAKER, COPIES[how], user)
    made = [(1, "written by", "p0.py"), (2, "read", "raw.csv"), (1, "copied by", "p1.py"), (2, "read", "x.csv")]
    assert origins(tree(cli, "y.csv")) == [(0, "", "y.csv"), *made]
    below = [(depth + 2, *rest) for depth, *rest in made]
    assert origins(tree(cli, "z.csv")) == [(0, "", "z.csv"), (1, "written by", "p2.py"), (2, "read", "y.csv"), *below]
    # What was copied is its maker's, and no copy of the copy.
    shutil.copy(cli.folder / "y.csv", cli.folder / "x.csv")
    assert origins(tree(cli, "x.csv")) == [(0, "", "x.csv"), (1, "written by", "p0.py"), (2, "read", "raw.csv")]
    down = tree(cli, "raw.csv", "--down")
    assert {"p0.py", "p1.py", "p2.py", "z.csv"} <= {name for _, _, name in down}


def test_copies_of_copies_and_back(cli: CommandLine) -> None:
    (cli.folder / "raw.csv").write_text("raw")
    copy = "import shutil; shutil.copy({!r}, {!r})"
    record(cli, MAKER, copy.format("x.csv", "y.csv"), copy.format("y.csv", "x2.csv"), copy.format("x2.csv", "y.csv"))
    found = origins(tree(cli, "y.csv"))
    assert found[:3] == [(0, "", "y.csv"), (1, "written by", "p0.py"), (2, "read", "raw.csv")]
    assert {name for _, relation, name in found if relation == "copied by"} == {"p1.py", "p2.py", "p3.py"}


def test_a_copy_of_what_nobody_recorded(cli: CommandLine) -> None:
    (cli.folder / "x.csv").write_text("fetched")
    record(cli, COPIES["copy"])
    assert origins(tree(cli, "y.csv"))[:2] == [(0, "", "y.csv"), (1, "written by", "p0.py")]


def test_a_published_model_is_of_its_training(cli: CommandLine) -> None:
    (cli.folder / "raw.csv").write_text("a,y\n1,0\n2,1\n3,1\n")
    train = """
import joblib, pandas
from sklearn.linear_model import LogisticRegression
frame = pandas.read_csv("raw.csv")
joblib.dump(LogisticRegression().fit(frame[["a"]], frame["y"]), "m.joblib")
"""
    publish = """
import joblib, os, shutil
os.makedirs("release")
model = joblib.load("m.joblib")
joblib.dump(model, "release/same.joblib")
joblib.dump(model, "release/packed.joblib", compress=3)
shutil.copy("m.joblib", "release/copy.joblib")
"""
    record(cli, train, publish)
    for name in ("m.joblib", "release/same.joblib", "release/packed.joblib", "release/copy.joblib"):
        found = tree(cli, name)
        assert ("written by", "LogisticRegression") in [row[1:] for row in found], (name, found)
        assert "raw.csv" in [row[2] for row in found], (name, found)


def test_a_model_that_a_training_of_the_same_program_went_on_from(cli: CommandLine) -> None:
    pytest.importorskip("xgboost")
    source = """
import numpy, xgboost
X = numpy.arange(40.0).reshape(20, 2)
data = xgboost.DMatrix(X, X[:, 0] > 20)
xgboost.train({"max_depth": 2, "nthread": 1}, data, 3).save_model("m.json")
xgboost.train({"max_depth": 2, "nthread": 1}, data, 2, xgb_model="m.json").save_model("m2.json")
"""
    record(cli, source)
    assert (2, "went on from") in [row[:2] for row in tree(cli, "m2.json")]
    assert (2, "went on from") not in [row[:2] for row in tree(cli, "m.json")]


def test_a_checkpoint_that_the_training_itself_copies(cli: CommandLine) -> None:
    pytest.importorskip("torch")
    source = """
import shutil, torch
torch.manual_seed(0)
net = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(4):
    optimizer.zero_grad()
    net(torch.ones(3, 2)).pow(2).mean().backward()
    optimizer.step()
    torch.save(net.state_dict(), "last.pt")
    if epoch == 1:
        shutil.copy("last.pt", "second.pt")
shutil.copy("last.pt", "end.pt")
"""
    record(cli, source)
    for name, step in (("last.pt", 4), ("end.pt", 4)):
        (target,) = cli.json("trace", name)["target"]
        edges = [edge for edge in cli.json("trace", name)["edges"] if edge["from"] == target]
        (made,) = [edge for edge in edges if edge["kind"] == "generated"]
        assert made["to"].startswith("run:"), name
        assert made["step"] == step
        assert not [
            edge for edge in cli.json("trace", name)["edges"] if (edge["from"], edge["to"]) == (made["to"], target)
        ]
    # One that was overwritten since is told by its path.
    found = cli.json("trace", "second.pt")
    assert [edge["step"] for edge in found["edges"] if edge["kind"] == "generated" and "step" in edge] == [2]


def test_what_was_read_at_once_after_is_no_origin(cli: CommandLine) -> None:
    for name in ("one", "two", "three"):
        (cli.folder / name).write_text(name)
    source = """
one = open("one").read()
open("first", "w").write("1" + one)
two = open("two").read()
with open("second", "w") as file:
    file.write(two)
    file.write(open("three").read())
"""
    record(cli, source)
    assert [name for _, relation, name in tree(cli, "first") if relation == "read"] == ["one"]
    assert [name for _, relation, name in tree(cli, "second") if relation == "read"] == ["one", "two", "three"]
    assert [name for _, relation, name in tree(cli, "two", "--down") if relation == "wrote"] == ["second"]


def test_what_was_read_after_a_training_is_no_origin_of_it(cli: CommandLine) -> None:
    for name in ("train.csv", "test.csv"):
        (cli.folder / name).write_text(f"a,y\n1,0\n2,1\n3,{int(name == 'train.csv')}\n")
    source = """
import joblib, pandas
from sklearn.linear_model import LogisticRegression
train = pandas.read_csv("train.csv")
model = LogisticRegression().fit(train[["a"]], train["y"])
joblib.dump(model, "m.joblib")
test = pandas.read_csv("test.csv")
model.score(test[["a"]], test["y"])
"""
    record(cli, source)
    assert [name for _, relation, name in tree(cli, "m.joblib") if relation == "read"] == ["train.csv"]


def test_what_native_code_has_written_is_whole_by_then(cli: CommandLine) -> None:
    source = """
import joblib, pandas
frames = [pandas.DataFrame({"a": [number]}) for number in range(2)]
for number, frame in enumerate(frames):
    joblib.dump(frame, f"in{number}.joblib")
"""
    later = """
import joblib, json
for number in range(2):
    frame = joblib.load(f"in{number}.joblib")
    json.dump(frame["a"].tolist(), open(f"out{number}.json", "w"))
    frame.to_parquet(f"out{number}.parquet")
"""
    record(cli, source, later)
    for name in ("out0.json", "out0.parquet"):
        assert [name for _, relation, name in tree(cli, name) if relation == "read"] == ["in0.joblib"], name


def test_what_was_read_before_a_file_was_renamed(cli: CommandLine) -> None:
    for name in "ab":
        (cli.folder / name).write_text(name)
    source = """
import os, time
os.mkdir("tmp-1")
open("tmp-1/x.txt", "w").write(open("a").read() + "x")
changed = os.stat("tmp-1/x.txt").st_mtime
while time.time() < changed + 0.1:  # which nothing else tells
    pass
open("b").read()
os.rename("tmp-1", "step-1")
os.rename("step-1/x.txt", "y.txt")
"""
    record(cli, source)
    assert [name for _, relation, name in tree(cli, "y.txt") if relation == "read"] == ["a"]


def test_the_best_model_of_each_fold(cli: CommandLine) -> None:
    """Which a training reads itself: the next one has nothing of that."""
    source = """
import torch
for fold in range(2):
    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for step in range(3):
        optimizer.zero_grad()
        net(torch.full((4, 2), 1.0 + fold)).sum().backward()
        optimizer.step()
        if step == 1:
            torch.save(net.state_dict(), f"best{fold}.pt")
    net.load_state_dict(torch.load(f"best{fold}.pt"))
    torch.save(net.state_dict(), f"final{fold}.pt")
"""
    record(cli, source)
    found = tree(cli, "final1.pt")
    assert "best0.pt" not in [name for _, _, name in found]
    assert "went on from" not in [relation for _, relation, _ in found]


def test_what_is_read_in_the_midst_of_a_training(cli: CommandLine) -> None:
    made = (
        "import torch\nfor number in range(2): torch.save({'w': torch.full((2,), 1.0 + number)}, f'teacher{number}.pt')"
    )
    source = """
import torch
for number in range(2):
    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for step in range(3):
        if step == 1:
            torch.load(f"teacher{number}.pt")
        optimizer.zero_grad()
        net(torch.full((4, 2), 1.0 + number)).sum().backward()
        optimizer.step()
    torch.save(net.state_dict(), f"{number}.pt")
for number in range(2):
    torch.load(f"{number}.pt")
open("report", "w").write("1")
"""
    record(cli, made, source)
    read = [{name for _, relation, name in tree(cli, f"{n}.pt") if relation == "read"} for n in range(2)]
    assert [names - {"0.pt", "1.pt"} for names in read] == [{"teacher0.pt"}, {"teacher1.pt"}]
    assert "0.pt" not in read[1]
    assert "went on from" not in [relation for _, relation, _ in tree(cli, "report")]


def test_data_that_a_model_was_only_used_on(cli: CommandLine) -> None:
    for name in "ab":
        (cli.folder / f"{name}.txt").write_text("1 2 0\n3 1 1\n2 5 0\n")
    source = """
import joblib, numpy
from sklearn.linear_model import Ridge
a = numpy.loadtxt("a.txt")
model = Ridge().fit(a[:, :2], a[:, 2])
joblib.dump(model, "model.joblib")
b = numpy.loadtxt("b.txt") + 1.0
numpy.savetxt("predicted.txt", model.predict(b[:, :2]))
"""
    (cli.folder / "b.txt").write_text("7 2 0\n1 1 1\n")
    record(cli, source)
    names = [name for _, _, name in tree(cli, "b.txt", "--down")]
    assert "predicted.txt" in names
    assert "model.joblib" not in names


def test_a_folder_that_is_renamed(cli: CommandLine) -> None:
    """As whoever writes checkpoints does that must be whole."""
    source = """
import json, os, numpy, pandas
os.makedirs("tmp-1/deep")
json.dump({}, open("tmp-1/config.json", "w"))
numpy.save("tmp-1/deep/w.npy", numpy.arange(3))
pandas.DataFrame({"a": [1]}).to_parquet("tmp-1/p.parquet")
os.rename("tmp-1", "step-1")
"""
    record(cli, source)
    for name in ("config.json", "deep/w.npy", "p.parquet"):
        assert origins(tree(cli, f"step-1/{name}"))[1:] == [(1, "written by", "p0.py")]


def test_what_a_program_made_of_its_model(cli: CommandLine) -> None:
    """It is written by no run, but after one."""
    (cli.folder / "x.csv").write_text("a,y\n1,0\n2,1\n3,1\n")
    source = """
import pandas
from sklearn.linear_model import LogisticRegression
open("before.txt", "w").write("1")
data = pandas.read_csv("x.csv")
model = LogisticRegression().fit(data[["a"]], data["y"])
pandas.Series(model.predict(data[["a"]])).to_csv("predicted.csv")
"""
    record(cli, source)
    found = tree(cli, "predicted.csv")
    assert (2, "after", "LogisticRegression") in found
    assert "trained on" in [relation for _, relation, _ in found]
    assert "after" not in [relation for _, relation, _ in tree(cli, "before.txt")]
    assert "predicted.csv" in [name for _, _, name in tree(cli, "x.csv", "--down")]


def test_what_several_trainings_have_read(cli: CommandLine) -> None:
    made = """
import torch
for number in range(2):
    torch.save({"x": torch.full((4, 2), float(number))}, f"in{number}.pt")
"""
    source = """
import torch
def train(number):
    x = torch.load(f"in{number}.pt")["x"]
    net = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for step in range(2):
        optimizer.zero_grad()
        net(x).sum().backward()
        optimizer.step()
    torch.save(net.state_dict(), f"out{number}.pt")
train(0)
train(1)
"""
    record(cli, made, source)
    read = [[name for _, relation, name in tree(cli, f"out{n}.pt") if relation == "read"] for n in range(2)]
    assert read == [["in0.pt"], ["in0.pt", "in1.pt"]]
    down = [[name for _, relation, name in tree(cli, f"in{n}.pt", "--down") if relation == "wrote"] for n in range(2)]
    assert down == [["out0.pt", "out1.pt"], ["out1.pt"]]


def test_what_a_training_had_written_before_it_read(cli: CommandLine) -> None:
    (cli.folder / "late.txt").write_text("2")
    source = """
import torch
net = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for epoch in range(3):
    scale = float(open("late.txt").read()) if epoch == 2 else 1.0
    optimizer.zero_grad()
    (net(torch.ones(4, 2)) * scale).sum().backward()
    optimizer.step()
    torch.save(net.state_dict(), f"{epoch}.pt")
"""
    record(cli, source)
    assert [name for _, relation, name in tree(cli, "late.txt", "--down") if relation == "wrote"] == ["2.pt"]


def test_copies_of_one_file_do_not_come_of_another(cli: CommandLine) -> None:
    for name in ("a.txt", "b.txt"):
        (cli.folder / name).write_text(name)
    copies = "import shutil\nfor name in 'ab': shutil.copy(name + '.txt', name + '2.txt')"
    record(cli, copies, "open('used.txt', 'w').write(open('b2.txt').read() + '1')")
    assert {name for _, _, name in tree(cli, "a.txt", "--down")} == {"a.txt", "p0.py"} | {"a2.txt"}
    assert "used.txt" in {name for _, _, name in tree(cli, "b.txt", "--down")}


def test_the_same_content_of_two_programs(cli: CommandLine) -> None:
    for name in ("kim", "lee"):
        (cli.folder / name).mkdir()
        (cli.folder / name / f"raw of {name}").write_text(name)
    source = "open('{0}/raw of {0}').read(); open('{0}/out.csv', 'w').write('a,b')"
    record(cli, source.format("kim"), source.format("lee"))
    for path, own, other, raw in (
        ("kim/out.csv", "p0.py", "p1.py", "raw of kim"),
        ("lee/out.csv", "p1.py", "p0.py", "raw of lee"),
    ):
        found = origins(tree(cli, path))
        assert found == [
            (0, "", "out.csv"), (1, "written by", own), (2, "read", raw), (1, "same content by", other)
        ]  # fmt: skip


UPDATES = {
    "appended": "open('d.csv', 'a').write('{0}')",
    "left open": "file = open('d.csv', 'a'); file.write('{0}')",
    "in place": "with open('d.csv', 'r+') as file:\n    file.read(); file.write('{0}')",
    "rewritten": "text = open('d.csv').read(); open('d.csv', 'w').write(text + '{0}')",
}


@pytest.mark.parametrize("how", UPDATES)
def test_what_a_file_held_before(cli: CommandLine, how: str) -> None:
    (cli.folder / "raw").write_text("raw")
    first = "open('d.csv', 'w').write(open('raw').read())"
    record(cli, first, UPDATES[how].format(1), UPDATES[how].format(2))
    assert (cli.folder / "d.csv").read_text() == "raw12"
    found = origins(tree(cli, "d.csv"))
    assert [name for _, relation, name in found if relation == "written by"] == ["p2.py", "p1.py", "p0.py"]
    assert [row[1] for row in found].count("by its path") == 2
    assert found[-1][1:] == ("read", "raw")
    down = {name for _, _, name in tree(cli, "raw", "--down")}
    assert {"p0.py", "d.csv"} <= down
    if how != "left open":  # of which it is not known when it was read
        assert {"p1.py", "p2.py"} <= {node.get("name") for node in cli.json("trace", "raw", "--down")["nodes"]}


def test_a_log_that_is_appended_to_is_no_origin_of_the_rest(cli: CommandLine) -> None:
    source = "open('log', 'a').write('line'); open('{0}', 'w').write('{0}')"
    record(cli, source.format("a"), source.format("b"))
    assert origins(tree(cli, "b")) == [(0, "", "b"), (1, "written by", "p1.py")]


def test_a_file_that_is_not_closed(cli: CommandLine) -> None:
    record(cli, "file = open('late.csv', 'w'); file.write('late')")
    assert (cli.folder / "late.csv").read_text() == "late"
    assert origins(tree(cli, "late.csv")) == [(0, "", "late.csv"), (1, "written by", "p0.py")]


def test_what_was_read_and_then_removed(cli: CommandLine) -> None:
    (cli.folder / "in.csv").write_text("input")
    record(cli, "import os; text = open('in.csv').read(); os.remove('in.csv'); open('out.csv', 'w').write(text + 'x')")
    assert origins(tree(cli, "out.csv")) == [(0, "", "out.csv"), (1, "written by", "p0.py"), (2, "read", "in.csv")]
    (file,) = [
        node for node in cli.json("trace", "out.csv")["nodes"] if node.get("paths") == [str(cli.folder / "in.csv")]
    ]
    assert file["digest"] is None


MANY = """
import os
os.makedirs("d"), os.makedirs("e")
for i in range(80):
    open(f"d/{i}", "w").write(str(i))
for i in range(3):
    open(f"e/known {i}", "w").write(f"known {i}")
"""


def test_a_folder_of_many_files(cli: CommandLine) -> None:
    record(cli, MANY, "import os\n[open(f'd/{i}').read() for i in range(80)]; open('sum', 'w').write('x')")
    assert origins(tree(cli, "d")) == [(0, "", "d"), (1, "written by", "p0.py")]
    for name in ("d/7", "d"):  # one of its files, and the folder once it holds one more
        found = tree(cli, name)
        assert found[0] == (0, "", Path(name).name)
        assert (1, "part of" if name != "d" else "by its path", "d") == found[1]
        assert found[2] == (2, "written by", "p0.py")
        assert (1, "used by", "p1.py") in found
        assert (1, "used by", "p1.py") in tree(cli, name, "--down")
        (cli.folder / "d" / "new").write_text("new")
    (file,) = [edge for edge in cli.json("trace", "d/7")["edges"] if edge["kind"] == "part_of"]
    assert file["inferred"] is True  # the folder is not as it was
    assert cli("trace", "d/7", "--prov", "-").returncode == 0


def test_known_files_among_very_many(cli: CommandLine) -> None:
    record(cli, MANY)
    for i in range(10_010):
        (cli.folder / "e" / f"a{i}").touch()
    assert sorted(row[2] for row in tree(cli, "e") if row[0] == 0) == ["known 0", "known 1", "known 2"]
    shutil.rmtree(cli.folder / "d")
    for i in range(3):
        (cli.folder / "e" / f"known {i}").unlink()
    assert "first 10,000 of 10,010 files" in cli("trace", "e", code=1).stderr


def test_what_has_no_content(cli: CommandLine) -> None:
    record(cli, "open('x', 'w').write('x')")
    os.mkfifo(cli.folder / "pipe")
    for name in ("pipe", "/dev/zero"):
        assert "has no content" in cli("trace", name, code=1).stderr
    (cli.folder / "x").write_text("edited")
    assert "held something else: autotrack trace blake3:" in cli("trace", "x", code=1).stderr


def test_a_very_long_way(cli: CommandLine, tmp_path: Path) -> None:
    for number in range(1200):
        job = Journal(Folder(str(tmp_path / ".autotrack")), started=BEGUN + number * 60, program=f"p{number}.py")
        job.file("read", f"/data/{number}", f"blake3:{number:064}")
        job.file("written", f"/data/{number + 1}", f"blake3:{number + 1:064}")
        job.end()
    assert len(tree(cli, "/data/1200")) == 2401
    assert "p0.py" in cli.terminal("trace", "/data/1200", columns=100)
    source = "import autotrack; text = str(autotrack.trace('/data/1200')); print('p0.py' in text, 'p1199.py' in text)"
    command = [sys.executable, "-c", source]
    done = subprocess.run(command, cwd=cli.folder, env=cli.env, capture_output=True, text=True, check=True)
    assert done.stdout == "True True\n", done.stderr


def test_more_than_is_followed(cli: CommandLine) -> None:
    for i in range(250):
        (cli.folder / f"d{i % 10}").mkdir(exist_ok=True)
        (cli.folder / f"d{i % 10}" / str(i)).write_text(str(i))
    record(cli, "for i in range(250):\n    open(f'd{i % 10}/{i}').read()\nopen('out', 'w').write('x')")
    for words in ((), ("--dot",), ("--prov", "-")):
        assert "50 more that were not followed" in cli("trace", "out", *words).stderr, words
        assert "more that" not in cli("trace", "out", "--all", *words).stderr, words


def test_names_in_a_crate(cli: CommandLine) -> None:
    record(cli, "open('a name.csv', 'w').write('x')")
    cli("trace", "a name.csv", "--crate", "crate", "--with-files")
    (kept,) = (cli.folder / "crate" / "files").rglob("*.csv")
    assert kept.name == "a name.csv"
    ids = [each["@id"] for each in json.loads((cli.folder / "crate" / "ro-crate-metadata.json").read_text())["@graph"]]
    assert f"files/{kept.parent.name}/a%20name.csv" in ids


def test_empty_files_are_known_by_their_paths(cli: CommandLine) -> None:
    record(cli, "open('one', 'w')", "open('two', 'w')")
    assert origins(tree(cli, "one")) == [(0, "", "one"), (1, "written by", "p0.py")]
    assert origins(tree(cli, "two")) == [(0, "", "two"), (1, "written by", "p1.py")]
    (cli.folder / "three").touch()
    assert "is empty" in cli("trace", "three", code=1).stderr


def test_many_files_that_only_one_side_meets_as_one(cli: CommandLine) -> None:
    """Two programs write 40 files of a folder each, of which one reads 80; one writes 80, of which one reads 20."""
    write = "import os\nos.makedirs('{0}', exist_ok=True)\nfor i in range({1}, {2}):"
    write += " open(f'{0}/{{i}}', 'w').write(f'{0} {{i}}')"
    read = "for i in range({1}): open(f'{0}/{{i}}').read()\nopen('{0}.txt', 'w').write('{0}')"
    record(
        cli, write.format("few", 0, 40), write.format("few", 40, 80), read.format("few", 80),
        write.format("many", 0, 80), read.format("many", 20),
    )  # fmt: skip
    makers = {name for _, relation, name in tree(cli, "few.txt") if relation == "written by"}
    assert makers == {"p0.py", "p1.py", "p2.py"}
    makers = {name for _, relation, name in tree(cli, "many.txt") if relation == "written by"}
    assert makers == {"p3.py", "p4.py"}
    for name, program in (("few/3", "p2.py"), ("many/3", "p4.py")):
        down = tree(cli, name, "--down")
        assert program in {name for _, _, name in down}, (name, down)
