"""Values that a program computes and keeps itself: results of Keras's metrics, and scalars of `tf.summary`."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Iterator
from types import FrameType
from typing import Any

from autotrack import Strand
from autotrack.plugin_api import on_record, series_name, split_of, strand_here, strand_inside
from autotrack_keras.models import to_snake_case
from autotrack_tensorflow import data, deferred, frames, metrics
from autotrack_tensorflow.trainings import in_thread

METRIC, WRITER = "metric", "tensorboard"
DEPTH = 1
LONGEST = 100
"""Elements of a result that is recorded one by one."""

_folders: dict[int, tuple[weakref.ref[Any], str]] = {}
"""By its id, a writer of summaries, and the folder that it writes to."""


def computed(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Metric.result()` has returned, to the program."""
    if strand_inside() is not None or "tensorflow" not in sys.modules:
        return
    if not sys.modules["tensorflow"].executing_eagerly():
        return
    frame = frames.nearest(sys._getframe(DEPTH))
    if frames.is_theirs(frame):
        return
    known = metrics.of(args[0])
    split = known.split() if known is not None else data.split()
    for name, value in list(_parts(_name(frame, args[0]), result)):
        _record(series_name(name, split), value, None, METRIC)


def _name(frame: FrameType, metric: Any) -> str:
    """The name that the program gave a metric, or that of its variable, or of its class."""
    given = str(metric.name)
    made = to_snake_case(type(metric).__name__)
    return given if given.rstrip("0123456789_") != made else frames.variable_of(frame, metric) or given


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _parts(f"{name}.{key}", entry)
    elif deferred.is_eager(value) and value.shape.rank == 1 and value.shape[0] <= LONGEST:
        for at in range(value.shape[0]):
            yield f"{name}[{at}]", value[at]
    else:
        yield name, value


def writer_made(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`tf.summary.create_file_writer(logdir)` has returned."""
    folder = args[0] if args else kwargs.get("logdir")
    if isinstance(folder, (str, os.PathLike)):
        _folders[id(result)] = weakref.ref(result), os.path.basename(os.path.normpath(os.fspath(folder)))


def written(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`tf.summary.scalar(name, data, step=None)` has returned."""
    summaries = sys.modules["tensorflow.python.ops.summary_ops_v2"]
    writer = summaries._summary_state.writer
    if strand_inside() is not None or writer is None or not sys.modules["tensorflow"].executing_eagerly():
        return
    tag = args[0] if args else kwargs.get("name")
    value = args[1] if len(args) > 1 else kwargs.get("data")
    step = args[2] if len(args) > 2 else kwargs.get("step")
    step = summaries.get_step() if step is None else step
    if isinstance(tag, str):
        known = _folders.get(id(writer))
        folder = split_of(known[1]) if known is not None and known[0]() is writer else ""
        _record(series_name(tag, folder), value, int(step), WRITER)


def _record(name: str, value: Any, step: int | None, origin: str) -> None:
    strand = _strand()
    if strand is None:
        return
    series = strand.series(f"{name}.{origin}" if strand.has(name, other_than=origin) else name, origin=origin)
    training = in_thread().training
    if step is None and training is not None and deferred.is_eager(value) and not deferred.is_far(value):
        told = training.count, value.numpy().tobytes()
        if training.told.get(series.name) == told:
            return  # it is asked for once more
        training.told[series.name] = told
    if step is None:
        step = max(training.count, series.next_step) if training is not None else series.next_step
    if deferred.is_eager(value):
        if not deferred.is_number(value):
            return
        if deferred.is_far(value):
            deferred.put(series, step, value)
            series.next_step = step + 1
            return
        value = deferred.number(value)
    if isinstance(value, (int, float)) or hasattr(value, "item"):
        series.record(step, float(value))
        series.next_step = step + 1
        on_record(name, float(value))


def _strand() -> Strand | None:
    """Of the training in this thread, else of what the program is in."""
    training = in_thread().training
    strand = strand_here()
    if training is None or strand is None:
        return strand
    return training.strand if strand.kind in ("log", "training") else strand


def forget() -> None:
    _folders.clear()
