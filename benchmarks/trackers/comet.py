"""Comet's offline experiment, with what it logs by itself: it is imported before the frameworks, as it asks for."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
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

    @contextmanager
    def training(self, framework: str) -> Iterator[list[Any]]:
        self.begin({})
        if framework == "keras" or (framework == "xgboost" and not _named_as_expected()):
            yield [self.experiment.get_callback(framework)]
        else:
            yield []
        self.finish()


def _named_as_expected() -> bool:
    """Comet adds its callback by itself to an XGBoost that was installed under that name; to Keras' models it adds one
    where there is none."""
    try:
        version("xgboost")
    except PackageNotFoundError:
        return False
    return True


TRACKERS = (Comet(),)
