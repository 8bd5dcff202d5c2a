"""The distributions that are installed, and where those come from that are from no index."""

from __future__ import annotations

import os
import re

import msgspec

from autotrack.capture.secrets import redact
from autotrack.values import storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_DIST_INFO = re.compile(r"^(?P<name>.+?)-(?P<version>[^-]+)\.(?:dist|egg)-info$")
_SOURCE = "direct_url.json"
"""What an installer leaves of a distribution that is from no index: https://packaging.python.org/specifications/direct-url"""


def installed(path: list[str]) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Versions and sources of the distributions on `path`, by the names of their `*.dist-info` folders; the first
    found wins, as for imports.  Some 100 times faster than asking each for its metadata."""
    found: dict[str, tuple[str, str]] = {}
    for folder in path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            match = _DIST_INFO.match(name) if name.endswith("-info") else None
            if match:
                place = os.path.join(folder, name)
                found.setdefault(match["name"].lower().replace("_", "-"), (storable(match["version"]), place))
    versions = {name: version for name, (version, _) in sorted(found.items())}
    return versions, _sources((name, found[name][1]) for name in versions)


def _sources(places: Iterable[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    sources = {}
    for name, place in places:
        path = f"{place}{os.sep}{_SOURCE}"
        if not os.path.exists(path):  # as of most: an error to open it takes longer
            continue
        try:
            with open(path, "rb") as file:
                source = _source(msgspec.json.decode(file.read()))
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            continue
        if source is not None:
            sources[storable(name)] = source
    return sources


def _source(told: Any) -> dict[str, Any] | None:
    """`url`; `subdirectory` where there is one; of a repository `vcs`, `commit` and the `requested` revision, of a
    folder whether it is `editable`, of an archive its `hashes`."""
    url = told.get("url") if isinstance(told, dict) else None
    if not isinstance(url, str):
        return None
    source: dict[str, Any] = {"url": _text(url)}
    if isinstance(told.get("subdirectory"), str):
        source["subdirectory"] = _text(told["subdirectory"])
    if isinstance(about := told.get("vcs_info"), dict):
        names = {"vcs": "vcs", "commit": "commit_id", "requested": "requested_revision"}
        source |= {ours: _text(about[theirs]) for ours, theirs in names.items() if isinstance(about.get(theirs), str)}
    elif isinstance(about := told.get("dir_info"), dict):
        source["editable"] = about.get("editable") is True
    elif isinstance(about := told.get("archive_info"), dict):
        source["hashes"] = _hashes(about)
    return source


def _hashes(about: dict[str, Any]) -> dict[str, str]:
    hashes = about.get("hashes")
    if not isinstance(hashes, dict):  # before pip 22.3
        algorithm, equals, value = about["hash"].partition("=") if isinstance(about.get("hash"), str) else ("",) * 3
        hashes = {algorithm: value} if equals else {}
    return {_text(name): _text(value) for name, value in hashes.items() if isinstance(value, str)}


def _text(text: str) -> str:
    return storable(redact(text))
