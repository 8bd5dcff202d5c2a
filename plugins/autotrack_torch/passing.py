"""What passes in the first epoch of a loader: the rows of its batches, digested on their way to the program.

A batch is only looked at, in memory, at the moment at which it is handed over, and no operation of the framework is
called for it.  Nothing is drawn, nothing is iterated, and whether the epoch was gone through to its end is told by what
the loader's own iterator has left.
"""

from __future__ import annotations

import ctypes
import operator
import sys
import weakref
from types import GeneratorType
from typing import Any

from autotrack import Dataset
from autotrack.plugin_api import Batches, Piece, Unseen

SECONDS_A_BYTE = 1 / 5e9
_READ = 0x100
_memory = ctypes.pythonapi.PyMemoryView_FromMemory
_memory.restype = ctypes.py_object
_memory.argtypes = ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int
_ITERATORS: tuple[type, ...] = (type(iter(range(0))), type(iter([])), type(iter(())))


class Watch:
    """The first epoch of a loader."""

    __slots__ = (
        "_batches", "_drops", "_generator", "_holder", "_several", "_streams", "over", "whole", "why",
    )  # fmt: skip

    def __init__(self, loader: Any, iterator: Any) -> None:
        sampler: Any = getattr(loader, "batch_sampler", None)
        self._batches = Batches(_piece, ones=sampler is None)
        self._drops = type(sampler) is sys.modules["torch"].utils.data.BatchSampler and bool(sampler.drop_last)
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
        try:
            self._look(batch)
        except Unseen as error:
            self.why = str(error)
            return False
        if self._several and not self._streams:
            # Once all has come that was sent for: no worker is asked for more than there is.
            self.whole = iterator._num_yielded == iterator._send_idx and self._ended()
        return True

    def _look(self, batch: Any) -> None:
        inner = sys.modules["torch"]._C
        if inner._len_torch_function_stack():
            with inner.DisableTorchFunction():  # which would see what is asked of a tensor here
                self._batches.look(batch)
        else:
            self._batches.look(batch)

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
        passed, every = self._batches, self.whole is True and not self._drops
        known = rows if rows is not None else passed.rows if every else None
        dataset, profile = passed.observed(kind, known)
        why = passed.missing()
        if self.whole is False:
            why.append(f"the first epoch was broken off after {passed.rows:,} {passed.what}")
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


def _piece(value: Any) -> Piece | None:
    """A tensor, without an operation of the framework's."""
    if type(value) is not sys.modules["torch"].Tensor:
        return None
    if not value.is_cpu:
        raise Unseen(f"what passes lies on {value.device}")
    if (
        value.layout is not sys.modules["torch"].strided
        or value.is_conj()
        or value.is_neg()
        or not value.is_contiguous()
    ):
        raise Unseen("what passes are tensors that do not lie in one piece")
    size = value.nbytes
    return Piece(
        str(value.dtype),
        tuple(value.shape),
        size * SECONDS_A_BYTE,
        lambda: memoryview(b"") if not size else _memory(value.data_ptr(), size, _READ),
    )
