"""Which datasets are profiled, and what is kept of them until then."""

from __future__ import annotations

import sys
import threading
import time
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autotrack.identity.arrays import digest
from autotrack.identity.profiles import Profiles


class Made(SimpleNamespace):
    """What of a job the profiles use; its tasks are run by the test."""

    def __init__(self) -> None:
        super().__init__(at_end=[], started=time.time(), ended=False, segment=True, reported=[], tasks=[], leakage=None)
        self.recorder = SimpleNamespace(later=lambda name, task: self.tasks.append(task))
        self.report = self.reported.append
        self.profiles = Profiles(self)  # type: ignore[arg-type]

    def later(self, data: Any) -> str:
        identity = digest(data)
        self.profiles.later(identity, data)
        return identity

    def work(self) -> bool:
        return bool(self.profiles._work())

    @property
    def found(self) -> set[str]:
        return {event.data for event in self.reported if hasattr(event, "data")}


@pytest.fixture
def job() -> Made:
    return Made()


def test_a_large_dataset_keeps_no_small_one_waiting(job: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    large = np.random.default_rng(0).normal(size=(1_000_000, 4))
    monkeypatch.setattr(Profiles, "_granted", lambda _: 0.01)
    job.later(large)
    small = [job.later(np.full((5, 2), at)) for at in range(3)]
    assert not job.work()
    assert job.found == set(small)
    assert job.profiles.waiting == 1


def test_what_was_missed_is_profiled_when_it_comes_again(job: Made) -> None:
    identity = job.later(np.random.default_rng(0).normal(size=(200_000, 4)))
    assert job.work()  # it is gone
    assert (job.found, job.profiles._missed) == (set(), 1)
    again = np.random.default_rng(0).normal(size=(200_000, 4))
    assert job.later(again) == identity
    assert job.work()
    assert (job.found, job.profiles._missed) == ({identity}, 0)


def test_data_that_changed_is_missed(job: Made) -> None:
    data = np.random.default_rng(0).normal(size=(200_000, 4))
    job.later(data)
    data[0] = 0
    assert job.work()
    assert (job.found, job.profiles._missed) == (set(), 1)


def _column(array: Any) -> Any:
    made = pd.DataFrame({"a": [None, None]}, dtype=object)
    made.at[0, "a"] = array
    return made


@pytest.mark.parametrize("make", [lambda array: [array, array], lambda array: [{"a": array}], _column])
@pytest.mark.parametrize("size", [10, 1_000_000])
def test_arrays_in_lists_are_not_kept_alive(job: Made, make: Callable[[Any], Any], size: int) -> None:
    """Small ones are copied; in an array of objects, small ones stay."""
    array = np.ones(size)
    gone = weakref.ref(array)
    data = make(array)
    identity = job.later(data)
    del array, data
    assert gone() is None or (make is _column and size == 10)
    assert job.work()
    assert job.found == ({identity} if size == 10 else set())


def test_lists_that_are_changed_in_the_meantime(job: Made) -> None:
    """A copy is profiled."""
    data = [[1, 2], [3, 4]]
    words = [{"word": [1]}, {"word": [2]}]
    identities = {job.later(data), job.later(words)}
    data[0][0] = 7
    words[0]["word"].append(3)
    assert job.work()
    assert job.found == identities


def test_what_comes_while_it_is_looked_for_the_next_one(job: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autotrack.identity.profiles.QUEUED", 1_000_000)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    adding = threading.Thread(target=lambda: [job.profiles.later(str(at), np.full(3, at)) for at in range(5_000)])
    adding.start()
    try:
        while adding.is_alive():
            assert not job.profiles._next(lambda: True, 0.0)
    finally:
        adding.join()
        sys.setswitchinterval(before)
    assert job.profiles.waiting == 5_000
