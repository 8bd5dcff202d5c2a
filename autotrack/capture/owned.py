"""Which files are the program's own, and not those of libraries, caches, tools and the system."""

from __future__ import annotations

import functools
import os

from autotrack import libraries

_SOURCES = (".py", ".pyc", ".pyi", ".pyo", ".so", ".pth", ".ipynb", ".egg-link", ".lock", ".pid", ".sock")
_INSTALLED = (".egg-info", ".dist-info")
"""Folders in which installers keep what they know of a package."""
_SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/run/", "/usr/", "/lib/", "/lib64/", "/var/lib/", "/var/cache/")
_DATA_CACHES = (".cache/huggingface/", ".cache/torch/hub/", ".keras/datasets/", ".keras/models/", ".cache/kagglehub/")
"""Hidden folders that hold data and models that were fetched for the program."""
_PASSING = ("joblib_memmapping_folder", "pymp-", "torch_", "wandb-")
"""What the names of temporary folders between processes begin with."""
_TEMPORARY = tuple(
    os.path.join(folder, "") for folder in (os.environ.get("TMPDIR") or "/tmp", "/var/tmp", "/dev/shm") if folder
)
_TOOLS = frozenset("pyproject.toml setup.cfg tox.ini pytest.ini mypy.ini ruff.toml .coveragerc pyvenv.cfg".split())
"""Settings of tools, which read them in whatever folder they are used."""


def is_foreign(path: str) -> bool:
    """Whether a file, by its absolute path, is none of a program, whichever that is."""
    return path.endswith(_SOURCES) or path.startswith(_foreign())


def is_owned(path: str, root: str, cwd: str) -> bool:
    """Whether a file is of the program that was started in `cwd` and is recorded in `root`."""
    if is_foreign(path) or path.startswith(root + os.sep) or libraries.holds(path):
        return False
    if os.path.basename(path) in _TOOLS or os.path.dirname(path).endswith(_INSTALLED):
        return False
    home = os.path.join(_home(), "")
    if path.startswith(home) and path[len(home) :].startswith(_DATA_CACHES):
        return True
    if is_temporary(path) and any(f"{os.sep}{mark}" in path for mark in _PASSING):
        return False
    below = path[len(cwd) :] if path.startswith(os.path.join(cwd, "")) else path
    parts = below.split(os.sep)
    return not any(part.startswith(".") and part not in (".", "..") for part in parts) and "__pycache__" not in parts


@functools.cache
def _home() -> str:
    return os.path.expanduser("~")


@functools.cache
def _foreign() -> tuple[str, ...]:
    return (*_SYSTEM, *libraries.folders(), libraries.scripts())


def is_temporary(path: str) -> bool:
    """Whether a path lies in the folder for temporary files."""
    return path.startswith(_TEMPORARY)
