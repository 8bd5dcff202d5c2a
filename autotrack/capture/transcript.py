"""What a process prints, as it goes into the journal: in time, without secrets, and no more than a few megabytes.

The beginning is kept as it comes, of the rest the end, which is written when the program ends.
"""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING

from autotrack import events
from autotrack.capture.secrets import HIDDEN, is_secret_name, redact
from autotrack.values import storable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autotrack.job import Job
    from autotrack.printed.watch import Write

BEGINNING, END = 4 << 20, 1 << 20
"""Characters that are kept of the beginning, and of what comes at the end."""
TOGETHER = 0.05
"""Seconds within which writes to one stream are one part."""
_SHORTEST_SECRET = 6

Part = tuple[float, int, str]


class Transcript:
    """The console of a process."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._parts: list[Part] = []
        """What is not written yet: time, stream, text."""
        self._size = 0
        self._end: deque[Part] = deque()
        self._end_size = 0
        self._left_out = 0
        self._secrets = sorted(
            (
                value
                for name, value in os.environ.items()
                if is_secret_name(name)
                and len(value) >= _SHORTEST_SECRET
                and not value.isdecimal()
                and not value.startswith(os.sep)  # OLDPWD is a folder
            ),
            key=len,
            reverse=True,
        )

    def take(self, writes: Sequence[Write]) -> None:
        """Add what was written."""
        for write in writes:
            if write.stream < 0:  # it stands for what could not wait
                if self._job.segment is not None:
                    self.write()
                self._left_out += int(write.time)
            if write.stream <= 0:
                continue
            last = self._parts[-1] if self._parts else None
            if last is not None and last[1] == write.stream and write.time - last[0] < TOGETHER:
                self._parts[-1] = last[0], last[1], last[2] + write.text
            else:
                self._parts.append((write.time, write.stream, write.text))

    def write(self) -> None:
        """Put what there is into the journal."""
        parts, self._parts = [self._clean(part) for part in self._parts], []
        if self._size < BEGINNING:
            self._report(parts)
            return
        for part in parts:
            self._end.append(part)
            self._end_size += len(part[2])
        while self._end_size > END and len(self._end) > 1:
            gone = len(self._end.popleft()[2])
            self._end_size -= gone
            self._left_out += gone

    def finish(self) -> None:
        """The program is over: write the end of what it printed."""
        if self._parts:
            self.write()
        self._report(list(self._end))
        self._end.clear()

    def _report(self, parts: list[Part]) -> None:
        if not parts and not self._left_out:
            return
        self._size += sum(len(text) for _, _, text in parts)
        begun = parts[0][0] if parts else time.time()
        told = tuple((round(at - begun, 3), stream, text) for at, stream, text in parts)
        left_out, self._left_out = self._left_out, 0
        self._job.report(events.ConsoleText(time=begun, parts=told, left_out=left_out))

    def _clean(self, part: Part) -> Part:
        at, stream, text = part
        if "\r" in text:
            text = "\n".join(_as_it_ends(line) for line in text.split("\n"))
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return at, stream, storable(redact(text))


def _as_it_ends(line: str) -> str:
    """A line without what was written over."""
    ended = line.rstrip("\r")
    return ended.rpartition("\r")[2] + line[len(ended) :]
