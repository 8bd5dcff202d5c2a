"""Aim into a repository in the folder; with its callbacks for XGBoost and Keras, which open and close a run."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.trackers import Tracker


class Aim(Tracker):
    key, label, distribution = "aim", "Aim", "aim"
    by_hand = True
    frameworks = frozenset({"xgboost", "keras"})

    def prepare(self, folder: str) -> None:
        self.folder = folder
        self.aim: Any = importlib.import_module("aim")

    def begin(self, params: Mapping[str, Any]) -> None:
        self.run = self.aim.Run(repo=self.folder, experiment="benchmark")
        if params:
            self.run["hparams"] = dict(params)

    def log(self, name: str, value: float, step: int) -> None:
        self.run.track(value, name=name, step=step)

    def finish(self) -> None:
        self.run.close()

    @contextmanager
    def training(self, framework: str) -> Iterator[list[Any]]:
        callback = importlib.import_module(f"aim.{framework}").AimCallback(repo=self.folder, experiment="benchmark")
        yield [callback]
        callback.close()


TRACKERS = (Aim(),)
