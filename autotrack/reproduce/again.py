"""Running the program once more, where it can change nothing that is there."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator

from autotrack import launch
from autotrack.errors import AutotrackError
from autotrack.reproduce.plan import Plan, is_script, mapped_of
from autotrack.store import StoreError

LINKED = 64 << 20
"""Bytes of an input from which on it is linked into the fresh folder, not copied."""


class NotStarted(AutotrackError):
    """The program could not be started."""


def run(made: Plan, *, current: bool, timeout: float | None, say: Callable[[str], None]) -> int:
    """Run it, and record that in `<place>/.autotrack`; returns its exit code.  `say` is told what is being done.
    Raises NotStarted, NotInstallable, StoreError, OSError."""
    lay_out(made)
    python = sys.executable
    if not current and made.packages is not None:
        say(f"installing {len(made.packages.requirements())} packages")
        python = made.packages.install(os.path.join(made.place, "env"), os.path.join(made.place, "install.log"))
    variables = launch.environment(made.variables)
    variables |= {"AUTOTRACK_DIR": os.path.join(made.place, ".autotrack"), "AUTOTRACK_QUIET": "1"}
    paths = [path for path in (variables["PYTHONPATH"], *_elsewhere(made)) if path]
    variables["PYTHONPATH"] = os.pathsep.join(paths)
    if not current:
        variables["PATH"] = os.path.dirname(python) + os.pathsep + variables.get("PATH", "")
    words = [python, *made.argv[1:]]
    if len(words) > 1 and is_script(made, words[1]):
        words[1] = os.path.join(os.path.dirname(python), os.path.basename(words[1]))
    say(f"running {' '.join(words[1:])}")
    with _put_aside(made), open(os.path.join(made.place, "output.log"), "wb") as log:
        try:
            done = subprocess.run(
                words, cwd=made.cwd, env=variables, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                timeout=timeout, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise NotStarted(f"the program was still running after {timeout:g} s (--timeout)") from None
        except OSError as error:
            raise NotStarted(f"{words[0]} can't be started: {error.strerror}") from None
    return done.returncode


def lay_out(made: Plan) -> None:
    """Write the code and the inputs into the fresh folder.  Raises StoreError, OSError."""
    if os.path.isdir(made.place) and os.listdir(made.place):
        raise StoreError(f"{made.place} is not empty; name a folder that is not there yet: --out FOLDER")
    assert made.snapshot is not None
    made.snapshot.write(os.path.join(made.place, "code"))
    os.makedirs(made.cwd, exist_ok=True)
    os.makedirs(os.path.join(made.place, ".autotrack"), exist_ok=True)  # if nothing is recorded, too
    mapped = mapped_of(made)
    for one in made.inputs:
        target = mapped(one.path)
        if target is None or one.source is None or one.state in ("kept", "missing") or os.path.lexists(target):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if one.folder:
            shutil.copytree(one.source, target, copy_function=_take, dirs_exist_ok=True)
        else:
            _take(one.source, target)


def _take(source: str, target: str) -> str:
    if os.path.getsize(source) >= LINKED:
        os.symlink(os.path.abspath(source), target)
    else:
        shutil.copy2(source, target)
    return target


def _elsewhere(made: Plan) -> Iterator[str]:
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


@contextlib.contextmanager
def _put_aside(made: Plan) -> Iterator[None]:
    """Keep what lies where the program writes outside of its folders, and put it back afterwards; what it wrote there
    goes to `<place>/outside/`."""
    aside = os.path.join(made.place, "aside")
    moved: list[tuple[str, str]] = []
    try:
        for number, path in enumerate(dict.fromkeys(made.outside)):
            if os.path.lexists(path):
                os.makedirs(aside, exist_ok=True)
                kept = os.path.join(aside, str(number))
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.copytree(path, kept, symlinks=True)
                else:
                    shutil.copy2(path, kept, follow_symlinks=False)
                moved.append((path, kept))
        yield
    finally:
        for path in dict.fromkeys(made.outside):
            if os.path.lexists(path):
                target = os.path.join(made.place, "outside", path.lstrip("/"))
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.move(path, target)
        for path, kept in moved:
            shutil.move(kept, path)
