"""`DataIter`: the batches that the program hands over in the first of the passes that XGBoost makes.

What is handed over is seen where XGBoost takes it: first the data, then what belongs to it.
"""

from __future__ import annotations

import threading
from typing import Any

from autotrack_boosting.data import Passing

_watched: dict[int, tuple[Any, Passing]] = {}
"""By the id of the matrix through which an iterator hands its batches over, that matrix, and what has passed."""
_INFORMATION = ("feature_names", "feature_types")


class _Thread(threading.local):
    """What was handed over last in this thread."""

    data: Any = None


_here = _Thread()


def begin(iterator: Any) -> Passing | None:
    """A matrix is about to be made of an iterator."""
    proxy = getattr(iterator, "__dict__", {}).get("_handle")
    if proxy is None:
        return None
    passing = Passing()
    _watched[id(proxy)] = proxy, passing
    return passing


def end(iterator: Any) -> None:
    proxy = iterator.__dict__.get("_handle")
    _, passing = _watched.pop(id(proxy), (None, None))
    _here.data = None
    if passing is not None:
        passing.settle(0.0)


def _passing(proxy: Any) -> Passing | None:
    known, passing = _watched.get(id(proxy), (None, None))
    return passing if known is proxy and passing is not None and not passing.over else None


def taken(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`_proxy_transform` has made what XGBoost needs of the data of a batch."""
    if _watched:
        _here.data = args[0]


def informed(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`DMatrix.set_info` has what belongs to the data of a batch: labels, weights."""
    passing = _passing(args[0]) if _watched else None
    if passing is None:
        return
    data, _here.data = _here.data, None
    if data is None:
        passing.why = "the same data was handed over twice in a pass"
    passing.batch({"data": data, **{name: value for name, value in kwargs.items() if name not in _INFORMATION}})


def advanced(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`DataIter._next_wrapper` has asked for a batch: there was none any more where it returns 0."""
    iterator = args[0]
    passing = _passing(iterator.__dict__.get("_handle")) if _watched and not result else None
    if passing is not None:
        passing.whole = iterator.__dict__.get("_exception") is None
        passing.over = True
