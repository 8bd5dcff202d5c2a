"""What the README says is so: its commands run, its tables are complete, its plugin is the demonstration plugin."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from autotrack import settings
from autotrack.cli import COMMANDS
from tests.end_to_end.conftest import CommandLine

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def _commands() -> list[str]:
    """The command lines of the transcripts that only read."""
    lines = [line[2:] for block in _blocks("console") for line in block.splitlines() if line.startswith("$ ")]
    return [line for line in lines if line.startswith("autotrack ") and not line.startswith("autotrack run")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """What `autotrack demo` leaves behind."""
    made = CommandLine(tmp_path_factory.mktemp("demo"))
    shown = made.terminal("demo", columns=110)
    for text in ("$ autotrack run train.py", "5 runs recorded", "GridSearchCV(SVC)", "Trials: 9", "What to type next"):
        assert text in shown
    made.folder = made.folder / "autotrack-demo"
    assert "autotrack" not in (made.folder / "train.py").read_text()
    return made


def test_the_demonstration_can_be_run_again_and_says_what_it_lacks(demo: CommandLine) -> None:
    before = len(demo.lines("ls"))
    (demo.folder / "train.py").write_text("print('mine')")
    assert "mine" in demo("demo", ".").stdout
    assert len(demo.lines("ls")) == before
    (demo.folder / "file").write_text("")
    assert "can't be written" in demo("demo", "file/below", code=1).stderr


def test_every_command_of_the_readme_runs(demo: CommandLine) -> None:
    commands = _commands()
    assert len(commands) >= 6
    for line in commands:
        if not line.startswith("autotrack ui"):  # which serves until it is interrupted: see tests/web
            demo(*shlex.split(line)[1:])


def test_what_the_demonstration_suggests_runs(demo: CommandLine) -> None:
    demo("ls", 'metrics["test/accuracy"] > .95', "--sort", "test/accuracy")
    demo("compare", "@last", "@best:test/accuracy")
    demo("show", "@best:test/accuracy", "--json")


def test_every_command_and_setting_is_in_the_readme() -> None:
    for command in COMMANDS:
        assert f"autotrack {command}" in README
    for name in set(settings.names()) - {"strict"}:
        assert f"| `{name}` | `AUTOTRACK_{name.upper()}` |" in README


def test_the_supported_versions_are_those_of_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    low, high = re.match(r"scikit-learn>=1\.(\d+),<1\.(\d+)", project["optional-dependencies"]["sklearn"][0]).groups()  # type: ignore[union-attr]
    assert f"| scikit-learn | 1.{low} to 1.{int(high) - 1} |" in README
    assert f"scikit-learn==1.{low}.0\n" in (ROOT / "tox.ini").read_text(), "supported means tested"
    low, high = re.match(r"torch>=2\.(\d+),<2\.(\d+)", project["optional-dependencies"]["torch"][0]).groups()  # type: ignore[union-attr]
    supported = f"2.{low}" if int(high) == int(low) + 1 else f"2.{low} to 2.{int(high) - 1}"
    assert f"| PyTorch | {supported} |" in README
    assert f"torch==2.{low}.0\n" in (ROOT / "tox.ini").read_text(), "supported means tested"
    for name, extra in (("Lightning", "lightning"), ("Accelerate", "accelerate"), ("Transformers", "transformers")):
        (stated,) = project["optional-dependencies"][extra]
        major, low, high = re.fullmatch(rf"{extra}>=(\d+)\.(\d+),<\1\.(\d+)", stated).groups()  # type: ignore[union-attr]
        versions = f"{major}.{low}" if int(high) == int(low) + 1 else f"{major}.{low} to {major}.{int(high) - 1}"
        assert f"| {name} | {versions} |" in README
        assert f"{extra}=={major}.{low}." in (ROOT / "tox.ini").read_text(), "supported means tested"
    lightning, other = (project["optional-dependencies"][name][0] for name in ("lightning", "pytorch_lightning"))
    assert other == f"pytorch_{lightning}"
    for extra in project["optional-dependencies"]:
        assert f"`{extra}`" in README


def test_the_readmes_plugin_is_the_demonstration_plugin() -> None:
    plugin = (ROOT / "tests" / "demonstration" / "autotrack_toyboost.py").read_text()
    (shown,) = [block for block in _blocks("python") if "autotrack_patches" in block]
    parts = [part.strip() for part in shown.split("\n\n\n")]
    assert len(parts) >= 5
    for part in parts:
        assert part in plugin
    (metadata,) = _blocks("toml")
    assert metadata.strip() in (ROOT / "tests" / "demonstration" / "pyproject.toml").read_text()
