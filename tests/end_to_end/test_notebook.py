"""A notebook in a real kernel: recorded as one job, and its cells print nothing that they do not print without us."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from autotrack import events
from autotrack.testing import Recording
from tests.core.test_starting import FORBIDDEN
from tests.end_to_end.conftest import CommandLine

OUTPUTS = ("stream", "execute_result", "display_data", "error")


class Kernel:
    """A kernel in a folder, as a notebook's front end starts it."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        left_out = ("PYTEST_CURRENT_TEST", "JPY_SESSION_NAME")  # ipykernel leaves descriptors alone under pytest
        given = {k: v for k, v in os.environ.items() if not k.startswith("AUTOTRACK_") and k not in left_out}
        self._stderr = open(folder / "stderr", "w+b")  # noqa: SIM115
        self.manager = KernelManager()
        self.manager.start_kernel(cwd=str(folder), env={**given, **env}, stderr=self._stderr)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def cell(self, source: str, fails: str | None = None) -> list[Any]:
        """Execute a cell; what it puts out: texts, and the name and value of an error, which is checked."""
        found: list[Any] = []
        reply = self.client.execute_interactive(
            source, timeout=60, store_history=True, output_hook=lambda message: found.extend(_output(message))
        )
        error = reply["content"].get("ename")
        assert error == fails, found
        return found

    def end(self) -> list[Any]:
        """Shut the kernel down as a front end does; what came out at that."""
        self.manager.shutdown_kernel()
        found = []
        while self.client.iopub_channel.msg_ready():
            found.extend(_output(self.client.get_iopub_msg(timeout=5)))
        return found

    def stderr(self) -> str:
        """What the process has written to its own stderr, the kernel's own lines excepted."""
        self._stderr.seek(0)
        lines = self._stderr.read().decode().splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith("[IPKernelApp]"))

    def close(self) -> None:
        self.client.stop_channels()
        if self.manager.is_alive():
            self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        self._stderr.close()


def _output(message: dict[str, Any]) -> Iterator[Any]:
    content, kind = message["content"], message["msg_type"]
    if kind in OUTPUTS:
        yield content.get("text") or content.get("data", {}).get("text/plain") or (content["ename"], content["evalue"])


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Kernel]]:
    started: list[Kernel] = []

    def begin(**env: str) -> Kernel:
        started.append(Kernel(tmp_path, env))
        return started[-1]

    yield begin
    for kernel in started:
        kernel.close()


def job_of(recording: Recording) -> tuple[events.JobStarted, events.JobEnded]:
    (begun,) = [event for event in recording.events() if isinstance(event, events.JobStarted)]
    (ended,) = [event for event in recording.events() if isinstance(event, events.JobEnded)]
    return begun, ended


def test_a_notebook(tmp_path: Path, start: Callable[..., Kernel], cli: CommandLine) -> None:
    """Names bound and classes defined before and after; `%reload_ext` and `enable()` change nothing; a cell that
    raises fails only its run."""
    kernel = start(JPY_SESSION_NAME="/somewhere/study of C.ipynb")
    before = """
import numpy
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
X, y = numpy.arange(40.0).reshape(20, 2), numpy.arange(20) % 2
Z = X + 0.5
class Before(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = [0, 1]
        return self
    def predict(self, X):
        return numpy.zeros(len(X), int)
"""
    assert kernel.cell(before) == []
    assert kernel.cell("%load_ext autotrack") == []
    assert kernel.cell("model = LogisticRegression().fit(X, y)") == []
    assert kernel.cell("Before().fit(X, y)") == ["Before()"]
    assert kernel.cell(before.partition("class")[1] + before.partition("class")[2].replace("Before", "After")) == []
    assert kernel.cell("import autotrack\nautotrack.enable()\n%load_ext autotrack") == [
        "The autotrack extension is already loaded. To reload it, use:\n  %reload_ext autotrack\n"
    ]
    assert kernel.cell("%reload_ext autotrack") == []
    assert kernel.cell("after = After().fit(X, y)") == []
    assert kernel.cell("accuracy_score(y, after.predict(Z))") == ["0.5"]
    assert kernel.cell("autotrack.log({'mine': 1.0})") == []
    assert kernel.cell("LogisticRegression(C=-1).fit(X, y)", fails="InvalidParameterError")[0][0] == (
        "InvalidParameterError"
    )
    assert kernel.cell("with autotrack.run('in a cell'):\n    1 / 0", fails="ZeroDivisionError")
    assert kernel.cell("import asyncio\nawait asyncio.sleep(0)\nlast = LogisticRegression(C=2).fit(X, y)") == []
    assert kernel.cell("autotrack.log({'later': 2.0})") == []
    assert kernel.end() == []
    assert kernel.stderr() == "autotrack: 6 runs recorded; see them with: autotrack ls\n"

    recording = Recording(tmp_path / ".autotrack")
    begun, ended = job_of(recording)
    assert (begun.name, begun.how) == ("study of C.ipynb", "notebook")
    assert (ended.code, ended.how, ended.failure) == (0, "end", None)
    strands = recording.strands()
    assert [(strand.name, strand.status) for strand in strands] == [
        ("LogisticRegression", "finished"),
        ("Before", "finished"),
        ("After", "finished"),
        ("LogisticRegression", "failed"),
        ("in a cell", "failed"),
        ("LogisticRegression", "finished"),
    ]
    assert strands[2].points == {"test/accuracy": [(0, 0.5)], "mine": [(0, 1.0)]}
    assert strands[5].points == {"later": [(0, 2.0)]}
    assert recording.gaps() == {}
    job = cli.json("show", begun.job)["job"]
    assert (job["name"], job["status"]) == ("study of C.ipynb", "finished")


def test_an_interrupted_cell(tmp_path: Path, start: Callable[..., Kernel]) -> None:
    """The kernel goes on, and so does what it records."""
    kernel = start()
    kernel.cell("__vsc_ipynb_file__ = '/home/kim/fold er/visual.ipynb'")  # as VS Code does
    kernel.cell("%load_ext autotrack")
    source = """
import time
from sklearn.base import BaseEstimator
class Slow(BaseEstimator):
    def __init__(self, seconds=0):
        self.seconds = seconds
    def fit(self, X):
        print("begun", flush=True)
        time.sleep(self.seconds)
        return self
    def predict(self, X):
        return X
"""
    kernel.cell(source)
    timer = threading.Timer(1.0, kernel.manager.interrupt_kernel)
    timer.start()
    assert kernel.cell("Slow(50).fit([[1.0]])", fails="KeyboardInterrupt")[0] == "begun\n"
    timer.join()
    assert kernel.cell("model = Slow().fit([[1.0]])") == ["begun\n"]
    assert kernel.end() == []
    recording = Recording(tmp_path / ".autotrack")
    begun, ended = job_of(recording)
    assert begun.name == "visual.ipynb"
    assert (ended.how, ended.failure) == ("end", None)
    assert [(s.name, s.status) for s in recording.strands()] == [("Slow", "interrupted"), ("Slow", "finished")]


def test_what_loading_the_extension_imports(start: Callable[..., Kernel]) -> None:
    kernel = start()
    kernel.cell("import sys; before = set(sys.modules)")
    kernel.cell("%load_ext autotrack")
    assert kernel.cell(f"print({set(FORBIDDEN)!r} & (set(sys.modules) - before))") == ["set()\n"]


def test_unloading_the_extension(tmp_path: Path, start: Callable[..., Kernel]) -> None:
    kernel = start()
    kernel.cell("import autotrack\nfrom sklearn.linear_model import LinearRegression as LR\noriginal = vars(LR)['fit']")
    kernel.cell("%load_ext autotrack\nmodel = LR().fit([[0.0], [1.0]], [0, 1])")
    kernel.cell("assert vars(LR)['fit'] is not original")
    assert kernel.cell("%unload_ext autotrack") == []
    kernel.cell("assert vars(LR)['fit'] is original\nmodel.fit([[0.0], [1.0]], [0, 1])")
    assert kernel.stderr() == "autotrack: 1 run recorded; see them with: autotrack show @last\n"
    recording = Recording(tmp_path / ".autotrack")
    assert job_of(recording)[0].name == "notebook"
    assert len(recording.strands()) == 1
    kernel.cell("%load_ext autotrack\nmodel = LR().fit([[0.0], [1.0]], [0, 1])")
    assert kernel.end() == []
    assert len(recording.strands()) == 2


def test_a_program_that_a_notebook_starts(tmp_path: Path, start: Callable[..., Kernel]) -> None:
    """It is a child job, with its own name; a worker belongs to the notebook's."""
    (tmp_path / "work.py").write_text("import autotrack\ndef work(n):\n    autotrack.log({'loss': n})\n")
    (tmp_path / "train.py").write_text("import autotrack\nautotrack.enable()\nautotrack.log({'loss': 1.0})\n")
    kernel = start(JPY_SESSION_NAME="study.ipynb")
    kernel.cell("%load_ext autotrack\nautotrack = __import__('autotrack')\nautotrack.log({'loss': 1.0})")
    kernel.cell("import multiprocessing, work")
    kernel.cell("with multiprocessing.get_context('fork').Pool(1) as pool:\n    pool.map(work.work, [1.0, 2.0])")
    kernel.cell(f"import subprocess\nprint(subprocess.run([{sys.executable!r}, 'train.py'], check=True).returncode)")
    assert kernel.end() == []
    started = [event for event in Recording(tmp_path / ".autotrack").events() if isinstance(event, events.JobStarted)]
    assert sorted(event.name for event in started) == ["study.ipynb", "train.py"]
    assert [event.parent for event in started if event.name == "train.py"] == [
        event.job for event in started if event.name == "study.ipynb"
    ]


def test_what_cells_print(tmp_path: Path, start: Callable[..., Kernel]) -> None:
    """The same outputs as without, and the values that a loop prints."""
    cells = [
        "for epoch in range(3):\n    loss = 1 / (epoch + 3)\n    print(f'epoch {epoch} loss {loss:.2f}')",
        "import sys; print('to stderr', file=sys.stderr); print('\\x1b[31mred\\x1b[0m', end='\\r')",
        "import logging; logging.warning('careful'); print(3.5); 'a result'",
        "from tqdm import tqdm\nfor i in tqdm(range(3), bar_format='{l_bar}{n}', mininterval=100): pass",
        "import subprocess; print(subprocess.run(['echo', 'child'], capture_output=True, text=True).stdout)",
        "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as s: print('x')\ns.getvalue()",
        "print(open('cell.txt', 'w').write('x')); open('cell.txt').read()",
    ]

    def outputs(kernel: Kernel) -> list[str]:  # a front end joins what comes in pieces
        return ["".join(str(part) for part in kernel.cell(cell)) for cell in cells]

    plain = outputs(start())
    kernel = start()
    kernel.cell("%load_ext autotrack")
    assert outputs(kernel) == plain
    kernel.end()
    recording = Recording(tmp_path / ".autotrack")
    (printed,) = recording.strands(printed=True)
    assert printed.points["loss"] == [(epoch, 1 / (epoch + 3)) for epoch in range(3)]
    console = "".join(p[2] for e in recording.events() if isinstance(e, events.ConsoleText) for p in e.parts)
    assert "epoch 2 loss 0.20\n" in console
    assert "to stderr" in console
    files = {(Path(e.path).name, e.mode) for e in recording.events() if isinstance(e, events.ArtifactSeen)}
    assert {("cell.txt", "written"), ("cell.txt", "read")} <= files


def test_the_cells_are_kept_in_the_order_they_were_executed(start: Callable[..., Kernel], cli: CommandLine) -> None:
    kernel = start()
    (kernel.folder / "mine.py").write_text("value = 3\n")
    for cell in ("import zlib", "%load_ext autotrack", "import mine", "y = 2", "autotrack = __import__('autotrack')",
                 "autotrack.log({'loss': mine.value})", "y = 3", "password = 'hunter22hunter'"):  # fmt: skip
        kernel.cell(cell)
    kernel.cell("import time, pathlib\nwhile b'passw' b'ord' not in b''.join(zlib.decompress(p.read_bytes()) for p in "
                "pathlib.Path('.autotrack/objects').glob('??/*')): time.sleep(0.1)")  # fmt: skip
    kernel.manager.shutdown_kernel(now=True)  # killed
    cells = cli("code", "@last", "cells").stdout
    assert cells.index("import mine") < cells.index("y = 2") < cells.index("autotrack.log") < cells.index("y = 3")
    assert "hunter22hunter" not in cells
    assert [line.split("\t")[2] for line in cli("code", "@last").stdout.splitlines()] == ["mine.py"]
    assert "a cell held a secret" in cli("reproduce", "@last", "--dry-run", code=1).stdout


def test_a_notebook_once_more(tmp_path: Path, start: Callable[..., Kernel], cli: CommandLine) -> None:
    """Its cells in the order in which they were executed, the one that failed among them."""
    (tmp_path / "data.csv").write_text("\n".join(f"{n},{n % 3}" for n in range(60)))
    kernel = start(JPY_SESSION_NAME="study.ipynb", AUTOTRACK_KEEP_MODEL_SECONDS="5")
    kernel.cell("import autotrack, numpy\nautotrack.enable()\nfrom sklearn.ensemble import RandomForestClassifier")
    kernel.cell("numpy.random.seed(FACTOR)", fails="NameError")
    kernel.cell("FACTOR = 3\n%timeit -n1 -r1 pass")
    kernel.cell("numpy.random.seed(FACTOR)")
    kernel.cell("rows = numpy.loadtxt('data.csv', delimiter=',')\nrows = rows[numpy.random.permutation(len(rows))]")
    kernel.cell("model = RandomForestClassifier(5).fit(rows[:, :1], rows[:, 1])\nmodel.score(rows[:, :1], rows[:, 1])")
    kernel.end()
    done = cli("reproduce", "@last", "--current-env", "--out", f"{tmp_path}-again")
    assert done.stdout.splitlines()[-1] == "bitwise", done.stdout
    assert "1 model" in done.stdout
    (tmp_path / "data.csv").write_text("\n".join(f"{n},{n % 2}" for n in range(60)))
    done = cli("reproduce", "@last", "--current-env", "--out", f"{tmp_path}-later", code=3)
    assert "diverged: first data" in done.stdout
