"""What was measured, and on what."""

from __future__ import annotations

import os
import platform
import re
import time
from typing import Any

import autotrack
from autotrack.extension import compiled
from benchmarks import trackers


def description() -> dict[str, Any]:
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": platform.platform(),
        "processor": _first(r"model name\s*: (.*)", "/proc/cpuinfo") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": int(_first(r"MemTotal:\s*(\d+)", "/proc/meminfo") or 0) * 1024,
        "autotrack": autotrack.__version__,
        "compiled": compiled is not None,
        "versions": trackers.versions(),
    }


def _first(pattern: str, path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            found = re.search(pattern, file.read())
    except OSError:
        return None
    return found[1] if found else None
