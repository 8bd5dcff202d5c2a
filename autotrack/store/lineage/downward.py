"""From a thing to what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from autotrack.store.lineage.graph import Node
from autotrack.store.lineage.nodes import AMONG, AT_PATH, EMPTY, EVER, SKEW, File, Moment, Nodes
from autotrack.store.present import presented

_ALWAYS = Moment(0.0)


def follow(nodes: Nodes, targets: list[str], *, users: bool = False) -> None:
    """Follow these nodes to what came of them, to the end; or only to the runs and jobs that used them."""
    walk = _Downward(nodes, users=users)
    for node in targets:
        walk.later(node, _ALWAYS)
    while walk.waiting:
        walk.step(*walk.waiting.pop())


class _Downward:
    def __init__(self, nodes: Nodes, *, users: bool) -> None:
        self.waiting: list[tuple[str, Moment]] = []
        """Nodes, and since when they were there."""
        self._nodes, self._found, self._users = nodes, nodes.found, users
        self._done: dict[tuple[str, Any], float] = {}

    def later(self, node: str, since: Moment) -> None:
        self.waiting.append((node, since))

    def step(self, node: str, since: Moment) -> None:
        about, key = self._found.nodes.get(node), (node, since.segment)
        if about is None or self._done.get(key, EVER) <= since.time:
            return
        self._done[key] = since.time
        steps = {"file": self._file, "data": self._data, "model": self._model}
        if not self._users:
            steps |= {"run": self._run, "job": self._job}
        if about["kind"] in steps:
            steps[about["kind"]](about, since)

    def _file(self, about: Node, since: Moment) -> None:
        if about["digest"]:
            same = "files.digest = ? AND files.mode = 'read'"
            self._read(self._nodes.first_readers(same, (about["digest"],), since), since)
            self._by_path(about, since)
            self._by_folder(about, since)
        for edge in list(self._found.origins(about["id"], "holds")):
            self.later(edge["to"], since)

    def _by_path(self, about: Node, since: Moment) -> None:
        """Where it lay, what was read or appended to before anything else was written there: that was this file, as far
        as its path tells."""
        written = "files.digest = ? AND files.mode = 'written' AND files.kind <> 'folder'"
        if about["digest"] == EMPTY:
            return
        for file in self._nodes.first_files(written, (about["digest"],)):
            for later in self._until_written(file, since):
                self._found.join(
                    "derived", self._nodes.seen(later), about["id"], path=presented(file.path), inferred=True
                )
                if later.mode == "read":
                    self._read([later], since)
                elif not self._users:
                    self._written(later, self._nodes.activity(later))

    def _by_folder(self, about: Node, since: Moment) -> None:
        """What was read with others as one folder, or one by one of what was written as one, and is of no other."""
        written = "files.digest = ? AND files.mode = 'written'"
        for file in self._nodes.first_files(written, (about["digest"],)):
            told = about["digest"], file.path, "read", file.at, Moment(EVER)
            for kind, found in (
                ("derived", self._nodes.folders_of(*told)),
                ("part_of", self._nodes.files_below(*told)),
            ):
                for met in found:
                    if met.digest is not None and not self._nodes.files(f"{written} LIMIT 1", (met.digest,)):
                        self._found.join(
                            kind, self._nodes.seen(met), about["id"], path=presented(met.path), inferred=True
                        )
                        self._read([met], since)

    def _until_written(self, file: File, since: Moment) -> Iterator[File]:
        """What was read at the path of a file with a content that is not known, and what it went into."""
        folder = "(SELECT folder FROM jobs WHERE id = {})"
        same = f"{folder.format('files.job')} = {folder.format('?')} AND files.time >= ? ORDER BY files.time LIMIT ?"
        values = (file.path, file.path, file.job, max(file.moment, since.time), AMONG)
        for later in self._nodes.files(f"{AT_PATH} AND {same}", values):
            if later.mode == "read":
                if later.digest is None:
                    yield later
            elif later != file:
                if later.kind == "appended" and later.job != file.job:
                    yield later
                return

    def _read(self, rows: Sequence[File], since: Moment) -> None:
        """Who has read a file: the run that did, or those of the job that had not ended by then, and the job for what
        it wrote besides."""
        first: dict[tuple[str, str | None], File] = {}
        for file in rows:
            if file.moment >= since.time or file.at.not_before(since):
                first.setdefault((file.job, file.run), file)
        for file in self._nodes.limited(list(first.values())):
            node, told = self._nodes.seen(file), {"path": presented(file.path), "time": file.time}
            began = self._nodes.first_use(file) if file.run is not None else None
            run = self._nodes.run(file.run) if file.run is not None and began is None else None
            makers = {edge["to"] for edge in self._found.origins(node, "generated")}
            since_then = [about for about in self._runs_since(file.job, file.at) if about["id"] not in makers]
            since_then = [about for about in since_then if began is None or about["started"] >= began]
            users = [run] if run is not None else since_then
            for user in [about["id"] for about in users] + ([] if run is not None else [self._nodes.job(file.job)]):
                self._found.join("used", user, node, **told)
                self.later(user, file.at)
            if not self._users:
                self._copies(file)

    def _copies(self, read: File) -> None:
        """What the job of a reader has written of the same content."""
        same = "files.job = ? AND files.digest || '' = ? AND files.mode = 'written' ORDER BY files.time"
        for file in self._nodes.files(same, (read.job, read.digest)) if read.digest is not None else ():
            if file.at.not_before(read.at):
                self._written(file, self._nodes.activity(file))

    def _comes_of(self, file: File, node: str, since: Moment) -> bool:
        """Whether a file that a run or job has written may be of what it had by then: a copy is of its source alone."""
        return node in self._found.target or (file.at.not_before(since) and self._nodes.copied(file) is None)

    def _runs_since(self, job: str, moment: Moment) -> list[Node]:
        """The runs of a job that may have used what it read at this moment."""
        ended = f"started + COALESCE(duration, {EVER})"
        sql = f"job = ? AND parent IS NULL AND {ended} >= ?"
        return [run for run in self._nodes.runs(sql, (job, moment.time - SKEW)) if self._end(run).not_before(moment)]

    def _end(self, run: Node) -> Moment:
        ended = EVER if run["duration"] is None else run["started"] + run["duration"]
        return Moment(ended, self._nodes.segment_of(run["run"]))

    def _run(self, about: Node, since: Moment) -> None:
        node, began = about["id"], Moment(about["started"], self._nodes.segment_of(about["run"]))
        for file in self._nodes.files(
            "strands.run = ? AND files.mode = 'written' ORDER BY files.time", (about["run"],)
        ):
            if self._comes_of(file, node, since):
                self._written(file, node)
        trained = self._nodes.trained_by(about["run"]).not_before(since)
        if about["model"] and about["type"] != "evaluation" and (trained or node in self._found.target):
            model = self._nodes.model(about["model"])
            self._found.join("generated", model, node)
            self.later(model, began)
        self.later(self._nodes.job(about["job"]), began if began.time > since.time else since)

    def _job(self, about: Node, since: Moment) -> None:
        """What it wrote after that moment, and no run of it did."""
        sql = "files.job = ? AND files.mode = 'written' AND strands.run IS NULL ORDER BY files.time"
        for file in self._nodes.limited(self._nodes.files(sql, (about["job"],))):
            if self._comes_of(file, about["id"], since):
                self._written(file, about["id"])
        if about["id"] in self._found.target:
            for run in self._runs_since(about["job"], _ALWAYS):
                self.later(run["id"], _ALWAYS)

    def _written(self, file: File, node: str) -> None:
        written = self._nodes.seen(file)
        read = (edge.get("time") or 0.0 for edge in self._found.origins(node, "used") if edge["to"] == written)
        kind = "copied" if any(time <= file.moment for time in read) else "generated"
        self._found.join(kind, written, node, path=presented(file.path), time=file.time, step=file.step)
        self.later(written, file.at)

    def _data(self, about: Node, since: Moment) -> None:
        for used in self._nodes.users(about["identity"]):
            run = self._nodes.run(used.run)
            if run is not None:
                self._found.join("used", run["id"], about["id"], role=used.role)
                self.later(run["id"], _ALWAYS)

    def _model(self, about: Node, since: Moment) -> None:
        identity = about["identity"]
        for run in self._nodes.runs("model = ? AND kind = 'evaluation'", (identity,)):
            self._found.join("used", run["id"], about["id"])
            self.later(run["id"], _ALWAYS)
        read, written = (f"files.model = ? AND files.mode = '{mode}'" for mode in ("read", "written"))
        self._read(self._nodes.first_readers(read, (identity,), since), since)
        written, values = f"{written} AND (files.time >= ? OR files.time IS NULL)", (identity, since.time - SKEW)
        for file in self._nodes.first_files(written, values) if not self._users else ():
            if file.at.not_before(since):
                self.later(self._nodes.seen(file), file.at)
