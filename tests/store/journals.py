"""Journals for the tests of readers: real segments, with events of the test's choice."""

from __future__ import annotations

import os
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy
import xxhash

from autotrack import events
from autotrack.identity import rows
from autotrack.ids import new_id
from autotrack.journal import process
from autotrack.journal.folder import Folder
from autotrack.journal.points import pack_record, tail
from autotrack.journal.segment import Segment
from autotrack.values import plain, storable

BEGUN = 1_700_000_000.0
opened: list[Segment] = []
"""Those of the test that runs; closed at its end."""


class Journal:
    """The segment of one process in one job.  `alive`: the process that it says it is of is this one, else one that
    is gone."""

    def __init__(
        self,
        folder: Folder,
        job: str | None = None,
        *,
        name: str = "host-1-1",
        alive: bool = False,
        role: str = "main",
        started: float = BEGUN,
        program: str = "train.py",
        **changes: Any,
    ) -> None:
        self.job = job or new_id()
        self.time = started
        self.files = 0
        self.segment = Segment(folder, self.job, name)
        opened.append(self.segment)
        about: dict[str, Any] = {
            "format": events.FORMAT,
            "job": self.job,
            "segment": name,
            "role": role,
            "host": os.uname().nodename,
            "machine": process.machine(),
            "pid": os.getpid(),
            "ppid": os.getppid(),
            "started": process.started(os.getpid()) if alive else 1.0,
        }
        self.add(events.SegmentStarted, **{**about, **changes})
        if role == "main":
            self.add(
                events.JobStarted,
                job=self.job,
                parent=None,
                how="run",
                name=program,
                argv=("python", program),
                cwd="/work",
                executable="/usr/bin/python",
                user="kim",
                host="host",
                python="cpython 3.11",
                platform="Linux",
                autotrack="0.1",
            )

    def add(self, event: type[Any], /, **fields: Any) -> None:
        """An event, a second after the one before."""
        self.time += 1.0
        self.segment.write(event(**{"time": self.time, **fields}))

    def strand(
        self,
        name: str = "Ridge",
        *,
        id: str | None = None,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float | Sequence[float]] | None = None,
        tags: Mapping[str, Any] | None = None,
        status: str | None = "finished",
        failure: events.Failure | None = None,
        **fields: Any,
    ) -> str:
        """A strand from its beginning to its end; with `status=None` it does not end."""
        id = id or new_id()
        about = {"framework": "sklearn", "kind": "fit", "cls": f"sklearn.{name}", **fields}
        self.add(events.StrandStarted, strand=id, name=name, **about)
        if params is not None:
            kept = tuple(events.Param(name, plain(value), "estimator") for name, value in params.items())
            self.add(events.StrandParams, strand=id, params=kept)
        for metric, values in (metrics or {}).items():
            self.points(id, metric, [values] if isinstance(values, (int, float)) else values)
        for tag, value in (tags or {}).items():
            self.add(events.Tagged, strand=id, name=tag, value=plain(value))
        if status is not None:
            self.add(events.StrandEnded, strand=id, status=status, seconds=2.5, failure=failure)
        return id

    def data(self, strand: str, role: str = "train", number: int = 0, **parts: str) -> None:
        """A dataset of a strand: part to identity.  One part is the dataset itself."""
        described = tuple(
            events.Dataset(id=id, method="whole", kind="pandas.DataFrame", rows=4, columns=2, name=name)
            for name, id in parts.items()
        )
        whole = events.Dataset(id="+".join(parts.values()), method="whole", kind="pandas.DataFrame", parts=described)
        dataset = whole if len(parts) > 1 else msgspec.structs.replace(described[0], name=None)
        self.add(events.StrandDataset, strand=strand, role=role, dataset=dataset, number=number)

    def file(
        self,
        mode: str,
        path: str,
        digest: str | None = None,
        *,
        strand: str | None = None,
        model: str | None = None,
        step: int | None = None,
        kind: str = "file",
    ) -> None:
        """A file that was `read` or `written` here; without a digest its content is not known."""
        self.files += 1
        about = {"path": storable(path), "mode": mode, "kind": kind, "strand": strand, "step": step, "model": model}
        self.add(events.ArtifactSeen, artifact=self.files, **about)
        size = None if digest is None else 100
        self.add(events.ArtifactDigested, artifact=self.files, digest=digest, bytes=size, why="" if digest else "gone")

    def model(self, strand: str, id: str) -> None:
        """The identity of the model of a strand."""
        self.add(events.StrandModel, strand=strand, cls="sklearn.Ridge", id=id)

    def profile(
        self, id: str, table: Mapping[str, Sequence[Any]], *, kept: int = rows.KEPT, left_out: int = 0, **changes: Any
    ) -> None:
        """The profile of a table of numbers and texts; columns are of the type of their first value."""
        columns = [_column(name, entries) for name, entries in table.items()]
        hashes = [
            _hash(repr(tuple(map(str, row)))).intdigest() & (2**64 - 1) for row in zip(*table.values(), strict=True)
        ]
        often = Counter(hashes)
        smallest = sorted(often)[:kept]
        sketch, repeats = rows.packed(
            numpy.array(smallest, dtype="<u8"), numpy.array([often[one] for one in smallest], dtype="<u4")
        )
        fields = {
            "rows": len(hashes),
            "columns": tuple(columns[: len(columns) - left_out]),
            "left_out": left_out,
            "unordered": _hash(repr(sorted(hashes))).hexdigest(),
            "ordered": _hash(repr(hashes)).hexdigest(),
            "distinct": len(often),
            "sketch": sketch,
            "repeats": repeats,
        }
        self.add(events.DataProfiled, data=id, **{**fields, **changes})

    def define(self, strand: str, name: str) -> int:
        """A new series; returns its number."""
        number = self.segment.next_series()
        self.add(events.SeriesDefined, series=number, strand=strand, name=name)
        return number

    def points(
        self, strand: str, name: str, values: Sequence[float], *, number: int | None = None, first: int = 0
    ) -> int:
        """Points of a series, which is defined unless its `number` is given.  Returns the number."""
        if number is None:
            number = self.define(strand, name)
        points = self.segment.points
        for step, value in enumerate(values, first):
            while True:
                buffer, offsets = window = points.window
                try:
                    pack_record(buffer, next(offsets), value, self.time + step / 1e3, step, tail(number))
                    break
                except Exception:  # noqa: BLE001  (struct.error, ValueError: the window is full)
                    assert points.advance(window)
        return number

    def end(self, code: int = 0) -> str:
        """The job ends; returns its id."""
        self.add(events.JobEnded, code=code, how="end")
        self.add(events.SegmentEnded)
        return self.job


def _column(name: str, entries: Sequence[Any]) -> events.ColumnProfile:
    present = [entry for entry in entries if entry is not None]
    kind = type(present[0]).__name__
    numbers = [entry for entry in present if isinstance(entry, (int, float))]
    counts = Counter(present).most_common()
    return events.ColumnProfile(
        name=storable(name),
        type=kind,
        digest=_hash(f"{kind}{list(entries)}").hexdigest(),
        nulls=len(entries) - len(present),
        low=min(numbers, default=None),
        high=max(numbers, default=None),
        mean=statistics.fmean(numbers) if numbers else None,
        deviation=statistics.pstdev(numbers) if numbers else None,
        counts=tuple((plain(value), count) for value, count in counts) if len(counts) <= 20 else None,
    )


def _hash(text: str) -> Any:
    return xxhash.xxh3_128(text.encode("utf-8", "surrogatepass"))
