"""Data that makes its batches as it is asked for them: what passes of it in the first epoch.

Keras has an adapter for each kind of data, which it makes anew for each `fit` and `evaluate`; what that iterates is
followed by a `map` of Python's, which calls for nothing of its own: the program's object is left alone, is asked for
no batch more, and its exceptions pass through no frame of ours.  On TensorFlow batches are made ahead of the training,
in another thread: those that belong to the first epoch are counted, and looked at there.
"""

from __future__ import annotations

import functools
import itertools
import weakref
from collections.abc import Callable, Iterator
from types import GeneratorType, MethodType
from typing import Any

from autotrack import Dataset, Strand
from autotrack.plugin_api import Batches, Unseen, data_profiled, strand_inside
from autotrack_keras.models import array_of

ADAPTERS = "keras.src.trainers.data_adapters."
MAKES = {
    "PyDatasetAdapter": ("py_dataset", "_get_iterator"),
    "GeneratorDataAdapter": ("", "generator"),
    "TorchDataLoaderAdapter": ("_dataloader", "get_numpy_iterator"),
}
"""By the kind of adapter, what holds the data, and what is iterated in each epoch."""
ROLES = "keras roles"
"""In the memo of a strand, those of data that was used in it."""
EXPECTED, AWAITED = "keras expected", "keras awaited"
"""In the memo of a strand, what is to be concluded at its end, and the roles of data that is not known yet."""


class Pass:
    """One iterator of the data."""

    __slots__ = ("_derives", "batches", "count", "ended", "limit", "more", "why")

    def __init__(self, limit: int, derives: bool) -> None:
        self.batches, self.count, self.limit = Batches(_inside), 0, limit
        self._derives = derives
        """Whether the weights are Keras's own, of the classes."""
        self.more = False
        """Whether something has come after the first epoch."""
        self.ended = False
        """Whether there was nothing left."""
        self.why = ""
        """Nothing is known of the content, and why."""

    def batch(self, batch: Any) -> None:
        if self.is_over():
            self.more = True
            return
        self.count += 1
        if not self.why:
            try:
                self.batches.look(batch[:2] if self._derives and isinstance(batch, tuple) else batch)
            except Unseen as error:
                self.why = str(error)

    def is_over(self) -> bool:
        return 0 < self.limit <= self.count


class Expected:
    """Data that a call of `fit` or `evaluate` is about to go through."""

    __slots__ = ("_reports", "data", "kind", "over", "seen", "users")

    def __init__(self, data: Any, kind: str) -> None:
        self.data, self.kind, self.users = data, kind, 0
        self.seen: Following | None = None
        self.over: Callable[[], bool] | None = None
        """Whether the first epoch is, for data that is consumed as it is tried out, or has no known end."""
        self._reports: list[tuple[Strand, str, Callable[[Dataset], None]]] = []

    def told(self, strand: Strand, role: str) -> None:
        """It is used in a training, in this role."""
        declared = Dataset(id=None, method="declared", kind=self.kind)
        self._reports.append((strand, role, strand.dataset(role, declared)))
        _note_role(strand, role, self.data)

    def conclude(self) -> None:
        """The call is over."""
        self.users -= 1
        if self.users == 0 and _expected.get(id(self.data)) is self:
            del _expected[id(self.data)]
        reports, self._reports = self._reports, []
        seen = self.seen.current if self.seen is not None else None
        if not reports:
            return
        if self.seen is None or seen is None:
            for strand, role, _ in reports:
                strand.gap(f"identity of the {role} data", "it makes its batches as it is asked for them")
            return
        whole, why = self.seen.told(seen)
        rows = seen.batches.rows if whole and not seen.why else None
        dataset, profile = seen.batches.observed(self.kind, rows)
        missing = seen.why or "; ".join([*seen.batches.missing(), *([why] if why else [])])
        for strand, role, report in reports:
            report(dataset)
            if missing:
                strand.gap(f"identity of the {role} data", missing)
        if profile is not None:
            data_profiled(reports[0][0], profile)


class Following:
    """Takes the place of what an adapter iterates in each epoch: a function, or since 3.4 of a generator, and before
    that an iterator that goes on."""

    __slots__ = ("_derives", "_ends", "_make", "_number", "_over", "_steps", "current")

    def __init__(self, expected: Expected, make: Any, steps: int, number: int, derives: bool) -> None:
        self._over, self._ends = expected.over, type(expected.data) is GeneratorType
        self._make = make
        self._derives = derives
        self._steps, self._number = steps, number
        """Batches of an epoch as the program has set them, and of all the data; 0 where they are not known."""
        self.current: Pass | None = None
        """The first epoch, as far as it is known: before it Keras may have tried a batch out."""

    def __call__(self) -> Iterator[Any]:
        make = self._make() if isinstance(self._make, weakref.WeakMethod) else self._make
        iterator: Iterator[Any] = iter(make() if callable(make) else make or ())
        if self.current is not None and self._is_known(self.current):
            return iterator
        limit = min(known) if (known := [count for count in (self._steps, self._number) if count]) else 0
        self.current = Pass(limit, self._derives)
        return itertools.chain(map(functools.partial(handed_on, self.current), iterator), _ending(self.current))

    __iter__ = __call__

    def _is_known(self, seen: Pass) -> bool:
        if self._over is not None and (not seen.limit or self._ends):
            return self._over()
        return seen.is_over() or seen.ended

    def told(self, seen: Pass) -> tuple[bool, str]:
        """Whether all of the data has passed, and what of it has not."""
        whole = seen.count >= self._number if self._number else seen.ended and not seen.more
        if whole:
            return True, ""
        if seen.is_over():
            return False, f"what comes after the {seen.limit:,} steps of the first epoch is not looked at"
        return False, f"the first epoch was broken off after {seen.batches.rows:,} {seen.batches.what}"


_expected: dict[int, Expected] = {}


def expect(data: Any, kind: str) -> Expected:
    """Data is about to be gone through: to be told of its use, and to be concluded at the end of the call."""
    expected = _expected.get(id(data))
    if expected is None or expected.data is not data:
        expected = _expected[id(data)] = Expected(data, kind)
    expected.users += 1
    return expected


def expect_in(strand: Strand, role: str, expected: Expected) -> None:
    """It is to be concluded at the end of a training."""
    epochs = strand.counter
    if role == "train" and epochs is not None:
        expected.over = lambda: epochs.ended > 0
    strand.memo.setdefault(EXPECTED, []).append(expected)


def conclude(strand: Strand) -> None:
    """A training is over."""
    for expected in strand.memo.pop(EXPECTED, ()):
        expected.conclude()


def await_data(strand: Strand) -> None:
    """The data of a training is told of as it is given to Keras."""
    strand.memo[AWAITED] = {"train", "valid"}


def _awaited(given: tuple[Any, ...], named: dict[str, Any]) -> None:
    from autotrack_keras import data

    strand = strand_inside()
    roles = strand.memo.get(AWAITED) if strand is not None else None
    role = "train" if "class_weight" in named else "valid"  # as `fit` makes the one and the other
    if strand is not None and roles and role in roles:
        roles.remove(role)
        parts = {**dict(zip(("x", "y", "sample_weight"), given, strict=False)), **named}
        data.tell(strand, role, *(parts.get(name) for name in ("x", "y", "sample_weight")))


def adapted(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`EpochIterator.__init__` has made an adapter for data."""
    _awaited(args[1:], kwargs)
    iterator = args[0]
    adapter = iterator.data_adapter
    given = kwargs["x"] if "x" in kwargs else args[1] if len(args) > 1 else None
    kind = type(adapter)
    if not _expected or adapter is given or not kind.__module__.startswith(ADAPTERS) or kind.__name__ not in MAKES:
        return
    holder, made = MAKES[kind.__name__]
    if kind.__name__ == "TorchDataLoaderAdapter" and type(iterator).__name__ == "TorchEpochIterator":
        made = "get_torch_dataloader"
    data = getattr(adapter, holder) if holder else given
    expected = _expected.get(id(data))
    if expected is None or expected.data is not data or expected.seen is not None:
        return
    steps, number = (int(count or 0) for count in (iterator.steps_per_epoch, iterator._num_batches))
    derives = getattr(adapter, "class_weight", None) is not None
    make = getattr(adapter, made)
    if isinstance(make, MethodType) and type(iterator).__name__ != "TFEpochIterator":
        # Elsewhere than on TensorFlow, which keeps it, it is let go of as the call returns, being in no cycle.
        make = weakref.WeakMethod(make)
    expected.seen = Following(expected, make, steps, number, derives)
    setattr(adapter, made, expected.seen)


def _ending(seen: Pass) -> Iterator[Any]:
    """What comes after the last batch."""
    seen.ended = True
    yield from ()


def handed_on(seen: Pass, batch: Any) -> Any:
    """Each batch, on its way; patched."""
    return batch


def passed(args: tuple[Any, ...], kwargs: dict[str, Any], batch: Any) -> None:
    """`handed_on` has a batch."""
    args[0].batch(batch)


def _inside(value: Any) -> Any:
    """A tensor in a batch."""
    module = type(value).__module__.partition(".")[0]
    if module not in ("tensorflow", "torch", "jax", "jaxlib") or not hasattr(value, "device"):  # ragged, sparse
        return None
    device = str(value.device() if callable(value.device) else value.device)
    if "cpu" not in device.lower():
        raise Unseen(f"what passes lies on {device}")
    return array_of(value)


def _note_role(strand: Strand, role: str, data: Any) -> None:
    if type(data) is GeneratorType:
        return
    try:
        reference = weakref.ref(data)
    except TypeError:
        return
    strand.memo.setdefault(ROLES, {}).setdefault(id(data), (reference, role))


def role_of(strand: Strand, data: Any) -> str | None:
    """The role in which this data was used in a training."""
    reference, role = strand.memo.get(ROLES, {}).get(id(data), (None, None))
    return role if reference is not None and reference() is data else None
