"""From a thing to what it came from."""

from __future__ import annotations

from typing import Any

from autotrack.store.lineage.graph import Node
from autotrack.store.lineage.nodes import AT_PATH, EVER, SKEW, File, Nodes
from autotrack.store.present import presented

_WRITTEN = "files.mode = 'written'"
_STARTED_FROM = ("xgb_model", "init_model")
"""Parameters that say which model a training goes on from."""


def follow(nodes: Nodes, targets: list[str]) -> None:
    """Follow these nodes to what they came from, to the end."""
    walk = _Upward(nodes)
    for node in targets:
        walk.later(node, EVER)
    while walk.waiting:
        walk.step(*walk.waiting.pop())


class _Upward:
    def __init__(self, nodes: Nodes) -> None:
        self.waiting: list[tuple[str, float]] = []
        """Nodes, and by when what they came from must have been there."""
        self._nodes, self._found = nodes, nodes.found
        self._done: dict[str, float] = {}

    def later(self, node: str, before: float) -> None:
        self.waiting.append((node, before))

    def step(self, node: str, before: float) -> None:
        about = self._found.nodes.get(node)
        if about is None or self._done.get(node, -EVER) >= before:
            return
        self._done[node] = before
        steps = {"file": self._file, "data": self._data, "model": self._model, "run": self._run, "job": self._job}
        if about["kind"] in steps:
            steps[about["kind"]](about, before)

    def _file(self, about: Node, before: float) -> None:
        """Who wrote a file of this content last; else a file with the same model, or whose model it is."""
        node = about["id"]
        file = self._nodes.undigested.get(node)
        if file is not None:
            self._unknown(node, file, before)
            return
        maker = self._nodes.last(f"files.digest = ? AND {_WRITTEN}", (about["digest"],), before)
        if maker is not None:
            self._made(node, maker)
            return
        for model in [edge["to"] for edge in self._found.origins(node, "holds")]:
            identity = self._found.nodes[model]["identity"]
            other = self._nodes.last(f"files.model = ? AND {_WRITTEN}", (identity,), before)
            if other is not None:
                self._found.join("derived", node, self._nodes.seen(other), path=presented(other.path))
                self.later(other.node, before)
            else:
                self.later(model, before)

    def _unknown(self, node: str, file: File, before: float) -> None:
        """A file whose content is not known: whoever wrote it, or what was written there last before it was read."""
        if file.mode == "written":
            self._made(node, file)
            return
        folder = "(SELECT folder FROM jobs WHERE id = {})"
        same = f"{AT_PATH} AND {_WRITTEN} AND {folder.format('files.job')} = {folder.format('?')}"
        maker = self._nodes.last(same, (file.path, file.path, file.job), min(before, file.moment + SKEW))
        if maker is not None and maker.node != node:
            earlier = self._nodes.seen(maker)
            self._found.join("derived", node, earlier, path=presented(maker.path), inferred=True)
            self.later(earlier, before)

    def _made(self, node: str, file: File) -> None:
        self._nodes.seen(file)
        maker = self._nodes.activity(file)
        self._found.join("generated", node, maker, path=presented(file.path), time=file.time, step=file.step)
        self.later(maker, file.moment + SKEW)

    def _data(self, about: Node, before: float) -> None:
        """Nobody says how data in memory came to be: the runs that used it, and what their jobs had read."""
        for used in self._nodes.limited(self._nodes.used("data = ? ORDER BY datasets.strand", about["identity"])):
            run = self._nodes.run(used.run)
            if run is not None:
                self._found.join("used", run["id"], about["id"], role=used.role)
                self.later(run["id"], EVER)

    def _model(self, about: Node, before: float) -> None:
        """The run that trained it last; else the last file that has it."""
        sql = "model = ? AND kind <> 'evaluation' AND started <= ? ORDER BY started DESC LIMIT 1"
        for run in self._nodes.runs(sql, (about["identity"], before)):
            self._found.join("generated", about["id"], run["id"])
            self.later(run["id"], before)
            return
        file = self._nodes.last(f"files.model = ? AND {_WRITTEN}", (about["identity"],), before)
        if file is not None:
            self._nodes.seen(file)
            self._found.join("generated", about["id"], self._nodes.activity(file), step=file.step)
            self.later(self._nodes.activity(file), file.moment + SKEW)

    def _run(self, about: Node, before: float) -> None:
        node = about["id"]
        if about["parent"]:  # one of a search, whose data are those of all
            parent = self._nodes.run(about["parent"])
            if parent is not None:
                self._found.join("part_of", node, parent["id"])
                self.later(parent["id"], before)
        self._nodes.data_of(about["run"])
        if about["type"] == "evaluation" and about["model"]:
            self._uses_model(node, about["model"], about["started"] + SKEW)
        ended = EVER if about["duration"] is None else about["started"] + about["duration"] + SKEW
        self._reads(about["job"], node, min(before, ended), about["run"])
        self._resumed(about)

    def _job(self, about: Node, before: float) -> None:
        self._reads(about["job"], about["id"], before, None)

    def _uses_model(self, node: str, identity: str, before: float, **told: Any) -> None:
        model = self._nodes.model(identity)
        self._found.join("used", node, model, **told)
        self.later(model, before)

    def _reads(self, job: str, node: str, before: float, run: str | None) -> None:
        """What a job had read by then; where a run asks, but for what other runs read."""
        rows = self._nodes.files("files.job = ? AND files.mode = 'read' ORDER BY files.time", (job,))
        by_then = [file for file in rows if file.moment <= before and (run is None or file.run in (None, run))]
        for file in self._nodes.limited(by_then):
            used = self._nodes.seen(file)
            self._found.join("used", node, used, path=presented(file.path), time=file.time)
            self.later(used, file.moment + SKEW)

    def _resumed(self, about: Node) -> None:
        """Which run's model this one went on from: its parameters say so; or it read the model of an earlier run of the
        same kind, which is inferred."""
        started = about["started"] + SKEW
        for name in _STARTED_FROM:
            given = about["params"].get(name)
            if isinstance(given, str) and given.startswith("xxh3:"):
                self._uses_model(about["id"], given, started, role="start")
                self._went_on(about, given, inferred=False)
        if about["type"] in ("training", "fit"):
            for edge in list(self._found.origins(about["id"], "used")):
                held = self._found.nodes[edge["to"]].get("model")
                if held and held != about["model"]:
                    self._went_on(about, held, inferred=True)

    def _went_on(self, about: Node, identity: str, *, inferred: bool) -> None:
        sql = "model = ? AND kind <> 'evaluation' AND started < ? ORDER BY started DESC LIMIT 1"
        earlier = next(iter(self._nodes.runs(sql, (identity, about["started"]))), None)
        if earlier is None:
            saved = f"files.model = ? AND {_WRITTEN} AND strands.run IS NOT NULL"
            file = self._nodes.last(saved, (identity,), about["started"])
            earlier = self._nodes.run(file.run) if file is not None and file.run is not None else None
        alike = earlier is not None and (earlier["name"], earlier["framework"]) == (about["name"], about["framework"])
        if earlier is not None and earlier is not about and (alike or not inferred):
            self._found.join("resumed", about["id"], earlier["id"], inferred=inferred)
