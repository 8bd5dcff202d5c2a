"""Aim into a repository in the folder; with its callbacks for XGBoost and Keras, which open and close a run."""

from __future__ import annotations

import glob
import importlib
import os
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.trackers import Tracker

FLOAT = 9
"""Bytes of a float in its databases, the one for its type included."""


class Aim(Tracker):
    key, label, distribution = "aim", "Aim", "aim"
    by_hand = reads = True
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

    def read(self, folder: str) -> Iterator[float]:
        """All floats in the databases of its runs, which are compressed, whether or not Aim has them in its index."""
        rocks: Any = importlib.import_module("aimrocks")
        for place in glob.glob(os.path.join(folder, ".aim", "seqs", "chunks", "*")):
            found = rocks.DB(place, rocks.Options(create_if_missing=False), read_only=True).itervalues()
            found.seek_to_first()
            yield from (struct.unpack("<d", value[1:])[0] for value in found if len(value) == FLOAT)

    @contextmanager
    def training(self, framework: str) -> Iterator[list[Any]]:
        callback = importlib.import_module(f"aim.{framework}").AimCallback(repo=self.folder, experiment="benchmark")
        yield [callback]
        callback.close()


TRACKERS = (Aim(),)
