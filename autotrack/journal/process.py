"""Which process is which: who owns a segment, and whether the owner still runs."""

from __future__ import annotations

import os
import sys

_WORKER_MARKS = ("--multiprocessing-fork", "multiprocessing.forkserver", "multiprocessing.resource_tracker")


def started(pid: int) -> float:
    """Start of a process in clock ticks since boot (Linux), else its creation time, or 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return 0.0 if fields[0] in (b"Z", b"X") else float(fields[19])
    except OSError:
        pass
    if sys.platform == "linux":
        return 0.0
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return 0.0


def alive(pid: int, start: float) -> bool:
    """Whether the process that had this number and start still runs: numbers are used again."""
    return start > 0 and started(pid) == start


def command_line(pid: int) -> list[str]:
    """The words that a process was started with; empty where the system does not tell."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.fsdecode(file.read()).split("\0")[:-1]
    except OSError:
        return []


def machine() -> str:
    """This boot of this machine and the process-id namespace, in which process numbers have a meaning."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        pass
    if sys.platform == "linux":
        return "unknown"
    import psutil

    return f"{int(psutil.boot_time())}/0"


def is_worker(words: list[str] | None = None) -> bool:
    """Whether this process, or one of this command line, was spawned to work for the program that started it."""
    words = words or getattr(sys, "orig_argv", sys.argv)
    return any(mark in word for word in words for mark in _WORKER_MARKS) or any(
        "loky.backend" in word for word in words
    )


def serves_resources() -> bool:
    """Whether this process only cleans up after the others of a program."""
    return any("resource_tracker" in word for word in getattr(sys, "orig_argv", sys.argv))
