"""Values that are on a device: copied there, and read by the recorder, so that no thread of training waits for one.

A detached reference would not do: what is changed in place after the backward pass (`loss.mul_(100)`) would be read
changed.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

from autotrack.plugin_api import later

SLOTS = 8_192
"""Values that wait on one device at most."""
PERIOD = 0.2
"""Seconds between looks of the recorder."""

_forced = bool(os.environ.get("AUTOTRACK_TORCH_DEFER"))
"""Whether values on the CPU take this way too: for tests."""


def is_far(tensor: Any) -> bool:
    """Whether reading a value would wait for a device."""
    return _forced or not tensor.is_cpu


def number(tensor: Any) -> float:
    """The value of a tensor of one element on the CPU, seen by none of the modes that are about."""
    torch = sys.modules["torch"]
    with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction():
        return float(tensor.item())


class _Ring:
    """The values of one device that wait."""

    def __init__(self, device: Any) -> None:
        torch: Any = sys.modules["torch"]
        self.device = device
        kind = torch.float32 if device.type == "mps" else torch.float64
        with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction(), torch.inference_mode(False):
            self.buffer = torch.zeros(SLOTS, dtype=kind, device=device)
            self.slots = self.buffer.unbind()
        self.stream = torch.cuda.current_stream(device) if device.type == "cuda" else None
        self.side: Any = None
        self.host: Any = None
        self.next = 0
        self.waiting: list[tuple[int, Any, int, float]] = []
        self.due = False
        self.lost = 0
        self.lock = threading.Lock()

    def push(self, series: Any, step: int, tensor: Any) -> None:
        torch: Any = sys.modules["torch"]
        if len(self.waiting) >= SLOTS // 2:
            self.lost += 1
            series.gap("values on the device", "they came faster than they could be read")
            return
        if self.stream is not None and torch.cuda.is_current_stream_capturing():
            series.gap("values within a CUDA graph", "a graph is captured, and replayed without this program")
            return
        with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction():
            self.slots[self.next].copy_(tensor.detach().view(()), non_blocking=True)
        self.waiting.append((self.next, series, step, time.time()))
        self.next = (self.next + 1) % SLOTS
        if not self.due:
            self.due = True
            later("values on the device", self.take, PERIOD)

    def take(self) -> None:
        """Read and record what waits.  On the recorder's thread."""
        self.due = False
        taken, self.waiting = self.waiting, []
        if not taken:
            return
        values = self._read()
        for slot, series, step, when in taken:
            series.record_at(step, values[slot], when)

    def _read(self) -> list[float]:
        torch: Any = sys.modules["torch"]
        if self.stream is None:
            found: list[float] = self.buffer.detach().cpu().tolist()
            return found
        if self.side is None:
            self.side = torch.cuda.Stream(self.device)
            self.host = torch.empty(SLOTS, dtype=self.buffer.dtype, pin_memory=True)
        there = torch.cuda.Event()
        there.record(self.stream)
        self.side.wait_event(there)
        with torch.cuda.stream(self.side):
            self.host.copy_(self.buffer, non_blocking=True)
            done = torch.cuda.Event()
            done.record(self.side)
        done.synchronize()
        read: list[float] = self.host.tolist()
        return read


_rings: dict[Any, _Ring] = {}


def push(series: Any, step: int, tensor: Any) -> None:
    """Record a value once it is there."""
    ring = _rings.get(tensor.device)
    if ring is None:
        ring = _rings[tensor.device] = _Ring(tensor.device)
    ring.push(series, step, tensor)


def forget() -> None:
    _rings.clear()
