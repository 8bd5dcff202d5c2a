"""What a point costs on the calling thread, and a line that is written and flushed by hand beside it."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import autotrack
from autotrack import context
from autotrack.strand import Strand
from benchmarks.measure import Clock, Result, paired

POINTS = 50_000


def run(points: int = POINTS) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        autotrack.enable(dir=Path(folder) / ".autotrack", quiet=True)
        try:
            job = context.Current.job
            assert job is not None
            strand = Strand(job, framework="", kind="fit", name="benchmark")
            record = strand.series("train/loss").record
            yield _loop("point: series.record(step, value)", points, record, budget=0.5)
            with open(Path(folder) / "by-hand.jsonl", "w") as file:

                def by_hand(step: int, value: float) -> None:
                    file.write(json.dumps({"step": step, "value": value, "time": time.time()}) + "\n")
                    file.flush()

                yield _loop("point: a JSON line written and flushed by hand", points, by_hand, budget=None)
            logged = "point: autotrack.log({...}, step=)"
            yield _loop(logged, points, lambda step, value: autotrack.log({"x": value}, step), None)
        finally:
            autotrack.disable()


def _loop(name: str, points: int, record: Callable[[int, float], None], budget: float | None) -> Result:
    def empty() -> float:
        begun = Clock.now()
        for _ in range(points):
            pass
        return (Clock.now() - begun) / points

    def full() -> float:
        begun = Clock.now()
        for step in range(points):
            record(step, 0.5)
        return (Clock.now() - begun) / points

    return paired(name, empty, full, rounds=11, scale=1e6, unit="µs", budget=budget)
