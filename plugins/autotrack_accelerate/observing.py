"""What is observed of Accelerate."""

from __future__ import annotations

import weakref
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from autotrack import Call, Patch, hookimpl
from autotrack_torch import checkpoints, naming, scalars
from autotrack_torch.training import in_thread

Observation = Generator[None, Any, None]
ORIGIN = "accelerate"

_told: dict[int, weakref.ref[Any]] = {}
"""By its id, an accelerator whose settings are on record."""


@hookimpl
def autotrack_patches() -> Iterator[Patch]:
    _told.clear()  # of an earlier recording
    accelerator = "accelerate.accelerator:Accelerator"
    yield Patch(f"{accelerator}.backward", observe=observe_backward, around=True)
    yield Patch(f"{accelerator}.log", returned=logged)
    yield Patch(f"{accelerator}.init_trackers", returned=begun)
    yield Patch("accelerate.utils.other:safe_save_file", returned=checkpoints.saved, optional=True)


def observe_backward(call: Call) -> Observation:
    """`backward(loss)`, which divides the loss where batches are accumulated."""
    accelerator = call.instance
    known = _told.get(id(accelerator))
    told, divided = known is not None and known() is accelerator, accelerator.gradient_accumulation_steps != 1
    if told and not divided:
        return
    here = in_thread()
    before = here.given
    loss = call.args[0] if call.args else call.kwargs.get("loss")
    if divided and before is None and loss is not None and getattr(loss, "numel", int)() == 1:
        here.given = loss
    try:
        yield
    finally:
        here.given = before
    if not told and here.training is not None:
        _told[id(accelerator)] = weakref.ref(accelerator)
        here.training.strand.params(_settings(accelerator), "config")


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
    training = in_thread().training
    for given, value in _numbers("", values):
        name = naming.series_name(given)
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
    strand = scalars.strand_in_thread() if config else None
    if strand is not None and isinstance(config, Mapping):
        strand.params({str(name): value for name, value in config.items()}, "config")
