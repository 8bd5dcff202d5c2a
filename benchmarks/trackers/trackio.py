"""Trackio into its folder on this machine."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from benchmarks.trackers import Tracker


class Trackio(Tracker):
    key, label, distribution = "trackio", "Trackio", "trackio"
    by_hand = True

    def prepare(self, folder: str) -> None:
        self.trackio: Any = importlib.import_module("trackio")

    def begin(self, params: Mapping[str, Any]) -> None:
        self.trackio.init(project="benchmark", config=dict(params))

    def log(self, name: str, value: float, step: int) -> None:
        self.trackio.log({name: value}, step=step)

    def finish(self) -> None:
        self.trackio.finish()


TRACKERS = (Trackio(),)
