"""autotrack, which records by itself after `enable()`, and its call for values of one's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from benchmarks.trackers import Tracker

FRAMEWORKS = ("sklearn", "xgboost", "keras", "tensorflow", "torch")


class Autotrack(Tracker):
    key = label = "autotrack"
    distribution = "autotrack-ml"
    frameworks = frozenset({"sklearn", "xgboost", "keras", "torch"})

    def prepare(self, folder: str) -> None:
        import autotrack

        autotrack.enable(dir=os.path.join(folder, ".autotrack"), quiet=True)
        self.autotrack = autotrack


class Log(Autotrack):
    """Nothing but what is logged, in a run of its own, of which the parameters become tags."""

    key = label = "autotrack.log"
    by_hand = True
    frameworks = frozenset()

    def prepare(self, folder: str) -> None:
        import autotrack

        autotrack.enable(dir=os.path.join(folder, ".autotrack"), quiet=True, skip=FRAMEWORKS)
        self.autotrack = autotrack

    def begin(self, params: Mapping[str, Any]) -> None:
        self.run = self.autotrack.run("benchmark", **params)
        self.run.__enter__()

    def log(self, name: str, value: float, step: int) -> None:
        self.autotrack.log({name: value}, step)

    def finish(self) -> None:
        self.run.__exit__(None, None, None)


TRACKERS = (Autotrack(), Log())
