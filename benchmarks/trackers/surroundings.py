"""What a process of a benchmark finds in its environment: all is written below one folder, and nothing is sent."""

from __future__ import annotations

import functools
import os
import tempfile

STRANGE = (
    "AUTOTRACK_",
    "MLFLOW_",
    "WANDB_",
    "CLEARML_",
    "TRAINS_",
    "COMET_",
    "AIM_",
    "TRACKIO_",
    "HF_",
    "DVC",
    "SACRED",
)
"""How variables begin that would change what is measured."""


def surroundings(folder: str) -> dict[str, str]:
    """The environment, with the opt-outs that the trackers document."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(STRANGE)}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)  # what is imported is compiled once, as it is for a user
    if "AUTOTRACK_EXTENSION" in os.environ:
        kept["AUTOTRACK_EXTENSION"] = os.environ["AUTOTRACK_EXTENSION"]
    places = {"TMPDIR": "tmp", "XDG_CACHE_HOME": "cache", "XDG_CONFIG_HOME": "config", "XDG_DATA_HOME": "data"}
    for variable, name in places.items():
        kept[variable] = os.path.join(folder, name)
        os.makedirs(kept[variable], exist_ok=True)
    return kept | {
        "HOME": folder,
        "MPLCONFIGDIR": _fonts(),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "WANDB_MODE": "offline",
        "WANDB_DIR": folder,
        "WANDB_CACHE_DIR": os.path.join(folder, "cache"),
        "WANDB_CONFIG_DIR": os.path.join(folder, "config"),
        "WANDB_DATA_DIR": os.path.join(folder, "data"),
        "WANDB_ERROR_REPORTING": "false",
        "CLEARML_CACHE_DIR": os.path.join(folder, "clearml"),
        "COMET_OFFLINE_DIRECTORY": os.path.join(folder, "comet"),
        "TRACKIO_DIR": os.path.join(folder, "trackio"),
        "HF_HOME": os.path.join(folder, "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "AIM_UI_TELEMETRY_ENABLED": "0",
        "DVC_NO_ANALYTICS": "true",
        "DO_NOT_TRACK": "1",
    }


@functools.cache
def _fonts() -> str:
    """One folder for all: matplotlib, which some import, takes seconds to look for fonts the first time."""
    holder = tempfile.TemporaryDirectory()
    _HELD.append(holder)
    return holder.name


_HELD: list[tempfile.TemporaryDirectory[str]] = []
"""Removed when the benchmarks end."""
