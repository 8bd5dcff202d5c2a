"""From strands to runs, and what `show` says of a run and a job."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autotrack import events
from autotrack.journal import process
from autotrack.journal.folder import Folder
from autotrack.store import Store
from autotrack.store.strands import names_in_run
from tests.store.journals import Journal

Open = Callable[[], Store]

LISTED = {
    "id", "job", "name", "framework", "kind", "status", "started", "duration", "user", "params", "metrics", "tags",
    "parent",
}  # fmt: skip


def test_the_keys_of_a_list(folder: Folder, opened: Open) -> None:
    journal = Journal(folder)
    strand = journal.strand(params={"alpha": 1.5}, metrics={"loss": [2.0, 0.5]}, tags={"good": True})
    journal.end()
    (run,) = opened().runs()
    assert run == {
        "id": strand, "job": journal.job, "name": "Ridge", "framework": "sklearn", "kind": "fit",
        "status": "finished", "started": 1_700_000_003.0, "duration": 2.5, "user": "kim", "params": {"alpha": 1.5},
        "metrics": {"loss": 0.5}, "tags": {"good": True}, "parent": None,
    }  # fmt: skip
    assert set(run) == LISTED


def test_who_has_made_a_file(folder: Folder, opened: Open) -> None:
    def file(journal: Journal, number: int, mode: str, digest: str, model: str | None = None, **of: Any) -> None:
        journal.add(events.ArtifactSeen, artifact=number, path=f"/{number}.pt", mode=mode, **of)
        journal.add(events.ArtifactDigested, artifact=number, digest=digest, bytes=7, model=model)

    early, late = Journal(folder), Journal(folder, started=1_700_001_000.0)
    first = early.strand()
    file(early, 1, "written", "blake3:a", "m", strand=first, step=4)
    file(early, 2, "written", "blake3:b")
    file(early, 3, "read", "blake3:a", strand=first)
    second = late.strand()
    for number, (digest, model) in enumerate([("blake3:a", None), ("blake3:c", "m"), ("blake3:b", None)], 1):
        file(late, number, "read", digest, model, strand=second)
    file(late, 4, "read", "blake3:b")
    file(late, 5, "read", "blake3:z")
    third = Journal(folder, started=1_600_000_000.0)  # before it was written
    file(third, 1, "read", "blake3:a")
    others = [Journal(folder, started=1_700_000_500.0 + number) for number in range(30)]
    for journal in others:
        file(journal, 1, "read", "blake3:a")
    for journal in (early, late, third, *others):
        journal.end()
    store = opened()
    of_run = {"job": early.job, "run": first, "name": "Ridge", "path": "/1.pt", "step": 4}
    of_job = {"job": early.job, "run": None, "name": None, "path": "/2.pt", "step": None}
    assert [entry["made_by"] for entry in store.run(second)["artifacts"]] == [of_run, of_run, of_job]
    assert [entry["made_by"] for entry in store.job(late.job)["job"]["files"]] == [of_run, of_run, of_job, of_job, None]
    assert [entry["made_by"] for entry in store.run(first)["artifacts"]] == [None, None]
    assert [entry["made_by"] for entry in store.job(third.job)["job"]["files"]] == [None]


def test_the_keys_of_a_run_and_a_job(folder: Folder, opened: Open) -> None:
    journal = Journal(folder, alive=True)
    failure = events.Failure(type="ValueError", message="no", traceback="...")
    part = events.Dataset(id="xxh3:1", method="whole", kind="ndarray", rows=3, columns=2, bytes=48, name="features")
    data = events.Dataset(id="xxh3:2", method="whole", kind="data", schema=(("a", "float64"),), parts=(part,))
    strand = journal.strand(params={"alpha": 1.5}, metrics={"loss": [2.0, math.nan, 0.5]}, status=None)
    pending = events.Dataset(id=None, method="unverified", kind="data")
    journal.add(events.StrandDataset, strand=strand, role="train", dataset=pending)
    journal.add(events.StrandDataset, strand=strand, role="train", dataset=data)
    journal.add(events.StrandModel, strand=strand, cls="sklearn.Ridge", id="m", parameters=3, kept="b", bytes=9)
    journal.add(events.StrandSummary, strand=strand, values={"best": {"$float": "inf"}})
    journal.add(events.ArtifactSeen, artifact=1, path="/a", mode="written", strand=strand, step=4, model="m")
    journal.add(events.ArtifactSeen, artifact=2, path="/b", mode="read")
    journal.add(events.GapFound, strand=strand, what="labels", why="no array")
    journal.add(events.GapFound, strand=None, what="git", why="no git")
    journal.add(events.StrandEnded, strand=strand, status="failed", seconds=1.0, failure=failure)
    journal.strand("StandardScaler", kind="step", params={"copy": True})
    journal.add(events.JobFacts, section="packages", value={"numpy": "2.0"})
    journal.add(events.JobFacts, section="git", value={"commit": "abc"})
    journal.add(events.JobFacts, section="hardware", value={"cpu": {"cores": 2}})
    patch = events.PatchReceipt("sklearn.base:BaseEstimator.fit", True, 3, 0)
    for fired in (1, 3):
        receipt = events.PatchReceipt(patch.patch, True, fired, 0)
        journal.add(events.Receipt, frameworks={"sklearn": "1.5"}, patches=(receipt,))
    journal.add(events.Overhead, seconds=0.5, by={"observe": 0.5}, background=0.25, bytes=1000)
    journal.add(events.Tagged, strand=None, name="nightly", value=True)
    store = opened()
    journal.add(events.ArtifactDigested, artifact=1, digest="blake3:d", bytes=7)  # the recorder's, a little later
    journal.end(1)
    store.refresh()
    run = store.run(strand)
    written = {
        "path": "/a", "mode": "written", "digest": "blake3:d", "bytes": 7, "kind": "file", "step": 4, "model": "m",
        "made_by": None,
    }  # fmt: skip
    read = {
        "path": "/b", "mode": "read", "digest": None, "bytes": None, "kind": "file", "step": None, "model": None,
        "made_by": None,
    }  # fmt: skip
    receipts = [{"patch": patch.patch, "attached": True, "fired": 3, "failed": 0, "off": False, "why": ""}]
    job = {
        "id": journal.job, "parent": None, "how": "run", "name": "train.py", "argv": ["python", "train.py"],
        "cwd": "/work", "executable": "/usr/bin/python", "host": "host", "user": "kim", "python": "cpython 3.11",
        "platform": "Linux", "arguments": [], "autotrack": "0.1", "started": 1_700_000_002.0, "status": "failed",
        "packages": {"numpy": "2.0"}, "sources": None, "git": {"commit": "abc"}, "code": None, "seeds": None,
        "launch": None,
        "duplicate_of": None,
        "environment": None, "hardware": {"cpu": {"cores": 2}}, "files": [written, read],
        "exit": {"code": 1, "how": "end", "failure": None}, "console": [], "printed": {},
        "frameworks": {"sklearn": "1.5"}, "tags": {"nightly": True},
    }  # fmt: skip
    (step,) = run["job"].pop("steps")
    assert (step["name"], step["class"], step["params"], step["seconds"]) == (
        "StandardScaler", "sklearn.StandardScaler", {"copy": True}, 2.5,
    )  # fmt: skip
    duration = run["job"].pop("duration")
    assert 0 < duration < 60
    assert run["job"] == job
    assert {name: value for name, value in run.items() if name not in LISTED - {"params", "metrics"} | {"job"}} == {
        "params": [{"name": "alpha", "value": 1.5, "source": "estimator"}],
        "metrics": {"loss": {
            "origin": "framework", "last": 0.5, "min": 0.5, "max": 2.0, "count": 3, "first_step": 0, "last_step": 2,
        }},
        "datasets": [
            {
                "role": "train", "name": None, "id": "xxh3:2", "method": "whole", "kind": "data", "rows": None,
                "seen": None,
                "columns": None, "bytes": None, "schema": [["a", "float64"]], "profile": None,
                "parts": [
                    {
                        "name": "features", "id": "xxh3:1", "method": "whole", "kind": "ndarray", "rows": 3,
                        "seen": None,
                        "columns": 2, "bytes": 48, "schema": [], "profile": None, "parts": [],
                    }
                ],
            }
        ],
        "model": {"class": "sklearn.Ridge", "id": "m", "parameters": 3, "kept": "b", "bytes": 9, "trained_by": []},
        "artifacts": [written],
        "summary": {"best": "Infinity"},
        "failure": {"type": "ValueError", "message": "no", "traceback": "..."},
        "warnings": [],
        "gaps": [{"what": "labels", "why": "no array"}, {"what": "git", "why": "no git"}],
        "trials": 0,
        "note": None,
        "generators": {},
        "system": {},
        "receipt": receipts,
        "overhead": {"seconds": 0.5, "by": {"observe": 0.5}, "background": 0.25, "end": None, "bytes": 1000,
                     "processes": 1, "unknown": 0},
    }  # fmt: skip
    of_job = store.job(journal.job)
    assert set(of_job) == {"job", "runs"}
    assert set(of_job["job"]) == {*job, "duration", "steps", "gaps", "receipt", "overhead", "system"}
    assert of_job["job"]["gaps"] == [{"what": "git", "why": "no git"}]
    assert of_job["runs"] == store.runs()


# Which strands are runs


def test_fits_steps_and_the_users_own_run(folder: Folder, opened: Open) -> None:
    journal = Journal(folder)
    alone = journal.strand("alone")
    journal.strand("StandardScaler", kind="step")
    mine = journal.strand("mine", kind="run", framework="", cls="", status=None, metrics={"loss": 0.5})
    first = journal.strand("Ridge", owner=mine, params={"alpha": 1, "tol": 0.1}, metrics={"loss": 2.0, "r2": 0.25})
    second = journal.strand("Ridge", owner=mine, params={"alpha": 2, "tol": 0.1}, metrics={"r2": 0.5})
    third = journal.strand("Lasso", owner=mine, params={"alpha": 1, "positive": True}, metrics={"r2": 0.75})
    nested = journal.strand("inner", kind="run", framework="", cls="", parent=mine)
    journal.add(events.StrandEnded, strand=mine, status="finished", seconds=9.0)
    journal.end()
    store = opened()
    assert [run["id"] for run in store.runs(descending=False)] == [alone, mine]
    assert [run["id"] for run in store.runs(nested=True, descending=False)] == [alone, mine, nested]
    assert [run["id"] for run in store.trials(mine)] == [nested]
    run = store.run(mine)
    assert (run["framework"], run["duration"], run["parent"]) == ("sklearn", 9.0, None)
    assert {param["name"]: param["value"] for param in run["params"]} == {
        "alpha": 1, "tol": 0.1, "Ridge.alpha": 2, "positive": True,
    }  # fmt: skip
    expected = {"loss": 0.5, "Ridge.loss": 2.0, "r2": 0.25, "Ridge#2.r2": 0.5, "Lasso.r2": 0.75}
    assert {name: metric["last"] for name, metric in run["metrics"].items()} == expected
    assert {name: values.tolist()[-1] for name, _, _, values in store.points(mine)} == expected
    assert [name for name, *_ in store.points(mine, ["Lasso.r2"])] == ["Lasso.r2"]
    for alias in (first, second, third, second[:-2]):
        assert store.resolve(alias) == ("run", mine)


def test_a_run_seen_before_its_owner(folder: Folder, opened: Open) -> None:
    """Of two processes, the one that opened the run is read last, and later."""
    owner = "z" * 13
    worker = Journal(folder, name="a-worker", role="spawn", alive=True)
    worker.strand(owner=owner, metrics={"loss": 1.0})
    store = opened()
    assert store.runs(nested=True) == []
    main = Journal(folder, worker.job, name="b-main")
    main.strand("mine", id=owner, kind="run")
    store.refresh()
    (run,) = store.runs()
    assert (run["id"], run["metrics"]) == (owner, {"loss": 1.0})


def test_a_series_that_several_processes_wrote(folder: Folder, opened: Open) -> None:
    main = Journal(folder, name="main")
    strand = main.strand(metrics={"loss": [4.0, 3.0]})
    fork = Journal(folder, main.job, name="fork", role="fork", started=1_800_000_000.0)
    fork.points(strand, "loss", [1.0, math.nan])
    main.end()
    store = opened()
    assert store.run(strand)["metrics"]["loss"] == {
        "origin": "framework", "last": "NaN", "min": 1.0, "max": 4.0, "count": 4, "first_step": 0, "last_step": 1,
    }  # fmt: skip
    assert [name for name, *_ in store.points(strand)] == ["loss", "loss"]


def test_trials_of_a_search(folder: Folder, opened: Open) -> None:
    journal = Journal(folder)
    search = journal.strand("GridSearchCV", kind="search", params={"cv": 3})
    for index in range(12):
        metrics = {"score": float(index), "nan": {"$float": "nan"}, "inf": {"$float": "inf"}, "text": "none"}
        journal.add(
            events.StrandTrial,
            strand=search,
            index=index,
            params=(events.Param("alpha", index, "estimator"),),
            metrics=metrics,
            status="failed" if index == 3 else "finished",
            duration=0.5,
        )
    journal.end()
    store = opened()
    assert [run["id"] for run in store.runs()] == [search]
    trials = store.trials(search)
    assert [trial["id"] for trial in trials] == [f"{search}.{index}" for index in range(12)]
    assert trials == store.job(journal.job)["runs"][1:]
    assert trials[3] == {
        **store.runs()[0], "id": f"{search}.3", "name": "GridSearchCV[3]", "kind": "trial", "status": "failed",
        "duration": 0.5, "params": {"alpha": 3}, "metrics": {"score": 3.0, "nan": "NaN", "inf": "Infinity"},
        "parent": search,
    }  # fmt: skip
    shown = store.run(f"{search}.11")
    assert shown["params"] == [{"name": "alpha", "value": 11, "source": "estimator"}]
    assert shown["metrics"]["inf"] == {
        "origin": "framework", "last": "Infinity", "min": None, "max": None, "count": 1, "first_step": 0,
        "last_step": 0,
    }  # fmt: skip
    assert shown["job"]["id"] == journal.job
    assert store.run(search)["trials"] == 12
    assert [run["id"] for run in store.runs("params.alpha > 9", nested=True, descending=False)] == [
        f"{search}.10",
        f"{search}.11",
    ]
    assert list(store.points(f"{search}.1")) == []


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        ([("A", {"x": 1}), ("A", {"x": 1})], ["x", "x"]),
        ([("A", {"x": 1}), ("A", {"x": 2}), ("A", {"x": 3})], ["x", "A.x", "A#2.x"]),
        ([("A", {"x": 1}), ("B", {"x": 2, "y": 1}), ("B", {"x": 1, "y": 2})], ["x", "B.x", "y", "x", "B#2.y"]),
        ([("A", {"x": 1, "B.x": 5}), ("B", {"x": 2})], ["x", "B.x", "B#2.x"]),
        ([("A", {"x": float("nan")}), ("B", {"x": 1})], ["x", "B.x"]),
    ],
)
def test_names_in_a_run(groups: list[tuple[str, dict[str, Any]]], names: list[str]) -> None:
    found = names_in_run([(str(number), label, named) for number, (label, named) in enumerate(groups)])
    assert list(found.values()) == names


def test_names_of_many_strands_take_no_time_to_find() -> None:
    found = names_in_run([(str(number), "Ridge", {"alpha": number}) for number in range(10_000)])
    assert len(set(found.values())) == 10_000


# Status


@pytest.mark.parametrize("status", ["finished", "failed", "interrupted"])
def test_status_of_what_ended(folder: Folder, opened: Open, status: str) -> None:
    journal = Journal(folder)
    journal.strand(status=status)
    journal.end()
    assert [run["status"] for run in opened().runs()] == [status]


def test_running_killed_and_crashed(folder: Folder, opened: Open) -> None:
    boot, space = process.machine().split("/")
    Journal(folder, alive=True).strand("running", status=None)
    Journal(folder).strand("killed", status=None, metrics={"loss": [1.0] * 3})
    Journal(folder, machine=f"another-boot/{space}").strand("crashed", status=None)
    Journal(folder, machine="far/1", host="far").strand("far away", status=None)
    silent = Journal(folder, machine="far/1", host="far")
    silent.strand("silent", status=None)
    import os

    os.utime(silent.segment.live, (1, 1))
    store = opened()
    assert boot != "another-boot"
    assert {run["name"]: run["status"] for run in store.runs()} == {
        "running": "running", "killed": "killed", "crashed": "crashed", "far away": "running", "silent": "killed",
    }  # fmt: skip
    durations = {run["name"]: run["duration"] for run in store.runs()}
    assert durations["running"] is durations["far away"] is None
    assert durations["killed"] == pytest.approx(1.002)
    jobs = {run["name"]: store.job(run["job"])["job"] for run in store.runs()}
    assert {name: job["status"] for name, job in jobs.items()} == {run["name"]: run["status"] for run in store.runs()}
    assert jobs["killed"]["exit"] is None
    silent.segment.touch()  # it was only silent
    silent.add(events.GapFound, strand=silent.strand("again", status=None), what="", why="")
    store.refresh()
    assert {run["name"]: run["status"] for run in store.runs()}["again"] == "running"


@pytest.mark.parametrize(
    ("code", "failure", "status"),
    [
        (0, None, "finished"),
        (1, "ValueError", "failed"),
        (130, "KeyboardInterrupt", "interrupted"),
        (3, None, "failed"),
        (None, None, "finished"),
    ],
)
def test_status_of_a_job(folder: Folder, opened: Open, code: int | None, failure: str | None, status: str) -> None:
    journal = Journal(folder)
    journal.strand()
    told = events.Failure(type=failure, message="m") if failure else None
    journal.add(events.JobEnded, code=code, how="exception", failure=told)
    job = opened().job(journal.job)["job"]
    assert (job["status"], job["exit"]["code"]) == (status, code)


def test_a_job_of_which_only_workers_recorded(folder: Folder, opened: Open) -> None:
    worker = Journal(folder, role="spawn", alive=True)
    strand = worker.strand(status=None)
    store = opened()
    assert store.job(worker.job)["job"]["status"] == "running"
    worker.add(events.StrandEnded, strand=strand, status="finished", seconds=1.0)
    worker.add(events.SegmentEnded)
    fork = Journal(folder, worker.job, name="killed", role="fork")
    assert store.refresh()
    job = store.job(worker.job)["job"]
    assert (job["name"], job["argv"], job["host"]) == ("", [], store.run(strand)["job"]["host"])
    fork.add(events.SegmentEnded)
    assert store.run(strand)["status"] == "finished"


def test_what_a_job_was_given_is_among_the_params_of_its_runs(folder: Folder, opened: Open) -> None:
    """Also where it comes to be known after they were projected; each run has what was the last when it began."""
    journal = Journal(folder, alive=True)
    first = journal.strand("Ridge", params={"alpha": 1.0, "lr": 3.0})
    nested = journal.strand("Ridge", parent=first)
    store = opened()
    assert set(store.run(first)["params"][0]) == {"name", "value", "source"}

    def give(number: int, time: float, parser: str, source: str, **values: Any) -> None:
        value = {"source": source, "parser": parser, "name": "", "time": time, "values": values}
        journal.add(events.JobFacts, section=f"arguments/{number}", value=value)

    give(1, 0.0, "argparse", "args", lr=0.1, alpha=1.0, late=False)
    give(2, 0.0, "variables", "global", lr=0.2, seed=1)
    give(3, journal.time + 0.5, "argparse", "args", lr=0.5)
    journal.add(events.JobFacts, section="arguments/4", value="nonsense")
    Path(folder.live, journal.job).touch()
    store.refresh()
    found = {param["name"]: (param["value"], param["source"]) for param in store.run(first)["params"]}
    assert found == {
        "alpha": (1.0, "estimator"), "lr": (3.0, "estimator"), "args.lr": (0.1, "args"), "late": (False, "args"),
        "global.lr": (0.2, "global"), "seed": (1, "global"),
    }  # fmt: skip
    assert not store.run(nested)["params"]
    second = journal.strand("Ridge")
    Path(folder.live, journal.job).touch()
    store.refresh()
    assert {param["name"]: param["value"] for param in store.run(second)["params"]} == {
        "lr": 0.5, "global.lr": 0.2, "seed": 1,
    }  # fmt: skip
    assert [run["id"] for run in store.runs("params.seed == 1 and params.lr < 1")] == [second]
    assert [part["parser"] for part in store.job(journal.job)["job"]["arguments"]] == ["argparse"] * 2 + ["variables"]
