"""PyTorch: what data a run is on record with."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autotrack
from autotrack import events
from autotrack.identity import arrays, batches
from autotrack.plugin_api import later
from autotrack.testing import Recording, recorded, recording, run_program

__all__ = ["recording"]

torch = pytest.importorskip("torch")
data = torch.utils.data

X = torch.linspace(-1, 1, 200, dtype=torch.float32).reshape(100, 2)
Y = X.sum(1, keepdim=True)


def train(loader: Any, epochs: int = 2, stop: int = 1_000_000) -> Any:
    torch.manual_seed(3)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(epochs):
        for at, (x, y) in enumerate(loader):
            step(model, optimizer, x, y)
            if at == stop:
                break
    return model.weight.detach().clone()


def step(model: Any, optimizer: Any, x: Any, y: Any) -> None:
    loss = (model(x) - y).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def parts(dataset: events.Dataset) -> dict[str | None, events.Dataset]:
    return {part.name: part for part in dataset.parts}


def of_run(root: Path, *args: Any, **kwargs: Any) -> tuple[events.Dataset, dict[str, str]]:
    """The training data of a run of its own, and its gaps."""
    with recorded(root) as opened:
        train(*args, **kwargs)
    (strand,) = opened.strands()
    (found,) = strand.datasets.values()
    assert found.role == "train"
    return found.dataset, strand.gaps


class Folder(data.Dataset[Any]):
    """Files of two numbers each, with a label each, in the way of `ImageFolder`."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.classes = ["a", "b"]
        self.samples = [(str(path), index) for index, name in enumerate(self.classes) for path in files(root / name)]
        self.targets = [label for _, label in self.samples]
        self.imgs = self.samples
        self.transform = torch.nn.Identity()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, at: int) -> Any:
        path, label = self.samples[at]
        return self.transform(torch.tensor(json.loads(Path(path).read_text()))), torch.tensor([float(label)])


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    for name in ("a", "b"):
        (root / name).mkdir(parents=True)
        for at in range(10):
            (root / name / f"{at}.json").write_text(json.dumps([float(at), float(ord(name))]))
    return root


class Rows(data.Dataset[Any]):
    """Rows that are in no attribute."""

    def __init__(self, rows: int = 100) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return 100

    def __getitem__(self, at: int) -> Any:
        return X[at], Y[at]


class Stream(data.IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(zip(X, Y, strict=True))


class Held(data.Dataset[Any]):
    def __init__(self, x: Any = X, y: Any = Y) -> None:
        self.x, self.y = x.clone(), y.numpy().copy()
        self.noise = lambda row: row

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, at: int) -> Any:
        return self.noise(self.x[at]), self.y[at]


# Files


def test_files_are_a_manifest(folder: Path, tmp_path: Path) -> None:
    first, gaps = of_run(tmp_path / "1", data.DataLoader(Folder(folder), batch_size=4))
    again, _ = of_run(tmp_path / "2", data.DataLoader(Folder(folder), batch_size=4, num_workers=2, shuffle=True))
    assert first == again
    assert not gaps
    assert (first.method, first.kind) == ("manifest", "Folder")
    found = parts(first)
    assert found.keys() == {"files", "samples labels"}
    assert found["files"].rows == 20
    assert str(found["files"].id).startswith("blake3-manifest:")
    assert found["samples labels"].id == arrays.digest([0] * 10 + [1] * 10)


def test_the_same_files_elsewhere_are_the_same_data(folder: Path, tmp_path: Path) -> None:
    first, _ = of_run(tmp_path / "1", data.DataLoader(Folder(folder), batch_size=4))
    folder.rename(tmp_path / "elsewhere")
    moved, _ = of_run(tmp_path / "2", data.DataLoader(Folder(tmp_path / "elsewhere"), batch_size=4))
    assert moved == first


def test_other_labels_are_other_data(folder: Path, tmp_path: Path) -> None:
    first, _ = of_run(tmp_path / "1", data.DataLoader(Folder(folder), batch_size=4))
    relabelled = Folder(folder)
    relabelled.samples[0] = relabelled.samples[0][0], 1
    other, _ = of_run(tmp_path / "2", data.DataLoader(relabelled, batch_size=4))
    assert other.id != first.id
    assert parts(other)["files"] == parts(first)["files"]


def test_files_of_a_part(folder: Path, tmp_path: Path) -> None:
    rows = Folder(folder)
    part, _ = of_run(tmp_path / "1", data.DataLoader(data.Subset(rows, range(5)), batch_size=5))
    rows.samples[:] = rows.samples[:5]
    alone, _ = of_run(tmp_path / "2", data.DataLoader(rows, batch_size=5))
    assert parts(part)["files"] == parts(alone)["files"]
    assert parts(part)["files"].rows == 5


def test_files_that_change_while_they_are_used(folder: Path, recording: Recording) -> None:
    train(data.DataLoader(Folder(folder), batch_size=4))
    done = threading.Event()
    later("test", done.set)
    assert done.wait(20)
    (folder / "a" / "3.json").write_text("[7.0, 7.0, 7.0]")
    autotrack.disable()
    (strand,) = recording.strands()
    (found,) = strand.datasets.values()
    assert found.dataset.method == parts(found.dataset)["files"].method == "mutated"


def test_names_in_a_folder_and_in_a_table(folder: Path, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")

    class Named(Folder):
        def __init__(self, root: Path) -> None:
            self.root = root / "a"
            self.names = [path.name for path in files(self.root)]
            self.labels = np.arange(10)

        def __len__(self) -> int:
            return len(self.names)

        def __getitem__(self, at: int) -> Any:
            return torch.zeros(2), torch.zeros(1)

    class Listed(Named):
        def __init__(self, root: Path) -> None:
            names = [path.name for path in files(root / "a")]
            self.image_folder = root / "a"
            self.table = pandas.DataFrame({"label": range(10), "file": names})

        def __len__(self) -> int:
            return len(self.table)

    named, _ = of_run(tmp_path / "1", data.DataLoader(Named(folder), batch_size=4))
    listed, _ = of_run(tmp_path / "2", data.DataLoader(Listed(folder), batch_size=4))
    assert parts(named).keys() == {"files", "labels"}
    assert parts(listed).keys() == {"files", "table"}
    assert parts(named)["files"] == parts(listed)["files"]
    assert parts(listed)["table"].id is not None


def test_large_files_are_told_by_size_and_time(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autotrack.identity import manifests

    monkeypatch.setattr(manifests, "CONTENTS", 100)
    dataset, gaps = of_run(tmp_path / "1", data.DataLoader(Folder(folder), batch_size=4))
    assert str(parts(dataset)["files"].id).startswith("stat-manifest:")
    assert "contents were not read" in gaps["identity of the train data"]


def test_more_files_than_are_looked_at(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from autotrack_torch import datasets

    monkeypatch.setattr(datasets, "FILES", 10)
    dataset, gaps = of_run(tmp_path / "1", data.DataLoader(Folder(folder), batch_size=4))
    assert dataset.method == "observed"
    assert "20 files" in gaps["files of the train data"]


# What is held


def test_what_a_data_set_holds(tmp_path: Path) -> None:
    dataset, gaps = of_run(tmp_path / "1", data.DataLoader(Held(), batch_size=10))
    assert (dataset.method, dataset.kind) == ("held", "Held")
    found = parts(dataset)
    assert {name: part.id for name, part in found.items()} == {
        "x": arrays.digest(X.numpy().copy()),
        "y": arrays.digest(Y.numpy().copy()),
    }
    assert not gaps


def test_data_sets_in_each_other(tmp_path: Path) -> None:
    class Wrapped(data.Dataset[Any]):
        def __init__(self, inner: Any) -> None:
            self.dataset, self.transform = inner, torch.nn.Identity()

        def __len__(self) -> int:
            return len(self.dataset)

        def __getitem__(self, at: int) -> Any:
            return self.dataset[at]

    both = data.ConcatDataset([Wrapped(Held()), Held()])
    part, _ = data.random_split(both, [150, 50])
    dataset, _ = of_run(tmp_path / "1", data.DataLoader(part, batch_size=10))
    assert dataset.method == "held"
    assert parts(dataset).keys() == {
        *(f"dataset.datasets.{name}" for name in ("0.dataset.x", "0.dataset.y", "1.x", "1.y")),
        "indices",
    }


def test_lists_of_rows(tmp_path: Path) -> None:
    rows = list(zip(X, Y, strict=True))
    first, _ = of_run(tmp_path / "1", data.DataLoader(rows, batch_size=10))
    rows[50] = rows[50][0], rows[50][1] + 1
    other, _ = of_run(tmp_path / "2", data.DataLoader(rows, batch_size=10))
    assert first.method == other.method == "held"
    assert None not in (first.id, other.id)
    assert first.id != other.id


def test_a_tensor_can_be_resized_afterwards(recording: Recording) -> None:
    x = X.clone()
    train(data.DataLoader(data.TensorDataset(x, Y), batch_size=10), epochs=1)
    x.resize_(1000, 2)
    (strand,) = recording.strands()
    assert strand.datasets[0].dataset.method == "whole"


def test_what_may_be_elsewhere_is_observed(tmp_path: Path) -> None:
    class Source:
        def __getitem__(self, at: int) -> Any:
            return X[at]

    class Elsewhere(Held):
        def __init__(self) -> None:
            super().__init__()
            self.source = Source()

        def __getitem__(self, at: int) -> Any:
            return self.source[at], self.y[at]

    dataset, _ = of_run(tmp_path / "1", data.DataLoader(Elsewhere(), batch_size=10))
    assert dataset.method == "observed"


# What passes


@pytest.mark.parametrize("workers", [0, 2])
def test_a_finished_epoch_is_the_same_however_it_is_shuffled(workers: int, tmp_path: Path) -> None:
    plain, gaps = of_run(tmp_path / "1", data.DataLoader(Rows(), batch_size=10))
    shuffled, _ = of_run(tmp_path / "2", data.DataLoader(Rows(), batch_size=7, shuffle=True, num_workers=workers))
    stream, _ = of_run(tmp_path / "3", data.DataLoader(Stream(), batch_size=9), epochs=1)
    assert (plain.method, plain.rows, plain.seen) == ("observed", 100, 100)
    assert plain.id == shuffled.id == stream.id is not None
    assert not gaps


def test_one_changed_value_is_another_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, _ = of_run(tmp_path / "1", data.DataLoader(Rows(), batch_size=10))
    changed = Y.clone()
    changed[99] += 1
    monkeypatch.setitem(globals(), "Y", changed)
    other, _ = of_run(tmp_path / "2", data.DataLoader(Rows(), batch_size=10))
    assert other.id != plain.id


@pytest.mark.parametrize("workers", [0, 1])
def test_an_epoch_that_is_broken_off(workers: int, tmp_path: Path) -> None:
    loader = data.DataLoader(Rows(), batch_size=10, num_workers=workers)
    dataset, gaps = of_run(tmp_path / "1", loader, epochs=1, stop=2)
    assert (dataset.method, dataset.rows, dataset.seen) == ("observed", 100, 30)
    assert gaps["identity of the train data"] == "the first epoch was broken off after 30 rows"


def test_a_stream_that_is_broken_off(tmp_path: Path) -> None:
    dataset, gaps = of_run(tmp_path / "1", data.DataLoader(Stream(), batch_size=10), epochs=1, stop=2)
    assert (dataset.method, dataset.rows, dataset.seen) == ("observed", None, 30)
    assert gaps["identity of the train data"] == "the first epoch was broken off after 30 rows"


def test_what_there_is_no_time_for_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "FREE", 0.0)
    monkeypatch.setattr(batches, "SHARE", 0.0)
    dataset, gaps = of_run(tmp_path / "1", data.DataLoader(Rows(), batch_size=10))
    assert (dataset.id, dataset.method, dataset.rows, dataset.seen) == (None, "declared", 100, 0)
    assert gaps["identity of the train data"] == "of 100 rows that passed, 0 were looked at"


def test_dropped_rows_are_told(tmp_path: Path) -> None:
    dataset, gaps = of_run(tmp_path / "1", data.DataLoader(Rows(), batch_size=30, drop_last=True))
    assert (dataset.rows, dataset.seen) == (100, 90)
    assert "drops the last rows" in gaps["identity of the train data"]


@pytest.mark.parametrize("rows", [Rows, Held])
def test_batches_of_a_sampler_of_the_programs(rows: Any, tmp_path: Path) -> None:
    plain, _ = of_run(tmp_path / "1", data.DataLoader(rows(), batch_size=10))
    sampler = data.BatchSampler(data.RandomSampler(range(100)), batch_size=8, drop_last=False)
    other, gaps = of_run(tmp_path / "2", data.DataLoader(rows(), batch_sampler=sampler))
    lists, gaps_of_lists = of_run(tmp_path / "3", data.DataLoader(rows(), batch_sampler=[[1, 2], [3]]))
    assert other == plain
    assert not gaps
    assert not gaps_of_lists
    assert lists.seen == (3 if rows is Rows else None)


def test_batches_as_they_may_come(tmp_path: Path) -> None:
    """As dictionaries, with texts, without batches, ragged."""

    class Odd(Rows):
        def __getitem__(self, at: int) -> Any:
            return {"x": X[at], "more": (Y[at], f"row {at}", at)}

    def fed(collate: Any = None, **kwargs: Any) -> Iterator[Any]:
        for batch in data.DataLoader(Odd(), collate_fn=collate, **kwargs):
            yield X[:5], Y[:5]
            assert batch

    def fit(root: str, **kwargs: Any) -> events.Dataset:
        return of_run(tmp_path / root, fed(**kwargs), epochs=1)[0]

    first, second = fit("1", batch_size=10), fit("2", batch_size=9, shuffle=True)
    assert first.id == second.id is not None
    assert fit("3", batch_size=None).seen == 100
    ragged = fit("4", batch_size=10, collate=lambda rows: [torch.zeros(len(rows)), torch.ones(3)])
    assert (ragged.method, ragged.seen, ragged.rows) == ("observed", 10, None)


def test_what_can_not_be_looked_into(tmp_path: Path) -> None:
    """What lies on a device is not fetched from it; objects of the program's own are not asked."""

    class Own:
        def __init__(self, rows: Any) -> None:
            self.rows = rows

    def fed(collate: Any) -> Iterator[Any]:
        for _ in data.DataLoader(Rows(), batch_size=10, collate_fn=collate):
            yield X[:5], Y[:5]

    far, gaps = of_run(tmp_path / "1", fed(lambda rows: torch.zeros(10, 2, device="meta")))
    assert (far.id, far.method) == (None, "declared")
    assert gaps["identity of the train data"] == "what passes lies on meta"
    _, gaps = of_run(tmp_path / "2", fed(Own))
    assert gaps["identity of the train data"].endswith("Own, which is not looked into")


def test_a_mode_of_the_program_sees_nothing_of_it(recording: Recording) -> None:
    from torch.overrides import TorchFunctionMode

    class Counting(TorchFunctionMode):
        calls = 0

        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            Counting.calls += 1
            return function(*args, **(kwargs or {}))

    def count() -> int:
        Counting.calls = 0
        loader = data.DataLoader(Rows(), batch_size=10)
        with Counting():
            for _ in loader:
                pass
        return Counting.calls

    tracked = count()
    autotrack.disable()
    assert count() == tracked


# What must not happen


class Trap(data.Dataset[Any]):
    """Does harm, and says so, when it is asked for anything but a row."""

    touched: list[str] = []

    def __init__(self) -> None:
        self.inner = self
        self.huge = list(range(3_000_000))
        self.nothing = None

    @property
    def samples(self) -> Any:
        self.touched.append("property")
        raise RuntimeError("do not ask")

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            self.touched.append(name)
        raise AttributeError(name)

    def __bool__(self) -> bool:
        self.touched.append("bool")
        raise RuntimeError

    def __eq__(self, other: object) -> bool:
        self.touched.append("eq")
        raise RuntimeError

    __hash__ = object.__hash__

    def __len__(self) -> int:
        self.touched.append("len")
        return 100 + 0 * self.huge[0]

    def __getitem__(self, at: int) -> Any:
        return X[at], Y[at]


def test_a_data_set_is_never_asked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def touched() -> list[str]:
        Trap.touched.clear()
        train(data.DataLoader(Trap(), batch_size=10, shuffle=True))
        return list(Trap.touched)

    plain = touched()
    with recorded(tmp_path / "1") as opened:
        assert touched() == plain
    (strand,) = opened.strands()
    assert strand.datasets
    assert capfd.readouterr() == ("", "")


def test_a_length_that_raises(recording: Recording) -> None:
    class NoLength(Rows):
        def __len__(self) -> int:
            raise RuntimeError("not known")

    train(data.DataLoader(NoLength(), batch_size=10, sampler=range(100)))
    (strand,) = recording.strands()
    assert strand.datasets[0].dataset.kind == "NoLength"


def test_bits_and_generators_are_as_without_tracking(folder: Path, tmp_path: Path) -> None:
    def run() -> list[Any]:
        results = []
        for rows in (Rows(), Held(), Folder(folder), Stream()):
            torch.manual_seed(1), np.random.seed(1), random.seed(1)
            shuffle = not isinstance(rows, Stream)
            results.append(train(data.DataLoader(rows, batch_size=7, shuffle=shuffle)).tolist())
            results.append(torch.get_rng_state().tolist())
            results += [np.random.get_state()[1].tolist(), random.getstate()]
        return results

    plain = run()
    with recorded(tmp_path / "1"):
        assert run() == plain


def test_a_batch_is_not_kept(recording: Recording) -> None:
    kept: list[Any] = []
    for batch in data.DataLoader(Rows(), batch_size=10):
        kept.append(weakref.ref(batch[0]))
        train([batch], epochs=1)
        del batch
    assert all(reference() is None for reference in kept)


def test_two_models_from_one_loader(recording: Recording) -> None:
    loader = data.DataLoader(Rows(), batch_size=10)
    for _ in range(2):
        train(loader)
    step(torch.nn.Linear(2, 1), torch.optim.SGD([torch.zeros(1)]), X, Y)
    autotrack.disable()
    first, second, third = recording.strands()
    assert first.datasets[0].dataset == second.datasets[0].dataset
    assert second.points["epoch"] == [(0, 0.0), (10, 1.0)]
    assert "epoch" not in third.points
    assert third.datasets[0].dataset.method == "inferred"


def test_evaluating_on_the_training_data_is_no_epoch(recording: Recording) -> None:
    for rows in (10, 40):  # of one batch, and of several
        loader = data.DataLoader(data.TensorDataset(X[:rows], Y[:rows]), batch_size=10)
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        next(iter(loader))
        for epoch in range(3):
            if epoch < 2:
                with torch.no_grad():
                    for inputs, _ in loader:
                        model(inputs)
            for inputs, targets in loader:
                step(model, optimizer, inputs, targets)
    autotrack.disable()
    few, many = recording.strands()
    assert few.points["epoch"] == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert many.points["epoch"] == [(0, 0.0), (4, 1.0), (8, 2.0)]
    assert {entry.role for entry in many.datasets.values()} == {"train"}


EVALUATIONS = {
    "one function for both": """
def evaluate(test_loader):
    model.eval(); found = [L(model(x), y).item() for x, y in test_loader]; model.train()
    return sum(found)
def main():
    train_loader, valid_loader, test_loader = DataLoader(train, 10), DataLoader(valid, 10), DataLoader(test, 10)
    for epoch in range(2):
        fit(train_loader); evaluate(valid_loader); evaluate(test_loader)
main()
""",
    "loaders of no name": """
def evaluate(dl):
    with torch.no_grad(): return sum(L(model(x), y).item() for x, y in dl)
for epoch in range(2):
    fit(DataLoader(train, 10)); evaluate(DataLoader(valid, 10))
evaluate(DataLoader(test, 10))
""",
    "made anew each time": """
def evaluate(x, y):
    test_loader = DataLoader(TensorDataset(x, y), 10)
    with torch.no_grad(): return sum(L(model(x), y).item() for x, y in test_loader)
valid_x, valid_y = valid.tensors; test_x, test_y = test.tensors
for epoch in range(2):
    fit(DataLoader(train, 10)); evaluate(valid_x, valid_y)
evaluate(test_x, test_y)
""",
    "in turns": """
train_loader, valid_loader = DataLoader(train, 10), DataLoader(valid, 10)
def forever(loader):
    while True: yield from loader
valid_batches = forever(valid_loader)
for epoch in range(2):
    for x, y in train_loader:
        x_valid, y_valid = next(valid_batches)
        with torch.no_grad(): L(model(x_valid), y_valid)
        loss = L(model(x), y); optimizer.zero_grad(); loss.backward(); optimizer.step()
with torch.no_grad():
    for x, y in DataLoader(test, 10): model(x)
""",
    "one loop": """
import collections
sets = collections.OrderedDict(train=train, valid=valid, test=test)
for epoch in range(2):
    for split in sets:
        loader = DataLoader(sets[split], 10)
        model.train(split == "train")
        fit(loader) if split == "train" else [L(model(x), y) for x, y in loader]
""",
}


@pytest.mark.parametrize("loop", EVALUATIONS.values(), ids=EVALUATIONS)
def test_data_that_is_evaluated(loop: str, tmp_path: Path) -> None:
    source = f"""
import torch
from torch.utils.data import DataLoader, TensorDataset
train, valid, test = (TensorDataset(torch.full((n, 3), n / 8), torch.ones(n, 1)) for n in (40, 20, 30))
model = torch.nn.Linear(3, 1); optimizer = torch.optim.SGD(model.parameters(), lr=.01); L = torch.nn.MSELoss()
def fit(loader):
    for x, y in loader:
        loss = L(model(x), y); optimizer.zero_grad(); loss.backward(); optimizer.step()
{loop}
"""
    done = run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1"})
    assert done.returncode == 0, done.stderr
    (strand,) = Recording(tmp_path / ".autotrack").strands()
    found = sorted((entry.dataset.rows, entry.role) for entry in strand.datasets.values())
    assert found == [(20, "valid"), (30, "test"), (40, "train")]
    assert strand.points["epoch"] == [(0, 0.0), (4, 1.0)]


def test_several_tensors_and_a_sampler_that_shuffles(recording: Recording) -> None:
    rows = data.TensorDataset(X, Y, torch.arange(100))
    sampler = data.distributed.DistributedSampler(rows, num_replicas=2, rank=0)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for inputs, targets, _ in data.DataLoader(rows, batch_size=10, sampler=sampler):
        step(model, optimizer, inputs, targets)
    autotrack.disable()
    (strand,) = recording.strands()
    (found,) = strand.datasets.values()
    parts = {part.name: (part.kind, part.rows, part.method) for part in found.dataset.parts}
    assert parts == {f"tensors[{number}]": ("torch.Tensor", 100, "whole") for number in range(3)}
    assert found.dataset.id is not None
    assert strand.params["shuffle"] is True
    assert strand.params["sampler"] == "DistributedSampler"


def test_data_made_anew_for_each_evaluation_is_recorded_up_to_a_bound(recording: Recording) -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for n in range(30):
        step(model, optimizer, X, Y)
        valid_loader = data.DataLoader(data.TensorDataset(torch.full((10, 2), float(n))), batch_size=5)
        with torch.no_grad():
            for (inputs,) in valid_loader:
                model(inputs)
    autotrack.disable()
    (strand,) = recording.strands()
    assert sum(entry.role == "valid" for entry in strand.datasets.values()) == 20
    assert any("valid_loader" in what for what in strand.gaps)


ROUNDS = {
    "a step after the last batch": """
for epoch in range(3):
    for x, y in loader: backward(x, y)
    optimizer.step(); optimizer.zero_grad()
""",
    "accumulated over two": """
for epoch in range(3):
    for x, y in loader: backward(x, y)
    if epoch % 2: optimizer.step(); optimizer.zero_grad()
""",
    "one that is evaluated on as well": """
batches = iter(loader)
for step in range(12):
    try:
        x, y = next(batches)
    except StopIteration:
        batches = iter(loader); x, y = next(batches)
    backward(x, y); optimizer.step(); optimizer.zero_grad()
    if step % 5 == 3:
        with torch.no_grad(): [model(x) for x, _ in loader]
""",
    "a look in between": """
for epoch in range(3):
    for at, (x, y) in enumerate(loader):
        backward(x, y); optimizer.step(); optimizer.zero_grad()
        if at == 1: next(iter(loader))
""",
    "two at a time": """
other = DataLoader(TensorDataset(X + 1, Y), batch_size=10)
for epoch in range(3):
    for (x, y), (z, _) in zip(loader, other):
        backward(torch.cat([x, z]), torch.cat([y, y])); optimizer.step(); optimizer.zero_grad()
""",
    "made anew of other rows": """
for epoch in range(3):
    for x, y in DataLoader(TensorDataset(X + epoch, Y), batch_size=10):
        backward(x, y); optimizer.step(); optimizer.zero_grad()
    with torch.no_grad(): [model(x) for x, _ in DataLoader(TensorDataset(X[:8], Y[:8]), batch_size=4)]
""",
}


@pytest.mark.parametrize("loop", ROUNDS.values(), ids=ROUNDS)
def test_rounds_that_are_epochs(loop: str, tmp_path: Path) -> None:
    source = f"""
import torch
from torch.utils.data import DataLoader, TensorDataset
X, Y = torch.ones(40, 3), torch.ones(40, 1)
loader = DataLoader(TensorDataset(X, Y), batch_size=10)
model = torch.nn.Linear(3, 1); optimizer = torch.optim.SGD(model.parameters(), lr=.01)
def backward(x, y): (model(x) - y).pow(2).mean().backward()
{loop}
"""
    done = run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1"})
    assert done.returncode == 0, done.stderr
    (strand,) = Recording(tmp_path / ".autotrack").strands()
    assert [value for _, value in strand.points["epoch"]] == [0.0, 1.0, 2.0]


def test_a_look_at_the_data_of_the_next_training_is_no_evaluation(recording: Recording) -> None:
    for rows in (20, 40):
        loader = data.DataLoader(data.TensorDataset(X[:rows].clone(), Y[:rows].clone()), batch_size=10)
        inputs, _ = next(iter(loader))
        model = torch.nn.Linear(inputs.shape[1], 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for inputs, targets in loader:
            step(model, optimizer, inputs, targets)
    autotrack.disable()
    found = [[(entry.role, entry.dataset.rows) for entry in s.datasets.values()] for s in recording.strands()]
    assert found == [[("train", 20)], [("train", 40)]]


# Without a loader


PROGRAM = """
import numpy as np, torch
X = torch.from_numpy(np.load("x.npy")); y = X.sum(1, keepdim=True); X_test = X[:10]
positions = torch.arange(10)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
{loop}
"""
LOOPS = {
    "whole": """
for epoch in range(3):
    loss = (model(X) - y).pow(2).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
""",
    "cut": """
for epoch in range(2):
    order = torch.randperm(len(X))
    for at in range(0, len(X), 10):
        xb, yb = X[order[at:at + 10]], y[order[at:at + 10]]
        output = model(xb)
        loss = (output - yb).pow(2).mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
""",
    "function": """
def fit(model, features, target, epochs=2):
    for _ in range(epochs):
        one(model, features, target)
def one(model, a, b):
    loss = (model(a) - b).pow(2).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
fit(model, X, target=y)
""",
    "class": """
class Trainer:
    def __init__(self, x, y): self.x, self.y = x, y
    def step(self, at):
        xb = self.x[at:at + 10]
        loss = (model(xb) - self.y[at:at + 10]).pow(2).mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
trainer = Trainer(X, y)
for at in range(0, len(X), 10):
    trainer.step(at)
""",
}


@pytest.mark.parametrize("loop", LOOPS)
def test_what_the_loss_is_computed_from(loop: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X.numpy())
    done = run_program(PROGRAM.format(loop=LOOPS[loop]), tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    opened = Recording(tmp_path / ".autotrack")
    (strand,) = opened.strands()
    (found,) = strand.datasets.values()
    assert (found.role, found.dataset.method) == ("train", "inferred")
    digests = [part.id for part in found.dataset.parts]
    assert digests == [arrays.digest(X.numpy()), arrays.digest(Y.numpy())]
    read = [event for event in opened.events() if isinstance(event, events.ArtifactSeen)]
    assert [(os.path.basename(event.path), event.mode) for event in read] == [("x.npy", "read")]


NOT_FOLLOWED = {
    "shuffled where it is": """
for epoch in range(2):
    order = torch.randperm(len(X))
    X, y = X[order], y[order]
    for at in range(0, len(X), 10):
        loss = (model(X[at:at + 10]) - y[at:at + 10]).pow(2).mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
""",
    "from a queue": """
import collections
replay = collections.deque(zip(X, y))
weights = torch.ones(len(X))
for at in range(3):
    a, b = replay[at]
    loss = ((model(a) - b).pow(2) * weights[at]).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
""",
    "made": """
weights = torch.ones(8, 1)
for at in range(3):
    x = torch.randn(8, 2)
    loss = (model(x).pow(2) * weights).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
""",
}


@pytest.mark.parametrize("loop", NOT_FOLLOWED)
def test_what_can_not_be_followed_is_a_gap(loop: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X.numpy())
    run_program(PROGRAM.format(loop=NOT_FOLLOWED[loop]), tmp_path, env={"AUTOTRACK_STRICT": "1"})
    (strand,) = Recording(tmp_path / ".autotrack").strands()
    assert not strand.datasets
    assert [gap.what for gap in strand.of(events.GapFound)] == ["train data of Linear"]


def test_memory_mapped_tokens(tmp_path: Path) -> None:
    source = """
import numpy as np, torch
train_data = np.memmap("train.bin", dtype=np.float32, mode="r")
val_data = np.memmap("val.bin", dtype=np.float32, mode="r")
def get_batch(split):
    source = train_data if split == "train" else val_data
    at = torch.randint(len(source) - 3, (8,))
    x = torch.stack([torch.from_numpy(source[i:i + 2].copy()) for i in at])
    return x, torch.stack([torch.from_numpy(source[i + 2:i + 3].copy()) for i in at])
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for step in range(5):
    x, y = get_batch("train")
    loss = (model(x) - y).pow(2).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
"""
    for name in ("train", "val"):
        np.arange(100, dtype=np.float32).tofile(tmp_path / f"{name}.bin")
    run_program(source, tmp_path)
    opened = Recording(tmp_path / ".autotrack")
    (strand,) = opened.strands()
    (found,) = strand.datasets.values()
    (part,) = found.dataset.parts
    assert (part.name, part.method, part.rows, part.bytes) == ("files", "inferred", 1, 400)
    read = [event for event in opened.events() if isinstance(event, events.ArtifactSeen)]
    assert sorted(os.path.basename(event.path) for event in read) == ["train.bin", "val.bin"]


def made_up(count: int) -> Iterator[Any]:
    for _ in range(count):
        x = torch.randn(8, 2)
        yield x, x.sum(1, keepdim=True)


def test_what_leads_to_nothing_is_a_gap(recording: Recording) -> None:
    fixed = torch.arange(8.0)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in made_up(3):
        step(model, optimizer, x, y)
    assert fixed.numel()
    (strand,) = recording.strands()
    assert not strand.datasets
    assert "train data of Linear" in strand.gaps


def test_two_models_that_take_turns_have_one_data_set(recording: Recording) -> None:
    first, second = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for model in (first, second)]
    for x, y in data.DataLoader(Rows(), batch_size=10):
        for model, optimizer in zip((first, second), optimizers, strict=True):
            optimizer.zero_grad()
            (model(x) - y).pow(2).mean().backward()
        for optimizer in optimizers:
            optimizer.step()
    autotrack.disable()
    found = [strand for strand in recording.strands() if strand.datasets]
    assert len(found) == 1
    assert found[0].datasets[0].dataset.seen == 100


MORE_LOOPS = {
    "parameters": """
table = torch.randn(10, 2, requires_grad=True)
def run(codes, target):
    optimizer = torch.optim.SGD([table], lr=0.1)
    for _ in range(3):
        at = torch.randint(0, len(codes), (4,))
        rows, wanted = codes[at], target[at]
        loss = (table[rows].sum(1, keepdim=True) - wanted).pow(2).mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
run((X[:, 0] * 0).long(), y)
""",
    "closure": """
optimizer = torch.optim.LBFGS(model.parameters())
def closure():
    optimizer.zero_grad()
    loss = (model(X) - y).pow(2).mean()
    loss.backward()
    return loss
for _ in range(2):
    optimizer.step(closure)
""",
    "differentiated by its input": """
class Problem:
    def __init__(self):
        self.x, self.y = X.clone().requires_grad_(), y
        self.optimizer = torch.optim.LBFGS(model.parameters())
    def closure(self):
        self.optimizer.zero_grad()
        u = model(self.x)
        du = torch.autograd.grad(u, self.x, torch.ones_like(u), create_graph=True)[0]
        loss = (u - self.y).pow(2).mean() + du.pow(2).mean()
        loss.backward()
        return loss
problem = Problem()
problem.optimizer.step(problem.closure)
""",
    "sparse": """
adjacent = torch.eye(len(X)).to_sparse()
def fit():
    loss = (torch.spmm(adjacent, model(X)) - y).pow(2).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
for epoch in range(3): fit()
""",
    "generator": """
def batches(a, b):
    for at in range(0, len(a), 10):
        yield a[at:at + 10], b[at:at + 10]
for epoch in range(2):
    for number, (xb, yb) in enumerate(batches(X, y)):
        loss = (model(xb) - yb).pow(2).mean()
        optimizer.zero_grad(); loss.backward(); optimizer.step()
""",
}


@pytest.mark.parametrize(
    ("loop", "names"),
    [
        ("parameters", ["codes", "target"]),
        ("closure", ["X", "y"]),
        ("generator", ["X", "y"]),
        ("differentiated by its input", ["x", "y"]),
        ("sparse", ["X", "adjacent.indices", "adjacent.values", "y"]),
    ],
)
def test_other_loops(loop: str, names: list[str], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X.numpy())
    done = run_program(PROGRAM.format(loop=MORE_LOOPS[loop]), tmp_path)
    assert done.returncode == 0, done.stderr
    (strand,) = Recording(tmp_path / ".autotrack").strands()
    (found,) = strand.datasets.values()
    assert [part.name for part in found.dataset.parts] == names


def test_a_batch_that_is_gone_over_several_times_is_not_the_data(recording: Recording) -> None:
    def several(model: Any, optimizer: Any, x: Any, y: Any) -> None:
        for _ in range(2):
            step(model, optimizer, x, y)

    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in made_up(3):
        several(model, optimizer, x, y)
    (strand,) = recording.strands()
    assert not strand.datasets


# What a reader sees


def command(folder: Path, *arguments: str) -> str:
    words = [sys.executable, "-m", "autotrack", *arguments]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True, timeout=60).stdout


SEEN = """
import json, pathlib, sys, torch
class Folder(torch.utils.data.Dataset):
    def __init__(self):
        paths = sorted(pathlib.Path("pictures").glob("*/*"))
        self.samples = [(str(path), float(path.parent.name == "b")) for path in paths]
    def __len__(self): return len(self.samples)
    def __getitem__(self, at):
        return torch.tensor(json.loads(open(self.samples[at][0]).read())), torch.tensor([self.samples[at][1]])
class Rows(torch.utils.data.Dataset):
    def __len__(self): return 50
    def __getitem__(self, at): return torch.tensor([float(at), 1.0]), torch.tensor([1.0])
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
rows = Folder() if sys.argv[1:] != ["rows"] else Rows()
for x, y in torch.utils.data.DataLoader(rows, batch_size=4, shuffle=True):
    loss = (model(x) - y).pow(2).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    if len(sys.argv) > 2: break
"""


def test_a_reader_sees_which_file_is_another(folder: Path, tmp_path: Path) -> None:
    run_program(SEEN, tmp_path)
    run_program(SEEN, tmp_path)
    first, second = (line["id"] for line in map(json.loads, command(tmp_path, "ls", "--json").splitlines()))
    compared = json.loads(command(tmp_path, "compare", first, second, "--all", "--json"))["differences"]
    rows = {row["name"]: row for row in compared if row["section"] == "data"}
    assert rows["train/files"]["same"]
    assert rows["train/samples labels"]["same"]
    (folder / "b" / "7.json").write_text("[5.0, 5.0]")
    run_program(SEEN, tmp_path)
    third = json.loads(command(tmp_path, "ls", "--json").splitlines()[0])["id"]
    compared = json.loads(command(tmp_path, "compare", first, third, "--json"))["differences"]
    rows = {row["name"]: row for row in compared if row["section"] == "data"}
    assert rows["train/files files changed"]["values"][1] == ["b/7.json"]
    assert rows["train/files rows"]["values"][1]["shared"] == 19
    assert "train/samples labels" not in rows
    shown = json.loads(command(tmp_path, "show", third, "--json"))["datasets"]
    assert [(d["kind"], d["method"]) for d in shown] == [("Folder", "manifest")]
