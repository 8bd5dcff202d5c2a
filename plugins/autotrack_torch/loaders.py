"""Data loaders as they are iterated: which one feeds the training, how it is set up, and the epochs.

What passes between two steps is what is trained on; a loader from which batches come while nothing steps is there to
evaluate.  Nothing is iterated for it, and no random number is drawn.
"""

from __future__ import annotations

import sys
import weakref
from types import FrameType
from typing import Any

from autotrack.plugin_api import split_of, variables
from autotrack_torch import training as trainings
from autotrack_torch.training import Training, in_thread

FRAMES = 6
"""Functions in which the name of a loader is looked for."""
KEPT = 1_000
"""Loaders that are known."""
COPIED = 64 << 20
"""Bytes of a part of a data set that are gathered for its identity."""
DEPTH = 2


class Feed:
    """A data loader."""

    __slots__ = (
        "batches", "data", "epochs", "first", "iterator", "last", "name", "reference", "role", "settings", "told",
        "training",
    )  # fmt: skip

    def __init__(self, loader: Any, name: str) -> None:
        self.reference = weakref.ref(loader)
        self.settings = _settings(loader)
        self.iterator: weakref.ref[Any] | None = None
        """Of this round: a loader that has no name is gone once it is iterated."""
        self.name = name
        self.batches = 0
        """That have passed in this round."""
        self.epochs = 0
        """Rounds that were begun."""
        self.first = self.last = -1
        """How far the training was at the first and at the last batch of this round."""
        self.role = ""
        self.told = False
        self.training: Training | None = None
        self.data = _reference(getattr(loader, "dataset", None))

    def follow(self) -> None:
        """Go on from a loader of the same name and the same data, of which a new one is made for each epoch."""
        data = self.data() if self.data is not None else None
        if self.epochs or data is None:
            return
        others = [other for other in _feeds.values() if other.told and other.name == self.name and other is not self]
        before = next((other for other in reversed(others) if other.data is not None and other.data() is data), None)
        if before is not None:
            self.told, self.role, self.training, self.epochs = True, before.role, before.training, before.epochs


_feeds: dict[int, Feed] = {}
_iterating: dict[int, tuple[weakref.ref[Any], Feed]] = {}
"""By the id of an iterator, whose batches these are."""


def iterated(args: tuple[Any, ...], kwargs: dict[str, Any], iterator: Any) -> None:
    """A round of a loader begins."""
    loader = args[0]
    feed = _feeds.get(id(loader))
    if feed is None or feed.reference() is not loader:
        if len(_feeds) >= KEPT:
            _feeds.clear()
        feed = _feeds[id(loader)] = Feed(loader, _variable(sys._getframe(DEPTH), loader))
    settle()
    feed.follow()
    feed.batches, feed.first, feed.last = 0, -1, -1
    feed.epochs += 1
    if len(_iterating) >= KEPT:
        _iterating.clear()
    feed.iterator = weakref.ref(iterator)
    _iterating[id(iterator)] = feed.iterator, feed
    if feed.role == "train" and feed.training is not None:
        feed.training.strand.series("epoch").record(feed.training.steps, feed.epochs - 1)


def fetched(args: tuple[Any, ...], kwargs: dict[str, Any], batch: Any) -> None:
    """A batch is on its way to the program.  On the hot path."""
    known = _iterating.get(id(args[0]))
    if known is None:
        return
    feed = known[1]
    feed.batches += 1
    here = in_thread()
    here.feed = feed
    training = here.training
    if training is not None:
        feed.last = training.optimizers[0].count if training.optimizers else 0
        if feed.first < 0:
            feed.first = feed.last


def feeds(training: Training) -> None:
    """A training has begun, or goes on, with what has come from a loader."""
    feed: Feed | None = in_thread().feed
    if feed is not None and not feed.told:
        _tell(feed, training, "train")


def settle() -> None:
    """Find out what the loaders were for that have been iterated so far."""
    training = in_thread().training
    for feed in list(_feeds.values()):
        if feed.told or not feed.batches or training is None:
            continue
        if feed.last > feed.first >= 0:
            _tell(feed, training, "train")
        elif feed.first >= 0:
            _tell(feed, training, split_of(feed.name) or "eval")


def _tell(feed: Feed, training: Training, role: str) -> None:
    held = feed.reference()  # never asked whether it is true: that would count the data
    if held is None and feed.iterator is not None:
        held = feed.iterator()
    feed.told, feed.role, feed.training = True, role, training
    prefix = "" if role == "train" and not training.fed else f"{feed.name or role}."
    if role == "train":
        training.fed = True
        training.strand.series("epoch").record(training.steps, feed.epochs - 1)
    training.strand.params({f"{prefix}{name}": value for name, value in feed.settings.items()}, "loader")
    dataset = getattr(held, "dataset", getattr(held, "_dataset", None))
    if dataset is not None:
        _tell_data(training, role, dataset)


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
    settings["shuffle"] = isinstance(sampler, torch.utils.data.RandomSampler)
    if sampler is not None and type(sampler).__name__ not in ("RandomSampler", "SequentialSampler"):
        settings["sampler"] = type(sampler).__name__
    return settings


def _tell_data(training: Training, role: str, dataset: Any) -> None:
    """The data set: exactly where it is made of tensors, by its class and size where it is not."""
    name = type(dataset).__name__
    arrays = _arrays(dataset)
    if arrays:
        training.strand.data(role, arrays[0], labels=arrays[1] if len(arrays) > 1 else None, name=name)
        return
    rows = len(dataset) if hasattr(type(dataset), "__len__") else None
    training.strand.data_seen(role, name, rows=rows)


def _arrays(dataset: Any) -> list[Any]:
    """The features, and the labels, of a data set that is made of tensors in memory."""
    torch: Any = sys.modules["torch"]
    data = torch.utils.data
    if isinstance(dataset, data.TensorDataset) and type(dataset).__getitem__ is data.TensorDataset.__getitem__:
        return _as_numpy(list(dataset.tensors))
    if type(dataset) is data.Subset and isinstance(dataset.dataset, data.TensorDataset):
        tensors = list(dataset.dataset.tensors)
        if sum(tensor.numel() * tensor.element_size() for tensor in tensors) <= COPIED:
            indices = torch.as_tensor(list(dataset.indices), dtype=torch.int64)
            return _as_numpy([tensor.detach()[indices] for tensor in tensors])
    return []


def _as_numpy(tensors: list[Any]) -> list[Any]:
    torch: Any = sys.modules["torch"]
    found = []
    for tensor in tensors:
        if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or not tensor.is_cpu or tensor.is_sparse:
            return []
        tensor = tensor.detach()
        found.append((tensor.view(torch.int16) if tensor.dtype is torch.bfloat16 else tensor).numpy())
    return found


def _variable(frame: FrameType | None, wanted: Any) -> str:
    """The name under which the program has a loader: the nearest that says what it is for, else the nearest."""
    found: list[str] = []
    for _ in range(FRAMES):
        if frame is None:
            break
        for space in (variables(frame), frame.f_globals):
            for name, value in list(space.items()):
                found += [f"{name}{key}" for key, entry in _entries(name, value) if entry is wanted]
        frame = frame.f_back
    return next((name for name in found if split_of(name)), next(iter(found), ""))


def _entries(name: str, value: Any) -> list[tuple[str, Any]]:
    """What a variable holds, by what is written after its name."""
    if type(value) is dict:
        return [(f"[{key}]", entry) for key, entry in list(value.items())[:100]]
    held = getattr(value, "__dict__", None) if name == "self" else None
    if type(held) is dict:
        return [(f".{key}", entry) for key, entry in list(held.items())]
    return [("", value)]


def forget() -> None:
    _feeds.clear()
    _iterating.clear()


assert trainings
