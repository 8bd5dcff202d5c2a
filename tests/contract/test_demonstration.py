"""The contract, kept by a plugin of a third party: the demonstration plugin, which is a distribution of its own."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import toyboost

from autotrack import events
from autotrack.identity import arrays
from autotrack.testing import PluginContract, Recording, recording

__all__ = ["recording"]

ROWS = [[0.0], [1.0], [2.0], [3.0]]
LABELS = [0.0, 1.0, 2.0, 4.0]


def table() -> toyboost.Table:
    return toyboost.Table([list(row) for row in ROWS], list(LABELS))


class TestDemonstration(PluginContract):
    framework = "toyboost"
    program = (
        "import toyboost\n"
        "booster = toyboost.train({'rate': 0.5}, toyboost.Table([[0.0], [1.0]], [0.0, 1.0]))\n"
        "print(booster.constant)"
    )
    targets = ("toyboost:train", "toyboost:mean_error", "toyboost:Booster.predict")

    def train(self) -> Any:
        return toyboost.train({"rate": 0.5}, table()).constant

    def train_failing(self, error: BaseException) -> None:
        def objective(label: float, constant: float) -> float:
            raise error

        toyboost.train({}, table(), objective=objective)

    def train_nested(self) -> Any:
        return toyboost.tune({}, [0.1, 0.5], table())

    def train_odd(self) -> None:
        toyboost.train({}, iter(()))  # type: ignore[arg-type]

    def train_mutating(self) -> str:
        data = table()
        before = arrays.digest(data.rows)

        def objective(label: float, constant: float) -> float:
            data.rows[0][0] += 1.0  # type: ignore[index]
            return label - constant

        toyboost.train({}, data, objective=objective)
        return before

    def train_interleaved(self) -> list[tuple[str, float]]:
        first = toyboost.train({"rate": 0.1}, table())
        second = toyboost.train({"rate": 0.9}, table())
        guesses = [second.predict(ROWS), first.predict(ROWS)]
        errors = [toyboost.mean_error(LABELS, guess) for guess in guesses]
        return [("test/mean_error", errors[1]), ("test/mean_error", errors[0])]

    def count_calls(self) -> int:
        calls = []

        def objective(label: float, constant: float) -> float:
            calls.append(label)
            return label - constant

        toyboost.train({}, table(), objective=objective).predict(ROWS)
        return len(calls)


def test_callback_is_added_to_a_list_of_its_own(recording: Recording) -> None:
    seen: list[tuple[int, float]] = []
    mine = [lambda number, error: seen.append((number, error))]
    toyboost.train({}, table(), callbacks=mine)
    (strand,) = recording.strands()
    assert len(mine) == 1
    assert strand.points["train/mean_error"] == seen
    toyboost.train({}, table(), 3, None, mine)
    assert strand.id != recording.strands()[1].id
    assert "train/mean_error" not in recording.strands()[1].points


def test_hooks_of_the_plugin_are_used(recording: Recording) -> None:
    toyboost.train({"rate": 0.25}, table())
    (strand,) = recording.strands()
    assert strand.params == {"rate": 0.25, "rounds": 3}
    (data,) = strand.datasets.values()
    assert (data.dataset.kind, data.dataset.rows, data.dataset.method) == ("toyboost.Table", 4, "whole")
    (model,) = strand.of(events.StrandModel)
    assert model.parameters == 1
    assert model.kept is not None
    blob = recording.root / "blobs" / model.kept[:2] / model.kept[2:]
    assert pickle.loads(blob.read_bytes()).constant == pytest.approx(1.75 * (1 - 0.75**3))
