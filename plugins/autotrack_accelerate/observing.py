"""What is observed of Accelerate."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator, Mapping
from inspect import unwrap
from typing import Any

from autotrack import Patch, Registration, Strand, hookimpl
from autotrack.plugin_api import series_name
from autotrack_torch import checkpoints, loop, scalars
from autotrack_torch.loop import Torch
from autotrack_torch.training import in_thread

ORIGIN = "accelerate"
DEPTH = 2
_ENGINES = ("DEEPSPEED", "MEGATRON_LM")
"""What computes the gradients by itself, where they are observed."""

_COUNTERS = ("epoch", "step")
WAITING = 100
"""Configurations that wait for a training."""
_configurations: list[dict[str, Any]] = []

_told: dict[int, weakref.ref[Any]] = {}
"""By its id, an accelerator whose settings are on record."""


@hookimpl
def autotrack_patches() -> Iterator[Patch | Registration]:
    _told.clear()  # of an earlier recording
    _configurations.clear()
    accelerator = "accelerate.accelerator:Accelerator"
    hands = unwrap(sys.modules["accelerate.accelerator"].Accelerator.backward)
    yield Registration("autotrack_torch.loop:Hands", hands.__code__)
    yield Patch(f"{accelerator}.backward", after=passed, quick=loop.quick(sys.modules["torch"], 1))
    yield Patch(f"{accelerator}.log", returned=logged)
    yield Patch(f"{accelerator}.init_trackers", returned=begun)
    yield Patch("accelerate.utils.other:safe_save_file", returned=checkpoints.saved, optional=True)


def passed(args: tuple[Any, ...], kwargs: dict[str, Any], result: None) -> None:
    """`backward(loss)` has returned, which divides the loss where batches are accumulated.  On the hot path."""
    accelerator = args[0]
    if Torch.observe is None or "learning_rate" in kwargs or accelerator.distributed_type.value in _ENGINES:
        return
    Torch.observe(sys._getframe(DEPTH), args[1] if len(args) > 1 else kwargs["loss"])
    known, training = _told.get(id(accelerator)), in_thread().training
    if (known is None or known() is not accelerator) and training is not None:
        _told[id(accelerator)] = weakref.ref(accelerator)
        training.strand.params(_settings(accelerator), "config")
        _tell_configurations(training.strand)


def _settings(accelerator: Any) -> dict[str, Any]:
    """What is not as it is by default: Transformers has one that does nothing, and counts batches itself."""
    usual = {"gradient_accumulation_steps": 1, "num_processes": 1, "mixed_precision": "no"}
    found = {name: getattr(accelerator, name, value) for name, value in usual.items()}
    return {name: value for name, value in found.items() if value != usual[name]}


def logged(accelerator: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: None) -> None:
    """`log(values, step=None)` has returned."""
    values = args[0] if args else kwargs.get("values")
    step = args[1] if len(args) > 1 else kwargs.get("step")
    strand = scalars.strand_in_thread()
    if strand is None or not isinstance(values, Mapping):
        return
    _tell_configurations(strand)
    training = in_thread().training
    for given, value in _numbers("", values):
        name = series_name(given)
        if name in _COUNTERS and strand.has(name, other_than=ORIGIN):
            continue
        at = step if step is not None else training.steps if training is not None else 0
        scalars.log(strand, name, int(at), value, ORIGIN)


def _numbers(prefix: str, values: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(f"{prefix}{name}/", value)
        elif not isinstance(value, (str, bytes)):
            yield f"{prefix}{name}", value


def begun(accelerator: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: None) -> None:
    """`init_trackers(project_name, config=None, ...)` has returned."""
    config = args[1] if len(args) > 1 else kwargs.get("config")
    if isinstance(config, Mapping):
        _configurations.append({str(name): value for name, value in config.items()})
        del _configurations[:-WAITING]


def _tell_configurations(strand: Strand) -> None:
    """What trackers were given before there was a training that it is of."""
    while _configurations:
        strand.params(_configurations.pop(0), "config")
