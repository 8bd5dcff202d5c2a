"""Values that a program computes and keeps itself: scalars of a `SummaryWriter`, and metrics of torchmetrics."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from autotrack import Strand
from autotrack.plugin_api import on_record, split_of, strand_around, strand_here, variables
from autotrack_torch import deferred
from autotrack_torch.naming import HANDING
from autotrack_torch.training import in_thread

WRITER = "tensorboard"
METRIC = "torchmetrics"
FRAMES = 12
"""Functions in which the name of a metric is looked for."""


class _Early:
    """The strand of what was written before a training had begun."""

    strand: Strand | None = None


def scalar_added(writer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`SummaryWriter.add_scalar(tag, scalar_value, global_step=None, ...)` has returned."""
    tag, value, step = _given(args, kwargs, "tag", "scalar_value", "global_step")
    _record(tag, value, step, WRITER)


def scalars_added(writer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`SummaryWriter.add_scalars(main_tag, tag_scalar_dict, global_step=None, ...)` has returned."""
    tag, values, step = _given(args, kwargs, "main_tag", "tag_scalar_dict", "global_step")
    if isinstance(values, Mapping):
        for name, value in values.items():
            _record(f"{tag}/{name}", value, step, WRITER)


def settings_added(writer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`SummaryWriter.add_hparams(hparam_dict, metric_dict, ...)` has returned."""
    settings, metrics, _ = _given(args, kwargs, "hparam_dict", "metric_dict", "")
    strand = strand_in_thread()
    if strand is None:
        return
    if isinstance(settings, Mapping):
        strand.params({str(name): value for name, value in settings.items()}, WRITER)
    if isinstance(metrics, Mapping):
        strand.summaries({str(name): _plain(value) for name, value in metrics.items()})


def computed(metric: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Metric.compute` has returned; not that of one batch, which `Metric.forward` asks for, nor what Lightning makes
    of each value that is logged."""
    if not getattr(metric, "_enable_grad", False) and type(metric).__module__.partition(".")[0] not in HANDING:
        for name, value in _parts(_name_of(metric), result):
            _record(name, value, None, METRIC)


def _given(args: tuple[Any, ...], kwargs: dict[str, Any], *names: str) -> list[Any]:
    return [args[at] if at < len(args) else kwargs.get(name) for at, name in enumerate(names)]


def _record(name: Any, value: Any, step: Any, origin: str) -> None:
    strand = strand_in_thread()
    if strand is None or not isinstance(name, str):
        return
    series = strand.series(f"{name}.{origin}" if strand.has(name, other_than=origin) else name, origin=origin)
    training = in_thread().training
    if step is None:
        at = max(training.steps, series.next_step) if training is not None else series.next_step
    else:
        at = int(step)
    put(series, at, value)


def log(strand: Strand, name: str, at: int, value: Any, origin: str) -> None:
    """Record what a library logs; beside a series of that name of another origin, such as that of each backward pass,
    as `<name>.logged`."""
    series = strand.series(f"{name}.logged" if strand.has(name, other_than=origin) else name, origin=origin)
    number = put(series, at, value)
    if number is not None:
        on_record(name, number)


def put(series: Any, at: int, value: Any) -> float | None:
    """Record a number, or a tensor of one once it is there; nothing else.  The number, where it is known now."""
    torch: Any = sys.modules["torch"]
    series.next_step = at + 1
    if isinstance(value, torch.Tensor):
        if value.numel() != 1 or value.is_complex():
            return None
        value = deferred.held(value)
        if value is None:
            series.gap(*deferred.ELSEWHERE)
            return None
        if deferred.is_far(value):
            deferred.push(series, at, value)
            return None
    number = _plain(value)
    if number is not None:
        series.record(at, number)
    return number


def _plain(value: Any) -> float | None:
    """The number in a value of any type; None where there is none."""
    torch: Any = sys.modules["torch"]
    numpy = sys.modules.get("numpy")
    try:
        if numpy is not None and type(value) is numpy.ndarray:  # of one element, as TensorBoard takes it
            value = value.item()
        return deferred.number(value) if isinstance(value, torch.Tensor) else float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return None


def strand_in_thread() -> Strand | None:
    """Of the training in this thread; of the program where there is none yet, which then becomes part of it."""
    around = strand_around()
    if around is not None:
        return around
    training = in_thread().training
    strand = strand_here()
    early = _Early.strand
    if training is None or strand is None:
        _Early.strand = strand if strand is not None and strand.kind == "log" else early
        return strand
    if early is not None and early is not training.strand and early.job is training.strand.job:
        early.join(training.strand)
    _Early.strand = None
    return training.strand if strand.kind in ("log", "training") else strand


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The numbers of a result, which may be several by name or by class."""
    torch: Any = sys.modules["torch"]
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _parts(f"{name}.{key}", entry)
    elif isinstance(value, torch.Tensor) and value.dim() == 1 and 1 < value.numel() <= 100:
        for at, entry in enumerate(value.unbind()):
            yield f"{name}[{at}]", entry
    else:
        yield name, value


def _name_of(metric: Any) -> str:
    """The variable that holds a metric, its name in a collection, or its class."""
    frame = sys._getframe(2)
    for _ in range(FRAMES):
        outer = frame.f_back
        if outer is None:
            break
        frame = outer
        if str(frame.f_globals.get("__name__")).partition(".")[0] in ("torchmetrics", "torch", "autotrack"):
            continue
        for space in (variables(frame), frame.f_globals):
            for name, value in list(space.items()):
                found = _held_as(name, value, metric)
                if found:
                    return found
    return type(metric).__name__


def _held_as(name: str, value: Any, metric: Any) -> str:
    if value is metric:
        return name
    held: Any = None
    if name == "self":
        held, name = getattr(value, "__dict__", None), ""
        modules = held.get("_modules") if type(held) is dict else None
        held = {**held, **modules} if type(held) is dict and type(modules) is dict else held
    elif type(value) is dict or type(value).__name__ == "MetricCollection":
        held = dict(value._modules) if hasattr(value, "_modules") else value
    if type(held) is not dict:
        return ""
    key = next((str(key) for key, entry in list(held.items())[:200] if entry is metric), "")
    return f"{name}.{key}".strip(".") if key and not (name and split_of(key)) else key


def forget() -> None:
    _Early.strand = None
