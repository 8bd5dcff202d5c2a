"""From a thing to what it came from."""

from __future__ import annotations

from typing import Any

from autotrack.store.lineage.graph import Node
from autotrack.store.lineage.nodes import AT_PATH, EMPTY, EVER, SKEW, File, Moment, Nodes
from autotrack.store.present import presented

OTHERS = 5
"""Others that have written the same content which are named, at as many places."""

_WRITTEN = "files.mode = 'written'"
_STARTED_FROM = ("xgb_model", "init_model")
"""Parameters that say which model a training goes on from."""
_EVER = Moment(EVER)


def follow(nodes: Nodes, targets: dict[str, str]) -> None:
    """Follow these nodes to what they came from, to the end; files as what lies at their paths."""
    walk = _Upward(nodes)
    for node, path in targets.items():
        walk.later(node, _EVER, path)
    while walk.waiting:
        walk.step(*walk.waiting.pop())


class _Upward:
    def __init__(self, nodes: Nodes) -> None:
        self.waiting: list[tuple[str, Moment, str]] = []
        """Nodes, by when what they came from must have been there, and where a file was met."""
        self._nodes, self._found = nodes, nodes.found
        self._done: dict[tuple[str, Any, str], float] = {}
        self._own: set[tuple[str, str]] = set()
        """Runs, and the files that are filed under them as read."""

    def later(self, node: str, before: Moment, path: str = "") -> None:
        self.waiting.append((node, before, path))

    def step(self, node: str, before: Moment, path: str) -> None:
        about, key = self._found.nodes.get(node), (node, before.segment, path)
        if about is None or self._done.get(key, -EVER) >= before.time:
            return
        self._done[key] = before.time
        if about["kind"] == "file":
            self._file(about, before, path)
            return
        steps = {"data": self._data, "model": self._model, "run": self._run, "job": self._job}
        if about["kind"] in steps:
            steps[about["kind"]](about, before)

    def _file(self, about: Node, before: Moment, path: str) -> None:
        """Who made a file of this content; else a file with the same model, or whose model it is."""
        node = about["id"]
        file = self._nodes.undigested.get(node)
        if file is not None:
            self._unknown(node, file, before)
            return
        maker = self._maker(node, about["digest"], before, path)
        if maker is not None:
            self._made(node, maker)
            return
        self._by_folder(node, about["digest"], before, path)
        for model in [edge["to"] for edge in self._found.origins(node, "holds")]:
            identity = self._found.nodes[model]["identity"]
            other = self._nodes.last(f"files.model = ? AND {_WRITTEN}", (identity,), before)
            if other is not None:
                self._found.join("derived", node, self._nodes.seen(other), path=presented(other.path))
                self.later(other.node, before, other.path)
            else:
                self.later(model, before)

    def _maker(self, node: str, digest: str, before: Moment, path: str) -> File | None:
        """Who wrote this content without having read it: whoever wrote it last, at the path in question if anywhere;
        but who had read the same before has only copied or moved what was there by then.  Where nobody else is known,
        the first of those who copied it."""
        copies: list[tuple[File, File]] = []
        but: list[File] = []
        while True:
            same = f"files.digest = ? AND {_WRITTEN}{' AND files.path = ?' if digest == EMPTY else ''}"
            written = [digest, path] if digest == EMPTY else [digest]
            maker = self._nodes.last(same, written, before, path=path, but=but)
            source = self._nodes.copied(maker) if maker is not None else None
            if maker is None or source is None:
                break
            but.append(maker)
            copies.append((maker, source))
            before, path = source.at, source.path
        if maker is not None and digest != EMPTY:
            self._others(node, maker, but, before)
        elif maker is None and copies:
            maker, _ = copies.pop()
        for copy, read in copies:
            self._copy(node, copy, read, maker)
        return maker

    def _copy(self, node: str, copy: File, read: File, maker: File | None) -> None:
        copier = self._nodes.activity(copy)
        if maker is None or copier != self._nodes.activity(maker):
            self._found.join("copied", node, copier, path=presented(copy.path), time=copy.time)
            self._found.join("used", copier, node, path=presented(read.path), time=read.time)

    def _others(self, node: str, maker: File, but: list[File], before: Moment) -> None:
        """Name who else made the same content, elsewhere.  What they read is not followed: it is not known whether this
        file is of them."""
        jobs = {maker.job, *(file.job for file in but)}
        sql = f"files.digest = ? AND {_WRITTEN} AND files.path <> ? AND files.job <> ? AND files.time <= ?"
        values = (maker.digest, maker.path, maker.job, before.time)
        places: dict[str, File] = {}
        for file in self._nodes.first_files(sql, values, "files.time DESC"):
            if (
                len(places) < OTHERS
                and file.job not in jobs
                and file.path not in places
                and self._nodes.copied(file) is None
            ):
                places[file.path] = file
        for file in places.values():
            other = self._nodes.activity(file)
            self._found.join("alike", node, other, path=presented(file.path), time=file.time)

    def _unknown(self, node: str, file: File, before: Moment) -> None:
        """A file whose content is not known: whoever wrote it, or what was written there last before it was read."""
        if file.mode == "written":
            self._made(node, file)
        else:
            self._by_path(node, file, before if before.time < file.moment else file.at, "")

    def _by_path(self, node: str, file: File, before: Moment, besides: str) -> None:
        """What was written at its path last by then, by another job than one."""
        folder = "(SELECT folder FROM jobs WHERE id = {})"
        same = f"{AT_PATH} AND {_WRITTEN} AND {folder.format('files.job')} = {folder.format('?')} AND files.job <> ?"
        maker = self._nodes.last(same, (file.path, file.path, file.job, besides), before)
        if maker is not None and maker.node != node:
            earlier = self._nodes.seen(maker)
            self._found.join("derived", node, earlier, path=presented(maker.path), inferred=True)
            self.later(earlier, before, maker.path)

    def _by_folder(self, node: str, digest: str, before: Moment, path: str) -> None:
        """Nobody wrote it as it was met: what was met as one folder by who wrote it, or by who read it."""
        for folder in self._nodes.folders_of(digest, path, "written", Moment(0.0), before):
            self._found.join("part_of", node, self._nodes.seen(folder), path=presented(folder.path), inferred=True)
            self.later(folder.node, before, folder.path)
        for file in self._nodes.files_below(digest, path, "written", Moment(0.0), before):
            self._found.join("derived", node, self._nodes.seen(file), path=presented(file.path), inferred=True)
            self.later(file.node, before, file.path)

    def _made(self, node: str, file: File) -> None:
        self._nodes.seen(file)
        maker = self._nodes.activity(file)
        self._found.join("generated", node, maker, path=presented(file.path), time=file.time, step=file.step)
        self.later(maker, file.at)
        if file.kind == "appended":
            self._by_path(node, file, file.at, file.job)

    def _data(self, about: Node, before: Moment) -> None:
        """Nobody says how data in memory came to be: the runs that used it, and what their jobs had read."""
        for used in self._nodes.users(about["identity"]):
            run = self._nodes.run(used.run)
            if run is not None:
                self._found.join("used", run["id"], about["id"], role=used.role)
                self.later(run["id"], _EVER)

    def _model(self, about: Node, before: Moment) -> None:
        """The run that trained it last; else the last file that has it."""
        sql = "model = ? AND kind <> 'evaluation' AND started <= ?"
        run = self._nodes.last_run(sql, (about["identity"], before.time + SKEW))
        if run is not None:
            self._found.join("generated", about["id"], run["id"])
            self.later(run["id"], before)
            return
        file = self._nodes.last(f"files.model = ? AND {_WRITTEN}", (about["identity"],), before)
        if file is not None:
            self._nodes.seen(file)
            self._found.join("generated", about["id"], self._nodes.activity(file), step=file.step)
            self.later(self._nodes.activity(file), file.at)

    def _run(self, about: Node, before: Moment) -> None:
        node = about["id"]
        if about["parent"]:  # one of a search, whose data are those of all
            parent = self._nodes.run(about["parent"])
            if parent is not None:
                self._found.join("part_of", node, parent["id"])
                self.later(parent["id"], before)
        self._nodes.data_of(about["run"])
        clock = self._nodes.segment_of(about["run"])
        if about["type"] == "evaluation" and about["model"]:
            self._uses_model(node, about["model"], Moment(about["started"], clock))
        ended = _EVER if about["duration"] is None else Moment(about["started"] + about["duration"], clock)
        self._reads(about["job"], node, (before, ended), about["run"])
        self._resumed(about, Moment(about["started"], clock))

    def _job(self, about: Node, before: Moment) -> None:
        """What it had read by then, and the runs that it had begun: what it writes besides may be of their models."""
        self._reads(about["job"], about["id"], (before,), None)
        sql = "job = ? AND parent IS NULL AND started <= ?"
        for run in self._nodes.runs(sql, (about["job"], before.time)):
            self._found.join("followed", about["id"], run["id"])
            self.later(run["id"], before)

    def _uses_model(self, node: str, identity: str, before: Moment, **told: Any) -> None:
        model = self._nodes.model(identity)
        self._found.join("used", node, model, **told)
        self.later(model, before)

    def _reads(self, job: str, node: str, before: tuple[Moment, ...], run: str | None) -> None:
        """What a job had read by then; where a run asks, but for what others read in the midst of their own."""
        rows = self._nodes.files("files.job = ? AND files.mode = 'read' ORDER BY files.time", (job,))
        own = [file for file in rows if run is None or file.run in (None, run) or self._served(file, node)]
        by_then = [file for file in own if all(moment.not_before(file.at) for moment in before)]
        unknown = {file.path: file for file in by_then if file.digest is None}  # the last that was read at its place
        by_then = [file for file in by_then if file.digest is not None or unknown[file.path] is file]
        for file in self._nodes.limited(by_then):
            used = self._nodes.seen(file)
            self._found.join("used", node, used, path=presented(file.path), time=file.time)
            self.later(used, file.at, file.path)
            if run is not None and file.run == run:
                self._own.add((node, used))

    def _served(self, file: File, node: str) -> bool:
        """Whether a file that is filed under another run was there for this one."""
        first = self._nodes.first_use(file)
        return first is not None and first <= self._found.nodes[node]["started"]

    def _resumed(self, about: Node, started: Moment) -> None:
        """Which run's model this one went on from: its parameters say so; or it read the model of an earlier run of the
        same kind, which is inferred."""
        for name in _STARTED_FROM:
            given = about["params"].get(name)
            if isinstance(given, str) and given.startswith("xxh3:"):
                self._uses_model(about["id"], given, started, role="start")
                self._went_on(about, given, inferred=False)
        if about["type"] in ("training", "fit"):
            for edge in list(self._found.origins(about["id"], "used")):
                held = self._nodes.held_by(self._found.nodes[edge["to"]])
                own = (about["id"], edge["to"]) in self._own or (edge.get("time") or 0.0) <= about["started"]
                if held and held != about["model"] and own:
                    self._went_on(about, held, inferred=True)

    def _went_on(self, about: Node, identity: str, *, inferred: bool) -> None:
        sql = "model = ? AND kind <> 'evaluation' AND started < ?"
        earlier = self._nodes.last_run(sql, (identity, about["started"]))
        if earlier is None:
            saved = f"files.model = ? AND {_WRITTEN} AND strands.run IS NOT NULL"
            file = self._nodes.last(saved, (identity,), Moment(about["started"]))
            earlier = self._nodes.run(file.run) if file is not None and file.run is not None else None
        alike = earlier is not None and (earlier["name"], earlier["framework"]) == (about["name"], about["framework"])
        if earlier is not None and earlier is not about and (alike or not inferred):
            self._found.join("resumed", about["id"], earlier["id"], inferred=inferred)
