"""Files elsewhere: by their URL, and by the version that the program's own file system has been told of.

Nothing is asked for: what a server has not said as the program opened a file stays unknown.

Not seen: what `fsspec` fetches as a whole without opening it (`cat`, `get`), and what it stores so (`pipe`, `put`).
"""

from __future__ import annotations

import functools
import sys
import weakref

from autotrack import shield
from autotrack.entries import Entry
from autotrack.frames import transparent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from autotrack.capture.files import Files

KEPT = 10_000
"""URLs of which it is kept what servers have said."""
HTTP = "fsspec.implementations.http"

_VERSIONS = ("VersionId", "version_id", "versionId", "generation", "ETag", "etag", "e_tag", "md5Hash", "content_md5",
             "Content-MD5", "Digest")  # fmt: skip
_TIMES = ("Last-Modified", "LastModified", "last_modified", "mtime", "modified")
_SIZES = ("size", "Content-Length")
_BELOW = frozenset(("file", "local", "dir", "zip", "tar", "libarchive", "reference", "data"))
"""File systems that have their files from others, which are seen, or from this machine."""


def given(args: tuple[Any, ...], kwargs: dict[str, Any], position: int, names: tuple[str, ...]) -> Any:
    """An argument of a call; None where there is none."""
    return args[position] if len(args) > position else next((kwargs[name] for name in names if name in kwargs), None)


def scheme(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """What paths begin with as URLs in the file system that a function of Arrow's was given; None where they are seen
    elsewhere, or unknown."""
    system = kwargs.get("filesystem") or next((value for value in args if _is_file_system(value)), None)
    if system is None:
        return ""
    kind = getattr(system, "type_name", None)
    if kind in ("s3", "gcs", "hdfs", "abfs"):
        return f"{kind}://"
    return "" if kind == "local" or type(system).__name__ == "LocalFileSystem" else None


def _is_file_system(value: Any) -> bool:
    return any(base.__name__ in ("FileSystem", "AbstractFileSystem") for base in type(value).__mro__)


def version_of(said: Mapping[str, Any]) -> tuple[str, str] | None:
    """What tells one version of a file from others, of what a server has said of it."""
    for name in _VERSIONS:
        value = said.get(name)
        if isinstance(value, (str, int)) and value not in ("", "null"):
            return name, str(value).replace('"', "")
    when = next(((name, said[name]) for name in _TIMES if said.get(name)), None)
    size = next((said[name] for name in _SIZES if said.get(name) is not None), None)
    return (f"{when[0]} and size", f"{when[1]}, {size}") if when is not None and size is not None else None


def opened(files: Files, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """`fsspec` has opened a file, of which it may know more by then."""
    system, path = args[0], given(args, kwargs, 1, ("path",))
    mode = given(args, kwargs, 2, ("mode",)) or "rb"
    if type(system).__module__ == "fsspec.implementations.cached":  # the file is of the system behind it
        system = object.__getattribute__(system, "__dict__").get("fs") or system
    protocol = type(system).protocol
    protocol = protocol if isinstance(protocol, str) else protocol[0]
    if "b" not in mode or protocol in _BELOW or not isinstance(path, str):  # a text is opened as bytes first
        return
    url = path if "://" in path else f"{protocol}://{path.lstrip('/')}"
    writing = any(sign in mode for sign in "wax+")
    held = getattr(result, "__dict__", {})
    version = None
    if not writing:
        places = (held.get("_details"), held.get("details"), files.said.get(_plain(url)), held)
        versions = [version_of(place) for place in places if isinstance(place, dict)]
        version = next((found for found in versions if found is not None), None)
    files.elsewhere(url, writing, version)


def answered(files: Files, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """pandas has opened a URL by `urllib`."""
    request = args[0] if args else kwargs.get("url")
    url = request if isinstance(request, str) else getattr(request, "full_url", None)
    if isinstance(url, str) and not url.startswith("file:"):
        files.elsewhere(url, False, version_of(result.headers))


def _plain(url: str) -> str:
    from urllib.parse import unquote

    return unquote(url)


def follow(files: Files) -> Iterator[Entry]:
    """Keep what servers say to `fsspec` of files, which its files of HTTP do not."""
    module = sys.modules[HTTP]
    original = vars(module).get("_file_info")
    if original is None:
        return
    reference = weakref.ref(files)

    @functools.wraps(original)
    async def informed(url: Any, *args: Any, **kwargs: Any) -> Any:
        said = await original(url, *args, **kwargs)
        shield.contain("files", note, str(url), said)
        return said

    def note(url: str, said: dict[str, Any]) -> None:
        files = reference()
        if files is not None and files.switch.on and len(files.said) < KEPT:
            files.said[_plain(url)] = dict(said)

    yield Entry(module, "_file_info", transparent(informed))
