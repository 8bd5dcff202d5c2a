"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from dataclasses import asdict

from autotrack.extension import compiled
from benchmarks.measure import Result

NAMES = (
    "startup",
    "point",
    "fit",
    "job",
    "identity",
    "memory",
    "system",
    "ingest",
    "listing",
    "trace",
    "loop",
    "boosting",
    "deep",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=sys.modules["benchmarks"].__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="what to measure; all by default")
    parser.add_argument("--json", metavar="FILE", help="write the results to a file as well")
    arguments = parser.parse_args()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    how = "compiled" if compiled is not None else "not compiled"
    print(f"{python}, {os.cpu_count()} cores, {platform.machine()}; the hot path is {how}")
    print(f"{'':48}{'cost':>12}{'±':>9}{'noise':>10}{'±':>9}{'untracked':>12}{'more':>10}  budget")
    results: list[Result] = []
    for name in arguments.names or NAMES:
        for result in importlib.import_module(f"benchmarks.{name}").run():
            results.append(result)
            print(_line(result), flush=True)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump([asdict(result) for result in results], file, indent=1)
    return 0 if all(result.within is not False for result in results) else 1


def _line(result: Result) -> str:
    untracked = f"{result.untracked:.3f}" if result.untracked is not None else "-"
    percent = f"{result.percent:.1f} %" if result.percent is not None else ""
    name = result.name if result.by == "autotrack" else f"  {result.by}"
    sign = "≥" if result.more_is_better else "≤"
    verdict = "" if result.budget is None else f"{sign} {result.budget:g} {'ok' if result.within else 'OVER'}"
    return (
        f"{name:48}{result.cost:>9.3f} {result.unit:<3}{result.spread:>8.3f}"
        f"{result.noise:>10.3f}{result.noise_spread:>9.3f}{untracked:>12}{percent:>10}  {verdict}"
    )


if __name__ == "__main__":
    sys.exit(main())
