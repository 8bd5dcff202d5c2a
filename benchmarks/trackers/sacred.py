"""Sacred with its `FileStorageObserver`: the work is the main function of an experiment, and its values go to
`log_scalar`."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.trackers import Tracker


class Sacred(Tracker):
    key, label, distribution = "sacred", "Sacred", "sacred"
    by_hand = True

    def prepare(self, folder: str) -> None:
        self.folder = os.path.join(folder, "runs")
        self.sacred: Any = importlib.import_module("sacred")
        self.observers: Any = importlib.import_module("sacred.observers")

    def around(self, params: Mapping[str, Any], work: Callable[[], None]) -> None:
        self.experiment = self.sacred.Experiment("benchmark")
        self.experiment.observers.append(self.observers.FileStorageObserver(self.folder))
        if params:
            self.experiment.add_config(dict(params))

        def main() -> None:
            work()

        self.experiment.main(main)
        self.experiment.run()

    def log(self, name: str, value: float, step: int) -> None:
        self.experiment.log_scalar(name, value, step)


TRACKERS = (Sacred(),)
