"""The identity of a fitted model, and keeping it.

The identity is a digest of what the model has learned: its class and state, walked in a fixed order, arrays by
content.  It does not depend on the file or the pickle protocol; the same weights saved twice are the same model.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import xxhash
from blake3 import blake3

from autotrack import context, events, shield, trained
from autotrack.identity import arrays, elements
from autotrack.plugins import hooks
from autotrack.strand import Strand
from autotrack.values import storable


class OverBudget(Exception):
    """It would take longer, or become larger, than allowed."""


class Streamed(NamedTuple):
    """An array that is read, piece by piece, only as it is digested."""

    dtype: Any
    shape: tuple[int, ...]
    pieces: Callable[[], Iterable[Any]]
    """Its elements in C order, in little-endian, as bytes."""

    def digest(self) -> str:
        """As that of the array itself would be."""
        state = elements.begun(self.dtype, self.shape)
        for piece in self.pieces():
            state.update(piece)
        return elements.named(state.hexdigest())


def report(strand: Strand, model: Any, budget: float) -> None:
    """Report class, identity and kept pickle of a model, within `budget` seconds in all."""
    cls = f"{type(model).__module__}.{type(model).__qualname__}"
    deadline = time.perf_counter() + budget
    identity, kept, parameters = context.aside(
        lambda: (
            _within(strand, "identity of the model", lambda: model_digest(model, deadline)),
            _within(strand, "the fitted model", lambda: keep(strand, model, deadline)),
            _within(strand, "number of parameters", lambda: _count(model)),
        )
    )
    if identity is not None:
        trained.identify(identity, strand)
    digest, size = kept if kept is not None else (None, None)
    strand.job.report(
        events.StrandModel(
            time=time.time(),
            strand=strand.id,
            cls=storable(cls),
            id=identity,
            parameters=parameters,
            kept=digest,
            bytes=size,
        )
    )


def _within(strand: Strand, what: str, function: Any) -> Any:
    """The function's result, or None and a gap: it went over budget, or the model refused."""
    try:
        return function()
    except OverBudget as error:
        strand.gap(what, str(error))
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError, OSError) as error:
        if shield.raised_by_signal_handler(error):
            raise
        strand.gap(what, f"{type(error).__name__}: {error}"[:300])
    return None


def _count(model: Any) -> int | None:
    counted = hooks.call("autotrack_model", obj=model)
    return counted if isinstance(counted, int) else None


class _Sink(io.RawIOBase):
    """Takes a pickle as it is made: digests it, writes it, and stops it when it goes over budget."""

    def __init__(self, file: Any, deadline: float, limit: int) -> None:
        self._file, self._deadline, self._limit = file, deadline, limit
        self.size = 0
        self.state = blake3()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self.size += view.nbytes
        if self.size > self._limit:
            raise OverBudget(f"larger than {self._limit:,} bytes (setting keep_model_bytes)")
        if time.perf_counter() > self._deadline:
            raise OverBudget("pickling it would take too long (setting keep_model_seconds, or 2 % of the fit)")
        self.state.update(view)
        self._file.write(view)
        return view.nbytes


def keep(strand: Strand, model: Any, deadline: float) -> tuple[str, int]:
    """Pickle a model into the blobs; returns the digest that names the blob, and its size in bytes."""
    folder = strand.job.opened().folder
    os.makedirs(folder.blobs, exist_ok=True)
    temporary = os.path.join(folder.blobs, f"tmp-{strand.id}")
    try:
        with open(temporary, "xb") as file:
            sink = _Sink(file, deadline, strand.job.settings.keep_model_bytes)
            pickle.Pickler(sink, protocol=5).dump(model)
        digest = sink.state.hexdigest()
        place = folder.blob(digest)
        if not os.path.exists(place):  # replacing a file waits for the disk on some file systems
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.replace(temporary, place)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return digest, sink.size


def model_digest(model: Any, deadline: float) -> str:
    """`xxh3:<scheme>:<hex>` of a model's class and state.

    Raises OverBudget past the deadline (of `time.perf_counter`), TypeError for state that can't be read.
    """
    walk = _Walk(deadline)
    walk.value(model)
    return elements.named(walk.state.hexdigest())


def state_digest(state: Mapping[str, Any]) -> str:
    """The identity of a model whose plugin says what it has learned."""
    walk = _Walk(math.inf)
    walk.state_of(state)
    return elements.named(walk.state.hexdigest())


class _Walk:
    """Feeds a digest with everything that a model is made of."""

    def __init__(self, deadline: float) -> None:
        self.state = xxhash.xxh3_128()
        self._deadline = deadline
        self._path: dict[int, int] = {}
        """Depth of what is being walked, by its id: only a cycle is told by where it closes.  Whether two names stand
        for one object, or for equal ones, is no matter: some files keep that (pickle), others don't (joblib)."""
        self._digests: dict[int, str] = {}
        self._alive: list[Any] = []
        """Keeps arrays alive, so that no two of them share an id."""

    def _mark(self, mark: str) -> None:
        elements.text(self.state, mark)

    def value(self, value: Any) -> None:
        if value is None or (
            isinstance(value, (bool, int, float, complex, str, bytes)) and type(value).__module__ == "builtins"
        ):
            self._mark(f"{type(value).__name__} {value!r}")
            return
        if time.perf_counter() > self._deadline:
            raise OverBudget("reading its state would take too long (setting keep_model_seconds, or 2 % of the fit)")
        depth = self._path.get(id(value))
        if depth is not None:
            self._mark(f"again {depth}")
            return
        self._path[id(value)] = len(self._path)
        self._walk(value)
        del self._path[id(value)]

    def state_of(self, state: Mapping[str, Any]) -> None:
        self._mark("state")
        self.value(dict(state))

    def _walk(self, value: Any) -> None:
        if isinstance(value, dict) and type(value) is dict:
            self._mark(f"dict {len(value)}")
            for key in sorted(value, key=_order):
                self.value(key)
                self.value(value[key])
        elif type(value) is Streamed:
            self._mark(value.digest())
        elif type(value) in (list, tuple):
            self._mark(f"{type(value).__name__} {len(value)}")
            for entry in value:
                self.value(entry)
        elif type(value) in (set, frozenset):
            self._mark(f"set {len(value)}")
            for entry in sorted(value, key=_order):
                self.value(entry)
        elif isinstance(value, type) or hasattr(value, "__qualname__"):
            self._mark(f"name {getattr(value, '__module__', '')}.{value.__qualname__}")
        else:
            self._object(value)

    def _object(self, value: Any) -> None:
        try:
            known = self._digests.get(id(value))
            if known is None:
                known = self._digests[id(value)] = arrays.digest(value)
                self._alive.append(value)
            self._mark(known)
            return
        except arrays.Undigestible:
            pass
        state = hooks.call("autotrack_state", obj=value)
        if state is not None:
            self.state_of(state())
            return
        parts = value.__reduce_ex__(4)
        if isinstance(parts, str):
            self._mark(f"global {parts}")
            return
        self._mark(f"object {type(value).__module__}.{type(value).__qualname__}")
        _, arguments, *rest = parts
        self.value(arguments)
        for part in rest:
            self.value(list(part) if part is not None and not isinstance(part, (dict, tuple, list)) else part)


def _order(key: Any) -> tuple[str, str]:
    return type(key).__name__, repr(key)
