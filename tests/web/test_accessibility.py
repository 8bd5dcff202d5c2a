"""What axe-core (https://github.com/dequelabs/axe-core) finds: nothing serious, in any view, light or dark, wide or
narrow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import CommandLine
from tests.web.serving import Server, in_browser, serving

RECORDED = """
import autotrack
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

autotrack.enable()
X, y = load_iris(return_X_y=True, as_frame=True)
GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 3]}, cv=3).fit(X, y)
for C in (0.01, 0.1, 1, 10, 100, 1000):
    for tol in (1e-4, 1e-2):
        LogisticRegression(C=C, tol=tol, max_iter=1000).fit(X, y).score(X, y)
with autotrack.run("curves"):
    for step in range(100):
        autotrack.log({"train/loss": 1 / (step + 1), "valid/loss": float("nan")}, step=step)
with open("made.txt", "w") as file:
    file.write("made")
print("printed")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seen")
    (folder / "train.py").write_text(RECORDED)
    for _ in range(2):
        CommandLine(folder)("run", "train.py")
        CommandLine(folder)("ls")
    CommandLine(folder)("tag", "@last", "stage=final", "reviewed")
    return folder


@pytest.fixture(scope="module")
def there(folder: Path) -> Iterator[Server]:
    with serving(folder) as server:
        yield server


def found(page: Any) -> list[str]:
    """The serious and critical findings, each with where it is."""
    from axe_playwright_python.sync_playwright import Axe

    violations = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes']][:5]}"
        for one in violations
        if one["impact"] in ("serious", "critical")
    ]


def _runs(there: Server, name: str) -> list[dict[str, Any]]:
    return [run for run in there.json("/api/runs?limit=1000")["runs"] if name in run["name"]]


VIEWS = (
    "runs", "columns", "folded", "help", "grouped", "none", "wrong", "run", "search", "compared", "across", "lineage",
    "jobs", "job", "nowhere",
)  # fmt: skip


def show(page: Any, there: Server, view: str) -> None:
    """Have the browser show a view, to its end."""
    fits, curves = _runs(there, "LogisticRegression"), _runs(there, "curves")
    addresses = {
        "grouped": "?group=params.C",
        "none": "?filter=params.C > 1e9",
        "wrong": "?filter=params.",
        "run": f"runs/{curves[0]['id']}",
        "search": f"runs/{_runs(there, 'GridSearchCV')[0]['id']}",
        "compared": f"compare?runs={curves[0]['id']},{curves[1]['id']}",
        "across": "compare?filter=",
        "lineage": f"lineage?of={fits[0]['id']}",
        "jobs": "jobs",
        "job": f"jobs/{curves[0]['job']}",
        "nowhere": "nowhere/at/all",
    }
    page.goto(there.link + addresses.get(view, ""))
    first = page.get_by_role("link", name="curves").first
    shown = {
        "grouped": page.get_by_role("region", name="Groups"),
        "none": page.get_by_text("No run is like that."),
        "wrong": page.get_by_role("alert").get_by_text("the filter"),
        "run": page.locator("figure canvas").first,
        "search": page.get_by_role("heading", name="GridSearchCV"),
        "compared": page.locator("figure canvas").first,
        "across": page.locator("canvas").nth(1),
        "lineage": page.get_by_role("region", name="Graph"),
        "jobs": page.get_by_role("region", name="Jobs"),
        "job": page.get_by_role("heading", name="Console"),
        "nowhere": page.get_by_role("heading", name="There is no such page"),
    }
    shown.get(view, first).first.wait_for()
    if view == "columns":
        page.locator("summary", has_text="Columns").click()
    if view == "help":
        page.get_by_text("Filter help", exact=True).click()
    if view == "folded":
        page.get_by_role("button", name="3 runs in").first.click()
        page.get_by_role("link", name="[2]").wait_for()
    if view in ("run", "search", "job", "compared", "across"):
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_nothing_serious(browser: Any, there: Server, view: str, scheme: str) -> None:
    for width in (1280, 390):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page = context.new_page()
        show(page, there, view)
        assert found(page) == []
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{view} is {wide} pixels too wide for {width}"
        context.close()


@in_browser
def test_nothing_serious_in_an_empty_store_and_in_a_file(browser: Any, folder: Path, tmp_path: Path) -> None:
    page = browser.new_page()
    with serving(tmp_path) as there:
        page.goto(there.link)
        page.get_by_text("Nothing is recorded yet").wait_for()
        assert found(page) == []
        page.goto("about:blank")
    CommandLine(folder)("export", "@last", "-o", str(tmp_path / "run.html"))
    page.goto(f"file://{tmp_path / 'run.html'}")
    page.get_by_role("heading").first.wait_for()
    assert found(page) == []
    page.close()
