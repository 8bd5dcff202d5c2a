"""Data loaders as they are iterated: which one feeds the training, how it is set up, and the epochs.

What passes between two steps is what is trained on; a loader from which batches come while nothing steps is there to
evaluate.  Nothing is iterated for it, and no random number is drawn.

The data is known exactly where it is in tensors; by the files that a data set names, and by what it holds in memory
(see `datasets`); else by what passes in the first epoch (see `passing`).
"""

from __future__ import annotations

import sys
import time
import weakref
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any

from autotrack import Dataset
from autotrack.plugin_api import data_held, data_profiled, later
from autotrack_torch import datasets, sources
from autotrack_torch.loader_names import names_of
from autotrack_torch.passing import Watch
from autotrack_torch.tensors import arrays_of, exact, places_of
from autotrack_torch.training import Training, in_thread

KEPT = 1_000
"""Loaders that are known."""
DEPTH = 2
WAITING = 10
"""Rounds of one loader that may go on at the same time."""
EVER = 1e9
"""Seconds until what is for the end of the program."""


class Feed:
    """A data loader."""

    __slots__ = (
        "at", "data", "kind", "name", "passed", "places", "reference", "reports", "role", "round", "rounds", "says",
        "settings", "told", "told_at", "training", "waiting", "watch", "watched",
    )  # fmt: skip

    def __init__(self, loader: Any, name: str, says: str = "") -> None:
        self.reference = weakref.ref(loader)
        self.settings = _settings(loader)
        self.name = name
        self.round: Round | None = None
        """That the last batch was of, or that was begun since."""
        self.waiting: list[Round] = []
        """Others that may go on."""
        self.rounds = 0
        """How many were begun."""
        self.at = 0
        """Of all batches that its thread has had, the last one of it."""
        self.role = ""
        self.says = says
        """What it is for by the program's names for it and its data."""
        self.told = False
        self.told_at: tuple[Round | None, int] = None, 0
        """Round and batch."""
        self.training: Training | None = None
        dataset = getattr(loader, "dataset", None)
        self.data = _reference(dataset)
        self.places = places_of(dataset)
        self.kind = type(dataset).__name__
        self.watch: Watch | None = None
        """Of the first epoch, while it lasts and there is something to see."""
        self.watched: Watch | None = None
        """The same, until what has passed is on record."""
        self.reports: list[tuple[Training, str, Callable[[Dataset], None]]] = []
        """Who is to be told what has passed."""
        self.passed: tuple[Dataset, str] | None = None
        """What has, and what is missing of it."""

    def begin(self, loader: Any, iterator: Any) -> Round:
        """A round begins, perhaps of another training, where the one that it was for is over."""
        if self.training is not None and in_thread().training is not self.training and not self.training.strand.goes_on:
            self.told, self.role, self.training = False, "", None
        self.close()
        self.rounds += 1
        if self.watched is not None:
            self.watched.gone()
            self.watch = None
            conclude(self)
        elif self.rounds == 1 and self.passed is None and not exact(getattr(loader, "dataset", None)):
            self.watch = self.watched = Watch(loader, iterator)
        over = self.watch.gone if self.watch is not None else None
        self.round = Round(self, weakref.ref(iterator, over), self.role == "train" and self.training is not None)
        return self.round

    def close(self, *, at_end: bool = False) -> None:
        """See which of the rounds that are over have been epochs of its training."""
        waiting, self.waiting = self.waiting, []
        for round in waiting if self.round is None else (*waiting, self.round):
            if round.open and not at_end and round.iterator() is not None and len(self.waiting) < WAITING:
                self.waiting.append(round)
            elif round.open:
                round.close()

    def may_train(self, before: Round | None) -> bool:
        """Whether a step since the last batch may be on that: batches of two loaders may come in turns, of which one
        evaluates now and then."""
        grad: bool = sys.modules["torch"].is_grad_enabled()
        return grad and ((before is not None and before.feed is self) or not self.evaluates())

    def evaluates(self) -> bool:
        """Whether the program's names say so."""
        return self.says not in ("", "train")

    def for_what(self) -> str:
        """What data is for that is iterated while nothing is trained."""
        said = (self.round.split if self.round is not None else "") or self.says
        return said if said not in ("", "train") else "eval"

    def is_for_another(self, training: Training) -> bool:
        """Whether what is known of it is known of another training than this one."""
        return self.training is not None and id(training) not in self.training.joined

    def is_used_up(self) -> bool:
        """Whether its last batch was for the training that it is known to be for: that has begun with it, or has made a
        step since it came."""
        training = self.training
        return (
            training is None
            or not training.optimizers
            or self.round is None
            or self.round.last < training.steps
            or self.told_at == (self.round, self.round.batches)
        )

    def is_over(self) -> bool:
        """Whether this round is."""
        return self.round is None or self.round.iterator() is None

    def follow(self) -> None:
        """Go on from a loader of the same name and the same data, of which a new one is made for each epoch."""
        data = self.data() if self.data is not None else None
        if self.rounds or data is None:
            return
        others = [other for other in (*_gone, *_feeds.values()) if other.told and other.name == self.name]
        before = next((other for other in reversed(others) if other is not self and other.is_of(data)), None)
        split = in_thread().split
        if split and before is not None and before.role != split:
            return
        if before is not None and (before.training is None or before.training.strand.goes_on):
            self.told, self.role, self.training = True, before.role, before.training

    def is_of(self, data: Any) -> bool:
        """Whether it is of this data set, or of one that was made of the same tensors."""
        held = self.data() if self.data is not None else None
        if held is data:
            return True
        places = places_of(data)
        return (
            places != ()
            and len(places) == len(self.places)
            and all(a[0]() is b[0]() and a[1:] == b[1:] for a, b in zip(places, self.places, strict=True))
        )


class Round:
    """From the first to the last batch of an iterator of a loader."""

    __slots__ = (
        "batches", "begun", "during", "feed", "first", "here", "iterator", "last", "open", "split", "trained", "trains",
        "when",
    )  # fmt: skip

    def __init__(self, feed: Feed, iterator: weakref.ref[Any], is_open: bool) -> None:
        self.feed, self.iterator, self.here = feed, iterator, in_thread()
        self.batches = 0
        self.begun = 0
        """Of all batches that its thread has had, the first one of it."""
        self.when = 0.0
        """The time of that."""
        self.open = is_open
        """Whether it is to be seen yet if this round of a training's loader is an epoch: it may be an evaluation."""
        self.first = self.last = -1
        """How far the training was at the first and at the last batch."""
        self.during: Training | None = None
        """The training at whose steps these are."""
        self.trains = False
        """Whether gradients were computed at its first batch, and a model was in training mode."""
        self.trained = False
        """Whether there was a step on a batch of it, as far as one sees."""
        self.split = self.here.split
        """What a library that iterates it says it is for."""

    def close(self) -> None:
        """It is over: an epoch if there was a step after its last batch, or gradients alone are accumulated in it."""
        training = self.feed.training
        stepped = training is not None and self.here.round is self and training.steps > self.last
        if self.first >= 0 and (stepped or (self.trains and self.batches > 1)):
            self.note()
        self.open = False

    def note(self) -> None:
        """It is an epoch of its training; where several loaders feed that, those of one of them count."""
        training, feed = self.feed.training, self.feed
        self.open = False
        if training is None or (training.clock not in (None, feed) and training.clock.at >= self.begun):
            return
        if training.clock is None:
            training.epochs = in_thread().epochs
        training.clock = feed
        at = self.first if self.during is training else training.steps
        training.strand.series("epoch").record_at(at, training.epochs, self.when or time.time())
        training.epochs += 1


_feeds: dict[int, Feed] = {}
_iterating: dict[int, Round] = {}
"""By the id of an iterator, whose batches these are."""
_gone: deque[Feed] = deque(maxlen=100)
"""Those of loaders that are no more."""
_aside: dict[int, tuple[weakref.ref[Any], weakref.ref[Any]]] = {}
"""By its id, an iterator that was begun while a library tried something out, and its loader."""


def iterated(args: tuple[Any, ...], kwargs: dict[str, Any], iterator: Any) -> None:
    """A round of a loader begins."""
    loader = args[0]
    if in_thread().paused:
        _iterating.pop(id(iterator), None)
        if len(_aside) >= KEPT:
            _aside.clear()
        _aside[id(iterator)] = weakref.ref(iterator), weakref.ref(loader)
        return
    feed = _feeds.get(id(loader))
    with sys.modules["torch"]._C.DisableTorchFunction():  # no mode of the program's sees what is asked of tensors here
        settle()
        if feed is None or feed.reference() is not loader:
            if len(_feeds) >= KEPT:
                _feeds.clear()
            if feed is not None:
                _gone.append(feed)
            feed = _feeds[id(loader)] = Feed(loader, *names_of(sys._getframe(DEPTH), loader))
        feed.follow()
        begun = feed.begin(loader, iterator)
    if len(_iterating) >= KEPT:
        _iterating.clear()
    _iterating[id(iterator)] = begun


def fetched(args: tuple[Any, ...], kwargs: dict[str, Any], batch: Any) -> None:
    """A batch is on its way to the program.  On the hot path."""
    round = _iterating.get(id(args[0]))
    if round is None:
        round = _taken_up(args[0]) if _aside else None
        if round is None:
            return
    feed, here = round.feed, round.here
    feed.round = round
    round.batches += 1
    if feed.watch is not None and not feed.watch.batch(batch, args[0]):
        feed.watch = None
    before, here.round = here.round, round
    here.batches = feed.at = here.batches + 1
    if before is not None and before.feed is not feed:
        here.other = before.feed
    training = here.training
    if training is not None:
        optimizers = training.optimizers
        last = optimizers[0].count if len(optimizers) == 1 else training.steps
        other = before is not None and before is not round and before.open and before.during is training
        if other and last > before.last:
            before.note()
        stepped = last > round.last and round.during is training
        round.last = last
        if round.first < 0:
            round.first, round.during, round.when, round.begun = last, training, time.time(), here.batches
            grad = sys.modules["torch"].is_grad_enabled()
            round.trains = grad and training.is_in_training_mode()
            if not feed.told and not grad:
                with sys.modules["torch"]._C.DisableTorchFunction():
                    _tell(feed, training, feed.for_what())
        elif stepped and round.open:
            round.note()
        elif stepped and feed.role != "train":
            round.trained = round.trained or feed.may_train(before)


def _taken_up(iterator: Any) -> Round | None:
    """What was begun while a library tried something out may go on as part of a training."""
    found = _aside.get(id(iterator))
    if found is None or found[0]() is not iterator or in_thread().paused:
        return None
    del _aside[id(iterator)]
    loader = found[1]()
    if loader is not None:
        iterated((loader,), {}, iterator)
    return _iterating.get(id(iterator))


def feeds(training: Training, frame: FrameType) -> None:
    """A training has begun, or goes on, with what has come from a loader, or is in variables of the program's."""
    here = in_thread()
    feed: Feed | None = here.round.feed if here.round is not None else None
    other: Feed | None = here.other
    if feed is not None and feed.evaluates() and other is not None and not other.evaluates() and not other.is_over():
        feed = other
    if feed is None or (feed.told and feed.is_for_another(training) and feed.is_over()):
        sources.tell(training, frame)
    elif not feed.told or (feed.is_for_another(training) and not feed.is_used_up()):
        _tell(feed, training, "train")


def settle() -> None:
    """Find out what the loaders were for that have been iterated so far."""
    training = in_thread().training
    for feed in list(_feeds.values()):
        conclude(feed)
        round = feed.round
        if training is None or round is None or not round.batches or round.during is not training:
            continue
        if feed.told and not feed.is_for_another(training) and (feed.role == "train" or not round.trained):
            continue
        if round.trained:
            _tell(feed, training, "train")
        elif round.first >= 0 and (not round.trains or feed.evaluates() or round.split):
            _tell(feed, training, feed.for_what())


def _tell(feed: Feed, training: Training, role: str) -> None:
    held = feed.reference()  # never asked whether it is true: that would count the data
    round = feed.round
    if held is None and round is not None:
        held = round.iterator()
    if role == "train" and feed.training is None:
        later("the last epoch", lambda: feed.close(at_end=True), EVER)
    feed.told, feed.role, feed.training = True, role, training
    feed.told_at = round, round.batches if round is not None else 0
    prefix = "" if role == "train" and not training.fed else f"{feed.name or role}."
    if role == "train":
        training.fed = True
        if round is not None:
            round.note()
    training.strand.params({f"{prefix}{name}": value for name, value in feed.settings.items()}, "loader")
    dataset = getattr(held, "dataset", getattr(held, "_dataset", None))
    if dataset is None and feed.data is not None:
        dataset = feed.data()
    if dataset is not None and (role == "train" or training.evaluates(feed.name or role)):
        _tell_data(feed, training, role, dataset)


def _reference(data: Any) -> weakref.ref[Any] | None:
    try:
        return weakref.ref(data)
    except TypeError:  # a list
        return None


def _settings(loader: Any) -> dict[str, Any]:
    torch: Any = sys.modules["torch"]
    settings: dict[str, Any] = {
        name: getattr(loader, name, None) for name in ("batch_size", "drop_last", "num_workers")
    }
    sampler = getattr(loader, "sampler", None)
    batches = getattr(loader, "batch_sampler", None)
    if settings["batch_size"] is None and batches is not None:  # one that was given, as Accelerate does
        batches = getattr(batches, "batch_sampler", batches)
        settings |= {name: getattr(batches, name, settings[name]) for name in ("batch_size", "drop_last")}
        sampler = getattr(batches, "sampler", sampler)
    shuffles = getattr(sampler, "__dict__", {}).get("shuffle") is True  # as DistributedSampler
    settings["shuffle"] = shuffles or isinstance(sampler, torch.utils.data.RandomSampler)
    if sampler is not None and type(sampler).__name__ not in ("RandomSampler", "SequentialSampler"):
        settings["sampler"] = type(sampler).__name__
    return settings


def _tell_data(feed: Feed, training: Training, role: str, dataset: Any) -> None:
    """The data set, as exactly as it can be had without asking it for its rows."""
    strand, name = training.strand, type(dataset).__name__
    arrays = arrays_of(dataset)
    if arrays:
        whole = dataset.dataset if type(dataset) is sys.modules["torch"].utils.data.Subset else dataset
        kind = datasets.TENSOR if datasets.as_array(whole) is not whole else None
        if len(arrays) <= 2:
            strand.data(role, arrays[0], labels=arrays[1] if len(arrays) > 1 else None, name=name, kind=kind)
        else:
            named = {f"tensors[{number}]": array for number, array in enumerate(arrays)}
            data_held(strand, role, name, named, method="whole", kinds=dict.fromkeys(named, datasets.TENSOR))
        feed.watch = feed.watched = None
        return
    found = datasets.look(dataset)
    if found.over:
        strand.gap(
            f"files of the {role} data", f"it names {found.over:,} files; up to {datasets.FILES:,} are looked at"
        )
    elif found.paths or (found.held and not found.unknown and found.longest >= (feed.settings["batch_size"] or 1)):
        data_held(strand, role, name, found.held, found.paths, kinds=found.kinds)
        if found.unknown:
            strand.gap(f"rest of the {role} data", f"what it holds besides is not read: {', '.join(found.unknown)}")
        feed.watch = feed.watched = None
        return
    if feed.passed is not None:
        strand.dataset(role, feed.passed[0])
        if feed.passed[1]:
            strand.gap(f"identity of the {role} data", feed.passed[1])
        return
    if feed.watched is None:
        strand.data_seen(role, name, rows=datasets.length(dataset), why=f"not read: {', '.join(found.unknown)}")
        return
    rows = datasets.length(dataset)
    report = strand.dataset(role, Dataset(id=None, method="declared", kind=name, name="rows", rows=rows))
    feed.reports.append((training, role, report))
    later("what passes of the data", lambda: conclude(feed, at_end=True), EVER)
    conclude(feed)


def conclude(feed: Feed, *, at_end: bool = False) -> None:
    """Put on record what has passed in the first epoch of a loader, once that is over."""
    watch = feed.watched
    if watch is None or not feed.reports:
        return
    if at_end:
        watch.gone()
    if not watch.over and not watch.why:
        return
    feed.watch = feed.watched = None
    held = feed.data() if feed.data is not None else None
    dataset, profile, missing = watch.result(feed.kind, datasets.length(held))
    missing = watch.why or missing
    feed.passed = dataset, missing
    for training, role, report in feed.reports:
        report(dataset)
        if missing:
            training.strand.gap(f"identity of the {role} data", missing)
    if profile is not None:
        data_profiled(feed.reports[0][0].strand, profile)
    feed.reports.clear()


def forget() -> None:
    _gone.clear()
    _feeds.clear()
    _iterating.clear()
    _aside.clear()
