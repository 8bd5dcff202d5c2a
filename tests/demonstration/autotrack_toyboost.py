"""toyboost.

Observes `train`, `tune`, `Booster.predict` and `mean_error`.  Records a run for each training, with its parameters,
its data, the error of each round, and the errors computed afterwards of its predictions.  Leaves alone what
`tune` trains inside.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from autotrack import Call, Dataset, Opening, Patch, Strand, hookimpl
from autotrack.plugin_api import digest, remember, strand_of

Observation = Generator[None, Any, None]


@hookimpl
def autotrack_patches() -> Iterable[Patch]:
    yield Patch("toyboost:train", observe=observe_train, opens=lambda call: Opening("fit", "toyboost.train"))
    yield Patch("toyboost:tune", observe=observe_tune, opens=lambda call: Opening("search", "toyboost.tune"))
    yield Patch("toyboost:Booster.predict", observe=observe_predict)
    yield Patch("toyboost:mean_error", observe=observe_error)


@hookimpl
def autotrack_dataset(data: Any) -> Dataset | None:
    if type(data).__name__ != "Table":
        return None
    identity = digest(data.rows)
    return Dataset(
        id=identity, method="whole" if identity else "unverified", kind="toyboost.Table", rows=len(data.rows)
    )


@hookimpl
def autotrack_params(obj: Any) -> dict[str, Any] | None:
    return dict(obj) if isinstance(obj, dict) else None


@hookimpl
def autotrack_model(obj: Any) -> int | None:
    return 1 if type(obj).__name__ == "Booster" else None


@hookimpl
def autotrack_commands(cli: Any) -> None:
    @cli.command(name="toyboost", help="Say which toyboost autotrack knows.\n\n\b\nExample: autotrack toyboost")
    def command() -> None:
        import click

        click.echo("toyboost 1")


def observe_train(call: Call, strand: Strand) -> Observation:
    strand.params_of(call["params"])
    strand.params({"rounds": call.get("rounds", 3)}, source="fit")
    strand.data("train", call["table"])
    call.add_callback("callbacks", strand.series("train/mean_error").record)
    booster = yield
    remember(booster, strand)
    strand.model(booster, budget=0.02)


def observe_tune(call: Call, strand: Strand) -> Observation:
    strand.data("train", call["table"])
    booster = yield
    remember(booster, strand)


def observe_predict(call: Call) -> Observation:
    strand = strand_of(call.instance)
    predicted = yield
    if strand is not None:
        remember(predicted, strand)


def observe_error(call: Call) -> Observation:
    strand = strand_of(call["predicted"])
    error = yield
    if strand is not None:
        strand.series("test/mean_error", origin="metric").record(0, error)
