"""DVCLive without a DVC experiment, as the folder is no Git repository: `log_metric` and `next_step` in each step; with
its callbacks for XGBoost and Keras."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.trackers import Tracker


class DVCLive(Tracker):
    key, label, distribution = "dvclive", "DVCLive", "dvclive"
    by_hand = True
    frameworks = frozenset({"xgboost", "keras"})

    def prepare(self, folder: str) -> None:
        self.folder = folder
        self.dvclive: Any = importlib.import_module("dvclive")

    def begin(self, params: Mapping[str, Any]) -> None:
        self.live = self.dvclive.Live(dir=os.path.join(self.folder, "dvclive"), save_dvc_exp=False)
        if params:
            self.live.log_params(dict(params))

    def log(self, name: str, value: float, step: int) -> None:
        self.live.log_metric(name, value)
        self.live.next_step()

    def finish(self) -> None:
        self.live.end()

    @contextmanager
    def training(self, framework: str) -> Iterator[list[Any]]:
        module = importlib.import_module("dvclive.xgb" if framework == "xgboost" else f"dvclive.{framework}")
        self.begin({})
        yield [module.DVCLiveCallback(live=self.live)]  # ends it


TRACKERS = (DVCLive(),)
