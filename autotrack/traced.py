"""`autotrack.trace`: where a file, a run or a model in memory comes from, and what came of it."""

from __future__ import annotations

import io
import math
import os
from typing import TYPE_CHECKING, Any

from autotrack import context
from autotrack.identity import models
from autotrack.loaded import WAIT
from autotrack.plugins import hooks, ready
from autotrack.store import NotFound
from autotrack.store.reading import existing

if TYPE_CHECKING:
    from autotrack.store.lineage import Lineage

__all__ = ["Traced", "trace"]


def trace(
    thing: Any, dir: str | os.PathLike[str] | None = None, *, down: bool = False, everything: bool = False
) -> Traced:
    """Where a thing comes from and who used it, or with `down` all that came of it.

    `thing`: the path of a file or folder, or whatever else `autotrack trace` takes, such as the id of a run; or a
    fitted model in memory, which is known by what it has learned: an estimator, a module of PyTorch or its state, a
    model of Keras, a booster.  `everything`: also where very many things came of one.  `dir` as for `load`.

    Raises NotFound for what is not on record, Ambiguous, StoreError, OSError; TypeError for what is no model.
    """
    model = None if isinstance(thing, (str, os.PathLike)) else context.aside(_identity, thing)
    if dir is None and context.Current.job is not None:
        dir = context.Current.job.root
    with existing(dir) as store:
        store.refresh(wait=WAIT)
        try:
            return Traced(store.trace(model or os.fsdecode(thing), down=down, everything=everything), down)
        except NotFound:
            if model is None:
                raise
            raise NotFound(
                f"no program that is recorded here has trained, written or read this {type(thing).__name__} ({model})"
            ) from None


def _identity(model: Any) -> str:
    ready(imported=True)
    if hooks.call("autotrack_state", obj=model) is None:
        found = hooks.call("autotrack_identity", obj=model)
        if isinstance(found, str):
            return found
    return models.model_digest(model, math.inf)


class Traced:
    """A lineage; as a text, the tree that `autotrack trace` prints."""

    def __init__(self, lineage: Lineage, down: bool) -> None:
        self.lineage = lineage
        """The nodes and edges."""
        self._down = down

    def as_dict(self) -> dict[str, Any]:
        """`{"target": [id], "nodes": [...], "edges": [...], "left_out": number}`: that of `autotrack trace --json`."""
        return self.lineage.as_dict()

    def __repr__(self) -> str:
        return f"<lineage of {', '.join(self.lineage.target)}: {len(self.lineage.nodes)} nodes>"

    def __str__(self) -> str:
        from rich.console import Console

        from autotrack.cli import lineage

        console = Console(file=io.StringIO(), width=WIDTH, no_color=True, highlight=False, soft_wrap=True)
        for tree in lineage.trees(self.lineage, down=self._down):
            console.print(tree)
        if self.lineage.left_out:
            console.print(f"{self.lineage.left_out:,} more that were not followed; all of them with everything=True")
        return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]


WIDTH = 200
"""Characters of a line."""
