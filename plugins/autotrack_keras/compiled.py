"""What `compile` was given, and what an optimizer is set to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from autotrack.plugin_api import attributes

PLAIN = (int, float, str, bool)
DEFAULT = "rmsprop"
"""The optimizer of a `compile` that is given none."""


def tell_compiled(model: Any, tell: Callable[[dict[str, Any], str], None]) -> None:
    """What `compile` was given, the settings of the optimizer as they are now, to the `params` of a strand."""
    compiled = getattr(getattr(model, "_compile_config", None), "config", None)
    given = dict(compiled) if isinstance(compiled, dict) else {}
    optimizer = getattr(model, "optimizer", None)
    given.pop("optimizer", None)
    own = {name: value for name, value in (attributes(model) or {}).items() if is_optimizer(value)}
    own = {name: value for name, value in own.items() if value is not optimizer}
    for name, value in own.items():  # of a `compile` of the program's own
        settings = {f"{name}.{setting}": set_to for setting, set_to in optimizer_settings(value).items()}
        tell(settings, "optimizer")
    unused = own and type(optimizer).__name__.lower() == DEFAULT
    if optimizer is not None and hasattr(optimizer, "get_config") and not unused:
        tell(optimizer_settings(optimizer), "optimizer")
    loss: Any = given.get("loss")
    if type(loss).__module__.startswith("keras.") and hasattr(loss, "get_config"):
        settings = {f"loss.{name}": value for name, value in loss.get_config().items() if name not in ("name", "fn")}
        tell({name: value for name, value in settings.items() if _is_plain(value)}, "compile")
    tell({name: _described(value) for name, value in given.items() if value is not None}, "compile")


def optimizer_settings(optimizer: Any) -> dict[str, Any]:
    """The class of an optimizer, and what one of Keras's is set to."""
    told: dict[str, Any] = {"optimizer": type(optimizer).__name__}
    if type(optimizer).__module__.startswith("keras."):
        config = {name: value for name, value in optimizer.get_config().items() if value is not None}
        told.update((name, _as_given(value)) for name, value in _flat(config))
    return told


def rate_of(optimizer: Any, step: int | None = None) -> Any:
    """The learning rate of an optimizer of Keras's now, or at a step: a number, or a tensor of one; None where a
    schedule of the program's own would have to be called for it."""
    if has_own_schedule(optimizer):
        return None
    schedule = getattr(optimizer, "_learning_rate", None)
    if callable(schedule) and step is not None:
        return schedule(step)
    rate = getattr(optimizer, "learning_rate", None)
    rate = getattr(rate, "value", rate)
    parts = getattr(rate, "values", None)  # of a strategy's; a tensor of PyTorch's has a method of that name
    return parts[0] if isinstance(parts, (tuple, list)) and parts else rate


def has_own_schedule(optimizer: Any) -> bool:
    """Whether the learning rate is that of a schedule of the program's own."""
    schedule = getattr(getattr(optimizer, "inner_optimizer", optimizer), "_learning_rate", None)
    return callable(schedule) and not type(schedule).__module__.startswith("keras.")


def number_of(rate: Any) -> float:
    """A learning rate as a number, in the digits that it was given by."""
    rate = rate.detach().cpu() if hasattr(rate, "detach") else rate
    return in_few_digits(rate.numpy() if hasattr(rate, "numpy") else rate)


def is_optimizer(obj: Any) -> bool:
    module = sys.modules.get("keras.src.optimizers.base_optimizer")
    return module is not None and isinstance(obj, module.BaseOptimizer)


def _flat(config: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Settings, those of a schedule one by one."""
    for name, value in config.items():
        if isinstance(value, dict) and "class_name" in value:
            yield f"{prefix}{name}", value["class_name"]
            yield from _flat(value.get("config") or {}, f"{prefix}{name}.")
        elif not (prefix == "" and name == "name"):
            yield f"{prefix}{name}", value


def _as_given(value: Any) -> Any:
    import numpy

    return in_few_digits(numpy.float32(value)) if type(value) is float and numpy.float32(value) == value else value


def in_few_digits(value: Any) -> float:
    """A number of 32 bits in the digits that it was given by: 0.001 rather than 0.0010000000474974513."""
    return float(str(value))


def _is_plain(value: Any) -> bool:
    return value is not None and isinstance(value, PLAIN)


def _described(value: Any) -> Any:
    """A loss or metric by its name, or its class, or that of a function; those in lists and dicts too."""
    if isinstance(value, dict):
        return {str(name): _described(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_described(entry) for entry in value]
    if value is None or _is_plain(value):
        return value
    return getattr(value, "__name__", type(value).__name__)
