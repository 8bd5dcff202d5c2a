"""Settings: which one wins, what is refused and how."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autotrack import settings
from autotrack.settings import SettingsError, load
from autotrack.testing import run_program


def project(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(text)


def user_file(folder: Path, text: str) -> dict[str, str]:
    path = folder / "home" / "autotrack" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return {"XDG_CONFIG_HOME": str(folder / "home")}


def test_the_nearer_wins(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    env = user_file(tmp_path, "exit-timeout = 1\nquiet = true\nskip = ['a', 'b']\ndir = 'user'\n")
    project(tmp_path, "[tool.autotrack]\nexit_timeout = 2.5\nquiet = false\ndir = 'project'\n")
    assert settings.Settings.exit_timeout == load({}, {}, "/").exit_timeout == 2.0
    found = load({}, env, str(inner))
    assert (found.exit_timeout, found.quiet, found.skip, found.dir) == (2.5, False, ("a", "b"), "project")
    env |= {"AUTOTRACK_EXIT_TIMEOUT": "3", "AUTOTRACK_SKIP": " torch , ,sklearn", "AUTOTRACK_DIR": "environment"}
    found = load({}, env, str(inner))
    assert (found.exit_timeout, found.skip, found.dir) == (3.0, ("torch", "sklearn"), "environment")
    found = load({"dir": Path("argument"), "quiet": True, "skip": None}, env, str(inner))
    assert (found.dir, found.quiet, found.skip) == ("argument", True, ("torch", "sklearn"))
    assert load({"dir": b"bytes-\xff"}, {}, "/").dir == "bytes-\udcff"


@pytest.mark.parametrize("name", settings.names())
def test_every_setting_can_be_set_everywhere(tmp_path: Path, name: str) -> None:
    kind = type(getattr(settings.Settings, name))
    values: dict[type, tuple[Any, str, str]] = {
        bool: (True, "1", "true"),
        str: ("x", "x", "'x'"),
        float: (7.0, "7", "7"),
        int: (7, "7", "7"),
        tuple: (("x",), "x", "['x']"),
    }
    value, text, toml = values[kind]
    assert getattr(load({name: value}, {}, "/"), name) == value
    assert getattr(load({}, {f"AUTOTRACK_{name.upper()}": text}, "/"), name) == value
    project(tmp_path, f"[tool.autotrack]\n{name} = {toml}\n")
    assert getattr(load({}, {}, str(tmp_path)), name) == value
    assert getattr(load({}, user_file(tmp_path, f"{name.replace('_', '-')} = {toml}\n"), "/"), name) == value


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("quiet", "maybe", "quiet in the environment is 'maybe', expected 1 or 0"),
        ("exit_timeout", "soon", "exit_timeout in the environment is 'soon', expected a number from 0 on"),
        ("exit_timeout", "nan", "expected a number from 0 on"),
        ("exit_timeout", "inf", "expected a number from 0 on"),
        ("exit_timeout", "-1", "expected a number from 0 on"),
        ("keep_model_bytes", "1e6", "expected a whole number from 0 on"),
        ("keep_model_bytes", "9" * 5000, "expected a whole number from 0 on"),
    ],
)
def test_what_can_not_be_used_is_named(name: str, value: str, expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({}, {f"AUTOTRACK_{name.upper()}": value}, "/")
    assert expected in str(caught.value)


def test_files_that_can_not_be_used_are_named(tmp_path: Path) -> None:
    project(tmp_path, "[tool.autotrack]\nquite = true\n")
    with pytest.raises(SettingsError, match=r"'quite' in .*pyproject.toml is no setting; there are disabled, quiet"):
        load({}, {}, str(tmp_path))
    project(tmp_path, "[tool.autotrack]\nquiet = \n")
    with pytest.raises(SettingsError, match=r"pyproject.toml can't be read: .*line 2"):
        load({}, {}, str(tmp_path))
    project(tmp_path, "[tool.other]\nquiet = \n")
    assert load({}, {}, str(tmp_path)).quiet is False
    (tmp_path / "pyproject.toml").write_bytes(b"[tool.autotrack]\ndir = '\xff'\n")
    with pytest.raises(SettingsError, match=r"pyproject.toml can't be read"):
        load({}, {}, str(tmp_path))


def test_a_bad_setting_is_an_error_of_enable_and_one_line_of_run(tmp_path: Path) -> None:
    env = {"AUTOTRACK_EXIT_TIMEOUT": "soon"}
    done = run_program("import autotrack\nautotrack.enable()", tmp_path, tracked=False, env=env)
    assert done.returncode == 1
    assert "SettingsError: exit_timeout in the environment is 'soon'" in done.stderr
    done = run_program("print('done')", tmp_path, env=env)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.startswith("autotrack: Nothing is recorded: exit_timeout in the environment is 'soon'")
    assert done.stderr.count("\n") == 1
    spawns = (
        "import multiprocessing\nif __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(2) as pool: print(pool.map(len, ['a', 'ab']))\n"
    )
    done = run_program(spawns, tmp_path, env=env)
    assert done.stdout == "[1, 2]\n"
    assert done.stderr.count("\n") == 1, done.stderr
