"""Models that are read from a folder.  Their files are read by native code, which no one sees."""

from __future__ import annotations

import glob
import os
from typing import Any

from autotrack_torch import checkpoints

FILES = 100
"""Files of one model that are recorded."""


def loaded(cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`from_pretrained(folder)` has returned."""
    folder = args[0] if args else kwargs.get("pretrained_model_name_or_path")
    if not isinstance(folder, (str, os.PathLike)) or not os.path.isdir(folder):
        return
    folder = os.path.join(os.fsdecode(folder), kwargs.get("subfolder") or "")
    found = sorted(glob.glob("model*.safetensors", root_dir=folder))
    for name in (found or sorted(glob.glob("pytorch_model*.bin", root_dir=folder)))[:FILES]:
        checkpoints.read_unseen(os.path.join(folder, name))
