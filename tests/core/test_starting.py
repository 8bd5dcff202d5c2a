"""Turning it on and off: what is imported, what is left behind, what is in the wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import autotrack
from autotrack import context, events, plugins
from autotrack.testing import Recording, run_program

FORBIDDEN = "wrapt pluggy numpy sqlite3 click rich msgspec sqlalchemy psutil filelock blake3 xxhash pandas".split()
ROOT = Path(__file__).resolve().parents[2]


def test_what_enabling_imports(tmp_path: Path) -> None:
    source = (
        "import sys\nbefore = set(sys.modules)\nimport autotrack\nautotrack.enable()\n"
        f"print(sorted({FORBIDDEN!r} & (set(sys.modules) - before)))"
    ).replace(repr(FORBIDDEN), repr(set(FORBIDDEN)))
    assert run_program(source, tmp_path, tracked=False).stdout == "[]\n"


def test_what_a_program_that_does_nothing_leaves_behind(tmp_path: Path) -> None:
    for tracked, source in ((True, "print('done')"), (False, "import autotrack\nautotrack.enable()\nprint('done')")):
        done = run_program(source, tmp_path, tracked=tracked)
        assert (done.stdout, done.stderr) == ("done\n", "")
    assert sorted(os.listdir(tmp_path)) == ["program.py"]


@pytest.mark.parametrize("plugin", sorted({found.module for found in plugins.discover(sys.path).values()}))
def test_plugins_import_no_framework(tmp_path: Path, plugin: str) -> None:
    """Nor anything that is not autotrack's, the standard library's or what autotrack itself needs."""
    source = f"""
import sys
import sysconfig
import wrapt, pluggy, msgspec, autotrack
before = set(sys.modules)
import {plugin}
new = {{name.partition(".")[0] for name in set(sys.modules) - before}} - set(sys.stdlib_module_names)
ours = {{name for name in new if name.startswith("autotrack")}}
print(sorted(new - ours - {{"xxhash", "blake3", "_xxhash"}}))
"""
    assert run_program(source, tmp_path, tracked=False).stdout == "[]\n"


def test_disabled_by_the_environment(tmp_path: Path) -> None:
    for tracked in (True, False):
        source = "import autotrack\nautotrack.enable()\nautotrack.log({'a': 1})\nprint('done')"
        done = run_program(source, tmp_path, tracked=tracked, env={"AUTOTRACK_DISABLED": "1"})
        assert (done.stdout, done.stderr) == ("done\n", "")
    assert sorted(os.listdir(tmp_path)) == ["program.py"]


def test_enable_disable_enable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exit_before = sys.exit
    monkeypatch.setenv("AUTOTRACK_JOB", "0123456789abc:/nowhere")
    environment = dict(os.environ)
    for number in range(3):
        autotrack.enable(dir=tmp_path, quiet=True, strict=True)
        job = context.Current.job
        autotrack.enable(dir=tmp_path / "other", quiet=True)
        assert context.Current.job is job, "enabling again does nothing"
        autotrack.log({"number": float(number)})
        autotrack.disable()
        autotrack.disable()
        autotrack.log({"lost": 1.0})
        with autotrack.run("lost"):
            autotrack.tag("lost")
    assert sys.exit is exit_before
    assert dict(os.environ) == environment
    context.latest.set(None)
    recording = Recording(tmp_path)
    assert [strand.points for strand in recording.strands()] == [{"number": [(0, float(n))]} for n in range(3)]
    assert len({segment.job for segment in recording.segments()}) == 3
    assert not (tmp_path / "other").exists()
    ends = [event for event in recording.events() if isinstance(event, events.JobEnded)]
    assert [end.how for end in ends] == ["disable"] * 3


def test_runs_that_are_open_when_recording_ends(tmp_path: Path) -> None:
    autotrack.enable(dir=tmp_path, quiet=True, strict=True)
    with autotrack.run("mine"):
        autotrack.log({"a": 1})
        autotrack.disable()
        autotrack.log({"a": 2})
    (strand,) = Recording(tmp_path).strands()
    assert strand.status == "interrupted"
    assert strand.points == {"a": [(0, 1.0)]}


def test_no_warning_is_ours(tmp_path: Path) -> None:
    """Developer mode shows every warning, unclosed files too, and here each is an error."""
    source = """
import os, threading
from sklearn.linear_model import LinearRegression
import autotrack
with autotrack.run("mine", tag=1):
    LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    autotrack.log({"loss": 1.0, "text": "a"})
if os.fork() == 0:
    autotrack.log({"loss": 2.0})
    os._exit(0)
os.wait()
autotrack.disable()
autotrack.enable()
autotrack.log({"loss": 2.0})
"""
    env = {"PYTHONDEVMODE": "1", "PYTHONWARNINGS": "error", "AUTOTRACK_QUIET": "1", "AUTOTRACK_STRICT": "1"}
    done = run_program(source, tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_bootstrap_chains_to_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "sitecustomize.py").write_text("print('mine')\n")
    source = (
        "import sys, sitecustomize\nprint(sitecustomize.__file__)\n"
        "print([entry for entry in sys.path if entry.endswith('/_bootstrap')])"
    )
    done = run_program(source, tmp_path, env={"PYTHONPATH": str(tmp_path / "mine")})
    assert done.stdout == f"mine\n{tmp_path}/mine/sitecustomize.py\n[]\n", done.stderr


def in_the_wheel(folder: Path, compiler: str | None = None) -> list[str]:
    """The files of a wheel that is built from a copy of what a wheel is made of."""
    for name in ("autotrack", "plugins"):
        left_out = shutil.ignore_patterns("*.so", "*.egg-info", "__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(folder)]
    env = {**os.environ, **({"CC": compiler} if compiler else {})}
    done = subprocess.run([*command, str(folder)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "installed")
        return file.namelist()


def test_the_wheel(tmp_path: Path) -> None:
    """No .pth file: nothing starts by itself; and all that is needed is in it."""
    names = in_the_wheel(tmp_path)
    assert not [name for name in names if name.endswith(".pth")]
    packages = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {"autotrack", *(entry.parent.name for entry in (ROOT / "plugins").glob("*/__init__.py"))}
    assert {"autotrack_sklearn", "autotrack_xgboost", "autotrack_keras"} < packages
    assert {"autotrack/py.typed", "autotrack/_bootstrap/sitecustomize.py"} <= set(names)
    extensions = {name.partition(".")[0] for name in names if name.endswith(".so")}
    hot = {"autotrack/_hot", "autotrack/capture/_write", "autotrack_torch/_hot"}
    assert extensions == (hot if has_compiler() else set())


def has_compiler() -> bool:
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    return shutil.which(os.environ.get("CC", compiler)) is not None


def test_where_nothing_can_be_compiled(tmp_path: Path) -> None:
    names = in_the_wheel(tmp_path, compiler="false")
    assert not [name for name in names if name.endswith(".so")]
    source = (
        "import autotrack, sys\nfrom autotrack.extension import compiled\nautotrack.enable(quiet=True)\n"
        "autotrack.log({'loss': 2.0})\nprint('loss', 2.0, compiled, 'write' in vars(sys.stdout), autotrack.__file__)"
    )
    done = run_program(source, tmp_path, env={"PYTHONPATH": str(tmp_path / "installed"), "AUTOTRACK_STRICT": "1"})
    assert done.stdout == f"loss 2.0 None True {tmp_path}/installed/autotrack/__init__.py\n", done.stderr
