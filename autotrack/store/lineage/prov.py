"""A lineage as W3C PROV-JSON (https://www.w3.org/submissions/prov-json/).

Files, data and models are entities, runs and jobs activities, persons agents.  Ids are those of the lineage below
`urn:autotrack:`, percent-encoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from autotrack.store.lineage.graph import Edge, Lineage, Node
from autotrack.store.lineage.standards import text, wanted

if TYPE_CHECKING:
    from prov.model import ProvDocument

_LEFT_OUT = {"id", "kind", "params", "metrics", "paths", "parts", "git", "argv", "started", "duration", "name"}
"""What is written otherwise than as an attribute of its own name."""


def document(found: Lineage) -> ProvDocument:
    """The document of a lineage.  Raises StoreError where the library is missing."""
    model = wanted("prov.model")
    made: ProvDocument = model.ProvDocument()
    made.add_namespace("autotrack", "urn:autotrack:")
    for node in found.nodes.values():
        _add(made, model, node)
    for number, edge in enumerate(found.edges):
        _join(made, model, found, edge, f"autotrack:edge%2F{number}")
    _attribute(made, found)
    return made


def _id(node: str) -> str:
    return f"autotrack:{quote(node, safe='')}"


def _add(made: Any, model: Any, node: Node) -> None:
    attributes = _attributes(model, node)
    if node["kind"] == "person":
        made.agent(_id(node["id"]), [("prov:type", model.PROV["Person"]), *attributes])
    elif node["kind"] in ("run", "job"):
        begun = node["started"]
        ended = None if begun is None or node["duration"] is None else begun + node["duration"]
        made.activity(_id(node["id"]), _moment(begun), _moment(ended), attributes)
    else:
        made.entity(_id(node["id"]), attributes)
        for part, name in node.get("parts", {}).items():
            entity = made.entity(_id(f"data:{part}"), [("prov:label", text(name)), ("prov:type", "data")])
            made.hadMember(_id(node["id"]), entity)


def _attributes(model: Any, node: Node) -> list[tuple[str, Any]]:
    about: list[tuple[str, Any]] = [("prov:type", node["kind"])]
    if node.get("parts") or str(node.get("digest")).startswith("blake3-manifest:"):
        about.append(("prov:type", model.PROV["Collection"]))
    label = node.get("name") or next(iter(node.get("paths", ())), None)
    if label:
        about.append(("prov:label", text(label)))
    for name, value in node.items():
        if name not in _LEFT_OUT and value is not None:
            about.append((f"autotrack:{name}", _value(model, value)))
    about += [("prov:location", text(path)) for path in node.get("paths", ())]
    if node.get("argv"):
        about.append(("autotrack:argv", text(list(node["argv"]))))
    git: Mapping[str, Any] = node.get("git") or {}
    about += [(f"autotrack:git.{name}", _value(model, value)) for name, value in git.items() if value is not None]
    for group in ("params", "metrics"):
        for name, value in node.get(group, {}).items():
            about.append((f"autotrack:{group}.{quote(name, safe='')}", _value(model, value)))
    return about


def _value(model: Any, value: Any) -> Any:
    """A value with its type; the numbers that JSON lacks are those of XML Schema."""
    special = {"NaN": "NaN", "Infinity": "INF", "-Infinity": "-INF"}
    if isinstance(value, str) and value in special:
        return model.Literal(special[value], model.XSD_DOUBLE)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return model.Literal(str(value), model.XSD["integer"])
    return value if isinstance(value, float) else text(value)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _join(made: Any, model: Any, found: Lineage, edge: Edge, id: str) -> None:
    kind, later, earlier = edge["kind"], _id(edge["from"]), _id(edge["to"])
    told = [(f"autotrack:{name}", _value(model, edge[name])) for name in ("path", "step", "inferred") if name in edge]
    if edge.get("role"):
        told.append(("prov:role", text(edge["role"])))
    if kind == "used":
        made.used(later, earlier, _moment(edge.get("time")), id, told)
    elif kind == "generated":
        made.wasGeneratedBy(later, earlier, _moment(edge.get("time")), id, told)
    elif kind in ("copied", "alike"):
        made.wasGeneratedBy(later, earlier, _moment(edge.get("time")), id, [*told, ("prov:type", kind)])
    elif kind == "derived":
        made.wasDerivedFrom(later, earlier, identifier=id, other_attributes=told)
    elif kind == "holds":
        made.specializationOf(later, earlier)
    elif kind == "part_of" and found.nodes[edge["from"]]["kind"] == "file":
        made.hadMember(earlier, later)
    elif kind == "by":
        made.wasAssociatedWith(later, earlier, identifier=id, other_attributes=told)
    else:
        told.append(("prov:type", f"{kind}"))
        made.wasInformedBy(later, earlier, id, told)


def _attribute(made: Any, found: Lineage) -> None:
    """What a run or job made is of the person who ran it; a run is of the person of its job."""
    people = {node: edge["to"] for node in found.nodes for edge in found.origins(node, "by")}
    for node, about in found.nodes.items():
        person = people.get(f"job:{about['job']}") if about["kind"] == "run" else None
        if person is not None:
            made.wasAssociatedWith(_id(node), _id(person))
    for edge in found.edges:
        maker = found.nodes[edge["to"]]
        person = people.get(f"job:{maker.get('job')}") if edge["kind"] == "generated" else None
        if person is not None:
            made.wasAttributedTo(_id(edge["from"]), _id(person))
