"""Opening and closing a job's segment: the events that stand at both of its ends."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback

import autotrack
from autotrack import events, notebook, shield
from autotrack.capture import environment, secrets
from autotrack.exits import Outcome
from autotrack.job import Job
from autotrack.journal import folder, process
from autotrack.journal.segment import Segment
from autotrack.recorder import Recorder
from autotrack.values import plain, storable


def open_segment(job: Job) -> None:
    """Open the segment of this process, with its first lines and its recorder.  Raises OSError."""
    host = storable(os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "host"))
    begun = process.started(job.pid)
    segment = Segment(folder.Folder(job.root), job.id, f"{host.replace('/', '_')}-{job.pid}-{begun:.0f}")
    try:
        segment.write(
            events.SegmentStarted(
                time=time.time(),
                format=events.FORMAT,
                job=job.id,
                segment=segment.name,
                role=job.role,
                host=host,
                machine=process.machine(),
                pid=job.pid,
                ppid=os.getppid(),
                started=begun,
                points="mapped" if segment.points.mapped else "buffered",
            )
        )
        first = job.role == "main" or (job.role != "rank" and _is_first(job))
        if first:
            segment.write(_job_started(job, host))
        if job.rank is not None:
            segment.write(events.ProcessRank(time=time.time(), rank=job.rank))
    except BaseException:  # a full disk, or a signal handler of the user's
        segment.discard()
        raise
    job.recorder = recorder = Recorder(job, segment)
    job.segment = segment
    recorder.each_period(job.note_outputs)
    if first:
        from autotrack.capture import surroundings  # which knows of strands, and they of this

        surroundings.look_around(job, recorder)
    recorder.start()
    shield.contain("notebook", notebook.follow_cells, job)


def _is_first(job: Job) -> bool:
    """Whether no other process has recorded into the job of this worker: then it tells of the program, in case that the
    one which could tell more is killed."""
    told = folder.Folder(job.root).first(job.id)
    if os.path.exists(told) or _main_has_begun(job):
        return False
    with contextlib.suppress(OSError):
        os.makedirs(os.path.dirname(told), exist_ok=True)
        os.close(os.open(told, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        return True
    return False


def _main_has_begun(job: Job) -> bool:
    place = folder.Folder(job.root).job(job.id)
    for name in os.listdir(place):
        if name.endswith(".jsonl"):
            with open(os.path.join(place, name), "rb") as file:
                if b'"role":"main"' in file.readline():
                    return True
    return False


def _command_line(job: Job) -> list[str]:
    """The words that the program was started with, in one of its workers too, where the system tells."""
    if job.role == "main":
        return list(getattr(sys, "orig_argv", sys.argv))
    words = process.command_line(os.getppid())
    return words if words and not process.is_worker(words) else [sys.executable, *sys.argv]


def _job_started(job: Job, host: str) -> events.JobStarted:
    return events.JobStarted(
        time=job.started,
        job=job.id,
        parent=job.parent,
        how=job.how,
        name=storable(program_name()),
        argv=tuple(storable(word) for word in secrets.redact_arguments(_command_line(job))),
        cwd=storable(job.cwd),
        executable=storable(sys.executable or ""),
        user=storable(environment.user()),
        host=host,
        python=environment.python(),
        platform=environment.platform(),
        autotrack=autotrack.__version__,
    )


def program_name() -> str:
    in_notebook = notebook.name()
    if in_notebook is not None:
        return in_notebook
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__":
        return str(spec.name).removesuffix(".__main__")
    path = getattr(main, "__file__", None) or (sys.argv[0] if sys.argv else "")
    return os.path.basename(path) or "python"


def close_segment(job: Job, outcome: Outcome) -> None:
    """Finish what the recorder still has, within the set time, and write the last lines."""
    left = ["what the recorder was at: the end was interrupted"]
    failed = failure(outcome.error) if outcome.error is not None else None
    try:
        left = job.recorder.end(job.settings.exit_timeout) if job.recorder is not None else []
    finally:
        for tell in job.at_close:
            shield.contain("end", tell)
        if job.role == "main":
            job.report(events.JobEnded(time=time.time(), code=outcome.code, how=outcome.how, failure=failed))
        undone = tuple(storable(secrets.redact(what)) for what in left)
        waited = time.perf_counter() - job.ending
        job.report(events.SegmentEnded(time=time.time(), left=undone, seconds=waited))


def failure(error: BaseException) -> events.Failure:
    """An exception as the record keeps it: type, message, and the traceback's text (16,000 characters)."""
    kind = type(error)
    message = shield.contain("message of an exception", str, error)
    lines = shield.contain("traceback", traceback.format_exception, kind, error, error.__traceback__)
    return events.Failure(
        type=f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."),
        message=storable(secrets.redact(message)[:2000]) if isinstance(message, str) else "",
        traceback=storable(secrets.redact("".join(lines))[-16000:]) if isinstance(lines, list) else "",
    )


def values(mapping: dict[str, object]) -> dict[str, object]:
    """A mapping as an event holds it; a value that can't be described is named by its class, and
    secrets are hidden."""
    kept = {}
    for name, value in mapping.items():
        described = shield.contain("value", plain, value)
        failed = described is shield.FAILED
        kept[storable(str(name))] = (
            {"$repr": type(value).__qualname__} if failed else secrets.hidden(str(name), described)
        )
    return kept
