"""`autotrack ui`: the server as it is started, its API, and the page in a real browser."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from autotrack.testing import run_program
from autotrack.web.app import bundled
from tests.end_to_end.conftest import CommandLine

playwright = pytest.importorskip("playwright.sync_api")

HOSTILE = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>'
CURVES = quote('name == "curves"')
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
in_browser = pytest.mark.skipif(
    CHROMIUM is None or bundled() is None, reason="needs Chromium, and Node as it was built"
)


class Server:
    """What answers under an address."""

    def __init__(self, link: str) -> None:
        self.link = link
        self.place = urlsplit(link)

    def ask(
        self, path: str, *, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers (lower case) and what the answer's JSON or text is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.place.port or 80, timeout=30)
        sent = {"content-type": "application/json"} if body is not None else {}
        connection.request(method, path, json.dumps(body) if body is not None else None, {**sent, **(headers or {})})
        answer = connection.getresponse()
        text = answer.read().decode()
        told = {name.lower(): value for name, value in answer.getheaders()}
        connection.close()
        return answer.status, told, json.loads(text) if told.get("content-type") == "application/json" else text

    def json(self, path: str) -> Any:
        status, _, answer = self.ask(path)
        assert status == 200, answer
        return answer


@contextlib.contextmanager
def serving(folder: Path, *words: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "autotrack", "ui", "--no-browser", "--port", "0", *words]
    env = CommandLine(folder).env
    with subprocess.Popen(
        command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            link = process.stdout.readline().strip()
            assert link, process.stderr.read()
            yield Server(link)
        finally:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
            assert "Traceback" not in errors, errors


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


def _names(answer: Any) -> list[str]:
    return [run["name"] for run in answer["runs"]]


@pytest.mark.parametrize(
    "sort", ["", "started", "-started", "name", "-name", "score", "-score", "tags.number", "-duration"]
)
def test_pages_are_the_whole_list(server: Server, recorded: Path, sort: str) -> None:
    words = [f"--sort={sort}"] if sort else []
    whole = [run["id"] for run in CommandLine(recorded).lines("ls", *words)]
    found: list[str] = []
    address = f"/api/runs?limit=7&sort={sort}"
    answer = server.json(address)
    assert answer["count"] == len(whole) == 32
    while True:
        found += [run["id"] for run in answer["runs"]]
        if answer["next"] is None:
            break
        answer = server.json(f"{address}&after={answer['next']}")
    assert found == whole


def test_a_filter_and_columns(server: Server) -> None:
    filter = quote('metrics["score"] > 5 and "run" in name')
    answer = server.json(f"/api/runs?filter={filter}&column=name&column=metrics.score")
    assert answer["count"] == 4
    assert answer["runs"][0].keys() == {"id", "name", "metrics"}
    assert {run["metrics"]["score"] for run in answer["runs"]} == {6.0}


def test_a_curve_has_as_many_points_as_are_seen(server: Server) -> None:
    (run,) = server.json(f"/api/runs?filter={CURVES}")["runs"]
    curves = server.json(f"/api/runs/{run['id']}/curves?points=300")["curves"]
    loss, valid = curves["train/loss"], curves["valid/loss"]
    assert 250 <= len(loss["step"]) == len(loss["time"]) == len(loss["value"]) <= 310
    assert (loss["of"], loss["step"][0], loss["step"][-1]) == (5000, 0, 4999)
    ((at, word),) = valid["odd"]
    assert (valid["step"][at], valid["value"][at], word) == (77, None, "NaN")


@pytest.mark.parametrize(
    ("path", "status", "part"),
    [
        ("/api/runs?filter=params.", 400, "the filter"),
        ("/api/runs?limit=0", 400, "from 1 to 1,000"),
        ("/api/runs?nested=perhaps", 400, "true or false"),
        ("/api/runs?after=nobody", 404, "no run 'nobody'"),
        ("/api/runs/nobody", 404, "nobody"),
        ("/api/trace", 400, "`of` is missing"),
        ("/api/trace?of=/etc/passwd", 404, "/etc/passwd"),
        ("/api/nothing", 404, "Not Found"),
    ],
)
def test_what_can_not_be_answered_says_why(server: Server, path: str, status: int, part: str) -> None:
    found, _, answer = server.ask(path)
    assert (found, answer.keys()) == (status, {"error"})
    assert part in answer["error"]


def test_tags_and_notes(server: Server, recorded: Path) -> None:
    run = server.json("/api/runs?limit=1&sort=-started")["runs"][0]["id"]
    for method, path, body in (("PUT", "tags/kept", {"value": "yes"}), ("PUT", "note", {"note": "a note"})):
        assert server.ask(f"/api/runs/{run}/{path}", method=method, body=body)[0] == 200
    shown = CommandLine(recorded).json("show", run)
    assert (shown["tags"]["kept"], shown["note"]) == ("yes", "a note")
    assert server.ask(f"/api/runs/{run}/tags/kept", method="DELETE")[0] == 200
    assert "kept" not in server.json(f"/api/runs/{run}")["tags"]
    assert server.ask(f"/api/runs/{run}/note", method="PUT", body={"text": 1})[0] == 400


def test_what_is_lineage_reads_no_file_that_is_here(server: Server, recorded: Path) -> None:
    (recorded / "here.txt").write_text("here")
    assert server.ask("/api/trace?of=here.txt")[0] == 404
    run = server.json(f"/api/runs?filter={CURVES}")["runs"][0]["id"]
    assert f"run:{run}" in server.json(f"/api/trace?of={run}")["target"]


def test_only_this_machine_is_answered(server: Server) -> None:
    assert server.ask("/api/runs?limit=1", headers={"host": "example.org"})[0] == 421
    assert server.ask("/", headers={"host": "localhost.example.org"})[0] == 421
    status, headers, _ = server.ask("/")
    assert status == 200
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


@pytest.mark.parametrize(
    "headers", [{"origin": "http://example.org"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}]
)
def test_a_page_of_another_origin_changes_nothing(server: Server, headers: dict[str, str]) -> None:
    run = server.json("/api/runs?limit=1")["runs"][0]["id"]
    status, _, answer = server.ask(f"/api/runs/{run}/note", method="PUT", body={"note": "theirs"}, headers=headers)
    assert (status, answer) == (403, {"error": "a page of another origin may change nothing here"})
    assert server.json(f"/api/runs/{run}")["note"] != "theirs"


def test_another_address_takes_the_token(recorded: Path) -> None:
    with serving(recorded, "--host", "0.0.0.0") as there:
        token = there.place.query.partition("token=")[2]
        assert len(token) > 30
        for path in ("/", "/api/runs", "/static/manifest.json", "/?token=wrong"):
            assert there.ask(path)[0] == 401
        status, headers, page = there.ask(f"/runs/x?token={token}&log=true")
        assert (status, token in page, "url=/runs/x?log=true" in page) == (200, False, True)
        assert "HttpOnly" in headers["set-cookie"]
        assert "samesite=strict" in headers["set-cookie"].lower()
        cookie = headers["set-cookie"].partition(";")[0]
        assert there.ask("/api/runs", headers={"cookie": cookie})[0] == 200
        assert there.ask("/api/runs", headers={"authorization": f"Bearer {token}"})[0] == 200
        assert there.ask("/api/runs", headers={"authorization": "Bearer wrong", "cookie": cookie})[0] == 401


# The page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
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
    expected = "the server responded with a status of 400", "ERR_INCOMPLETE_CHUNKED_ENCODING"
    assert [text for text in wrong if not any(part in text for part in expected)] == []


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
