"""`autotrack.load`: what was recorded, back in Python."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy
import pytest

import autotrack
from autotrack import events
from autotrack.errors import AutotrackError, ModelError
from autotrack.store import Ambiguous, NotFound
from autotrack.testing import Recording, run_program
from autotrack.testing.recordings import recorded
from tests.end_to_end.conftest import CommandLine


def place(cli: CommandLine) -> Path:
    return cli.folder / ".autotrack"


def test_a_run(trained: CommandLine) -> None:
    (shown,) = (run for run in trained.lines("ls") if run["params"].get("C") == 1.0)
    for reference in (shown["id"], shown["id"][:9]):
        run = autotrack.load(reference, dir=place(trained))
        assert (run.id, run.name, run.kind, run.status) == (shown["id"], "LogisticRegression", "fit", "finished")
    assert run.params["C"] == 1.0
    assert run.metrics == shown["metrics"]
    assert run.tags == {}
    assert run.note is None
    assert run.datasets[0]["role"] == "train"
    assert run.artifacts[0]["path"] == str(trained.folder / "model.joblib")
    assert run.gaps == []
    assert run.job["name"] == "train.py"
    assert repr(run).startswith(f"<run {run.id} LogisticRegression: finished, test/accuracy=0.")
    assert not hasattr(run, "_repr_html_")
    steps, values = run.points("test/accuracy")
    assert (steps.dtype, steps.tolist()) == (numpy.int64, [0])
    assert (values.dtype, values.tolist()) == (numpy.float64, [run.metrics["test/accuracy"]])


def test_a_model_is_the_one_that_was_trained(trained: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    import joblib
    from sklearn.datasets import load_iris

    monkeypatch.chdir(trained.folder)
    features, _ = load_iris(return_X_y=True)
    (id,) = (run["id"] for run in trained.lines("ls") if run["params"].get("C") == 1.0)
    run = autotrack.load(id)
    saved = joblib.load(trained.folder / "model.joblib")
    assert (run.model.coef_ == saved.coef_).all()
    assert (run.model.predict(features) == saved.predict(features)).all()
    assert run.model is run.model
    assert autotrack.load("@last").model.best_params_ == autotrack.load("@last").summary["best_params"]
    assert autotrack.load("@best:cv/r2").kind == "search"


def test_references_that_mean_no_run(trained: CommandLine, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no run or job 'nothing'; see what there is with: autotrack ls"):
        autotrack.load("nothing", dir=place(trained))
    with pytest.raises(NotFound, match="no run has the metric 'nothing'"):
        autotrack.load("@best:nothing", dir=place(trained))
    with pytest.raises(NotFound, match=f"nothing is recorded in {tmp_path}/none"):
        autotrack.load("@last", dir=tmp_path / "none")
    assert os.listdir(tmp_path) == []
    job = trained.lines("ls")[0]["job"]
    with pytest.raises(NotFound, match=r"is a job with \d+ runs; name one of those"):
        autotrack.load(job, dir=place(trained))
    with pytest.raises(TypeError, match="takes the id of a run, not int"):
        autotrack.load(3)  # type: ignore[arg-type]
    assert issubclass(NotFound, AutotrackError)
    assert issubclass(Ambiguous, AutotrackError)


def test_a_prefix_of_several(tmp_path: Path) -> None:
    run_program("import autotrack\nfor n in range(60):\n    autotrack.run('r').__enter__()\n", tmp_path)
    ids = [strand.id for strand in Recording(tmp_path / ".autotrack").strands()]
    nested = [id[0] for id in ids[1:] if id[0] != ids[0][0]]  # a run that is not nested is meant first
    (prefix, *_) = [first for first in nested if nested.count(first) > 1]
    with pytest.raises(Ambiguous, match=f"{prefix!r} may be any of several runs"):
        autotrack.load(prefix, dir=tmp_path / ".autotrack")


def test_points_of_several_processes_and_of_odd_values(tmp_path: Path) -> None:
    source = """
import os, autotrack
with autotrack.run("mine", owner="kim"):
    for step in range(5000):
        autotrack.log({"loss": float(step)}, step=step)
    if os.fork() == 0:
        autotrack.log({"loss": -1.0}, step=5000)
        os._exit(0)
    os.wait()
    autotrack.log({"odd": float("nan"), "high": float("inf"), "text": "x"})
"""
    assert run_program(source, tmp_path).returncode == 0
    run = autotrack.load("@last", dir=tmp_path / ".autotrack")
    steps, values = run.points("loss")
    assert sorted(steps.tolist()) == list(range(5001))
    assert sorted(values.tolist())[0] == -1.0
    assert numpy.isnan(run.metrics["odd"])
    assert run.metrics["high"] == numpy.inf
    assert run.summary == {"text": "x"}
    assert run.tags == {"owner": "kim"}
    with pytest.raises(NotFound, match=f"the run {run.id} has no series 'nothing'; it has .*loss"):
        run.points("nothing")
    with pytest.raises(ModelError, match=f"no model of the run {run.id} .* a run of kind 'run' that left none"):
        _ = run.model


def test_a_trial(trained: CommandLine) -> None:
    trial = autotrack.load(f"{autotrack.load('@last', dir=place(trained)).id}.1", dir=place(trained))
    assert trial.params == {"alpha": 1.0}
    with pytest.raises(NotFound, match="has only the value"):
        trial.points("cv/r2")
    with pytest.raises(ModelError, match=r"it is nested in \w+; see autotrack\.load"):
        _ = trial.model


def test_a_model_that_was_not_kept(tmp_path: Path) -> None:
    source = """
from sklearn.linear_model import LinearRegression
model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
"""
    assert run_program(source, tmp_path, env={"AUTOTRACK_KEEP_MODEL_BYTES": "100"}).returncode == 0
    run = autotrack.load("@last", dir=tmp_path / ".autotrack")
    with pytest.raises(ModelError, match=r"is kept: larger than 100 bytes \(setting keep_model_bytes\)"):
        _ = run.model


def test_a_file_that_is_damaged_or_gone(trained: CommandLine, tmp_path: Path) -> None:
    shutil.copytree(place(trained), tmp_path / ".autotrack")
    run = autotrack.load("@last", dir=tmp_path / ".autotrack")
    blobs = [path for path in (tmp_path / ".autotrack" / "blobs").glob("*/*") if path.is_file()]
    for path in blobs:
        content = bytearray(path.read_bytes())
        content[-20] ^= 1
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"is damaged: .*/blobs/../\w+ is not what was recorded"):
        _ = run.model
    for path in blobs:
        path.unlink()
    with pytest.raises(ModelError, match=r"is no longer in .*/blobs/../\w+; it was recorded on the machine .* in "):
        _ = run.model


CLASSES = """
import sys
from sklearn.base import BaseEstimator
class Mine(BaseEstimator):
    def fit(self, X):
        self.mean_ = 3.0
        return self
    def predict(self, X):
        return [self.mean_] * len(X)
"""


def test_classes_that_can_not_be_imported(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CLASSES)
    assert run_program(f"{CLASSES}Mine().fit([[1.0]])", tmp_path).returncode == 0
    assert run_program("import mine\nmine.Mine().fit([[1.0]])", tmp_path).returncode == 0
    inner, outer = (run["id"] for run in CommandLine(tmp_path).lines("ls"))
    run = autotrack.load(outer, dir=tmp_path / ".autotrack")
    with pytest.raises(ModelError, match=r"needs __main__\.Mine: it was defined in the program itself, program\.py"):
        _ = run.model
    run = autotrack.load(inner, dir=tmp_path / ".autotrack")
    with pytest.raises(ModelError, match=r"needs mine\.Mine: there is no module 'mine' here: install"):
        _ = run.model
    read = f"print(autotrack.load({inner!r}).model.predict([1]), autotrack.load({outer!r}).model.mean_)"
    done = run_program(f"import autotrack\n{CLASSES}{read}", tmp_path, tracked=False)
    assert done.stdout == "[3.0] 3.0\n", done.stderr
    (tmp_path / "mine.py").write_text("")
    done = run_program(f"import autotrack\n{read}", tmp_path, tracked=False)
    assert "mine.Mine: the module 'mine' has no 'Mine' here. It was recorded with cpython" in done.stderr


def test_loading_while_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads what is being recorded into, also of a run that goes on, and records nothing itself."""
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import r2_score

    monkeypatch.chdir(tmp_path)
    with recorded(tmp_path / "elsewhere") as recording:
        model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
        before = _told(recording)
        loaded: Any = autotrack.load("@last")
        assert loaded.model.coef_ == model.coef_
        assert type(loaded.model) is LinearRegression
        assert _told(recording) == before
        r2_score([0.0, 1.0], loaded.model.predict([[0.0], [1.0]]))
        assert [strand.points for strand in recording.strands()] == [{}]
        loaded.model.fit([[0.0], [2.0]], [0.0, 1.0])
        assert len(recording.strands()) == 2
        with autotrack.run("open"):
            autotrack.log({"loss": 1.0})
            open_run = autotrack.load("@last")
            assert (open_run.name, open_run.status) == ("open", "running")
            autotrack.log({"loss": 2.0})
            assert open_run.points("loss")[1].tolist() == [1.0, 2.0]


def _told(recording: Recording) -> int:
    """How many events tell of the program; the recorder writes others when it comes to it."""
    beside = (events.JobFacts, events.DataProfiled, events.Sealed, events.Receipt, events.Overhead)
    return sum(not isinstance(event, beside) for event in recording.events())


def test_nothing_that_reads_is_imported_before(tmp_path: Path) -> None:
    source = """
import sys, autotrack
autotrack.enable()
assert not [name for name in sys.modules if name.startswith(("autotrack.store", "autotrack.loaded", "sqlite3"))]
assert autotrack.load.__doc__
from autotrack import load
"""
    done = run_program(source, tmp_path, tracked=False)
    assert done.returncode == 0, done.stderr
