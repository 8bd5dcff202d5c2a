"""The packages of a job as a lock file: https://packaging.python.org/specifications/pylock-toml (PEP 751)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

from autotrack.cli import index
from autotrack.cli.index import File, Found
from autotrack.store import requirements

_FILE_NAME = re.compile(r"pylock\.([^.]+\.)?toml")


class LeftOut(NamedTuple):
    """A package that the file can't tell of: an entry must say where to install it from."""

    name: str
    version: str
    why: str


def is_named_well(path: str) -> bool:
    """Whether installers would take a file of this name for a lock file."""
    return _FILE_NAME.fullmatch(re.split(r"[/\\]", path)[-1]) is not None


def written(job: Mapping[str, Any], indexes: Sequence[str]) -> tuple[str, list[LeftOut]]:
    """The file, and what is not in it.  Asks the indexes for the files of those packages that have no other source.
    Raises StoreError where one does not answer."""
    from packaging.utils import canonicalize_name

    sources = job["sources"] or {}
    installed = {canonicalize_name(name): (name, version) for name, version in job["packages"].items()}
    wanted = {
        canonical: version
        for canonical, (name, version) in installed.items()
        if name not in sources and requirements.is_version(version) and requirements.is_name(name)
    }
    found = index.ask(indexes, wanted.items())
    entries: list[str] = []
    left_out: list[LeftOut] = []
    for canonical, (name, version) in sorted(installed.items()):
        if name in sources:
            told = _from_source(sources[name])
        elif canonical in found:
            told = {"version": version, **_from_index(found[canonical])}
        elif canonical in wanted:
            told = "no index that was asked has files of this version with their hashes"
        else:
            told = "its name or version is none that an installer knows"
        if isinstance(told, str):
            left_out.append(LeftOut(name, version, told))
        else:
            entries.append("\n".join(("[[packages]]", *_lines({"name": canonical, **told}))))
    head = "\n".join(_lines(_about(job)))
    if not entries:
        head += "\npackages = []"
    more = {"job": job["id"], "python": job["python"], "platform": job["platform"]}
    tool = [
        "[tool.autotrack]",
        *_lines({name: value for name, value in more.items() if value}),
        *_lines({"left-out": [each._asdict() for each in left_out]}),
    ]
    return "\n\n".join((head, *entries, "\n".join(tool))) + "\n", left_out


def _about(job: Mapping[str, Any]) -> dict[str, Any]:
    """What holds for the file as a whole: it is of one Python on one platform."""
    about: dict[str, Any] = {"lock-version": "1.0"}
    platform = re.fullmatch(r"(\w+) \S+ (\w+)", job["platform"] or "")
    if platform is not None:
        about["environments"] = [f"platform_system == '{platform[1]}' and platform_machine == '{platform[2]}'"]
    version = re.search(r" (\d+\.\d+)\.", job["python"] or "")
    if version is not None:
        about["requires-python"] = f"=={version[1]}.*"
    about["created-by"] = "autotrack-ml"
    return about


def _from_source(source: requirements.Source) -> dict[str, Any] | str:
    """Of a package that is from no index.  Its version is not told: that of a folder may change."""
    url = requirements.address(source)
    if url is None:
        return f"no installer can read its source, {source['url']}"
    path = url2pathname(urlsplit(url).path) if url.startswith("file:") else None
    place = {"url": url} if path is None else {"path": path}
    inside = {"subdirectory": source["subdirectory"]} if source.get("subdirectory") else {}
    if source.get("vcs"):
        if not source.get("commit"):
            return "its commit is not known"
        asked = {"requested-revision": source["requested"]} if source.get("requested") else {}
        return {"vcs": {"type": source["vcs"], **place, **asked, "commit-id": source["commit"], **inside}}
    if source.get("hashes"):
        return {"archive": {**place, "hashes": dict(source["hashes"]), **inside}}
    if "editable" in source and path is not None:
        return {"directory": {"path": path, "editable": source["editable"], **inside}}
    return f"the hash of its source, {url}, is not known"


def _from_index(found: Found) -> dict[str, Any]:
    wheels = [_file(file) for file in found.files if file.name.endswith(".whl")]
    # Of two formats of the source, the one that build tools are to make.
    sources = sorted((file for file in found.files if not file.name.endswith(".whl")), key=lambda file: file.name[-3:])
    sdist = {"sdist": _file(sources[0])} if sources else {}
    return {"index": found.place, **sdist, **({"wheels": wheels} if wheels else {})}


def _file(file: File) -> dict[str, Any]:
    place = {"url": file.url}
    if file.url.startswith("file:"):
        place = {"path": url2pathname(urlsplit(file.url).path)}
    return {"name": file.name, **place, **({"size": file.size} if file.size else {}), "hashes": file.hashes}


# TOML


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{name} = ["
            yield from (f"    {_value(entry)}," for entry in value)
            yield "]"
        else:
            yield f"{name} = {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(name)} = {_value(entry)}" for name, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, (bool, int)):
        return str(value).lower()
    text = str(value).encode("utf-8", "replace").decode()
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)
