"""Asking package indexes which files there are of a version, by the simple repository API, as JSON or as HTML."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from autotrack.store import StoreError

PYPI = "https://pypi.org/simple/"
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
TIMEOUT = 30.0
AT_ONCE = 16
LARGEST = 64 << 20
"""Bytes of an index's answer on a project."""


class File(NamedTuple):
    """A wheel or a source distribution."""

    name: str
    url: str
    hashes: dict[str, str]
    size: int | None


class Found(NamedTuple):
    """What an index has of a version."""

    place: str
    """The index, without credentials."""
    files: list[File]


def usual() -> list[str]:
    """The index that pip or uv is told to use by the environment, else PyPI."""
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        if os.environ.get(name):
            return [os.environ[name]]
    return [PYPI]


def ask(indexes: Sequence[str], wanted: Iterable[tuple[str, str]]) -> dict[str, Found]:
    """Name to what the first index has that has files with hashes of that version; names that none has are left out.
    Raises StoreError where one does not answer."""
    pairs = list(wanted)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda pair: _first(indexes, *pair), pairs))
    return {name: one for (name, _), one in zip(pairs, found, strict=True) if one is not None}


def _first(indexes: Sequence[str], name: str, version: str) -> Found | None:
    for index in indexes:
        files = [file for file in _files(index, name) if file.hashes and _is_of(file.name, name, version)]
        if files:
            return Found(without_credentials(index), sorted(files))
    return None


def without_credentials(url: str) -> str:
    scheme, place, *rest = urlsplit(url)
    return urlunsplit((scheme, place.rpartition("@")[2], *rest))


def _is_of(file: str, name: str, version: str) -> bool:
    from packaging.utils import (
        InvalidSdistFilename,
        InvalidWheelFilename,
        canonicalize_name,
        parse_sdist_filename,
        parse_wheel_filename,
    )
    from packaging.version import Version

    try:
        told = parse_wheel_filename(file)[:2] if file.endswith(".whl") else parse_sdist_filename(file)
    except (InvalidWheelFilename, InvalidSdistFilename):
        return False
    return told == (canonicalize_name(name), Version(version))


def _files(index: str, name: str) -> list[File]:
    from packaging.utils import canonicalize_name

    url = f"{index.rstrip('/')}/{canonicalize_name(name)}/"
    if url.startswith("file:"):
        url += "index.html"
    kind, answer, place = _get(url)
    if not answer:
        return []
    try:
        if kind.endswith("+json"):
            return [_of_json(each, place) for each in json.loads(answer)["files"]]
        links = _Links()
        links.feed(answer.decode("utf-8", "replace"))
        return [_of_link(link, urljoin(place, links.base)) for link in links.found]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"the index {without_credentials(url)} answers what is none: {error}") from None


def _get(url: str) -> tuple[str, bytes, str]:
    """Type and content of an answer, empty where there is no such project, and the place that it is from."""
    user, at, _ = urlsplit(url).netloc.rpartition("@")
    plain = without_credentials(url)
    request = Request(plain, headers={"Accept": _ACCEPT, "User-Agent": "autotrack"})
    if at:
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(unquote(user).encode()).decode())
    try:
        with urlopen(request, timeout=TIMEOUT) as answer:
            return answer.headers.get_content_type(), answer.read(LARGEST), answer.geturl()
    except HTTPError as error:
        if error.code in (404, 410):
            return "", b"", plain
        raise StoreError(f"the index {plain} answers {error.code} ({error.reason}); see --index") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, FileNotFoundError) or (url.startswith("file:") and "No such file" in str(reason)):
            return "", b"", plain
        raise StoreError(f"the index {plain} can't be asked ({reason}); see --index") from None


def _of_json(told: dict[str, Any], place: str) -> File:
    hashes = {str(name): str(value) for name, value in told["hashes"].items()}
    size = told.get("size")
    return File(str(told["filename"]), urljoin(place, told["url"]), hashes, size if isinstance(size, int) else None)


def _of_link(link: str, place: str) -> File:
    url, fragment = urldefrag(urljoin(place, link))
    algorithm, _, value = fragment.partition("=")
    known = {algorithm: value} if re.fullmatch(r"(sha\d+|sha3_\d+|blake2[bs])=[0-9a-f]+", fragment) else {}
    return File(unquote(urlsplit(url).path.rpartition("/")[2]), url, known, None)


class _Links(HTMLParser):
    """The links of a page, and what they are relative to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.base = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if tag == "a" and href:
            self.found.append(href)
        elif tag == "base" and href:
            self.base = href
