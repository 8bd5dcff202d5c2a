"""Samples of the system while a program runs: of the main process and all below it, its network and its GPUs.

| series | unit | of |
|---|---|---|
| `system/cpu` | percent of one core: 200 is two cores busy | the processes |
| `system/memory` | bytes resident, shared ones counted in each process | the processes |
| `system/disk_read`, `system/disk_write` | bytes a second that reached the storage | the processes |
| `system/network_received`, `system/network_sent` | bytes a second, loopback left out | the host or container |
| `system/gpu<n>/use`, `/memory`, `/power` | percent of the time, bytes, watts | the device, whoever uses it |

Read from /proc: psutil takes 29 ms to import, and looks at every process of the machine for each sample.
"""

from __future__ import annotations

import os
import threading
import time

from autotrack.capture import gpu
from autotrack.series import Series

TYPE_CHECKING = False
if TYPE_CHECKING:
    from autotrack.job import Job

FIRST = 1.0
"""Seconds until the first sample: what is rated by time needs some, and a job that is over by then has none."""
LEAST = 0.1
"""Seconds that there are between two samples at least."""
COSTLY = 0.005
"""Seconds on a processor that a sample may take: a thousandth of the default period.  After one that takes longer there
is none for a thousand times as long: a program with hundreds of processes of its own has them less often."""
FORGOTTEN = 100
"""Samples after which all processes are looked at again: their numbers come back."""

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Sampler:
    """Writes the series of a job.  Used by the recorder's thread; at the end, by the one that ends the program."""

    def __init__(self, job: Job) -> None:
        self.job, self.id = job, job.id
        self._lock = threading.Lock()
        self._series: dict[str, Series] = {}
        self._processes = Processes(job.pid)
        self._gpus: gpu.Meter | None = None
        self._before: dict[str, float] = {}
        self._at = 0.0
        self._step = 0
        self._rests_until = 0.0

    def begin(self) -> None:
        """Note where the counters stand."""
        with self._lock:
            self._gpus = gpu.Meter(os.environ.get("CUDA_VISIBLE_DEVICES"))
            self._at, self._before = time.monotonic(), self._counters()

    def sample(self) -> None:
        """Record a sample, unless one is being taken."""
        if time.monotonic() < self._rests_until or not self._at or not self._lock.acquire(blocking=False):
            return
        begun = time.thread_time()
        try:
            now, counters = time.monotonic(), self._counters()
            passed, self._at = now - self._at, now
            before, self._before = self._before, counters
            if passed <= 0:
                return
            values = {"memory": float(self._processes.resident), **(self._gpus.read() if self._gpus else {})}
            for name, count in counters.items():
                if name in before:  # one that falls has lost a process that nobody waited for
                    values[name] = max(count - before[name], 0.0) / passed
            for name, value in values.items():
                self._record(f"system/{name}", value)
            self._step += 1
            spent = time.thread_time() - begun
            self._rests_until = now + 1000 * spent if spent > COSTLY else 0.0
        finally:
            self._lock.release()

    def end(self) -> None:
        """The last sample, where there is something to tell since the one before."""
        if self.job.pid == os.getpid() and self.job.role == "main" and time.monotonic() - self._at >= FIRST:
            self._rests_until = 0.0
            self.sample()
        if self._gpus is not None and self.job.role == "main":
            self._gpus.close()

    def _record(self, name: str, value: float) -> None:
        series = self._series.get(name)
        if series is None:
            series = self._series[name] = Series(self, name, "system")
        series.record(self._step, value)

    def _counters(self) -> dict[str, float]:
        """What only grows: percent-seconds of cores, bytes."""
        self._processes.look()
        found = {"cpu": 100.0 * self._processes.ticks / _TICKS}
        if self._processes.moved is not None:
            found["disk_read"], found["disk_write"] = map(float, self._processes.moved)
        network = _network()
        if network is not None:
            found["network_received"], found["network_sent"] = network
        return found


class Processes:
    """A process and all below it.

    Which are below is known by their parents: the kernel's own lists of children are not in every kernel
    (`CONFIG_PROC_CHILDREN`).  A process that is not below is not looked at again, so that others on the machine
    cost little.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._strangers: set[int] = set()
        self._looks = 0
        self.ticks = 0
        """Clock ticks that they ran, those that are gone among them."""
        self.resident = 0
        self.moved: tuple[int, int] | None = None
        """Bytes read from and written to storage."""

    def look(self) -> None:
        """See how they stand now."""
        if self._looks % FORGOTTEN == 0:
            self._strangers.clear()
        self._looks += 1
        numbers = {int(name) for name in os.listdir("/proc") if name.isdecimal()}
        found: dict[int, list[bytes]] = {}
        for number in numbers - self._strangers:
            text = _read(f"/proc/{number}/stat")
            if text:
                found[number] = text[text.rfind(b")") + 2 :].split()
        below: dict[int, bool] = {self._root: True}
        for number in found:
            self._is_below(number, found, below)
        self._strangers = {number for number in numbers if not below.get(number, False)}
        self.ticks = self.resident = 0
        read = written = 0
        told = False
        for number, fields in found.items():
            if not below[number]:
                continue
            self.ticks += sum(map(int, fields[11:15]))
            self.resident += int(fields[21]) * _PAGE
            moved = dict(line.split(b": ") for line in _read(f"/proc/{number}/io").splitlines())
            told = told or bool(moved)
            read += int(moved.get(b"read_bytes", 0))
            written += int(moved.get(b"write_bytes", 0))
        self.moved = (read, written) if told else None

    def _is_below(self, number: int, found: dict[int, list[bytes]], below: dict[int, bool]) -> None:
        path = []
        while number not in below:
            path.append(number)
            below[number] = False  # also where parents go round in a circle, as numbers that come back may make them
            parent = int(found[number][1]) if number in found else 0
            if parent not in found and parent != self._root:
                break
            number = parent
        for passed in path:
            below[passed] = below[number]


def _network() -> tuple[float, float] | None:
    """Bytes received and sent by the interfaces of the host or container."""
    received = sent = 0.0
    text = _read("/proc/self/net/dev")
    if not text:
        return None
    for line in text.splitlines()[2:]:
        name, _, numbers = line.partition(b":")
        fields = numbers.split()
        if name.strip() != b"lo" and len(fields) > 8:
            received, sent = received + int(fields[0]), sent + int(fields[8])
    return received, sent


def _read(path: str) -> bytes:
    """A file of /proc; nothing where its process is gone."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(file, 1 << 16)
    except OSError:
        return b""
    finally:
        os.close(file)
