"""What a program ran in: user, installed packages, git commit.  Read from files; no process is started, since
the user's own `os.wait()` could meet it."""

from __future__ import annotations

import os
import re
import sys

from autotrack.capture.secrets import redact
from autotrack.values import storable

_DIST_INFO = re.compile(r"^(?P<name>.+?)-(?P<version>[^-]+)\.(?:dist|egg)-info$")


def user() -> str:
    """The name of the user who runs this process, or their number where it has none."""
    try:
        import pwd
    except ImportError:
        return os.environ.get("USERNAME", "")
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def python() -> str:
    return f"{sys.implementation.name} {sys.version.split()[0]}"


def platform() -> str:
    if hasattr(os, "uname"):
        system = os.uname()
        return f"{system.sysname} {system.release} {system.machine}"
    return sys.platform


def packages(path: list[str]) -> dict[str, str]:
    """Installed distributions by the names of their `*.dist-info` folders on `path`; the first found wins,
    as for imports.  Some 100 times faster than asking each for its metadata."""
    found: dict[str, str] = {}
    for folder in path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            match = _DIST_INFO.match(name) if name.endswith("-info") else None
            if match:
                found.setdefault(match["name"].lower().replace("_", "-"), storable(match["version"]))
    return dict(sorted(found.items()))


def git(folder: str) -> dict[str, str | None] | None:
    """Commit, branch and remote of the work tree that `folder` lies in, or None where there is none."""
    root = folder
    while not os.path.exists(os.path.join(root, ".git")):
        above = os.path.dirname(root)
        if above == root:
            return None
        root = above
    place = os.path.join(root, ".git")
    if os.path.isfile(place):  # a linked work tree or a submodule
        place = os.path.join(root, _read(place).removeprefix("gitdir:").strip())
    common = os.path.normpath(os.path.join(place, _read(os.path.join(place, "commondir")).strip() or "."))
    head = _read(os.path.join(place, "HEAD")).strip()
    branch = head.removeprefix("ref: refs/heads/") if head.startswith("ref: ") else None
    commit = _resolve(common, head.removeprefix("ref: ")) if head.startswith("ref: ") else head or None
    return {"root": storable(root), "commit": commit, "branch": branch and storable(branch), "remote": _remote(common)}


def _resolve(common: str, reference: str) -> str | None:
    loose = _read(os.path.join(common, reference)).strip()
    if loose:
        return loose
    for line in _read(os.path.join(common, "packed-refs")).splitlines():
        if line.endswith(" " + reference):
            return line.split(" ")[0]
    return None


def _remote(common: str) -> str | None:
    section = ""
    for line in _read(os.path.join(common, "config")).splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == '[remote "origin"]' and line.replace(" ", "").startswith("url="):
            return storable(redact(line.partition("=")[2].strip()))
    return None


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
