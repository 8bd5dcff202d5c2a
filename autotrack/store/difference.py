"""How two datasets differ, told from their profiles: which columns, and which rows.

Where the rows are the same, whatever their order, columns belong together by their place.  Elsewhere they do by their
name, and those that are left by their content: such a column is renamed, unless it holds one value, which many do.
Columns of arrays have no names of their own: what one holds is looked for first, wherever it stands; and where only
one dataset has names, what is left belongs together in its order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import Any

from autotrack.events import ColumnProfile, DataProfiled
from autotrack.store.present import presented

FEW = 20
"""Different rows; with as few, that others have the same says nothing."""
Columns = Sequence[ColumnProfile]
Pairs = list[tuple[int, int]]
"""Positions in the first and in the second dataset of columns that belong together, ascending by the first."""


def difference(first: DataProfiled, second: DataProfiled) -> dict[str, Any]:
    """What `Store.data_difference` returns."""
    pairs, removed, added = _paired(first, second)
    both = [(first.columns[one], second.columns[other]) for one, other in pairs]
    alike = [(one, other) for one, other in both if one.type == other.type]
    moved = _moved(pairs)
    named = not (_nameless(first.columns) or _nameless(second.columns))
    same = first.unordered == second.unordered
    columns = {
        "added": [] if first.left_out else [presented(second.columns[at].name) for at in added],
        "removed": [] if second.left_out else [presented(first.columns[at].name) for at in removed],
        "renamed": [
            {"from": presented(one.name), "to": presented(other.name)}
            for one, other in both
            if one.name != other.name and named
        ],
        "retyped": [
            {"name": _told(one, other), "from": presented(one.type), "to": presented(other.type)}
            for one, other in both
            if one.type != other.type
        ],
        "changed": [_told(one, other) for one, other in alike if one.digest != other.digest and not same],
        "moved": [
            {"name": presented(first.columns[one].name), "from": one, "to": other}
            for one, other in pairs
            if (one, other) in moved
        ],
    }
    files = _files(dict(first.files), dict(second.files))
    equal = [one.digest == other.digest for one, other in alike]
    told = same or (_width(first) == _width(second) and not (removed or added or moved))
    varied = not (_repetitive(first) and _repetitive(second))
    return {
        "columns": columns,
        "files": files,
        "common": len(pairs),
        "left_out": [first.left_out, second.left_out],
        "rows": {
            "same": same,
            "reordered": _reordered(first, second) if same else None,
            "same_in_common": len(alike) == len(both) and all(equal) and not all(_constant(one) for one, _ in both),
            **_shared(first, second, told=told, varied=varied),
        },
    }


def _files(first: dict[str, str], second: dict[str, str]) -> dict[str, Any]:
    """How the files of two manifests differ: a renamed one is the only one of its content in both."""
    removed = {digest: name for name, digest in first.items() if name not in second}
    renamed = []
    for name, digest in second.items():
        if name not in first and digest in removed:
            renamed.append({"from": presented(removed.pop(digest)), "to": presented(name)})
    moved = {pair["to"] for pair in renamed} | {pair["from"] for pair in renamed}
    return {
        "added": [shown for name in second if name not in first and (shown := presented(name)) not in moved],
        "removed": [shown for name in first if name not in second and (shown := presented(name)) not in moved],
        "renamed": renamed,
        "changed": [presented(name) for name, digest in first.items() if second.get(name, digest) != digest],
    }


def _reordered(first: DataProfiled, second: DataProfiled) -> bool | None:
    """Whether the same rows are in another order; None where a profile doesn't tell."""
    return first.ordered != second.ordered if first.ordered and second.ordered else None


def _constant(column: ColumnProfile) -> bool:
    """Whether all entries are the same, as far as is known: that another column is as this one says nothing."""
    if column.counts is None:
        return False
    kinds = (column.nulls, column.nans, column.infinities)
    return len(column.counts) + sum(1 for often in kinds if often) <= 1


def _repetitive(profile: DataProfiled) -> bool:
    """Whether the rows are a few that come up again and again, as labels are."""
    return profile.distinct <= FEW and profile.rows > 2 * profile.distinct


def _shared(first: DataProfiled, second: DataProfiled, *, told: bool, varied: bool) -> dict[str, Any]:
    """How many rows are shared; None where that says nothing: none is, and other columns may be why, or any row
    would be."""
    from autotrack.identity import rows

    if first.unordered == second.unordered:
        of_first, of_second, exact = first.rows, second.rows, True
    else:
        of_first, of_second, exact = rows.shared(rows.sketch_of(first), rows.sketch_of(second))
    known = first.unordered == second.unordered or (varied and (told or of_second > 0))
    return {
        "shared": of_second if known else None,
        "of": second.rows,
        "shared_of_first": of_first if known else None,
        "of_first": first.rows,
        "exact": exact if known else None,
    }


def _width(profile: DataProfiled) -> int:
    return len(profile.columns) + profile.left_out


def _told(one: ColumnProfile, other: ColumnProfile) -> str:
    """The name of a column that is in both: where only one has names, that one's."""
    return str(presented(one.name if not other.name or other.name.isdecimal() else other.name))


def _nameless(columns: Columns) -> bool:
    names = [column.name for column in columns]
    return names == [str(at) for at in range(len(names))] or not any(names)


def _paired(first: DataProfiled, second: DataProfiled) -> tuple[Pairs, list[int], list[int]]:
    """Which columns belong together, and the positions of those that are left in either."""
    if first.unordered == second.unordered and len(first.columns) == len(second.columns):
        return [(at, at) for at in range(len(first.columns))], [], []
    by: list[Callable[[ColumnProfile], Any]] = [_name_and_digest, _name, _digest]
    nameless = [_nameless(profile.columns) for profile in (first, second)]
    if all(nameless):
        by = [_name_and_digest, _digest, _name]
    if _width(first) == _width(second) and any(nameless):
        by.append(lambda column: None)  # what is left is in the same order
    pairs: Pairs = []
    ours, theirs = list(range(len(first.columns))), list(range(len(second.columns)))
    for key in by:
        waiting: dict[Any, deque[int]] = defaultdict(deque)
        for at in theirs:
            waiting[key(second.columns[at])].append(at)
        able = [at for at in ours if key is not _digest or all(nameless) or not _constant(first.columns[at])]
        found = {at: waiting[value].popleft() for at in able if waiting[value := key(first.columns[at])]}
        pairs += found.items()
        taken = set(found.values())
        ours, theirs = [at for at in ours if at not in found], [at for at in theirs if at not in taken]
    return sorted(pairs), ours, theirs


def _name_and_digest(column: ColumnProfile) -> Any:
    return column.name, column.digest


def _name(column: ColumnProfile) -> Any:
    return column.name


def _digest(column: ColumnProfile) -> Any:
    return column.digest


def _moved(pairs: Pairs) -> set[tuple[int, int]]:
    """The fewest columns that must be taken out for the rest to be in the same order: all but those of a longest
    increasing subsequence."""
    ends: list[int] = []
    chains: list[int] = []
    before: list[int | None] = []
    for at, (_, position) in enumerate(pairs):
        length = bisect_left(ends, position)
        before.append(chains[length - 1] if length else None)
        ends[length : length + 1] = [position]
        chains[length : length + 1] = [at]
    kept, last = set(), chains[-1] if chains else None
    while last is not None:
        kept.add(last)
        last = before[last]
    return {pair for at, pair in enumerate(pairs) if at not in kept}
