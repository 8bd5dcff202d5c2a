"""A table of runs for people: what tells them apart, as far as there is room on the screen."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from autotrack.cli import output
from autotrack.store.interest import by_interest

if TYPE_CHECKING:
    from rich.table import Table

GROUPS = ("params", "metrics", "tags")
METRIC_COLUMNS, PARAM_COLUMNS = 4, 4
GUTTER = 3
"""Characters between two columns."""
NAME_WIDTH = 32

Run = dict[str, Any]


def value(run: Run, name: str) -> Any:
    """What stands in a column.  A name without a group that is no column is a metric's."""
    group, dot, key = name.partition(".")
    if dot and group in GROUPS:
        return run[group].get(key)
    if name == "started":
        return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(run["started"]))
    return run[name] if name in run else run["metrics"].get(name)


def table(runs: list[Run], width: int, names: list[str] | None = None) -> Table:
    """The runs as a table that is `width` characters wide at most, of these columns or of those that fit."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    names = names or fitting(runs, width)
    for name in names:
        numeric = name != "started" and all(_is_number(value(run, name)) for run in runs)
        made.add_column(_heading(name), justify="right" if numeric else "left", no_wrap=name in ("id", "status"))
    for run in runs:
        styles = {"status": output.STATUS_STYLES.get(run["status"], ""), "id": "bold"}
        made.add_row(*(Text(_cell(run, name), style=styles.get(name, "")) for name in names))
    return made


def fitting(runs: list[Run], width: int) -> list[str]:
    """The columns of a table on a screen of this width: what tells these runs apart, as far as there is room, what
    matters most first."""
    metrics, left, chosen = _metrics(runs)[:METRIC_COLUMNS], width, set()
    wanted = ["id", "name", "status", *metrics[:1], "duration", "started", *metrics[1:], *_tags(runs)]
    for name in [*wanted, *_varying_params(runs)[:PARAM_COLUMNS]]:
        needed = _width(runs, name) + GUTTER
        if needed <= left:
            chosen.add(name)
            left -= needed
    order = ["id", "name", "status", "started", "duration", *metrics, *_tags(runs), *_varying_params(runs)]
    return [name for name in order if name in chosen]


def _metrics(runs: list[Run]) -> list[str]:
    """Metrics by how many of the runs have them, then by split."""
    return [f"metrics.{name}" for name in by_interest(runs)]


def _tags(runs: list[Run]) -> list[str]:
    return [f"tags.{name}" for name in sorted({name for run in runs for name in run["tags"]})]


def _varying_params(runs: list[Run]) -> list[str]:
    """Parameters that differ between runs of one name or one search, by how many runs have them."""
    values: dict[tuple[str, str], set[str]] = {}
    counts: Counter[str] = Counter()
    for run in runs:
        for name, found in run["params"].items():
            counts[name] += 1
            values.setdefault((run["parent"] or run["name"], name), set()).add(str(found))
    varying = {name for (_, name), seen in values.items() if len(seen) > 1}
    return [f"params.{name}" for name in sorted(varying, key=lambda name: (-counts[name], len(name), name))]


def _heading(name: str) -> str:
    """A parameter, metric or tag by its own name; a parameter of something nested by the last part, `C` for
    `logisticregression__C`."""
    group, dot, key = name.partition(".")
    if name == "duration":
        return "took"
    if not dot or group not in GROUPS:
        return name
    own = key.rpartition("__")[2] if group == "params" else key
    return f"#{key}" if group == "tags" else output.short(own, 40)


def _is_number(found: Any) -> bool:
    return found is None or (isinstance(found, (int, float)) and not isinstance(found, bool))


_CELLS: dict[str, Callable[[Run], str]] = {
    "id": lambda run: output.short_id(run["id"]),
    "job": lambda run: output.short_id(run["job"]),
    "parent": lambda run: output.short_id(run["parent"] or ""),
    "started": lambda run: output.ago(run["started"]),
    "duration": lambda run: output.seconds(run["duration"]),
    "name": lambda run: output.short(run["name"], NAME_WIDTH),
}


def _cell(run: Run, name: str) -> str:
    if name in _CELLS:
        return _CELLS[name](run)
    found = value(run, name)
    return "" if found is None else output.short(found, 40)


def _width(runs: list[Run], name: str) -> int:
    return max(len(_heading(name)), *(len(_cell(run, name)) for run in runs))
