"""Starting a program with recording on: `autotrack run`.

The program replaces this process, with a folder on its PYTHONPATH whose `sitecustomize` turns recording on in
it and in every Python program that it starts.  Arguments, exit code, signals and terminal are its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import NoReturn

from autotrack.errors import AutotrackError

BOOTSTRAP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_bootstrap")


class LaunchError(AutotrackError):
    """The program can't be started: names it and says why."""


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment in which programs are recorded."""
    path = given.get("PYTHONPATH", "")
    # An empty entry is kept: it means the current folder.
    entries = [entry for entry in path.split(os.pathsep) if entry != BOOTSTRAP] if path else []
    return {**given, "PYTHONPATH": os.pathsep.join([BOOTSTRAP, *entries])}


def command_line(argv: Sequence[str], *, module: bool, command: bool) -> list[str]:
    """What is to be executed: a script or a module under this Python, or a command as it is."""
    if command:
        return list(argv)
    return [sys.executable, *(["-m"] if module else []), *argv]


def launch(argv: Sequence[str], *, module: bool = False, command: bool = False) -> NoReturn:
    """Replace this process with the program.  Raises LaunchError where there is no such program."""
    words = command_line(argv, module=module, command=command)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # closed by whoever started us
            stream.flush()
    try:
        os.execvpe(words[0], words, environment(os.environ))
    except FileNotFoundError:
        raise LaunchError(f"{words[0]}: there is no such command") from None
    except OSError as error:
        raise LaunchError(f"{words[0]}: {error.strerror}") from None
