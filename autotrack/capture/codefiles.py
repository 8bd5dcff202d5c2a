"""Which files are a program's code: all of the git work tree that it lies in, as it is; without one, the program and
what it has imported.

Of a work tree: every file that git tracks, of its submodules too, and those that are neither tracked nor ignored, as
far as they look like code or settings.  Results of earlier jobs, data, models, pictures and archives are none, nor are
files that are made to hold secrets.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import stat
import sys
from collections.abc import Collection, Generator, Iterator
from typing import NamedTuple

from autotrack import libraries
from autotrack.capture import environment, worktree
from autotrack.capture.ignored import Ignored
from autotrack.capture.worktree import Tree
from autotrack.patterns import lazily

TRACKED, UNTRACKED = 16 << 20, 1 << 20
"""Bytes of a file that is kept."""
FILES, BYTES = 20_000, 256 << 20
"""Files of a snapshot, and their bytes."""
DEPTH = 40
"""Folders within one another."""
MANY, FOLDERS = 5_000, 10_000
"""Entries of a folder, and folders, that are looked at; beyond them only at what git tracks."""

_FOLDERS = frozenset(
    "__pycache__ node_modules site-packages .git .hg .svn .tox .nox .eggs .ipynb_checkpoints .pytest_cache .mypy_cache "
    ".ruff_cache .cache .idea .vscode wandb mlruns lightning_logs tb_logs".split()
)
"""Folders that hold no code, unless git tracks something in them."""
_DATA = frozenset(
    "csv tsv parquet feather arrow orc avro npy npz mat h5 hdf5 nc zarr db sqlite sqlite3 pkl pickle joblib pt pth "
    "ckpt keras safetensors onnx pb tflite bin model ubj gguf tfrecord tfrecords rec lmdb jpg jpeg png gif bmp tif "
    "tiff webp svg pdf wav mp3 flac ogg mp4 avi mkv webm zip tar gz tgz bz2 xz zst 7z rar jsonl ndjson log out err so "
    "o a dylib dll exe whl pyc pyo class jar swp tmp bak dvi aux".split()
)
"""What a name ends in that is no code, unless git tracks it."""
_SECRET = lazily(
    r"(^|/)(\.env(\..+)?|[._]?netrc(\.\w+)?|\.pypirc|\.npmrc|\.htpasswd|\.?pgpass(\.\w+)?|\.?git-credentials(\.\w+)?|"
    r"kaggle\.json|kubeconfig|\.my\.cnf|\.boto|\.s3cfg|rclone\.conf|\.dockercfg|\.dockerconfigjson|\.cdsapirc|"
    r"[\w.-]*tokens?|passwords?(\.\w+)?|vault\.\w+|"
    r"id_(rsa|dsa|ecdsa|ed25519)|credentials(\.\w+)?|secrets?\.\w+|service[-_]account.*\.json|.+\.(pem|key|p12|pfx|jks|"
    r"keystore|kdbx|asc|gpg))$",
    re.IGNORECASE,
)


class Found(NamedTuple):
    """A file of the program's code."""

    path: str
    """With slashes, relative to the root."""
    place: str
    status: os.stat_result
    tracked: bool


class Omitted(NamedTuple):
    """What would have been code but for something."""

    path: str
    why: str


def of_tree(tree: Tree, outputs: Collection[str], own: str) -> Iterator[Found | Omitted | None]:
    """The files of a work tree.  None now and then, when some time has passed.  `outputs` are the paths that jobs have
    written, `own` is the folder that is recorded into."""
    yield from _walk(tree, outputs, own, itertools.count(), "", 0)


def _walk(
    tree: Tree, outputs: Collection[str], own: str, seen: itertools.count[int], prefix: str, depth: int
) -> Iterator[Found | Omitted | None]:
    tracked, folders = yield from _tracked(tree)
    walk = _Walk(tree, outputs, own, seen, prefix, tracked, folders)
    yield from walk.tracked()  # of which nothing is left out for want of room or time
    yield from walk.folder("", depth)


class _Walk:
    def __init__(
        self, tree: Tree, outputs: Collection[str], own: str, seen: itertools.count[int], prefix: str,
        tracked: dict[str, int], folders: set[str],
    ) -> None:  # fmt: skip
        self._tree, self._outputs, self._own, self._seen, self._prefix = tree, outputs, own, seen, prefix
        self._tracked, self._folders = tracked, folders
        self._ignored = Ignored(tree)

    def folder(self, folder: str, depth: int, ignored: bool = False) -> Iterator[Found | Omitted | None]:
        """What is in a folder and not tracked; of one that is `ignored`, or made to hold no code, only repositories
        that are tracked."""
        try:
            with os.scandir(os.path.join(self._tree.root, folder)) as listed:
                entries = list(itertools.islice(listed, MANY + 1))
        except OSError as error:
            yield Omitted(self._prefix + folder, f"it can't be read: {error.strerror}")
            return
        if len(entries) > MANY or next(self._seen) > FOLDERS:
            yield Omitted(self._prefix + folder, "there is so much in it that only what git tracks is looked at")
            return
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    yield from self._below(entry, path, depth, ignored)
                else:
                    found = self._file(entry, path, ignored)
                    if found is not None:
                        yield found
            except FileNotFoundError:
                continue
            except OSError as error:
                yield Omitted(self._prefix + path, f"it can't be read: {error.strerror}")
        yield None

    def tracked(self) -> Iterator[Found | Omitted | None]:
        """The files that git tracks."""
        for path, mode in self._tracked.items():
            if mode == worktree.MODULE:
                continue
            place, shown = os.path.join(self._tree.root, path), self._prefix + path
            try:
                status = os.lstat(place)
            except FileNotFoundError:
                continue
            except OSError as error:
                yield Omitted(shown, f"it can't be read: {error.strerror}")
                continue
            if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
                long = status.st_size > TRACKED
                yield Omitted(shown, f"more than {TRACKED:,} bytes") if long else Found(shown, place, status, True)
            yield None

    def _below(self, entry: os.DirEntry[str], path: str, depth: int, ignored: bool) -> Iterator[Found | Omitted | None]:
        if entry.name == ".git" or entry.path == self._own:
            return
        tracked = path in self._folders
        module = self._tracked.get(path) == worktree.MODULE
        ignored = ignored or _holds_no_code(entry) or self._ignored(path, folder=True)
        if ignored and not tracked and not module:
            return
        if depth >= DEPTH:
            yield Omitted(self._prefix + path, f"it lies more than {DEPTH} folders deep")
        elif os.path.exists(os.path.join(entry.path, ".git")):  # a submodule, or a repository within
            inner = environment.work_tree(entry.path)
            if inner is not None:
                yield from _walk(inner, self._outputs, self._own, self._seen, f"{self._prefix}{path}/", depth + 1)
        else:
            yield from self.folder(path, depth + 1, ignored)

    def _file(self, entry: os.DirEntry[str], path: str, ignored: bool) -> Found | Omitted | None:
        shown = self._prefix + path
        if ignored or entry.name == ".git" or path in self._tracked:
            return None
        _, dot, kind = entry.name.rpartition(".")
        if (dot and kind.lower() in _DATA) or entry.path in self._outputs or self._ignored(path, folder=False):
            return None
        if made_for_secrets(path):
            return Omitted(shown, "its name says that it holds secrets, and git does not track it")
        status = entry.stat(follow_symlinks=False)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode)):
            return None
        if status.st_size > UNTRACKED:
            return Omitted(shown, f"more than {UNTRACKED:,} bytes")
        return Found(shown, entry.path, status, False)


def _tracked(tree: Tree) -> Generator[None, None, tuple[dict[str, int], set[str]]]:
    """Path to mode of the entries of git's index, and the folders that they lie in; nothing where it can't be read."""
    tracked: dict[str, int] = {}
    folders: set[str] = set()
    with contextlib.suppress(OSError):
        for number, (name, mode) in enumerate(worktree.entries(tree)):
            path = folder = os.fsdecode(name)
            tracked[path] = mode
            while (folder := folder.rpartition("/")[0]) and folder not in folders:
                folders.add(folder)
            if number % worktree.ENTRIES == 0:
                yield
    return tracked, folders


def _holds_no_code(entry: os.DirEntry[str]) -> bool:
    return entry.name in _FOLDERS or any(
        os.path.exists(os.path.join(entry.path, mark)) for mark in ("pyvenv.cfg", "conda-meta")
    )


def changed_ns(content: int, inode: int) -> int:
    """When a file was changed, by the times of change of its content and of its inode: the first can be set to
    whatever a program likes, the second is that of the creation on Windows."""
    return min(content, inode) if os.name == "posix" else content


def made_for_secrets(path: str) -> bool:
    """Whether files of this name hold passwords or keys."""
    return _SECRET.search(path) is not None


def imported() -> list[str]:
    """The files of the program and of the modules that it has imported from outside of the libraries."""
    ours = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
    found = dict[str, None]()
    for name, module in list(sys.modules.items()):
        path = libraries.file_of(module)
        if path is None or not os.path.isabs(path) or name.partition(".")[0].startswith("autotrack_"):
            continue  # `torch.ops` says that it is `_ops.py`
        place = os.path.abspath(path)
        if not place.startswith(ours) and not libraries.holds(place):
            found[place] = None
    return list(found)
