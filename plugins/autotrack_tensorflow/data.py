"""The data that a loop iterates: which data set is trained on, which evaluated, and the epochs.

Nothing is iterated for it: a round begins where the program asks for an iterator, and trains if a step is made before
the next one begins.
"""

from __future__ import annotations

import sys
import weakref
from types import FrameType
from typing import Any

from autotrack.plugin_api import later, objects_around, split_of, strand_inside
from autotrack_keras.data import tell_pipeline
from autotrack_tensorflow import frames
from autotrack_tensorflow.trainings import Training, in_thread

DEPTH = 1
KEPT = 1_000
"""Data sets that are known."""
DEEP = 100
"""Steps of a pipeline that are looked at."""
EVALUATED = 20
"""Data sets on record that a training was evaluated on: they may be made anew each time."""
EVER = 1e9
"""Seconds until what is for the end of the program."""


class Feed:
    """A data set that is iterated."""

    def __init__(self, key: Any, says: str) -> None:
        self.dataset: Any = None
        self.key, self.says = key, says
        self.trains: Training | None = None
        self.tested: Training | None = None


class Round:
    """From where a data set begins to be iterated to where the next one does."""

    def __init__(self, feed: Feed, dataset: Any, training: Training | None) -> None:
        self.feed, self.during = feed, training
        self.dataset = dataset if training is not None and training.count else None
        """Kept where it may be an evaluation, until that is known."""
        self.steps = 0


_feeds: dict[int, Feed] = {}
"""By the id of a data set."""
_distributed: dict[int, tuple[weakref.ref[Any], weakref.ref[Any]]] = {}
"""By its id, a data set that a strategy distributes, and what it was made of."""


def distributed(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Strategy.experimental_distribute_dataset(dataset)` has returned."""
    if len(_distributed) >= KEPT:
        _distributed.clear()
    dataset = args[1] if len(args) > 1 else kwargs.get("dataset")
    if hasattr(dataset, "element_spec"):
        _distributed[id(result)] = weakref.ref(result), weakref.ref(dataset)


def iterated(args: tuple[Any, ...], kwargs: dict[str, Any], iterator: Any) -> None:
    """A data set begins to be iterated."""
    if strand_inside() is not None or not sys.modules["tensorflow"].executing_eagerly():
        return
    caller = sys._getframe(DEPTH)
    frame = frames.of_program(caller)
    if frame is None or not frames.is_called_by_program(caller, "tensorflow.python.data.ops.dataset_ops"):
        return
    given = args[0]
    known = _distributed.get(id(given))
    dataset = (known[1]() or given) if known is not None and known[0]() is given else given
    feed = _feeds.get(id(dataset))
    if feed is None or feed.dataset() is not dataset:
        feed = _feed(dataset, _name(frame, (given, *_steps_of(dataset))), (frame.f_code.co_filename, frame.f_lineno))
    here = in_thread()
    settle()
    here.round = Round(feed, dataset, here.training)
    if here.training is not None and here.training.count and feed.says not in ("", "train"):
        settle()  # it is known what it is for
    else:
        later("data", settle, EVER)


def _feed(dataset: Any, name: str, place: Any) -> Feed:
    """That of a data set which was not seen before: one of that name at that place in the program may have been the
    same, made for another epoch."""
    others = [feed for feed in _feeds.values() if feed.key == (name, place)]
    feed = others[-1] if others else Feed((name, place), split_of(name))
    feed.dataset = weakref.ref(dataset)
    if len(_feeds) >= KEPT:
        _feeds.clear()
    _feeds[id(dataset)] = feed
    return feed


def settle() -> None:
    """A round that made no step while there was a training was there to evaluate it."""
    here = in_thread()
    round = here.round
    if round is None or round.steps or here.training is None or not here.training.count:
        return
    training, feed = here.training, round.feed
    if round.during is not training or feed.trains is not None or feed.tested is training:
        return
    feed.tested = training
    role = feed.says if feed.says not in ("", "train") else "eval"
    tested = len({id(other) for other in _feeds.values() if other.tested is training})
    if tested > EVALUATED:
        training.strand.gap("data of evaluations", f"up to {EVALUATED} data sets are recorded")
        return
    tell_pipeline(training.strand, role, round.dataset)
    round.dataset = None


def stepped(training: Training) -> None:
    """A step has been made."""
    round = in_thread().round
    if round is None:
        training.strand.gap("identity of the train data", "its batches come from elsewhere than tf.data")
        return
    round.steps += 1
    if round.steps > 1:
        return
    feed, round.dataset = round.feed, None
    dataset = feed.dataset()
    if feed.trains is not training and dataset is not None:
        feed.trains = training
        tell_pipeline(training.strand, "train", dataset)
        training.strand.params(_settings(dataset), "loader")
    if training.clock in (None, feed):
        training.clock = feed
        training.strand.series("epoch").record(max(training.count - 1, 0), training.epochs)
        training.epochs += 1


def split() -> str:
    """What the values that are computed now are of, by the data that was iterated last; nothing where that says
    nothing."""
    round = in_thread().round
    if round is None:
        return ""
    if round.steps:
        return "train"
    says: str = round.feed.says
    return says if says not in ("", "train") else ("eval" if round.feed.trains is None and round.during else "")


def _steps_of(dataset: Any) -> list[Any]:
    """A pipeline, and those that it was made of one after the other."""
    found = [dataset]
    while len(found) < DEEP:
        before = getattr(found[-1], "_input_dataset", None)
        if before is None:
            break
        found.append(before)
    return found


def _name(frame: FrameType, datasets: tuple[Any, ...]) -> str:
    """The variable that holds a data set, or else the nearest one that it was made of: one that says what it is for
    rather than another."""
    held: dict[int, list[str]] = {}
    for name, value in objects_around(frame, frames.is_theirs):
        if name and hasattr(type(value), "__iter__"):
            held.setdefault(id(value), []).append(name)
    names = next((held[id(dataset)] for dataset in datasets if id(dataset) in held), [""])
    return next(filter(split_of, names), names[0])


def _settings(dataset: Any) -> dict[str, Any]:
    """Sizes of the batches, and of what they are shuffled in."""
    found: dict[str, Any] = {}
    for step in _steps_of(dataset):
        kind = type(step).__name__
        for name, attribute, of in (("batch_size", "_batch_size", "Batch"), ("shuffle", "_buffer_size", "Shuffle")):
            value = getattr(step, attribute, None)
            if value is not None and of in kind and name not in found:
                found[name] = int(value.numpy()) if hasattr(value, "numpy") else value
    return found


def forget() -> None:
    _feeds.clear()
    _distributed.clear()
