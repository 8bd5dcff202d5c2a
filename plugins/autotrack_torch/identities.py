"""The identity of a model that is traced: a module, its state, or what a file holds."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

from autotrack import hookimpl
from autotrack_torch import archives, checkpoints, modules


@hookimpl
def autotrack_identity(obj: Any) -> str | None:
    """As that of a checkpoint of it."""
    if isinstance(obj, str):
        importlib.import_module("numpy")  # which only PyTorch itself may have brought along
        return archives.model_in(obj)
    torch: Any = sys.modules.get("torch")
    if torch is None or not isinstance(obj, (torch.nn.Module, Mapping)):
        return None
    state = checkpoints.state_in(modules.unwrapped(obj) if isinstance(obj, torch.nn.Module) else obj)
    return checkpoints.identity_of(state) if state else None
