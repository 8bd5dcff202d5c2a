"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from benchmarks import machine
from benchmarks.measure import Factor, Result

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
    "start",
    "points",
    "kill",
    "exits",
    "memories",
    "concurrent",
    "fits",
    "large",
    "loops",
    "language",
    "workers",
    "growth",
)
Stored = dict[tuple[str, str, str], dict[str, Any]]
"""Results of another time, by benchmark, name and tracker."""


class Unusable(Exception):
    """A file that can't be read, or is of another kind."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=sys.modules["benchmarks"].__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="what to measure; all by default")
    told = "write the results to a file as well, after each benchmark; those of other benchmarks that are there stay"
    parser.add_argument("--json", metavar="FILE", help=told)
    parser.add_argument("--against", metavar="FILE", help="compare with the results in such a file")
    parser.add_argument("--rounds", metavar="FACTOR", type=float, default=1.0, help="of how many rounds to make")
    arguments = parser.parse_args()
    if not arguments.rounds > 0:
        parser.error("--rounds takes a factor above 0")
    Factor.of_rounds = arguments.rounds
    about = machine.description()
    results: list[Result] = []
    names = arguments.names or NAMES
    try:
        against = _stored(arguments.against) if arguments.against else {}
        kept = _stored(arguments.json) if arguments.json and os.path.exists(arguments.json) else {}
        others = [result for (workload, *_), result in kept.items() if workload not in names]
        _write(arguments.json, about, others, results)
    except Unusable as error:
        print(error, file=sys.stderr)
        return 2
    how = "compiled" if about["compiled"] else "not compiled (`python3 -m pip install -e .` compiles it)"
    print(f"Python {about['python']}, {about['cores']} cores, {about['processor']}; the hot path is {how}")
    print(
        f"{'':46}{'cost':>11}    {'95 % interval':^21}{'noise':>9} {'95 % interval':^21}"
        f"{'untracked':>11}{'more':>9}{'CPU':>10}{'MB':>7}{'bytes':>10}"
    )
    failed = False
    for name in names:
        try:
            for result in _measured(name):
                if result.tracker != "autotrack" and (not results or results[-1].name != result.name):
                    print(result.name)
                results.append(result)
                print(_line(result, against), flush=True)
        except Exception as error:  # noqa: BLE001  (the others are still to be measured)
            failed = True
            print(f"{name}: {type(error).__name__}: {' '.join(str(error).split())[-500:]}", file=sys.stderr, flush=True)
        _write(arguments.json, about, others, results)
    return 1 if failed or any(result.within is False for result in results) else 0


def _measured(name: str) -> Iterator[Result]:
    for result in importlib.import_module(f"benchmarks.{name}").run():
        yield replace(result, workload=name)


def _stored(path: str) -> Stored:
    try:
        with open(path, encoding="utf-8") as file:
            stored = json.load(file)
        return {(kept["workload"], kept["name"], kept["tracker"]): kept for kept in stored["results"]}
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise Unusable(f"{path}: these are no results of python -m benchmarks --json") from error


def _write(path: str | None, about: dict[str, Any], others: list[dict[str, Any]], results: list[Result]) -> None:
    """In one go, so that what was there before is there until then."""
    if path is None:
        return
    try:
        with open(f"{path}.new", "w", encoding="utf-8") as file:
            found = sorted([*others, *map(asdict, results)], key=lambda result: NAMES.index(result["workload"]))
            json.dump({"machine": about, "results": found}, file, indent=1)
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from error


def _line(result: Result, against: Stored) -> str:
    name = result.name if result.tracker == "autotrack" else f"  {result.by}"
    noise = _number(result.noise)
    return (
        f"{name:46}{_number(result.cost):>11} {result.unit:<3}{_interval(result.low, result.high)}"
        f"{noise:>9} {_interval(result.noise_low, result.noise_high)}{_number(result.untracked):>11}"
        f"{'' if result.percent is None else f'{result.percent:.1f} %':>9}{_number(result.cpu):>10}"
        f"{_number(result.memory):>7}{_number(result.disk):>10}  {_verdict(result)}{_change(result, against)}"
    ).rstrip()


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.1f}" if abs(value) >= 100 else f"{value:.3f}"


def _interval(low: float | None, high: float | None) -> str:
    return " " * 22 if low is None else f"{f'[{_number(low)}, {_number(high)}]':^22}"


def _verdict(result: Result) -> str:
    if result.budget is None:
        return result.told
    return f"{'≥' if result.more_is_better else '≤'} {result.budget:g} {'ok' if result.within else 'OVER'} "


def _change(result: Result, against: Stored) -> str:
    """The cost as a multiple of the one that was stored, and what that means where the intervals do not overlap."""
    kept = against.get((result.workload, result.name, result.tracker))
    if kept is None:
        return "new" if against else ""
    times = f"×{result.cost / kept['cost']:.2f}" if min(result.cost, kept["cost"]) > 0 else "×-"
    if result.low <= kept["high"] and kept["low"] <= result.high:
        return times
    more = result.cost > kept["cost"]
    if result.unit == "%" and result.more_is_better:
        return f"{times} {'better' if more else 'worse'}"
    return f"{times} {'faster' if more is result.more_is_better else 'slower'}"


if __name__ == "__main__":
    sys.exit(main())
