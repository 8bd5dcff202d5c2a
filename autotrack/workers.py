"""What is called in joblib's threads and processes, and in those of multiprocessing, is recorded in its right place.

Context variables do not reach them, so the place travels with the work: as a plain string in the state of each of
joblib's batches, and in the configuration that multiprocessing hands to the processes it starts, which a worker
without autotrack carries unread.
"""

from __future__ import annotations

import functools
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

from autotrack import context, shield
from autotrack.frames import transparent
from autotrack.ledger import Ledger
from autotrack.wrappers import ObservedFunction

_TOKEN = "_autotrack_token"
_starters: weakref.WeakKeyDictionary[threading.Thread, str] = weakref.WeakKeyDictionary()
"""Where the threads of pools that start processes in place of ended ones were begun."""


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


def carry_through_processes(ledger: Ledger) -> None:
    """Replace the methods of multiprocessing by which processes are started, and begin.

    The workers of loky are left out: they are used again from elsewhere, and joblib's batches tell their place.
    """
    process = sys.modules["multiprocessing.process"]
    base = process.BaseProcess
    begin, bootstrap = base.start, base._bootstrap

    @functools.wraps(begin)
    def start(self: Any) -> None:
        config = vars(self).get("_config")
        if context.Current.job is None or config is None:
            return begin(self)  # type: ignore[no-any-return]
        shield.contain("multiprocessing", _mark, self, config)
        try:
            return begin(self)  # type: ignore[no-any-return]
        finally:
            config.pop(_TOKEN, None)

    @functools.wraps(bootstrap)
    def _bootstrap(self: Any, *args: Any, **kwargs: Any) -> Any:
        token = self._config.get(_TOKEN, "")
        # A fork that knows its place has more than its id: the run itself.
        if not token or token == context.token() or not _of_the_same_job():
            return bootstrap(self, *args, **kwargs)
        return context.arrived(token, lambda: bootstrap(self, *args, **kwargs))

    ledger.replace(base, "start", transparent(start))
    ledger.replace(base, "_bootstrap", transparent(_bootstrap))
    token = process.current_process()._config.get(_TOKEN, "")  # where recording begins in the midst of a worker's work
    if token and _of_the_same_job():
        context.settle(token)


def _mark(process: Any, config: dict[str, Any]) -> None:
    thread = threading._active.get(threading.get_ident())  # type: ignore[attr-defined]
    token = context.token() or (_starters.get(thread, "") if thread is not None else "")
    if str(getattr(process, "_start_method", "")).startswith("loky"):
        config.pop(_TOKEN, None)
    elif token:
        config[_TOKEN] = token


def _of_the_same_job() -> bool:
    job = context.Current.job
    return job is not None and job.role != "main"


def know_starters(ledger: Ledger, module: str, owner: str, method: str, thread: str) -> None:
    """Note where a pool begins the thread that later starts its processes: with the pool, or its first task."""
    pool = getattr(sys.modules[module], owner)
    original = getattr(pool, method, None)
    if original is None:
        return

    @functools.wraps(original)
    def begin(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        if context.Current.job is not None:
            shield.contain(module, _note_starter, vars(self).get(thread))
        return result

    ledger.replace(pool, method, transparent(begin))


def _note_starter(thread: Any) -> None:
    if isinstance(thread, threading.Thread) and thread not in _starters:
        _starters[thread] = context.token()


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
    pickle_functions_by_name(ledger, cloudpickle)


def pickle_functions_by_name(ledger: Ledger, cloudpickle: Any) -> None:
    """Functions of ours pickle by name there as well: they look like functions that can't be imported."""
    pickler = getattr(cloudpickle, "Pickler", None)
    reduce = vars(pickler).get("reducer_override") if pickler is not None else None
    if reduce is None:
        return

    @functools.wraps(reduce)
    def reducer_override(self: Any, obj: Any) -> Any:
        if type(obj) is ObservedFunction:
            return obj.__reduce_ex__(4) if not isinstance(obj.__reduce_ex__(4), str) else NotImplemented
        return reduce(self, obj)

    ledger.replace(pickler, "reducer_override", transparent(reducer_override))
