"""MLtraq into SQLite in the folder: points go into a `Sequence` in memory, and into the database with `persist`, when
the run is over; its data stream, which needs a server beside, is off by default."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any

from benchmarks.trackers import Tracker


class MLtraq(Tracker):
    key, label, distribution = "mltraq", "MLtraq", "mltraq"
    by_hand = True

    def prepare(self, folder: str) -> None:
        self.mltraq: Any = importlib.import_module("mltraq")
        self.session = self.mltraq.create_session(f"sqlite:///{os.path.join(folder, 'mltraq.db')}")

    def begin(self, params: Mapping[str, Any]) -> None:
        self.experiment = self.session.create_experiment()
        self.opened = self.experiment.run()
        fields = self.opened.__enter__().fields
        fields.update(params)
        self.metrics = fields.metrics = self.mltraq.Sequence()

    def log(self, name: str, value: float, step: int) -> None:
        self.metrics.append(step=step, **{name: value})

    def finish(self) -> None:
        self.opened.__exit__(None, None, None)
        self.experiment.persist()


TRACKERS = (MLtraq(),)
