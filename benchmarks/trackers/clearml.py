"""ClearML in its offline mode, with what `Task.init` connects to by default: XGBoost, and Keras by way of TensorBoard's
callback."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.trackers import Tracker


class ClearML(Tracker):
    key, label, distribution = "clearml", "ClearML", "clearml"
    by_hand = True
    frameworks = frozenset({"xgboost", "keras"})

    def prepare(self, folder: str) -> None:
        self.folder = folder
        self.clearml: Any = importlib.import_module("clearml")
        self.clearml.Task.set_offline(True)

    def begin(self, params: Mapping[str, Any]) -> None:
        self.task = self.clearml.Task.init(project_name="benchmark", task_name="benchmark")
        if params:
            self.task.connect(dict(params))
        self.logger = self.task.get_logger()

    def log(self, name: str, value: float, step: int) -> None:
        self.logger.report_scalar(title=name, series=name, value=value, iteration=step)

    def finish(self) -> None:
        self.task.close()

    @contextmanager
    def training(self, framework: str) -> Iterator[list[Any]]:
        self.begin({})
        if framework == "keras":
            callbacks = importlib.import_module("keras.callbacks")
            yield [callbacks.TensorBoard(log_dir=os.path.join(self.folder, "logs"))]
        else:
            yield []
        self.finish()


TRACKERS = (ClearML(),)
