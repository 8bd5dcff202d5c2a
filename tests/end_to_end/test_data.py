"""What `show` and `compare` say of data that was looked into, and of the model that was evaluated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from autotrack import events
from autotrack.journal.folder import Folder
from tests.end_to_end.conftest import CommandLine
from tests.store import journals
from tests.store.journals import Journal

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ROWS = range(60)
TABLE: dict[str, list[Any]] = {
    "age": [18 + row for row in ROWS],
    "income": [1234.5 * row for row in ROWS],
    "city": [["Köln", "Bonn", "Köln", None][row % 4] for row in ROWS],
    **{f"pixel_{at}": [float(at * row) for row in ROWS] for at in range(9)},
}
LABELS = {"y": [int(row % 3 == 0) for row in ROWS]}
MODEL = "xxh3:2:0123456789abcdef"


def _run(folder: Folder, started: float, model: str, table: dict[str, list[Any]], labels: dict[str, list[Any]]) -> str:
    journal = Journal(folder, started=started)
    strand = journal.strand("LogisticRegression", status=None)
    ids = {"features": f"xxh3:2:{hash(str(table)):x}", "labels": f"xxh3:2:{hash(str(labels)):x}"}
    journal.data(strand, **ids)
    journal.profile(ids["features"], table)
    journal.profile(ids["labels"], labels)
    journal.add(events.StrandModel, strand=strand, cls="sklearn.LogisticRegression", id=model)
    journal.add(events.StrandEnded, strand=strand, status="finished", seconds=1.0)
    journal.end()
    return strand


def _evaluation(folder: Folder, model: str) -> str:
    journal = Journal(folder, started=1.75e9)
    strand = journal.strand("LogisticRegression", kind="evaluation", metrics={"test/accuracy": 0.9}, status=None)
    journal.add(events.StrandModel, strand=strand, cls="sklearn.LogisticRegression", id=model)
    journal.add(events.StrandEnded, strand=strand, status="finished", seconds=1.0)
    journal.end()
    return strand


class Recorded:
    def __init__(self, folder: Path) -> None:
        self.cli, where = CommandLine(folder), Folder(str(folder / ".autotrack"))
        grown = {
            name: [*entries[:48], *([entry * 2 if isinstance(entry, float) else entry for entry in entries[48:]])]
            for name, entries in TABLE.items()
        }
        renamed = {{"income": "salary"}.get(name, name): entries for name, entries in TABLE.items()}
        typed = {**renamed, "age": [str(age) for age in TABLE["age"]], "zip": [*ROWS]}
        del typed["pixel_0"]
        shuffled = {name: entries[::-1] for name, entries in TABLE.items()}
        self.first = _run(where, 1.70e9, MODEL, TABLE, LABELS)
        self.shuffled = _run(where, 1.71e9, MODEL, shuffled, {"y": LABELS["y"][::-1]})
        self.grown = _run(where, 1.72e9, MODEL + "1", grown, {"y": [*LABELS["y"][:59], 1]})
        self.typed = _run(where, 1.73e9, MODEL + "2", typed, LABELS)
        self.evaluation, self.unknown = _evaluation(where, MODEL), _evaluation(where, "xxh3:2:unknown")
        while journals.opened:
            journals.opened.pop().close()

    def differences(self, *runs: str) -> dict[str, list[Any]]:
        rows = self.cli.json("compare", *runs)["differences"]
        assert all(set(row) == {"section", "name", "values", "same", "present"} for row in rows)
        data = [row for row in rows if row["section"] == "data" and " " in row["name"]]
        assert all(row["values"][0] is None and not row["present"][0] and not row["same"] for row in data)
        return {row["name"]: row["values"][1:] for row in data if not row["name"].endswith("shape")}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("data"))


def test_compare_tells_the_same_rows_in_another_order(recorded: Recorded) -> None:
    found = recorded.differences(recorded.first, recorded.shuffled)
    assert set(found) == {"train/features rows", "train/labels rows"}
    ((rows,),) = {tuple(map(str, values)) for values in found.values()}
    assert rows == str(found["train/features rows"][0])
    assert found["train/features rows"] == [{
        "same": True, "reordered": True, "same_in_common": False, "shared": 60, "of": 60, "shared_of_first": 60,
        "of_first": 60, "exact": True, "same_columns": True,
    }]  # fmt: skip


def test_compare_tells_which_columns_differ(recorded: Recorded) -> None:
    assert recorded.differences(recorded.first, recorded.typed) == {
        "train/features columns added": [["zip"]],
        "train/features columns removed": [["pixel_0"]],
        "train/features columns renamed": [[{"from": "income", "to": "salary"}]],
        "train/features columns retyped": [[{"name": "age", "from": "int", "to": "str"}]],
    }


def test_compare_tells_how_many_rows_are_shared(recorded: Recorded) -> None:
    found = recorded.differences(recorded.first, recorded.grown)
    assert found["train/labels columns changed"] == [{"names": ["y"], "all": False}]
    assert "train/labels rows" not in found
    (changed,) = found["train/features columns changed"]
    assert (len(changed["names"]), changed["all"]) == (9, False)
    (rows,) = found["train/features rows"]
    assert (rows["shared"], rows["of"], rows["same_columns"]) == (48, 60, True)


def test_compare_of_several_runs_is_with_the_first(recorded: Recorded) -> None:
    found = recorded.differences(recorded.first, recorded.typed, recorded.grown, recorded.first)
    assert found["train/features columns added"] == [["zip"], None, None]
    assert [value and value["shared"] for value in found["train/features rows"]] == [None, 48, None]


def test_compare_in_words(recorded: Recorded) -> None:
    def words(run: str) -> str:
        shown = COLOUR.sub("", recorded.cli.terminal("compare", recorded.first, run, columns=200))
        return re.sub(r" {2,}", "  ", shown)

    assert "train/features rows  –  the same rows in another order, the same columns" in words(recorded.shuffled)
    typed, grown = words(recorded.typed), words(recorded.grown)
    assert "train/features columns renamed  –  income → salary" in typed
    assert "train/features columns retyped  –  age int → str" in typed
    assert "train/features columns added  –  zip" in typed
    assert "train/features columns changed  –  income, pixel_1, pixel_2, pixel_3" in grown
    assert " and 1 more" in grown
    assert "train/features rows  –  48 of 60 rows (80 %) shared" in grown
    piped = recorded.cli("compare", recorded.first, recorded.typed).stdout.splitlines()
    assert 'data\ttrain/features columns added\t\t["zip"]' in piped


def test_show_describes_the_columns(recorded: Recorded) -> None:
    shown = COLOUR.sub("", recorded.cli.terminal("show", recorded.first, columns=80))
    assert max(map(len, shown.splitlines())) <= 80
    lines = [re.sub(r" {2,}", "  ", line.rstrip()) for line in shown.splitlines()]
    at = lines.index("Columns of train features")
    assert lines[at + 1 :][:4] == [
        "  type  missing  low  mean ± deviation  high",
        "age  int  18  47.5 ± 17.32  77",
        "income  float  0  36418 ± 21379  72836",
        "city  str  15 (25 %)  Köln: 30 (50 %), Bonn: 15 (25 %)",
    ]
    assert lines[at + 10] == "  … 4 more with --all"
    at = lines.index("Columns of train labels")
    assert lines[at + 2] == "y  int  0: 40 (67 %), 1: 20 (33 %)"
    assert "pixel_8" in recorded.cli.terminal("show", "--all", recorded.first)
    rows = [line.split("\t") for line in recorded.cli("show", recorded.first).stdout.splitlines()]
    columns = [row for row in rows if row[0] == "column"]
    assert len(columns) == 13
    assert columns[0][1:9] == ["train/features", "age", "int", "0", "0", "0", "18", "47.5"]
    assert columns[-1] == ["column", "train/labels", "y", "int", "0", "0", "0", "0", *columns[-1][8:10], "1",
                           "[[0, 40], [1, 20]]"]  # fmt: skip


def test_show_says_which_run_made_the_model(recorded: Recorded) -> None:
    def model(run: str) -> list[str]:
        shown = COLOUR.sub("", recorded.cli.terminal("show", run)).splitlines()
        return [re.sub(r" {2,}", "  ", line.rstrip()) for line in shown if "trained by" in line]

    runs = recorded.first, recorded.shuffled
    assert model(recorded.evaluation) == [f"trained by  {run[:8]} LogisticRegression" for run in runs]
    assert model(recorded.unknown) == ["trained by  no run that is recorded here"]
    assert model(recorded.first) == [f"also trained by  {recorded.shuffled[:8]} LogisticRegression"]
    assert model(recorded.grown) == []
    assert recorded.cli.json("show", recorded.evaluation)["model"]["trained_by"] == list(runs)
    piped = recorded.cli("show", recorded.evaluation).stdout.splitlines()
    assert [line for line in piped if line.startswith("trained by")] == [
        f"trained by\t{run}\tLogisticRegression" for run in runs
    ]


def test_data_of_a_program(cli: CommandLine) -> None:
    """From the call to what is read; rows of a sparse matrix are no rows of a dense one."""
    cli.program(
        "import numpy, scipy.sparse\n"
        "from sklearn.linear_model import Ridge\n"
        "X, y = numpy.arange(60.0).reshape(20, 3), numpy.arange(20) % 2\n"
        "for data, labels in ((X, y), (X[::-1].copy(), y[::-1].copy()), (scipy.sparse.csr_matrix(X), y)):\n"
        "    Ridge().fit(data, labels)\n"
    )
    cli("run", "train.py")
    sparse, turned, first = (run["id"] for run in cli.lines("ls"))
    rows = cli.json("compare", first, turned, sparse)["differences"]
    (found,) = [row["values"] for row in rows if row["name"] == "train/features rows"]
    assert [value and value["reordered"] for value in found] == [None, True, None]
    assert not [row for row in rows if row["name"].startswith("train/features columns")]
    shown = re.sub(r" {2,}", "  ", COLOUR.sub("", cli.terminal("show", first)))
    assert "\n0  float64  0  28.5 ± 17.3  57\n" in re.sub(r" +\n", "\n", shown)
    assert "0: 10 (50 %), 1: 10 (50 %)" in shown
