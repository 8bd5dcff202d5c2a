"""What a lineage is made of: nodes and the edges between them.

Edges point from what came later to what it came from, as in W3C PROV: a run `used` data, a file was `generated` by a
run, a file `holds` a model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, TypeAlias

Node: TypeAlias = dict[str, Any]
Edge: TypeAlias = dict[str, Any]

KINDS = {
    "used": "a run or job read a file, trained on data, or scored a model",
    "generated": "a file was written, or a model trained, by a run or job",
    "copied": "a file was written by a run or job that had read the same content before",
    "alike": "another run or job has made a file of the same content, elsewhere",
    "derived": "a file holds the same model as another one, or what lay at its path before went into it",
    "holds": "a file has a model in it",
    "resumed": "a run went on from the model of another one",
    "followed": "a job had begun a run by the time in question: what it did then may have come of that",
    "part_of": "a run belongs to a job, or to the search that made it; a file, to a folder that was met as one",
    "started_by": "a job was started by another one",
    "by": "a job was run by a person",
}
"""The kinds of edges, from the later to the earlier."""


class Lineage:
    """Nodes by their ids, and the edges between them.

    A node has `id`, `kind` (`file`, `data`, `model`, `run`, `job`, `person`) and what is known of it; an edge has
    `kind`, `from`, `to`, and what tells it from others: `path`, `time`, `step`, `role`, `inferred`.
    """

    def __init__(self) -> None:
        self.target: list[str] = []
        """The nodes that were asked for."""
        self.nodes: dict[str, Node] = {}
        self.left_out = 0
        """How many things were not followed, since there are too many."""
        self._edges: dict[tuple[Any, ...], Edge] = {}
        self._from: dict[str, list[Edge]] = defaultdict(list)
        self._to: dict[str, list[Edge]] = defaultdict(list)

    @property
    def edges(self) -> list[Edge]:
        return list(self._edges.values())

    def join(self, kind: str, later: str, earlier: str, **about: Any) -> None:
        """An edge from what came later to what it came from; one of a kind, `role` and `path` is there once."""
        key = kind, later, earlier, about.get("role"), about.get("path")
        if key not in self._edges and later != earlier:
            told = {name: value for name, value in about.items() if value not in (None, False)}
            edge = self._edges[key] = {"kind": kind, "from": later, "to": earlier, **told}
            self._from[later].append(edge)
            self._to[earlier].append(edge)

    def origins(self, node: str, *kinds: str) -> Iterator[Edge]:
        """The edges of these kinds to what a node came from."""
        return (edge for edge in self._from.get(node, ()) if edge["kind"] in kinds)

    def outcomes(self, node: str, *kinds: str) -> Iterator[Edge]:
        """The edges of these kinds to what came of a node."""
        return (edge for edge in self._to.get(node, ()) if edge["kind"] in kinds)

    def as_dict(self) -> dict[str, Any]:
        """`{"target": [id], "nodes": [...], "edges": [...], "left_out": number}`."""
        edges = self.edges
        return {"target": self.target, "nodes": list(self.nodes.values()), "edges": edges, "left_out": self.left_out}
