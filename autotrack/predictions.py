"""Which model made a prediction: what ties a score that is computed later to the run of its model.

A prediction is known as the very object that the model returned, or as a view of it.  What was derived from it (a
copy, a column, the class of the greatest probability, other names of the classes, a threshold or any other monotone
function) is found among the last predictions by its values; where those of several models fit, the latest is taken,
and that is said.
"""

from __future__ import annotations

import itertools
import sys
import weakref
from collections import deque
from math import lgamma, log
from typing import Any, NamedTuple

from autotrack import trained
from autotrack.strand import Strand

KEPT, KEPT_BYTES, KEPT_EACH = 256, 8 << 20, 2 << 20
"""Predictions that are kept; their bytes, in all and of one."""
COMPARED = 32
"""Predictions that something is compared with at most."""
CHANCE = 1_000
"""Arrangements of some values of which the one that follows from a prediction must be one, not to be by chance."""
GLANCED = 32
"""Values that are compared first: most of what does not follow is told by these."""
LISTED = 100_000
"""Length of lists that are looked into."""


class Prediction:
    """What a model returned: the strand that trained it, None where it is not known; for what data."""

    __slots__ = ("_features", "_model", "array", "note", "role", "strand", "what")

    def __init__(self, strand: Strand | None, role: str | None, model: Any, features: Any, what: str) -> None:
        self.strand, self.role, self.what = strand, role, what
        self._model, self._features = _weak(model), _weak(features)
        self.note = trained.note_of(model) if strand is None else None
        """What is known of a model that no strand of this program has trained."""
        self.array: Any = None

    @property
    def model(self) -> Any:
        return self._model() if self._model is not None else None

    @property
    def features(self) -> Any:
        return self._features() if self._features is not None else None


class _Kept:
    predictions: deque[Prediction] = deque()
    size = 0


def made(
    result: Any, model: Any, strand: Strand | None, *, role: str | None = None, features: Any = None, what: str = ""
) -> None:
    """Note what a model returned; of several arrays in a list or tuple each.  `what` says what was predicted where
    it is something else than the model's prediction."""
    if isinstance(result, (list, tuple)):
        for part in result[:COMPARED]:
            if hasattr(part, "shape"):
                made(part, model, strand, role=role, features=features, what=what)
        return
    prediction = Prediction(strand, role, model, features, what)
    trained.remember(result, strand, role, prediction)
    size = getattr(result, "nbytes", None)
    if not isinstance(size, int) or what:
        return
    base = getattr(result, "base", None)
    if base is not None and getattr(base, "size", None) == result.size:  # of a view of a view, only this is seen
        trained.remember(base, strand, role, prediction)
    if size <= KEPT_EACH and result.ndim and len(result) > 1:
        prediction.array = result
        _Kept.predictions.append(prediction)
        _Kept.size += size
        while _Kept.size > KEPT_BYTES or len(_Kept.predictions) > KEPT:
            oldest = _Kept.predictions.popleft()
            _Kept.size -= oldest.array.nbytes
            oldest.array = None


def forget() -> None:
    """Let go of what is kept, as recording ends."""
    _Kept.predictions.clear()
    _Kept.size = 0


def of(data: Any) -> Prediction | None:
    """The prediction that this very object is, or a view of."""
    for _ in range(8):
        if data is None:
            return None
        note = trained.note_of(data)
        if isinstance(note, Prediction):
            return note
        data = getattr(data, "base", None)
    return None


class Likeness(NamedTuple):
    """A prediction from whose values others follow, and of how many models that can be said."""

    prediction: Prediction
    models: int


def like(data: Any) -> Likeness | None:
    """The latest prediction from which these values follow; None where there is none."""
    values = _values(data)
    if values is None or len(values) < 2:
        return None
    numpy = sys.modules["numpy"]
    glance = numpy.linspace(0, len(values) - 1, min(GLANCED, len(values))).astype(numpy.intp)
    glanced = values[glance]
    found: list[Prediction] = []
    compared = 0
    for prediction in reversed(_Kept.predictions):
        if prediction.array is None or len(prediction.array) != len(values):
            continue
        compared += 1
        if _may_follow(glanced, prediction.array[glance]) and _follows(values, prediction.array):
            found.append(prediction)
        if compared == COMPARED:
            break
    if not found:
        return None
    models = {id(p.strand) if p.strand is not None else id(p.model) for p in found}
    return Likeness(found[0], len(models))


def _values(data: Any) -> Any:
    """What may be derived from a prediction, as an array of one or two dimensions; None for anything else."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if isinstance(data, (list, tuple)):
        if not data or len(data) > LISTED or not isinstance(data[0], (int, float, str, list, tuple, numpy.generic)):
            return None
        try:
            data = numpy.asarray(data)
        except ValueError:
            return None
    elif hasattr(data, "to_numpy") and (hasattr(data, "dtype") or getattr(data, "ndim", None) == 2):
        data = data.to_numpy()
    if not isinstance(data, numpy.ndarray) or data.ndim not in (1, 2) or data.nbytes > KEPT_EACH:
        return None
    return data[:, 0] if data.ndim == 2 and data.shape[1] == 1 else data


def _may_follow(values: Any, array: Any) -> bool:
    """Whether a few of the values, all of one dimension, could follow from those of a prediction."""
    if values.ndim != 1 or (array.ndim == 2 and array.shape[1] > 2 and values.dtype.kind == "f"):
        return True
    if array.ndim == 2:
        array = array.argmax(axis=1) if array.shape[1] > 2 else array[:, -1]
    pairs = list(zip(array.tolist(), values.tolist(), strict=True))
    if array.dtype.kind != "f":  # each class always by the same name
        return len(set(pairs)) == len({given for given, _ in pairs})
    try:
        derived = [value for _, value in sorted(pairs)]
    except TypeError:
        return False
    neighbours = list(itertools.pairwise(derived))
    return all(one <= other for one, other in neighbours) or all(one >= other for one, other in neighbours)


def _follows(values: Any, array: Any) -> bool:
    """Whether values follow from a prediction."""
    numpy = sys.modules["numpy"]
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if values.shape == array.shape:
        if _equal(numpy, values, array) or _monotone(numpy, values.ravel(), array.ravel()):
            return True
        return values.ndim == 1 and array.dtype.kind in "biuUSO" and _translated(numpy, values, array)
    if values.ndim != 1 or array.ndim != 2 or array.dtype.kind not in "fiu":
        return False
    if _translated(numpy, values, array.argmax(axis=1)):
        return True
    columns = array.T if array.shape[1] <= COMPARED else ()
    if any(_equal(numpy, values, column) for column in columns):
        return True
    return array.shape[1] == 2 and _monotone(numpy, values, array[:, 1])


def _equal(numpy: Any, values: Any, array: Any) -> bool:
    if values.dtype.kind in "OUS" or array.dtype.kind in "OUS":
        return values.dtype.kind in "OUS" and array.dtype.kind in "OUS" and bool((values == array).all())
    return bool(numpy.array_equal(values, array))


def _translated(numpy: Any, values: Any, array: Any) -> bool:
    """Whether values are other names for classes that were predicted, or groups of them: two of these at least."""
    if _equal(numpy, values, array):
        return True
    try:
        different, first, position = numpy.unique(array, return_index=True, return_inverse=True)
        names, often = numpy.unique(values, return_counts=True)
    except TypeError:  # objects that have no order
        return False
    if len(names) < 2 or not (values[first][position] == values).all():
        return False
    by_chance = len(different) * log(len(names))  # so many translations there are
    return _arrangements(len(values), often.tolist()) - by_chance > log(CHANCE)


def _arrangements(length: int, often: list[int]) -> float:
    """Logarithm of the number of orders in which values that come up so often can stand."""
    return lgamma(length + 1) - sum(lgamma(count + 1) for count in often)


def _monotone(numpy: Any, values: Any, array: Any) -> bool:
    """Whether values rise with those of a continuous prediction (a threshold, a rounding, an exponential): two
    different ones at least, and none for equal predictions that differ."""
    if array.dtype.kind != "f" or values.dtype.kind not in "fiub":
        return False
    order = numpy.argsort(array, kind="stable")
    rising, given = values[order], array[order]
    if rising.dtype.kind == "b":
        rising = rising.astype(numpy.int8)
    steps = numpy.diff(rising)
    if not (steps >= 0).all() or not steps.any():
        return False
    often = numpy.diff(numpy.flatnonzero(numpy.concatenate([[True], steps != 0, [True]])))
    unlikely = _arrangements(len(values), often.tolist()) > log(CHANCE)
    return unlikely and not (steps[numpy.diff(given) == 0] != 0).any()


def _weak(obj: Any) -> Any:
    try:
        return weakref.ref(obj) if obj is not None else None
    except TypeError:
        return None
