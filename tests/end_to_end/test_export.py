"""`autotrack export` and `autotrack.runs`: what other programs read is what was recorded."""

from __future__ import annotations

import csv
import json
import math
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pandas
import polars
import pyarrow.parquet
import pytest

import autotrack
from autotrack.store import NotFound
from autotrack.store.filter import FilterError
from tests.end_to_end.conftest import CommandLine

PROGRAM = """
import math, autotrack
autotrack.enable()
for size in (1, 2, 3):
    with autotrack.run(f"net {size}", size=size):
        for step in range(20_000 if size == 1 else 3):
            autotrack.log({"loss": 1 / (step + size)}, step)
        autotrack.log({"score": [0.5, math.nan, math.inf][size - 1]})
        autotrack.tag("named", name='a, "b"\\n\\tc')
with autotrack.run("none"):
    autotrack.log({"text": "no number"})
"""


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    made = CommandLine(tmp_path_factory.mktemp("logged"))
    made.program(PROGRAM)
    made("run", "train.py")
    return made


def place(cli: CommandLine) -> Path:
    return cli.folder / ".autotrack"


def net(cli: CommandLine, size: int) -> str:
    (id,) = (run["id"] for run in cli.lines("ls") if run["name"] == f"net {size}")
    return str(id)


def test_a_table_of_runs_in_every_format(logged: CommandLine) -> None:
    listed = logged.lines("ls")
    for name in ("r.csv", "r.tsv", "r.json", "r.jsonl", "r.parquet"):
        logged("export", "--runs", "-o", name)
    assert json.loads((logged.folder / "r.json").read_text()) == listed
    assert [json.loads(line) for line in (logged.folder / "r.jsonl").read_text().splitlines()] == listed
    assert logged.lines("export", "--runs") == listed
    with open(logged.folder / "r.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:10] == [
        "id", "job", "name", "framework", "kind", "status", "started", "duration", "user", "parent",
    ]  # fmt: skip
    assert list(rows[0])[10:] == ["metrics.loss", "metrics.score", "tags.name", "tags.named", "tags.size"]
    assert [row["metrics.score"] for row in rows] == ["", "Infinity", "NaN", "0.5"]
    assert rows[1]["tags.name"] == 'a, "b"\n\tc'
    assert logged("export", "--runs", "-f", "csv").stdout == (logged.folder / "r.csv").read_text()
    assert logged("export", "--runs").stdout == (logged.folder / "r.tsv").read_text()
    assert len((logged.folder / "r.tsv").read_text().splitlines()) == 1 + 4
    table = pyarrow.parquet.read_table(logged.folder / "r.parquet")
    assert table.column_names == list(rows[0])
    scores = table["metrics.score"].to_pylist()
    assert scores[:2] == [None, math.inf]
    assert math.isnan(scores[2])
    assert table["tags.size"].to_pylist() == [None, 3, 2, 1]
    assert [moment.timestamp() for moment in table["started"].to_pylist()] == pytest.approx(
        [run["started"] for run in listed], abs=1e-6
    )
    moments = pandas.to_datetime([row["started"] for row in rows])
    apart = moments - pandas.DatetimeIndex(table["started"].to_pandas())  # a float tells microseconds nearly
    assert (abs(apart) <= pandas.Timedelta(microseconds=1)).all()


def test_a_filter_and_nested_runs(logged: CommandLine, trained: CommandLine) -> None:
    assert [run["name"] for run in logged.lines("export", "--runs", "tags.size > 1")] == ["net 3", "net 2"]
    assert len(trained.lines("export", "--runs", "--all")) == 6
    assert logged("export", "--runs", "name == 'no such'").stdout.split("\t")[0] == "id"
    assert logged("export", "--runs", "name == 'no such'", "-f", "json").stdout == "[]\n"
    assert "is no filter" in logged("export", "--runs", "params.C <", code=2).stderr


def test_points_in_every_format(logged: CommandLine) -> None:
    id = net(logged, 1)
    steps, values = autotrack.load(id, dir=place(logged)).points("loss")
    for form in ("csv", "tsv", "json", "jsonl", "parquet"):
        logged("export", id, "--points", "--format", form, "-o", f"points of {form}")
    objects = json.loads((logged.folder / "points of json").read_text())
    assert objects == [json.loads(line) for line in (logged.folder / "points of jsonl").read_text().splitlines()]
    loss = [point for point in objects if point["name"] == "loss"]
    assert [point["step"] for point in loss] == steps.tolist()
    assert [point["value"] for point in loss] == values.tolist()
    for form, separator in (("csv", ","), ("tsv", "\t")):
        with open(logged.folder / f"points of {form}", newline="") as file:
            rows = list(csv.reader(file, delimiter=separator))
        assert rows[0] == ["name", "step", "time", "value"]
        assert rows[1:] == [list(map(str, point.values())) for point in objects]
    assert pyarrow.parquet.read_table(logged.folder / "points of parquet").to_pylist() == objects
    logged("export", net(logged, 3), "--points", "-o", "inf.parquet")
    assert pyarrow.parquet.read_table(logged.folder / "inf.parquet")["value"].to_pylist()[-1] == math.inf


def test_one_run(logged: CommandLine) -> None:
    id = net(logged, 2)
    logged("export", id, "-o", "run.json")
    assert json.loads((logged.folder / "run.json").read_text()) == logged.json("show", id)
    assert logged("export", id).stdout == (logged.folder / "run.json").read_text()
    assert "one run is written as JSON" in logged("export", id, "-f", "csv", code=2).stderr


def test_a_run_without_points_is_told(logged: CommandLine) -> None:
    done = logged("export", "@last", "--points")
    assert done.stdout == "name\tstep\ttime\tvalue\n"
    assert "has no points" in done.stderr
    logged("export", "@last", "--points", "-o", "empty.parquet")
    assert pyarrow.parquet.read_table(logged.folder / "empty.parquet").num_rows == 0


def test_a_file_that_is_there_is_replaced_on_request_only(logged: CommandLine) -> None:
    (logged.folder / "mine.csv").write_text("mine")
    told = logged("export", "--runs", "-o", "mine.csv", code=1).stderr
    assert "mine.csv is there already; replace it with --force" in told
    assert (logged.folder / "mine.csv").read_text() == "mine"
    (logged.folder / "link.csv").symlink_to("mine.csv")
    logged("export", "--runs", "-o", "link.csv", "--force")
    assert (logged.folder / "mine.csv").read_text().startswith("id,job,")
    assert (logged.folder / "link.csv").is_symlink()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("--runs -o runs.xlsx", 2, "its name does not tell the format"),
        ("--runs -o missing/runs.csv", 1, "there is no folder missing"),
        ("--runs -o . -f csv", 1, "is a folder"),
        ("--runs -o /dev/null -f csv --force", 1, "is no ordinary file"),
        ("--runs -f parquet", 2, "name it with -o FILE"),
        ("--runs --points", 2, "leave --runs out"),
        ("--runs --json -f csv", 2, "leave one of --json and --format csv out"),
        ("@last --all", 2, "--all goes with --runs"),
        ("@last --force", 2, "--force goes with -o FILE"),
        ("nosuch -o new.json", 1, "there is no run or job 'nosuch'"),
    ],
)
def test_what_can_not_be_done_is_told(logged: CommandLine, words: str, code: int, told: str) -> None:
    before = sorted(logged.folder.iterdir())
    done = logged("export", *shlex.split(words), code=code)
    assert told in done.stderr
    assert done.stdout == ""
    assert sorted(logged.folder.iterdir()) == before


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_no_room_leaves_what_was_there(logged: CommandLine, form: str) -> None:
    id = net(logged, 1)
    target = logged.folder / f"full.{form}"
    target.write_text("before")
    before = sorted(logged.folder.iterdir())
    words = [sys.executable, "-m", "autotrack", "export", id, "--points", "--force", "-o", target.name]
    limited = f"ulimit -f 48; exec {shlex.join(words)}"  # blocks of 1 KiB, and the store's own files are smaller
    done = subprocess.run(
        ["bash", "-c", limited], cwd=logged.folder, env=logged.env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1, done.stderr
    assert f"full.{form} can't be written: " in done.stderr
    assert "Traceback" not in done.stderr
    assert target.read_text() == "before"
    assert sorted(logged.folder.iterdir()) == before


def test_parquet_names_what_it_lacks(logged: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "pyarrow.py").write_text("raise ImportError('not installed')")  # as good as not there
    path = os.pathsep.join([str(tmp_path), *filter(None, [logged.env.get("PYTHONPATH")])])
    done = logged("export", "--runs", "-o", "lacking.parquet", code=1, env={"PYTHONPATH": path})
    assert "install it with: python3 -m pip install 'autotrack-ml[parquet]'" in done.stderr
    assert not (logged.folder / "lacking.parquet").exists()


# autotrack.runs


def test_runs_as_frames(logged: CommandLine) -> None:
    where = place(logged)
    frame = autotrack.runs(dir=where)
    assert isinstance(frame, pandas.DataFrame)
    assert frame["name"].tolist() == ["none", "net 3", "net 2", "net 1"]
    assert str(frame["started"].dtype) == "datetime64[us, UTC]"
    assert frame["tags.size"].dtype == "Int64"
    assert frame["metrics.score"].isna().tolist() == [True, False, True, False]
    other = autotrack.runs(dir=where, frame="polars")
    assert isinstance(other, polars.DataFrame)
    assert other.columns == list(frame.columns)
    assert other.schema["started"] == polars.Datetime("us", "UTC")
    assert other["metrics.score"].is_null().to_list() == [True, False, False, False]
    assert other["metrics.score"].is_nan().to_list() == [None, False, True, False]
    assert other["started"].to_list() == frame["started"].dt.to_pydatetime().tolist()
    assert autotrack.runs(dir=where, frame="list") == logged.lines("ls")


def test_runs_filtered_sorted_and_limited(logged: CommandLine, trained: CommandLine) -> None:
    where = place(logged)
    assert autotrack.runs("tags.size > 1", sort="-tags.size", dir=where)["tags.size"].tolist() == [2, 3]
    assert autotrack.runs(sort="loss", limit=2, dir=where)["name"].tolist() == ["net 2", "net 3"]
    assert len(autotrack.runs(dir=place(trained), nested=True)) == 6
    empty = autotrack.runs("name == 'no such'", dir=where)
    assert (len(empty), list(empty.columns)[:3]) == (0, ["id", "job", "name"])
    assert autotrack.runs("name == 'no such'", dir=where, frame="polars").schema["started"] == polars.Datetime(
        "us", "UTC"
    )


def test_what_runs_refuses(logged: CommandLine, tmp_path: Path) -> None:
    with pytest.raises(FilterError, match="is no filter"):
        autotrack.runs("params.C <", dir=place(logged))
    with pytest.raises(NotFound, match="nothing is recorded in"):
        autotrack.runs(dir=tmp_path / "none")
    with pytest.raises(ValueError, match="not 'arrow'"):
        autotrack.runs(dir=place(logged), frame="arrow")  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("lacking", "found"), [([], "DataFrame pandas"), (["pandas"], "DataFrame polars"), (["pandas", "polars"], "list ")]
)
def test_the_library_is_the_one_that_is_installed(
    logged: CommandLine, tmp_path: Path, lacking: list[str], found: str
) -> None:
    """In an environment that is a folder of links to all that is installed but these."""
    import site

    for folder in site.getsitepackages():
        for entry in Path(folder).iterdir():
            if entry.name not in lacking and entry.suffix != ".pth" and not (tmp_path / entry.name).exists():
                (tmp_path / entry.name).symlink_to(entry)
    if not (tmp_path / "autotrack").exists():  # it is not installed, but used from where it lies
        (tmp_path / "autotrack").symlink_to(Path(autotrack.__file__).parent)
    program = (
        f"import sys; sys.path.append({str(tmp_path)!r})\n"
        "import autotrack\nruns = autotrack.runs()\n"
        "print(type(runs).__name__, type(runs).__module__.split('.')[0].replace('builtins', ''))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=logged.folder, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == f"{found}\n", done.stderr
