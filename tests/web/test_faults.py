"""What goes wrong in the server: answered in few words, with all that guards an answer, and told in its log."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from autotrack.testing import run_program
from autotrack.web.guard import FAILED, HEADERS, Guard
from tests.web.serving import serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    done = run_program('import autotrack\nwith autotrack.run("one"):\n    autotrack.log({"x": 1.0})', tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_what_nobody_has_thought_of(folder: Path) -> None:
    said: list[str] = []
    with serving(folder, faults=said) as there:
        with sqlite3.connect(folder / ".autotrack" / "store.db") as store:
            store.execute("UPDATE runs SET params = '{'")
        status, headers, answer = there.ask("/api/runs")
        assert status == 500
        assert headers.items() >= HEADERS.items()
        assert headers["content-type"] == "application/json"
        assert answer == {"error": FAILED}
        assert there.ask("/api/openapi.json")[0] == 200
    assert "Traceback" in said[0]
    assert "JSONDecodeError" in said[0]


def test_what_is_no_exception() -> None:
    """As pyo3 raises where Rust panics."""

    class Panic(BaseException):
        pass

    async def panicking(*_: Any) -> None:
        raise Panic

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"localhost")]}
    with pytest.raises(Panic):
        asyncio.run(Guard(panicking)(scope, lambda: asyncio.sleep(0, {}), send))
    begun, body = sent
    assert begun["status"] == 500
    assert {name.encode() for name in HEADERS} <= {name for name, _ in begun["headers"]}
    assert FAILED.encode() in body["body"]


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_store_that_is_damaged(folder: Path, method: str) -> None:
    said: list[str] = []
    with serving(folder, faults=said) as there:
        for place in (folder / ".autotrack").glob("store.db*"):
            place.unlink()
        (folder / ".autotrack" / "store.db").write_bytes(b"no database " * 1000)
        path, body = ("/api/runs", None) if method == "GET" else ("/api/runs/@last/note", {"note": "lost"})
        status, headers, answer = there.ask(path, method=method, body=body)
        assert status == 503
        assert headers.items() >= HEADERS.items()
        assert "the store can't be read" in answer["error"]
        assert str(folder) not in answer["error"]
    assert "Traceback" in said[0]
    assert f"{folder}/.autotrack/store.db is damaged" in said[0]


def test_every_answer_is_guarded(folder: Path) -> None:
    with serving(folder) as there:
        for method, path, expected, allowed in (
            ("GET", "/", 200, None),
            ("GET", "/api/nothing", 404, None),
            ("GET", "/nothing", 404, None),
            ("GET", "/static/../guard.py", 404, None),
            ("POST", "/", 405, {"GET", "HEAD"}),
            ("POST", "/api/runs", 405, {"GET", "HEAD"}),
            ("GET", "/api/runs/@last/tags/x", 405, {"PUT", "DELETE"}),
            ("TRACE", "/api/runs/@last/tags/x", 405, {"PUT", "DELETE"}),
            ("DELETE", "/api/objects/x", 405, {"GET", "HEAD"}),
        ):
            status, headers, _ = there.ask(path, method=method)
            assert (method, path, status) == (method, path, expected)
            assert headers.items() >= HEADERS.items()
            if allowed is not None:
                assert set(headers["allow"].split(", ")) == allowed
