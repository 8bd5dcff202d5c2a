"""Files as they go on record: at once by their path, and by their digest when the recorder has taken it."""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from autotrack import events
from autotrack.capture.secrets import redact
from autotrack.identity import files
from autotrack.journal.folder import Folder
from autotrack.values import storable

KEPT = 1_000
"""Checkpoints of which it is known what they hold, for when they are moved."""
OUTPUTS = 100_000
"""Paths of files that jobs have written, which are kept."""
TICK = 0.02
"""Seconds of the clock that file systems give times of change by, twice: 10 ms is the longest on Linux."""


class Checkpoint(NamedTuple):
    """What is known of a checkpoint that was written."""

    model: str | Callable[[str], str | None] | None
    step: int | None
    strand: str | None
    number: int
    """Of the file that it was written to at first."""
    names: tuple[tuple[str, int], ...] = ()
    """Those that it was moved to, with their numbers."""


if TYPE_CHECKING:
    from typing import TypeAlias

    from autotrack.job import Job

    Version: TypeAlias = tuple[int, int, int]


def report_artifact(
    job: Job,
    path: str,
    mode: str,
    *,
    kind: str = "file",
    model: str | Callable[[str], str | None] | None = None,
    step: int | None = None,
    strand: str | None = None,
    closed: Callable[[], bool] | None = None,
    unknown: str = "",
    number: int | None = None,
    when: float | None = None,
    place: str | None = None,
) -> int | None:
    """A file that was `read` or `written` by the job.  `model` is the identity of the model inside, or what the
    recorder has to call with the path for it; `closed`, where given, says when its content is whole; `unknown`, why
    there is no use in a digest; `number`, under which number it was reported before; `when` it was opened, or written
    last, in seconds since the epoch, where that was not now; `place`, where it lies now.  Returns its number."""
    try:
        path = os.path.abspath(path)
    except FileNotFoundError:  # the current folder is gone
        path = os.path.join(job.cwd, path)
    if job.files is not None and mode == "read" and when is None:
        job.files.settle()
    identity = model if isinstance(model, str) else None
    again = number is not None
    number = _seen(job, path, mode, kind, model=identity, step=step, strand=strand, number=number, when=when)
    if number is None or again:
        if number is not None and strand is not None and mode == "written":
            _now_known(job, number, step, strand)
        return number
    if kind == "checkpoint" and mode == "written":
        job.checkpoints[path] = Checkpoint(model, step, strand, number)
        if len(job.checkpoints) > KEPT:
            del job.checkpoints[next(iter(job.checkpoints))]
    if unknown:
        job.report(_undigested(number, unknown))
    elif job.recorder is not None:
        here = place or path
        version = _version(here) if closed is None else None
        inside = model if callable(model) else None
        job.recorder.later(f"digest of {path}", lambda: _digest(job, number, path, here, version, closed, inside))
    return number


def moved(job: Job, source: str, target: str) -> None:
    """A checkpoint was moved: many are written under another name first, to be whole or not there at all."""
    known = job.checkpoints.pop(source, None)
    if known is None:  # another thread has moved it
        return
    number = report_artifact(
        job, target, "written", kind="checkpoint", model=known.model, step=known.step, strand=known.strand
    )
    if number is not None:
        target = os.path.abspath(target)
        job.checkpoints[target] = known._replace(names=(*known.names[-KEPT:], (target, number)))


def _now_known(job: Job, number: int, step: int | None, strand: str) -> None:
    """It is known by now whose checkpoint a file holds: to where it was moved, it is the same."""
    for place, known in list(job.checkpoints.items()):
        if known.number == number and known.strand is None:
            job.checkpoints[place] = known._replace(step=step, strand=strand)
            for name, other in known.names:
                _seen(job, name, "written", "checkpoint", model=None, step=step, strand=strand, number=other)


def _seen(
    job: Job, path: str, mode: str, kind: str, *, model: str | None, step: int | None, strand: str | None,
    number: int | None = None, when: float | None = None,
) -> int | None:  # fmt: skip
    if number is None:
        number = job.next_artifact()
        job.artifacts[path, mode == "written"] = number
        if mode == "written":
            job.outputs.append(path)
    event = events.ArtifactSeen(
        time=when if when is not None else time.time(),
        artifact=number,
        path=storable(redact(path)),
        mode=mode,
        kind=kind,
        strand=strand,
        step=step,
        model=model,
    )
    return number if job.report(event) else None


def _undigested(number: int, why: str) -> events.ArtifactDigested:
    return events.ArtifactDigested(
        time=time.time(), artifact=number, digest=None, bytes=None, why=storable(redact(why))
    )


def _digest(
    job: Job,
    number: int,
    path: str,
    here: str,
    version: Version | None,
    closed: Callable[[], bool] | None,
    inside: Callable[[str], str | None] | None,
) -> bool | None:
    """Digest a file once it is whole, which lies `here`, where it is still the one that was seen.  False: not yet."""
    if closed is not None and not closed():
        return False
    version = version or _version(here)

    def changed() -> bool:
        return job.artifacts.get((path, True), 0) > number or _version(here) != version

    def found(model: str | None) -> events.ArtifactDigested:
        return events.ArtifactDigested(time=time.time(), artifact=number, digest=digest, bytes=size, model=model)

    try:
        if not stat.S_ISREG(os.stat(here).st_mode):
            job.report(_undigested(number, "it is no file that could be read once more"))
            return None
        if not changed():
            _settle(here)
            digest, size = files.digest_file(here, files.Cache(job.root))
            if not changed():
                job.report(found(None))
                model = inside(here) if inside is not None else None
                if model is not None and not changed():
                    job.report(found(model))
                return None
        event = _undigested(number, "it was changed before its content was read")
    except OSError as error:
        event = _undigested(number, error.strerror or os.strerror(error.errno or 0))
    job.report(event)
    return None


def _settle(path: str) -> None:
    """Wait until a change of a file would show: what is written to it within one tick of the clock of the file system
    leaves the same time of change."""
    age = time.time() - os.stat(path).st_mtime
    if age < TICK:
        time.sleep(TICK - max(age, 0.0))


def _version(path: str) -> Version | None:
    """What tells whether a file is still the same; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def note_outputs(job: Job) -> None:
    """Let later jobs know which files this one has written: they are no code.  Raises OSError."""
    place = Folder(job.root).outputs
    new = dict.fromkeys(_popped(job.outputs))
    if not new:
        return
    with open(place, "a+", encoding="utf-8", errors="surrogateescape") as file:
        file.seek(0)
        known = frozenset(file.read().split("\n"))
        lines = [path for path in new if path not in known and "\n" not in path and redact(path) == path]
        if lines and len(known) < OUTPUTS:
            file.write("\n".join([*lines, ""]))


def _popped(waiting: deque[str]) -> Iterator[str]:
    while waiting:
        yield waiting.popleft()


def report_remote(job: Job, url: str, mode: str, version: tuple[str, str] | None, when: float | None = None) -> None:
    """A file elsewhere that was `read` or `written`; `version`: under which name its server told one, and what.  The
    digest is of that and the URL, for two files of one digest are the same.  `when`, where that was not now."""
    url = redact(url)
    number = _seen(job, url, mode, "file", model=None, step=None, strand=None, when=when)
    if number is None:
        return
    if version is None:
        job.report(_undigested(number, "remote: neither version nor ETag was told"))
        return
    told = "\0".join((url, *version)).encode("utf-8", "surrogateescape")
    why = storable(f"declared, not computed: {version[0]} {version[1]}, as the server told it")
    digest = f"declared:{files.digest_bytes(told)}"
    job.report(events.ArtifactDigested(time=time.time(), artifact=number, digest=digest, bytes=None, why=why))


def report_manifest(job: Job, folder: str, mode: str, names: Sequence[str], when: float | None = None) -> None:
    """Files of one folder that were `read` or `written` by the job, by a digest over all of them; `when`, where
    that was not now."""
    number = _seen(job, folder, mode, "folder", model=None, step=None, strand=None, when=when)
    if number is None:
        return
    try:
        manifest = files.manifest(folder, names, files.Cache(job.root))
    except OSError as error:
        job.report(_undigested(number, error.strerror or os.strerror(error.errno or 0)))
        return
    job.report(
        events.ArtifactDigested(
            time=time.time(), artifact=number, digest=manifest.digest, bytes=manifest.bytes, why=manifest.why
        )
    )
