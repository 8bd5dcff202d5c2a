"""What `openapi.json` says of the API is so, whatever is asked: schemathesis makes up the questions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from autotrack.testing import run_program
from autotrack.web.api import Api
from tests.web.serving import Server, serving
from tests.web.test_objects import PROGRAM
from tests.web.test_report import RECORDED

SEED, EXAMPLES = 1, 25
"""Of what is made up, and how many of it at most for each of the API's questions."""
SETTINGS = """
[[operations]]
include-operation-id = ["runs", "groups", "importance"]
[operations.checks.positive_data_acceptance]
enabled = false # the language of filters is not to be said in a schema of JSON
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("asked")
    (folder / "<img src=x onerror=hurt=1> & data.csv").write_text("a,b")
    for program in (RECORDED, PROGRAM):
        done = run_program(program, folder)
        assert done.returncode == 0, done.stderr
    with serving(folder) as there:
        yield there


def test_every_route_is_described(store: Server) -> None:
    described = {
        (path, method.upper()) for path, asked in store.json("/api/openapi.json")["paths"].items() for method in asked
    }
    routes = {
        (route.path.replace(":path", ""), method)
        for route in Api(None, None).routes()  # type: ignore[arg-type]
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert described == routes


@pytest.mark.skipif(find_spec("schemathesis") is None, reason="needs schemathesis")
def test_it_answers_as_it_is_described(store: Server, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    told = tmp_path / "told.json"
    words = [
        *("run", f"{store.link}api/openapi.json", "--exclude-path=/api/changes", f"--seed={SEED}"),
        *(f"--max-examples={EXAMPLES}", "--generation-deterministic"),
        *("--continue-on-failure", "--request-timeout=20", "--report=json", f"--report-json-path={told}"),
    ]
    program = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=tmp_path,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    described = {
        f"{method.upper()} {path}"
        for path, asked in store.json("/api/openapi.json")["paths"].items()
        for method in asked
    }
    accepted = {
        name
        for name, phases in json.loads(told.read_text())["valid_rates"].items()
        if any(phase["accepted"] for phase in phases.values())
    }
    assert accepted == described - {"GET /api/changes", "GET /api/openapi.json"}
