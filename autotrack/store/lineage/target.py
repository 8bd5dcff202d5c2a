"""What a person means by the name of something that is to be traced."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from autotrack.identity import files
from autotrack.plugins import hooks, ready
from autotrack.store.database import Ambiguous, Database, NotFound
from autotrack.store.lineage.nodes import AT_PATH, EMPTY
from autotrack.store.lineage.trace import FileNow, Known, Within
from autotrack.values import storable

if TYPE_CHECKING:
    from autotrack.store.query import Store

FILES = 10_000
"""Files of a folder that are looked at."""
BEGINNING = 6
"""Digits by which a digest is known at least."""


def targets(store: Store, database: Database, name: str, *, here: bool = True) -> list[FileNow | Known]:
    """What a name stands for: a file or folder that is here, unless these are not to be looked at, a run or job, the id
    of a dataset or model or the digest of a file, or the beginning of one, or the path of a file that is gone.  Raises
    NotFound, Ambiguous, OSError."""
    if here and os.path.isdir(name):
        return _of_folder(store, database, name)
    if here and os.path.isfile(name):
        return [_of_file(store, database, name)]
    if here and os.path.exists(name):
        raise NotFound(f"{name} is a device, a pipe or a socket: it has no content of its own that could be known")
    if ":" not in name:
        try:
            return [Known(*store.resolve(name))]
        except NotFound:
            pass
    begun = _beginning(database, name)
    if len(begun) > 1:
        raise Ambiguous(f"{name!r} may be any of {', '.join(one.id for one in begun[:5])}; give more of it")
    if begun:
        return [*begun]
    gone = _by_path(database, os.path.abspath(name))
    if gone is not None:
        return [gone]
    raise NotFound(
        f"{name!r} is no file or folder here, no run or job, and no dataset, model or file that is recorded; see the "
        "runs with: autotrack ls"
    )


def _of_file(store: Store, database: Database, path: str) -> FileNow:
    digest, size = files.digest_file(path, files.Cache(store.folder.root))
    if digest == EMPTY:
        sql, here = f"SELECT 1 FROM files WHERE {AT_PATH} AND digest = ?", storable(os.path.abspath(path))
        if database.row(sql, (here, here, digest)):
            return FileNow(digest, os.path.abspath(path), size)
        raise NotFound(f"{path} is empty, and no program that is recorded here has left or met it so")
    if database.row("SELECT 1 FROM files WHERE digest = ? LIMIT 1", (digest,)):
        return FileNow(digest, os.path.abspath(path), size)
    model = _model_in(path)
    if model is not None and is_model(database, model):
        return FileNow(digest, os.path.abspath(path), size, model)
    here = os.path.abspath(path)
    folder = _folder_of(store, database, here)
    if folder is not None:
        return FileNow(digest, here, size, None, folder)
    gone = _by_path(database, here)
    before = f"; what lay there when a program met it held something else: autotrack trace {gone.id}" if gone else ""
    raise NotFound(
        f"no program that is recorded here has read or written {path}, nor a file of the same content ({digest})"
        f"{before}"
    )


def _folder_of(store: Store, database: Database, path: str) -> Within | None:
    """The folder in which a job has met a file as one of many."""
    if not database.row("SELECT 1 FROM files WHERE kind = 'folder' LIMIT 1"):
        return None
    folder = os.path.dirname(path)
    while True:
        known = _met_as_folder(database, folder)
        if known is not None:
            return Within(known, "part_of", known.id not in _manifests(store, folder))
        if folder == os.path.dirname(folder):
            return None
        folder = os.path.dirname(folder)


def _met_as_folder(database: Database, folder: str) -> Known | None:
    sql = f"{AT_PATH} AND kind = 'folder' AND digest IS NOT NULL ORDER BY time DESC LIMIT 1"
    row = database.row(f"SELECT digest FROM files WHERE {sql}", [storable(folder)] * 2)
    return Known("file", row[0], folder) if row is not None else None


def _manifests(store: Store, folder: str) -> list[str]:
    """What a folder may be known by: what is opened one by one, and what is read as a whole."""
    cache = files.Cache(store.folder.root)
    own = sorted(name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name)))
    return [files.manifest(folder, names, cache).digest for names in (own, sorted(files.below(folder)))]


def _model_in(path: str) -> str | None:
    """The identity of the model in a file that no job has met, where a plugin can read one."""
    ready()
    found = hooks.call("autotrack_identity", obj=os.path.abspath(path))
    return found if isinstance(found, str) else None


def is_model(database: Database, identity: str) -> bool:
    """Whether a model is on record."""
    sql = "SELECT 1 FROM {} WHERE model = ? LIMIT 1"
    return any(database.row(sql.format(table), (identity,)) for table in ("runs", "files"))


def _of_folder(store: Store, database: Database, name: str) -> list[FileNow | Known]:
    """The files of a folder that are known, and the folder itself where a job has met its files as one."""
    folder = os.path.abspath(name)
    cache, digests = files.Cache(store.folder.root), dict[str, str]()
    everything = sorted(os.path.join(at, each) for at, _, names in os.walk(folder) for each in names)
    met = _paths_below(database, folder)
    paths = [*(path for path in everything if storable(path) in met), *everything][:FILES]  # these before all others
    for path in paths:
        if os.path.isfile(path):
            digests.setdefault(files.digest_file(path, cache)[0], path)
    manifests: list[str] = []
    if database.row("SELECT 1 FROM files WHERE kind = 'folder' LIMIT 1"):
        manifests = _manifests(store, folder)
        digests |= dict.fromkeys(manifests, folder)
    rows = database.within("SELECT DISTINCT digest FROM files WHERE digest IN ({in})", list(digests))
    found: list[FileNow | Known] = [FileNow(digest, digests[digest]) for (digest,) in rows]
    before = _met_as_folder(database, folder)
    if before is not None and manifests and before.id not in manifests:  # it is not as it was
        found.append(FileNow(manifests[0], folder, within=Within(before, "derived", True)))
    if not found:
        some = f"the first {FILES:,} of {len(everything):,} files" if len(everything) > FILES else "no file"
        none = f"none of {some}" if len(everything) > FILES else some
        raise NotFound(f"{none} in {name} was written or read by a program that is recorded here")
    return found


def _paths_below(database: Database, folder: str) -> set[str]:
    begin = storable(os.path.join(folder, ""))
    sql = "SELECT DISTINCT path FROM files WHERE substr(path, 1, 600) BETWEEN ? AND ?"
    if len(begin) >= 600:
        return set()
    return {path for (path,) in database.rows(sql, (begin, begin + chr(0x10FFFF)))}


def _beginning(database: Database, name: str) -> list[Known]:
    """The datasets, models and files whose ids begin so; the scheme before the last colon may be left out."""
    digits = name.rpartition(":")[2]
    if len(digits) < BEGINNING or not all(digit in "0123456789abcdef" for digit in digits):
        return []
    schemes = [name[: -len(digits)]] if ":" in name else ["blake3:", "xxh3:2:", "xxh3:1:", "blake3-manifest:"]
    found: dict[Known, None] = {}
    for begin in [scheme + digits for scheme in schemes]:
        for kind, table, column in _NAMED:
            sql = f"SELECT DISTINCT {column} FROM {table} WHERE {column} BETWEEN ? AND ? LIMIT 6"
            found |= {Known(kind, id): None for (id,) in database.rows(sql, (begin, begin + chr(0x10FFFF)))}
    return list(found)


_NAMED = (
    ("data", "datasets", "data"), ("model", "runs", "model"), ("model", "files", "model"), ("file", "files", "digest"),
)  # fmt: skip


def _by_path(database: Database, path: str) -> Known | None:
    sql = f"SELECT digest FROM files WHERE {AT_PATH} AND digest IS NOT NULL ORDER BY time DESC LIMIT 1"
    row = database.row(sql, [storable(path)] * 2)
    return Known("file", row[0], path) if row is not None else None
