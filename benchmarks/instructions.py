"""How many instructions the hot paths take: `python -m benchmarks.instructions` prints a table.

Valgrind counts them, to within half a percent on any machine, however busy.  What is stated is a share of what a JSON
line takes that is written and flushed by hand: that is about the same for each build of each version of Python (within
an eighth for CPython 3.11 to 3.13).  What the kernel does is not counted, nor how long memory is waited for.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.paths import MARK, PLAIN

EMPTY, BY_HAND = "an empty call", "a line by hand"
BUDGETS = {
    "a point": (0.085, 0.085),
    "autotrack.log": (0.165, 0.45),
    "an observed call": (1.65, 1.65),
    "a training": (49.0, 49.0),
    "a followed call": (0.155, 0.115),
    "a print": (0.31, 0.97),
    "an opened file": (1.13, 1.13),
    "a followed call, quick": (0.0195, None),
}
"""What a call may take more with us than without, in lines by hand: with what is compiled, and without.  About 1.4
times what was measured, and 1.3 times where only a part of the call is ours."""
PATHS = ("-m", "benchmarks.paths")
"""What goes through them, as Python is told it."""
_ROOT = Path(__file__).parents[1]
_TOTALS = re.compile(rb"^totals: (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Cost:
    """What a call takes more with us than without: instructions, and their share of those of a line by hand."""

    name: str
    instructions: float
    lines: float
    budget: float | None

    @property
    def over(self) -> bool:
        return self.budget is not None and self.lines > self.budget


def costs(*, compiled: bool, program: Sequence[str] = PATHS) -> list[Cost]:
    """Count, with or without what is compiled; `program`: what goes through the paths, as Python is told it.  Raises
    FileNotFoundError where there is no valgrind."""
    taken = _count(compiled, program)
    line = taken[BY_HAND] - taken[EMPTY]
    found = []
    for name in taken:
        if name == EMPTY or name.startswith(PLAIN):
            continue
        more = taken[name] - taken.get(PLAIN + name, taken[EMPTY])
        budget = BUDGETS.get(name, (None, None))[0 if compiled else 1]
        found.append(Cost(name, more, more / line, budget))
    return found


def _count(compiled: bool, program: Sequence[str]) -> dict[str, float]:
    """Instructions a call, by the name of the path."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AUTOTRACK_", "VALGRIND_"))}
    env |= {"PYTHONHASHSEED": "0", "AUTOTRACK_EXTENSION": "1" if compiled else "0"}
    with tempfile.TemporaryDirectory() as folder:
        words = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={folder}/out"]
        words += [f"--dump-before={MARK}", "--separate-threads=yes"]  # the first thread is the program's
        words += [sys.executable, *program, folder]
        done = subprocess.run(words, cwd=_ROOT, env=env, capture_output=True, text=True, timeout=240)
        if done.returncode:
            raise RuntimeError(f"{words} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        paths: list[tuple[str, int]] = json.loads((Path(folder) / "paths").read_text())
        return dict(_calls(Path(folder), paths))


def _calls(folder: Path, paths: list[tuple[str, int]]) -> Iterator[tuple[str, float]]:
    """Three phases a path: what comes before, so many calls, and twice as many."""
    for number, (name, calls) in enumerate(paths):
        once, twice = (_total(folder / f"out.{3 * number + phase}-01") for phase in (2, 3))
        yield name, (twice - once) / calls


def _total(dump: Path) -> int:
    found = _TOTALS.search(dump.read_bytes())
    assert found is not None, f"{dump} has no totals"
    return int(found[1])


def main() -> int:
    over = False
    for compiled in (True, False):
        print(f"{'compiled' if compiled else 'not compiled':32}{'instructions':>14}{'lines by hand':>16}  budget")
        for cost in costs(compiled=compiled):
            verdict = "" if cost.budget is None else f"≤ {cost.budget:g} {'OVER' if cost.over else 'ok'}"
            print(f"  {cost.name:30}{cost.instructions:>14.0f}{cost.lines:>16.4f}  {verdict}", flush=True)
            over = over or cost.over
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
