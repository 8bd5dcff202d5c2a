"""The epochs and batches of a training, as Keras tells them to its callbacks.

No callback of ours is among them: one for batches would turn the asynchronous dispatch of Keras off.  What a batch has
brought is read where Keras has read it itself, after it, in the thread in which it did.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

from autotrack import Strand
from autotrack.plugin_api import as_recorded, note_of, remember, strand_inside
from autotrack_keras.compiled import has_own_schedule, number_of, rate_of, tell_compiled

MEMO = "keras"
RATES = ("learning_rate", "lr")
_NONE = object()


class Epochs:
    """How far a training is, and what its epochs and batches have brought."""

    __slots__ = (
        "_batches", "_before", "_container", "_lock", "_names", "_offset", "_rate", "_strand", "begun", "count",
        "earlier", "ended", "has_trained", "last", "left", "params", "phase", "spent",
    )  # fmt: skip

    def __init__(self, strand: Strand, before: Epochs | None = None) -> None:
        """`before`: those of the training that goes on."""
        self._strand = weakref.ref(strand)
        self.phase: int = before.phase + 1 if before is not None else 1
        """How often the model is trained, each time from where it was."""
        self._before: int = before.last + 1 if before is not None else 0
        self._offset = 0
        self.last: int = self._before - 1
        """The last epoch that is on record."""
        self.has_trained = False
        """Whether a batch has been trained on."""
        self.params: dict[str, tuple[Any, str]] = dict(before.params) if before is not None else {}
        """Those that were told, as they are on record, each with its source."""
        self.left: list[tuple[weakref.ref[Any], bytes]] = []
        """Some of the weights, as it has left them."""
        self._batches: dict[str, Any] = {}
        self._names: dict[str, int] = {}
        self._container: Any = None
        self._rate: float | None = None
        self.begun: int = before.count if before is not None else 0
        self.count: int = self.begun
        """Batches of the epochs before, and those that were trained on."""
        self.ended = 0
        """Epochs that were gone through."""
        self.earlier: int = before.earlier + before.ended if before is not None else 0
        """Those of the trainings that it goes on from."""
        self.spent = 0.0
        """Seconds that the identities of saved weights have taken."""
        self._lock = threading.Lock()
        strand.memo[MEMO] = strand.counter = self

    def tell(self, params: dict[str, Any], source: str) -> None:
        """Parameters: those that are others than in the training which goes on."""
        described = as_recorded(params)
        new = {name: value for name, value in described.items() if self.params.get(name, (_NONE,))[0] != value}
        self.params.update((name, (value, source)) for name, value in new.items())
        strand = self._strand()
        if strand is not None:
            strand.described_params(new, source)

    def tell_all(self) -> None:
        """It is no phase of another training: what is the same as in that is told as well."""
        strand = self._strand()
        if strand is not None and self.phase > 1:
            for source in {source for _, source in self.params.values()}:
                told = {name: value for name, (value, of) in self.params.items() if of == source}
                strand.described_params(told, source)

    def _trains(self) -> None:
        """A batch has been trained on: it is another phase of the training that it goes on from."""
        self.has_trained = True
        strand = self._strand()
        if strand is not None and strand.first is not None and strand.within is None:
            strand.join(strand.first, f"phase{self.phase}")

    def is_of(self, container: Any) -> bool:
        """Whether these are of the training whose callbacks this list calls."""
        if self._container is None:
            self._container = weakref.ref(container)
        return self._container() is container

    def begin(self, container: Any) -> None:
        """Training begins; a `History` that was used before has epochs already."""
        history = _history(container)
        self._names = {name: len(values) for name, values in (history or {}).items()}

    def batch(self, number: int, logs: Any) -> None:
        if not self.has_trained:
            self._trains()
        strand = self._strand()
        if strand is None or not isinstance(logs, dict):
            return
        step, found = self.begun + number, numbers(logs)
        with self._lock:
            self.count = max(self.count, step + 1)
            for name, value in found:
                record = self._batches.get(name)
                if record is None:
                    record = self._batches[name] = strand.series(f"train/{name}.batch").record
                record(step, value)

    def end(self, container: Any, epoch: int, logs: Any) -> None:
        """An epoch has ended: what `History` has of it, or, without one, what the callbacks were told."""
        if not self.has_trained:
            self._trains()
        strand = self._strand()
        if strand is None:
            return
        if not self.ended and epoch < self._before:  # where `fit` was not told that epochs came before, it begins at 0
            self._offset = self._before - epoch
        epoch += self._offset
        self.begun, self.ended, self.last = self.count, self.ended + 1, epoch
        history = _history(container)
        if history is None:
            found = dict(numbers(logs)) if isinstance(logs, dict) else {}
        else:
            found = {name: values[-1] for name, values in history.items() if len(values) > self._names.get(name, 0)}
            self._names = {name: len(values) for name, values in history.items()}
        for name, value in found.items():
            if isinstance(value, (int, float)):
                strand.series(_series(str(name))).record(epoch, float(value))
        if not any(name in found for name in RATES):
            self._look(strand, container, epoch)

    def _look(self, strand: Strand, container: Any, epoch: int) -> None:
        """See whether the learning rate is another one than it was, where Keras does not tell."""
        optimizer = getattr(getattr(container, "_model", None), "optimizer", None)
        rate = rate_of(optimizer)
        if rate is None and has_own_schedule(optimizer):
            strand.gap("learning rate of each epoch", "the schedule is the program's own and is not called")
        number = number_of(rate) if rate is not None else None
        if number is not None and number != self._rate:
            self._rate = number
            strand.series("learning_rate").record(epoch, number)


def of(strand: Strand) -> Epochs | None:
    """Those of a training of Keras's."""
    return strand.memo.get(MEMO)


def _series(name: str) -> str:
    if name in RATES:
        return "learning_rate"
    return f"valid/{name[4:]}" if name.startswith("val_") else f"train/{name}"


def _history(container: Any) -> dict[str, list[Any]] | None:
    history = getattr(getattr(container, "_history", None), "history", None)
    return history if isinstance(history, dict) else None


def numbers(logs: dict[str, Any]) -> list[tuple[str, float]]:
    """The numbers among what a batch has brought, where they lie in the memory of a device by copies, which Keras has
    made and waited for itself."""
    found = []
    for name, value in logs.items():
        if isinstance(value, dict):
            found += numbers(value)
            continue
        if hasattr(value, "detach"):
            value = value.detach()
        try:
            found.append((str(name), float(value)))
        except (TypeError, ValueError):
            continue
    return found


def training_begun(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`CallbackList.on_train_begin` has been called."""
    strand, container = strand_inside(), args[0]
    if strand is None:
        return
    epochs = of(strand)
    if epochs is None:
        if strand.framework != "sklearn" or strand.kind != "fit":  # a wrapper for scikit-learn
            return
        epochs = Epochs(strand)
        tell_compiled(getattr(container, "_model", None), epochs.tell)
    if epochs.is_of(container):
        epochs.begin(container)
        remember(container, strand, note=epochs)
    else:
        strand.gap("epochs of the models", "several models were trained within this one: those of the first are here")


def batch_ended(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`CallbackList._on_train_batch_end` has been called, perhaps in a thread of Keras's."""
    epochs = note_of(args[0])
    if isinstance(epochs, Epochs):
        epochs.batch(int(args[1]), args[2] if len(args) > 2 else kwargs.get("logs"))


def epoch_ended(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`CallbackList.on_epoch_end` has been called."""
    epochs = note_of(args[0])
    if isinstance(epochs, Epochs):
        epochs.end(args[0], int(args[1]), args[2] if len(args) > 2 else kwargs.get("logs"))
