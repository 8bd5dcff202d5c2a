"""Samples of the system: series of a job that make no run."""

from __future__ import annotations

import math
from collections.abc import Callable

from autotrack import events
from autotrack.journal.folder import Folder
from autotrack.store import Store
from autotrack.store.chunks import SIZE
from tests.store.journals import Journal

Open = Callable[[], Store]


def sampled(journal: Journal, name: str, values: list[float], *, first: int = 0, number: int | None = None) -> int:
    if number is None:
        number = journal.segment.next_series()
        journal.add(events.SeriesDefined, series=number, strand=journal.job, name=name, origin="system")
    return journal.points(journal.job, name, values, number=number, first=first)


def test_they_are_of_the_job(folder: Folder, opened: Open) -> None:
    journal = Journal(folder, alive=True)
    run = journal.strand(metrics={"loss": [2.0, 1.0]})
    cpu = sampled(journal, "system/cpu", [100.0, 50.0])
    sampled(journal, "system/memory", [7.0])
    store = opened()
    assert [listed["id"] for listed in store.runs(nested=True)] == [run]
    assert store.runs()[0]["metrics"] == {"loss": 1.0}
    sampled(journal, "system/cpu", [180.0, 10.0], first=2, number=cpu)
    journal.end()
    store.refresh()
    expected = {
        "system/cpu": {"last": 10.0, "min": 10.0, "max": 180.0, "mean": 85.0, "count": 4},
        "system/memory": {"last": 7.0, "min": 7.0, "max": 7.0, "mean": 7.0, "count": 1},
    }
    assert store.job(journal.job)["job"]["system"] == expected
    assert len(store.runs(nested=True)) == 1
    read = [(name, steps.tolist(), values.tolist()) for name, steps, _, values in store.points(journal.job)]
    assert read == [("system/cpu", [0, 1, 2, 3], [100.0, 50.0, 180.0, 10.0]), ("system/memory", [0], [7.0])]
    assert [name for name, *_ in store.points(journal.job, ["system/memory"])] == ["system/memory"]
    assert [name for name, *_ in store.points(run)] == ["loss"]
    store.rebuild()
    assert store.job(journal.job)["job"]["system"] == expected


def test_those_of_the_time_of_a_run(folder: Folder, opened: Open) -> None:
    """Which is 2.5 s of the journal's."""
    journal = Journal(folder)
    number = sampled(journal, "system/cpu", [1.0])
    journal.time += 10
    run = journal.strand(status=None)
    sampled(journal, "system/cpu", [2.0, math.nan, 4.0], number=number)
    journal.add(events.StrandEnded, strand=run, status="finished", seconds=2.5)
    journal.time += 10
    sampled(journal, "system/cpu", [8.0] * (2 * SIZE), number=number)
    journal.time += 100
    later = journal.strand("Later")
    journal.time += 10
    open_still = journal.strand("Open", status=None)
    sampled(journal, "system/cpu", [16.0], number=number)
    store = opened()
    assert store.run(run)["system"] == {"system/cpu": {"last": 4.0, "min": 2.0, "max": 4.0, "mean": 3.0, "count": 2}}
    assert store.run(later)["system"] == {}
    assert store.run(open_still)["system"]["system/cpu"]["last"] == 16.0
    assert store.job(journal.job)["job"]["system"]["system/cpu"]["count"] == 2 * SIZE + 4


def test_a_job_without(folder: Folder, opened: Open) -> None:
    journal = Journal(folder)
    run = journal.strand()
    journal.end()
    store = opened()
    assert store.job(journal.job)["job"]["system"] == {}
    assert store.run(run)["system"] == {}
    assert list(store.points(journal.job)) == []


def test_the_generators_that_a_run_began_with(folder: Folder, opened: Open) -> None:
    journal = Journal(folder)
    generators = {"python": {"state": "00", "seed": 3, "fresh": True}, "numpy": {"state": "01"}}
    run = journal.strand(generators=generators)
    assert opened().run(run)["generators"] == generators


def test_of_chunks_what_is_known_of_them(folder: Folder, opened: Open) -> None:
    """Those that lie within the time are not read; the last value is the last that is finite."""
    journal = Journal(folder)
    values = [float(step % 100) for step in range(2 * SIZE)]
    values[7], values[8], values[SIZE + 1] = math.nan, 500.0, -3.0
    sampled(journal, "system/cpu", [*values, *[math.nan] * 5])
    huge = sampled(journal, "system/huge", [1.7e308] * (SIZE + 1))
    nothing = sampled(journal, "system/nothing", [math.nan] * (SIZE + 1))
    assert huge != nothing
    journal.end()
    system = opened().job(journal.job)["job"]["system"]
    finite = [value for value in values if math.isfinite(value)]
    expected = {"last": values[-1], "min": -3.0, "max": 500.0, "mean": math.fsum(finite) / len(finite)}
    assert system["system/cpu"] == {**expected, "count": len(finite)}
    assert system["system/huge"]["mean"] == system["system/huge"]["max"] == 1.7e308
    assert "system/nothing" not in system
