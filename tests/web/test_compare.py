"""Runs compared: curves over one axis, code, data, and what many runs tell."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy
import pytest

from autotrack.store import epochs
from autotrack.store.importance import importance
from autotrack.testing import run_program
from tests.web.serving import HOSTILE, Server, in_browser, serving

TRIALS = quote('name > "trial"')
NAME = "<img src=x onerror=hurt=1>.txt"
PROGRAM = """
import autotrack
for number in range(40):
    rate = 10.0 ** -(number % 5)
    settings = {"rate": rate, "twice": 2 * rate, "noise": (number * 7919) % 40, "hostile": HOSTILE * (number % 2)}
    with autotrack.run(f"trial {number:02}") as opened:
        opened._open[-1][0].params(settings, "user")  # as a plugin tells them
        autotrack.log({"score": abs(number % 5 - 2) + (number % 3) / 10, HOSTILE: 1.0})
for name, size in (("one", 10), ("other", 20)):
    with autotrack.run(name):
        for step in range(3 * size):
            autotrack.log({"epoch": step // size, "loss": 1.0 / (step + 1)}, step=step)
""".replace("HOSTILE", repr(HOSTILE))


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("compared")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    for content in ("-- old\nsame\n", f"++ new\nsame\n{HOSTILE}\n"):
        (folder / NAME).write_text(content)
        done = run_program(PROGRAM, folder)
        assert done.returncode == 0, done.stderr
    with serving(folder) as there:
        yield there


def ids(server: Server, name: str) -> list[str]:
    """The newest first."""
    return [run["id"] for run in server.json(f"/api/runs?filter={quote(f'name == {name!r}')}")["runs"]]


def test_curves_along_epochs(compared: Server) -> None:
    one, other = ids(compared, "one")[0], ids(compared, "other")[0]
    address = f"/api/compare/curves?run={one}&run={other}"
    for along, ends in (("step", (29, 59)), ("epoch", (3.0, 3.0))):
        found = compared.json(f"{address}&along={along}")["runs"]
        assert [run["id"] for run in found] == [one, other]
        assert tuple(run["curves"]["loss"]["x"][-1] for run in found) == ends
    trial = ids(compared, "trial 03")[0]
    assert compared.json(f"/api/compare/curves?run={trial}&name=score&along=epoch")["runs"][0]["without"] == ["score"]
    assert compared.ask(f"{address}&along=moon")[0] == 400
    assert compared.ask("/api/compare/curves")[0] == 400


def test_points_of_other_steps_lie_in_the_epoch_of_their_time() -> None:
    known = epochs.Epochs(numpy.array([0, 10]), numpy.array([100.0, 200.0]), numpy.array([0.0, 1.0]), "framework")
    by_step = epochs.along(known, "train/loss", "framework", numpy.array([0, 9, 14]), numpy.array([0.0, 0.0, 0.0]))
    assert by_step.tolist() == pytest.approx([0.1, 1.0, 1.5])
    printed = epochs.along(known, "valid/acc", "print", numpy.array([0, 1, 2]), numpy.array([50.0, 150.0, 250.0]))
    assert numpy.isnan(printed[0])
    assert printed[1:].tolist() == [1.0, 2.0]


def test_code_is_compared_line_by_line(compared: Server) -> None:
    second, first = ids(compared, "one")
    found = compared.json(f"/api/compare/code?first={first}&second={second}")
    (file,) = [file for file in found["files"] if file["path"] == NAME]
    assert (file["change"], found["more"]) == ("changed", 0)
    lines = [["-", "-- old"], ["+", "++ new"], [" ", "same"], ["+", HOSTILE]]
    assert file["hunks"] == [{"first": 1, "second": 1, "lines": lines}]
    assert compared.json(f"/api/compare/code?first={first}&second={first}")["files"] == []
    assert compared.ask(f"/api/compare/code?first={first}")[0] == 400


def _runs(count: int) -> list[dict[str, Any]]:
    return [
        {
            "params": {"rate": at % 7, "twice": 2 * (at % 7), "noise": (at * 7919) % 101, "own": f"x{at}"},
            "metrics": {"score": abs(at % 7 - 3) + (at % 5) / 100},
        }
        for at in range(count)
    ]


def test_importance_finds_what_is_best_in_the_middle() -> None:
    told = importance(
        [*_runs(100), {"params": {}, "metrics": {"score": "NaN"}}, {"params": {}, "metrics": {}}], "score"
    )
    assert (told["runs"], told["odd"], told["without"], told["why"]) == (100, 1, 1, None)
    rate, noise = (next(one for one in told["parameters"] if one["name"] == name) for name in ("rate", "noise"))
    assert rate["importance"] > 0.6
    assert (rate["chance"] < 0.01, rate["together"]) == (True, ["twice"])
    assert noise["importance"] < 0.1 < noise["chance"]
    assert [one["name"] for one in told["left_out"]] == ["own"]


@pytest.mark.parametrize("seed", range(5))
def test_one_that_few_runs_have_hides_no_other(seed: int) -> None:
    drawn = random.Random(seed)
    runs = []
    for number in range(200):
        rate = drawn.choice([0.1, 0.2, 0.3, 0.4])
        rare = {"rare": drawn.choice([1, 2, 3])} if number < 10 else {}
        params = {"rate": rate, "long": 10**400 + number, **rare}
        runs.append({"params": params, "metrics": {"score": rate + drawn.gauss(0, 0.15)}})
    told = {one["name"]: one for one in importance(runs, "score")["parameters"]}
    assert told["rate"]["chance"] <= 0.01
    assert told["rare"]["chance"] > 0.05


def test_of_few_runs_nothing_is_told() -> None:
    told = importance(_runs(9), "score")
    assert told["parameters"] == []
    assert "10 are the fewest" in told["why"]


@in_browser
def test_code_in_the_browser_is_text(page: Any, compared: Server) -> None:
    second, first = ids(compared, "one")
    page.goto(f"{compared.link}compare?runs={first},{second}")
    page.get_by_text("How the code differs").click()
    region = page.get_by_role("region", name=f"Differences in {NAME}")
    region.get_by_text(HOSTILE).wait_for()
    assert "code=" in page.url
    assert page.evaluate("window.hurt") is None
    assert page.locator("main img, main script").count() == 0
    page.get_by_label("along", exact=True).select_option("epoch")
    page.wait_for_url("**along=epoch**")
    page.get_by_text("epochs gone through").first.wait_for()


@in_browser
def test_across_many_runs(page: Any, compared: Server) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(compared.link)
    page.get_by_text("84 runs", exact=True).wait_for()
    assert not any(word in url for url in asked for word in ("plots-", "code-", "across-"))
    page.goto(f"{compared.link}compare?filter={TRIALS}&metric=score")
    page.get_by_role("region", name="Scatter plot").locator("canvas").first.wait_for()
    page.get_by_role("region", name="Parallel coordinates").locator("canvas").first.wait_for()
    assert page.get_by_label("Metric").input_value() == "score"
    rows = page.get_by_role("region", name="Parameter importance", exact=True).last.get_by_role("row").all_inner_texts()
    assert rows[1].split("\t")[0] in ("rate", "twice")
    assert {row.split("\t")[-1] for row in rows[1:3]} == {"rate", "twice"}
    page.get_by_label("x", exact=True).select_option("params.noise")
    page.wait_for_url("**x=params.noise**")
    page.get_by_text("score by noise").wait_for()
    assert page.evaluate("window.hurt") is None
    assert page.locator("main img, main script").count() == 0


DATA = """
import pandas
from sklearn.linear_model import LinearRegression
for last in (9.0, 1.0):
    frame = pandas.DataFrame({"a": [1.0, 2.0, 3.0], "b": [5.0, 7.0, last]})
    LinearRegression().fit(frame, [1.0, 2.0, 4.0])
"""


@in_browser
def test_which_columns_of_the_data_changed(page: Any, tmp_path: Path) -> None:
    run_program(f"import autotrack; autotrack.enable()\n{DATA}", tmp_path)
    with serving(tmp_path) as there:
        second, first = (run["id"] for run in there.json("/api/runs")["runs"])
        rows = there.json(f"/api/compare/data?run={first}&run={second}")["rows"]
        assert {"name": "train/features columns changed", "texts": [None, "b"]} in rows
        page.goto(f"{there.link}compare?runs={first},{second}")
        table = page.get_by_role("region", name="What differs in the data")
        table.get_by_role("row", name="train/features columns changed b").wait_for()
        page.goto("about:blank")
