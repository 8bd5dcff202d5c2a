"""What differs between a run and the same program run once more."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

TIMES = re.compile(
    r"(^|[._/ -])((\w*_)?(times?|runtime|seconds?|secs?|duration|elapsed|latency|throughput|fps|it/s|memory|timestamp)"
    r"|(?<!\w)speed|\w*per_sec|time_(per|for|to|elapsed|taken)_?\w*)$|^(time|timing|perf|profiler?|throughput|system)[./]",
    re.IGNORECASE,
)
"""Names of what measures time or the machine: by their last word, or by their first part."""


class Difference(NamedTuple):
    """Something that is not as it was.  `what`: `exit`, `run`, `param`, `data`, `rng`, `series`, `model`, `metric`,
    `result`, `file`, `output`, or one of the plan's changes; `amount`: relative, of numbers; NaN where that is not
    known, as of weights by their digests."""

    what: str
    name: str
    before: Any
    now: Any
    step: int | None = None
    amount: float = math.inf


class Tally(dict[str, int]):
    """How many of each kind of thing were compared."""

    def __init__(self) -> None:
        super().__init__()
        self.timings: dict[str, None] = {}
        """The names of what differs, and was not compared."""
        self.by_chance = self.unfounded = False
        """Whether generators that a run has drawn from were in another state; whether that of a run of which nothing
        came that could be compared."""


_COMES = frozenset({"data", "metric"})
"""What comes of a run: it is another one where there is more of that."""


def of_names(what: str, before: Mapping[str, Any], now: Mapping[str, Any], compared: Tally) -> Iterator[Difference]:
    for name, value in before.items():
        if what in ("metric", "result") and TIMES.search(name):
            if value != now.get(name):
                compared.timings[name] = None
            continue
        compared[what] = compared.get(what, 0) + 1
        other = now.get(name)
        if other is None and what == "result":  # some are left out where the machine is slow
            continue
        if value != other:
            yield Difference(what, name, value, other, amount=math.nan if what == "model" else relative(value, other))
    for name, value in now.items():
        if what in _COMES and name not in before and not TIMES.search(name):
            yield Difference(what, name, None, value)


def relative(before: Any, now: Any) -> float:
    """How far two numbers are apart, of the larger one; infinite for what is none."""
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (before, now))
    if not numbers:
        return math.inf
    largest = max(abs(before), abs(now))
    return abs(before - now) / largest if largest else 0.0
