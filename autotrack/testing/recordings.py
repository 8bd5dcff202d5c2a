"""What a test records, and reads back."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import autotrack
from autotrack import context, events
from autotrack.journal import read


class Strand:
    """A strand as it was recorded."""

    def __init__(self, started: events.StrandStarted) -> None:
        self.started = started
        self.id, self.kind, self.name, self.cls = started.strand, started.kind, started.name, started.cls
        self.events: list[Any] = []
        self.points: dict[str, list[tuple[int, float]]] = {}

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def params(self) -> dict[str, Any]:
        return {param.name: param.value for event in self.of(events.StrandParams) for param in event.params}

    @property
    def status(self) -> str | None:
        """How it ended; None where its process left no end."""
        ended = self.of(events.StrandEnded)
        return ended[-1].status if ended else None

    @property
    def datasets(self) -> dict[int, events.StrandDataset]:
        return {event.number: event for event in self.of(events.StrandDataset)}

    @property
    def gaps(self) -> dict[str, str]:
        return {event.what: event.why for event in self.of(events.GapFound)}


class Recording:
    """A folder that is recorded into, and what is in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def segments(self) -> list[read.SegmentFile]:
        journal = self.root / "journal"
        return [segment for job in sorted(journal.glob("*")) for segment in read.segments(str(job))]

    def events(self) -> list[Any]:
        return [event for segment in self.segments() for _, event in segment.events(segment.start_cursor())]

    def strands(self, *, steps: bool = False, printed: bool = False) -> list[Strand]:
        """The strands in the order they began; those of kind `step` and `printed` only on request."""
        found: dict[str, Strand] = {}
        series: dict[tuple[str, str, int], tuple[str, str]] = {}
        segments = self.segments()
        points = [segment.read_points().records for segment in segments]  # before what says which they are: it grows
        for segment in segments:
            for _, event in segment.events(segment.start_cursor()):
                if isinstance(event, events.StrandStarted):
                    found[event.strand] = Strand(event)
                if isinstance(event, events.SeriesDefined):
                    series[segment.job, segment.name, event.series] = event.strand, event.name
                owner = found.get(getattr(event, "strand", None) or "")
                if owner is not None:
                    owner.events.append(event)
        for segment, records in zip(segments, points, strict=True):
            for record in records:
                strand, name = series[segment.job, segment.name, int(record["series"])]
                if strand == segment.job:  # a sample of the system
                    continue
                found[strand].points.setdefault(name, []).append((int(record["step"]), float(record["value"])))
        return sorted(
            (s for s in found.values() if (steps or s.kind != "step") and (printed or s.kind != "printed")),
            key=lambda strand: strand.started.time,
        )

    def models(self) -> dict[int, str | None]:
        """By the number of a file, the identity of the model inside; all of them once recording is off."""
        found: dict[int, str | None] = {}
        for event in self.events():
            if isinstance(event, (events.ArtifactSeen, events.ArtifactDigested)):
                found[event.artifact] = event.model or found.get(event.artifact)
        return found

    def gaps(self) -> dict[str, str]:
        """The gaps that belong to no strand."""
        return {e.what: e.why for e in self.events() if isinstance(e, events.GapFound) and e.strand is None}


@contextlib.contextmanager
def recorded(root: Path, *, strict: bool = True) -> Iterator[Recording]:
    """Recording is on inside, into a folder of its own; the code, which is that of the tests, is not kept."""
    autotrack.disable()
    autotrack.enable(dir=root, quiet=True, strict=strict, code=False)
    try:
        yield Recording(root)
    finally:
        autotrack.disable()
        context.latest.set(None)


@pytest.fixture
def recording(tmp_path: Path) -> Iterator[Recording]:
    """Recording is on, in strict mode, for the length of a test."""
    with recorded(tmp_path / ".autotrack") as opened:
        yield opened


def run_program(
    source: str, folder: Path, *, tracked: bool = True, env: dict[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder as `autotrack run` would, in strict mode unless `env` says otherwise, or without
    tracking."""
    from autotrack.launch import environment

    script = folder / "program.py"
    script.write_text(source)
    given = {name: value for name, value in os.environ.items() if not name.startswith("AUTOTRACK_")}
    given = {**given, "AUTOTRACK_STRICT": "1", **(env or {})}
    return subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env=environment(given) if tracked else given,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
