"""Running the program once more, where it can change nothing that is there."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import IO
from urllib.parse import unquote, urlsplit

from autotrack import launch
from autotrack.errors import AutotrackError
from autotrack.reproduce import apart
from autotrack.reproduce.apart import View
from autotrack.reproduce.aside import cover, exposed, put_aside, undisturbed
from autotrack.reproduce.places import is_below
from autotrack.reproduce.plan import CELLS, LENT, SHARE, Plan, is_script

_SET_CHILD_SUBREAPER = 36
_READ_ONLY = os.strerror(errno.EROFS)
PATIENCE = 5.0
"""Seconds that a program has to end once it was asked to."""


class NotStarted(AutotrackError):
    """The program could not be started."""


def run(made: Plan, *, current: bool, timeout: float | None, say: Callable[[str], None]) -> int:
    """Run it, and record that in `<place>/.autotrack`; returns its exit code.  `say` is told what is being done.
    Raises NotStarted, NotInstallable, StoreError, OSError."""
    view = lay_out(made)
    python = sys.executable
    if not current and made.packages is not None:
        say(f"installing {len(made.packages.requirements())} packages")
        python = made.packages.install(os.path.join(made.place, "env"), os.path.join(made.place, "install.log"))
    variables = launch.environment(made.variables)
    variables |= {"AUTOTRACK_DIR": os.path.join(made.place, ".autotrack"), "AUTOTRACK_QUIET": "1"}
    variables |= {"AUTOTRACK_DISABLED": "0", "AUTOTRACK_SKIP": ""}
    paths = [path for path in (variables["PYTHONPATH"], *_on_the_path(made), *_edited_in_place(made)) if path]
    variables["PYTHONPATH"] = os.pathsep.join(paths)
    if not current:
        variables["PATH"] = os.path.dirname(python) + os.pathsep + variables.get("PATH", "")
    command = [python, *made.argv[1:]]
    if len(command) > 1 and is_script(made, command[1]):
        command[1] = os.path.join(os.path.dirname(python), os.path.basename(command[1]))
    left, output = exposed(made, view), os.path.join(made.place, "output.log")
    if not view.rest:
        kept = os.path.join(made.place, "aside")
        say(f"it can change what is here: only what is on record as written or read is kept, in {kept}, and put back")
    say(f"running {' '.join(command[1:])}")
    with put_aside(left, made.place), open(output, "wb") as log:
        if view.rest or view.folders or view.covered:
            command = apart.words(view, os.path.join(made.place, "view.json"), command)
        code = _run(command, made.cwd if os.path.isdir(made.cwd) else made.place, variables, log, timeout)
    _check(output, code, (made.job["exit"] or {}).get("code"), view)
    return code


def _check(output: str, code: int, before: int | None, view: View) -> None:
    """Raises NotStarted where it is our doing that the program failed."""
    if code in (0, before):
        return
    with open(output, encoding="utf-8", errors="replace") as told:
        text = told.read().strip()
    words = text.rpartition("\n")[2]
    if code == apart.FAILED and words.startswith("autotrack: "):
        raise NotStarted(f"{words.removeprefix('autotrack: ')} (try --no-own-view)")
    if view.rest and _READ_ONLY in words:
        raise NotStarted(
            f"it writes where nothing of it is on record, which can only be read here; all of it: {output}; "
            f"--no-own-view lets it: {words.strip()}"
        )


def _run(command: list[str], cwd: str, variables: dict[str, str], log: IO[bytes], timeout: float | None) -> int:
    _adopt()
    try:
        process = subprocess.Popen(
            command, cwd=cwd, env=variables, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            start_new_session=True, preexec_fn=apart.end_with_parent,
        )  # fmt: skip
    except OSError as error:
        raise NotStarted(f"{command[0]} can't be started: {error.strerror}") from None
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        raise NotStarted(f"the program was still running after {timeout:g} s (--timeout)") from None
    finally:
        with undisturbed():
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it with the processes that it has started, also those that went their own way."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
    until = time.monotonic() + PATIENCE
    while (left := _descendants()) and time.monotonic() < until:
        for child in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, os.WNOHANG)


def _adopt() -> None:
    """Let processes whose parent has gone be ours, on Linux."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1)


def _descendants() -> list[int]:
    """The processes that came of this one; none where the system does not list them."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
    found = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {os.getpid()})


def lay_out(made: Plan) -> View:
    """Write the code and the inputs into the fresh folder; returns what the program is to see.  Raises StoreError,
    OSError."""
    assert made.snapshot is not None
    view = View(made.cwd, made.place)
    made.snapshot.write(os.path.join(made.place, "code"))
    for part in made.parts:
        part.write(os.path.join(made.place, "code"), beside=True)
    os.makedirs(os.path.join(made.place, ".autotrack"), exist_ok=True)  # if nothing is recorded, too
    if made.cells:
        with open(os.path.join(made.place, CELLS), "w", encoding="utf-8") as file:
            json.dump(made.cells, file)
    fresh = made.places.fresh(made.job["cwd"] or "/")
    if fresh is not None:
        os.makedirs(fresh, exist_ok=True)
    for written, wanted in made.places.within():
        shutil.copytree(written, wanted, symlinks=True, dirs_exist_ok=True)
    for one in made.inputs:
        target = made.places.fresh(one.path)
        if target is None and one.source not in (None, one.path):  # a copy is to be had, elsewhere
            target = cover(made, view, one.path)
            if target is None:
                raise NotStarted(f"{one.path} is gone, and the program finds it there alone: copy {one.source} to it")
        if target is None or one.source is None or one.state in ("kept", "missing") or os.path.lexists(target):
            continue
        target = os.path.realpath(target)  # past links of the program's
        if not is_below(target, made.place):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        take = functools.partial(_take, view, made)
        if one.folder:
            _take_all(one.source, target, take)
        else:
            take(one.source, target)
    _make_folders(made)
    view.folders, view.over = list(made.places.mounts()), made.over
    return view


def _take_all(source: str, target: str, take: Callable[[str, str], str]) -> None:
    for folder, _, names in os.walk(source):
        there = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(there, exist_ok=True)
        for name in names:
            take(os.path.join(folder, name), os.path.normpath(os.path.join(there, name)))


def _take(view: View, made: Plan, source: str, target: str) -> str:
    """Copy an input, or lend it where it is large and the program never wrote to it."""
    old = made.places.path_of(target)
    if not os.path.isfile(source):  # a link that leads nowhere, a pipe
        return target
    size = os.path.getsize(source)
    if size >= LENT and old is not None and old not in made.written and made.places.apart:
        with open(target, "wb"):
            view.files.append((os.path.abspath(source), target))
    elif not made.places.apart and size > SHARE * shutil.disk_usage(made.place).free:
        raise NotStarted(f"there is no room for a copy of {source} in {made.place}: choose another place with --out")
    else:
        shutil.copy2(source, target)
    return target


def _make_folders(made: Plan) -> None:
    """Make the folders that the program wrote to, unless it must make them itself."""
    for path in made.written if made.folders_may_be_there else ():
        target = made.places.fresh(path)
        real = os.path.realpath(target) if target is not None else made.place
        if is_below(real, made.place):
            os.makedirs(os.path.dirname(real), exist_ok=True)


def _on_the_path(made: Plan) -> Iterator[str]:
    """Where modules that were imported from outside are found, where they can't be at their own place."""
    assert made.snapshot is not None
    files = {entry.path for entry in made.snapshot.files()}
    for part in made.snapshot.about.get("also") or ():
        folder = f"@{part['root'].rstrip('/')}"
        if f"{folder}/__init__.py" not in files:  # else a package, which is found in the folder around it
            yield os.path.join(made.place, "code", folder)
        while f"{folder}/__init__.py" in files:
            folder = folder.rpartition("/")[0]
            if f"{folder}/__init__.py" not in files:
                yield os.path.join(made.place, "code", folder)


def _edited_in_place(made: Plan) -> Iterator[str]:
    """Where the modules are of the program's own packages that were installed to be edited in their folder."""
    for source in (made.job.get("sources") or {}).values():
        place = unquote(urlsplit(str(source.get("url", ""))).path)
        if source.get("editable") and made.places.fresh(place) is not None:
            for folder in (os.path.join(place, "src"), place):
                if os.path.isdir(str(made.places.fresh(folder))):
                    yield made.places.seen(folder)
