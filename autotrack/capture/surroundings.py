"""What a program runs in and on, found out by the recorder once there is something to record."""

from __future__ import annotations

import os
import stat
import sys
import time

from autotrack import libraries, ranks
from autotrack.capture import environment, gpu, hardware, packages, seeds, system, worktree
from autotrack.capture.code import Code
from autotrack.capture.worktree import Tree
from autotrack.duplicates import Duplicates
from autotrack.job import Job
from autotrack.recorder import Recorder

SLICE = 0.02
"""Seconds that the recorder compares files with git's index at a time."""


def look_around(job: Job, recorder: Recorder) -> None:
    """Let the recorder find out what the program runs in, and on, and how busy that is."""
    path, cwd, variables = list(sys.path), job.cwd, dict(os.environ)
    program = _program(cwd)
    beside = os.path.dirname(program) if program else cwd
    tree = environment.work_tree(beside) or environment.work_tree(cwd)

    def know_environment() -> None:
        about = {
            **environment.build(),
            "variables": environment.variables(variables),
            "libraries": environment.libraries(),
            "determinism": environment.determinism(variables),
            "stdin": _stdin(),
            "lock_files": environment.lock_files(cwd, beside, root=tree.root if tree else None),
        }
        job.know("environment", about)

    def know_packages() -> None:
        versions, sources = packages.installed(path)
        job.know("packages", versions)
        if sources:
            job.know("sources", sources)

    if job.launched:
        job.know("launch", ranks.launch())
    recorder.later("packages", know_packages)
    recorder.later("environment", know_environment)
    recorder.later("hardware", lambda: job.know("hardware", {**hardware.facts(), **gpu.facts()}))
    recorder.later("git", lambda: _know_git(job, recorder, tree))
    if job.settings.code:
        Code(job, recorder, tree, program).begin()
    job.at_opening.append(seeds.report)
    recorder.each_period(lambda: seeds.report(job))
    job.at_end.append(lambda: seeds.report(job, last=True))
    if job.role != "main":
        return
    job.duplicates = Duplicates(job, recorder, tree.root if tree is not None else beside, program)
    if job.settings.system_seconds and sys.platform == "linux":
        sampler = system.Sampler(job)
        recorder.later("system", sampler.begin)
        seconds = max(job.settings.system_seconds, system.LEAST)
        recorder.every(seconds, sampler.sample, first=min(system.FIRST, seconds))
        job.at_end.append(sampler.end)


def _stdin() -> str | None:
    """What the standard input is: `terminal`, `pipe`, `file`, `device`; None where it is closed."""
    try:
        mode = os.fstat(0).st_mode
        kinds = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "pipe", stat.S_IFREG: "file"}
        return "terminal" if os.isatty(0) else kinds.get(stat.S_IFMT(mode), "device")
    except OSError:
        return None


def _program(cwd: str) -> str | None:
    """The file of the main program; None where it is a library's or a command that one brings, and where there is
    none."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    if path is None and sys.argv and sys.argv[0].endswith(".py"):  # CPython takes it away when the program has run
        path = sys.argv[0]
    place = os.path.abspath(os.path.join(cwd, path)) if type(path) is str else None
    if place is None or libraries.holds(place) or place.startswith(libraries.scripts()) or not os.path.isfile(place):
        return None
    return place


def _know_git(job: Job, recorder: Recorder, tree: Tree | None) -> None:
    """Tell the commit at once, and whether the work tree is dirty when it has been compared, a slice at a time."""
    known = environment.git(tree) if tree is not None else None
    job.know("git", known)
    if tree is None or known is None:
        return
    searching = worktree.search(tree, known["commit"])

    def compare() -> None:
        until = time.monotonic() + SLICE
        while (answer := next(searching)) is None:
            if time.monotonic() > until and not job.ended:
                recorder.later("git", compare)
                return
        job.know("git", {**known, "dirty": answer.dirty, "why": answer.why})

    compare()
