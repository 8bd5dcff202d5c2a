"""Who made a file, where programs copy, move, append to and rewrite files, and do so quickly."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.end_to_end.conftest import CommandLine

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
