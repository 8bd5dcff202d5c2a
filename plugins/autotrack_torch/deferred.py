"""Values that are on a device: copied there, and read by the recorder, so that no thread of training waits for one.

A detached reference would not do: what is changed in place after the backward pass (`loss.mul_(100)`) would be read
changed.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from autotrack.plugin_api import later

SLOTS = 8_192
"""Values on one device that are there at once; half as many may wait."""
PERIOD = 0.2
"""Seconds between looks of the recorder."""

SUMMED = -1
"""In the place of a number, of what is summed up of values before it."""

_forced = bool(os.environ.get("AUTOTRACK_TORCH_DEFER"))
"""Whether values on the CPU take this way too: for tests."""
ELSEWHERE = "values that are in no memory here", "of a tensor whose parts are elsewhere, or that is none"
LOST = "values on the device", "they came faster than they could be read"
CAPTURED = "values within a CUDA graph", "a graph is captured, and replayed without this program"


def is_far(tensor: Any) -> bool:
    """Whether reading a value would wait for a device."""
    return _forced or not tensor.is_cpu


def held(tensor: Any) -> Any:
    """The tensor that holds a value: of a wrapper of which each process has the whole, the one within; None where none
    is at hand, as of a part that others have too, on no device, or of what is only pretended to be there."""
    torch = sys.modules["torch"]
    if type(tensor) is not torch.Tensor:
        fake = getattr(sys.modules.get("torch._subclasses.fake_tensor"), "FakeTensor", ())
        while hasattr(type(tensor), "__tensor_flatten__"):
            inner, mesh = getattr(tensor, "_local_tensor", None), getattr(tensor, "device_mesh", None)
            if inner is None or mesh is None:
                return None
            if any(not (one.is_replicate() or mesh.size(at) == 1) for at, one in enumerate(tensor.placements)):
                return None
            tensor = inner
        if isinstance(tensor, fake):
            return None
    return tensor if tensor.device.type != "meta" else None


def number(tensor: Any) -> float:
    """The value of a tensor of one element on the CPU, seen by none of the modes that are about."""
    torch = sys.modules["torch"]
    with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction():
        return float(tensor.item())


class _Ring:
    """The values of one device that wait."""

    def __init__(self, device: Any) -> None:
        torch: Any = sys.modules["torch"]
        self.core, self.tensor = torch._C, torch.Tensor
        kind = torch.float32 if device.type == "mps" else torch.float64
        with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction(), torch.inference_mode(False):
            self.buffer = torch.zeros(SLOTS, dtype=kind, device=device)
            self.slots = self.buffer.unbind()
        self.numbers = itertools.count()
        """Of values, of which each has the slot of its number: as a counter it serves several threads."""
        self.streams = _Streams(torch, device) if device.type == "cuda" else None
        self.waiting: deque[tuple[int, Any, int, float]] = deque()
        self.due = False

    def push(self, series: Any, step: int, tensor: Any) -> None:
        if len(self.waiting) >= SLOTS // 2:
            series.gap(*LOST)
            return
        streams = self.streams
        if streams is not None and streams.is_capturing():
            series.gap(*CAPTURED)
            return
        number = next(self.numbers)
        core, slot = self.core, self.slots[number % SLOTS]
        modes = core._len_torch_dispatch_stack() + core._len_torch_function_stack()
        if type(tensor) is self.tensor and not modes:
            slot.copy_(tensor.detach().view(()), True)
        else:
            with core._DisableTorchDispatch(), core.DisableTorchFunction():
                slot.copy_(tensor.detach().view(()), True)
        if streams is not None:
            streams.mark()
        self.add(number, series, step)

    def add(self, number: int, series: Any, step: int) -> None:
        self.waiting.append((number, series, step, time.time()))
        if not self.due:
            self.due = True
            later("values on the device", self.take, PERIOD)

    def take(self) -> None:
        """Read and record what waits.  On the recorder's thread."""
        self.due = False
        taken = [self.waiting.popleft() for _ in range(len(self.waiting))]
        places = [number % SLOTS for number, *_ in taken if number != SUMMED]
        first = min(places, default=0)
        values = self._read(first, max(places) + 1) if places else []
        for number, series, step, when in taken:
            series.record_at(step, values[number % SLOTS - first] if number != SUMMED else math.nan, when)

    def _read(self, first: int, end: int) -> list[float]:
        host = self.buffer.detach().cpu() if self.streams is None else self.streams.read(self.buffer)
        values: list[float] = host[first:end].tolist()
        return values


class _Streams:
    """The streams of CUDA on which values were copied, and the one on which they are read.

    The stream that programs use unless they say otherwise is waited for as it is when the recorder looks; on any other,
    which the program may take down, the copy leaves an event.
    """

    def __init__(self, torch: Any, device: Any) -> None:
        self.torch, self.device = torch, device
        self.is_capturing: Callable[[], bool] = torch.cuda.is_current_stream_capturing
        self.current: Callable[[int], int] = torch._C._cuda_getCurrentRawStream
        self.default: Any = torch.cuda.default_stream(device)
        self.usual: int = self.default.cuda_stream
        self.events: dict[int, Any] = {}
        self.side: Any = None
        self.host: Any = None

    def mark(self) -> None:
        """A value has been copied on the current stream."""
        stream = self.current(self.device.index)
        if stream != self.usual:
            event = self.events.get(stream)
            if event is None:
                event = self.events[stream] = self.torch.cuda.Event()
            event.record(self.torch.cuda.current_stream(self.device))

    def read(self, buffer: Any) -> Any:
        """What is in a buffer once all copies into it are made, in memory of the processor."""
        cuda = self.torch.cuda
        let_capture()
        if self.side is None:
            self.side = cuda.Stream(self.device)
            self.host = self.torch.empty(buffer.shape, dtype=buffer.dtype, device="cpu", pin_memory=True)
        there = cuda.Event()
        there.record(self.default)
        for event in [there, *self.events.values()]:
            self.side.wait_event(event)
        with cuda.stream(self.side):
            self.host.copy_(buffer, non_blocking=True)
            done = cuda.Event(blocking=True)  # the thread sleeps
            done.record(self.side)
        done.synchronize()
        return self.host


_RELAXED = 2
_driver: list[Any] = []


def let_capture() -> None:
    """What this thread asks of CUDA breaks no capture of a graph that goes on in another one, as nothing that the
    recorder's thread asks for depends on what is captured: see `cuThreadExchangeStreamCaptureMode` in CUDA's driver."""
    if not _driver:
        try:
            _driver.append(ctypes.CDLL("libcuda.so.1").cuThreadExchangeStreamCaptureMode)
        except (OSError, AttributeError):  # not NVIDIA's
            _driver.append(None)
    if _driver[0] is not None:
        _driver[0](ctypes.byref(ctypes.c_int(_RELAXED)))


def kept(tensors: list[Any]) -> Callable[[], list[Any]]:
    """What gives tensors as they are now, in memory of the processor, when it is called on the recorder's thread."""
    torch: Any = sys.modules["torch"]
    with torch._C._DisableTorchDispatch(), torch._C.DisableTorchFunction(), torch.no_grad():
        copies = [tensor.detach().clone() for tensor in tensors]
    device = next((copy.device for copy in copies if copy.device.type == "cuda"), None)
    made = torch.cuda.current_stream(device).record_event() if device is not None else None

    def brought() -> list[Any]:
        if made is None:
            return [copy.cpu() for copy in copies]
        let_capture()
        side = torch.cuda.Stream(device)
        side.wait_event(made)
        with torch.cuda.stream(side):
            return [copy.cpu() for copy in copies]

    return brought


class Mean:
    """A series whose values of one step are added up, too."""

    def __init__(self, series: Any = None) -> None:
        self.series = series
        self.step, self.count, self.total = -1, 0, 0.0

    def record_at(self, step: int, value: float, when: float) -> None:
        if step != self.step:
            self.step, self.count, self.total = step, 0, 0.0
        self.count += 1
        self.total += value
        if self.series is not None:
            self.series.record_at(step, value, when)

    def gap(self, what: str, why: str) -> None:
        if self.series is not None:
            self.series.gap(what, why)

    def push(self, device: Any, series: Any, step: int, count: int) -> None:
        """Record the mean of so many values of a step, all of which have come."""
        _ring_of(device).add(SUMMED, _Settled(self, series, count), step)


class _Settled:
    def __init__(self, mean: Mean, series: Any, count: int) -> None:
        self.mean, self.series, self.count = mean, series, count

    def record_at(self, step: int, value: float, when: float) -> None:
        if self.mean.step == step and self.mean.count == self.count:  # else some are lost
            self.series.record_at(step, self.mean.total / self.count, when)


class Changes:
    """A series that has a point where its value is another one."""

    def __init__(self, series: Any) -> None:
        self.series, self.gap = series, series.gap
        self.last: float | None = None

    def record_at(self, step: int, value: float, when: float) -> None:
        if value != self.last:
            self.last = value
            self.series.record_at(step, value, when)


class Setting:
    """A setting that is a number on a device, or a tuple or list with such numbers, as it is now."""

    def __init__(self, value: Any) -> None:
        self.is_one = not isinstance(value, (tuple, list))
        entries = [value] if self.is_one else value
        core = sys.modules["torch"]._C
        with core._DisableTorchDispatch(), core.DisableTorchFunction():
            self.entries = [entry.detach().clone() if _is_number(entry) else entry for entry in entries]

    def tell(self, say: Callable[[Any], None]) -> None:
        """Call a function with what it is, on the recorder's thread, once that is known."""
        told = _Told(self, say)
        for at, entry in enumerate(self.entries):
            if _is_number(entry):
                push(told, at, entry)


class _Told:
    """The entries of a setting that have come."""

    def __init__(self, setting: Setting, say: Callable[[Any], None]) -> None:
        self.setting, self.say = setting, say
        self.entries = list(setting.entries)

    def record_at(self, at: int, value: float, when: float) -> None:
        self.entries[at] = value
        if not any(_is_number(entry) for entry in self.entries):
            self.say(self.entries[0] if self.setting.is_one else self.entries)

    def gap(self, what: str, why: str) -> None:
        """It stays unknown."""


def as_setting(value: Any) -> Any:
    """A setting without tensors of one number in it: what is at hand as that, what is on a device as a `Setting`."""
    entries = value if type(value) in (tuple, list) else [value]
    if not any(_is_number(entry) for entry in entries):
        return value
    if any(_is_number(entry) and is_far(entry) for entry in entries):
        return Setting(value)
    plain = [number(entry) if _is_number(entry) else entry for entry in entries]
    return plain if entries is value else plain[0]


def _is_number(value: Any) -> bool:
    torch: Any = sys.modules["torch"]
    if not isinstance(value, torch.Tensor):
        return False
    with torch._C.DisableTorchFunction():
        return value.numel() == 1 and not value.is_complex() and held(value) is value


_rings: dict[Any, _Ring] = {}


def _ring_of(device: Any) -> _Ring:
    ring = _rings.get(device)
    if ring is None:
        ring = _rings.setdefault(device, _Ring(device))
    return ring


def push(series: Any, step: int, tensor: Any) -> None:
    """Record a value once it is there, by the `record_at` of a series or of what is like one."""
    _ring_of(tensor.device).push(series, step, tensor)


def left() -> Any:
    """What is known of devices, to be kept by a child that is forked, which can't let go of it and has none of it."""
    rings = dict(_rings)
    _rings.clear()
    return rings


def forget() -> None:
    _rings.clear()
