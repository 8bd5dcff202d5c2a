"""Values that are on a device: read by the recorder, so that no thread of training waits for one.  A tensor that was
computed never changes, so nothing is copied: it is kept until then."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

from autotrack.plugin_api import later

WAITING = 8_192
"""Values that wait at most."""
PERIOD = 0.2
"""Seconds between looks of the recorder."""

_forced = bool(os.environ.get("AUTOTRACK_TENSORFLOW_DEFER"))
"""Whether values on the CPU take this way too: for tests."""


class _Late:
    def __init__(self) -> None:
        self.values: list[tuple[Any, int, Any, float]] = []
        self.due = False
        self.lock = threading.Lock()


_late = _Late()


def is_far(tensor: Any) -> bool:
    """Whether reading a value would wait for a device."""
    return _forced or (bool(tensor.device) and "CPU" not in tensor.device)


def number(tensor: Any) -> float:
    """The value of a tensor of one element, which lies in the memory of the processor."""
    return float(tensor.numpy())


def put(series: Any, step: int, tensor: Any) -> None:
    """Record a value, once it is there."""
    if not is_far(tensor):
        series.record(step, number(tensor))
        return
    if len(_late.values) >= WAITING:
        series.gap("values on the device", "they came faster than they could be read")
        return
    with _late.lock:
        _late.values.append((series, step, tensor, time.time()))
    if not _late.due:
        _late.due = True
        later("values on the device", _take, PERIOD)


def _take() -> None:
    """Read and record what waits.  On the recorder's thread."""
    _late.due = False
    with _late.lock:
        taken, _late.values = _late.values, []
    for series, step, tensor, when in taken:
        series.record_at(step, number(tensor), when)


def is_eager(value: Any) -> bool:
    """Whether a value is a tensor that was computed, and no part of a graph."""
    ops = sys.modules["tensorflow.python.framework.ops"]
    return isinstance(value, ops.EagerTensor)


def is_number(value: Any) -> bool:
    """Whether a tensor, of a graph or not, is one real number."""
    return value.shape.rank == 0 and bool(value.dtype.is_floating or value.dtype.is_integer)


def is_several(value: Any) -> bool:
    """Whether a tensor, of a graph or not, is of several real numbers."""
    return bool(value.shape.rank) and bool(value.dtype.is_floating)


def forget() -> None:
    _late.values = []
