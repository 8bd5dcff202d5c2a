"""Lightning under its other name: `pytorch_lightning`, the same library in a distribution of its own."""

from __future__ import annotations

from collections.abc import Iterator

from autotrack import Patch, hookimpl
from autotrack_lightning.fits import autotrack_params
from autotrack_lightning.observing import patches

__all__ = ["autotrack_params", "autotrack_patches"]


@hookimpl
def autotrack_patches() -> Iterator[Patch]:
    yield from patches("pytorch_lightning", "lightning_fabric")
