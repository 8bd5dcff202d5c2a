"""What a program prints once it has made several trainings, which is of none of them: `best of all: 0.9`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autotrack.printed import source
from autotrack.printed.steps import root
from autotrack.strand import BEGUN, Strand

if TYPE_CHECKING:
    from types import CodeType
    from weakref import ref

    from autotrack.capture.shown import PrintCall
    from autotrack.job import Job

    Calls = tuple[tuple[CodeType, int], ...]


class Afterwards:
    """Which calls print behind the loop that several trainings were made in."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._known: dict[PrintCall, tuple[Strand, bool]] = {}

    def several(self, call: PrintCall, last: Strand) -> bool:
        """Whether a call is of the function that has made the last training and others like it, one in each round of a
        loop, and stands behind that loop."""
        if len(self._job.trainings) < 2:
            return False
        strand, found = self._known.get(call, (None, False))
        if strand is not last:
            found = self._is_behind(call, last)
            self._known[call] = last, found
        return found

    def _is_behind(self, call: PrintCall, last: Strand) -> bool:
        calls: Calls = last.memo.get(BEGUN, ())
        own = next((at for at, (code, _) in enumerate(calls) if code is call.code), None)
        if own is None or not any(_began_alike(calls[own:], *other, last) for other in self._job.trainings):
            return False
        since = self._job.started
        made_in, here = source.loops_around(*calls[own], since), source.loops_around(call.code, call.at, since)
        if not made_in or here is None or any(line >= here.line for _, line in made_in.loops):
            return False
        return self._is_called_once(calls[own:], since)

    @staticmethod
    def _is_called_once(calls: Calls, since: float) -> bool:
        """Whether the function is no part of a loop itself, in which each round has a training of its own."""
        for place, (code, _) in enumerate(calls):
            if code.co_name == "<module>":
                return True
            if place + 1 == len(calls):
                return False
            around = source.loops_around(*calls[place + 1], since)
            if around is None or around.loops:
                return False
        return False


def _began_alike(calls: Calls, others: Calls, other: ref[Strand], last: Strand) -> bool:
    """Whether another training than the last one was begun by the same call in the same function."""
    others = others[max(len(others) - len(calls), 0) :]
    strand = other()
    if len(others) != len(calls) or (strand is not None and root(strand) is root(last)):
        return False
    return all(
        code is its and source.position(code, at) == source.position(its, where)
        for (code, at), (its, where) in zip(calls, others, strict=True)
    )
