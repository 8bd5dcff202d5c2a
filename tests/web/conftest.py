"""A store that is served, and a browser that looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autotrack.testing import run_program
from tests.web.serving import CHROMIUM, HOSTILE, Server, serving

RECORDED = f"""
import math, autotrack
hostile = {HOSTILE!r}
for number in range(30):
    with autotrack.run(f"run {{number:02}}", number=number):
        autotrack.log({{"score": float(number % 7)}})
with autotrack.run("curves"):
    for step in range(5000):
        autotrack.log({{"train/loss": math.exp(-step / 900), "valid/loss": 1.5 if step != 77 else math.nan}}, step=step)
with autotrack.run(hostile, **{{hostile: hostile}}):
    autotrack.log({{hostile: 1.0, "text " + hostile: hostile}})
    open("<img src=x onerror=hurt=1>", "w").close()
print(hostile)
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    done = run_program(RECORDED, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def server(recorded: Path) -> Iterator[Server]:
    with serving(recorded) as there:
        yield there


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda told: told.type in ("error", "warning") and wrong.append(told.text))
    yield opened
    context.close()
    # Chromium says of a stream of events at which a page is left that it was not whole.
    expected = "with a status of 400", "with a status of 404", "ERR_INCOMPLETE_CHUNKED_ENCODING"
    assert [text for text in wrong if not any(part in text for part in expected)] == []
