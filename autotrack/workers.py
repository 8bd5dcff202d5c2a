"""What is called in joblib's threads and processes is recorded in its right place.

Context variables do not reach them, so the place travels with the work: as a plain string in the state of
each batch, which a worker without autotrack carries unread.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any

from autotrack import context, shield
from autotrack.ledger import Ledger
from autotrack.patching import transparent

_TOKEN = "_autotrack_token"


def carry_through_joblib(ledger: Ledger) -> None:
    """Replace the methods of joblib by which batches are made, sent and run."""
    joblib = sys.modules["joblib.parallel"]
    parallel, batch = joblib.Parallel, joblib.BatchedCalls
    start, dispatch, run, reduce = parallel.__call__, parallel._dispatch, batch.__call__, batch.__reduce__
    tokens: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
    """Where each `Parallel` was called: it makes its later batches in a thread of its own."""

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N807
        if context.Current.job is not None:
            tokens[self] = context.token()
        return start(self, *args, **kwargs)

    def _dispatch(self: Any, batch: Any) -> Any:
        token = tokens.get(self)
        if token:
            setattr(batch, _TOKEN, token)
        return dispatch(self, batch)

    def run_batch(self: Any) -> Any:
        token = getattr(self, _TOKEN, "")
        if not token or context.Current.job is None:
            return run(self)
        return context.arrived(token, lambda: run(self))

    def __reduce__(self: Any) -> Any:  # noqa: N807
        reduced = reduce(self)
        token = getattr(self, _TOKEN, "")
        return (*reduced[:2], {_TOKEN: token}) if token and len(reduced) == 2 else reduced

    run_batch.__name__ = "__call__"
    replacements: list[tuple[Any, Callable[..., Any]]] = [
        (parallel, __call__),
        (parallel, _dispatch),
        (batch, run_batch),
        (batch, __reduce__),
    ]
    for owner, ours in replacements:
        ledger.replace(owner, ours.__name__, transparent(ours))


def follow_classes(ledger: Ledger, module: str) -> None:
    """See the classes that come by value in a pickle: they get their methods after they are made, and a class
    that was sent out and comes back gets them again, which undoes our patches."""
    cloudpickle = sys.modules[module]
    fill = getattr(cloudpickle, "_class_setstate", None)
    if fill is None:
        return

    @functools.wraps(fill)
    def _class_setstate(obj: Any, state: Any) -> Any:
        filled = fill(obj, state)
        if context.Current.job is not None:
            shield.contain("class from a pickle", ledger.born, obj)
        return filled

    ledger.replace(cloudpickle, "_class_setstate", transparent(_class_setstate))
