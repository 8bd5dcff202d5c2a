"""The page in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from autotrack.testing import run_program
from tests.web.serving import CURVES, HOSTILE, Server, in_browser, serving


@in_browser
def test_runs_are_listed_filtered_and_opened(page: Any, server: Server) -> None:
    page.goto(server.link)
    page.get_by_text("32 runs").wait_for()
    page.get_by_label("Filter", exact=True).fill('metrics["score"] == 6 and name > "run 2"')
    page.get_by_label("Filter", exact=True).press("Enter")
    page.get_by_text("2 runs", exact=True).wait_for()
    assert "filter=" in page.url
    page.reload()
    page.get_by_text("2 runs", exact=True).wait_for()
    page.get_by_role("link", name="run 27").click()
    page.get_by_role("heading", name="run 27").wait_for()
    page.go_back()
    page.get_by_text("2 runs", exact=True).wait_for()


@in_browser
def test_a_filter_that_is_wrong_says_where(page: Any, server: Server) -> None:
    page.goto(f"{server.link}?filter=params.")
    page.get_by_role("alert").get_by_text("the filter").wait_for()


@in_browser
def test_names_are_shown_and_never_run(page: Any, server: Server) -> None:
    page.goto(server.link)
    page.get_by_text("32 runs").wait_for()
    run = server.json("/api/runs?limit=1")["runs"][0]
    assert run["name"] == HOSTILE
    page.get_by_role("link", name=HOSTILE).click()
    page.get_by_role("heading", name=HOSTILE).wait_for()
    page.get_by_role("region", name="Metrics").get_by_text(HOSTILE).first.wait_for()
    page.goto(f"{server.link}lineage?of={run['id']}")
    page.get_by_role("region", name="Graph").wait_for()
    assert page.evaluate("window.hurt") is None
    assert page.locator("main img, main script").count() == 0


@in_browser
def test_curves_are_drawn(page: Any, server: Server) -> None:
    run = server.json(f"/api/runs?filter={CURVES}")["runs"][0]
    page.goto(f"{server.link}runs/{run['id']}")
    chart = page.locator("figure", has_text="loss")
    chart.locator("canvas").wait_for()
    chart.get_by_text("NaN at 1 of the points shown").wait_for()
    assert "5,000 points" in chart.text_content()
    page.get_by_label("logarithmic").check()
    page.wait_for_url("**log=true")
    chart.locator("canvas").wait_for()


@in_browser
def test_runs_are_compared(page: Any, server: Server) -> None:
    filter = quote('name == "run 03" or name == "run 05"')
    page.goto(f"{server.link}?filter={filter}")
    page.get_by_text("2 runs", exact=True).wait_for()
    assert page.get_by_role("button", name="Compare").is_disabled()
    for name in ("run 03", "run 05"):
        page.get_by_label(f"Compare {name}").check()
    page.get_by_role("button", name="Compare 2").click()
    page.get_by_role("heading", name="2 runs compared").wait_for()
    metrics = page.get_by_role("region", name="Metrics", exact=True)
    assert metrics.get_by_role("row").all_inner_texts()[1].split("\t") == ["score", "3", "5"]
    page.reload()
    page.get_by_role("heading", name="2 runs compared").wait_for()
    page.get_by_label("Smoothing").fill("0.5")
    page.wait_for_url("**smooth=0.5")


@in_browser
def test_a_run_that_begins_meanwhile_comes_by_itself(page: Any, browser: Any, tmp_path: Path) -> None:
    with serving(tmp_path) as there:
        page.goto(there.link)
        page.get_by_text("Nothing is recorded yet").wait_for()
        run_program('import autotrack\nwith autotrack.run("the first"):\n    autotrack.log({"x": 1.0})', tmp_path)
        page.get_by_role("link", name="the first").wait_for(timeout=10_000)
        run_program('import autotrack\nwith autotrack.run("the second"):\n    autotrack.log({"x": 2.0})', tmp_path)
        page.get_by_role("link", name="the second").wait_for(timeout=10_000)
        page.goto("about:blank")


@in_browser
def test_by_keyboard(page: Any, server: Server) -> None:
    page.goto(server.link)
    page.get_by_text("32 runs").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "filter"
    page.keyboard.type('name == "run 03"')
    page.keyboard.press("Enter")
    page.get_by_text("1 run", exact=True).wait_for()
    page.get_by_role("link", name="run 03").press("Enter")
    page.get_by_role("heading", name="run 03").wait_for()
    page.wait_for_function("document.activeElement.id === 'view'")


@in_browser
def test_a_file_is_traced_where_it_is_dropped(page: Any, tmp_path: Path) -> None:
    program = """
import autotrack
autotrack.enable(quiet=True)
with autotrack.run("the maker"):
    autotrack.log({"x": 1.0})
    with open("made.bin", "wb") as file:
        file.write(bytes(range(256)) * 40_000)
"""
    run_program(program, tmp_path)
    renamed = tmp_path / f"{HOSTILE.replace('/', '|')}.bin"
    (tmp_path / "made.bin").rename(renamed)
    (tmp_path / "unknown.bin").write_bytes(b"nobody has made this")
    with serving(tmp_path) as there:
        page.goto(f"{there.link}lineage")
        requests: list[str] = []
        page.on("request", lambda request: requests.append(f"{request.method} {request.url}"))
        page.get_by_label("Drop a file here").set_input_files(renamed)
        page.get_by_role("region", name="Graph").get_by_text("the maker").first.wait_for()
        assert "of=blake3" in page.url
        assert all(one.startswith("GET ") for one in requests)
        page.get_by_label("Drop a file here").set_input_files(tmp_path / "unknown.bin")
        page.get_by_role("alert").get_by_text("blake3:").wait_for()
        page.goto("about:blank")


@in_browser
def test_a_run_by_epoch_and_smoothed(page: Any, server: Server) -> None:
    run = server.json(f"/api/runs?filter={CURVES}")["runs"][0]
    page.goto(f"{server.link}runs/{run['id']}")
    page.locator("figure canvas").first.wait_for()
    page.get_by_label("Smoothing").fill("0.9")
    page.wait_for_url("**smooth=0.9**")
    page.locator("figure .faint").first.wait_for(state="attached")
    page.get_by_label("along", exact=True).select_option("time")
    page.get_by_text("seconds").first.wait_for()
    page.reload()
    page.locator("figure .faint").first.wait_for(state="attached")
    assert page.get_by_label("along", exact=True).input_value() == "time"
    page.get_by_label("along", exact=True).select_option("epoch")
    page.get_by_text("No epochs are on record.").wait_for()
