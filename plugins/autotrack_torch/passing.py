"""What passes in the first epoch of a loader: the rows of its batches, digested on their way to the program.

A batch is only looked at, in memory, at the moment at which it is handed over: nothing of it is kept, changed or
copied, and no operation of the framework is called for it.  That may take `FREE` seconds, and beyond them `SHARE` of
the time that the epoch takes; what there is no time for is counted and left out.  Nothing is drawn, nothing is
iterated, and whether the epoch was gone through to its end is told by what the loader's own iterator has left.
"""

from __future__ import annotations

import ctypes
import operator
import sys
import time
import weakref
from types import GeneratorType
from typing import Any

from autotrack import Dataset
from autotrack.plugin_api import passing

FREE = 0.05
SHARE = 0.01
"""Of the time since the epoch began."""
SECONDS_A_BYTE = 1 / 5e9
SECONDS_A_FIELD = 1e-5
SECONDS_A_ROW = 4e-7
"""A field of a row."""
FIELDS = 64
DEEP = 4

_READ = 0x100
_memory = ctypes.pythonapi.PyMemoryView_FromMemory
_memory.restype = ctypes.py_object
_memory.argtypes = ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int
_ITERATORS: tuple[type, ...] = (type(iter(range(0))), type(iter([])), type(iter(())))
_VALUES = (int, float, bool, type(None))


class Unseen(Exception):
    """A batch that can't be looked into, and why."""


class Watch:
    """The first epoch of a loader."""

    __slots__ = (
        "_begun", "_drops", "_generator", "_holder", "_ones", "_passed", "_several", "_spent", "_streams",
        "batches", "over", "rows", "whole", "why",
    )  # fmt: skip

    def __init__(self, loader: Any, iterator: Any) -> None:
        self._passed = passing()
        self._begun, self._spent = time.perf_counter(), 0.0
        sampler: Any = getattr(loader, "batch_sampler", None)
        self._ones = sampler is None
        """Whether what is handed over is no batch but a row."""
        self._drops = type(sampler) is sys.modules["torch"].utils.data.BatchSampler and bool(sampler.drop_last)
        self.rows = 0
        """That have passed."""
        self.batches = False
        """Whether they are batches, which can't be taken apart."""
        self.over = False
        """Whether the epoch is."""
        self.whole: bool | None = None
        """Whether all of it has passed; None where that is not known."""
        self.why = ""
        """Nothing is known of the content, and why."""
        self._several = hasattr(iterator, "_send_idx")
        """Whether workers fetch the rows."""
        self._streams = isinstance(getattr(loader, "dataset", None), sys.modules["torch"].utils.data.IterableDataset)
        self._generator = _weak(getattr(iterator, "_sampler_iter", None))
        self._holder = _weak(getattr(iterator, "_dataset_fetcher", None))

    def batch(self, batch: Any, iterator: Any) -> bool:
        """A batch passes; whether there is more to see."""
        begun = time.thread_time()
        try:
            self._look(batch)
        except Unseen as error:
            self.why = str(error)
            return False
        if self._several and not self._streams:
            # Once all has come that was sent for: no worker is asked for more than there is.
            self.whole = iterator._num_yielded == iterator._send_idx and self._ended()
        self._spent += time.thread_time() - begun
        return True

    def _look(self, batch: Any) -> None:
        inner = sys.modules["torch"]._C
        if inner._len_torch_function_stack():
            with inner.DisableTorchFunction():  # which would see what is asked of a tensor here
                self._take(batch)
        else:
            self._take(batch)

    def _take(self, batch: Any) -> None:
        parts: list[tuple[str, Any]] = []
        _take_apart("", batch, parts, DEEP)
        lengths = {_rows_of(part) for _, part in parts}
        rows = lengths.pop() if len(lengths) == 1 and not self._ones else None
        if rows == 0 or not parts:
            return
        if rows is None:
            rows, self.batches = 1, self.batches or not self._ones
        self.rows += rows
        size = sum(part.nbytes for _, part in parts if hasattr(part, "nbytes"))
        expected = size * SECONDS_A_BYTE + len(parts) * (SECONDS_A_FIELD + rows * SECONDS_A_ROW)
        if self._spent + expected <= max(FREE, SHARE * (time.perf_counter() - self._begun)):
            self._passed.add([_field(name, part, rows) for name, part in parts], rows)

    def gone(self, _: Any = None) -> None:
        """The iterator is going: what it was made of is still there."""
        if not self.over:
            self.over = True
            if self.whole is None and not self._several:
                self.whole = self._ended()

    def _ended(self) -> bool | None:
        """Whether what the loader takes its rows from has come to its end."""
        holder = self._holder() if self._holder is not None else None
        if holder is not None and hasattr(holder, "dataset_iter"):  # an iterable data set
            # It is asked until it has no more, and what makes batches of it says so.
            return bool(holder.ended) if holder.auto_collation else _exhausted(holder.dataset_iter)
        return _exhausted(self._generator() if self._generator is not None else None)

    def result(self, kind: str, rows: int | None) -> tuple[Dataset, Any, str]:
        """What has passed, its profile, and what is missing."""
        every = self.whole is True and not self._drops
        known = rows if rows is not None else self.rows if every else None
        dataset, profile = self._passed.observed(kind, known if not self.batches else None)
        why = []
        what = "batches" if self.batches else "rows"
        if self.batches:
            why.append("its batches can't be taken apart into rows")
        if self._passed.rows < self.rows:
            why.append(f"of {self.rows:,} {what} that passed, {self._passed.rows:,} were looked at")
        if self.whole is False:
            why.append(f"the first epoch was broken off after {self.rows:,} {what}")
        elif self.whole is None:
            why.append("whether all of it has passed in the first epoch is not known")
        elif self._drops:
            why.append("the loader drops the last rows where they make no whole batch")
        return dataset, profile, "; ".join(why)


def _weak(value: Any) -> Any:
    """Iterators of lists and ranges, which can't be referred to weakly, hold nothing else."""
    if type(value) in _ITERATORS:
        return lambda: value
    try:
        return weakref.ref(value)
    except TypeError:
        return None


def _exhausted(iterator: Any) -> bool | None:
    if type(iterator) in _ITERATORS:
        return operator.length_hint(iterator) == 0
    return iterator.gi_frame is None if type(iterator) is GeneratorType else None


def _take_apart(name: str, value: Any, parts: list[tuple[str, Any]], depth: int) -> None:
    """The fields of a batch: its tensors and arrays, and lists of texts or numbers."""
    torch, numpy = sys.modules["torch"], sys.modules.get("numpy")
    kind = type(value)
    if kind is torch.Tensor:
        if not value.is_cpu:
            raise Unseen(f"what passes lies on {value.device}")
        if value.layout is not torch.strided or value.is_conj() or value.is_neg() or not value.is_contiguous():
            raise Unseen("what passes are tensors that do not lie in one piece")
        parts.append((name, value))
    elif numpy is not None and kind is numpy.ndarray and value.dtype.kind in "biufcmMSU" and value.flags.c_contiguous:
        parts.append((name, value))
    elif kind is dict or "UserDict" in {base.__name__ for base in kind.__mro__}:
        for key, entry in (value if kind is dict else vars(value).get("data", {})).items():
            _within(f"{name}[{key!r}]" if type(key) in (str, int) else name, entry, parts, depth)
    elif kind in (list, tuple) or (issubclass(kind, tuple) and "_fields" in vars(kind)):
        entries = list(tuple.__iter__(value)) if kind is not list else value
        if entries and {type(entry) for entry in entries} <= {str, bytes, *_VALUES}:
            parts.append((name, entries))
        else:
            for at, entry in enumerate(entries):
                _within(f"{name}[{at}]", entry, parts, depth)
    elif kind in (str, bytes, *_VALUES):
        parts.append((name, [value]))
    else:
        raise Unseen(f"what passes is {kind.__module__}.{kind.__qualname__}, which is not looked into")


def _within(name: str, value: Any, parts: list[tuple[str, Any]], depth: int) -> None:
    if depth == 0 or len(parts) >= FIELDS:
        raise Unseen("what passes is nested too deep, or has too many fields")
    _take_apart(name, value, parts, depth - 1)


def _rows_of(part: Any) -> int | None:
    if type(part) is list:
        return len(part)
    return int(part.shape[0]) if part.ndim else None


def _field(name: str, part: Any, rows: int) -> tuple[str, Any]:
    if type(part) is list:
        values = [entry if type(entry) is bytes else _text(entry) for entry in part]
        return (f"{name} list", values if len(part) == rows else [b"\0".join(values)])
    shape = tuple(part.shape)
    if part.ndim and shape[0] == rows:
        shape = shape[1:]
    if isinstance(part, sys.modules["torch"].Tensor):
        size = part.nbytes
        return (f"{name} {part.dtype} {shape}", memoryview(b"") if not size else _memory(part.data_ptr(), size, _READ))
    return (f"{name} {part.dtype} {shape}", memoryview(part.reshape(-1).view("u1") if part.nbytes else b""))


def _text(entry: Any) -> bytes:
    return entry.encode("utf-8", "surrogatepass") if type(entry) is str else repr(entry).encode()
