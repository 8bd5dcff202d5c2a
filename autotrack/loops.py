"""What plugins have in common that see a training by its steps, since no call makes it."""

from __future__ import annotations

from autotrack import context
from autotrack.strand import Strand


class LoopTraining:
    """A training in this process.  Those of a thread that take turns are one."""

    def __init__(self, strand: Strand) -> None:
        self.strand = strand
        self.entered = False
        """Whether anything of it has happened yet."""
        self.joined: set[int] = {id(self)}
        """The trainings that it was found to be one with."""

    def label(self) -> str:
        """What tells its names from the same ones of a training that it joins; "": its class does."""
        return ""

    def join(self, into: LoopTraining) -> None:
        """It is one with a training that was begun before."""
        if id(self) in into.joined:
            return
        self.strand.join(into.strand, self.label())
        self.strand.resume()
        into.joined |= self.joined
        self.joined = into.joined

    def enter(self, before: LoopTraining | None) -> None:
        """Something of it has happened in a thread, after something of another."""
        again, self.entered = self.entered, True
        if before is not None and before is not self and again:  # it goes on: the two take turns
            first, second = sorted((before, self), key=lambda entry: entry.strand.began)
            self.strand.resume()
            second.join(first)
            goes_on(self.strand)


def goes_on(strand: Strand) -> None:
    """A training that was begun before is what happens in this thread again."""
    if context.here.inside is None and context.latest.get() is not strand:
        context.began(strand)


def is_here(strand: Strand) -> bool:
    """Whether a training is what happens in this thread, and goes on record, as no call does that stands around it."""
    return context.here.inside is None and context.latest.get() is strand and strand.recording
