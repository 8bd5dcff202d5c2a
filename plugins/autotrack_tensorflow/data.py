"""The data that a loop iterates: which data set is trained on, which evaluated, and the epochs.

Nothing is iterated for it: what passes before a step is what is trained on; a data set from which batches come while
nothing steps is there to evaluate.
"""

from __future__ import annotations

import sys
import weakref
from types import FrameType
from typing import Any

from autotrack.plugin_api import later, objects_around, split_of, strand_inside
from autotrack_keras.data import tell_pipeline
from autotrack_tensorflow import deferred, frames
from autotrack_tensorflow.trainings import Here, Training, in_thread

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


class Use:
    """What the batches of a round are there for."""

    def __init__(self) -> None:
        self.split = ""
        """`train`, once a step was made on them."""


class Round:
    """From the first to the last batch of an iterator of a data set."""

    def __init__(self, feed: Feed, dataset: Any, iterator: Any, training: Training | None, begun: int) -> None:
        self.feed, self.during, self.begun = feed, training, begun
        self.iterator = weakref.ref(iterator)
        self.first: list[weakref.ref[Any]] = []
        """The tensors of its first batch."""
        self.came = 0
        """Batches of it."""
        self.trained: Training | None = None
        """Which has stepped on its batches last."""
        self.dataset = dataset if training is not None and training.count else None
        """Kept where it may be an evaluation, until that is known."""
        self.use = Use()
        self.steps = 0
        """That were made on its batches."""
        self.batches = 0
        """Since the last step."""

    def is_gone(self) -> bool:
        """Whether nothing more can come of it, and what came was not kept, as a list of the batches is."""
        return self.iterator() is None and all(tensor() is None for tensor in self.first)

    def is_over(self) -> bool:
        """Whether it is gone, or has come to its end."""
        if any(tensor() is not None for tensor in self.first):
            return False
        return self.iterator() is None or (self.came > 1 and self.came == _length(self.feed.dataset()))


class Rounds:
    """Those whose batches have come in a thread since its last step; the last one is that of the last batch."""

    def __init__(self) -> None:
        self.fetched: list[Round] = []
        self.last: Round | None = None
        self.number = 0
        self.waits = False
        """Whether the last one is settled at the end of the program."""


_iterating: dict[int, Round] = {}
"""By the id of an iterator, whose batches these are."""
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
    here, rounds = in_thread(), _rounds()
    rounds.number += 1
    if len(_iterating) >= KEPT:
        _iterating.clear()
    _iterating[id(iterator)] = Round(feed, dataset, iterator, here.training, rounds.number)
    if not rounds.waits:
        rounds.waits = True
        later("data", lambda: settle(here), EVER)


def fetched(args: tuple[Any, ...], kwargs: dict[str, Any], batch: Any) -> None:
    """A batch is on its way to the program."""
    round = _iterating.get(id(args[0]))
    if round is None or round.iterator() is not args[0]:
        return
    rounds = _rounds()
    if not round.came:
        round.first = [*map(weakref.ref, filter(deferred.is_eager, _flat(batch)))]
    round.came += 1
    if rounds.last is not round:
        settle(in_thread())
        rounds.last = round
    if not round.batches:
        rounds.fetched.append(round)
    round.batches += 1


def _flat(batch: Any) -> list[Any]:
    found: list[Any] = sys.modules["tensorflow"].nest.flatten(batch, expand_composites=True)
    return found


def _length(dataset: Any) -> int:
    """How many batches a data set has; negative where that isn't known."""
    return int(dataset.cardinality().numpy()) if hasattr(dataset, "cardinality") else -1


def _rounds() -> Rounds:
    here = in_thread()
    if here.rounds is None:
        here.rounds = Rounds()
    found: Rounds = here.rounds
    return found


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


def settle(here: Here) -> None:
    """A round on whose batches no step was made while there was a training was there to evaluate it."""
    if here.rounds is not None and here.rounds.last is not None and here.rounds.last.during is here.training:
        _settle(here.rounds.last)


def _settle(round: Round) -> None:
    training = round.during
    if round.steps or training is None or round.dataset is None or not training.strand.recording:
        return
    feed, dataset = round.feed, round.dataset
    trained = {id(step) for step in _steps_of(dataset)} & {id(other.dataset()) for other in _trained(training)}
    if feed.tested is training or feed.trains is not None or feed.says == "train" or trained:
        return
    feed.tested, round.dataset = training, None
    role = feed.says or "eval"
    if len({id(other) for other in _feeds.values() if other.tested is training}) > EVALUATED:
        training.strand.gap("data of evaluations", f"up to {EVALUATED} data sets are recorded")
        return
    tell_pipeline(training.strand, role, dataset)


def _trained(training: Training) -> list[Feed]:
    return [feed for feed in _feeds.values() if feed.trains is training]


def stepped(training: Training) -> None:
    """A step has been made: on the last batch, and on those that have come beside it, one of each."""
    rounds = _rounds()
    last = rounds.last
    if last is not None and last.trained is not training and last.is_over():
        _settle(last)  # which what was trained before was evaluated on
        rounds.last = last = None
    if last is None:
        rounds.fetched.clear()
        training.strand.gap("identity of the train data", "its batches come from elsewhere than tf.data")
        return
    found = [round for round in rounds.fetched if round.batches == 1 and round.feed.says in ("", "train")]
    if last not in found:
        found = [last]
    for round in rounds.fetched:
        round.batches = 0
    rounds.fetched.clear()
    for round in found:
        round.steps += 1
        round.trained, round.use.split = training, "train"
        if round.steps == 1:
            _trains(training, round)
    first = min(found, key=lambda round: round.begun)
    if first.steps == 1 and training.clock in (None, first.feed):
        training.clock = first.feed
        training.strand.series("epoch").record(max(training.count - 1, 0), training.epochs)
        training.epochs += 1


def _trains(training: Training, round: Round) -> None:
    feed, round.dataset = round.feed, None
    dataset = feed.dataset()
    if feed.trains is not training and dataset is not None:
        feed.trains = training
        tell_pipeline(training.strand, "train", dataset)
        training.strand.params(_settings(dataset), "loader")


def used() -> tuple[Use | None, str]:
    """What the data is there for whose batches are at hand, and what it is as far as one knows now."""
    round = _rounds().last
    return (round.use, split()) if round is not None and not (round.steps and round.is_gone()) else (None, "")


def split() -> str:
    """What the values that are computed now are of, by the data that was iterated last; nothing where that says
    nothing."""
    round = _rounds().last
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
    _iterating.clear()
    _feeds.clear()
    _distributed.clear()
