"""What samples of the system take of one core at the default period, with many other processes on the machine, and of
the user's thread what reading the generators takes as a run begins."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import autotrack
from autotrack import context
from autotrack.settings import Settings
from benchmarks.measure import Result, repeated

STRANGERS = 1_000
"""Other processes on the machine."""
CHILDREN = 10
"""Processes that are the program's own."""
SAMPLES = 20


def run() -> Iterator[Result]:
    yield _states()
    yield _share("system: share of a core, few processes")
    # Of a shell that is gone, so that they are not below this process.
    script = f"for number in $(seq {STRANGERS}); do sleep 1000 & done"
    with subprocess.Popen(["sh", "-c", script], start_new_session=True) as others:
        others.wait()
        try:
            yield _share(f"system: share of a core, {STRANGERS} others")
        finally:
            os.killpg(others.pid, signal.SIGKILL)


def _share(name: str) -> Result:
    """Time on a processor of a sample, in percent of the period; a tenth of a percent is the budget."""
    from autotrack.capture.system import Sampler

    children = [subprocess.Popen(["sleep", "1000"]) for _ in range(CHILDREN)]
    with tempfile.TemporaryDirectory() as folder:
        autotrack.enable(dir=Path(folder) / ".autotrack", quiet=True)
        try:
            autotrack.log({"loss": 1.0})
            job = context.Current.job
            assert job is not None
            sampler = Sampler(job)
            sampler.begin()

            def share() -> float:
                begun = time.process_time()
                for _ in range(SAMPLES):
                    sampler._rests_until = 0.0
                    sampler.sample()
                return (time.process_time() - begun) / SAMPLES / Settings.system_seconds * 100

            return repeated(name, share, rounds=15, unit="%", budget=0.1)
        finally:
            autotrack.disable()
            for child in children:
                child.kill()
                child.wait()


def _states() -> Result:
    import random

    import numpy

    from autotrack.capture import seeds

    random.seed(1)
    numpy.random.seed(1)

    def states() -> float:
        begun = time.perf_counter()
        for _ in range(200):
            seeds.states()
        return (time.perf_counter() - begun) / 200 * 1e3

    return repeated("seeds: states of two generators, a run", states, rounds=15, unit="ms", budget=0.1)
