"""A lineage as a tree for people, as rows, and as a graph for Graphviz."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from autotrack.cli import output
from autotrack.store.lineage import Lineage

if TYPE_CHECKING:
    from rich.text import Text
    from rich.tree import Tree

Node = dict[str, Any]
DEEPEST = 16
"""Levels of a tree that are drawn; what lies deeper says how deep."""
VALUES = 6
"""Parameters and metrics of a run that a tree names."""


_WORDS = {
    "generated": "written by", "derived": "same model as", "copied": "copied by", "alike": "same content by",
    "used": "read", "resumed": "went on from", "followed": "after",
}  # fmt: skip
"""How a node relates to what it came from, by the kinds of edges."""


class Step(NamedTuple):
    """A node as it is met on the way: how it is related to the one above, and by which edge."""

    depth: int
    relation: str
    node: Node
    edge: dict[str, Any]
    again: bool
    """Whether what comes of it stands further up."""


def steps(found: Lineage, *, down: bool) -> Iterator[Step]:
    """The nodes in the order of a tree, each followed once.  After what the targets came from, who used them."""
    for target in found.target:
        seen: set[str] = set()
        yield from _steps(found, Step(0, "", found.nodes[target], {}, False), seen, down)
        if not down:
            for relation, id, edge in _users(found, target, alike=True):
                user = Step(1, relation, found.nodes[id], edge, False)
                if found.nodes[target]["kind"] == "data":  # of which no more is known than what they had read
                    yield from _steps(found, user, seen, down)
                else:
                    yield user


def _steps(found: Lineage, first: Step, seen: set[str], down: bool) -> Iterator[Step]:
    waiting = [first]
    while waiting:
        step = waiting.pop()
        again = step.node["id"] in seen
        follows = list((_outcomes if down else _origins)(found, step.node["id"]))
        yield step._replace(again=again and bool(follows))
        if not again:
            seen.add(step.node["id"])
            below = [Step(step.depth + 1, relation, found.nodes[id], edge, False) for relation, id, edge in follows]
            waiting += reversed(below)


def _origins(found: Lineage, node: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """How a node relates to what it came from."""
    kind = found.nodes[node]["kind"]
    for edge in sorted(found.origins(node, *_WORDS), key=_order(found)):
        to = found.nodes[edge["to"]]
        relation = _WORDS[edge["kind"]]
        if to["kind"] == "data":
            relation = _data_relation(edge)
        elif to["kind"] == "model":
            relation = "started from" if edge.get("role") == "start" else "scored"
        elif kind == "model":
            relation = "trained by"
        elif edge["kind"] == "derived" and edge.get("inferred"):
            relation = "by its path"
        yield relation, edge["to"], edge
    if kind == "file" and not any(found.origins(node, "generated", "derived")):
        for edge in found.origins(node, "holds"):
            if any(found.origins(edge["to"], "generated")):
                yield "holds", edge["to"], edge
    if kind in ("run", "file"):
        for edge in found.origins(node, "part_of"):
            if found.nodes[edge["to"]]["kind"] == kind:
                yield "part of", edge["to"], edge


def _data_relation(edge: dict[str, Any]) -> str:
    words = {"train": "trained on", "valid": "validated on", "test": "tested on", "predict": "predicted"}
    return words.get(edge.get("role", ""), "used")


def _outcomes(found: Lineage, node: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """How a node relates to what came of it; the runs of a job stand below the job, where that is met too."""
    kind = found.nodes[node]["kind"]
    if kind in ("file", "data", "model"):
        yield from _users(found, node)
        for edge in found.outcomes(node, "holds"):
            yield "saved in", edge["from"], edge
        for edge in found.outcomes(node, "derived", "part_of"):
            if "inferred" in edge:
                yield ("by its path" if edge["kind"] == "derived" else "holds"), edge["from"], edge
        for held in found.origins(node, "holds"):
            for edge in found.outcomes(held["to"], "holds"):
                if edge["from"] != node:
                    yield "same model in", edge["from"], edge
        return
    written = list(found.outcomes(node, "generated", "copied"))
    in_files = {held["to"] for edge in written for held in found.origins(edge["from"], "holds")}
    for edge in sorted(written, key=lambda edge: edge.get("time") or 0.0):
        if edge["from"] not in in_files:
            yield ("trained" if found.nodes[edge["from"]]["kind"] == "model" else "wrote"), edge["from"], edge
    for edge in found.outcomes(node, "resumed"):
        yield "continued by", edge["from"], edge
    if kind == "run":
        for edge in found.origins(node, "part_of"):
            if found.nodes[edge["to"]]["kind"] == "job" and any(found.outcomes(edge["to"], "generated")):
                yield "its program", edge["to"], edge


def _users(found: Lineage, node: str, *, alike: bool = False) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Who has used a node, or the model in it, or files `alike`, of the same model: runs, and jobs that have none among
    them."""
    held = [edge["to"] for edge in found.origins(node, "holds")]
    if found.nodes[node]["kind"] == "file" and not any(found.origins(node, "generated")):  # known by folder or path
        instead = found.origins(node, "part_of", "derived")
        held += [edge["to"] for edge in instead if edge["kind"] == "part_of" or "inferred" in edge]
    files = [edge["from"] for one in (node, *held) for edge in found.outcomes(one, "holds")] if alike else []
    edges = {edge["from"]: edge for one in dict.fromkeys((node, *held, *files)) for edge in found.outcomes(one, "used")}
    by_run = {found.nodes[id].get("job") for id in edges if found.nodes[id]["kind"] == "run"}
    for id, edge in edges.items():
        about = found.nodes[id]
        if about["kind"] == "run" or about["job"] not in by_run:
            yield "used by", id, edge


def _order(found: Lineage) -> Any:
    """Runs first, then data, then files in the order of time; before all, who made it."""
    kinds = {"run": 0, "job": 1, "data": 2, "model": 3, "file": 4}
    others = {"copied": 1, "alike": 2}

    def key(edge: dict[str, Any]) -> tuple[int, int, float]:
        return others.get(edge["kind"], 0), kinds.get(found.nodes[edge["to"]]["kind"], 9), edge.get("time") or 0.0

    return key


# For people


def trees(found: Lineage, *, down: bool) -> list[Tree]:
    """A tree for each target."""
    from rich.tree import Tree

    roots: list[Tree] = []
    open_: list[Tree] = []
    for step in steps(found, down=down):
        label = _label(found, step)
        if step.depth == 0:
            open_ = [Tree(label, guide_style="dim")]
            roots.append(open_[0])
        else:
            del open_[min(step.depth, DEEPEST) :]
            open_.append(open_[-1].add(label))
    return roots


def _label(found: Lineage, step: Step) -> Text:
    from rich.text import Text

    text = Text()
    if step.depth > DEEPEST:
        text.append(f"[{step.depth}]  ", style="dim")
    if step.relation:
        text.append(f"{step.relation}  ", style="dim")
    node = step.node
    text.append(_name(node, step.edge), style="bold" if node["kind"] in ("file", "run", "job") else "")
    details = "  ".join(filter(None, _details(found, node, step.edge)))
    if details:
        text.append(f"  {details}", style="dim")
    if step.again:
        text.append("  (see above)", style="dim")
        return text
    for line in _lines(found, node):
        text.append(f"\n{line}", style="dim")
    return text


def _name(node: Node, edge: dict[str, Any]) -> str:
    if node["kind"] == "file":
        path = edge.get("path") or next(iter(node["paths"]), node["digest"] or "a file")
        return output.printable(_short_path(path))
    if node["kind"] in ("run", "job"):
        return f"{output.printable(node['name'])} {output.short_id(node[node['kind']])}"
    if node["kind"] == "data":
        shape = "×".join(f"{size:,}" for size in (node.get("rows"), node.get("columns")) if size is not None)
        return output.printable(" ".join(filter(None, (node.get("name"), node.get("type"), shape))) or "data")
    return str(node["kind"])


def _short_path(path: str) -> str:
    here = os.path.join(os.getcwd(), "")
    return path[len(here) :] if path.startswith(here) else path


def _details(found: Lineage, node: Node, edge: dict[str, Any]) -> Iterator[str]:
    if node["kind"] == "file":
        yield f"at step {edge['step']}" if edge.get("step") is not None and edge["kind"] == "generated" else ""
        yield output.size(node["bytes"])
        yield output.digest(node["digest"]) or "content not known"
    elif node["kind"] == "run":
        step = edge.get("step")
        yield f"at step {step}" if step is not None else ""
        yield " ".join(filter(None, (node["framework"], node["type"]))) + f", {node['status']}"
    elif node["kind"] == "job":
        yield f"{node['status']}"
    else:
        yield output.digest(node["identity"])
        method = node.get("method")
        yield method if method not in (None, "whole") else ""
    if edge.get("kind") in ("copied", "alike"):
        yield f"as {output.printable(_short_path(edge['path']))}"
    if edge.get("inferred"):
        yield "inferred"


def _lines(found: Lineage, node: Node) -> Iterator[str]:
    """What else there is to say of a run or job, a line each."""
    job = node
    if node["kind"] == "run":
        for values in (node["metrics"], node["params"]):
            shown = [f"{name}={output.short(value, 30)}" for name, value in values.items()][:VALUES]
            if shown:
                yield " ".join(shown) + (" …" if len(values) > VALUES else "")
        job = found.nodes.get(f"job:{node['job']}", {})
    if node["kind"] not in ("run", "job") or not job:
        return
    executable, *words = job.get("argv") or [job["name"]]
    program = output.printable(" ".join([os.path.basename(executable), *words]))
    yield f"{program}  in {output.printable(job.get('cwd') or '?')}"
    git = job.get("git") or {}
    code = f"commit {git['commit'][:12]}" + (" with changes" if git.get("dirty") else "") if git.get("commit") else ""
    who = f"{job['user']} on {output.printable(job.get('host') or '?')}"
    yield ", ".join(filter(None, (who, output.moment(node["started"]) if node["started"] else "", code)))


# For other programs


def rows(found: Lineage, *, down: bool) -> Iterator[tuple[Any, ...]]:
    """Depth, relation, kind, id, name and path of each node of the tree."""
    for step in steps(found, down=down):
        node, kind = step.node, step.node["kind"]
        id = node["digest"] if kind == "file" else node.get(kind) or node.get("identity") or node["id"]
        path = step.edge.get("path") if kind == "file" or step.edge.get("kind") in ("copied", "alike") else None
        if path is None and kind == "file":
            path = next(iter(node["paths"]), None)
        yield step.depth, step.relation, kind, id, node.get("name"), path


def dot(found: Lineage) -> Iterator[str]:
    """The graph in the language of Graphviz: time goes from left to right."""
    shapes = {
        "file": "note",
        "data": "cylinder",
        "model": "hexagon",
        "run": "box",
        "job": "component",
        "person": "oval",
    }
    yield "digraph lineage {"
    yield "  rankdir=RL; node [fontname=Helvetica]; edge [fontname=Helvetica, fontsize=10];"
    for id, node in found.nodes.items():
        lines = [_name(node, {}) if node["kind"] != "person" else node["name"]]
        lines += [line for line in (output.digest(node.get("digest") or node.get("identity")),) if line]
        style = ', style="bold"' if id in found.target else ""
        yield f"  {_quoted(id)} [label={_quoted(chr(10).join(lines))}, shape={shapes[node['kind']]}{style}];"
    for edge in found.edges:
        line = ", style=dashed" if edge.get("inferred") else ""
        yield f"  {_quoted(edge['from'])} -> {_quoted(edge['to'])} [label={_quoted(edge['kind'])}{line}];"
    yield "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
