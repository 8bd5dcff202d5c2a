"""The rounds of XGBoost."""

from __future__ import annotations

from typing import Any

from autotrack_boosting.rounds import rounds_here


def evaluated(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`CallbackContainer._update_history` has been called: once a round, before the program's own callbacks."""
    container = args[0]
    rounds = rounds_here(container, "XGB")
    if rounds is None:
        return
    rounds.count += 1
    for data, metrics in container.history.items():
        for metric, values in metrics.items():
            for value in values[rounds.length(data, metric) :]:
                rounds.add(data, metric, *(value if isinstance(value, tuple) else (value,)))


def parameter_set(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
    """`Booster.set_param` has been called: within a training by a callback, between two rounds."""
    rounds = rounds_here()
    if rounds is None or not rounds.count:
        return
    given = args[1] if len(args) > 1 else kwargs.get("params")
    value = args[2] if len(args) > 2 else kwargs.get("value")
    pairs = [(given, value)] if isinstance(given, str) else given.items() if isinstance(given, dict) else given
    for name, number in pairs or ():
        rounds.changed(str(name), number)
