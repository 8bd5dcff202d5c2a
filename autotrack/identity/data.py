"""The dataset of a call: shape, schema and identity of features, labels and weights.

What takes under a millisecond is digested at once, in the user's thread, before the call: then training can't change
it first.  So are numbers up to about 1 GB, at the speed at which memory is read: one pass over what the call goes
through many times.  Anything else is digested beside the call by the recorder, and again at its end or after it: the
call may have changed it before the first digest, so it is `unverified`, or `mutated` where the digests differ.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from autotrack import events, shield
from autotrack.gates import Gate
from autotrack.identity import arrays, profiles
from autotrack.identity.columns import is_a
from autotrack.plugins import hooks
from autotrack.values import plain, shown, storable

if TYPE_CHECKING:
    from autotrack.job import Job

INLINE_SECONDS = 0.001
PASS_SECONDS = 0.1
"""Of data that lies in memory as numbers: to go through it once, as the call does many times."""
QUICK_SECONDS = 0.005
SCHEMA_LIMIT = 1_000
PARTS = ("features", "labels", "weights")
"""Which part is which is told by its place; of others by its name."""


class Description:
    """A dataset as far as it is known now, and what is still to be digested."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, Any, events.Dataset]] = []
        self.gaps: list[tuple[str, str]] = []
        self.digested: list[tuple[str, Any]] = []
        """Identity and data of the parts that were digested here."""
        self.pending = False
        self.name: str | None = None
        self.kind: str | None = None
        self.size: tuple[int, int] | None = None
        """Rows and columns of features that are in pieces."""

    @property
    def dataset(self) -> events.Dataset:
        """The dataset with its parts; with features alone, the features themselves."""
        features = self.parts[0][2]
        if len(self.parts) == 1:
            return changed(features, name=self.name)
        ids = [part.id if part.id is None or what in PARTS else f"{what} {part.id}" for what, _, part in self.parts]
        known = [id for id in ids if id is not None]
        methods = {part.method for _, _, part in self.parts}
        whole = len(known) == len(ids)
        return changed(
            features,
            id=arrays.named(arrays.combine(*known)) if whole else None,
            method=next((method for method in ("mutated", "unverified", "declared") if method in methods), "whole"),
            bytes=sum(part.bytes or 0 for _, _, part in self.parts),
            name=self.name,
            parts=tuple(changed(part, name=what) for what, _, part in self.parts),
        )


def describe(
    features: Any,
    labels: Any = None,
    weights: Any = None,
    name: str | None = None,
    kind: str | None = None,
    others: Mapping[str, Any] | None = None,
    size: tuple[int, int] | None = None,
) -> Description:
    """Describe the data of a call, of another `kind` where it is not what the program has; digests what is quickly
    digested.  `others`: what else a training is given for each row, by name; `size`: rows and columns of features that
    are a list of matrices."""
    described = Description()
    described.kind, described.size = kind, size
    described.name = name
    given = {"features": features, "labels": labels, "weights": weights, **(others or {})}
    for what, data in given.items():
        if what != "features" and (data is None or isinstance(data, (int, float))):
            continue
        add(described, what, data)
    if described.gaps:
        described.pending = False
    return described


def add(described: Description, what: str, data: Any) -> None:
    """Describe one more part: `features`, `labels` or `weights`."""
    if isinstance(shield.contain(f"description of the {what}", _describe, described, what, data), shield.Failed):
        described.gaps.append((f"description of the {what}", "autotrack failed at it"))
        unknown = events.Dataset(id=None, method="unverified", kind=_kind(data))
        described.parts.append((what, data, unknown))


def at_once(data: Any) -> bool:
    """Whether data is digested before the call, which can't change it then."""
    seconds = arrays.seconds_to_digest(data)
    return seconds <= INLINE_SECONDS or (seconds <= PASS_SECONDS and _is_numbers(data))


def _is_numbers(data: Any) -> bool:
    """Whether data is a matrix or table of numbers alone."""
    types = [kind for _, kind in _schema(data)]
    return bool(types) and all(kind.rstrip("0123456789") in _NUMBERS for kind in types)


_NUMBERS = frozenset(("int", "uint", "float", "bool", "Int", "UInt", "Float", "Boolean", "double"))


def _describe(described: Description, what: str, data: Any) -> None:
    """Add a part."""
    known = hooks.call("autotrack_dataset", data=data)
    if isinstance(known, events.Dataset):
        described.parts.append((what, data, known))
        return
    part = shape(data, described.kind)
    if what == "features" and described.size is not None:
        part = changed(part, rows=described.size[0], columns=described.size[1])
    try:
        if at_once(data):
            identity = arrays.digest(data)
            part = changed(part, id=identity, method="whole")
            described.digested.append((identity, data))
        else:
            described.pending = True
    except arrays.Undigestible as error:
        described.gaps.append((f"identity of the {what}", str(error)))
    described.parts.append((what, data, part))


def _kind(data: Any) -> str:
    return f"{type(data).__module__.split('.')[0]}.{type(data).__qualname__}".removeprefix("builtins.")


def quick_digest(data: Any) -> str | None:
    """The identity of data that is digested in a few milliseconds, else None."""
    try:
        return arrays.digest(data) if arrays.seconds_to_digest(data) <= QUICK_SECONDS else None
    except arrays.Undigestible:
        return None


def shape(data: Any, kind: str | None = None) -> events.Dataset:
    """Kind, rows, columns, bytes and schema, without an identity."""
    dimensions = getattr(data, "shape", None)
    if not (isinstance(dimensions, tuple) and all(isinstance(size, int) for size in dimensions)):
        dimensions = (len(data),) if isinstance(data, (list, tuple)) else ()
    return events.Dataset(
        id=None,
        method="unverified",
        kind=kind or _kind(data),
        rows=dimensions[0] if dimensions else None,
        columns=dimensions[1] if len(dimensions) > 1 else None,
        bytes=arrays.size_of(data),
        schema=_schema(data),
    )


def _schema(data: Any) -> tuple[tuple[str, str], ...]:
    """Names and types of the columns; `*` stands for all of them where they share one type."""
    pairs: Any = None
    if is_a(data, "pandas", "DataFrame"):
        pairs = zip(data.columns, data.dtypes, strict=True)
    elif is_a(data, "polars", "DataFrame"):
        pairs = data.schema.items()
    elif is_a(data, "pyarrow", "Table", "RecordBatch"):
        pairs = zip(data.schema.names, data.schema.types, strict=True)
    if pairs is not None:
        return tuple((storable(shown(plain(name))), str(dtype)) for name, dtype in islice(pairs, SCHEMA_LIMIT))
    dtype: Any = getattr(data, "dtype", None)
    names = getattr(dtype, "names", None)
    if names:
        return tuple((storable(name), str(dtype[name])) for name in names)
    return (("*", str(dtype)),) if dtype is not None else ()


def changed(dataset: events.Dataset, **fields: Any) -> events.Dataset:
    import msgspec

    return msgspec.structs.replace(dataset, **fields)


class Beside:
    """The digests of data that is too large to be digested inline: one taken beside the call, one at its
    end or after it."""

    def __init__(
        self,
        job: Job,
        description: Description,
        report: Callable[[events.Dataset], None],
        gap: Callable[[str, str], None],
    ) -> None:
        self._job, self._description, self._report, self._gap = job, description, report, gap
        self._first: list[str] | None = None
        self._seconds = 0.0
        self._ready = Gate()
        self._data: list[Any] = [data for _, data, _ in description.parts]
        self._weak: list[Any] = []
        self._sample = _samples(self._data)
        """Taken before the call, which may have changed the data before the first whole digest is begun."""

    def begin(self) -> bool:
        """Have the first digest taken; whether there is anybody to take it, before anything is recorded."""
        if self._job.recorder is None:
            return False
        self._job.recorder.later("digest of training data", self._digest_first)
        return True

    def begin_late(self) -> bool:
        """As `begin`, after the call: of what is left of the data."""
        begun = self.begin()
        if self._job.recorder is not None:
            self._job.recorder.later("digest of training data", self._compare_late)
        return begun

    def _digest_first(self) -> None:
        try:
            data = self._data or self._left()
            if data:
                self._digest(data)
        finally:
            self._ready.set()

    def _left(self) -> list[Any]:
        """The data after the call; nothing where a part of it is gone."""
        data = [reference() for reference in self._weak]
        return data if all(entry is not None for entry in data) else []

    def _digest(self, data: list[Any]) -> None:
        begun = time.perf_counter()
        first = shield.contain("digest of training data", _digests, data)
        self._seconds = time.perf_counter() - begun
        if isinstance(first, str):
            self._gap("identity of the data", first)
        elif isinstance(first, list):
            self._first = first
            for identity, part in zip(first, data, strict=True):
                profiles.of(self._job).later(identity, part)

    def settle(self, budget: float) -> None:
        """At the end of the call, in the user's thread: compare, where that takes at most `budget` seconds."""
        if self._ready.wait(budget) and self._seconds <= budget:
            self._compare(self._data)
            self._data = []
            return
        self._weak, self._data = [_weak(data) for data in self._data], []
        if self._job.recorder is not None:
            self._job.recorder.later("digest of training data", self._compare_late)

    def _compare_late(self) -> None:
        self._compare(self._left())

    def _compare(self, data: list[Any]) -> None:
        """Report the identities, and whether they are others at the end; no data: it can't be looked at."""
        if self._first is None:
            return
        second, sample = _digests(data) if data else self._first, _samples(data) if data else self._sample
        parts = []
        for at, (what, _, part) in enumerate(self._description.parts):
            before = self._first[at]
            same = before == second[at] and sample[at] == self._sample[at]
            parts.append((what, None, changed(part, id=before, method="unverified" if same else "mutated")))
        self._description.parts = parts
        self._report(self._description.dataset)


def _digests(data: list[Any]) -> list[str] | str:
    """The identities of data, or why there are none."""
    try:
        return [arrays.digest(entry) for entry in data]
    except arrays.Undigestible as error:
        return str(error)


def _samples(data: list[Any]) -> list[Any]:
    return [shield.contain("sample of training data", arrays.sample, entry) for entry in data]


def _weak(data: Any) -> Any:
    try:
        return weakref.ref(data)
    except TypeError:  # lists have no weak references; whether they changed can't be seen later
        return lambda: None
