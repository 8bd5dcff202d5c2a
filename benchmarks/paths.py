"""The hot paths, each by itself and in phases: what `benchmarks.instructions` counts.

A phase ends with a call of a function that nothing else calls, before which the counter notes how far it is.  The
recorder's thread is at rest meanwhile, and no garbage is collected.
"""

from __future__ import annotations

import gc
import itertools
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import autotrack
from autotrack import context, shield
from autotrack.extension import Switch, compiled
from autotrack.strand import Strand
from benchmarks import recorded

MARK = "ctermid"
"""The C function that ends a phase, called by `os.ctermid` alone.  (Callgrind misses calls by way of `ctypes`.)"""
CALLS, TRAININGS = 128, 12
"""Calls of a path in its first phase; the second one has twice as many, and half as many come before, in which the
interpreter specialises the code.  `CALLS`: a multiple of `shield.TIMED`."""
POINTS = 3_000
"""Points before all else: the window of the points file that is open then has room for all that follow."""
PLAIN = "plain: "
"""Before the name of a path: the same without us."""

Call = Callable[[], object]


def main(folder: Path) -> None:
    """Go through all paths; writes their names, and the calls of their first phases, into `folder / "paths"`."""
    gone: list[tuple[str, int]] = []
    with (
        tempfile.TemporaryDirectory() as place,
        open(os.devnull, "w") as plain,
        open(os.devnull, "w") as watched,
        open(Path(place) / "by-hand.jsonl", "w") as by_hand,
    ):
        for name, call in _paths(Path(place), plain, watched, by_hand).items():
            calls = TRAININGS if name.endswith("training") else CALLS
            _phases(call, calls)
            gone.append((name, calls))
        (folder / "paths").write_text(json.dumps(gone))
    sys.stdout.flush()
    os._exit(0)  # ending the recording is not of interest, and takes a counter seconds


def _phases(call: Call, calls: int) -> None:
    _repeat(call, calls // 2)
    os.ctermid()
    _repeat(call, calls)
    os.ctermid()
    _repeat(call, 2 * calls)
    os.ctermid()


def _repeat(call: Call, times: int) -> None:
    for _ in itertools.repeat(None, times):
        call()


def _paths(folder: Path, plain: IO[str], watched: IO[str], by_hand: IO[str]) -> dict[str, Call]:
    plain_open = open
    real, sys.stdout = sys.stdout, watched
    original, sys.__stdout__ = sys.__stdout__, watched  # type: ignore[assignment,misc] # of a program that leaves it alone
    shield.SHARE_FLOOR = math.inf  # else what takes fifty times as long in the counter is switched off
    autotrack.enable(dir=folder / ".autotrack", quiet=True, code=False)
    sys.stdout, sys.__stdout__ = real, original  # type: ignore[misc]
    import toyboost

    params, table, rows = {"rate": 0.5}, toyboost.Table([[0.0], [1.0]], [0.0, 1.0]), [[0.5]]
    train: Any = toyboost.train
    predict: Any = toyboost.Booster.predict
    booster = toyboost.train(params, table, 1)
    job = context.Current.job
    assert job is not None
    record = Strand(job, framework="", kind="fit", name="benchmark").series("train/loss").record
    for step in range(POINTS):
        record(step, 0.5)
    data, values = folder / "data", {"train/loss": 0.5}
    data.write_text("x")
    found: dict[str, Call] = {
        "an empty call": lambda: _nothing(True),
        "a line by hand": lambda: _line(by_hand),
        "a point": lambda: record(1, 0.5),
        "autotrack.log": lambda: autotrack.log(values, 1),
        f"{PLAIN}an observed call": lambda: predict.__wrapped__(booster, rows),
        "an observed call": lambda: booster.predict(rows),
        f"{PLAIN}a training": lambda: train.__wrapped__(params, table, 0),
        "a training": lambda: train(params, table, 0),
        "a followed call": _followed(None),
        f"{PLAIN}a print": lambda: _print(plain),
        "a print": lambda: _print(watched),
        f"{PLAIN}an opened file": lambda: plain_open(data).close(),
        "an opened file": lambda: open(data).close(),
    }
    if compiled is not None:
        found["a followed call, quick"] = _followed(bool)
    found["a print"]()
    assert recorded.rest(1.5).pause(60.0)  # it has met the print; what it is given from here on waits
    gc.disable()
    return found


def _nothing(_: object) -> None:
    pass


def _line(file: IO[str]) -> None:
    file.write(json.dumps({"step": 1, "value": 0.5, "time": time.time()}) + "\n")
    file.flush()


def _print(file: IO[str]) -> None:
    loss, acc = 0.123456789, 0.5
    for epoch in range(1):
        print(f"epoch {epoch} loss {loss:.4f} acc {acc:.3f}", file=file)


def _followed(quick: Callable[..., bool] | None) -> Call:
    """A function that is followed by one that does nothing, or, where `quick` says so, by none."""
    meter = shield.Meter("benchmark")
    followed = shield.followed("benchmark", _nothing, lambda args, kwargs, result: None, meter, Switch(), quick)
    return lambda: followed(True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
