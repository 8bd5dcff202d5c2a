"""Which values can be read from what a tracker has left in a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from benchmarks import programs
from benchmarks.trackers import named

FORMATS = ("<f8", ">f8", "<f4", ">f4")


def kept(key: str, folder: str, values: Iterable[float]) -> int:
    """How many of these (see `programs.values`) are there: as the tracker reads them, or in any file."""
    if named(key).reads:
        with programs.ended("read", key, folder=folder) as reading:
            return len(set(values) & set(reading.answer["values"]))
    found: set[float] = set()
    wanted = set(values)
    for place, _, names in os.walk(folder):
        for name in names:
            found |= wanted & _in_file(os.path.join(place, name), wanted)
    return len(found)


def _in_file(path: str, wanted: set[float]) -> set[float]:
    import numpy

    if not os.path.isfile(path) or os.path.islink(path) or not os.path.getsize(path):
        return set()
    with open(path, "rb") as file:
        data = file.read()
    found = {float(text) for text in re.findall(rb"1\.\d{9,}", data)}
    exact = numpy.array(sorted(wanted))
    for layout in FORMATS:
        size = int(layout[2])
        looked_for = exact.astype(f"f{size}")
        for first in range(min(size, max(0, len(data) - size + 1))):
            part = numpy.frombuffer(data, layout, count=(len(data) - first) // size, offset=first)
            with numpy.errstate(invalid="ignore"):  # most of it are no floats
                near = part[(part >= 1.0) & (part <= 2.0)].astype(f"f{size}")
            found.update(exact[numpy.isin(looked_for, near)].tolist())
    return found
