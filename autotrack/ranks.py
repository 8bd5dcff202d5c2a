"""The processes of a distributed training: what a launcher such as torchrun says of them in the environment.

The ranks of one launch on one machine write segments of their own into one job, whose id each of them makes of the
launcher's process.  On several machines that is the name of the launch, on which they agree through the folder that
they share: see `journal.launches`.  Where they share none, each has a job of its own.
"""

from __future__ import annotations

import contextlib
import os
import re

from autotrack.ids import id_of
from autotrack.journal import process
from autotrack.journal.folder import Folder
from autotrack.journal.launches import launch_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class Rank(NamedTuple):
        """Of this process: among all, among those of this machine, and the job of all of them."""

        number: int
        local: int
        job: str
else:
    from collections import namedtuple

    Rank = namedtuple("Rank", "number local job")

VARIABLE = "AUTOTRACK_RANK"
"""By which the children of a rank know that they inherited its environment."""


class _Told:
    by = 0
    """The process that was told last: what it records after `disable` is another job, its own."""


def launched(root: str, starter: str = "") -> Rank | None:
    """What the launcher of this process has made it; None where there was none, and when it is asked again.  `starter`:
    the job of the process that started it."""
    number, local = _number("RANK"), _number("LOCAL_RANK")
    if VARIABLE in os.environ or local is None or (_number("WORLD_SIZE") or 0) < 2:
        return None
    started = number is None and local > 0 and bool(starter)  # by its own program, as Lightning does
    if _Told.by == os.getpid() or (number is None and not started):
        return None
    _Told.by = os.getpid()
    if number is None:
        return Rank(local, local, starter)
    parent = os.getppid()
    again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "")
    launcher = f"{process.machine()} {parent} {process.started(parent):.0f} {again}"
    machine = _number("GROUP_RANK")
    if machine is not None and (_number("GROUP_WORLD_SIZE") or 0) > 1:
        kind = id_of(" ".join(os.environ.get(name, "") for name in _IN_COMMON))
        with contextlib.suppress(OSError):
            return Rank(number, local, launch_of(Folder(root), kind, machine, launcher))
    return Rank(number, local, id_of(launcher))


def launch() -> dict[str, object] | None:
    """How the launcher that started this process was called, and on how many machines; None where that is not known."""
    from autotrack.capture.secrets import redact_arguments
    from autotrack.values import storable

    words = process.command_line(os.getppid())
    if not words:
        return None
    return {"argv": [storable(word) for word in redact_arguments(words)], "machines": _number("GROUP_WORLD_SIZE") or 1}


_IN_COMMON = (
    "TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "GROUP_WORLD_SIZE", "TORCHELASTIC_RESTART_COUNT",
)  # fmt: skip
"""What torchrun tells the processes of a launch on all machines."""

_SERIES = re.compile(r"rank\d+/")


def name_in(rank: int | None, name: str) -> str:
    """The name of a series of a rank: those of the first have plain ones."""
    return f"rank{rank}/{name}" if rank else name


def is_of_another(name: str) -> bool:
    """Whether a series is of another rank than the first."""
    return _SERIES.match(name) is not None


def _number(name: str) -> int | None:
    value = os.environ.get(name, "")
    return int(value) if value.isdecimal() else None
