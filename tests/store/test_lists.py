"""What lists show besides the runs: groups, marks, and the programs; the same from both databases."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from autotrack import events
from autotrack.duplicates import FOUND
from autotrack.journal.folder import Folder
from autotrack.store import NotFound, Store
from autotrack.store.filter import FilterError
from tests.store.journals import BEGUN, Journal
from tests.store.test_filter import record


@pytest.mark.parametrize("by", ["params.C", "params.solver", "params.bool", "tags.who", "name", "status", "user"])
def test_the_filter_of_a_group_lets_its_runs_through(folder: Folder, opened: Callable[[], Store], by: str) -> None:
    record(folder)
    store = opened()
    groups = store.groups(by)
    assert sum(group["count"] for group in groups) == store.count() == 13
    assert [store.count(group["filter"]) for group in groups] == [group["count"] for group in groups]
    assert len({group["filter"] for group in groups}) == len(groups)
    assert [group["count"] for group in groups] == sorted((group["count"] for group in groups), reverse=True)


def test_groups_have_the_metrics_of_their_runs(folder: Folder, opened: Callable[[], Store]) -> None:
    journal = Journal(folder)
    for depth, losses in (
        (3, [0.5, 0.25]),
        (3.0, 0.75),
        (4, [1.0, math.nan]),
        ("deep", 2.0),
    ):
        journal.strand(f"Tree {depth}", params={"depth": depth}, metrics={"loss": losses})
    journal.strand("none")
    journal.end()
    groups = {group["value"]: group for group in opened().groups("params.depth", metrics=["loss", "accuracy"])}
    assert groups.keys() == {"3", "4", "deep", None}
    assert (groups["3"]["number"], groups["deep"]["number"]) == (3.0, None)
    assert groups["3"]["metrics"] == {"loss": {"count": 2, "mean": 0.5, "min": 0.25, "max": 0.75}}
    assert groups["4"]["metrics"] == groups[None]["metrics"] == {}
    some = opened().groups("params.depth", 'metrics["loss"] > 0.6')
    assert [(group["value"], group["count"]) for group in some] == [("3.0", 1), ("deep", 1)]


@pytest.mark.parametrize("by", ["metrics.loss", "started", "id", "loss"])
def test_what_nothing_can_be_grouped_by_is_said(opened: Callable[[], Store], by: str) -> None:
    with pytest.raises(FilterError, match="only by params"):
        opened().groups(by)


def test_runs_are_marked(folder: Folder, opened: Callable[[], Store]) -> None:
    first = Journal(folder)
    plain = first.strand("plain")
    search = first.strand("search")
    first.strand("candidate", parent=search)
    lacking = first.strand("lacking")
    first.add(events.GapFound, strand=lacking, what="the data", why="it is a generator")
    first.end()
    second = Journal(folder, name="host-2-1")
    found = {"run": plain, "job": first.job, "user": "kim", "ended": BEGUN}
    second.add(events.JobFacts, section=FOUND, value=found)
    repeated = second.strand("repeated")
    second.add(events.GapFound, strand=None, what="the console", why="it was too long")
    second.end()
    store = opened()
    store.note(plain, "the first")
    marks = store.marks(store.runs())
    none = {"nested": 0, "gaps": 0, "duplicate_of": None, "note": None}
    assert marks == {
        plain: {**none, "note": "the first"},
        search: {**none, "nested": 1},
        lacking: {**none, "gaps": 1},
        repeated: {**none, "gaps": 1, "duplicate_of": plain},
    }
    assert [len(store.run(run)["gaps"]) for run in marks] == [mark["gaps"] for mark in marks.values()]


def test_jobs_are_listed_a_page_at_a_time(folder: Folder, opened: Callable[[], Store]) -> None:
    made = []
    for number in range(7):  # some begin at the same time
        journal = Journal(folder, name=f"host-{number}-1", started=BEGUN + number // 2, program=f"train{number}.py")
        parent = journal.strand()
        journal.strand(parent=parent)
        journal.end()
        made.append(journal.job)
    store = opened()
    whole = store.jobs()
    assert {job["id"] for job in whole} == set(made)
    assert [job["started"] for job in whole] == sorted((job["started"] for job in whole), reverse=True)
    assert {(job["runs"], job["user"], job["status"], job["parent"]) for job in whole} == {(1, "kim", "finished", None)}
    pages = [store.jobs(limit=3)]
    while len(pages[-1]) == 3:
        pages.append(store.jobs(limit=3, after=pages[-1][-1]["id"]))
    assert [job for page in pages for job in page] == whole
    with pytest.raises(NotFound, match="no job 'nobody'"):
        store.jobs(after="nobody")


def test_what_is_too_large_or_no_number_is_told(folder: Folder, opened: Callable[[], Store]) -> None:
    journal = Journal(folder)
    for value in (1.7e308, 1.6e308, 2.0, math.inf, -math.inf, math.nan):
        journal.strand(metrics={"large": value})
    journal.end()
    (group,) = opened().groups("framework", metrics=["large"])
    assert group["metrics"]["large"] == {"count": 5, "mean": 2.0, "min": "-Infinity", "max": "Infinity"}


def test_a_text_that_is_written_as_a_number_is_another_group(folder: Folder, opened: Callable[[], Store]) -> None:
    journal = Journal(folder)
    for value in (1, 1.0, True, "1", "1.0", "True", "true", "nan", math.nan, 10**400, str(10**400)):
        journal.strand(params={"one": value})
    journal.end()
    store = opened()
    groups = store.groups("params.one")
    assert [store.count(group["filter"]) for group in groups] == [group["count"] for group in groups]
