"""Asking: what an id, a prefix or a word with an @ means; and edits by people."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from autotrack.journal.folder import Folder
from autotrack.store import Ambiguous, NotFound, Store, StoreError, open_store
from tests.store.journals import Journal

Open = Callable[[], Store]


def test_nothing_is_recorded(folder: Folder, url: str | None) -> None:
    with open_store(folder, url) as store:
        assert store.refresh()
        assert (store.runs(), store.count(), store.damaged(), store.known()) == ([], 0, [], {})
        for reference in ("@last", "@best:loss", "abc", "", "@", "@best:", "@best:-", "@worst"):
            with pytest.raises(NotFound):
                store.resolve(reference)
        with pytest.raises(NotFound, match="record a program with: autotrack run SCRIPT"):
            store.last_job()
        with pytest.raises(NotFound, match="there is no run 'x'"):
            store.run("x")
        with pytest.raises(NotFound, match="there is no job 'x'"):
            store.job("x")
        assert store.trials("x") == []
        assert list(store.points("x")) == []
    assert not os.path.exists(folder.root)


@pytest.fixture
def store(folder: Folder, opened: Open) -> Store:
    journal = Journal(folder, "job0aaaaaaaaa")
    journal.strand("low", id="aa1aaaaaaaaaa", metrics={"loss": 0.1, "acc": 0.5})
    journal.strand("high", id="aa2aaaaaaaaaa", metrics={"loss": [0.0, 0.9], "acc": 0.5})
    journal.strand("nan", id="ab3aaaaaaaaaa", metrics={"loss": math.nan, "div": math.inf})
    journal.strand("inf", id="ac4aaaaaaaaaa", metrics={"loss": math.inf})
    journal.strand("-inf", id="ad5aaaaaaaaaa", metrics={"loss": -math.inf, "-odd": 1.0})
    journal.end()
    later = Journal(folder, "job1aaaaaaaaa", started=1_800_000_000.0)
    later.strand("last", id="aaa_aaaaaaaaa")
    later.end()
    return opened()


@pytest.mark.parametrize(
    ("reference", "meant"),
    [
        ("aa1aaaaaaaaaa", ("run", "aa1aaaaaaaaaa")),
        ("ab", ("run", "ab3aaaaaaaaaa")),
        ("aa2", ("run", "aa2aaaaaaaaaa")),
        ("job1", ("job", "job1aaaaaaaaa")),
        ("job0aaaaaaaaa", ("job", "job0aaaaaaaaa")),
        ("@last", ("run", "aaa_aaaaaaaaa")),
        ("@best:loss", ("run", "aa2aaaaaaaaaa")),
        ("@best:-loss", ("run", "aa1aaaaaaaaaa")),
        ("@best:acc", ("run", "aa2aaaaaaaaaa")),  # of equals the newest
        ("@best:--odd", ("run", "ad5aaaaaaaaaa")),
    ],
)
def test_resolve(store: Store, reference: str, meant: tuple[str, str]) -> None:
    assert store.resolve(reference) == meant


@pytest.mark.parametrize(
    ("reference", "kind", "message"),
    [
        ("a", Ambiguous, r"'a' may be any of several runs: aa1aaaaaaaaaa \(low\), aa2aaaaaaaaaa \(high\), .* and more"),
        ("aa", Ambiguous, r"'aa' may be any of several runs: .*; give more of the id"),
        ("job", Ambiguous, r"several jobs: job0aaaaaaaaa \(train.py\), job1aaaaaaaaa"),
        ("AB", NotFound, "there is no run or job 'AB'; see what there is with: autotrack ls --all"),
        ("aa%", NotFound, "there is no run or job 'aa%'"),
        ("a_1", NotFound, "there is no run or job 'a_1'"),
        ("ab3aaaaaaaaaaa", NotFound, "there is no run or job"),
        ("ab.1", NotFound, "there is no run or job"),
        ("@best:div", NotFound, "no run has the metric 'div'"),
        ("@best:-div", NotFound, "no run has the metric 'div'"),
        ("@best:nothing", NotFound, "no run has the metric 'nothing'; see them with: autotrack ls --json"),
        ("@worst", NotFound, "'@worst' means nothing; there are @last, @best:METRIC and @best:-METRIC"),
        ("\udcff\0", NotFound, r"there is no run or job '\\\\udcff\\\\x00'"),
    ],
)
def test_resolve_refuses(store: Store, reference: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        store.resolve(reference)


def test_trials_by_the_beginning_of_their_search(folder: Folder, opened: Open) -> None:
    from autotrack import events

    journal = Journal(folder)
    for id in ("bb1aaaaaaaaaa", "bb2aaaaaaaaaa"):
        journal.strand("search", id=id, kind="search")
        for index in (0, 1, 11):
            journal.add(events.StrandTrial, strand=id, index=index, params=(), metrics={})
    store = opened()
    assert store.resolve("bb1.1") == ("run", "bb1aaaaaaaaaa.1")
    assert store.resolve("bb1aaaaaaaaaa.11") == ("run", "bb1aaaaaaaaaa.11")
    with pytest.raises(Ambiguous, match=r"several runs: bb1aaaaaaaaaa.1 .*, bb2aaaaaaaaaa.1"):
        store.resolve("bb.1")
    with pytest.raises(NotFound):
        store.resolve("bb1.2")


def test_the_last_job(store: Store) -> None:
    assert store.last_job() == "job1aaaaaaaaa"


# Edits

RUN = "aa1aaaaaaaaaa"


def test_tags_notes_and_deletions_survive_a_rebuild(store: Store, opened: Open) -> None:
    store.tag(RUN, "stage")
    store.tag(RUN, "stage", "prod")
    store.tag(RUN, "n", 3)
    store.tag(RUN, "nan", math.nan)
    store.tag(RUN, "gone")
    store.untag(RUN, "gone")
    store.untag(RUN, "never there")
    store.note(RUN, "one")
    store.note(RUN, "two\nlines, " + "long " * 1000)
    store.delete("ab3aaaaaaaaaa")
    store.delete("ac4aaaaaaaaaa")
    store.restore("ac4aaaaaaaaaa")
    for again in (store, opened()):
        run = again.run(RUN)
        assert run["tags"] == {"stage": "prod", "n": 3, "nan": "NaN"}
        assert run["note"] == "two\nlines, " + "long " * 1000
        assert again.count("tags.stage == 'prod' and tags.n == 3") == 1
        names = {run["name"] for run in again.runs()}
        assert "nan" not in names
        assert "inf" in names
        assert again.resolve("ab3") == ("run", "ab3aaaaaaaaaa")  # it can be restored
        again.rebuild()


def test_recorded_tags_and_edits_of_an_alias(folder: Folder, opened: Open) -> None:
    journal = Journal(folder, alive=True)
    mine = journal.strand("mine", kind="run", status=None, tags={"a": 1, "b": 2})
    fit = journal.strand("Ridge", owner=mine, tags={"c": 3})
    store = opened()
    store.tag(fit, "b", 20)
    store.untag(mine, "a")
    assert store.run(mine)["tags"] == {"b": 20, "c": 3}
    journal.strand("Ridge", owner=mine, tags={"a": 4})  # projected again
    store.refresh()
    assert store.run(mine)["tags"] == {"b": 20, "c": 3}


def test_a_deleted_run_takes_its_nested_runs_along(folder: Folder, opened: Open) -> None:
    journal = Journal(folder)
    outer = journal.strand("outer", kind="run")
    inner = journal.strand("inner", kind="run", parent=outer)
    journal.strand("innermost", kind="run", parent=inner)
    other = journal.strand("other")
    store = opened()
    store.delete(outer)
    assert [run["id"] for run in store.runs(nested=True)] == [other]
    assert [run["id"] for run in store.job(journal.job)["runs"]] == [other]
    store.restore(outer)
    assert store.count(nested=True) == 4


def test_the_last_edit_wins_whoever_made_it(folder: Folder, opened: Open, store: Store) -> None:
    store.tag(RUN, "who", "first")
    (path,) = Path(folder.edits).glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    from autotrack.journal.segment import chained, first_digest, line_of

    body = json.loads(lines[0])["body"]
    for name, time in (("early", body["time"] - 10), ("late", body["time"] + 10)):
        edit = json.dumps({**body, "author": name, "value": name, "time": time}).encode()
        file = Path(folder.edits, f"{name}-other.jsonl")
        file.write_bytes(line_of(chained(first_digest("edits", file.name), edit), edit))
    assert opened().run(RUN)["tags"] == {"who": "late"}
    store.rebuild()
    assert store.run(RUN)["tags"] == {"who": "late"}


def test_a_half_written_edit_was_never_made(folder: Folder, store: Store, opened: Open) -> None:
    store.tag(RUN, "kept")
    (path,) = Path(folder.edits).glob("*.jsonl")
    whole = path.read_bytes()
    store.tag(RUN, "cut")
    path.write_bytes(path.read_bytes()[:-7])
    store.rebuild()
    assert store.run(RUN)["tags"] == {"kept": True}
    store.tag(RUN, "next")
    assert store.run(RUN)["tags"] == {"kept": True, "next": True}
    assert path.read_bytes().startswith(whole)
    assert path.read_bytes().count(b"\n") == 2
    path.write_bytes(b"cut")
    store.tag(RUN, "all new")
    store.rebuild()
    assert (store.run(RUN)["tags"], store.damaged()) == ({"all new": True}, [])


def test_damaged_edits_are_told_and_the_rest_is_read(folder: Folder, store: Store, opened: Open) -> None:
    store.tag(RUN, "one")
    store.tag(RUN, "two")
    (path,) = Path(folder.edits).glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"two"', b'"2"'))
    store.rebuild()
    (message,) = store.damaged()
    assert message.startswith(f"{path}, byte ")
    assert "edited, removed or reordered" in message
    assert store.run(RUN)["tags"] == {"one": True}
    assert store.count() == 6
    path.write_bytes(path.read_bytes() + b"no edit\n")
    with pytest.raises(StoreError, match="is damaged; move it away and try again"):
        store.tag(RUN, "three")


def test_long_edits_and_odd_names(store: Store, opened: Open) -> None:
    store.note(RUN, "x" * 300_000)
    store.tag(RUN, "caf\udce9\0", "v\udce9\0")
    store.tag(RUN, "last")
    run = opened().run(RUN)
    assert run["tags"] == {"caf\\udce9\\x00": "v\\udce9\\x00", "last": True}
    assert run["note"] == "x" * 300_000


def test_an_edit_of_what_is_not_known_yet(folder: Folder, store: Store) -> None:
    store.tag("zz1aaaaaaaaaa", "early")
    Journal(folder).strand(id="zz1aaaaaaaaaa")
    store.refresh()
    assert store.run("zz1aaaaaaaaaa")["tags"] == {"early": True}


def test_a_folder_that_takes_no_edits(folder: Folder, store: Store) -> None:
    Path(folder.edits).write_bytes(b"a file is in the way")
    with pytest.raises(StoreError, match=r"can't be written: .*; nothing was changed"):
        store.tag(RUN, "x")


def test_what_begins_so(store: Store) -> None:
    assert store.beginning("aa", 10) == [("aaa_aaaaaaaaa", "last"), ("aa2aaaaaaaaaa", "high"), ("aa1aaaaaaaaaa", "low")]
    assert store.beginning("", 1) == [("aaa_aaaaaaaaa", "last")]
    store.delete("aa2aaaaaaaaaa")
    assert [name for _, name in store.beginning("aa", 10)] == ["last", "low"]
    assert store.metric_names() == ["-odd", "acc", "div", "loss"]
    assert store.metric_names("l") == ["loss"]
    assert store.metric_names("", 2) == ["-odd", "acc"]
    assert store.metric_names("x") == []


def test_a_note_is_taken_away(store: Store) -> None:
    store.note("aa1aaaaaaaaaa", "so far")
    store.note("aa1aaaaaaaaaa", None)
    assert store.run("aa1aaaaaaaaaa")["note"] is None
    store.rebuild()
    assert store.run("aa1aaaaaaaaaa")["note"] is None


def test_progress_is_told(folder: Folder, store: Store) -> None:
    told: list[tuple[int, int]] = []
    store.watch(lambda done, of: told.append((done, of)))
    store.rebuild()
    assert told[-1] == (2, 2)
    Journal(folder).end()
    assert store.refresh(wait=10.0)
    assert told[-1] == (1, 1)
