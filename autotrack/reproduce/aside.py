"""What the program could write to where it lies: it is covered, so that what is written lands in the fresh folder, or
put aside while the program runs, and back."""

from __future__ import annotations

import contextlib
import filecmp
import itertools
import os
import re
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Collection, Iterator

from autotrack.reproduce.apart import TEMPORARY, View, mounted
from autotrack.reproduce.places import is_below
from autotrack.reproduce.plan import SHARE, Plan
from autotrack.store import StoreError

_OF_LIBRARIES = re.compile(r"CACHE|_(HOME|DIR|DATA|ROOT)$")
"""Variables that may name a folder in which libraries keep something."""
_WHOLE = ("/tmp", "/usr", "/etc", "/dev", "/proc")
SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT
"""By which people and systems end programs."""
MOST = 10_000
"""Files of a folder that are looked at."""


def exposed(made: Plan, view: View) -> list[str]:
    """The files and folders that the program wrote to or read that neither its fresh folders nor covered ones, which
    are added to the view, keep from it now."""
    found: dict[str, None] = {}
    for path in made.written:
        fresh = made.places.fresh(path)
        behind = made.places.behind_links(path)
        if behind is not None:
            found[behind] = None
        if made.places.bound(path) is None:
            found |= dict.fromkeys((path, os.path.realpath(path)))
        if fresh is None:  # where it is by its path relative to the folder that the program is started in
            relative = os.path.relpath(path, made.job["cwd"] or "/")
            found[os.path.realpath(os.path.join(made.cwd, relative))] = None
    own = os.path.realpath(made.place)
    outside = [path for path in found if not is_below(path, own) and made.places.bound(path) is None]
    laid_out = {path: cover(made, view, path) for path in outside}
    left, read = [path for path, place in laid_out.items() if place is None], list[str]()
    for one in made.inputs:  # which it may remove
        seen_there = made.places.bound(one.path) is None and os.path.exists(one.path)
        if seen_there and cover(made, view, one.path, needed=False) is None and not is_below(one.path, own):
            read.append(one.path)
    if made.places.apart:
        _shut(made, view, left)
    _hide(made, view, {path: place for path, place in laid_out.items() if place is not None})
    writable = (*TEMPORARY, *view.open) if view.rest else ("/",)
    return [*left, *(path for path in read if any(is_below(path, folder) for folder in writable))]


def _shut(made: Plan, view: View, left: list[str]) -> None:
    """Let all else only be read, but for the folders of what is `left` as it is, and home: libraries write there."""
    home, used = os.path.realpath(os.path.expanduser("~")), {os.path.dirname(path) for path in left}
    if home != "/" and os.path.isdir(home) and _cover(made, view, home, home, False) is None:
        used.add(home)
    for name, folder in made.variables.items():
        if _OF_LIBRARIES.search(name) and os.path.isabs(folder) and os.path.isdir(folder):
            _cover(made, view, folder, folder, False)
    view.open = sorted(folder for folder in used if not any(is_below(folder, one) for one in TEMPORARY))
    view.rest = "/" not in view.open
    if view.open:
        made.notes.append(f"what it writes to {', '.join(view.open)} where it had written nothing stays there")


def cover(made: Plan, view: View, path: str, *, needed: bool = True) -> str | None:
    """Where something is laid out that the program is to see at a path; None where that can't be.  Covered is, if that
    can be, the folder above the one that the file lies in: the program may remove that, and make it anew."""
    inner = os.path.dirname(path)
    while not os.path.isdir(inner):
        inner = os.path.dirname(inner)
    for folder in (os.path.dirname(inner), inner):
        if folder == inner or (os.path.dirname(path) == inner and os.stat(folder).st_dev == os.stat(inner).st_dev):
            place = _cover(made, view, folder, path, needed)
            if place is not None:
                return place
    return None


def _cover(made: Plan, view: View, folder: str, path: str, needed: bool) -> str | None:
    if not made.covers or made.places.bound(folder) is not None:
        return None
    home = os.path.realpath(os.path.expanduser("~"))
    others = (made.place, *(() if folder == home else (home, sys.prefix, sys.base_prefix)), *_WHOLE)
    if any(is_below(other, folder) for other in others) or os.path.realpath(folder) != folder:
        return None
    if any(place != folder and is_below(place, folder) for place in mounted()):  # which would not be seen
        return None
    if any(sign in folder + made.place for sign in ":,\\"):  # which the kernel's options give a meaning
        return None
    covered = next((one for one in view.covered if is_below(folder, one[0])), None)
    if covered is None:
        if any(is_below(one[0], folder) for one in view.covered):
            return None
        upper = os.path.join(made.place, "outside", folder.lstrip("/"))
        work = os.path.join(made.place, "work", str(len(view.covered)))
        for new in (upper, work):
            os.makedirs(new)
        covered = folder, upper, work, needed
        view.covered.append(covered)
    elif needed and not covered[3]:
        view.covered[view.covered.index(covered)] = (*covered[:3], True)
    return os.path.join(covered[1], os.path.relpath(path, covered[0]))


def _hide(made: Plan, view: View, laid_out: dict[str, str]) -> None:
    """Let the program not find what only came of it, files and folders that hold nothing else: a device of this number
    stands for what is not there."""
    inputs, roots = {one.path for one in made.inputs}, {covered[1] for covered in view.covered}
    for path, place in laid_out.items():
        if os.path.exists(path) and path not in inputs:
            folder = os.path.dirname(path)
            if os.path.isdir(path) and not made.makes_folders:
                continue
            whole = os.path.dirname(place) not in roots and made.makes_folders
            if whole and _holds_only(folder, laid_out.keys() - inputs):
                place = os.path.dirname(place)
            with contextlib.suppress(OSError):
                os.makedirs(os.path.dirname(place), exist_ok=True)
                os.mknod(place, stat.S_IFCHR, os.makedev(0, 0))


def _holds_only(folder: str, paths: Collection[str]) -> bool:
    with os.scandir(folder) as entries:
        return all(entry.path in paths for entry in itertools.islice(entries, MOST + 1))


@contextlib.contextmanager
def put_aside(paths: list[str], place: str) -> Iterator[None]:
    """Keep a copy of what lies at these paths, and put it back where it was changed; what came instead goes to
    `<place>/outside/`.  Raises StoreError where something can't be put back, or there is no room to keep it, OSError
    where it can't be copied."""
    with _alone() if paths else contextlib.nullcontext():
        ours = _files(paths)
        _make_sure_of_room(ours, place)
        kept = {path: _Kept(path, os.path.join(place, "aside", str(at))) for at, path in enumerate(ours)}
        try:
            yield
        finally:
            with undisturbed():
                _put_back(kept, paths, place)


def _make_sure_of_room(paths: list[str], place: str) -> None:
    size = sum(os.lstat(path).st_size for path in paths if os.path.isfile(path))
    if size > SHARE * shutil.disk_usage(place).free:
        raise StoreError(
            f"there is no room in {place} for a copy of the {size:,} bytes that the program could change where they "
            "are; choose another place with --out"
        )


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other program is run once more that needs something put aside: it may be the same."""
    import fcntl

    with open(os.path.join(tempfile.gettempdir(), f"autotrack-aside-{os.getuid()}.lock"), "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let signals wait: half of a file must not be left."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _put_back(kept: dict[str, _Kept], paths: list[str], place: str) -> None:
    failed = []
    for path in kept | dict.fromkeys(_files(paths)):
        try:
            kept.get(path, _Kept(None, "")).put_back(path, os.path.join(place, "outside", path.lstrip("/")))
        except OSError as error:
            failed.append(f"{path}: {error.strerror}")
    if failed:
        told = "; ".join(failed)
        raise StoreError(f"not put back as it was: {told}; copies are in {os.path.join(place, 'aside')}")
    _tidy(place)


def _files(paths: list[str]) -> list[str]:
    """These files, and those in these folders."""
    below = [os.path.join(place, name) for path in paths for place, _, names in os.walk(path) for name in names]
    above = [place for path in paths for place in _above(path) if os.path.lexists(place) and not os.path.isdir(place)]
    return list(dict.fromkeys([*above, *(path for path in paths if not os.path.isdir(path)), *below]))


def _above(path: str) -> Iterator[str]:
    while (folder := os.path.dirname(path)) != path:
        yield folder
        path = folder


class _Kept:
    """A file as it is, or that there is none; of what is neither file nor link, nothing is kept."""

    def __init__(self, path: str | None, copy: str) -> None:
        self._copy: str | None = None
        self._owner: tuple[int, int] | None = None
        self._state = _state(path) if path is not None else None
        if path is not None and self._state is not None and _is_ordinary(path):
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy2(path, copy, follow_symlinks=False)
            self._copy, told = copy, os.lstat(path)
            self._owner = told.st_uid, told.st_gid

    def put_back(self, path: str, outside: str) -> None:
        if self._state is not None and self._copy is None:
            return
        now = _state(path)
        if now is not None and now != self._state and (self._copy is not None or not os.path.isdir(path)):
            os.makedirs(os.path.dirname(outside), exist_ok=True)
            same = self._state is not None and now[0] == self._state[0] and stat.S_ISREG(os.lstat(path).st_mode)
            if same and self._copy is not None:  # written in place: it may have other names
                shutil.copy2(path, outside)
                if not filecmp.cmp(self._copy, path, shallow=False):
                    shutil.copyfile(self._copy, path)
                shutil.copystat(self._copy, path)
                return
            if _is_ordinary(path) or self._copy is not None:
                shutil.move(path, outside)
                now = None
        if self._copy is not None and now is None:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if self._owner is not None:
                with contextlib.suppress(OSError):
                    os.chown(self._copy, *self._owner, follow_symlinks=False)
            shutil.move(self._copy, path)


def _is_ordinary(path: str) -> bool:
    mode = os.lstat(path).st_mode
    return stat.S_ISREG(mode) or stat.S_ISLNK(mode)


def _state(path: str) -> tuple[int, int, int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_mode


def _tidy(place: str) -> None:
    """Remove what the mounts have left: the folders that the kernel worked with, and what stood for hidden files."""
    work = os.path.join(place, "work")
    for folder, names, _ in os.walk(work):
        for name in names:
            with contextlib.suppress(OSError):
                os.chmod(os.path.join(folder, name), 0o700)
    shutil.rmtree(work, ignore_errors=True)
    shutil.rmtree(os.path.join(place, "aside"), ignore_errors=True)
    for folder, _, files in os.walk(os.path.join(place, "outside")):
        for name in files:
            path = os.path.join(folder, name)
            if stat.S_ISCHR(os.lstat(path).st_mode):
                os.unlink(path)
