"""What a print and an opened file cost the program's own thread while its console and files are watched."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import autotrack
from autotrack import context
from benchmarks import recorded
from benchmarks.measure import Result, paired

PRINTS, OPENED = 150, 500
AWAKE = 30.0
"""Seconds that the processor has, at most, to become as fast as it was.  One that has idled for a moment may be half as
fast for seconds, with and without tracking; that of a program that trains has not."""


def run() -> Iterator[Result]:
    import sys

    with open(os.devnull, "w") as plain, open(os.devnull, "w") as watched, tempfile.TemporaryDirectory() as folder:
        real, sys.stdout = sys.stdout, watched
        original, sys.__stdout__ = sys.__stdout__, watched  # type: ignore[misc] # as of a program that has left it alone
        plain_open = open
        autotrack.enable(dir=Path(folder) / ".autotrack", quiet=True)
        try:
            sys.stdout = real
            autotrack.tag("benchmark")
            job = context.Current.job
            assert job is not None
            assert "write" in vars(watched)
            for name, prints in (("print: an f-string", _f_string), ("print: six arguments", _arguments)):
                yield _prints(name, prints, plain, watched)
            yield _opened(Path(folder) / "data", plain_open)
        finally:
            sys.stdout, sys.__stdout__ = real, original  # type: ignore[misc]
            autotrack.disable()


def _f_string(file: IO[str]) -> None:
    loss, acc = 0.123456789, 0.5
    for epoch in range(PRINTS):
        print(f"epoch {epoch} loss {loss:.4f} acc {acc:.3f}", file=file)


def _arguments(file: IO[str]) -> None:
    loss, acc = 0.123456789, 0.5
    for epoch in range(PRINTS):
        print("epoch", epoch, "loss", loss, "acc", acc, file=file)


def _prints(name: str, prints: Callable[[IO[str]], None], plain: IO[str], watched: IO[str]) -> Result:
    def measure(file: IO[str]) -> float:
        begun = time.perf_counter()
        prints(file)
        return time.perf_counter() - begun

    best = _best(lambda: measure(plain), 2.0)
    measure(watched)
    recorded.rest(0.6)  # and nothing to do while the prints are measured: it looks at them less often
    until = time.perf_counter() + AWAKE
    while time.perf_counter() < until and _best(lambda: measure(plain), 0.05) > 1.1 * best:
        pass
    scale = 1e6 / PRINTS
    return paired(name, lambda: measure(plain), lambda: measure(watched), rounds=25, scale=scale, unit="us", budget=5.0)


def _best(measure: Callable[[], float], seconds: float) -> float:
    until = time.perf_counter() + seconds
    return min(iter(lambda: measure() if time.perf_counter() < until else -1.0, -1.0))


def _opened(path: Path, plain_open: Callable[..., IO[str]]) -> Result:
    path.write_text("x")

    def measure(opener: Callable[..., IO[str]]) -> float:
        begun = time.perf_counter()
        for _ in range(OPENED):
            with contextlib.closing(opener(path)):
                pass
        return time.perf_counter() - begun

    scale = 1e6 / OPENED
    return paired(
        "open: a file for reading",
        lambda: measure(plain_open),
        lambda: measure(open),
        rounds=15,
        scale=scale,
        unit="us",
    )
