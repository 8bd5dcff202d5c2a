"""Settings: arguments of `enable` > AUTOTRACK_* > [tool.autotrack] in pyproject.toml > user file > defaults."""

from __future__ import annotations

import os

from autotrack.errors import AutotrackError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class SettingsError(AutotrackError):
    """A setting that can't be used: names it, where it was set and what is allowed."""


class Settings:
    """What can be set.  An environment variable is `AUTOTRACK_` and the name in capitals."""

    disabled: bool = False
    """Record nothing."""
    quiet: bool = False
    """Print nothing: neither the summary line nor notices."""
    strict: bool = False
    """Raise what is otherwise contained; for tests of plugins."""
    dir: str = ""
    """The folder to record into, instead of the nearest `.autotrack`."""
    store: str = ""
    """URL of the store that readers use, instead of the embedded one."""
    skip: tuple[str, ...] = ()
    """Frameworks whose plugins stay off, by the name of their module."""
    exit_timeout: float = 2.0
    """Seconds that the end of a program may wait for unfinished digests."""
    keep_model_bytes: int = 64 * 1024 * 1024
    """Largest fitted model that is kept."""
    keep_model_seconds: float = 0.02
    """Seconds that the identity and the pickle of a fitted model may take, however short its training was."""
    system_seconds: float = 5.0
    """Seconds between samples of processor, memory, disk, network and GPU; 0: none."""

    duplicate_seconds: float = 60.0
    """Seconds that an earlier job must have taken for a notice that this one does the same."""
    code: bool = True
    """Keep the code of the program: its git work tree, or what it imported."""

    def __init__(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self, name, value)


_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


def load(arguments: Mapping[str, Any], environment: Mapping[str, str], folder: str) -> Settings:
    """The settings of a program started in `folder`.  Raises SettingsError."""
    chosen: dict[str, Any] = {}
    layers = [
        ("an argument of autotrack.enable()", {k: v for k, v in arguments.items() if v is not None}),
        ("the environment", _from_environment(environment)),
        *_from_files(environment, folder),
    ]
    for source, values in reversed(layers):
        for name, value in values.items():
            chosen[name] = _converted(name, value, source)
    return Settings(**chosen)


def names() -> list[str]:
    return [name for name in vars(Settings) if not name.startswith("_")]


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for name in names():
        value = environment.get(f"AUTOTRACK_{name.upper()}")
        if value is not None:
            found[name] = value
    return found


def _from_files(environment: Mapping[str, str], folder: str) -> list[tuple[str, dict[str, Any]]]:
    files: list[tuple[str, tuple[str, ...]]] = []
    project = _project_file(folder)
    if project is not None:
        files.append((project, ("tool", "autotrack")))
    home = environment.get("XDG_CONFIG_HOME") or os.path.join(environment.get("HOME", ""), ".config")
    if os.path.isabs(home):
        files.append((os.path.join(home, "autotrack", "config.toml"), ()))
    found = []
    for path, section in files:
        try:
            with open(path, "rb") as file:
                content = file.read()
        except OSError:
            continue
        if section and b"[tool.autotrack]" not in content:
            continue
        found.append((path, _section(path, content, section)))
    return found


def _section(path: str, content: bytes, section: tuple[str, ...]) -> dict[str, Any]:
    import tomllib

    try:
        table: Any = tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} can't be read: {error}") from None
    for name in section:
        table = table.get(name, {})
    return {name.replace("-", "_"): value for name, value in table.items()}


def _project_file(folder: str) -> str | None:
    while True:
        path = os.path.join(folder, "pyproject.toml")
        if os.path.isfile(path):
            return path
        above = os.path.dirname(folder)
        if above == folder:
            return None
        folder = above


def _converted(name: str, value: Any, source: str) -> Any:
    if name not in names():
        raise SettingsError(f"{name!r} in {source} is no setting; there are {', '.join(names())}")
    default = getattr(Settings, name)
    try:
        if isinstance(default, bool):
            return _truth(value)
        if isinstance(default, tuple):
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(str(part).strip() for part in parts if str(part).strip())
        if isinstance(default, str):
            return os.fsdecode(value) if hasattr(value, "__fspath__") or isinstance(value, (str, bytes)) else str(value)
        number = type(default)(value)
        if not 0 <= number < float("inf"):
            raise ValueError(value)
        return number
    except (TypeError, ValueError, OverflowError):
        raise SettingsError(f"{name} in {source} is {value!r}, expected {_expected(default)}") from None


def _truth(value: Any) -> bool:
    text = str(value).strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError(value)


def _expected(default: Any) -> str:
    if isinstance(default, bool):
        return "1 or 0"
    if isinstance(default, tuple):
        return "names separated by commas"
    return {"str": "a text", "float": "a number from 0 on", "int": "a whole number from 0 on"}[type(default).__name__]
