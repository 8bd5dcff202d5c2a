"""W&B with `mode="offline"`; with its callbacks for XGBoost and Keras.  Of scikit-learn it records nothing itself."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.trackers import Tracker


class WandB(Tracker):
    key, label, distribution = "wandb", "W&B", "wandb"
    by_hand = True
    frameworks = frozenset({"xgboost", "keras"})

    def prepare(self, folder: str) -> None:
        self.folder = folder
        self.wandb: Any = importlib.import_module("wandb")

    def begin(self, params: Mapping[str, Any]) -> None:
        self.run = self.wandb.init(project="benchmark", mode="offline", dir=self.folder, config=dict(params))

    def log(self, name: str, value: float, step: int) -> None:
        self.run.log({name: value}, step=step)

    def finish(self) -> None:
        self.run.finish()

    @contextmanager
    def training(self, framework: str) -> Iterator[list[Any]]:
        self.begin({})
        integration = importlib.import_module(f"wandb.integration.{framework}")
        yield [integration.WandbCallback() if framework == "xgboost" else integration.WandbMetricsLogger()]
        self.finish()


TRACKERS = (WandB(),)
