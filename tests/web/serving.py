"""The server as `autotrack ui` starts it, and what there is to see."""

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

from autotrack.web.files import bundled
from tests.end_to_end.conftest import CommandLine

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
def serving(folder: Path, *words: str, faults: list[str] | None = None) -> Iterator[Server]:
    """`faults`: takes what the server has said on stderr, which else may be no traceback."""
    command = [sys.executable, "-m", "autotrack", "ui", "--no-browser", "--port", "0", *words]
    env = {**CommandLine(folder).env, "PYTHONFAULTHANDLER": "1"}
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
            try:
                _, errors = process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGABRT)
                pytest.fail(f"the server does not end; its threads:\n{process.communicate(timeout=30)[1]}")
            if faults is None:
                assert "Traceback" not in errors, errors
            else:
                faults.append(errors)
