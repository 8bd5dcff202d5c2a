"""How much each parameter tells of a metric, over many runs.

The runs are grouped by the value of a parameter: a number that has more than `GROUPS` values by its quantiles, anything
else by the value itself.  The importance is the share of the spread of the metric's ranks that these groups explain:
the correlation ratio of ranks, which is Kruskal and Wallis' H (1952, https://doi.org/10.1080/01621459.1952.10483441)
as an effect, `(H - k + 1) / (n - k)` of k groups and n runs (Tomczak and Tomczak, 2014, Trends in Sport Sciences 1(21),
p. 23), 0 where chance would explain as much.  It takes ranks, so that one run that has diverged does not decide, and
groups, so that a value that is best in the middle shows; each parameter is looked at alone, so that what two do only
together does not.  `chance` is the share of `SHUFFLES` shuffled orders of the metric (from a fixed seed) of which any
of the parameters explains as much: where many are looked at, one looks important by chance (Westfall and Young, 1993,
"Resampling-Based Multiple Testing", algorithm 2.5).  What they explain is compared as H on the scale of a normal
deviate (Wilson and Hilferty, 1931, https://doi.org/10.1073/pnas.17.12.684), so that one that few runs have, of which
chance explains more, hides no other.  `correlation`, of numbers, is Spearman's.

Parameters that were changed together can't be told apart: `together` names those whose groups say the same, by
Cramér's V without its bias (Bergsma, 2013, https://doi.org/10.1016/j.jkss.2012.10.002) of `TOGETHER` or more.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy

if TYPE_CHECKING:
    from autotrack.store.curve import Array

FEWEST = 10
"""Runs that there are to be."""
GROUPS = 5
SHUFFLES = 499
TOGETHER = 0.9
LARGEST = sys.float_info.max
MOST = 100
"""Parameters: those that most of the runs have."""

Run = Mapping[str, Any]


class _Grouped(NamedTuple):
    name: str
    runs: Array
    """Which of the runs have it."""
    groups: Array
    """Of each of these, from 0 on."""
    values: int
    correlation: float | None


def importance(runs: Sequence[Run], metric: str) -> dict[str, Any]:
    """`{metric, runs, without, odd, parameters: [{name, importance, correlation, chance, runs, values, together}],
    left_out: [{name, why}], why}`, the most important first.

    `runs` is how many it rests on: those whose metric is a number; `without` have none, of `odd` ones it is NaN or
    infinite.  `correlation` is None for what is no number, `values` how many different ones there are.  `why` says why
    there is nothing, where the runs are too few to tell."""
    held = [(run, run["metrics"][metric]) for run in runs if metric in run["metrics"]]
    used = [(run, float(value)) for run, value in held if _is_number(value)]
    told: dict[str, Any] = {"metric": metric, "runs": len(used), "without": len(runs) - len(held)}
    told |= {"odd": len(held) - len(used), "parameters": [], "left_out": [], "why": None}
    values = numpy.array([value for _, value in used])
    if len(used) < FEWEST:
        told["why"] = f"{len(used)} runs have a number for it; {FEWEST} are the fewest that can tell"
    elif (values == values[0]).all():
        told["why"] = "it is the same in all of these runs"
    if told["why"] is not None:
        return told
    found: list[_Grouped] = []
    names = varying([run for run, _ in used])
    told["left_out"] = [{"name": name, "why": f"beyond the {MOST} that most runs have"} for name in names[MOST:]]
    for name in names[:MOST]:
        grouped = _grouped(name, [run["params"] for run, _ in used], values)
        if isinstance(grouped, str):
            told["left_out"].append({"name": name, "why": grouped})
        else:
            found.append(grouped)
    effects, by_chance = _effects(found, _ranks(values))
    together = _together(found, len(values))
    for grouped, effect, chance in zip(found, effects, by_chance, strict=True):
        about = {"name": grouped.name, "importance": effect, "correlation": grouped.correlation, "chance": chance}
        about |= {"runs": len(grouped.runs), "values": grouped.values, "together": together[grouped.name]}
        told["parameters"].append(about)
    told["parameters"].sort(key=lambda one: (-one["importance"], one["chance"], one["name"]))
    return told


def varying(runs: Sequence[Run]) -> list[str]:
    """The parameters that are not the same in all of the runs that have them, by how many have them."""
    seen: dict[str, dict[str, int]] = {}
    for run in runs:
        for name, value in run["params"].items():
            text = _text(value)
            counts = seen.setdefault(name, {})
            counts[text] = counts.get(text, 0) + 1
    kept = {name: sum(counts.values()) for name, counts in seen.items() if len(counts) > 1}
    return sorted(kept, key=lambda name: (-kept[name], len(name), name))


def _is_number(value: Any) -> bool:
    """Whether it is one that a float can be; larger integers are told by their digits."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _grouped(name: str, params: Sequence[Mapping[str, Any]], metric: Array) -> _Grouped | str:
    """A parameter by groups, or why it tells nothing."""
    at = numpy.array([place for place, held in enumerate(params) if name in held])
    values = [params[place][name] for place in at]
    if len(at) < FEWEST:
        return f"only {len(at)} of these runs have it"
    if all(map(_is_number, values)):
        numbers = numpy.array(values, dtype=float)
        different = len(numpy.unique(numbers))
        ranks, groups = _ranks(numbers), numpy.unique(numbers, return_inverse=True)[1]
        if different > GROUPS:
            groups = numpy.unique((ranks * GROUPS / len(ranks)).astype(int), return_inverse=True)[1]
        return _Grouped(name, at, groups, different, _correlation(ranks, _ranks(metric[at])))
    groups = numpy.unique([_text(value) for value in values], return_inverse=True)[1]
    different = int(groups.max()) + 1
    if different * 2 > len(at):
        return f"{different} different values in {len(at)} runs: too many to tell"
    return _Grouped(name, at, groups, different, None)


def _effects(found: Sequence[_Grouped], ranks: Array) -> tuple[list[float], list[float]]:
    """Of each parameter, the share of the spread of the ranks that it explains, and how often chance explains as
    much."""
    orders = numpy.tile(ranks, (SHUFFLES + 1, 1))
    orders[1:] = numpy.random.default_rng(0).permuted(orders[1:], axis=1)
    if not found:
        return [], []
    effects, deviates = zip(*(_explained(one, orders) for one in found), strict=True)
    best = numpy.max(deviates, axis=0)[1:]
    chances = [(int((best >= deviate[0] - 1e-9).sum()) + 1) / (SHUFFLES + 1) for deviate in deviates]
    return [min(max(effect, 0.0), 1.0) for effect in effects], chances


def _explained(one: _Grouped, orders: Array) -> tuple[float, Array]:
    """The effect in the first of these orders of all the runs, and H as a normal deviate in each."""
    ranks = orders[:, one.runs]
    ranks = ranks - ranks.mean(axis=1, keepdims=True)
    sizes = numpy.bincount(one.groups)
    count, groups = len(one.runs), len(sizes)
    member = numpy.zeros((count, groups))
    member[numpy.arange(count), one.groups] = 1.0
    between = ((ranks @ member) ** 2 / sizes).sum(axis=1)
    h = (count - 1) * between / numpy.maximum((ranks**2).sum(axis=1), 1e-12)
    freedom = max(groups - 1, 1)
    deviates: Array = ((h / freedom) ** (1 / 3) - 1 + 2 / (9 * freedom)) / (2 / (9 * freedom)) ** 0.5
    return float((h[0] - groups + 1) / max(count - groups, 1)), deviates


def _together(found: Sequence[_Grouped], count: int) -> dict[str, list[str]]:
    """Name to the names of those whose groups go with those of this one."""
    names: dict[str, list[str]] = {one.name: [] for one in found}
    groups = []
    for one in found:
        groups.append(numpy.full(count, -1))
        groups[-1][one.runs] = one.groups
    for (one, mine), (other, theirs) in combinations(zip(found, groups, strict=True), 2):
        both = (mine >= 0) & (theirs >= 0)
        if both.sum() >= FEWEST and _cramer(mine[both], theirs[both]) >= TOGETHER:
            names[one.name].append(other.name)
            names[other.name].append(one.name)
    return names


def _cramer(one: Array, other: Array) -> float:
    r, c, n = int(one.max()) + 1, int(other.max()) + 1, len(one)
    table = numpy.bincount(one * c + other, minlength=r * c).reshape(r, c)
    table = table[table.any(axis=1)][:, table.any(axis=0)]
    r, c = table.shape
    if min(r, c) < 2:
        return 0.0
    expected = numpy.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi = max(float(((table - expected) ** 2 / expected).sum()) / n - (r - 1) * (c - 1) / (n - 1), 0.0)
    least = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return float((phi / least) ** 0.5) if least > 0 else 0.0


def _ranks(values: Array) -> Array:
    """From 0 on; equals share the mean of theirs."""
    _, places, counts = numpy.unique(values, return_inverse=True, return_counts=True)
    ends = numpy.cumsum(counts)
    ranks: Array = (ends - (counts + 1) / 2)[places]
    return ranks


def _correlation(one: Array, other: Array) -> float | None:
    if (one == one[0]).all() or (other == other[0]).all():
        return None
    return float(numpy.corrcoef(one, other)[0, 1])
