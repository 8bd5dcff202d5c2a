"""What the hot paths may cost, in instructions: the same on a busy machine as on an idle one.

The budgets stand in `benchmarks.instructions`.  They are about 1.4 times what was measured: a path that takes twice as
much is over its own, and another build of Python is not.
"""

from __future__ import annotations

import shutil

import pytest

from autotrack.extension import built
from benchmarks.instructions import BUDGETS, PATHS, Cost, costs

pytestmark = pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind, which counts, is not installed")

TWICE = """
import sys
from pathlib import Path
import benchmarks  # first: it sees to it that what is installed is measured
from autotrack import manual, patching, series, shield
from autotrack.capture import files, writes
from autotrack.patching import Observation

def twice(owner, name):
    once = getattr(owner, name)
    def both(*args, **kwargs):
        once(*args, **kwargs)
        return once(*args, **kwargs)
    setattr(owner, name, both)

first = manual._first

def first_twice(job):
    def both(*call):
        once(*call)
        return once(*call)
    once = first(job)
    return both

manual._first = first_twice
twice(series.Series, "record")
twice(files.Files, "_opened_file")

begin, finish, begun = patching._begin, Observation.finish, []

def begin_twice(*call):
    begun.append(begin(*call))
    return begin(*call)

def finish_twice(observation, result):
    finish(begun.pop(), result)
    finish(observation, result)

patching._begin, Observation.finish = begin_twice, finish_twice

followed, made = shield.followed, writes.made
shield.followed = lambda where, original, *rest: followed(where, followed(where, original, *rest), *rest)

def made_twice(console, job, number, put, *rest):
    return made(console, job, number, made(console, job, number, put, *rest), *rest)

writes.made = made_twice

from benchmarks.paths import main
main(Path(sys.argv[1]))
"""


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "not-compiled"])
def test_hot_paths_keep_their_budgets(compiled: bool) -> None:
    assert not [_told(cost) for cost in _budgeted(compiled) if cost.over]


def test_what_costs_twice_as_much_is_over() -> None:
    assert not [_told(cost) for cost in _budgeted(True, "-c", TWICE) if not cost.over]


def _budgeted(compiled: bool, *program: str) -> list[Cost]:
    if compiled and built("autotrack._hot") is None:
        pytest.skip("the extension is not built, or not used")
    found = [cost for cost in costs(compiled=compiled, program=program or PATHS) if cost.budget is not None]
    assert [cost.name for cost in found] == [name for name, pair in BUDGETS.items() if pair[0 if compiled else 1]]
    return found


def _told(cost: Cost) -> str:
    return f"{cost.name}: {cost.instructions:.0f} instructions are {cost.lines:.4f} lines by hand, of {cost.budget}"
