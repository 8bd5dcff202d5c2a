"""Strand: what a plugin may say about a training while it happens.

Each call appends to the journal at once; nothing is queued but digests of large data and of files.
"""

from __future__ import annotations

import functools
import threading
import time
from typing import TYPE_CHECKING, Any

from autotrack import artifacts, context, events, leakage, lifecycle, shield, trained
from autotrack.capture import seeds
from autotrack.ids import new_id
from autotrack.series import Series
from autotrack.values import storable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from autotrack.identity.data import Beside, Description
    from autotrack.identity.roles import Roles
    from autotrack.job import Job

_now = time.time
BEGUN = "begun in"
"""Under which a strand remembers the calls that it began within, the innermost first."""


class Strand(context.Place):
    """One training as far as it can be known while it happens.

    `kind` is `fit`, `search`, `cross_validation`, `step` (no run of its own), `run` (opened by the user)
    or a plugin's own word.  `owner` is the run that the user opened around it.
    """

    __slots__ = (
        "__weakref__",
        "_counted",
        "_datasets",
        "_gaps",
        "_pending",
        "_pid",
        "_roles",
        "_series",
        "began",
        "cls",
        "first",
        "framework",
        "job",
        "joined",
        "kind",
        "memo",
        "name",
        "within",
    )

    def __init__(
        self,
        job: Job,
        *,
        framework: str,
        kind: str,
        name: str,
        cls: str = "",
        parent: str | None = None,
        since: float | None = None,
    ) -> None:
        """`since`: when it began, in seconds since the epoch, where that was not now."""
        super().__init__(new_id())
        self.job, self.framework, self.kind, self.cls, self.name = job, framework, kind, cls, name
        self.began = time.perf_counter() - (_now() - since if since is not None else 0.0)
        self._pid = job.pid
        self._series: dict[str, Series] = {}
        self._pending: list[Beside] = []
        self._datasets = 0
        self._gaps: set[str] = set()
        self.memo: dict[str, Any] = {}
        """What a plugin remembers of it, by the plugin's name.  Not in a mapping with weak keys: what a signal handler
        of the user's raises as such a key dies is lost."""
        self.joined: Strand | None = None
        """The strand whose run it is part of, where it turned out to be."""
        self.first: Strand | None = None
        """The first of the trainings of which it is another phase."""
        self._roles: Roles | None = None
        owner = context.opened.get() if kind != "run" else None
        if kind not in ("step", "printed") and job.before_training:
            job.training_begins()
        self.within = parent or (owner.id if owner is not None else None)
        """The strand that it is nested in, or that the user opened around it."""
        self._counted = kind not in ("step", "printed") and self.within is None
        if self._counted:
            job.runs += 1
        started = events.StrandStarted(
            time=since if since is not None else _now(),
            strand=self.id,
            framework=framework,
            kind=kind,
            name=storable(name),
            cls=storable(cls),
            parent=parent,
            owner=owner.id if owner is not None else None,
            generators=seeds.states() if self.within is None and kind != "step" else {},
            thread=storable(_thread_name()),
        )
        self._report(started)
        if job.duplicates is not None:
            shield.contain("duplicates", job.duplicates.began, started)
        job.unfinished[self.id] = self

    def _report(self, event: events.Event) -> None:
        self.job.report(event)
        duplicates = self.job.duplicates
        if duplicates is not None:
            duplicates.heard(event)

    @property
    def ours(self) -> bool:
        """Whether this process began it: what a fork has inherited goes on and ends in the parent."""
        return self._pid == self.job.pid

    @property
    def recording(self) -> bool:
        """Whether what is said of it is recorded still."""
        return self.ours and not self.job.ended

    @property
    def goes_on(self) -> bool:
        """Whether it has not ended."""
        return self.id in self.job.unfinished

    def params(self, params: Mapping[str, Any], source: str) -> None:
        """Parameters by name; `source` says where they come from: `estimator`, `fit`, `optimizer`, `args`,
        `config`, `global`, `user`."""
        self.described_params(lifecycle.values(dict(params)), source)

    def described_params(self, values: Mapping[str, Any], source: str) -> None:
        """The same of values as they go on record: see `plugin_api.as_recorded`."""
        if values:
            kept = tuple(events.Param(name, value, source) for name, value in values.items())
            self._report(events.StrandParams(time=_now(), strand=self.id, params=kept))

    def params_of(self, obj: Any, source: str = "estimator") -> None:
        """The parameters of an object that a plugin knows."""
        from autotrack.plugins import hooks

        params = hooks.call("autotrack_params", obj=obj)
        if params:
            self.params(params, source)

    def data(
        self,
        role: str,
        data: Any,
        *,
        labels: Any = None,
        weights: Any = None,
        name: str | None = None,
        kind: str | None = None,
        others: Mapping[str, Any] | None = None,
    ) -> None:
        """Data that is used as `train`, `valid`, `test` or `predict`: features, and labels and sample weights
        where there are any, and `others` by name; `kind`: what the program has where these are arrays of it.  Digested
        here when that takes under a millisecond, else beside the call.
        """
        from autotrack.identity import data as identity
        from autotrack.identity import profiles

        description = identity.describe(data, labels, weights, name, kind, others)
        number = self.described(role, description)
        for identified, given in description.digested:
            profiles.of(self.job).later(identified, given)
        if description.pending:
            pending = identity.Beside(
                self.job, description, functools.partial(self.report_dataset, role, number), self.gap
            )
            self._pending.append(pending)
            pending.begin()

    def described(self, role: str, description: Description, container: Any = None) -> int:
        """Data that is used, as it was described, and what of the framework's holds it; returns the number that it has
        in this strand."""
        number = self._next_dataset()
        if self._roles is None:
            from autotrack.identity.roles import Roles

            self._roles = Roles()
        self._roles.add(role, number, description.parts, container)
        self.report_dataset(role, number, description.dataset)
        for what, why in description.gaps:
            self.gap(what, why)
        return number

    def dataset(self, role: str, dataset: events.Dataset) -> Callable[[events.Dataset], None]:
        """Data that is used, as far as it is known now; what this returns takes it again once more is known."""
        number = self._next_dataset()
        self.report_dataset(role, number, dataset)
        return lambda known: self.report_dataset(role, number, known)

    def data_seen(self, role: str, kind: str, *, rows: int | None = None, why: str = "") -> None:
        """Data that is used and whose content is not looked at: by its class, and its size where that is known."""
        self.dataset(role, events.Dataset(id=None, method="declared", kind=storable(kind), rows=rows))
        self.gap(f"identity of the {role} data", why or f"what a {storable(kind)} holds is not read")

    def _next_dataset(self) -> int:
        number, self._datasets = self._datasets, self._datasets + 1
        return number

    def role_of(self, features: Any = None, labels: Any = None) -> str | None:
        """The role in which these features were used in this training, or, without features, these labels;
        `test` for features that are surely others; None where that can't be told, at little cost."""
        if self._roles is None:
            return None
        source = trained.note_of(features)
        if hasattr(source, "used"):
            return self._roles.of_source(features, source.id)
        if features is not None:
            return self._roles.of_features(features)
        return self._roles.of_labels(labels) if labels is not None else None

    def evaluated(self, split: str | None, features: Any, labels: Any = None) -> None:
        """Data that a score is of, where it is not the training's: recorded once for each object, with its labels."""
        mixed = split is None and self._roles is not None and self._roles.is_mixed(features)
        split = "test" if mixed else split
        if split in (None, "train", "oob"):
            return
        source = trained.note_of(features)
        if hasattr(source, "used"):  # a framework's own container, which knows what it was made of
            source.used(self, split, features)
            return
        if not (hasattr(features, "shape") or isinstance(features, list)):
            return
        if self._roles is not None and self._roles.seen(features):
            return
        assert split is not None
        self.data(split, features, labels=labels)
        if mixed and self._roles is not None:
            self._roles.leave_open(features)
        pending, self._pending = self._pending, []
        for digest in pending:
            digest.settle(0.0)

    def report_dataset(self, role: str, number: int, dataset: events.Dataset) -> None:
        """What is known by now of the `number`th data of this strand."""
        if self._roles is not None:
            self._roles.learn(number, dataset)
        self._report(events.StrandDataset(time=_now(), strand=self.id, role=role, dataset=dataset, number=number))
        leakage.of(self.job).uses(self.id, role, number, dataset)

    def series(self, name: str, *, origin: str = "framework") -> Series:
        """The series of a metric, named `split/metric` where the split is known."""
        series = self._series.get(name)
        if series is None:
            # Every point asks for its series by name: one of a class of the user's would be compared in Python.
            plain = str.__str__(name) if isinstance(name, str) else name
            series = self._series[plain] = Series(self, plain, origin)
        return series

    @property
    def all_series(self) -> dict[str, Series]:
        """Its series by their names."""
        return self._series

    def score(self, name: str, value: float, *, origin: str = "metric") -> None:
        """The next point of a series that counts its points, in all phases of a training."""
        counted = (self.first or self).series(name, origin=origin)
        step, counted.next_step = counted.next_step, counted.next_step + 1
        self.series(name, origin=origin).record(step, value)

    def has(self, name: str, *, other_than: str) -> bool:
        """Whether there is a series of this name, of another origin."""
        series = self._series.get(name)
        return series is not None and series._origin != other_than

    def summary(self, **values: Any) -> None:
        """Values of the whole training that are not series."""
        self.summaries(values)

    def summaries(self, values: Mapping[str, Any]) -> None:
        """As `summary`, for names that are no identifiers."""
        self._report(events.StrandSummary(time=_now(), strand=self.id, values=lifecycle.values(dict(values))))

    def trials(self, trials: Iterable[tuple[Mapping[str, Any], Mapping[str, float], float | None, str]]) -> None:
        """The candidates of a search, each with its parameters, metrics, seconds and status; they are folded
        under this run."""
        for index, (params, metrics, seconds, status) in enumerate(trials):
            kept = tuple(
                events.Param(name, value, "estimator") for name, value in lifecycle.values(dict(params)).items()
            )
            self._report(
                events.StrandTrial(
                    time=_now(),
                    strand=self.id,
                    index=index,
                    params=kept,
                    metrics=lifecycle.values(dict(metrics)),
                    status=status,
                    duration=seconds,
                )
            )

    def model(self, model: Any, *, budget: float) -> None:
        """The fitted model: its class and identity, and its pickle, as far as `budget` seconds reach, or those of the
        setting `keep_model_seconds` where they are more."""
        from autotrack.identity import models

        models.report(self, model, max(budget, self.job.settings.keep_model_seconds))

    def evaluates(self, cls: str, identity: str | None) -> None:
        """The fitted model that this strand did not train but is about, by its class and identity."""
        self._report(events.StrandModel(time=_now(), strand=self.id, cls=storable(cls), id=identity))

    def fitted(self, cls: str, identity: str | None, parameters: int | None = None) -> None:
        """The model that it has trained, which is not kept: its class, identity and number of learned scalars."""
        event = events.StrandModel(time=_now(), strand=self.id, cls=storable(cls), id=identity, parameters=parameters)
        self._report(event)

    def artifact(
        self, path: str, mode: str, *, kind: str = "file", model: str | None = None, step: int | None = None
    ) -> None:
        """A file that was `read` or `written`; its digest follows from the recorder."""
        artifacts.report_artifact(self.job, path, mode, kind=kind, model=model, step=step, strand=self.id)

    def tag(self, name: str, value: Any = True) -> None:
        for key, described in lifecycle.values({name: value}).items():
            self._report(events.Tagged(time=_now(), strand=self.id, name=key, value=described))

    def gap(self, what: str, why: str) -> None:
        """Something that a reader might expect and that was not captured; told once of each `what`."""
        if what in self._gaps:
            return
        self._gaps.add(what)
        self._report(events.GapFound(time=_now(), strand=self.id, what=storable(what), why=storable(why)))

    def settle(self) -> None:
        """The call is over: see whether large data changed while it ran."""
        pending, self._pending = self._pending, []
        budget = max(0.001, 0.01 * (time.perf_counter() - self.began))
        for digest in pending:
            digest.settle(budget)

    def join(self, other: Strand, name: str = "") -> None:
        """It turned out to be the same training as another strand, of whose run it is part from here on.  `name` is put
        before a metric or parameter of which the other has one, too; without it, the name of its class."""
        if self._counted:
            self._counted = False
            self.job.runs -= 1
        self.joined = other
        self._report(events.StrandJoined(time=_now(), strand=self.id, into=other.id, name=name))
        leakage.of(self.job).joins(self.id, other.id)

    def resume(self) -> None:
        """The training goes on after its end."""
        if self.ours:
            self.job.unfinished[self.id] = self

    def end(self, status: str, error: BaseException | None = None) -> None:
        """The training is over: `finished`, `failed` or `interrupted`."""
        if not self.ours:
            return
        self.job.unfinished.pop(self.id, None)
        failure = lifecycle.failure(error) if error is not None else None
        seconds = time.perf_counter() - self.began
        self._report(events.StrandEnded(time=_now(), strand=self.id, status=status, seconds=seconds, failure=failure))


def _thread_name() -> str:
    """The name of this thread; a thread that Python did not start is not made known to `threading` for it."""
    thread = threading._active.get(threading.get_ident())  # type: ignore[attr-defined]
    return str(thread.name) if thread is not None else f"thread {threading.get_ident()}"
