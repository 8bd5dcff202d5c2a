"""The command line of the benchmarks, their arithmetic, and the plots."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks import plots, table
from benchmarks.growth import in_words
from benchmarks.measure import interval, slope

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"


def benchmarks(*words: str, code: int | None = None) -> subprocess.CompletedProcess[str]:
    """Without a code it is 0, or 1 where a cost is over its budget, as it may be on a busy machine."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, capture_output=True, text=True, timeout=80, check=False
    )
    assert done.returncode in ((0, 1) if code is None else (code,)), f"{words}: {done.stdout}\n{done.stderr}"
    return done


def test_results_are_kept_and_compared_with(tmp_path: Path) -> None:
    kept = tmp_path / "results.json"
    assert not benchmarks("point", "--rounds", "0.3", "--json", str(kept)).stderr
    stored = json.loads(kept.read_text())
    assert {"python", "cores", "processor", "system", "date", "autotrack", "compiled"} <= set(stored["machine"])
    assert [result["workload"] for result in stored["results"]] == ["point"] * 3
    for result in stored["results"]:
        assert result["low"] <= result["cost"] <= result["high"]
        result["cost"], result["low"], result["high"] = (value * 100 for value in (1.0, 0.9, 1.1))
    kept.write_text(json.dumps(stored))
    lines = benchmarks("point", "--rounds", "0.3", "--against", str(kept)).stdout.splitlines()
    assert sum(line.endswith("faster") for line in lines) == 3


@pytest.mark.parametrize("content", [None, "{}", "[1]", "no json"])
def test_what_can_not_be_compared_with_is_told(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "other.json").write_text(content)
    done = benchmarks("point", "--against", str(tmp_path / "other.json"), code=2)
    (line,) = done.stderr.splitlines()
    assert line.startswith(str(tmp_path / "other.json"))


def test_intervals() -> None:
    assert interval([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert interval([float(value) for value in range(1, 101)]) == (40.0, 61.0)  # as tables of order statistics have it
    middle, low, high = slope([(float(x), 2.0 * x + (x % 2) / 10) for x in range(20)])
    assert low <= middle <= high
    assert middle == pytest.approx(2.0, abs=0.02)


@pytest.mark.parametrize(
    ("power", "words"),
    [
        (0.02, "does not depend"),
        (0.5, "less than in"),
        (1.1, "in proportion"),
        (2.0, "more than"),
        (-0.4, "less of each"),
    ],
)
def test_a_power_in_words(power: float, words: str) -> None:
    assert in_words(power).startswith(words)


def test_the_table_of_the_readme_is_that_of_the_results() -> None:
    results = json.loads((RESULTS / "results.json").read_text())["results"]
    lines = list(table.lines(results))
    readme = (ROOT / "README.md").read_text()
    assert "\n".join(lines) in readme
    trackers = {result["tracker"] for result in results}
    assert {"autotrack", "autotrack.log", "mlflow", "wandb", "clearml", "comet", "aim", "trackio"} < trackers
    assert len(lines) == 3 + len(trackers)
    for name in ("overhead", "growth"):
        for theme in plots.THEMES:
            assert f"benchmarks/results/{name}-{theme}.svg" in readme
            ElementTree.parse(RESULTS / f"{name}-{theme}.svg")


def test_a_table_says_what_is_within_the_noise() -> None:
    def result(tracker: str, cost: float, low: float) -> dict[str, Any]:
        noise = {"noise_low": -0.2, "noise_high": 0.3}
        return {"workload": "exits", "name": "exits: after 10,000 points, or 10 s of points", "tracker": tracker,
                "by": tracker.title(), "cost": cost, "low": low, **noise}  # fmt: skip

    told = list(table.lines([result("other", 1234.0, 1000.0), result("autotrack", 0.25, -0.1)]))
    assert [line.split("|")[7].strip() for line in told[2:]] == ["±0.3", "(0.25)", "1,230"]
    assert [line.split("|")[1].strip() for line in told[2:]] == ["noise", "Autotrack", "Other"]


def test_plots_in_both_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each tracker and each size is in them, and a name that means something in XML does no harm."""

    def result(workload: str, name: str, cost: float, **about: Any) -> dict[str, Any]:
        known = {
            "unit": "ms",
            "tracker": "autotrack",
            "by": "autotrack",
            "version": "",
            "noise_low": -0.1,
            "noise_high": 0.1,
        }
        return {"workload": workload, "name": name, "cost": cost, "size": None, **known, **about}

    results = [
        result("loops", "loops: a step of 0.2 ms", 4.0),
        result("loops", "loops: a step of 0.2 ms", 400.0, tracker="other", by="Other <3>"),
        result("loops", "loops: a step of 20 ms", -1.0),
        *(result("growth", f"growth: ls, {size:,} runs", 100.0, size=size) for size in (1, 10, 100)),
    ]
    (tmp_path / "results.json").write_text(json.dumps({"machine": {}, "results": results}))
    monkeypatch.setattr(sys, "argv", ["plots", str(tmp_path / "results.json"), str(tmp_path / "plots")])
    assert plots.main() == 0
    drawn = {path.name: path.read_text() for path in (tmp_path / "plots").iterdir()}
    assert set(drawn) == {f"{name}-{theme}.svg" for name in ("overhead", "growth") for theme in ("light", "dark")}
    for name, text in drawn.items():
        ElementTree.fromstring(text)
        assert ("Other &lt;3&gt;" in text) == name.startswith("overhead")
        assert plots.THEMES[name.removesuffix(".svg").partition("-")[2]].text in text
