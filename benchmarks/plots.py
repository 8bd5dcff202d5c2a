"""The plots that README shows: `python -m benchmarks.plots RESULTS FOLDER`, of what `python -m benchmarks --json`
has written.  Each is an SVG for a light page and one for a dark one."""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.table import Entry, number, stored


class Theme(NamedTuple):
    """Colours, which differ in lightness too: to those who see no colours as well."""

    text: str
    grid: str
    others: str
    ours: str
    lines: tuple[str, ...]


THEMES = {
    "light": Theme("#24292f", "#d0d7de", "#afb8c1", "#0550ae", ("#0550ae", "#bf5700", "#1a7f37", "#8250df", "#9a6700")),
    "dark": Theme("#e6edf3", "#30363d", "#6e7681", "#58a6ff", ("#58a6ff", "#ffa657", "#56d364", "#d2a8ff", "#e3b341")),
}
MARKS = "os^Dvx*"
FLOOR = 0.5
"""Of the least cost that is drawn, the part at which an axis begins, and with it whatever is not above the noise."""


class Panel(NamedTuple):
    """What a panel shows: the results of a name, the unit on the axis, and where that begins at the earliest."""

    title: str
    workload: str
    name: str
    unit: str
    begin: float = 0.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plots", description=sys.modules["__main__"].__doc__)
    parser.add_argument("results", type=stored, help="what `python -m benchmarks --json` has written")
    parser.add_argument("folder", help="where to write the plots")
    arguments = parser.parse_args()
    folder = Path(arguments.folder)
    folder.mkdir(parents=True, exist_ok=True)
    plots: dict[str, Callable[[list[Entry], Theme, Path], bool]] = {"overhead": overhead, "growth": growth}
    for name, draw in plots.items():
        for theme, colours in THEMES.items():
            path = folder / f"{name}-{theme}.svg"
            print(path if draw(arguments.results, colours, path) else f"{path}: there are no results for it")
    return 0


PANELS = (
    Panel("Until a point can be recorded", "start", "start: until a point can be recorded", "ms more"),
    Panel("A point, on the calling thread", "points", "points: one point", "µs"),
    Panel("A small scikit-learn fit", "fits", "fits: LogisticRegression on digits", "ms more"),
    Panel("A step of 0.2 ms in PyTorch", "loops", "loops: a step of 0.2 ms", "µs more"),
    Panel(
        "End of the program, after 10,000 points", "exits", "exits: after 10,000 points, or 10 s of points", "ms more"
    ),
    Panel("Memory, after 10,000 points", "memories", "memories: of 10,000 points, or 10 s of points", "MB more", 1.0),
)


def overhead(results: list[Entry], theme: Theme, path: Path) -> bool:
    """A panel for each kind of cost, and in it a bar for each tracker, the cheapest first, on a logarithmic scale."""
    chosen = [(panel, _of_panel(results, panel)) for panel in PANELS]
    chosen = [(panel, entries) for panel, entries in chosen if entries]
    if not chosen:
        return False
    plt = _pyplot(theme)
    rows = math.ceil(len(chosen) / 2)
    figure, axes = plt.subplots(rows, 2, figsize=(10, 0.9 + 3.1 * rows), squeeze=False)
    for axis, (panel, entries) in zip(axes.flat, chosen, strict=False):
        _bars(axis, panel, entries, theme)
    for axis in list(axes.flat)[len(chosen) :]:
        axis.set_visible(False)
    _save(plt, figure, path)
    return True


def _of_panel(results: list[Entry], panel: Panel) -> list[Entry]:
    found = [entry for entry in results if (entry["workload"], entry["name"]) == (panel.workload, panel.name)]
    return sorted(found, key=lambda entry: float(entry["cost"]))


def _bars(axis: Any, panel: Panel, entries: list[Entry], theme: Theme) -> None:
    costs = [entry["cost"] for entry in entries]
    noise = statistics.median(max(abs(entry[end] or 0.0) for end in ("noise_low", "noise_high")) for entry in entries)
    least = min([cost for cost in costs if cost > 0], default=1.0)
    begin = max(panel.begin, FLOOR * min(least, noise or least))
    shown = [max(cost, begin) for cost in costs]
    ours = [entry["tracker"].startswith("autotrack") for entry in entries]
    places = list(range(len(entries)))[::-1]
    axis.barh(places, shown, left=0, color=[theme.ours if mine else theme.others for mine in ours], height=0.72)
    axis.set_xscale("log")
    axis.set_xlim(begin, max(shown) * 14)
    if noise > begin:
        axis.axvspan(begin, noise, color=theme.grid, alpha=0.45, linewidth=0)
    for place, cost, end, mine in zip(places, costs, shown, ours, strict=True):
        told = f" {number(cost)}" if cost > 0 else " not above the noise"
        axis.text(end, place, told, va="center", fontsize=8, color=theme.text, weight="bold" if mine else "normal")
    axis.set_yticks(places, [entry["by"].removesuffix(f" {entry['version']}") for entry in entries], fontsize=8)
    for label, mine in zip(axis.get_yticklabels(), ours, strict=True):
        label.set_weight("bold" if mine else "normal")
    axis.set_title(panel.title, fontsize=10, loc="left", weight="bold")
    axis.set_xlabel(f"{panel.unit}; shaded: within the noise" if noise > begin else panel.unit, fontsize=8)
    axis.grid(axis="x", color=theme.grid, linewidth=0.5)
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    _plain(axis.xaxis)
    axis.tick_params(axis="x", labelsize=8)


def _plain(axis: Any) -> None:
    """Powers of ten as numbers, and nothing between them."""
    from matplotlib import ticker

    axis.set_major_formatter(lambda value, _: _tick(value))
    axis.set_minor_locator(ticker.NullLocator())


def _tick(value: float) -> str:
    thousands = next((power for power in (2, 1) if value >= 1_000**power), 0)
    return f"{value / 1_000**thousands:.10g}{'kM'[thousands - 1] if thousands else ''}"


def growth(results: list[Entry], theme: Theme, path: Path) -> bool:
    """What commands take against the number of runs, jobs and points, both logarithmic."""
    sized = [
        entry for entry in results if entry["workload"] == "growth" and entry.get("size") and entry["unit"] == "ms"
    ]
    if not sized:
        return False
    plt = _pyplot(theme)
    kinds = [kind for kind in ("runs", "jobs", "points") if any(_kind(entry) == kind for entry in sized)]
    figure, axes = plt.subplots(1, len(kinds), figsize=(3.6 * len(kinds) + 0.4, 4.0), squeeze=False)
    for axis, kind in zip(axes.flat, kinds, strict=True):
        lines: dict[str, list[tuple[float, float]]] = {}
        for entry in sized:
            if _kind(entry) == kind:
                label = entry["name"].rpartition(", ")[0].removeprefix("growth: ")
                lines.setdefault(label, []).append((entry["size"], entry["cost"]))
        for at, (label, points) in enumerate(lines.items()):
            colour = theme.lines[at % len(theme.lines)]
            x, y = zip(*sorted(points), strict=True)
            axis.plot(x, y, marker=MARKS[at % len(MARKS)], markersize=4, linewidth=1.4, color=colour, label=label)
        axis.set_xscale("log")
        axis.set_yscale("log")
        _plain(axis.xaxis)
        _plain(axis.yaxis)
        axis.set_xlabel(kind, fontsize=9)
        axis.set_ylabel("ms" if axis is axes.flat[0] else "", fontsize=9)
        axis.grid(color=theme.grid, linewidth=0.5)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        low, high = axis.get_ylim()
        axis.set_ylim(min(low, 10), max(high, 1_000) * 8)  # room for the legend
        axis.legend(fontsize=7.5, loc="upper left", frameon=False)
    _save(plt, figure, path)
    return True


def _kind(entry: Entry) -> str:
    return str(entry["name"].rpartition(" ")[2])


def _pyplot(theme: Theme) -> Any:
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcdefaults()
    coloured: Any = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color")
    colours = dict.fromkeys(coloured, theme.text)
    plt.rcParams.update(
        {
            **colours,
            "axes.edgecolor": theme.grid,
            "axes.facecolor": "none",
            "figure.facecolor": "none",
            "font.family": ["sans-serif"],
            "svg.fonttype": "none",
            "svg.hashsalt": "autotrack",
        }
    )
    return plt


def _save(plt: Any, figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None}, transparent=True)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
