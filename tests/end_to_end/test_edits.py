"""`autotrack tag`, `note` and `rm`: what people add afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

import autotrack
from tests.end_to_end.conftest import CommandLine

PROGRAM = """
import autotrack
autotrack.enable()
for name in ("first", "second"):
    with autotrack.run(name, by="program"):
        autotrack.log({"score": 1.0})
"""


@pytest.fixture
def edited(cli: CommandLine) -> CommandLine:
    cli.program(PROGRAM)
    cli("run", "train.py")
    return cli


def load(cli: CommandLine, reference: str) -> autotrack.loaded.RecordedRun:  # type: ignore[name-defined]
    return autotrack.load(reference, dir=cli.folder / ".autotrack")


def test_tags(edited: CommandLine) -> None:
    second, first = edited.lines("ls")
    words = (
        "reviewed",
        "stage=final",
        "score=4.5",
        "round=3",
        "bad=false",
        'number="5"',
        "empty=",
        "rest=a=b",
        "x=NaN",
    )
    shown = edited("tag", first["id"][:8], *words).stdout
    assert shown.startswith(f"{first['id']}: by=program, reviewed, stage=final, score=4.5")
    tags = {
        "by": "program", "reviewed": True, "stage": "final", "score": 4.5, "round": 3, "bad": False, "number": "5",
        "empty": "", "rest": "a=b", "x": "NaN",
    }  # fmt: skip
    assert edited.json("show", first["id"])["tags"] == tags
    assert edited.json("show", second["id"])["tags"] == {"by": "program"}
    assert [run["name"] for run in edited.lines("ls", 'tags.stage == "final" and tags.score > 4')] == ["first"]
    edited("tag", first["id"], "stage=draft")
    edited("tag", first["id"], "--remove", "reviewed", "by")
    assert load(edited, first["id"]).tags == {k: v for k, v in tags.items() if k not in ("reviewed", "by")} | {
        "stage": "draft"
    }
    edited("gc", "--rebuild")
    assert "reviewed" not in edited.json("show", first["id"])["tags"]
    assert edited("tag", second["id"], "--remove", "by").stdout == f"{second['id']}: no tags\n"


def test_notes(edited: CommandLine) -> None:
    edited("note", "@last", "the", "one with", "clean data")
    assert edited("note", "@last").stdout == "the one with clean data\n"
    edited("note", "@last", "-", input="from\n\tstdin ☃\n")
    assert edited.json("show")["note"] == "from\n\tstdin ☃"
    assert "from" in edited.terminal("note", "@last")
    edited("gc", "--rebuild")
    assert load(edited, "@last").note == "from\n\tstdin ☃"
    edited("note", "@last", "--remove")
    assert edited.json("show")["note"] is None
    done = edited("note", "@last")
    assert (done.stdout, "has no note" in done.stderr) == ("", True)


def test_runs_are_left_out_of_lists_and_come_back(edited: CommandLine) -> None:
    second, first = (run["id"] for run in edited.lines("ls"))
    done = edited("rm", "@last", first[:8])
    assert done.stdout == f"{second}\tsecond\n{first}\tfirst\n"
    assert done.stderr == f"autotrack: left out of lists; to show again: autotrack rm --restore {second} {first}\n"
    assert edited.lines("ls", "--all") == []
    assert edited.json("show", first)["name"] == "first"
    edited("gc", "--rebuild")
    assert edited.lines("ls") == []
    edited("rm", "--restore", first[:8])
    assert [run["id"] for run in edited.lines("ls")] == [first]
    edited("verify")


def test_trials_and_jobs(cli: CommandLine, trained: CommandLine) -> None:
    search = trained.lines("ls")[0]
    trained("tag", f"{search['id']}.1", "middle")
    assert [run["params"]["alpha"] for run in trained.lines("ls", "tags.middle", "--all")] == [1.0]
    for words in (("tag", search["job"], "x"), ("note", search["job"], "x"), ("rm", search["job"])):
        told = trained(*words, code=1).stderr
        assert f"is a job, and only runs can be edited; name one of: autotrack show {search['job']}" in told
    cli.program("import autotrack\nautotrack.enable()\nwith autotrack.run('only'):\n    autotrack.log({'x': 1})")
    cli("run", "train.py")
    cli("tag", cli.lines("ls")[0]["job"], "x")
    assert cli.lines("ls")[0]["tags"] == {"x": True}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("tag", "@last"), 2, "Missing argument"),
        (("tag", "@last", "a", "=b"), 2, "has no name before the value"),
        (("tag", "@last", "--remove", "by=program"), 2, "give its name alone: by"),
        (("tag", "@last", "--remove", "by", "gone"), 1, "has no tag 'gone'; it has: by"),
        (("tag", "nosuch", "x"), 1, "there is no run or job 'nosuch'"),
        (("note", "@last", "x", "--remove"), 2, "give a text or --remove"),
        (("note", "@last", " "), 2, "the note is empty"),
        (("rm", "@last", "nosuch"), 1, "there is no run or job 'nosuch'"),
        (("rm",), 2, "Missing argument"),
    ],
)
def test_what_can_not_be_done_changes_nothing(
    edited: CommandLine, words: tuple[str, ...], code: int, told: str
) -> None:
    before = edited.lines("ls")
    assert told in edited(*words, code=code).stderr
    assert edited.lines("ls") == before


def test_edits_of_a_folder_elsewhere(edited: CommandLine, tmp_path: Path) -> None:
    edited("tag", "@last", "x", "--dir", str(edited.folder / ".autotrack"), env={"HOME": str(tmp_path)})
    assert edited.lines("ls", "tags.x")[0]["name"] == "second"
