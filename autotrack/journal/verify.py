"""Finding what was edited, removed or reordered in a journal.

Whoever rewrites a whole chain from the first changed line on is not found: the chain holds no secret.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blake3 import blake3

from autotrack import events
from autotrack.journal import read
from autotrack.journal.folder import Folder
from autotrack.journal.points import RECORD
from autotrack.journal.seal import BATCH, used_slots

Known = Mapping[tuple[str, str], tuple[int, str]]
"""(job, segment) to the number of lines, and the digest of the last, that a store has taken in."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was written: where, and what."""

    path: str
    position: int | None
    problem: str


def verify(folder: Folder, jobs: Sequence[str] | None = None, known: Known | None = None) -> list[Finding]:
    """Check every segment, and every blob; an empty list means that all is as it was written."""
    findings = []
    names = sorted(os.listdir(folder.journal)) if os.path.isdir(folder.journal) else []
    for job in names if jobs is None else jobs:
        present = {segment.name: segment for segment in read.segments(folder.job(job))}
        for segment in present.values():
            findings += verify_segment(segment, (known or {}).get((job, segment.name)), folder)
        for missing in sorted(name for owner, name in known or {} if owner == job and name not in present):
            findings.append(
                Finding(os.path.join(folder.job(job), missing + ".jsonl"), None, "was taken in, and is gone")
            )
    if jobs is None:
        findings += _removed_jobs(folder, set(names), known or {})
        findings += _blobs(folder)
    return findings


def _removed_jobs(folder: Folder, present: set[str], known: Known) -> list[Finding]:
    gone = sorted({job for job, _ in known} - present)
    return [Finding(folder.job(job), None, "was taken in, and is gone") for job in gone]


def verify_segment(
    segment: read.SegmentFile, known: tuple[int, str] | None = None, folder: Folder | None = None
) -> list[Finding]:
    """Check one segment: its chain, its first line, its seals, that it is not shorter than it was `known`, and that
    the models which it says were kept are there."""
    findings: list[Finding] = []
    seals: list[tuple[int, events.Sealed]] = []
    cursor = segment.start_cursor()
    try:
        for position, event in segment.events(cursor):
            if position == 0 and not (isinstance(event, events.SegmentStarted) and event.segment == segment.name):
                findings.append(Finding(segment.path, 0, "does not begin with the start of this segment"))
            if isinstance(event, events.Sealed):
                seals.append((position, event))
            if isinstance(event, events.StrandModel) and event.kept is not None and folder is not None:
                blob = folder.blob(event.kept)
                if not os.path.exists(blob):
                    findings.append(Finding(blob, None, f"is gone: the model that {segment.path} says was kept"))
            if known is not None and position + 1 == known[0] and cursor.digest != known[1]:
                findings.append(Finding(segment.path, position, "differs from what was taken in"))
    except read.Damaged as damage:
        return [*findings, Finding(segment.path, damage.position, damage.why)]
    if known is not None and cursor.lines < known[0]:
        missing = known[0] - cursor.lines
        findings.append(Finding(segment.path, cursor.lines, f"is {missing} lines shorter than when it was taken in"))
    return findings + _points(segment, seals)


def _points(segment: read.SegmentFile, seals: list[tuple[int, events.Sealed]]) -> list[Finding]:
    """Check the points against each seal, in one pass over the file."""
    if not seals:
        return []
    path = segment.points_path
    if not os.path.exists(path):
        return [Finding(path, None, "is gone; its points were sealed")]
    state, at, empty = blake3(), 0, list[int]()
    with open(path, "rb") as file:
        for _, seal in sorted(seals, key=lambda pair: pair[1].count):
            while at < seal.count:
                data = file.read(min(BATCH, seal.count - at) * RECORD.size)
                if not data:
                    return [Finding(path, at, f"ends before slot {seal.count}, up to which it was sealed")]
                state.update(data)
                empty += [at + n for n, filled in enumerate(used_slots(data)) if not filled and at + n]
                at += len(data) // RECORD.size
            if state.hexdigest() != seal.digest or tuple(empty) != seal.empty:
                return [
                    Finding(path, seal.count, f"has points before slot {seal.count} that are not as they were sealed")
                ]
    return []


def _blobs(folder: Folder) -> list[Finding]:
    findings = []
    for parent, _, names in os.walk(folder.blobs):
        for name in sorted(names):
            path = os.path.join(parent, name)
            digest = os.path.basename(parent) + name
            if not name.startswith("tmp-") and _file_digest(path) != digest:
                findings.append(Finding(path, None, "does not have the content that its name says"))
    return findings


def _file_digest(path: str) -> str:
    state = blake3()
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            state.update(data)
    return state.hexdigest()
