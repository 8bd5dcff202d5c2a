"""Small programs, each in a process of its own: what starts, records points with one tracker, and ends.

`python -m benchmarks.programs PROGRAM TRACKER FOLDER COUNT` is such a program; it answers with a line of JSON.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks import usage
from benchmarks.trackers import Tracker, named
from benchmarks.trackers.surroundings import surroundings
from benchmarks.turns import Failed, Hangs

PATIENCE = 100.0
"""Seconds that a program has."""
MOST = 10.0
"""Seconds for which a program records at most: with a slow tracker it records less than it was asked to."""
BLOCK = 100
"""Points between two looks at the clock."""
SHARE = 200
"""Points of each of many processes."""
PACE = 0.001
"""Seconds between two points that come at a pace."""
Answer = Callable[..., None]


@dataclass(frozen=True)
class Ended:
    """A program that has ended: what it has answered, and when it was started and ended, on its own clock."""

    answer: dict[str, Any]
    started: float
    ended: float
    cpu: float
    folder: str


@contextmanager
def ended(program: str, key: str, count: int = 0, folder: str | None = None, grace: float = 0.0) -> Iterator[Ended]:
    """Run a program in a new folder, or in one that it shares with others, and wait for its end; what of its children
    is still there then has so many seconds to end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as own:
        place = folder or own
        try:
            yield wait(*start(program, key, count, place, own), place, grace)
        finally:
            usage.end_all(place)


def start(program: str, key: str, count: int, folder: str, own: str) -> tuple[subprocess.Popen[str], float, str]:
    """Start it; what it prints goes into a file of its own folder."""
    printed = os.path.join(own, "printed")
    command = [sys.executable, "-m", "benchmarks.programs", program, key, folder, str(count)]
    env = surroundings(folder)
    with open(printed, "w") as file:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file, text=True
        )
    return process, started, printed


def wait(process: subprocess.Popen[str], started: float, printed: str, folder: str, grace: float) -> Ended:
    assert process.stdout is not None
    try:
        with process.stdout, _at_most(max(1.0, started + PATIENCE - time.perf_counter())):
            line = process.stdout.readline()
            _, status, used = os.wait4(process.pid, 0)
            over = time.perf_counter()
    except TimeoutError:
        process.kill()
        process.wait()
        raise Hangs(f"it has not ended after {PATIENCE:g} s") from None
    process.returncode = code = os.waitstatus_to_exitcode(status)
    if not line or code not in (0, -signal.SIGKILL):
        raise Failed(last_line(printed) or f"it has ended with {code}")
    time.sleep(grace)
    return Ended(json.loads(line), started, over, used.ru_utime + used.ru_stime, folder)


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what takes longer."""

    def too_long(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def last_line(printed: str) -> str:
    """The error that was printed last, or else the last line."""
    with open(printed, errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Interrupt|Exit)\b", line)]
    return (errors or lines or [""])[-1][:300]


def values(count: int) -> list[float]:
    """Different ones from 1 to 2, of so many digits that each is recognized, and that compression leaves them alone."""
    generator = random.Random(1)
    return [1.0 + generator.random() for _ in range(count)]


def main() -> None:
    """Such a program."""
    program, key, folder, count = sys.argv[1:]
    os.chdir(folder)
    answers = os.dup(1)
    os.dup2(2, 1)
    tracker = named(key)
    if program == "read":
        _answer(answers, {"values": list(tracker.read(folder))})
        return
    begun = time.perf_counter()
    for module in tracker.beside:
        importlib.import_module(module)
    beside = time.perf_counter() - begun
    about = {"beside": beside} if program == "start" else {"memory before": usage.peak_memory()}
    tracker.prepare(folder)
    tracker.around({}, lambda: PROGRAMS[program](tracker, int(count), lambda **more: _answer(answers, about | more)))


def _answer(answers: int, values: dict[str, Any]) -> None:
    os.write(answers, f"{json.dumps(values)}\n".encode())


def _start(_tracker: Tracker, _count: int, answer: Answer) -> None:
    """Only be ready to record."""
    answer(ready=time.perf_counter())
    os._exit(0)


def _record(tracker: Tracker, count: int, answer: Answer) -> None:
    """As many points as there is time for, and then the end."""
    points, cpu = values(count), usage.cpu_seconds()
    until = time.perf_counter() + MOST
    recorded = 0
    while recorded < count and time.perf_counter() < until:
        for step in range(recorded, recorded + BLOCK):
            tracker.log("loss", points[step], step)
        recorded += BLOCK
    memory = usage.peak_memory()
    answer(recorded=recorded, cpu=cpu, memory=memory, last=time.perf_counter())


def _blocks(tracker: Tracker, count: int, answer: Answer) -> None:
    """Blocks of points between blocks of nothing, each timed."""
    points, cpu = values(count), usage.cpu_seconds()
    until = time.perf_counter() + MOST
    triples = []
    log, clock = tracker.log, time.perf_counter
    for first in range(0, count, BLOCK):
        steps = range(first, first + BLOCK)
        times = [clock()]
        for _ in steps:
            pass
        times.append(clock())
        for step in steps:
            log("loss", points[step], step)
        times.append(clock())
        for _ in steps:
            pass
        times.append(clock())
        triples.append([after - before for before, after in itertools.pairwise(times)])
        if clock() > until:
            break
    answer(triples=triples, recorded=len(triples) * BLOCK, cpu=cpu)


def _share(tracker: Tracker, first: int, answer: Answer) -> None:
    """Some of the values that many processes record."""
    for step, value in enumerate(values(first + SHARE)[first:]):
        tracker.log("loss", value, step)
    answer()


def _burst(tracker: Tracker, count: int, answer: Answer) -> None:
    """Points without a pause, and then killed at once."""
    _killed(tracker, count, answer, lambda _: None)


def _paced(tracker: Tracker, count: int, answer: Answer) -> None:
    """About a thousand points a second, and then killed at once."""
    begun = time.perf_counter()
    _killed(tracker, count, answer, lambda step: time.sleep(max(0.0, begun + step * PACE - time.perf_counter())))


def _killed(tracker: Tracker, count: int, answer: Answer, pause: Callable[[int], None]) -> None:
    until = time.perf_counter() + MOST
    recorded = 0
    for step, value in enumerate(values(count)):
        if time.perf_counter() > until:
            break
        pause(step)
        tracker.log("loss", value, step)
        recorded += 1
    answer(recorded=recorded)
    os.kill(os.getpid(), signal.SIGKILL)


PROGRAMS: dict[str, Callable[[Tracker, int, Answer], None]] = {
    "start": _start,
    "record": _record,
    "blocks": _blocks,
    "share": _share,
    "burst": _burst,
    "paced": _paced,
}

if __name__ == "__main__":
    main()
