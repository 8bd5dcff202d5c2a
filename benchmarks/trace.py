"""What the whole command `autotrack trace` takes in a store of 10,000 jobs with a run each, which all read one file."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import xxhash

from autotrack import events
from autotrack.identity.files import digest_file
from autotrack.ids import new_id
from autotrack.journal import process
from autotrack.journal.folder import Folder
from autotrack.journal.segment import Segment
from autotrack.store import open_store
from autotrack.values import plain
from benchmarks import recorded
from benchmarks.measure import Result, command_line

JOBS, ROUNDS = 10_000, 10
BEGUN = 1_700_000_000.0
BUDGET, DOWN, ALL = 300.0, 500.0, 5_000.0
COMMANDS = (
    ("trace renamed.bin", BUDGET),
    ("trace renamed.bin --json", BUDGET),
    ("trace data.csv --down", DOWN),
    ("trace data.csv --down --all", ALL),
)


def run() -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        record(Path(folder), JOBS)
        with open_store(Folder(os.path.join(folder, ".autotrack"))) as store:
            store.refresh()
        shutil.move(os.path.join(folder, "model.bin"), os.path.join(folder, "renamed.bin"))
        for command, budget in COMMANDS:
            name = f"trace: {command.removeprefix('trace ')}, {JOBS:,} jobs"
            yield command_line(name, command, folder, ROUNDS, budget)


def record(folder: Path, jobs: int) -> None:
    """One job that makes the data, and the others that train on it and write a model each; the last but one of them
    has written the file that is here, and a last job has evaluated it."""
    data, model = folder / "data.csv", folder / "model.bin"
    data.write_bytes(b"a,b\n" * 1000)
    model.write_bytes(b"weights" * 1000)
    raw = _digest("raw"), "raw.csv", 1000
    split = digest_file(str(data))[0], str(data), 4000
    kept = digest_file(str(model))[0], str(model), 7000
    root = Folder(str(folder / ".autotrack"))
    _job(root, 0, "prepare.py", reads=[raw], writes=[split])
    for number in range(1, jobs + 1):
        written = kept if number == jobs - 1 else (_digest(f"model {number}"), f"/data/model-{number}.bin", 7000)
        _job(root, number, "train.py", reads=[split], writes=[written], model=_identity(number))
    _job(root, jobs + 1, "evaluate.py", reads=[split, kept], evaluates=_identity(jobs - 1))


def _job(
    folder: Folder,
    number: int,
    name: str,
    *,
    reads: list[tuple[str, str, int]],
    writes: list[tuple[str, str, int]] = [],  # noqa: B006  (never changed)
    model: str | None = None,
    evaluates: str | None = None,
) -> None:
    job, time, held = new_id(), BEGUN + 100.0 * number, model or evaluates
    segment = Segment(folder, job, "host-1-1")

    def add(event: type[Any], /, **fields: Any) -> None:
        nonlocal time
        time += 1.0
        segment.write(event(time=time, **fields))

    def file(artifact: int, about: tuple[str, str, int], **fields: Any) -> None:
        digest, path, size = about
        add(events.ArtifactSeen, artifact=artifact, path=path, **fields)
        add(events.ArtifactDigested, artifact=artifact, digest=digest, bytes=size)

    machine, host = process.machine(), os.uname().nodename
    add(
        events.SegmentStarted, format=events.FORMAT, job=job, segment="host-1-1", role="main", host=host,
        machine=machine, pid=1, ppid=1, started=1.0,
    )  # fmt: skip
    add(
        events.JobStarted, job=job, parent=None, how="run", name=name, argv=("python", name), cwd="/data",
        executable="/usr/bin/python", user="kim", host=host, python="cpython 3.11", platform="Linux", autotrack="1",
    )  # fmt: skip
    for artifact, about in enumerate(reads):
        file(artifact, about, mode="read")
    strand = new_id() if held is not None else None
    if strand is not None:
        kind, role = ("fit", "train") if model is not None else ("evaluation", "test")
        cls = "sklearn.LogisticRegression"
        add(events.StrandStarted, strand=strand, framework="sklearn", kind=kind, name="LogisticRegression", cls=cls)
        params = tuple(events.Param(key, plain(value), "estimator") for key, value in recorded.PARAMS.items())
        add(events.StrandParams, strand=strand, params=params)
        data = events.Dataset(id=_identity(-1), method="whole", kind="pandas.DataFrame", rows=1000, columns=2)
        add(events.StrandDataset, strand=strand, role=role, dataset=data)
        add(events.StrandModel, strand=strand, cls=cls, id=held)
        add(events.StrandEnded, strand=strand, status="finished", seconds=2.0)
    for artifact, about_file in enumerate(writes, len(reads)):
        file(artifact, about_file, mode="written", strand=strand, model=model)
    add(events.JobEnded, code=0, how="end")
    add(events.SegmentEnded)
    segment.close()


def _digest(text: str) -> str:
    return f"blake3:{xxhash.xxh3_128(text.encode()).hexdigest() * 2}"


def _identity(number: int) -> str:
    return f"xxh3:2:{xxhash.xxh3_128(str(number).encode()).hexdigest()}"
