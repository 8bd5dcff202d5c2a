"""Which files are libraries' and not the user's own."""

from __future__ import annotations

import functools
import os
import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


def holds(path: str) -> bool:
    """Whether a file is the standard library's or installed, also where that is for one user or of another
    environment."""
    return path.startswith((*folders(), *_installed(tuple(sys.path)))) or any(part in path for part in _INSTALLED)


@functools.lru_cache(8)
def _installed(path: tuple[str, ...]) -> tuple[str, ...]:
    """The folders on the path that an installer has filled, as with `pip install --target`."""
    return tuple(os.path.join(folder, "") for folder in path if os.path.isabs(folder) and is_filled(folder))


def is_filled(folder: str) -> bool:
    """Whether an installer has put something into a folder."""
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.endswith(".dist-info") for entry in entries)
    except OSError:
        return False


@functools.cache
def folders() -> tuple[str, ...]:
    """The folders of the standard library and of what is installed."""
    import sysconfig

    paths = sysconfig.get_paths()
    return tuple(
        os.path.join(folder(path), "")
        for path in {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
        for folder in (os.path.abspath, os.path.realpath)
    )


@functools.cache
def scripts() -> str:
    """The folder of the commands that packages bring."""
    import sysconfig

    return os.path.join(sysconfig.get_paths()["scripts"], "")


def variables_of(module: object) -> dict[str, Any]:
    """The variables of a module, without asking the module, nor for its class: that would load one that is loaded when
    it is used."""
    return object.__getattribute__(module, "__dict__") if issubclass(type(module), ModuleType) else {}


def file_of(module: object) -> str | None:
    """The file of a module, without asking it either."""
    path = variables_of(module).get("__file__")
    return path if type(path) is str and path else None
