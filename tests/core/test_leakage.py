"""When rows of evaluation data that are in the training data are told of: planted ones, and none of clean splits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn import datasets
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from autotrack import events
from autotrack.identity import rows
from autotrack.identity.overlap import Overlap, overlap
from autotrack.identity.profile import profiled
from autotrack.identity.rowhash import Rows
from autotrack.leakage import Leakage

SEEDS = 200
SHIPPED = ("iris", "digits", "wine", "breast_cancer", "diabetes", "linnerud")
RANDOM = np.random.default_rng(0)


def _categories(*sizes: int, rows: int) -> Any:
    return np.stack([RANDOM.integers(0, size, rows) for size in sizes], axis=1)


def _drawn(values: Any, count: int) -> Any:
    return values[RANDOM.integers(0, len(values), count)]


TABLES = {
    **{name: getattr(datasets, f"load_{name}")(return_X_y=True)[0] for name in SHIPPED},
    "linnerud targets": datasets.load_linnerud().target,
    "iris petals": datasets.load_iris().data[:, 2:],
    "digits, 3 pixels": datasets.load_digits().data[:, 2:5],
    "labels": datasets.load_digits().target,
    "classification": datasets.make_classification(1000, random_state=1)[0],
    "blobs": datasets.make_blobs(500, random_state=1)[0],
    "categories": _categories(2, 3, 4, 5, rows=800),
    "more categories": _categories(8, 10, 12, 7, rows=2000),
    "skewed": np.minimum(RANDOM.zipf(1.8, (1500, 4)), 30),
    "one-hot": _drawn(np.eye(12), 600),
    "twice": np.repeat(RANDOM.normal(size=(500, 5)), 2, axis=0),
    "a third is zero": np.where(RANDOM.random((900, 1)) < 0.3, 0.0, RANDOM.normal(size=(900, 5))),
    "constant": np.zeros((300, 3)),
}


def _compare(trained: Any, evaluated: Any) -> Overlap:
    return overlap(profiled(trained).sketch, profiled(evaluated).sketch)


def _splits(table: Any) -> Iterator[tuple[Any, Any]]:
    places = np.arange(len(table))
    for seed in range(SEEDS):
        yield train_test_split(places, test_size=(0.1, 0.2, 0.25, 0.3, 0.5)[seed % 5], random_state=seed)
    for folds in (2, 5, 10):
        yield from KFold(folds).split(table)
        yield from KFold(folds, shuffle=True, random_state=0).split(table)


@pytest.mark.parametrize("name", TABLES)
def test_clean_splits_are_clean(name: str) -> None:
    table = TABLES[name]
    assert not [True for train, test in _splits(table) if _compare(table[train], table[test]).beyond]


@pytest.mark.parametrize("name", ["iris", "digits", "wine", "breast_cancer"])
def test_clean_stratified_splits_are_clean(name: str) -> None:
    table, labels = getattr(datasets, f"load_{name}")(return_X_y=True)
    for folds in (2, 5, 10):
        for train, test in StratifiedKFold(folds, shuffle=True, random_state=0).split(table, labels):
            assert not _compare(table[train], table[test]).beyond


@pytest.mark.parametrize("size", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
@pytest.mark.parametrize("name", [*SHIPPED, "classification", "large"])
def test_planted_rows_are_found(name: str, share: float, size: float) -> None:
    table = RANDOM.normal(size=(200_000, 3)) if name == "large" else TABLES[name]
    for seed in range(1 if name == "large" else 10):
        train, test = train_test_split(table, test_size=size, random_state=seed)
        planted = round(share * len(test))
        test[:planted] = train[RANDOM.permutation(len(train))[:planted]]
        found = _compare(train, test)
        own = 1 if name == "iris" else 0
        if name != "large":
            assert planted <= found.rows <= planted + own
        unlikely = (2 * size * (1 - size)) ** planted <= 0.03 * (0.5**own)
        assert found.beyond or planted < 3 or not unlikely or (own and planted < 20)


def test_rows_that_come_up_again_in_the_training_data_are_expected() -> None:
    table = TABLES["categories"]
    train, test = train_test_split(table, random_state=0)
    found = _compare(train, test)
    assert found.exact
    assert found.rows == pytest.approx(found.expected, abs=10)
    assert found.rows > 0.9 * len(test)


def test_planted_rows_are_found_beside_those_that_come_up_again() -> None:
    table = np.where(RANDOM.random((4000, 1)) < 0.3, 0.0, RANDOM.normal(size=(4000, 5)))
    train, test = train_test_split(table, random_state=0)
    assert not _compare(train, test).beyond
    own = (test == 0).all(axis=1)
    test[np.flatnonzero(~own)[:50]] = train[(train != 0).any(axis=1)][:50]
    found = _compare(train, test)
    assert found.beyond
    assert found.rows == own.sum() + 50
    assert found.expected == pytest.approx(0.3 * len(test), rel=0.1)


def test_types_and_containers_do_not_matter() -> None:
    whole = RANDOM.integers(0, 1000, (500, 6))
    train, test = whole[:400].astype("f8"), np.concatenate([whole[:20], whole[400:]]).astype("i4")
    assert _compare(train, test).beyond
    assert _compare(train.tolist(), test).rows == 20


def test_rows_are_told_apart_by_their_order_of_columns() -> None:
    table = RANDOM.normal(size=(500, 4))
    assert _compare(table, table[:, ::-1].copy()).rows == 0


@pytest.mark.parametrize("parts", [1, 3])
def test_sketches_of_several_datasets_are_that_of_all(parts: int) -> None:
    for count, values in ((500, 200), (200_000, 2**40)):
        table = RANDOM.integers(0, values, (count, 1))
        together = rows.merged([profiled(part).sketch for part in np.array_split(table, parts)])
        whole = profiled(table).sketch
        assert (together.rows, together.whole) == (whole.rows, whole.whole)
        kept = len(together.hashes)
        assert kept >= min(len(whole.hashes), 60_000)
        both = min(kept, len(whole.hashes))
        assert (together.hashes[:both] == whole.hashes[:both]).all()
        assert (together.repeats[:both] == whole.repeats[:both]).all()


def test_a_wide_sketch_begins_as_the_one_on_record() -> None:
    hashes = RANDOM.integers(0, 2**64, 300_000, dtype=np.uint64)
    hashes = np.concatenate([hashes, hashes[:50_000]])
    wide, narrow = Rows(1 << 14), Rows()
    with np.errstate(over="ignore"):
        for part in np.array_split(hashes, 37):
            wide.add(part)
            narrow.add(part)
    assert len(wide.sketch().hashes) == 1 << 14
    told, known = wide.result(1), narrow.result(1)
    assert {name: told[name] for name in ("sketch", "repeats", "unordered", "ordered")} == {
        name: known[name] for name in ("sketch", "repeats", "unordered", "ordered")
    }
    assert told["distinct"] == pytest.approx(300_000, rel=0.04)
    counted = dict(zip(*np.unique(hashes, return_counts=True), strict=True))
    sketch = wide.sketch()
    assert [counted[one] for one in sketch.hashes] == sketch.repeats.tolist()


class Made(SimpleNamespace):
    """What of a job is used; its tasks are run by the test."""

    def __init__(self) -> None:
        super().__init__(started=time.time(), ended=False, reported=[], tasks=[], leakage=None)
        self.recorder = SimpleNamespace(
            later=lambda name, task: self.tasks.append(task), soon=lambda name, task, _: self.tasks.append(task)
        )
        self.leakage = Leakage(self)  # type: ignore[arg-type]

    def report(self, event: Any) -> bool:
        self.reported.append(event)
        return True

    def work(self) -> list[str]:
        """What was told of until now."""
        while self.tasks:
            self.tasks.pop(0)()
        return [event.text for event in self.reported if isinstance(event, events.WarningFound)]

    def use(self, strand: str, role: str, number: int, profile: bool = True, **parts: Any) -> None:
        """Data of a run; `name` is what it is called."""
        name, told = parts.pop("name", None), []
        for part, data in parts.items():
            found = profiled(data)
            told.append(events.Dataset(id=found.event.data, method="whole", kind="", name=part))
            if profile:
                self.leakage.profiled(*found)
        dataset = events.Dataset(id="all", method="whole", kind="", name=name, parts=tuple(told))
        self.leakage.uses(strand, role, number, dataset)


TRAIN, TEST = RANDOM.normal(size=(300, 4)), RANDOM.normal(size=(100, 4))
LEAKED = np.concatenate([TRAIN[:30], TEST[30:]])


@pytest.fixture
def job() -> Made:
    return Made()


@pytest.mark.parametrize("first", ["train", "test"])
def test_in_whatever_order_it_comes(job: Made, first: str) -> None:
    both = [("train", TRAIN), ("test", LEAKED)]
    for number, (role, data) in enumerate(both if first == "train" else both[::-1]):
        job.use("a", role, number, features=data)
        job.work()
    job.leakage.finish()
    assert job.work() == ["the test data has 30 of 100 rows (30 %) that were trained on"]
    assert (
        job.leakage.last_word() == "test data of run a has 30 of 100 rows (30 %) that were trained on: autotrack show a"
    )


def test_joined_runs_are_one(job: Made) -> None:
    job.use("a", "train", 0, features=TRAIN)
    job.use("b", "test", 0, features=LEAKED)
    assert job.work() == []
    job.leakage.joins("b", "a")
    job.leakage.finish()
    assert len(job.work()) == 1


def test_other_runs_are_others(job: Made) -> None:
    job.use("a", "train", 0, features=TRAIN)
    job.use("b", "train", 0, features=TEST)
    job.use("b", "test", 1, features=LEAKED[:30])
    job.leakage.finish()
    assert job.work() == []


@pytest.mark.parametrize("name", ["train", "x_train", "train_eval", "dtrain"])
def test_what_is_called_training_data_is_evaluated_on_purpose(job: Made, name: str) -> None:
    job.use("a", "train", 0, features=TRAIN)
    job.use("a", "valid", 1, features=LEAKED, name=name)
    job.leakage.finish()
    assert job.work() == []


def test_training_data_beside_other_data_is_watched(job: Made) -> None:
    job.use("a", "train", 0, features=TRAIN)
    job.use("a", "valid", 1, features=TRAIN)
    job.use("a", "valid", 2, features=TEST)
    job.leakage.finish()
    assert job.work() == []


def test_training_data_as_the_only_validation_data(job: Made) -> None:
    job.use("a", "train", 0, features=TRAIN)
    job.use("a", "valid", 1, features=TRAIN)
    job.leakage.finish()
    assert job.work() == ["the validation data is the very data that was trained on"]


def test_labels_say_whether_rows_are_the_same(job: Made) -> None:
    labels, others = RANDOM.normal(size=(2, 300))
    job.use("a", "train", 0, features=TRAIN, labels=labels)
    job.use("a", "test", 1, features=TRAIN[:100], labels=others[:100])
    job.use("a", "test", 2, features=TRAIN[:90], labels=labels[:90])
    job.leakage.finish()
    assert job.work() == ["the test data has 90 of 90 rows (100 %) that were trained on"]


def test_labels_alone_say_nothing(job: Made) -> None:
    labels = np.arange(300)
    job.use("a", "train", 0, labels=labels)
    job.use("a", "test", 1, labels=labels[:100])
    job.leakage.finish()
    assert job.work() == []


def test_what_is_trained_on_later_is_not_seen_yet(job: Made) -> None:
    job.use("a", "train", 0, features=TRAIN)
    job.use("a", "test", 1, features=TEST)
    job.use("a", "train", 2, features=TEST)
    job.leakage.finish()
    assert job.work() == []


def test_rows_of_several_batches(job: Made) -> None:
    for number, part in enumerate(np.array_split(TRAIN, 10)):
        job.use("a", "train", number, features=part)
    job.use("a", "test", 10, features=np.concatenate([TRAIN[::30], TEST]))
    job.leakage.finish()
    assert job.work() == ["the test data has 10 of 110 rows (9.1 %) that were trained on"]


def test_what_a_data_set_holds_is_not_compared(job: Made) -> None:
    for number, role in enumerate(("train", "valid")):
        found = profiled(TRAIN)
        job.leakage.profiled(*found)
        job.leakage.uses("a", role, number, events.Dataset(id=found.event.data, method="held", kind=""))
    job.leakage.finish()
    assert job.work() == []


def test_the_memory_it_takes_is_bounded(job: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autotrack.leakage.BYTES", 100_000)
    for number in range(50):
        job.use(str(number), "train", 0, features=RANDOM.normal(size=(1000, 2)))
        job.work()
    assert job.leakage._bytes <= 100_000
    assert len(job.leakage._sketches) == 8
