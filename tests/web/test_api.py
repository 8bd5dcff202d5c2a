"""The server's API: what it answers, and whom."""

from __future__ import annotations

import shutil
import socket
import struct
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from autotrack.testing import run_program
from tests.end_to_end.conftest import CommandLine
from tests.web.serving import CURVES, Server, serving


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
    for few in (1, 2, 3):
        curves = server.json(f"/api/runs/{run['id']}/curves?points={few}")["curves"]
        assert len(curves["train/loss"]["step"]) == 3


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


def _listening(server: Server) -> socket.socket:
    """A connection that is told of changes; the first of them is read."""
    listening = socket.create_connection(("127.0.0.1", server.place.port or 80), timeout=30)
    listening.sendall(f"GET /api/changes HTTP/1.1\r\nHost: localhost:{server.place.port}\r\n\r\n".encode())
    answer = b""
    while b"version" not in answer:
        answer += listening.recv(4096)
    return listening


def test_who_leaves_while_something_changes_leaves_the_others_listening(server: Server) -> None:
    run = server.json("/api/runs?limit=1")["runs"][0]["id"]
    for number in range(15):
        leaving = [_listening(server) for _ in range(8)]
        assert server.ask(f"/api/runs/{run}/tags/n", method="PUT", body={"value": number})[0] == 200
        for one in leaving:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # at once, without a word
            one.close()
    with _listening(server) as staying:
        assert server.ask(f"/api/runs/{run}/tags/n", method="DELETE")[0] == 200
        assert b"version" in staying.recv(4096)


def test_a_store_that_was_taken_away_is_not_shown_any_more(tmp_path: Path) -> None:
    for name in ("the first", "the second"):
        run_program(f'import autotrack\nwith autotrack.run("{name}"):\n    autotrack.log({{"x": 1.0}})', tmp_path)
    with serving(tmp_path) as there:
        for _ in range(8):  # on each of its threads
            assert _names(there.json("/api/runs")) == ["the second", "the first"]
        shutil.rmtree(tmp_path / ".autotrack")
        for _ in range(8):
            assert there.json("/api/runs") == {"runs": [], "next": None, "count": 0}
        assert there.json("/api/importance")["runs"] == 0
        run_program('import autotrack\nwith autotrack.run("the third"):\n    autotrack.log({"x": 1.0})', tmp_path)
        CommandLine(tmp_path)("ls")
        while _names(there.json("/api/runs")) != ["the third"]:  # it may be taken in at this moment
            pass
        for _ in range(8):
            assert _names(there.json("/api/runs")) == ["the third"]
