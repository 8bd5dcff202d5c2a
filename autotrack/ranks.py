"""The processes of a distributed training: what a launcher such as torchrun says of them in the environment.

The ranks of one launch on one machine write segments of their own into one job, whose id each of them makes of the
launcher's process.  On several machines each has a job of its own.
"""

from __future__ import annotations

import os
import re

from autotrack.journal import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class Rank(NamedTuple):
        """Of this process: among all, among those of this machine, and of what launch."""

        number: int
        local: int
        launch: str
else:
    from collections import namedtuple

    Rank = namedtuple("Rank", "number local launch")

VARIABLE = "AUTOTRACK_RANK"
"""By which the children of a rank know that they inherited its environment."""


class _Told:
    by = 0
    """The process that was told last: what it records after `disable` is another job, its own."""


def launched() -> Rank | None:
    """What the launcher of this process has made it; None where there was none, and when it is asked again."""
    number, local = _number("RANK"), _number("LOCAL_RANK")
    if VARIABLE in os.environ or number is None or local is None or (_number("WORLD_SIZE") or 0) < 2:
        return None
    if _Told.by == os.getpid():
        return None
    _Told.by = os.getpid()
    parent = os.getppid()
    again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "")
    return Rank(number, local, f"{process.machine()} {parent} {process.started(parent):.0f} {again}")


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
