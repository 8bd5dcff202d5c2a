"""Batches that pass on their way to a training: taken apart into fields, and their rows digested.

A batch is only looked at, in memory, at the moment at which it is handed over: nothing of it is kept or changed.  That
may take `FREE` seconds, and beyond them `SHARE` of the time that all takes; what there is no time for is counted and
left out.
"""

from __future__ import annotations

import sys
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from autotrack.identity import columns, elements, sparse

if TYPE_CHECKING:
    from autotrack.events import DataProfiled, Dataset

FREE = 0.05
SHARE = 0.01
"""Of the time since the first batch was waited for."""
SECONDS_A_BYTE = 1 / 5e9
SECONDS_A_COPIED_BYTE = 1 / 1e9
SECONDS_A_FIELD = 1e-5
SECONDS_A_ROW = 4e-7
"""A field of a row."""
SECONDS_AN_ENTRY = 2e-8
"""Of a table, or stored in a sparse matrix."""
SECONDS_A_COLUMN = 5e-5
FIELDS = 64
DEEP = 4

_VALUES = (int, float, bool, type(None))
_DICTS = (dict, OrderedDict, defaultdict)
_PLAIN = (*_DICTS, list, tuple, str, bytes, *_VALUES)


class Unseen(Exception):
    """A batch that can't be looked into, and why."""


class Piece(NamedTuple):
    """A field of a batch: its type and shape, about how long it takes to be read, and what reads it: the bytes of its
    rows one after the other as a `memoryview`, or those of each row as a list."""

    type: str
    shape: tuple[int, ...]
    seconds: float
    read: Callable[[], Any]


def _nothing(value: Any) -> Any:
    return None


class Batches:
    """What passes of a data set.  `inside(value)` says of what is in a batch, and is nothing that Python or numpy has,
    what it is: a `Piece`, or something else to be looked into in its place; None where it knows none.  It may raise
    `Unseen`.  `ones`: each is no batch but a row."""

    __slots__ = ("_begun", "_inside", "_ones", "_passed", "_spent", "rows", "undivided")

    def __init__(self, inside: Callable[[Any], Any] = _nothing, *, ones: bool = False) -> None:
        from autotrack.identity.passing import Passed

        self._passed, self._inside, self._ones = Passed(), inside, ones
        self._begun, self._spent = time.perf_counter(), 0.0
        self.rows = 0
        """That have passed."""
        self.undivided = False
        """Whether they are batches, which can't be taken apart."""

    def look(self, batch: Any) -> None:
        """A batch passes.  Raises `Unseen` where it can't be looked into."""
        begun = time.thread_time()
        parts: list[tuple[str, Piece]] = []
        self._take_apart("", batch, parts, DEEP)
        lengths = {part.shape[0] if part.shape else None for _, part in parts}
        rows = lengths.pop() if len(lengths) == 1 and not self._ones else None
        if rows == 0 or not parts:
            return
        if rows is None:
            rows, self.undivided = 1, self.undivided or not self._ones
        self.rows += rows
        expected = sum(part.seconds for _, part in parts) + len(parts) * (SECONDS_A_FIELD + rows * SECONDS_A_ROW)
        if self._spent + expected <= max(FREE, SHARE * (time.perf_counter() - self._begun)):
            self._passed.add([_field(name, part, rows) for name, part in parts], rows)
        self._spent += time.thread_time() - begun

    def observed(
        self, kind: str, rows: int | None, columns: int | None = None, name: str | None = None
    ) -> tuple[Dataset, DataProfiled | None]:
        """What has passed of a data set that has `rows`, where that is known, and its profile."""
        return self._passed.observed(kind, rows if not self.undivided else None, columns, name)

    @property
    def what(self) -> str:
        return "batches" if self.undivided else "rows"

    def missing(self) -> list[str]:
        """What is, of what has passed."""
        why = ["its batches can't be taken apart into rows"] if self.undivided else []
        if self._passed.rows < self.rows:
            why.append(f"of {self.rows:,} {self.what} that passed, {self._passed.rows:,} were looked at")
        return why

    def _take_apart(self, name: str, value: Any, parts: list[tuple[str, Piece]], depth: int) -> None:
        """The fields of a batch: its tensors, arrays and tables, and lists of texts or numbers."""
        kind = type(value)
        if kind not in _PLAIN:
            found = self._inside(value)
            if found is not None:
                value, kind = found, type(found)
        numpy = sys.modules.get("numpy")
        if kind is Piece:
            parts.append((name, value))
        elif numpy is not None and kind in (numpy.ndarray, numpy.memmap) and value.dtype.kind in "biufcmMSU":
            parts.append((name, _of_array(value)))
        elif kind in _DICTS or "UserDict" in {base.__name__ for base in kind.__mro__}:
            for key, entry in (value if kind in _DICTS else vars(value).get("data", {})).items():
                self._within(f"{name}[{key!r}]" if type(key) in (str, int) else name, entry, parts, depth)
        elif kind in (list, tuple) or (issubclass(kind, tuple) and "_fields" in vars(kind)):
            entries = list(tuple.__iter__(value)) if kind is not list else value
            if entries and {type(entry) for entry in entries} <= {str, bytes, *_VALUES}:
                parts.append((name, _of_values(entries)))
            else:
                for at, entry in enumerate(entries):
                    self._within(f"{name}[{at}]", entry, parts, depth)
        elif kind in (str, bytes, *_VALUES):
            parts.append((name, _of_values([value])))
        else:
            found = _of_table(value)
            if found is None:
                raise Unseen(f"what passes is {kind.__module__}.{kind.__qualname__}, which is not looked into")
            parts.append((name, found))

    def _within(self, name: str, value: Any, parts: list[tuple[str, Piece]], depth: int) -> None:
        if depth == 0 or len(parts) >= FIELDS:
            raise Unseen("what passes is nested too deep, or has too many fields")
        if value is not None:
            self._take_apart(name, value, parts, depth - 1)


def _field(name: str, part: Piece, rows: int) -> tuple[str, Any]:
    content = part.read()
    if part.type == "list":
        return (f"{name} list", content if len(content) == rows else [b"\0".join(content)])
    shape = part.shape[1:] if part.shape and part.shape[0] == rows else part.shape
    return (f"{name} {part.type} {shape}", content)


def _of_values(entries: list[Any]) -> Piece:
    return Piece("list", (len(entries),), 0.0, lambda: [e if type(e) is bytes else _text(e) for e in entries])


def _text(entry: Any) -> bytes:
    return entry.encode("utf-8", "surrogatepass") if type(entry) is str else repr(entry).encode()


def _of_array(array: Any) -> Piece:
    whole = array.flags.c_contiguous
    seconds = array.nbytes * (SECONDS_A_BYTE if whole else SECONDS_A_COPIED_BYTE)

    def read() -> memoryview:
        held = array if whole else sys.modules["numpy"].ascontiguousarray(array)
        return memoryview(held.reshape(-1).view("u1") if held.nbytes else b"")

    return Piece(str(array.dtype), tuple(array.shape), seconds, read)


def _of_table(data: Any) -> Piece | None:
    """A table, or a sparse matrix."""
    shape: Any = getattr(data, "shape", None)
    if sparse.is_sparse(data):
        seconds = data.nnz * SECONDS_AN_ENTRY + shape[0] * SECONDS_A_ROW
        return Piece(f"sparse {data.dtype}", tuple(shape), seconds, lambda: _stored(data))
    if not columns.is_table(data) or not isinstance(shape, tuple):
        return None
    rows, count = (*shape, 1)[:2]
    return Piece("table", (rows, count), count * (SECONDS_A_COLUMN + rows * SECONDS_AN_ENTRY), lambda: _hashes(data))


def _hashes(data: Any) -> memoryview:
    """Of each row of a table, with the names and types of its columns."""
    from autotrack.identity import profile, rowhash

    try:
        table = columns.opened(data)
        assert table is not None
        named = elements.combine("columns", *(elements.combine(column.key, column.type) for column in table.columns))
        hashes = profile.hashes(table)
    except elements.foreign() as error:
        raise Unseen(str(error)) from None
    hashes ^= hashes.dtype.type(rowhash.text_bits(named))
    return rowhash.bytes_of(hashes)


def _stored(data: Any) -> list[bytes]:
    """Of each row of a sparse matrix, the positions and values of what is stored in it."""
    matrix = sparse.canonical(data).tocsr()
    places, values = matrix.indices.astype("<i8"), matrix.data
    pairs = zip(matrix.indptr[:-1].tolist(), matrix.indptr[1:].tolist(), strict=True)
    return [places[start:end].tobytes() + values[start:end].tobytes() for start, end in pairs]
