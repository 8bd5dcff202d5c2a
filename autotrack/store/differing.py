"""How the data of runs differs, in rows that `autotrack compare` and the web page show, and in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from autotrack.shortened import short

if TYPE_CHECKING:
    from autotrack.store.query import Store

NAMED = 8
"""Names in a sentence."""


def parts(run: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(role/part, part) of the data that a run used: `train/labels`."""
    for dataset in run["datasets"]:
        for part in dataset["parts"] or [dataset]:
            yield f"{dataset['role']}/{part['name'] or 'features'}", part


def identity(part: dict[str, Any], digest: str | None) -> str:
    """The identity of a part, or the beginning of it, with what it can be trusted for."""
    told = digest or "no identity"
    if part["method"] == "whole" or (str(part["id"]).startswith("blake3-manifest:") and part["method"] == "manifest"):
        return told
    if str(part["id"]).startswith("stat-manifest:") and part["method"] == "manifest":
        return f"{told} (names, sizes and times)"
    seen, rows = part["seen"], part["rows"]
    if part["method"] != "observed" or seen is None or seen == rows:
        return f"{told} ({part['method']})"
    return f"{told} (observed {seen:,} {'rows' if rows is None else f'of {rows:,} rows'})"


def percent(count: int, of: int) -> str:
    """A share, never rounded to all or nothing: `80 %`, `under 1 %`, `over 99 %`."""
    share = 100 * count / of if of else 0.0
    if 0 < share < 1:
        return "under 1 %"
    return "over 99 %" if 99 < share < 100 else f"{share:.0f} %"


def differences(store: Store, runs: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Role/part to the rows that say how the data of each later run differs from that of the first."""
    known = [dict(parts(run)) for run in runs]
    found: dict[str, list[dict[str, Any]]] = {}
    for what, first in known[0].items():
        of_runs = [{}, *(_between(store, first, of.get(what)) for of in known[1:])]
        found[what] = [
            {
                "section": "data",
                "name": f"{what} {aspect}",
                "values": [of.get(aspect) for of in of_runs],
                "same": False,
                "present": [aspect in of for of in of_runs],
            }
            for aspect in _WORDS
            if any(aspect in of for of in of_runs)
        ]
    return found


def _between(store: Store, first: dict[str, Any], other: dict[str, Any] | None) -> dict[str, Any]:
    """Aspect to how the other part differs from the first in it."""
    if other is None or not first["profile"] or not other["profile"] or first["id"] == other["id"]:
        return {}
    if _sparse(first) != _sparse(other) or _scheme(first) != _scheme(other):
        return {}  # nothing in their profiles can be compared
    difference = store.data_difference(first["id"], other["id"])
    if difference is None:
        return {}
    columns, rows = difference["columns"], difference["rows"]
    told = {f"columns {aspect}": found for aspect, found in columns.items() if found}
    told |= {f"files {aspect}": found for aspect, found in difference["files"].items() if found}
    if columns["changed"]:
        told["columns changed"] = {
            "names": columns["changed"],
            "all": len(columns["changed"]) == difference["common"] > 1,
        }
    if any(difference["left_out"]):
        told["columns without a profile"] = difference["left_out"]
    if rows["same"] or rows["same_in_common"] or rows["shared"] is not None:
        alike = difference["common"] > 0 and not any(columns[aspect] for aspect in columns if aspect != "changed")
        told["rows"] = {**rows, "same_columns": alike and not any(difference["left_out"])}
    return told


def _scheme(part: dict[str, Any]) -> str:
    """How rows are told apart: by their values, by their bytes as they pass, by their files."""
    return str(part["id"]).partition(":")[0]


def _sparse(part: dict[str, Any]) -> bool:
    return str(part["kind"]).startswith("scipy.")


def in_words(name: str, value: Any) -> str | None:
    """The text of a value of one of these rows; None for those of other rows."""
    for aspect, words in _WORDS.items():
        if name.endswith(f" {aspect}"):
            return words(value)
    return None


def _listed(names: list[str]) -> str:
    shown = [short(name, 40) or "the one without a name" for name in names[:NAMED]]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def _changed(value: dict[str, Any]) -> str:
    return f"all {len(value['names'])} that are in both" if value["all"] else _listed(value["names"])


def _renamed(value: list[dict[str, Any]]) -> str:
    return _listed([f"{one['from']} → {one['to']}" for one in value])


def _retyped(value: list[dict[str, Any]]) -> str:
    return _listed([f"{one['name']} {one['from']} → {one['to']}" for one in value])


def _moved(value: list[dict[str, Any]]) -> str:
    return _listed([f"{one['name']} from place {one['from'] + 1} to {one['to'] + 1}" for one in value])


def _rows(value: dict[str, Any]) -> str:
    if value["same"]:
        order = {None: "", False: " in the same order", True: " in another order"}[value["reordered"]]
        return f"the same rows{order}" + (", the same columns" if value["same_columns"] else "")
    if value["same_in_common"]:
        return "the same in the columns that are in both"
    exact = value["exact"]
    about = "" if exact else "about "
    if not value["shared"] and not value["shared_of_first"]:
        if exact:
            return f"none shared: {value['of_first']:,} and {value['of']:,} others"
        return f"few or none shared of {value['of_first']:,} and {value['of']:,}"
    count, of, count_of_first, of_first = (value[name] for name in ("shared", "of", "shared_of_first", "of_first"))
    shared = f"{about}{count:,} of {of:,} rows ({_share(count, of, exact)}) shared"
    if (count, of) == (count_of_first, of_first):
        return shared
    return f"{shared}; of the first, {count_of_first:,} of {of_first:,} ({_share(count_of_first, of_first, exact)})"


def _share(count: int, of: int, exact: bool) -> str:
    """An estimate is never told as all or nothing."""
    if exact:
        return percent(count, of)
    return "under 1 %" if count == 0 < of else "over 99 %" if count >= of > 0 else percent(count, of)


_WORDS: dict[str, Callable[[Any], str]] = {
    "columns added": _listed,
    "columns removed": _listed,
    "columns renamed": _renamed,
    "columns retyped": _retyped,
    "columns changed": _changed,
    "columns moved": _moved,
    "columns without a profile": lambda value: f"{value[0]:,} and {value[1]:,}, which are not compared",
    "files added": _listed,
    "files removed": _listed,
    "files renamed": _renamed,
    "files changed": _listed,
    "rows": _rows,
}
