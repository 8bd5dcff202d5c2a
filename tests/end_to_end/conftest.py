"""The command line as people call it: a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest


class CommandLine:
    """Calls `autotrack` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AUTOTRACK_", "PYTEST_")) and name not in ("FORCE_COLOR", "NO_COLOR", "COLUMNS")
        }
        self.env["AUTOTRACK_KEEP_MODEL_SECONDS"] = "5"  # also where the machine is busy

    def __call__(
        self, *words: str, code: int | None = 0, env: dict[str, str] | None = None, input: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a pipe; its exit code is checked unless `code` is None."""
        done = subprocess.run(
            [sys.executable, "-m", "autotrack", *words],
            cwd=self.folder,
            env={**self.env, **(env or {})},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            input=input,
        )
        assert code is None or done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def lines(self, *words: str) -> list[Any]:
        """The JSON objects that a command prints, one a line."""
        return [json.loads(line) for line in self(*words, "--json").stdout.splitlines()]

    def json(self, *words: str) -> Any:
        (value,) = self.lines(*words)
        return value

    def terminal(self, *words: str, columns: int = 120, env: dict[str, str] | None = None) -> str:
        """What a command prints on a terminal of this width."""
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (50, columns))
        process = subprocess.Popen(
            [sys.executable, "-m", "autotrack", *words],
            cwd=self.folder,
            env={**self.env, "TERM": "xterm-256color", **(env or {})},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        waiting = select.poll()
        waiting.register(ours, select.POLLIN)
        output = b""
        while True:
            assert waiting.poll(60_000), f"{words} printed nothing for a minute"
            try:
                data = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not data:
                break
            output += data
        os.close(ours)
        assert process.wait(60) == 0, output.decode()
        return output.decode().replace("\r\n", "\n")

    def program(self, source: str, name: str = "train.py") -> Path:
        path = self.folder / name
        path.write_text(source)
        return path


@pytest.fixture
def cli(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


TRAINING = """
import sys
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, train_test_split
import joblib

X, y = load_iris(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
for C in (0.01, 1.0):
    model = LogisticRegression(C=C, max_iter=500).fit(X_train, y_train)
    print(C, accuracy_score(y_test, model.predict(X_test)))
search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0, 10.0]}, cv=3).fit(X_train, y_train)
print(search.score(X_test, y_test))
joblib.dump(model, "model.joblib")
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A folder in which a program has trained three models."""
    made = CommandLine(tmp_path_factory.mktemp("trained"))
    made.program(TRAINING)
    made("run", "train.py")
    return made
