"""Profiles of data: found by its identity, and what they say of how datasets differ; models by theirs."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from autotrack import events
from autotrack.journal.folder import Folder
from autotrack.store import Store, open_store
from tests.store.journals import Journal
from tests.store.test_ingest import everything

Open = Callable[[], Store]
Table = dict[str, Sequence[Any]]
A: Table = {"age": [30, 41, 30, 62], "city": ["Köln", "Bonn", "Köln", None], "paid": [1.5, 2.0, 1.5, 0.25]}


def used(folder: Folder, **tables: Table) -> str:
    """A run whose training data has these parts, by name; it reports their profiles itself."""
    journal = Journal(folder)
    strand = journal.strand()
    journal.data(strand, **{name: f"xxh3:2:{name}" for name in tables})
    for name, table in tables.items():
        journal.profile(f"xxh3:2:{name}", table)
    journal.end()
    return strand


def profile_of(store: Store, run: str) -> Any:
    (dataset,) = store.run(run)["datasets"]
    return dataset["profile"]


def test_the_keys_of_a_profile(folder: Folder, opened: Open) -> None:
    run = used(folder, features=A)
    profile = profile_of(opened(), run)
    assert set(profile) == {"columns", "left_out", "unordered", "distinct", "rows"}
    assert (profile["left_out"], profile["distinct"], profile["rows"]) == (0, 3, 4)
    age, city, _ = profile["columns"]
    digest = age.pop("digest")
    assert digest
    assert age == {
        "name": "age", "type": "int", "nulls": 0, "nans": 0, "infinities": 0, "low": 30, "high": 62, "mean": 40.75,
        "deviation": pytest.approx(13.0647, abs=1e-4), "counts": [[30, 2], [41, 1], [62, 1]],
    }  # fmt: skip
    assert (city["nulls"], city["low"], city["mean"]) == (1, None, None)
    assert city["counts"] == [["Köln", 2], ["Bonn", 1]]


def test_names_and_values_of_any_kind(folder: Folder, opened: Open) -> None:
    values = ["caf\udce9", "nul\0", "🙂"]
    run = used(folder, features={"n\udce9me\0": values, "big": [10**30, 1, 2]})
    column, big = profile_of(opened(), run)["columns"]
    assert column["name"] == "n\\udce9me\\x00"
    assert column["counts"] == [["caf\\udce9", 1], ["nul\\x00", 1], ["🙂", 1]]
    assert big["counts"][0] == [10**30, 1]


def test_values_that_json_lacks(folder: Folder, opened: Open) -> None:
    journal = Journal(folder)
    run = journal.strand()
    journal.data(run, features="d")
    nan, infinite = {"$float": "nan"}, {"$float": "-inf"}
    column = events.ColumnProfile(name="x", type="float64", digest="1", low=infinite, nans=1, counts=((nan, 1),))
    journal.profile("d", {"x": [1.0]}, columns=(column,))
    (shown,) = profile_of(opened(), run)["columns"]
    assert (shown["low"], shown["counts"], shown["mean"]) == ("-Infinity", [["NaN", 1]], None)


def test_one_profile_serves_the_runs_of_all_jobs(folder: Folder, opened: Open) -> None:
    """Also of a job that was taken in, and was over, before."""
    journal = Journal(folder)
    before = journal.strand()
    journal.data(before, features="d")
    journal.end()
    store = opened()
    assert profile_of(store, before) is None
    other = Journal(folder)
    after = other.strand()
    other.data(after, features="d")
    other.profile("d", A)
    other.end()
    assert store.refresh()
    assert profile_of(store, before) == profile_of(store, after) is not None
    assert store._database.rows("SELECT 1 FROM facts WHERE tag = 'profile'") == []
    assert len(store._database.rows("SELECT data FROM profiles")) == 1


def test_the_newest_profile_wins_in_any_order(folder: Folder, opened: Open) -> None:
    """Of the same data they are the same, but for what a later version of autotrack sees in it."""
    for job, started, kind in (("a", 1.8e9, "newest"), ("b", 1.6e9, "old"), ("c", 1.7e9, "older")):
        journal = Journal(folder, job, started=started)
        strand = journal.strand()
        journal.data(strand, features="d")
        journal.profile("d", A, columns=(events.ColumnProfile(name="x", type=kind, digest="1"),))
        journal.end()
    store = opened()
    assert profile_of(store, strand)["columns"][0]["type"] == "newest"


def test_rebuilding_and_taking_in_twice(folder: Folder, opened: Open) -> None:
    run = used(folder, features=A, labels={"": [0, 1, 0, 1]})
    store = opened()
    (dataset,) = store.run(run)["datasets"]
    assert dataset["profile"] is None
    assert [len(part["profile"]["columns"]) for part in dataset["parts"]] == [3, 1]
    before = everything(store)
    assert '"counts": [[0, 2], [1, 2]]' in before
    store.rebuild()
    assert everything(store) == before
    assert everything(opened()) == before
    assert len(store._database.rows("SELECT * FROM profiled")) == 2


def test_a_profile_goes_with_the_last_folder_that_reports_it(folder: Folder, postgresql: str) -> None:
    """Two folders feed one store; one is emptied."""
    import shutil

    second = Folder(folder.root + "-second")
    runs = [used(where, features=A) for where in (folder, second)]
    with open_store(folder, postgresql) as one, open_store(second, postgresql) as two:
        assert one.refresh()
        assert two.refresh()
        shutil.rmtree(folder.journal)
        one.rebuild()
        assert [run["id"] for run in one.runs()] == runs[1:]
        assert profile_of(one, runs[1]) is not None
        shutil.rmtree(second.journal)
        two.rebuild()
        assert two._database.rows("SELECT data FROM profiles") == []


# How datasets differ


@pytest.fixture
def differ(folder: Folder, opened: Open) -> Callable[..., dict[str, Any]]:
    def of(first: Table, second: Table, **options: Any) -> dict[str, Any]:
        journal = Journal(folder)
        journal.strand()
        ids = f"{journal.job}/first", f"{journal.job}/second"
        for id, table in zip(ids, (first, second), strict=True):
            journal.profile(id, table, **options)
        journal.end()
        found = opened().data_difference(*ids)
        assert found is not None
        return found

    return of


def told(difference: dict[str, Any]) -> dict[str, Any]:
    """What it says of the columns, without what there is none of."""
    return {aspect: found for aspect, found in difference["columns"].items() if found}


def test_without_a_profile_nothing_is_told(folder: Folder, opened: Open) -> None:
    used(folder, features=A)
    store = opened()
    assert store.data_difference("xxh3:2:features", "xxh3:2:other") is None


def pick(table: Table, order: Sequence[int]) -> Table:
    return {name: [entries[at] for at in order] for name, entries in table.items()}


B = {name: A[name] for name in ("paid", "age", "city")}


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ({**A, "zip": [1, 2, 3, 4]}, {"added": ["zip"]}),
        ({"zip": [1, 2, 3, 4], **A}, {"added": ["zip"]}),
        ({"age": A["age"], "paid": A["paid"]}, {"removed": ["city"]}),
        ({"years": A["age"], "city": A["city"], "paid": A["paid"]}, {"renamed": [{"from": "age", "to": "years"}]}),
        ({**A, "age": ["30", "41", "30", "62"]}, {"retyped": [{"name": "age", "from": "int", "to": "str"}]}),
        ({**A, "age": [30, 41, 30, 63]}, {"changed": ["age"]}),
        (B, {"moved": [{"name": "paid", "from": 2, "to": 0}]}),
        ({**A, "age": A["paid"], "paid": A["age"]}, {  # exchanged: each holds what it did not
            "retyped": [{"name": "age", "from": "int", "to": "float"}, {"name": "paid", "from": "float", "to": "int"}],
        }),
        ({**B, "zip": [1, 2, 3, 4], "paid": [0.5] * 4}, {
            "added": ["zip"], "changed": ["paid"], "moved": [{"name": "paid", "from": 2, "to": 0}],
        }),
    ],
)  # fmt: skip
def test_columns(differ: Callable[..., dict[str, Any]], second: Table, expected: dict[str, Any]) -> None:
    assert told(differ(A, second)) == expected


@pytest.mark.parametrize(
    ("second", "columns", "rows"),
    [
        (pick(A, [3, 2, 1, 0]), {}, (True, True, 4, 4, True)),
        ({"a": A["age"], "b": A["city"], "c": A["paid"]}, {"renamed"}, (True, False, 4, 4, True)),
        (pick({"a": A["age"], "b": A["city"], "c": A["paid"]}, [1, 0, 2, 3]), {"renamed"}, (True, True, 4, 4, True)),
        ({**A, "age": list(map(str, A["age"]))}, {"retyped"}, (True, False, 4, 4, True)),
        (pick(A, [0, 1]), {"changed"}, (False, None, 2, 3, True)),
        (pick(A, [0, 3, 3, 3]), {"changed"}, (False, None, 4, 3, True)),
        ({**A, "age": [1, 2, 3, 4]}, {"changed"}, (False, None, 0, 0, True)),
        ({**A, "zip": [1, 2, 3, 4]}, {"added"}, (False, None, None, None, None)),
        (B, {"moved"}, (False, None, None, None, None)),
    ],
)  # fmt: skip
def test_rows(differ: Callable[..., dict[str, Any]], second: Table, columns: set[str], rows: tuple[Any, ...]) -> None:
    found = differ(A, second)
    assert set(told(found)) == set(columns)
    keys = ("same", "reordered", "shared", "shared_of_first", "exact")
    assert tuple(found["rows"][key] for key in keys) == rows


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0]])
def test_the_order_of_rows_is_told_by_the_rows(differ: Callable[..., dict[str, Any]], order: list[int]) -> None:
    """Not by columns, which may be the same in any order, or of another type."""
    texts = [str(age) for age in A["age"]]
    first: Table = {"age": A["age"], "bias": [1] * 4}
    second: Table = {"age": texts, "bias": [1] * 4}
    rows = differ(first, pick(second, order))["rows"]
    assert (rows["same"], rows["reordered"]) == (True, order != [0, 1, 2, 3])
    rows = differ(first, pick(second, order), ordered="")["rows"]
    assert (rows["same"], rows["reordered"]) == (True, None)


def test_columns_whose_names_are_exchanged(differ: Callable[..., dict[str, Any]]) -> None:
    found = differ(A, {"paid": A["age"], "city": A["city"], "age": A["paid"]})
    assert told(found) == {"renamed": [{"from": "age", "to": "paid"}, {"from": "paid", "to": "age"}]}
    assert (found["rows"]["same"], found["rows"]["reordered"]) == (True, False)


def test_a_column_of_one_value_is_not_found_again_by_it(differ: Callable[..., dict[str, Any]]) -> None:
    first = {"age": A["age"], "Rom": [0] * 4, "Bonn": [1] * 4}
    second = {"age": A["age"], "Bonn": [1] * 4, "Paris": [0] * 4}
    assert told(differ(first, second)) == {"removed": ["Rom"], "added": ["Paris"]}
    assert not differ({"x": [1, 2, 3], "bias": [1] * 3}, {"y": [4, 5, 6], "bias": [1] * 3})["rows"]["same_in_common"]


def test_what_is_in_both_may_be_the_same(differ: Callable[..., dict[str, Any]]) -> None:
    found = differ(A, {**B, "zip": [1, 2, 3, 4]})
    assert (found["common"], found["rows"]["same_in_common"]) == (3, True)
    assert not differ(A, {**A, "age": [1, 2, 3, 4]})["rows"]["same_in_common"]


def test_that_labels_are_shared_says_nothing(differ: Callable[..., dict[str, Any]]) -> None:
    labels = [0, 1, 1, 2, 0, 1, 2] * 3
    assert differ({"y": labels}, {"y": [*labels, 0, 0]})["rows"]["shared"] is None
    assert differ({"y": labels}, {"y": labels[::-1]})["rows"]["shared"] == 21


def test_columns_that_have_numbers_for_names(differ: Callable[..., dict[str, Any]]) -> None:
    columns = [[float(at * row) for row in range(5)] for at in range(12)]

    def array(columns: list[list[float]]) -> Table:
        return {str(at): entries for at, entries in enumerate(columns)}

    assert told(differ(array(columns), array([[7.5] * 5, *columns]))) == {"added": ["0"]}


@pytest.mark.parametrize("name", ["", "0"])
def test_a_table_and_an_array(differ: Callable[..., dict[str, Any]], name: str) -> None:
    """The one has names, the other has not."""
    assert told(differ({"y": [1.5, 2.5]}, {name: [1.5, 2.5]})) == {}
    assert told(differ({"y": [1.5, 2.5]}, {name: [1.5, 3.5]})) == {"changed": ["y"]}
    assert told(differ({name: [1, 2]}, {"y": [1.5, 2.5]})) == {"retyped": [{"name": "y", "from": "int", "to": "float"}]}
    assert told(differ({"x": [1.5, 2.5]}, {"y": [1.5, 3.5]})) == {"removed": ["x"], "added": ["y"]}


def test_a_table_of_which_no_column_is_profiled(differ: Callable[..., dict[str, Any]]) -> None:
    found = differ(A, pick(A, [2, 1]), left_out=3)
    assert (told(found), found["left_out"], found["rows"]["shared"]) == ({}, [3, 3], 2)


def test_arrays_of_which_columns_change(differ: Callable[..., dict[str, Any]]) -> None:
    columns = [[float(at * row) for row in range(5)] for at in range(12)]
    changed = [*columns[:3], [0.25] * 5, *columns[4:9], *columns[10:], columns[9]]
    first, second = ({str(at): entries for at, entries in enumerate(found)} for found in (columns, changed))
    assert told(differ(first, second)) == {"changed": ["3"], "moved": [{"name": "9", "from": 9, "to": 11}]}


def test_columns_of_the_same_name(folder: Folder, opened: Open) -> None:
    journal = Journal(folder)
    journal.strand()

    def columns(*digests: str) -> tuple[events.ColumnProfile, ...]:
        return tuple(events.ColumnProfile(name="x", type="int", digest=digest) for digest in digests)

    journal.profile("first", A, columns=columns("1", "2", "3"), unordered="1")
    journal.profile("second", A, columns=columns("1", "3"), unordered="2")
    found = opened().data_difference("first", "second")
    assert found is not None
    assert (told(found), found["common"]) == ({"removed": ["x"]}, 2)


def test_columns_beyond_those_listed_are_not_called_added(differ: Callable[..., dict[str, Any]]) -> None:
    second = {"zip": [1, 2, 3, 4], **A}
    found = differ(A, second, left_out=1)
    assert told(found) == {}
    assert found["left_out"] == [1, 1]
    assert found["rows"]["shared"] is None


@pytest.mark.parametrize("kept", [1024, 200])
def test_shared_rows_of_large_data(differ: Callable[..., dict[str, Any]], kept: int) -> None:
    """A fifth of the rows is replaced."""
    entries = list(range(1000))
    random.Random(0).shuffle(entries)
    second = [*entries[:800], *range(2000, 2200)]
    rows = differ({"x": entries}, {"x": second}, kept=kept)["rows"]
    assert rows["exact"] is (kept > 1000)
    assert rows["shared"] == pytest.approx(800, abs=0 if rows["exact"] else 120)
    assert (rows["of"], rows["of_first"]) == (1000, 1000)


def test_an_estimate_is_never_told_as_all_or_nothing() -> None:
    from autotrack.store.differing import in_words

    def told(shared: int, exact: bool) -> str | None:
        rows = {"same": False, "same_in_common": False, "shared": shared, "of": 50, "exact": exact}
        return in_words("train/features rows", {**rows, "shared_of_first": shared, "of_first": 50})

    assert told(50, True) == "50 of 50 rows (100 %) shared"
    assert told(50, False) == "about 50 of 50 rows (over 99 %) shared"
    assert told(0, True) == "none shared: 50 and 50 others"
    assert told(0, False) == "few or none shared of 50 and 50"


# Which runs made a model


def modelled(journal: Journal, name: str, model: str | None, **fields: Any) -> str:
    strand = journal.strand(name, status=None, **fields)
    journal.add(events.StrandModel, strand=strand, cls=name, id="another")
    journal.add(events.StrandModel, strand=strand, cls=name, id=model)
    journal.add(events.StrandEnded, strand=strand, status="finished", seconds=1.0)
    return strand


def test_a_model_is_traced_to_the_runs_that_made_it(folder: Folder, opened: Open) -> None:
    later, earlier = Journal(folder, started=1.8e9), Journal(folder, started=1.7e9)
    evaluations = [modelled(journal, "Ridge", "m", kind="evaluation") for journal in (earlier, later)]
    runs = [modelled(journal, "Ridge", "m") for journal in (later, earlier)]
    others = [modelled(earlier, "Ridge", model) for model in (None, "other", None)]
    without = later.strand("without")
    store = opened()
    for evaluation in evaluations:
        assert store.run(evaluation)["model"]["trained_by"] == [runs[1], runs[0]]
    assert store.run(runs[0])["model"]["trained_by"] == [runs[1]]
    assert [store.run(run)["model"]["trained_by"] for run in others] == [[], [], []]
    assert store.run(without)["model"] is None
    assert store.names([runs[0], "unknown"]) == {runs[0]: "Ridge"}


def test_ids_are_looked_up_in_an_index(folder: Folder) -> None:
    """However many runs and profiles there are."""
    used(folder, features=A)
    with open_store(folder) as store:
        store.refresh()
        for sql in (
            "SELECT id FROM runs WHERE model = 'm' AND id <> 'x' AND kind <> 'evaluation'",
            "SELECT data, body FROM profiles WHERE data IN ('d', 'e')",
            "SELECT 1 FROM profiled WHERE data = 'd'",
        ):
            plans = store._database.rows(f"EXPLAIN QUERY PLAN {sql}")
            assert all(str(plan[-1]).startswith("SEARCH") for plan in plans)
