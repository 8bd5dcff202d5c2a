"""What `compile` was given, and what an optimizer is set to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autotrack import Strand

PLAIN = (int, float, str, bool)


def tell_compiled(strand: Strand, model: Any) -> None:
    """What `compile` was given, the settings of the optimizer as they are now."""
    compiled = getattr(getattr(model, "_compile_config", None), "config", None)
    given = dict(compiled) if isinstance(compiled, dict) else {}
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and hasattr(optimizer, "get_config"):
        strand.params(optimizer_settings(optimizer), source="optimizer")
    given.pop("optimizer", None)
    strand.params({name: _described(value) for name, value in given.items() if value is not None}, source="compile")


def optimizer_settings(optimizer: Any) -> dict[str, Any]:
    """The class of an optimizer, and what one of Keras's is set to."""
    told: dict[str, Any] = {"optimizer": type(optimizer).__name__}
    if type(optimizer).__module__.startswith("keras."):
        config = {name: value for name, value in optimizer.get_config().items() if value is not None}
        told.update((name, _as_given(value)) for name, value in _flat(config))
    return told


def _flat(config: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Settings, those of a schedule one by one."""
    for name, value in config.items():
        if isinstance(value, dict) and "class_name" in value:
            yield f"{prefix}{name}", value["class_name"]
            yield from _flat(value.get("config") or {}, f"{prefix}{name}.")
        elif not (prefix == "" and name == "name"):
            yield f"{prefix}{name}", value


def _as_given(value: Any) -> Any:
    """A number of 32 bits in the digits that it was given by: 0.001 rather than 0.0010000000474974513."""
    import numpy

    return float(str(numpy.float32(value))) if type(value) is float and numpy.float32(value) == value else value


def _described(value: Any) -> Any:
    """A loss or metric by its name, or its class, or that of a function; those in lists and dicts too."""
    if isinstance(value, dict):
        return {str(name): _described(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_described(entry) for entry in value]
    if value is None or isinstance(value, PLAIN):
        return value
    return getattr(value, "__name__", type(value).__name__)
