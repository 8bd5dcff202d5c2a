"""What `import autotrack; autotrack.enable()` adds to a bare interpreter, and `import sklearn` to a tracked one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from benchmarks.measure import Result, paired, seconds


def run() -> Iterator[Result]:
    yield _compare("start-up: enable()", "pass", "import autotrack; autotrack.enable()", rounds=15, budget=60.0)
    yield _compare(
        "start-up: import sklearn.linear_model",
        "import sklearn.linear_model",
        "import autotrack; autotrack.enable(); import sklearn.linear_model",
        rounds=5,
        budget=None,
    )


def _compare(name: str, without: str, with_: str, *, rounds: int, budget: float | None) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        env = {key: value for key, value in os.environ.items() if not key.startswith("AUTOTRACK_")}

        def start(source: str) -> float:
            return seconds(lambda: subprocess.run([sys.executable, "-c", source], cwd=folder, env=env, check=True))

        return paired(
            name, lambda: start(without), lambda: start(with_), rounds=rounds, scale=1e3, unit="ms", budget=budget
        )
