"""Installed packages in words, and as lines of a requirements file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from autotrack.capture.secrets import HIDDEN
from autotrack.cli import output

Source = Mapping[str, Any]
"""Where a package comes from that is from no index, see `autotrack.capture.packages`."""
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.IGNORECASE)
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[!-~]+")
_USER = re.compile(r"(?<=://)[^/@]*@")
_PRINTABLE = re.compile(r"[!-~]+")


def in_words(version: str, source: Source | None) -> str:
    if source is None:
        return version
    if source.get("editable"):
        return f"{version} editable from {source['url']}"
    return f"{version} from {_reference(source)}"


def requirement(name: str, version: str, source: Source | None) -> str:
    """The line of a package; a comment where an installer could not read it, or would install something else."""
    told = f"# {output.short(name)} {output.short(version)}"
    if not is_name(name):
        return f"{told}: this name is none that an installer knows"
    if source is None:
        known = is_version(version)
        return f"{name}=={version.strip()}" if known else f"{told}: this version is none that an installer knows"
    place = output.short(source["url"], 200)
    if source.get("editable"):
        return f"{told}: editable from {place}, where it may have changed since; what was imported: autotrack code"
    url = address(source)
    reference = _reference({**source, "url": url})
    if url is None or not _PRINTABLE.fullmatch(reference) or (source.get("vcs") and not source.get("commit")):
        return f"{told}: from {place}, which an installer could not find again"
    return f"{name} @ {reference}"


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


def _reference(source: Source) -> str:
    """As in a requirement: `git+https://host/project@commit#subdirectory=part`."""
    url = str(source["url"])
    if source.get("vcs"):
        url = f"{source['vcs']}+{url}@{source.get('commit', '')}"
    marks = [f"{name}={value}" for name, value in (source.get("hashes") or {}).items() if name == "sha256"]
    if source.get("subdirectory"):
        marks.append(f"subdirectory={source['subdirectory']}")
    return f"{url}#{'&'.join(marks)}" if marks else url
