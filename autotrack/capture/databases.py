"""Files that are opened to be read and perhaps written: of SQLite, DuckDB, HDF5; and those that queries name."""

from __future__ import annotations

import functools
import os
import re

from autotrack.capture.readers import named
from autotrack.capture.remote import given

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeAlias

    from autotrack.capture.files import Files

    Found: TypeAlias = "tuple[str | None, str | int, str]"
    """The path or, without one, the key of the parameter that is it; and how it is opened."""

_WORTH = re.compile(r"from|join|read_|scan|copy|attach|export|import|sniff|summarize|describe|pivot", re.IGNORECASE)
_TOKEN = re.compile(
    r"--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$\d+|\$[a-z]\w*(?!\$)|\w+|[^\s\w]",
    re.DOTALL | re.IGNORECASE,
)
LONGEST = 100_000
"""Characters of a query that is looked at."""


def opened(files: Files, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """`h5py.File`, `tables.File`: what mode it has says whether it is written to, or may be."""
    path, mode = given(args, kwargs, 1, ("name", "filename")), given(args, kwargs, 2, ("mode",)) or "r"
    if type(path) in (str, bytes) or _is_path(path):
        if mode == "r":
            files.touched(os.fsdecode(path), False)
            return
        if mode in ("a", "r+") and _holds(args[0]):  # what it held, it may hold no more
            files.touched(os.fsdecode(path), False, ())
        files.touched(os.fsdecode(path), True, ())


def _holds(file: Any) -> bool:
    """Whether there is something in a file that was just opened."""
    return bool(len(file) if hasattr(type(file), "__len__") else file.root._v_nchildren)


def _is_path(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "pathlib"


def connected(files: Files, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """`sqlite3.connect`, `duckdb.connect`."""
    path = given(args, kwargs, 0, ("database",))
    if type(path) is not str and not _is_path(path):
        return
    path, only_read = os.fspath(path), bool(given(args, kwargs, 1, ("read_only",)) is True)
    if kwargs.get("uri") and path.startswith("file:"):
        from urllib.parse import unquote

        path, _, options = path[5:].partition("?")
        path = "" if "mode=memory" in options else unquote(path[path.startswith("//") and 2 :])
        only_read = "mode=ro" in options or "immutable=1" in options
    if path and path[0] != ":" and not path.startswith("md:"):
        database(files, path, only_read)


def database(files: Files, path: str, only_read: bool) -> None:
    """A file that was read, and written to if it changes from here on; one that the job has made, written alone."""
    try:
        status = os.stat(path)
    except OSError:
        return
    state = status.st_ino, status.st_size, status.st_mtime_ns
    new = status.st_mtime >= files.begun or not status.st_size
    if only_read or not new:
        files.touched(path, False, state)
    if not only_read:
        files.touched(path, True, () if new else state)


def queried(files: Files, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """A query of DuckDB's: `execute`, `sql`."""
    if not files.outside():
        return
    texts = [value for value in (*args[:3], kwargs.get("query"), kwargs.get("sql_query")) if type(value) is str]
    values = next((value for value in (*args[1:], *kwargs.values()) if type(value) in (list, tuple, dict)), ())
    for query in texts:
        for path, how in paths(query, values):
            if how == "database":
                database(files, path, False)
            else:
                named(files, path, how == "written")


def paths(query: str, values: Any = ()) -> Iterator[tuple[str, str]]:
    """The files that a query names, and whether each is `read`, `written` or a `database`."""
    if len(query) > LONGEST:
        return
    for path, key, how in _found(query):
        value = path if path is not None else _at(values, key)
        if type(value) is str:
            yield value, how


@functools.lru_cache(maxsize=256)
def _found(query: str) -> tuple[Found, ...]:
    return tuple(_look(query)) if _WORTH.search(query) else ()


def _look(query: str) -> Iterator[Found]:
    """Where tables are named, as what is given first to functions that read, in COPY, ATTACH, IMPORT and EXPORT."""
    within: list[_Within] = []
    words: list[str] = []
    clauses = [""]
    """Of each of them, and outside of them all, the part of the query that is at."""
    count = 0
    for token in _TOKEN.findall(query):
        if token.startswith(("--", "/*")):
            continue
        if token == ";":
            words, clauses[-1] = [], ""
            continue
        text: str | None = None
        key: str | int | None = None
        if token[0] == "'":
            text = token[1:-1].replace("''", "'")
        elif token[0] == '"' and words and words[-1] in ("FROM", "JOIN"):
            text = token[1:-1] if "." in token or "/" in token else None
        elif token == "?":
            key, count = count, count + 1
        elif token[0] == "$" and len(token) > 1:
            key = int(token[1:]) - 1 if token[1:].isdigit() else token[1:]
        if token in ("(", "["):
            within.append(_Within(words[-1] if words and token == "(" else token, within[-1] if within else None))
            clauses.append("")
        elif token in (")", "]") and within:
            within.pop()
            clauses.pop()
        elif token == "," and within:
            within[-1].commas += 1
        how = _how(words, within, clauses[-1]) if text is not None or key is not None else ""
        if how:
            yield text, key or 0, how
        words.append(token.upper())
        if words[-1] in _CLAUSES:
            clauses[-1] = words[-1]


class _Within:
    """Parentheses or brackets that are open."""

    __slots__ = ("call", "commas", "name")

    def __init__(self, name: str, outer: _Within | None) -> None:
        self.name, self.commas = name, 0
        self.call: _Within | None = outer.call if name == "[" and outer is not None else self if name != "[" else None
        """The innermost ones that are no list."""


_TABLES = frozenset(("FROM", "JOIN", "SUMMARIZE", "DESCRIBE", "PIVOT", "UNPIVOT"))
"""After which a table is named."""
_CLAUSES = frozenset(
    ("SELECT", "FROM", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "QUALIFY", "UNION", "ON", "USING")
)


def _how(words: list[str], within: list[_Within], clause: str) -> str:
    before = words[-1] if words else ""
    call = within[-1].call if within else None
    if call is not None and call.commas == 0 and before in ("(", "[", ","):
        name = call.name.lower()
        return "read" if name.startswith(("read_", "sniff_")) or name.endswith("_scan") else ""
    if before in _TABLES or (before == "," and clause == "FROM"):
        return "read"
    if words[:1] == ["COPY"]:
        return "written" if before == "TO" else ""
    if before in ("DATABASE", "ATTACH", "EXISTS"):
        return {"EXPORT": "written", "IMPORT": "read", "ATTACH": "database"}.get(words[0], "")
    return ""


def _at(values: Any, key: str | int) -> Any:
    if isinstance(values, dict):
        return values.get(key)
    return values[key] if isinstance(key, int) and 0 <= key < len(values) else None
