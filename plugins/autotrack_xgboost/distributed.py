"""Trainings on a cluster of Dask's."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from autotrack import Call, Dataset, Strand, hookimpl
from autotrack.plugin_api import data_source, remember
from autotrack_boosting import clusters
from autotrack_boosting.models import booster_of
from autotrack_xgboost.matrices import OTHERS, SETTINGS
from autotrack_xgboost.models import MODULE

Observation = Generator[None, Any, None]

DASK = "xgboost.dask"


@hookimpl
def autotrack_dataset(data: Any) -> Dataset | None:
    return clusters.described(data)


def observe_part(call: Call) -> Observation:
    """A worker makes its matrices: nothing within is looked at."""
    yield


def observe_matrix(call: Call) -> Observation:
    data = call.get("data")
    others = {name: value for name in OTHERS if (value := call.given(name)) is not None}
    source = data_source(data, call.given("label"), call.given("weight"), **others)
    told = {f"DMatrix.{name}": call.given(name) for name in SETTINGS}
    told["dask.partitions"] = getattr(data, "npartitions", None)
    yield
    if source is not None:
        source.settings = {name: value for name, value in told.items() if value is not None and value is not False}
        remember(call.instance, None, note=source)


def workers_of(matrices: Sequence[Any]) -> int:
    """How many workers hold a part of one of these matrices: those train."""
    return len({address for matrix in matrices for address in getattr(matrix, "worker_map", ())})


def rounds_of(model: Any) -> int | None:
    """How many rounds a model has that training goes on from; None where that is not known."""
    if model is None:
        return 0
    booster = booster_of(model, MODULE)
    return int(booster.num_boosted_rounds()) if booster is not None else None


def tell_rounds(strand: Strand, history: Mapping[str, Any], booster: Any, before: int | None) -> None:
    """`before`: rounds that the booster had already."""
    clusters.tell_rounds(strand, history, booster.num_boosted_rounds() - before if before is not None else None)
