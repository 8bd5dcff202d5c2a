"""autotrack, which records by itself after `enable()`, and its call for values of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
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
    by_hand = reads = True
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

    def read(self, folder: str) -> Iterator[float]:
        import autotrack

        root = os.path.join(folder, ".autotrack")
        for found in autotrack.runs(dir=root, frame="list"):
            run = autotrack.load(found["id"], dir=root)
            for name in run.metrics:
                yield from run.points(name)[1].tolist()

    def finish(self) -> None:
        self.run.__exit__(None, None, None)


TRACKERS = (Autotrack(), Log())
