"""What the shell completes: ids of runs and names of metrics, from what is in the store already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from autotrack.errors import AutotrackError
from autotrack.store import Store
from autotrack.store.reading import existing, run_of

RUNS = 30
METRICS = 200


def runs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The newest runs whose ids begin so, and the words with an @."""
    if incomplete.startswith("@best:"):
        lowest = "-" if incomplete.startswith("@best:-") else ""
        beginning = f"@best:{lowest}"
        found = _asked(ctx, lambda store: store.metric_names(incomplete.removeprefix(beginning), METRICS))
        return [CompletionItem(beginning + name) for name in found]
    words = [CompletionItem(word) for word in ("@last", "@best:") if incomplete and word.startswith(incomplete)]
    return words + [
        CompletionItem(id, help=name) for id, name in _asked(ctx, lambda store: store.beginning(incomplete, RUNS))
    ]


def metrics(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of metrics that begin so."""
    return [CompletionItem(name) for name in _asked(ctx, lambda store: store.metric_names(incomplete, METRICS))]


def plotted(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """A run, then the names of its metrics."""
    words = ctx.params.get("words") or ()
    if not words or ctx.params.get("metrics"):
        return runs(ctx, param, incomplete)
    found = _asked(ctx, lambda store: list(store.run(run_of(store, words[0]))["metrics"]))
    return [CompletionItem(name) for name in found if name.startswith(incomplete)]


def _asked(ctx: click.Context, ask: Callable[[Store], list[Any]]) -> list[Any]:
    """The answer of the store as it is: nothing is taken in, and whoever types is told of no error."""
    try:
        with existing(ctx.params.get("directory")) as store:
            return ask(store)
    except (AutotrackError, OSError):
        return []
