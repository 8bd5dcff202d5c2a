"""The list of runs and that of jobs, in a real browser: folded, grouped, marked and edited in place."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autotrack.testing import run_program
from tests.end_to_end.conftest import CommandLine
from tests.web.serving import HOSTILE, Server, in_browser, serving

SEARCHED = f"""
import autotrack
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

autotrack.enable()
X, y = load_iris(return_X_y=True)
GridSearchCV(DecisionTreeClassifier(random_state=0), {{"max_depth": [1, 2, 3]}}, cv=3).fit(X, y)
for depth in (1, 2, 2):
    with autotrack.run("by hand", depth=depth, who={HOSTILE!r}):
        autotrack.log({{"test/score": depth / 4}})
"""


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searched")
    (folder / "train.py").write_text(SEARCHED)
    command = CommandLine(folder)
    command("run", "train.py")
    command("ls")  # which makes it known that it is over
    command("run", "train.py")
    return folder


@pytest.fixture(scope="module")
def there(searched: Path) -> Iterator[Server]:
    with serving(searched) as server:
        yield server


@in_browser
def test_runs_in_a_search_are_folded(page: Any, there: Server) -> None:
    page.goto(there.link)
    fold = page.get_by_role("button", name="3 runs in GridSearchCV").first
    trial = page.get_by_role("link", name=re.compile(r"\[2\]$"))
    assert trial.count() == 0
    fold.press("Enter")
    trial.wait_for()
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "true"
    page.keyboard.press("Enter")
    trial.wait_for(state="detached")


@in_browser
def test_runs_are_grouped(page: Any, there: Server) -> None:
    page.goto(there.link)
    page.get_by_label("Group by").select_option("tags.depth")
    groups = page.get_by_role("region", name="Groups")
    groups.get_by_role("button", name="(none, or not there)").wait_for()
    rows = groups.get_by_role("row").all_inner_texts()
    heads, *rows = [row.split("\t") for row in rows]
    at = heads.index("test/score")
    assert {row[0]: (row[1], row[at]) for row in rows} == {
        "2": ("4", "0.5"),
        "1": ("2", "0.25"),
        "(none, or not there)": ("2", ""),
    }
    page.reload()
    groups.get_by_role("button", name="1", exact=True).click()
    page.get_by_role("region", name="Runs of 1").get_by_role("link", name="by hand").first.wait_for()
    page.get_by_role("button", name="These runs in the list").click()
    page.get_by_text("2 runs", exact=True).wait_for()
    assert page.get_by_label("Filter", exact=True).input_value() == "tags['depth'] == 1.0"


@in_browser
def test_what_a_run_repeats_is_marked(page: Any, there: Server) -> None:
    page.goto(there.link)
    marks = page.get_by_role("link", name=re.compile("^repeats "))
    marks.first.wait_for()
    assert marks.count() == 4  # of the second program
    page.get_by_role("link", name="by hand").first.wait_for()


@in_browser
def test_tags_and_notes_are_edited_in_place(page: Any, there: Server, searched: Path) -> None:
    page.goto(f"{there.link}?filter=tags.depth == 1")
    page.get_by_text("2 runs", exact=True).wait_for()
    page.get_by_role("button", name="Edit the tags of by hand").first.click()
    assert page.get_by_role("textbox").last.input_value() == f"depth=1, who={json.dumps(HOSTILE)}"
    page.keyboard.press("End")
    page.keyboard.type(', stage=final, score=4.5, kept, why="one, two"')
    page.keyboard.press("Enter")
    page.get_by_text("stage=final").wait_for()
    page.get_by_role("button", name="Edit the note of by hand").first.click()
    page.keyboard.type(f"a note {HOSTILE}")
    page.keyboard.press("Enter")
    page.get_by_text(f"a note {HOSTILE}").wait_for()
    (run,) = (run for run in there.json("/api/runs?marks=true")["runs"] if "stage" in run["tags"])
    edited = {"depth": 1, "who": HOSTILE, "stage": "final", "score": 4.5, "kept": True, "why": "one, two"}
    assert (run["tags"], run["marks"]["note"]) == (edited, f"a note {HOSTILE}")
    page.get_by_role("button", name="Edit the tags of by hand").first.click()
    page.keyboard.type("never, ")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Edit the tags of by hand").first.click()
    page.get_by_role("textbox", name="The tags of by hand").fill("depth=1, score=4.5")
    page.keyboard.press("Enter")
    page.get_by_text("stage=final").wait_for(state="detached")
    shown = CommandLine(searched).json("show", run["id"])
    assert (shown["tags"], shown["note"]) == ({"depth": 1, "score": 4.5}, f"a note {HOSTILE}")
    assert page.evaluate("window.hurt") is None


@in_browser
def test_jobs_are_listed_and_opened(page: Any, there: Server) -> None:
    page.goto(f"{there.link}jobs")
    jobs = page.get_by_role("region", name="Jobs")
    jobs.get_by_role("link", name="train.py").first.wait_for()
    rows = [row.split("\t") for row in jobs.get_by_role("row").all_inner_texts()[1:]]
    assert [(row[0], row[5]) for row in rows] == [("train.py", "4"), ("train.py", "4")]
    jobs.get_by_role("link", name="train.py").first.click()
    page.get_by_role("heading", name="train.py").wait_for()
    page.get_by_role("region", name="Runs", exact=True).get_by_role("link", name="by hand").first.click()
    page.get_by_role("heading", name="by hand").wait_for()


@in_browser
def test_a_run_that_goes_on_is_shown_as_it_goes(page: Any, tmp_path: Path) -> None:
    program = """
import sys, autotrack
autotrack.enable(quiet=True)
with autotrack.run("slow"):
    autotrack.log({"loss": 1.0}, step=0)
    autotrack.log({"loss": 0.5}, step=1)
    sys.stdin.readline()
    autotrack.log({"loss": 0.25}, step=2)
    sys.stdin.readline()
    autotrack.log({"loss": 0.125}, step=3)
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdin=subprocess.PIPE, text=True) as going:
        assert going.stdin is not None
        try:
            with serving(tmp_path) as there:
                page.goto(there.link)
                page.get_by_text("running").wait_for()
                page.get_by_role("gridcell", name="0.5", exact=True).wait_for()
                going.stdin.write("\n")
                going.stdin.flush()
                page.get_by_role("gridcell", name="0.25", exact=True).wait_for()
                page.get_by_role("link", name="slow").click()
                chart = page.locator("figure", has_text="loss")
                chart.get_by_text("loss: from 1 to 0.25, least 0.25, 3 points.").wait_for(state="attached")
                page.get_by_role("textbox", name="Note").fill("not saved yet")
                page.get_by_label("logarithmic").check()
                page.locator("summary", has_text="packages").click()
                going.stdin.write("\n")
                going.stdin.flush()
                chart.get_by_text("least 0.125, 4 points.").wait_for(state="attached")
                assert page.get_by_role("textbox", name="Note").input_value() == "not saved yet"
                page.get_by_role("button", name="Save the note").click()
                page.get_by_text("✓ finished").wait_for()
                assert page.locator("details", has_text="packages").get_attribute("open") is not None
                assert page.get_by_role("textbox", name="Note").input_value() == "not saved yet"
                page.goto("about:blank")
        finally:
            going.stdin.close()


@in_browser
def test_what_a_job_took_of_the_system_is_drawn(page: Any, tmp_path: Path) -> None:
    program = """
import time, autotrack
end = time.monotonic() + 2.5
with autotrack.run("busy"):
    while time.monotonic() < end:
        autotrack.log({"x": 1.0})
        sum(range(100_000))
"""
    done = run_program(program, tmp_path, env={"AUTOTRACK_SYSTEM_SECONDS": "0.1"})
    assert done.returncode == 0, done.stderr
    with serving(tmp_path) as there:
        (run,) = there.json("/api/runs")["runs"]
        found = there.json(f"/api/jobs/{run['job']}/curves")["curves"]
        assert len(found["system/memory"]["value"]) >= 2
        for path in (f"runs/{run['id']}", f"jobs/{run['job']}"):
            page.goto(there.link + path)
            system = page.locator("section[aria-labelledby=section-system]")
            system.locator("figure", has_text="cpu").locator("canvas").wait_for()
            assert " MB" in system.inner_text()
        page.goto("about:blank")
