"""The machine as far as a program may use it: processors, memory, accelerators.  Read from files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from autotrack.values import storable

_FIRST_PART = 8192
"""Bytes of /proc/cpuinfo that are read: it repeats itself for each of the cores."""
_NO_LIMIT = 1 << 60
_CGROUPS = "/sys/fs/cgroup"


def facts() -> dict[str, Any]:
    """`cpu: {model, cores, usable, quota}`, `memory: {bytes, limit}`: cores of the machine, those that this process
    may run on, and how many of them at once its control group allows; bytes of the machine, and those that its
    control group allows.  None where there is no such limit, or it is not known."""
    return {
        "cpu": {"model": _model(), "cores": os.cpu_count(), "usable": _usable(), "quota": quota()},
        "memory": {"bytes": _memory(), "limit": memory_limit()},
    }


def _model() -> str | None:
    for line in _first(_FIRST_PART, "/proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model", "cpu model", "Hardware", "cpu"):
            return storable(value.strip())
    return None


def _usable() -> int | None:
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return None


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def quota(root: str = _CGROUPS, membership: str = "/proc/self/cgroup") -> float | None:
    """The least number of cores that this process's control group, or one above it, allows at once."""
    allowed = []
    for folder in _groups("cpu", root, membership):
        period = _first(100, os.path.join(folder, "cpu.cfs_period_us")).strip()
        words = _first(100, os.path.join(folder, "cpu.max")).split()
        if not words:
            words = [_first(100, os.path.join(folder, "cpu.cfs_quota_us")).strip(), period]
        if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal() and int(words[1]):
            allowed.append(int(words[0]) / int(words[1]))
    return min(allowed, default=None)


def memory_limit(root: str = _CGROUPS, membership: str = "/proc/self/cgroup") -> int | None:
    """The least number of bytes that this process's control group, or one above it, allows."""
    allowed = []
    for folder in _groups("memory", root, membership):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _first(100, os.path.join(folder, name)).strip()
            if text.isdecimal() and int(text) < _NO_LIMIT:
                allowed.append(int(text))
    return min(allowed, default=None)


def _groups(controller: str, root: str, membership: str) -> Iterator[str]:
    """The folders of this process's control groups, and of those above them.  In a container that sees itself at the
    top, names that are not there stand for groups outside."""
    for line in _first(1 << 16, membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        # Version 1 has a tree for each set of controllers, version 2 one for all.
        trees = [controllers, controller] if controllers else ["", "unified"]
        for tree in dict.fromkeys(trees):
            parts = [part for part in path.split("/") if part]
            for depth in range(len(parts), -1, -1):
                yield os.path.join(root, tree, *parts[:depth])


def _first(count: int, path: str) -> str:
    """The beginning of a file."""
    try:
        with open(path, "rb") as file:
            return file.read(count).decode("utf-8", "surrogateescape")
    except OSError:
        return ""
