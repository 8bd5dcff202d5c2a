"""A lineage as an RO-Crate of the profile Process Run Crate (https://w3id.org/ro/wfrun/process/0.5).

Runs and jobs are actions, files and data what they used and made.  Nobody has written down a workflow, so it is no
Workflow Run Crate: which program was run after which is found out, not planned.  Files are described;
with `files`, those that still hold what they held are in the crate.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from autotrack.identity import files as identity
from autotrack.store.lineage.graph import Lineage, Node
from autotrack.store.lineage.standards import text, wanted

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_FAILED = ("failed", "killed", "crashed", "interrupted")


def write(found: Lineage, place: str, *, name: str, files: bool = False) -> None:
    """Write the crate into a folder, or into `place` where that ends in `.zip`.  Raises StoreError, OSError."""
    crate = Made(found, name, files=files).crate
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of described files that are not in it
        if place.endswith(".zip"):
            crate.write_zip(place)
        else:
            crate.write(place)


class Made:
    """The crate of a lineage."""

    def __init__(self, found: Lineage, name: str, *, files: bool) -> None:
        library = wanted("rocrate.rocrate")
        self._model = wanted("rocrate.model")
        self.crate: ROCrate = library.ROCrate(version="1.1")
        self._found, self._files = found, files
        self._entities: dict[str, Any] = {}
        self.crate.name = text(name)
        self.crate.description = "Where it comes from and what came of it, as recorded by autotrack"
        self.crate.license = "not stated"
        profile = self._context(PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
        self.crate.root_dataset.append_to("conformsTo", profile)
        makers: dict[str, Callable[[Node], Any]] = {
            "file": self._file, "data": self._data, "model": self._of_model, "person": self._person
        }  # fmt: skip
        for node in found.nodes.values():
            if node["kind"] in makers:
                self._entities[node["id"]] = makers[node["kind"]](node)
        for node in found.nodes.values():
            if node["kind"] in ("run", "job"):
                self._action(node)
        self.crate.root_dataset["mainEntity"] = [
            self._entities[target] for target in found.target if target in self._entities
        ]

    def _context(self, id: str, kind: Any, **about: Any) -> Any:
        told = {"@type": kind, **{name: value for name, value in about.items() if value not in (None, [])}}
        return self.crate.add(self._model.ContextEntity(self.crate, id, properties=told))

    def _person(self, node: Node) -> Any:
        return self._context(_local(node["id"]), "Person", name=text(node["name"]))

    def _file(self, node: Node) -> Any:
        paths = [text(path) for path in node["paths"]]
        about: dict[str, Any] = {
            "name": PurePath(paths[0]).name if paths else text(node["id"]),
            "contentSize": None if node["bytes"] is None else str(node["bytes"]),
            "identifier": node["digest"],
            "alternateName": paths,
        }
        about = {name: value for name, value in about.items() if value not in (None, [])}
        here = self._unchanged(node) if self._files else None
        if here is not None:
            return self.crate.add_file(here, f"files/{_short(node)}/{about['name']}", properties=about)
        if str(node["digest"]).startswith("blake3-manifest:"):
            return self._context(_local(node["id"]), "Collection", **about)
        return self._context(_local(node["id"]), "CreativeWork", **about)

    def _unchanged(self, node: Node) -> str | None:
        """A place where the file still is as it was."""
        for path in node["paths"]:
            if node["digest"] and os.path.isfile(path):
                try:
                    if identity.digest_file(path)[0] == node["digest"]:
                        return str(path)
                except OSError:
                    continue
        return None

    def _data(self, node: Node) -> Any:
        about = {"rows": node.get("rows"), "columns": node.get("columns"), "method": node.get("method")}
        values = [self._value(node["id"], "data", *entry) for entry in about.items() if entry[1] is not None]
        label = " ".join(filter(None, (node.get("name"), node.get("type")))) or "data in memory"
        return self._context(
            _local(node["id"]), "CreativeWork", name=text(label), identifier=node["identity"], variableMeasured=values
        )

    def _of_model(self, node: Node) -> Any:
        return self._context(_local(node["id"]), "CreativeWork", name="trained model", identifier=node["identity"])

    def _value(self, node: str, group: str, name: str, value: Any) -> Any:
        id = _local(f"{group}/{node}/{name}")
        shown = value if isinstance(value, (bool, int, float)) else text(value)
        return self._context(id, "PropertyValue", propertyID=f"{group}.{text(name)}", name=text(name), value=shown)

    def _action(self, node: Node) -> Any:
        job = node if node["kind"] == "job" else self._found.nodes.get(f"job:{node['job']}", node)
        begun, lasted, status = node["started"], node["duration"], node["status"]
        used = [edge["to"] for edge in self._found.origins(node["id"], "used")]
        made = [edge["from"] for edge in self._found.outcomes(node["id"], "generated", "copied", "alike")]
        metrics = [self._value(node["id"], "metrics", *entry) for entry in node.get("metrics", {}).items()]
        params = [self._value(node["id"], "params", *entry) for entry in node.get("params", {}).items()]
        line = " ".join(map(str, job.get("argv") or [job["name"]]))
        person = [edge["to"] for edge in self._found.origins(job["id"], "by")]
        action = self._context(
            _local(node["id"]),
            "CreateAction",
            name=text(node["name"]),
            description=text(f"{node['kind']} {node[node['kind']]}: {line}"),
            instrument=self._program(job),
            startTime=_moment(begun),
            endTime=_moment(None if begun is None or lasted is None else begun + lasted),
            actionStatus=_status(status),
            agent=[self._entities[id] for id in person][:1],
            object=[self._entities[id] for id in used if id in self._entities] + params,
            result=[self._entities[id] for id in made if id in self._entities] + metrics,
        )
        self.crate.root_dataset.append_to("mentions", action)

    def _program(self, job: Node) -> Any:
        """The code that a job ran: of one commit and name it is one, whoever ran it."""
        git = job.get("git") or {}
        version = f"{git['commit']}{' with changes' if git.get('dirty') else ''}" if git.get("commit") else None
        id = _local(f"program/{job['name']}/{version or job['id']}")
        known = self.crate.dereference(id)
        if known is not None:
            return known
        python = str(job.get("python") or "")
        language = self._context("https://www.python.org/", "ComputerLanguage", name="Python")
        needs = [self._environment(python)] if python else []
        return self._context(
            id, "SoftwareSourceCode", name=text(job["name"]), version=text(version or "unknown"),
            programmingLanguage=language, softwareRequirements=needs,
        )  # fmt: skip

    def _environment(self, python: str) -> Any:
        name, _, version = python.rpartition(" ")
        id = f"https://www.python.org/#{quote(python, safe='')}"
        return self._context(
            id, "SoftwareApplication", name=text(name or python), softwareVersion=text(version), url="https://www.python.org/"
        )  # fmt: skip


def _status(status: str) -> dict[str, str] | None:
    if status in _FAILED:
        return {"@id": "http://schema.org/FailedActionStatus"}
    return {"@id": "http://schema.org/CompletedActionStatus"} if status == "finished" else None


def _local(id: str) -> str:
    return f"#{quote(id, safe='/')}"


def _short(node: Node) -> str:
    return str(node["digest"]).rpartition(":")[2][:12]


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
