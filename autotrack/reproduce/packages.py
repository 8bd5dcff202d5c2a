"""The environment of a recorded program, made anew: its Python, and its packages in the versions that it had."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from autotrack.errors import AutotrackError
from autotrack.store.requirements import installable, is_name, is_version

_OWN = frozenset({"autotrack-ml", "pip", "setuptools", "wheel"})
"""What is not taken from an index: we, and what installs."""


class NotInstallable(AutotrackError):
    """The packages can't be installed here."""


@dataclass(frozen=True)
class Packages:
    """`python`: as `cpython 3.11.7`; `executable`: its path then; `versions`: by the names of the packages; `sources`:
    of those that are from no index, as `autotrack.capture.packages` has them."""

    python: str
    executable: str
    versions: Mapping[str, str]
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def problems(self) -> list[str]:
        """Why the environment can't be made here."""
        if self.interpreter() is None:
            return [f"there is no Python {self._version} here; install it, or use --current-env"]
        return []

    @property
    def _version(self) -> str:
        return ".".join(self.python.rpartition(" ")[2].split(".")[:2])

    def interpreter(self) -> str | None:
        """A Python of the same minor version: the recorded one, if it is there still."""
        for candidate in (self.executable, sys.executable, shutil.which(f"python{self._version}")):
            if candidate and os.access(candidate, os.X_OK) and _version_of(candidate) == self._version:
                return candidate
        return None

    def requirements(self) -> list[str]:
        """Lines for an installer; of local versions (`2.13.0+cpu`) what is before the plus: an index has no others.
        What was installed to be edited in its folder is left out."""
        lines = []
        for name, version in sorted(self.versions.items()):
            source = self.sources.get(name)
            if name in _OWN or (source is not None and source.get("editable")):
                continue
            if is_name(name) and source is None and is_version(version):
                lines.append(f"{name}=={version.strip().partition('+')[0]}")
            elif is_name(name) and source is not None and (found := installable(source)) is not None:
                lines.append(f"{name} @ {found}")
        return lines

    def left_out(self) -> list[str]:
        """The packages that no installer would find by what was recorded."""
        lines = {re.split(r"==| @ ", line)[0] for line in self.requirements()}
        editable = {name for name, source in self.sources.items() if source.get("editable")}
        return sorted(self.versions.keys() - lines - _OWN - editable)

    def install(self, place: str, log: str) -> str:
        """Make the environment in a folder; returns its Python.  Raises NotInstallable."""
        interpreter = self.interpreter()
        assert interpreter is not None
        python = os.path.join(place, "bin", "python")
        listed = os.path.join(os.path.dirname(place), "requirements.txt")
        with open(listed, "w", encoding="utf-8") as file:
            file.write("\n".join(self.requirements()) + "\n")
        with open(log, "wb") as output:
            for words in (
                [interpreter, "-m", "venv", place],
                [python, "-m", "pip", "install", "--no-deps", "--disable-pip-version-check", "-r", listed],
            ):
                if subprocess.run(words, stdout=output, stderr=subprocess.STDOUT, check=False).returncode:
                    raise NotInstallable(f"the environment can't be made: {_reason(log)}; all of it: {log}")
        _lend_ourselves(place)
        return python


def _version_of(interpreter: str) -> str:
    words = [interpreter, "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _reason(log: str) -> str:
    with open(log, encoding="utf-8", errors="replace") as file:
        lines = [line.strip() for line in file if line.strip()]
    errors = [re.sub(r"^ERROR:\s*", "", line) for line in lines if line.startswith("ERROR:")]
    return (errors or lines or ["no output"])[-1]


def _lend_ourselves(place: str) -> None:
    """Put this autotrack into the environment, as links to what runs here: the version that made the record may be an
    older one, or come from a folder."""
    import autotrack

    (site,) = _sites(place)
    own = metadata.distribution("autotrack-ml")
    _link(os.path.dirname(os.path.abspath(autotrack.__file__)), site)
    for entry in own.entry_points.select(group="autotrack.frameworks"):
        spec = importlib.util.find_spec(entry.value.partition(".")[0])
        if spec is not None and spec.origin is not None:
            beside = os.path.dirname(os.path.dirname(spec.origin))
            for name in os.listdir(beside):
                if re.fullmatch(r"autotrack_\w+", name):
                    _link(os.path.join(beside, name), site)
    told = os.path.join(site, f"autotrack_ml-{own.version}.dist-info")
    os.makedirs(told, exist_ok=True)
    for name in ("METADATA", "entry_points.txt"):
        with open(os.path.join(told, name), "w", encoding="utf-8") as file:
            file.write(own.read_text(name) or "")


def _link(source: str, folder: str) -> None:
    target = os.path.join(folder, os.path.basename(source))
    if not os.path.lexists(target):
        os.symlink(source, target)


def _sites(place: str) -> Iterator[str]:
    library = os.path.join(place, "lib")
    for version in os.listdir(library):
        yield os.path.join(library, version, "site-packages")


def different(before: Mapping[str, str], after: Mapping[str, str]) -> list[tuple[str, str | None, str | None]]:
    """Name and both versions of each package that differs, ours and the installers apart."""
    names = sorted((before.keys() | after.keys()) - _OWN)
    return [(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)]
