"""Installed packages as installers name them: names, versions and places."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autotrack.capture.secrets import HIDDEN

Source = Mapping[str, Any]
"""Where a package comes from that is from no index, see `autotrack.capture.packages`."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.IGNORECASE)
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[!-~]+")
_USER = re.compile(r"(?<=://)[^/@]*@")
_PRINTABLE = re.compile(r"[!-~]+")


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def is_version(text: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


def address(source: Source) -> str | None:
    """The URL without credentials, which an installer must have from elsewhere; None where it holds another secret
    or is none."""
    url = str(source["url"])
    if HIDDEN in url:
        url = _USER.sub("", url, count=1)
    return url if _URL.fullmatch(url) and HIDDEN not in url else None


def reference(source: Source) -> str:
    """As in a requirement: `git+https://host/project@commit#subdirectory=part`."""
    url = str(source["url"])
    if source.get("vcs"):
        url = f"{source['vcs']}+{url}@{source.get('commit', '')}"
    marks = [f"{name}={value}" for name, value in (source.get("hashes") or {}).items() if name == "sha256"]
    if source.get("subdirectory"):
        marks.append(f"subdirectory={source['subdirectory']}")
    return f"{url}#{'&'.join(marks)}" if marks else url


def installable(source: Source) -> str | None:
    """What an installer finds the package by again; None where there is no such thing."""
    url = address(source)
    if url is None or (source.get("vcs") and not source.get("commit")):
        return None
    found = reference({**source, "url": url})
    return found if _PRINTABLE.fullmatch(found) else None
