"""Experiment trackers, each set up as its own documentation recommends for a machine without a network.

A tracker is used in a process of its own, whose home, caches and other folders are inside of one temporary folder:
see `surroundings`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

MODULES = (
    "ours", "mlflow", "wandb", "clearml", "comet", "aim", "trackio", "mltraq", "dvclive", "tensorboard", "sacred",
    "by_hand",
)  # fmt: skip
UNTRACKED, AGAIN = "untracked", "untracked again"


class Tracker:
    """No tracker; the others are subclasses."""

    key = UNTRACKED
    distribution = ""
    """What is installed with pip, if anything."""
    label = "untracked"
    by_hand = False
    """Whether there are calls to log a value, which are used where nothing automatic is."""
    reads = False
    """Whether its points are read with `read`: those of others are looked for in the files as these are."""
    beside: tuple[str, ...] = ()
    """Modules that a program has imported anyway which uses it."""
    frameworks: frozenset[str] = frozenset()
    """What it records by itself, or with a callback of its own: sklearn, xgboost, keras, torch."""

    def version(self) -> str | None:
        """None where it is not installed, or nothing that can be."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version(self.distribution) if self.distribution else None
        except PackageNotFoundError:
            return None

    def prepare(self, folder: str) -> None:
        """Import it, and say where its files go."""

    def begin(self, params: Mapping[str, Any]) -> None:
        """A run."""

    def log(self, name: str, value: float, step: int) -> None:
        """A metric, the only one of its step."""

    def finish(self) -> None:
        """The run is over."""

    def read(self, folder: str) -> Iterator[float]:
        """The values of all points that were recorded there."""
        return iter(())

    def around(self, params: Mapping[str, Any], work: Callable[[], None]) -> None:
        """A run with the work inside."""
        self.begin(params)
        work()
        self.finish()

    def observe(self, framework: str) -> None:
        """Switch on what is automatic, before the framework is imported."""

    @contextmanager
    def training(self, framework: str) -> Iterator[list[Any]]:
        """A run with a training inside, to which the callbacks are passed."""
        self.begin({})
        yield []
        self.finish()


def every() -> list[Tracker]:
    """All that are known here."""
    return [tracker for name in MODULES for tracker in importlib.import_module(f"{__name__}.{name}").TRACKERS]


def named(key: str) -> Tracker:
    return next((tracker for tracker in every() if tracker.key == key), Tracker())


def versions() -> dict[str, str]:
    """Of those that are installed, by distribution."""
    found = {tracker.distribution: tracker.version() for tracker in every() if tracker.distribution}
    return {distribution: version for distribution, version in found.items() if version}


class _Absent:
    said: set[str] = set()


def present(suitable: Callable[[Tracker], bool]) -> list[Tracker]:
    """Those that are installed and suitable; of each that is not installed it is said once."""
    found = []
    for tracker in filter(suitable, every()):
        if not tracker.distribution or tracker.version():
            found.append(tracker)
        elif tracker.distribution not in _Absent.said:
            _Absent.said.add(tracker.distribution)
            print(f"{tracker.distribution} is left out, as it is not installed", flush=True)
    return found
