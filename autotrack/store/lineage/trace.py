"""What is asked for, and which way it is followed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from autotrack.store.database import Database
from autotrack.store.lineage import downward, upward
from autotrack.store.lineage.graph import Lineage
from autotrack.store.lineage.nodes import Nodes
from autotrack.store.present import presented
from autotrack.values import storable


class Known(NamedTuple):
    """Something of the store: a `run`, `job`, `data`, `model` or `file`, by its id or digest."""

    kind: str
    id: str
    path: str = ""
    """Of a file, where it lay."""


class Within(NamedTuple):
    """What is known in place of a file: the folder that it is `part_of`, or what it is `derived` from."""

    known: Known
    kind: str
    inferred: bool


class FileNow(NamedTuple):
    """A file as it is now: its digest, its path, its size in bytes, and the identity of the model in it."""

    digest: str
    path: str
    bytes: int | None = None
    model: str | None = None
    within: Within | None = None


def trace(
    database: Database, targets: Iterable[FileNow | Known], *, down: bool = False, everything: bool = False
) -> Lineage:
    """Follow the targets to what they came from, and to who used them; with `down`, to all that came of them."""
    found = Lineage()
    nodes, paths = Nodes(database, found, everything=everything), dict[str, str]()
    for target in targets:
        if isinstance(target, FileNow):
            node = nodes.file(target.digest, target.path, target.bytes, target.model)
        elif target.kind == "file":
            node = nodes.file(target.id, None, None)
        elif target.kind == "run":
            node = str((nodes.run(target.id) or {}).get("id"))
        else:
            node = {"job": nodes.job, "model": nodes.model, "data": nodes.known_data}[target.kind](target.id)
        if node in found.nodes and node not in paths:
            found.target.append(node)
            paths[node] = storable(target.path)
            if isinstance(target, FileNow) and target.within is not None:
                known, kind, inferred = target.within
                other = nodes.file(known.id, None, None)
                found.join(kind, node, other, path=presented(known.path), inferred=inferred)
                paths[other] = storable(known.path)
    if down:
        downward.follow(nodes, list(paths))
    else:
        upward.follow(nodes, paths)
        downward.follow(nodes, list(paths), users=True)
    nodes.describe_jobs()
    return found
