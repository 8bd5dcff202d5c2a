"""autotrack records every training run of a program, without a line of code in it.

    import autotrack
    autotrack.enable()

or `autotrack run train.py`, or `%load_ext autotrack` in a notebook.  By hand, for those who want to add a value:

    autotrack.log({"valid/auc": 0.91}, step=3)
    with autotrack.run("baseline"):
        ...
    autotrack.tag("reviewed", by="kim")

Back again, with its points and its fitted model:

    autotrack.load("@best:test/accuracy").model
    autotrack.runs("params.C < 1", sort="test/accuracy")
    print(autotrack.trace(model))

`hookimpl`, `Patch`, `Registration`, `Call`, `Opening`, `ELSEWHERE`, `Strand` and `Dataset` are what plugins are written
with.
"""

from __future__ import annotations

from autotrack.tracking import disable, enable, log, run, tag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from autotrack.call import Call as Call
    from autotrack.events import Dataset as Dataset
    from autotrack.hookspecs import hookimpl as hookimpl
    from autotrack.loaded import load as load
    from autotrack.loaded import runs as runs
    from autotrack.patching import ELSEWHERE as ELSEWHERE
    from autotrack.patching import Opening as Opening
    from autotrack.patching import Patch as Patch
    from autotrack.patching import Registration as Registration
    from autotrack.strand import Strand as Strand
    from autotrack.traced import trace as trace

__version__ = "0.1.0"

__all__ = [
    "ELSEWHERE",
    "Call",
    "Dataset",
    "Opening",
    "Patch",
    "Registration",
    "Strand",
    "disable",
    "enable",
    "hookimpl",
    "load",
    "log",
    "run",
    "runs",
    "tag",
    "trace",
]

_LATER = {
    "Dataset": "events",
    "hookimpl": "hookspecs",
    "Call": "call",
    "ELSEWHERE": "patching",
    "Opening": "patching",
    "Patch": "patching",
    "Registration": "patching",
    "Strand": "strand",
    "load": "loaded",
    "runs": "loaded",
    "trace": "traced",
}


def load_ipython_extension(ipython: object) -> None:
    """`%load_ext autotrack`: as `enable()`."""
    enable(how="notebook")


def unload_ipython_extension(ipython: object) -> None:
    """`%unload_ext autotrack`: as `disable()`."""
    from autotrack import notebook

    notebook.unload()


def __getattr__(name: str) -> object:
    """The plugin API, and what reads, imported on first use: `enable` needs none of it."""
    if name not in _LATER:
        raise AttributeError(f"module 'autotrack' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"autotrack.{_LATER[name]}"), name)
