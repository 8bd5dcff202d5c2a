"""Which model made a prediction: what ties a score that is computed later to the run of its model.

A prediction is known as the very object that the model returned, while its content is what it was, or as a view of
that.  What was derived from it is found among the last predictions by its values: a copy, a column, the class of the
greatest probability, other names of the classes, a threshold, a few functions such as `exp`.  Where predictions of
several models fit, the latest is taken, and that is said.

Copies are kept, not the user's arrays: those may be changed, resized and freed as if nobody looked.
"""

from __future__ import annotations

import itertools
import sys
import weakref
from math import lgamma, log
from typing import Any, NamedTuple

from autotrack import trained
from autotrack.identity import arrays
from autotrack.strand import Strand

KEPT, KEPT_BYTES, KEPT_EACH = 512, 8 << 20, 2 << 20
"""Predictions that are kept; their bytes, in all and of one.  Of larger ones a sample is kept."""
COMPARED = 32
"""Predictions that something is compared with at most."""
CHANCE = 1_000
"""Arrangements of some values of which the one that follows from a prediction must be one, not to be by chance."""
GLANCED = 32
"""Values that are compared first: most of what does not follow is told by these."""
LISTED = 100_000
"""Length of lists that are looked into."""
FUNCTIONS = ("exp", "expm1", "log", "log1p", "square", "sqrt", "negative", "round")
"""Functions of numpy that people apply to predictions before they score them."""


class Prediction:
    """What a model returned: the strand that trained it, None where it is not known; for what data."""

    __slots__ = ("_features", "_model", "columns", "copy", "note", "role", "sample", "shape", "strand", "what")

    def __init__(
        self, result: Any, strand: Strand | None, role: str | None, model: Any, features: Any, what: str
    ) -> None:
        self.strand, self.role, self.what = strand, role, what
        self._model, self._features = _weak(model), _weak(features)
        self.note = trained.note_of(model) if strand is None else None
        """What is known of a model that no strand of this program has trained."""
        size = features.shape if hasattr(features, "shape") else ()
        self.columns = size[1] if isinstance(size, tuple) and len(size) == 2 else None
        self.shape = result.shape
        self.copy: Any = result.copy() if result.nbytes <= KEPT_EACH else None
        self.sample = arrays.sample(result) if self.copy is None else None

    @property
    def model(self) -> Any:
        return self._model() if self._model is not None else None

    @property
    def features(self) -> Any:
        return self._features() if self._features is not None else None

    def holds(self, data: Any) -> bool:
        """Whether this array is what was predicted."""
        if getattr(data, "shape", None) != self.shape:
            return False
        if self.copy is None:
            return arrays.sample(data) == self.sample
        return bool(_same(sys.modules["numpy"], data, self.copy))


_kept: dict[int, Prediction] = {}
"""By the id of the array, which may be another's by now: its content tells.  In the order they were made."""


class _State:
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
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(result, numpy.ndarray) or not result.ndim:
        return
    prediction = Prediction(result, strand, role, model, features, what)
    before = _kept.pop(id(result), None)
    _kept[id(result)] = prediction
    _State.size += _bytes(prediction) - _bytes(before)
    while len(_kept) > KEPT or _State.size > KEPT_BYTES:
        try:
            _State.size -= _bytes(_kept.pop(next(iter(_kept))))
        except (StopIteration, RuntimeError, KeyError):  # another thread was at it
            break


def _bytes(prediction: Prediction | None) -> int:
    return prediction.copy.nbytes if prediction is not None and prediction.copy is not None else 0


def forget() -> None:
    """Let go of what is kept, as recording ends."""
    _kept.clear()
    _State.size = 0


class Tie(NamedTuple):
    """A prediction that something is, or from whose values it follows."""

    prediction: Prediction
    how: str = ""
    """What was done to it: `threshold`, the name of a function, `part` for some of its rows; nothing for a copy, a
    column, and other names of what was predicted."""
    models: int = 1
    """Of how many models that can be said."""

    @property
    def exact(self) -> bool:
        return not self.how and self.models == 1


def of(data: Any) -> Tie | None:
    """The prediction that this very array is, or a view of."""
    looked_at = data
    for _ in range(8):
        if looked_at is None:
            return None
        prediction = _kept.get(id(looked_at))
        if prediction is not None and prediction.holds(looked_at):
            rows: Any = getattr(data, "shape", ())
            part = bool(rows) and rows[0] < prediction.shape[0]
            return Tie(prediction, "part" if part else "")
        base = getattr(looked_at, "base", None)
        looked_at = base if hasattr(base, "shape") else None
    return None


def like(data: Any, *, ranking: bool = False, numeric: bool = False) -> Tie | None:
    """The latest prediction from which these values follow; None where there is none.

    `ranking`: for a score that sees their order alone, which any rising function leaves as it is.  `numeric`: for an
    error, of which numbers are compared: a threshold is no prediction there.
    """
    values = _values(data)
    if values is None or len(values) < 2:
        return None
    numpy = sys.modules["numpy"]
    glance = numpy.linspace(0, len(values) - 1, min(GLANCED, len(values))).astype(numpy.intp)
    glanced = values[glance]
    found: list[tuple[Prediction, str]] = []
    compared = 0
    for prediction in reversed(tuple(_kept.values())):
        array = prediction.copy
        if array is None or len(array) != len(values) or array.ndim > 2 or not array.size:
            continue
        compared += 1
        if _may_follow(glanced, array[glance]):
            how = _follows(numpy, values, prediction, ranking, numeric)
            if how is not None:
                found.append((prediction, how))
        if compared == COMPARED:
            break
    if not found:
        return None
    plain = [entry for entry in found if not entry[1]] or found
    models = {id(p.strand) if p.strand is not None else id(p.model) for p, _ in plain}
    return Tie(*plain[0], len(models))


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


def _follows(numpy: Any, values: Any, prediction: Prediction, ranking: bool, numeric: bool) -> str | None:
    """How values follow from a prediction; None where they don't."""
    array = prediction.copy
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if _constant(numpy, values):  # another's may be the same by chance
        return None
    if values.shape == array.shape and _same(numpy, values, array):
        return ""
    discrete = array.dtype.kind in "biuUSO"
    if values.ndim == 1 and array.ndim == 1 and discrete:
        return "" if not numeric and _translated(numpy, values, array) else None
    if values.ndim == 1 and array.ndim == 2 and array.dtype.kind in "fiu":
        if not numeric and _translated(numpy, values, array.argmax(axis=1)):
            return ""
        columns = array.T if array.shape[1] <= COMPARED else ()
        if any(_same(numpy, values, column) for column in columns):
            return ""
        if array.shape[1] == 2:
            array = array[:, 1]
    if values.shape != array.shape or array.dtype.kind != "f" or values.dtype.kind not in "fiub":
        return None
    with numpy.errstate(all="ignore"):
        for name in FUNCTIONS:
            if numpy.allclose(getattr(numpy, name)(array), values, rtol=1e-12, atol=1e-12, equal_nan=True):
                return name
    # What rises with the only feature that a model has seen rises with the model's prediction, whoever made it.
    if numeric or prediction.columns is None or prediction.columns < 2:
        return None
    few = len(set(values.ravel()[:LISTED].tolist())) <= 2
    if (ranking or few) and _monotone(numpy, values.ravel(), array.ravel()):
        return "threshold" if few else "rising"
    return None


def _constant(numpy: Any, values: Any) -> bool:
    flat = values.reshape(-1)
    return not (flat != flat[0]).any() if flat.size else True


def _same(numpy: Any, values: Any, array: Any) -> bool:
    if values.dtype.kind in "OUS" or array.dtype.kind in "OUS":
        both = values.dtype.kind in "OUS" and array.dtype.kind in "OUS" and values.shape == array.shape
        return both and bool((values == array).all())
    return bool(numpy.array_equal(values, array, equal_nan=array.dtype.kind == "f" and values.dtype.kind == "f"))


def _translated(numpy: Any, values: Any, array: Any) -> bool:
    """Whether values are other names for the classes that were predicted, one name for each."""
    if _same(numpy, values, array):
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
    """Whether values rise with those of a continuous prediction: two different ones at least, and none for equal
    predictions that differ."""
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
