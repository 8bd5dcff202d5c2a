"""What processes use: time on processors, memory, and bytes on disk, those of their descendants included."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time

QUIET, PATIENCE = 0.05, 10.0
"""Seconds in which a process that is waited for does next to nothing, and for which it is waited for at most."""
BUSY = 0.02
"""Of a processor: what is next to nothing."""


def descendants(pid: int) -> list[int]:
    found, waiting = list[int](), [pid]
    while waiting:
        place = f"/proc/{waiting.pop()}/task"
        with contextlib.suppress(OSError):
            for thread in os.listdir(place):
                with contextlib.suppress(OSError), open(f"{place}/{thread}/children", "rb") as file:
                    below = [int(child) for child in file.read().split()]
                    found += below
                    waiting += below
    return found


def cpu_seconds(below: list[int] | None = None) -> float:
    """Of this process and of its descendants, those that have ended included."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    running = sum(map(_cpu_of, descendants(os.getpid()) if below is None else below))
    return time.process_time() + ended.ru_utime + ended.ru_stime + running


def _cpu_of(pid: int) -> float:
    try:
        return time.clock_gettime((~pid << 3) | 2)  # the kernel's number for the clock of a process
    except OSError:
        return 0.0


def peak_memory() -> float:
    """MB that this process had at most, and what its descendants have now that they do not share with it."""
    below = sum(_kilobytes(f"/proc/{pid}/smaps_rollup", "Private_") for pid in descendants(os.getpid()))
    return (_kilobytes("/proc/self/status", "VmHWM:") + below) / 1024


def _kilobytes(path: str, name: str) -> float:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return sum(float(line.split()[1]) for line in file if line.startswith(name))
    return 0.0


def disk_bytes(folder: str) -> int:
    """What the files below a folder take up."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_blocks * 512
    return total


def settle(quiet: float = QUIET, patience: float = PATIENCE) -> None:
    """Wait until this process and its descendants have nothing left to do, which would slow down what comes next."""
    until = time.perf_counter() + patience
    while time.perf_counter() < until:
        below = descendants(os.getpid())
        used = cpu_seconds(below)
        time.sleep(quiet)
        if cpu_seconds(below) - used < BUSY * quiet:
            return


def end_all(home: str) -> None:
    """Kill what was started with this folder as home and is still there."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{name}/environ", "rb") as file:
                theirs = f"HOME={home}".encode() in file.read().split(b"\0")
            if theirs:
                os.kill(int(name), signal.SIGKILL)
