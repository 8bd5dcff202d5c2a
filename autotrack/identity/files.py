"""Digests of files: BLAKE3 of the content, taken by the recorder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from blake3 import blake3

from autotrack import events
from autotrack.job import Job

CHUNK = 1 << 20


def digest_file(path: str) -> tuple[str, int]:
    """`blake3:<hex>` of a file's content, and its size in bytes.  Raises OSError."""
    state, size = blake3(), 0
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            state.update(chunk)
            size += len(chunk)
    return f"blake3:{state.hexdigest()}", size


def digest_later(job: Job, artifact: int, path: str, closed: Callable[[], bool] | None) -> None:
    """Let the recorder digest a file once `closed` says that it is whole."""
    if job.recorder is None:
        return

    def task() -> bool | None:
        if closed is not None and not closed():
            return False
        try:
            digest, size = digest_file(path)
            event = events.ArtifactDigested(time=time.time(), artifact=artifact, digest=digest, bytes=size)
        except OSError as error:
            event = events.ArtifactDigested(
                time=time.time(), artifact=artifact, digest=None, bytes=None, why=os.strerror(error.errno or 0)
            )
        job.report(event)
        return None

    job.recorder.later(f"digest of {path}", task)
