"""Trainings on a cluster of Dask's: one run, of the program that asks for it, whichever processes make the rounds.

Nothing here computes or goes through what Dask holds, or asks the scheduler.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from autotrack import Dataset, Strand
from autotrack.plugin_api import caller
from autotrack_boosting.rounds import MEMO, Rounds


def is_part(module: str) -> bool:
    """Whether the call that is observed is made by this module, a framework's own for Dask: a worker's part."""
    frame = caller()
    return frame is not None and frame.f_globals.get("__name__") == module


def trains_there(model: Any, module: str, base: str) -> bool:
    """Whether a model is of this class, in a framework's module for Dask."""
    known = sys.modules.get(module)
    return known is not None and isinstance(model, getattr(known, base))


def described(data: Any) -> Dataset | None:
    """An array, table or column of Dask's, as far as it says itself; None for anything else."""
    if not hasattr(type(data), "__dask_graph__"):
        return None
    kind = type(data)
    shape = [size if isinstance(size, int) else None for size in data.shape]
    types = [("*", data.dtype)] if hasattr(data, "dtype") else zip(data.columns, data.dtypes, strict=True)
    size = getattr(data, "nbytes", None) if hasattr(data, "chunks") else None
    return Dataset(
        id=None,
        method="declared",
        kind=f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}",
        rows=shape[0],
        columns=shape[1] if len(shape) > 1 else None,
        bytes=size if isinstance(size, int) else None,
        schema=tuple((str(name), str(dtype)) for name, dtype in types),
    )


def tell_cluster(strand: Strand, client: Any, workers: int | None = None, partitions: int | None = None) -> None:
    """Where a training is made: by how many workers, of how many threads each, on data in how many partitions.
    `client`: None for the one that Dask takes by itself; `workers`: how many of the cluster's train, where known."""
    cluster = getattr(client if client is not None else _default_client(), "cluster", None)
    info = getattr(cluster, "scheduler_info", None)
    known = info.get("workers", {}) if isinstance(info, Mapping) else {}
    threads = sorted({int(worker["nthreads"]) for worker in known.values() if "nthreads" in worker})
    workers = workers or len(known) or None
    settings = {
        "dask.workers": workers,
        "dask.threads": threads[0] if len(threads) == 1 else threads or None,
        "dask.partitions": partitions,
    }
    strand.params({name: value for name, value in settings.items() if value is not None}, source="fit")
    strand.gap("identity of the data", "it would take the computation of what Dask holds")
    strand.gap("time of each round", "the workers make them: they are told once the training is over")
    if workers is None or not threads:
        strand.gap("workers", "the cluster is none of this program's")


def _default_client() -> Any:
    try:
        return sys.modules["distributed"].default_client()
    except ValueError:  # there is none
        return None


def tell_rounds(strand: Strand, history: Mapping[str, Any], made: int | None) -> None:
    """The metrics of every round, as the program gets them; `made`: how many rounds there were, where that is known
    without metrics."""
    rounds: Rounds = strand.memo[MEMO]
    series = [(data, metric, values) for data, metrics in history.items() for metric, values in metrics.items()]
    for at in range(max((len(values) for *_, values in series), default=0)):
        rounds.count += 1
        for data, metric, values in series:
            if at < len(values):
                rounds.add(data, metric, values[at])
    if not series and made is not None:
        rounds.count = made
