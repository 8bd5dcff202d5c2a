"""Every hook of autotrack: what a plugin may implement.

`firstresult` hooks stop at the first result that is not None.  All are called contained: what one raises is
noted in the receipt and changes nothing for the user's program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from autotrack.events import Dataset
    from autotrack.patching import Patch, Registration

hookspec = pluggy.HookspecMarker("autotrack")
hookimpl = pluggy.HookimplMarker("autotrack")


@hookspec
def autotrack_patches() -> Iterable[Patch | Registration]:  # type: ignore[empty-body]
    """What the plugin observes.  Called once, when its framework has been imported; for plugins of a framework."""


@hookspec(firstresult=True)
def autotrack_params(obj: Any) -> dict[str, Any] | None:
    """The hyperparameters of an object by name, or None where it is none of the plugin's.  Called at the start
    of a training for the object that is trained."""


@hookspec(firstresult=True)
def autotrack_dataset(data: Any) -> Dataset | None:
    """Kind, shape and schema, and the identity where it costs little, of a framework's own data container;
    None where it is none of the plugin's.  Arrays, tables, sparse matrices and lists are known to the core.
    Called in the user's thread: never iterate the data."""


@hookspec(firstresult=True)
def autotrack_model(obj: Any) -> int | None:
    """The number of learned scalars of a fitted model; None where it is none of the plugin's or has no such
    number.  Called when a training has finished."""


@hookspec(firstresult=True)
def autotrack_state(obj: Any) -> Callable[[], Mapping[str, Any]] | None:
    """What a fitted model of the framework's has learned, by name, once that is called: its identity is that of these
    parts.  For models whose pickles hold more than that; None where it is none of the plugin's."""


@hookspec(firstresult=True)
def autotrack_identity(obj: Any) -> str | None:
    """The identity of a fitted model, as it is on record, where that is not told by `autotrack_state`; or of the model
    in a file, for the path of one: read without the framework, running nothing of it.  None where it is none of the
    plugin's.  Called where a model or file is traced, which may be where nothing is recorded."""


@hookspec
def autotrack_commands(cli: click.Group) -> None:
    """Add commands to `autotrack`.  Called in the command line only, for a command that is not one of the
    core's and for `--help`."""
