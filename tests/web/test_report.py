"""`autotrack export --html`: a run in one file, opened from the disk."""

from __future__ import annotations

import json
import os
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import autotrack
from autotrack.testing import run_program
from tests.end_to_end.conftest import CommandLine
from tests.web.serving import HOSTILE, in_browser

NAME = f"</script>{HOSTILE}<!-- <script> \u2028\u2029 & ü"
RECORDED = f"""
import argparse, math, sys, autotrack
autotrack.enable()
name = {NAME!r}
odd = name + "\\ud800\\0 end"
with open("<img src=x onerror=hurt=1> & data.csv") as file:
    file.read()
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.25)
parser.add_argument("--text", default=odd)
parser.parse_args([])
with autotrack.run("another"):
    autotrack.log({{"x": 1.0}})
with autotrack.run(name, **{{odd: odd}}):
    for step in range(3000):
        autotrack.log({{"train/loss": math.exp(-step / 900), odd: float(step)}}, step=step)
    for step in range(3):
        autotrack.log({{"test/loss": math.nan if step == 1 else 1.0}}, step=step)
    autotrack.tag(odd, odd)
sys.stdout.write(name + "\\n")
"""


class Elements(HTMLParser):
    """The elements of a page, as they are nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "<img src=x onerror=hurt=1> & data.csv").write_text("a,b")
    done = run_program(RECORDED, folder)
    assert done.returncode == 0, done.stderr
    made = CommandLine(folder)
    made("note", "@last", f"line 1\nline 2 {NAME}")
    return made


@pytest.fixture(scope="module")
def file(hostile: CommandLine) -> Path:
    assert hostile("export", "@last", "--html", "-o", "run.html").stdout == ""
    return hostile.folder / "run.html"


@in_browser
def test_one_file_with_what_the_page_shows(hostile: CommandLine, file: Path) -> None:
    text = file.read_bytes().decode("utf-8")
    assert "\0" not in text
    assert len(text) < 400_000
    elements = Elements(text).found
    assert [tag for tag, _ in elements if tag in ("script", "style", "img")] == ["style", "script", "script"]
    addresses = [value for _, given in elements for name, value in given.items() if name in ("src", "href", "action")]
    assert addresses == ["data:,"]
    (policy,) = (given["content"] for _, given in elements if given.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    told = json.loads(re.search(r'<script id="run" type="application/json">(.*?)</script>', text).group(1))  # type: ignore[union-attr]
    run = hostile.json("show", "@last")
    assert told["run"]["params"] == run["params"]
    assert told["run"]["name"] == NAME
    assert len(told["curves"]["train/loss"]["step"]) == pytest.approx(1000, abs=10)
    assert told["curves"]["train/loss"]["of"] == 3000
    assert told["curves"]["test/loss"]["odd"] == [[1, "NaN"]]
    assert "environment" not in told["run"]["job"]


@in_browser
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_it_opens_from_the_disk(browser: Any, file: Path, colours: Any) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=colours, offline=True)
    page = context.new_page()
    wrong: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    page.get_by_role("heading", level=1, name=NAME.split("<")[1]).wait_for()
    assert HOSTILE in page.title()
    curves = page.locator("figure.chart")
    assert curves.count() == 3  # test/loss has far fewer steps than train/loss
    for at in range(3):
        curves.nth(at).locator("canvas").wait_for()
    curves.get_by_text("NaN at 1 of the points shown").wait_for()
    page.get_by_label("logarithmic").check()
    curves.first.locator("canvas").wait_for()
    page.get_by_role("region", name="Parameters").get_by_role("row", name="rate 0.25 args").wait_for()
    assert page.get_by_role("region", name="Tags and note", exact=True).get_by_text("line 1\nline 2").count() == 1
    lineage = page.get_by_role("region", name="Lineage", exact=True)
    assert lineage.locator("svg .node").count() >= 3
    lineage.get_by_role("region", name="Things").get_by_text("<img src=x onerror=hurt=1> & data.csv").first.wait_for()
    assert HOSTILE in page.get_by_role("region", name="Console").last.text_content()
    assert page.locator("form, textarea, button, main img, main script").count() == 0
    links = page.locator("a").evaluate_all("found => found.map((one) => one.getAttribute('href'))")
    assert set(links) <= {"#view", "#section-lineage"}
    assert page.evaluate("window.hurt") is None
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(255, 255, 255)" if colours == "light" else "rgb(20, 23, 28)")
    assert (wrong, asked) == ([], [file.as_uri()])
    context.close()


@in_browser
def test_on_paper_all_is_open_and_light(browser: Any, file: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(file.as_uri())
    page.locator("canvas").first.wait_for()
    closed = "document.querySelectorAll('details:not([open])').length"
    before = page.evaluate(closed)
    assert before > 0
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.evaluate(closed) == 0
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    cut = "[...document.querySelectorAll('.scrolled, pre')].filter((one) => one.scrollHeight > one.clientHeight + 1)"
    assert page.evaluate(f"{cut}.map((one) => one.getAttribute('aria-label'))") == []
    page.emulate_media(media="screen")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(closed) == before
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
    assert page.pdf().startswith(b"%PDF")
    context.close()


@in_browser
def test_to_the_output_and_by_the_name_of_the_file(hostile: CommandLine, file: Path) -> None:
    made = re.compile(r'"made":[0-9.]+')
    printed = hostile("export", "@last", "--html").stdout
    hostile("export", "@last", "-o", "page.HTM")
    assert made.sub("", printed) == made.sub("", file.read_text("utf-8"))
    assert made.sub("", printed) == made.sub("", (hostile.folder / "page.HTM").read_text("utf-8"))
    assert "is there already" in hostile("export", "@last", "-o", "page.HTM", code=1).stderr
    with pytest.raises(AssertionError, match="name it with -o FILE"):
        hostile.terminal("export", "@last", "--html")


@pytest.mark.parametrize("words", ["--points", "--runs", "--json", "--format json"])
def test_it_is_of_one_run(hostile: CommandLine, words: str) -> None:
    told = hostile("export", "--html", *words.split(), code=2).stderr
    assert "--html is one run as a page" in told


def test_it_names_what_it_lacks(hostile: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "jinja2.py").write_text("raise ImportError('not installed', name='jinja2')")  # as good as not there
    path = os.pathsep.join([str(tmp_path), *filter(None, [hostile.env.get("PYTHONPATH")])])
    told = hostile("export", "@last", "-o", "lacking.html", code=1, env={"PYTHONPATH": path}).stderr
    assert told == "autotrack: a page needs jinja2: pip install 'autotrack-ml[ui]'\n"
    assert not (hostile.folder / "lacking.html").exists()


@pytest.mark.parametrize("words", ["export @last --html -o left.html", "ui --no-browser --port 0"])
def test_where_the_page_was_left_out(hostile: CommandLine, tmp_path: Path, words: str) -> None:
    left_out = shutil.ignore_patterns("static", "client", "__pycache__")
    shutil.copytree(Path(autotrack.__file__).parent, tmp_path / "autotrack", ignore=left_out)
    path = os.pathsep.join([str(tmp_path), *filter(None, [hostile.env.get("PYTHONPATH")])])
    told = hostile(*words.split(), code=1, env={"PYTHONPATH": path}).stderr
    assert told == (
        "autotrack: the web page was left out when this was installed: install Node 18 or later, and reinstall "
        "autotrack-ml\n"
    )
    assert not (hostile.folder / "left.html").exists()
