"""Finding what was edited, removed or reordered: in journals, in the edits by people, and in what they name by its
content, kept models and code.

Whoever rewrites a whole chain from the first changed line on is not found: the chain holds no secret.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from blake3 import blake3

from autotrack import events
from autotrack.journal import read
from autotrack.journal.content import Content, Finding
from autotrack.journal.folder import Folder
from autotrack.journal.points import RECORD
from autotrack.journal.seal import BATCH, empty_slots, slots_of, unfit
from autotrack.journal.segment import chained, first_digest, line_of

Known = Mapping[tuple[str, str], tuple[int, str, int | None]]
"""(job, segment) to the number of lines, the digest of the last, and where the program was over, the number of slots
that a store has taken in."""
KnownEdits = Mapping[str, tuple[int, str]]
"""Files of edits to the number of bytes, and the digest of the last line, that a store has taken in."""


def verify(
    folder: Folder, jobs: Sequence[str] | None = None, known: Known | None = None, edits: KnownEdits | None = None
) -> list[Finding]:
    """Check the segments of these jobs and what they name; without `jobs`, everything that was recorded.  An empty
    list means that all is as it was written."""
    findings = []
    content = Content(folder)
    names = sorted(os.listdir(folder.journal)) if os.path.isdir(folder.journal) else []
    for job in names if jobs is None else jobs:
        present = {segment.name: segment for segment in read.segments(folder.job(job))}
        for segment in present.values():
            findings += verify_segment(segment, (known or {}).get((job, segment.name)), content)
        for missing in sorted(name for owner, name in known or {} if owner == job and name not in present):
            findings.append(
                Finding(os.path.join(folder.job(job), missing + ".jsonl"), None, "was taken in, and is gone")
            )
    if jobs is None:
        findings += _removed_jobs(folder, set(names), known or {})
        findings += _edits(folder, edits or {})
        content.everything()
    return findings + content.findings


def _removed_jobs(folder: Folder, present: set[str], known: Known) -> list[Finding]:
    gone = sorted({job for job, _ in known} - present)
    return [Finding(folder.job(job), None, "was taken in, and is gone") for job in gone]


def verify_segment(
    segment: read.SegmentFile, known: tuple[int, str, int | None] | None = None, content: Content | None = None
) -> list[Finding]:
    """Check one segment: its chain, its first line, its seals, that it is not shorter than it was `known`, and the
    models and the code which it says were kept."""
    findings: list[Finding] = []
    seals: list[tuple[int, events.Sealed]] = []
    ended: events.SegmentEnded | None = None
    cursor = segment.start_cursor()
    try:
        for position, event in segment.events(cursor):
            if position == 0 and not (isinstance(event, events.SegmentStarted) and event.segment == segment.name):
                findings.append(Finding(segment.path, 0, "does not begin with the start of this segment"))
            if isinstance(event, events.Sealed):
                seals.append((position, event))
            elif isinstance(event, events.SegmentEnded):
                ended = event
            if content is not None:
                content.named_by(event, segment.path)
            if known is not None and position + 1 == known[0] and cursor.digest != known[1]:
                findings.append(Finding(segment.path, position, "differs from what was taken in"))
    except read.Damaged as damage:
        return [*findings, Finding(segment.path, damage.position, damage.why)]
    if known is not None and cursor.lines < known[0]:
        missing = known[0] - cursor.lines
        findings.append(Finding(segment.path, cursor.lines, f"is {missing} lines shorter than when it was taken in"))
    slots = known[2] if known is not None else None
    return findings + _points(segment, [seal for _, seal in seals], ended, slots)


def _points(
    segment: read.SegmentFile, seals: list[events.Sealed], ended: events.SegmentEnded | None, slots: int | None
) -> list[Finding]:
    """Check the points against each seal, in one pass over the file, and those after the last one against what may be
    there."""
    path = segment.points_path
    if not os.path.exists(path):
        return [Finding(path, None, "is gone; its points were sealed")] if seals else []
    state, at, empty, last = blake3(), 0, list[int](), b""
    with open(path, "rb") as file:
        for seal in sorted(seals, key=lambda seal: seal.count):
            while at < seal.count:
                data = file.read(min(BATCH, seal.count - at) * RECORD.size)
                if not data:
                    return [Finding(path, at, f"ends before slot {seal.count}, up to which it was sealed")]
                state.update(data)
                empty += empty_slots(data, at)
                at += len(data) // RECORD.size
                last = data[-RECORD.size :] if at > 1 else b""  # the first slot is no point
            if state.hexdigest() != seal.digest or tuple(empty) != seal.empty:
                return [
                    Finding(path, seal.count, f"has points before slot {seal.count} that are not as they were sealed")
                ]
        first = max(at, 1)
        file.seek(first * RECORD.size)
        data = file.read()
    why = unfit(data, last, ended)
    used = [number for number, filled in enumerate(slots_of(data), first) if filled]
    if why is None and slots is not None and used and used[-1] >= slots:
        first, why = slots, "were not there when it was taken in"
    return [Finding(path, first, f"has points from slot {first} on that {why}")] if why is not None else []


def _edits(folder: Folder, known: KnownEdits) -> list[Finding]:
    """Check the chain of every file of edits, and that what a store has taken in of it is there."""
    names = sorted(os.listdir(folder.edits)) if os.path.isdir(folder.edits) else []
    present = [name for name in names if name.endswith(".jsonl")]
    findings = [
        Finding(os.path.join(folder.edits, name), None, "was taken in, and is gone")
        for name in sorted(known.keys() - set(present))
        if known[name][0]  # else it was no such file
    ]
    for name in present:
        problem = _edit_file(os.path.join(folder.edits, name), first_digest("edits", name), known.get(name))
        findings += [problem] if problem is not None else []
    return findings


def _edit_file(path: str, chain: str, known: tuple[int, str] | None) -> Finding | None:
    offset = position = 0
    with open(path, "rb") as file:
        for position, line in enumerate(file):
            if not line.endswith(b"\n"):  # never acknowledged
                break
            body = line[read.BODY : -2]
            chain = chained(chain, body)
            if line != line_of(chain, body):
                return Finding(path, position, "does not follow from the line before: edited, removed or reordered")
            offset += len(line)
            if known is not None and offset == known[0] and chain != known[1]:
                return Finding(path, position, "differs from what was taken in")
    if known is not None and offset < known[0]:
        return Finding(path, position, f"is {known[0] - offset} bytes shorter than when it was taken in")
    return None
