"""Notebooks: which one a kernel runs, and what follows from cell to cell."""

from __future__ import annotations

import os
import sys

from autotrack import context, shield

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from autotrack.job import Job


def name() -> str | None:
    """The file name of the notebook that this process is the kernel of, `notebook` where the front end does not
    say; None where this is no kernel."""
    shell = _shell()
    if shell is None or getattr(shell, "kernel", None) is None:  # the shell of a terminal has none
        return None
    # VS Code names sessions on a server for itself (`study-jvsc-5f2c....ipynb`), and the file here.
    path = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    return os.path.basename(path) or "notebook" if isinstance(path, str) else "notebook"


def _shell() -> Any:
    module = sys.modules.get("IPython.core.interactiveshell")
    if module is None or not module.InteractiveShell.initialized():
        return None
    return module.InteractiveShell.instance()


def cells() -> list[str] | None:
    """The sources of the cells that were executed, and of the one that runs; None where this is no kernel."""
    shell = _shell()
    return list(shell.history_manager.input_hist_parsed) if shell is not None else None


def follow_cells(job: Job) -> None:
    """After each cell, let the next ones know of the strand that was begun in it, until the job ends: a cell that
    awaits runs in a task of its own, whose context variables end with it."""
    shell = _shell()
    if shell is None:
        return

    follow_output(job)

    def after_cell(result: object) -> None:
        if context.Current.begun is not None:
            context.put(context.latest, context.Current.begun)

    shell.events.register("post_run_cell", after_cell)
    job.at_end.append(lambda: shell.events.unregister("post_run_cell", after_cell))


def follow_output(job: Job) -> None:
    """Before each cell, see what is written again: IPython puts a `write` of its own into the streams for the length
    of a cell, and what was there before it back (`InteractiveShell._tee`)."""
    shell, console = _shell(), job.console
    if shell is None or console is None or console.in_cells:
        return
    console.in_cells = True

    def before_cell(info: object) -> None:
        shield.contain("console", console.attach)

    shell.events.register("pre_run_cell", before_cell)
    job.at_end.append(lambda: shell.events.unregister("pre_run_cell", before_cell))
    console.attach()


def unload() -> None:
    """Stop recording, unless it is only `%reload_ext`, which unloads first: a kernel goes on with its job."""
    from autotrack.tracking import disable

    frame = sys._getframe(1)
    while frame.f_back is not None:
        if frame.f_code.co_name == "reload_extension" and frame.f_globals.get("__name__") == "IPython.core.extensions":
            return
        frame = frame.f_back
    disable()
