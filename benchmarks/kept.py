"""Which values can be read from what a tracker has left in a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator

FORMATS = ("<f8", ">f8", "<f4", ">f4")
OURS = ("autotrack", "autotrack.log")


def kept(key: str, folder: str, values: Iterable[float]) -> int:
    """How many of these (see `programs.values`) are there: of autotrack as it reads itself, of others in any file."""
    if key in OURS:
        return len(set(values) & set(_points(os.path.join(folder, ".autotrack"))))
    found: set[float] = set()
    wanted = set(values)
    for place, _, names in os.walk(folder):
        for name in names:
            found |= wanted & _in_file(os.path.join(place, name), wanted)
    return len(found)


def _points(root: str) -> Iterator[float]:
    import autotrack

    for found in autotrack.runs(dir=root, frame="list"):
        run = autotrack.load(found["id"], dir=root)
        for name in run.metrics:
            yield from run.points(name)[1].tolist()


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
