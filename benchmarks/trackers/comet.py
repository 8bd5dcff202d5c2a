"""Comet's offline experiment, with what it logs by itself: it is imported before the frameworks, as it asks for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from benchmarks.trackers import Tracker


class Comet(Tracker):
    key, label, distribution = "comet", "Comet", "comet_ml"
    by_hand = True
    frameworks = frozenset({"sklearn", "xgboost", "keras"})

    def prepare(self, folder: str) -> None:
        self.comet: Any = importlib.import_module("comet_ml")

    def begin(self, params: Mapping[str, Any]) -> None:
        self.experiment = self.comet.start(online=False, project_name="benchmark")
        if params:
            self.experiment.log_parameters(dict(params))

    def log(self, name: str, value: float, step: int) -> None:
        self.experiment.log_metric(name, value, step=step)

    def finish(self) -> None:
        self.experiment.end()


TRACKERS = (Comet(),)
