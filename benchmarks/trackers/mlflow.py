"""MLflow into SQLite in the folder, which is its default since 3.7, with and without its autologging.

`log_models=False` is measured beside the default of autologging, since saving the model takes most of its time;
`mlflow.config.enable_async_logging()` beside `log_metric` as it is.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any

from benchmarks.trackers import Tracker


class _MLflow(Tracker):
    distribution = "mlflow"

    def prepare(self, folder: str) -> None:
        self.mlflow: Any = importlib.import_module("mlflow")
        self.mlflow.set_tracking_uri(f"sqlite:///{os.path.join(folder, 'mlflow.db')}")


class Autolog(_MLflow):
    """Opens and ends a run at each training by itself."""

    key, label = "mlflow", "MLflow autolog"
    frameworks = frozenset({"sklearn", "xgboost", "keras"})
    log_models = True

    def observe(self, framework: str) -> None:
        flavor = importlib.import_module(f"mlflow.{framework}")
        flavor.autolog(log_models=self.log_models)


class WithoutModels(Autolog):
    key, label = "mlflow-without-models", "MLflow autolog, log_models=False"
    log_models = False


class ByHand(_MLflow):
    key, label = "mlflow-by-hand", "MLflow log_metric"
    by_hand = True

    def begin(self, params: Mapping[str, Any]) -> None:
        self.mlflow.start_run()
        if params:
            self.mlflow.log_params(dict(params))

    def log(self, name: str, value: float, step: int) -> None:
        self.mlflow.log_metric(name, value, step=step)

    def finish(self) -> None:
        self.mlflow.end_run()


class Asynchronous(ByHand):
    key, label = "mlflow-asynchronous", "MLflow log_metric, asynchronous"

    def prepare(self, folder: str) -> None:
        super().prepare(folder)
        self.mlflow.config.enable_async_logging()


TRACKERS = (Autolog(), WithoutModels(), ByHand(), Asynchronous())
