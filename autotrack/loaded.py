"""`autotrack.load`: a recorded run as an object, with its points and its model; `autotrack.runs`: a table of runs."""

from __future__ import annotations

import functools
import importlib.util
import io
import os
import pickle
from typing import TYPE_CHECKING, Any, Literal, overload

from autotrack import context
from autotrack.errors import ModelError
from autotrack.store import NotFound
from autotrack.store.reading import existing, run_of

if TYPE_CHECKING:
    import numpy
    import pandas
    import polars

__all__ = ["RecordedRun", "load", "runs"]


def load(id: str, dir: str | os.PathLike[str] | None = None) -> RecordedRun:
    """A run that was recorded, as far as it is by now.

    `id`: as for `autotrack show`: the beginning of an id, `@last`, `@best:METRIC` or `@best:-METRIC` (the lowest);
    a job that has one run means that.  `dir`: the folder to read, instead of the one that this program records
    into, or the nearest `.autotrack`.

    Raises NotFound and Ambiguous (of `autotrack.store`) for an id that means no run or several, StoreError for a
    store that can't be read, SettingsError; all of them are `autotrack.errors.AutotrackError`.
    """
    if not isinstance(id, str):
        raise TypeError(f"autotrack.load takes the id of a run, not {type(id).__name__}")
    if dir is None and context.Current.job is not None:
        dir = context.Current.job.root
    with existing(dir) as store:
        store.refresh(wait=WAIT)
        return RecordedRun(store.run(run_of(store, id)), store.folder.root)


@overload
def runs(
    filter: str | None = None,
    *,
    sort: str | None = None,
    limit: int | None = None,
    nested: bool = False,
    frame: None = None,
    dir: str | os.PathLike[str] | None = None,
) -> Any: ...
@overload
def runs(
    filter: str | None = None,
    *,
    sort: str | None = None,
    limit: int | None = None,
    nested: bool = False,
    frame: Literal["pandas"],
    dir: str | os.PathLike[str] | None = None,
) -> pandas.DataFrame: ...
@overload
def runs(
    filter: str | None = None,
    *,
    sort: str | None = None,
    limit: int | None = None,
    nested: bool = False,
    frame: Literal["polars"],
    dir: str | os.PathLike[str] | None = None,
) -> polars.DataFrame: ...
@overload
def runs(
    filter: str | None = None,
    *,
    sort: str | None = None,
    limit: int | None = None,
    nested: bool = False,
    frame: Literal["list"],
    dir: str | os.PathLike[str] | None = None,
) -> list[dict[str, Any]]: ...
def runs(
    filter: str | None = None,
    *,
    sort: str | None = None,
    limit: int | None = None,
    nested: bool = False,
    frame: Literal["pandas", "polars", "list"] | None = None,
    dir: str | os.PathLike[str] | None = None,
) -> Any:
    """The recorded runs as a data frame, a row a run, the newest first.

    `frame` says of which library; without it, a pandas DataFrame where pandas is installed, else a polars DataFrame
    where polars is, else a list of dicts as `frame="list"` gives it: the objects of `autotrack ls --json`, see
    `autotrack.store.Store`.

    The columns are `id, job, name, framework, kind, status, started` (a moment in UTC), `duration` (seconds), `user,
    parent`, then `params.NAME`, `metrics.NAME` (the last value) and `tags.NAME`, as far as one of the runs has them.
    A parameter or tag is an integer, a float or a boolean where it is in all runs that have it, else a text.

    `filter` and `sort` as for `autotrack ls`: `autotrack.runs('params.C < 1', sort="test/accuracy")` has the largest
    first, `sort="-valid/loss"` the smallest; runs without it come last.  `limit`: runs at most.  `nested`: also the
    trials of searches.  `dir` as for `load`.

    Raises FilterError for a filter that can't be understood, NotFound where nothing was ever recorded, StoreError;
    ImportError where the library that `frame` names is not installed.
    """
    if frame not in (None, "pandas", "polars", "list"):
        raise ValueError(f"frame is 'pandas', 'polars' or 'list', not {frame!r}")
    if dir is None and context.Current.job is not None:
        dir = context.Current.job.root
    with existing(dir) as store:
        store.refresh(wait=WAIT)
        descending, by = not (sort or "").startswith("-"), (sort or "").removeprefix("-") or None
        found = store.runs(filter, sort=by, descending=descending, limit=limit, nested=nested)
    installed = [name for name in ("pandas", "polars") if importlib.util.find_spec(name) is not None]
    chosen = frame or (installed or ["list"])[0]
    if chosen == "list":
        return found
    from autotrack.store import frame as frames

    columns = frames.columns(found)
    return frames.to_pandas(columns) if chosen == "pandas" else frames.to_polars(columns)


WAIT = 10.0
"""Seconds to wait for another reader that is taking in what is new."""


class RecordedRun:
    """A run that was recorded, as it was when it was loaded.

    Values that are no numbers, texts, lists or dicts are described by a text, and so are numbers that JSON lacks
    (`"NaN"`), except in `metrics`.
    """

    def __init__(self, found: dict[str, Any], root: str) -> None:
        self._root = root
        self._model: dict[str, Any] | None = found["model"]
        self._parent: str | None = found["parent"]
        self.id: str = found["id"]
        self.name: str = found["name"]
        self.kind: str = found["kind"]
        """`fit`, `search`, `cross_validation`, `run` (opened by the user), `log`, or a plugin's own word."""
        self.status: str = found["status"]
        """`running`, `finished`, `failed`, `interrupted`, `killed` or `crashed`."""
        self.started: float = found["started"]
        """Seconds since the epoch."""
        self.duration: float | None = found["duration"]
        """Seconds; None while it runs."""
        self.params: dict[str, Any] = {param["name"]: param["value"] for param in found["params"]}
        self.metrics: dict[str, float] = {name: float(each["last"]) for name, each in found["metrics"].items()}
        """The last value of each series; nan and inf as such."""
        self.tags: dict[str, Any] = found["tags"]
        self.note: str | None = found["note"]
        self.datasets: list[dict[str, Any]] = found["datasets"]
        """Each with `role, name, id, method, kind, rows, columns, bytes, schema, parts`."""
        self.summary: dict[str, Any] = found["summary"]
        self.artifacts: list[dict[str, Any]] = found["artifacts"]
        """Each with `path, mode, digest, bytes, kind, step, model`."""
        self.gaps: list[dict[str, str]] = found["gaps"]
        """What was not captured, and why: each with `what, why`."""
        self.job: dict[str, Any] = found["job"]
        """The start of the program: `id, argv, cwd, host, user, python, packages, git, exit, ...`."""

    def __repr__(self) -> str:
        metrics = ", ".join(f"{name}={value:.6g}" for name, value in list(self.metrics.items())[:3])
        return f"<run {self.id} {self.name}: {self.status}{', ' + metrics if metrics else ''}>"

    def points(self, name: str) -> tuple[numpy.ndarray[Any, Any], numpy.ndarray[Any, Any]]:
        """The steps (int64) and values (float64) of a series, of the same length, in the order they were recorded.

        They are those of now: a run that goes on has more of them.  Raises NotFound for a series that the run does
        not have; StoreError.
        """
        import numpy

        with existing(self._root) as store:
            store.refresh(wait=WAIT)
            chunks = [(steps, values) for _, steps, _, values in store.points(self.id, [name])]
        if not chunks:
            if name in self.metrics:
                raise NotFound(f"of {name!r} the run {self.id} has only the value {self.metrics[name]!r}, see metrics")
            raise NotFound(f"the run {self.id} has no series {name!r}; it has {', '.join(self.metrics) or 'none'}")
        steps, values = zip(*chunks, strict=True)
        return numpy.concatenate(steps), numpy.concatenate(values)

    @functools.cached_property
    def model(self) -> Any:
        """The fitted model as it was kept at the end of the fit: unpickled on first use, then the same object.

        What is unpickled is what was recorded: its digest is compared before.  A pickle runs code as it is read, so
        whoever could write to the folder can run theirs.  Raises ModelError where no model was kept, its file is
        gone or damaged, or something that it is made of can't be imported.
        """
        data = self._pickled()
        return context.aside(self._unpickled, data)

    def _pickled(self) -> bytes:
        kept = self._model["kept"] if self._model is not None else None
        if kept is None:
            raise ModelError(f"no model of the run {self.id} ({self.name}) is kept: {self._why_none()}")
        from blake3 import blake3

        from autotrack.journal.folder import Folder

        path = Folder(self._root).blob(kept)
        try:
            with open(path, "rb") as file:
                data = file.read()
        except FileNotFoundError:
            raise ModelError(
                f"the model of the run {self.id} ({self.name}) is no longer in {path}; it was recorded on the machine "
                f"{self.job.get('host')} in {self.job.get('cwd')}: copy the file from there, or train it again"
            ) from None
        except OSError as error:
            raise ModelError(f"the model of the run {self.id} can't be read: {path}: {error.strerror}") from error
        if blake3(data).hexdigest() != kept:
            raise ModelError(
                f"the model of the run {self.id} ({self.name}) is damaged: {path} is not what was recorded; restore "
                "that file from a backup, or move it away and train it again"
            )
        return data

    def _why_none(self) -> str:
        for gap in self.gaps:
            if gap["what"] == "the fitted model":
                return gap["why"]
        if self._parent is not None:
            return f"it is nested in {self._parent}; see autotrack.load({self._parent!r}).model"
        if self.status != "finished":
            return f"it is {self.status}, and models are kept when a fit has finished"
        return f"a run of kind {self.kind!r} that left none; models are kept of fits and searches"

    def _unpickled(self, data: bytes) -> Any:
        try:
            return _Unpickler(io.BytesIO(data), self).load()
        except ModelError:
            raise
        except (
            pickle.UnpicklingError, AttributeError, ImportError, TypeError, ValueError, LookupError, EOFError,
        ) as error:  # fmt: skip
            raise ModelError(
                f"the model of the run {self.id} ({self.name}) can't be made from its pickle: {type(error).__name__}: "
                f"{error}. {self._recorded_with()}"
            ) from error

    def _recorded_with(self) -> str:
        return (
            f"It was recorded with {self.job.get('python')} and the packages that autotrack.load({self.id!r})"
            ".job['packages'] lists: install those versions"
        )


class _Unpickler(pickle.Unpickler):
    """Says what is missing where a class or function of the model can't be imported."""

    def __init__(self, file: io.BytesIO, run: RecordedRun) -> None:
        super().__init__(file)
        self._run = run

    def find_class(self, module: str, name: str, /) -> Any:
        try:
            return super().find_class(module, name)
        except ModuleNotFoundError as error:
            missing = f"there is no module {error.name!r} here: install what it belongs to, or put it on sys.path"
            raise self._error(module, name, f"{missing}. {self._run._recorded_with()}") from error
        except ImportError as error:
            raise self._error(module, name, f"{error}. {self._run._recorded_with()}") from error
        except AttributeError as error:
            if module in ("__main__", "__mp_main__"):
                told = (
                    f"it was defined in the program itself, {self._run.job.get('name')}: define {name!r} or import it "
                    f"into the main program first; a class that stands in a module is found by itself"
                )
            else:
                told = f"the module {module!r} has no {name!r} here. {self._run._recorded_with()}"
            raise self._error(module, name, told) from error

    def _error(self, module: str, name: str, told: str) -> ModelError:
        run = self._run
        return ModelError(f"the model of the run {run.id} ({run.name}) needs {module}.{name}: {told}")
