"""Objects that hold a program's settings, read as names and values: dicts, namespaces, dataclasses and their like, and
OmegaConf's.  Attributes are read where they are stored: no property of the user's is evaluated, no resolver called."""

from __future__ import annotations

import os
import re
import sys
import types

from autotrack.patterns import lazily

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

DEPTH = 6
NAMES = 2_000
"""Settings of one object that are kept."""

SCALARS = frozenset((bool, int, float, str, type(None)))
_OF_MODELS = "transformers.configuration_utils"
_REFERENCE = lazily(r"\$\{([\w.\[\]-]+)\}")
_ENVIRONMENT = lazily(r"\$\{oc\.env:(\w+)(?:,([^${}]*))?\}")


def flattened(settings: Mapping[Any, Any]) -> dict[str, Any]:
    """The settings by their names, those of nested objects as `optimizer.lr`, each with a value of its own that no
    later change reaches."""
    found: dict[str, Any] = {}
    _flatten(settings, "", 0, found)
    return found


def _flatten(settings: Mapping[Any, Any], prefix: str, depth: int, found: dict[str, Any]) -> None:
    for key, value in list(settings.items()):
        name = f"{prefix}{key}"
        if len(found) >= NAMES:
            return
        nested = members(value) if type(value) not in SCALARS and depth < DEPTH else None
        if nested:
            _flatten(nested, f"{name}.", depth + 1, found)
        else:
            found[name] = copied(value)


def copied(value: Any, depth: int = 0) -> Any:
    """A value that later changes do not reach, and that keeps none of the user's objects alive."""
    kind = type(value)
    if kind in SCALARS:
        return value
    if kind in (list, tuple) and depth < DEPTH and len(value) <= 1000:
        return [copied(entry, depth + 1) for entry in value]
    if kind is dict and depth < DEPTH and len(value) <= 1000:
        return {str(key): copied(entry, depth + 1) for key, entry in dict.items(value)}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    from autotrack.values import plain

    return plain(value)


def same(one: Any, other: Any) -> bool:
    """Whether two copied values are the same, NaN with NaN."""
    return type(one) is type(other) and (one == other or (one != one and other != other))


def members(value: Any) -> dict[str, Any] | None:
    """The settings in an object, None where it is none that holds any."""
    kind = type(value)
    if kind is dict:
        texts = value and all(type(key) is str for key in value)
        return value if texts and not next(iter(value)).startswith("$") else None  # a mark of `values` is one value
    module = kind.__module__
    if kind is types.SimpleNamespace or _is_namespace(kind):
        return dict(vars(value))
    if module.startswith("omegaconf."):
        return omegaconf(value)
    if module.startswith("ml_collections.") and kind.__name__.endswith("ConfigDict"):
        return dict(vars(value).get("_fields", {}))
    of_model = next((base for base in kind.__mro__ if base.__module__ == _OF_MODELS), None)
    if of_model is not None:
        return _of_model(value, of_model)
    own = getattr(kind, "__dict__", {})
    for mark in ("__dataclass_fields__", "__pydantic_fields__"):
        if any(mark in vars(base) for base in kind.__mro__):
            return _stored(value, list(getattr(kind, mark)))
    if "__attrs_attrs__" in own:
        return _stored(value, [field.name for field in own["__attrs_attrs__"]])
    return None


def _of_model(value: Any, base: type) -> dict[str, Any]:
    """What the class of a model's configuration sets, without what every such class has from transformers."""
    common = set(getattr(base, "__dataclass_fields__", ()))
    own = [cls for cls in type(value).__mro__ if issubclass(cls, base) and cls is not base]
    written = {name for cls in own for name in _set_by(cls)}
    common |= set(_set_by(base, names=True)) - (written - common)
    return {name: entry for name, entry in stored(value).items() if name not in common and name[:1] != "_"}


def _set_by(cls: type, *, names: bool = False) -> tuple[str, ...]:
    """The parameters of the constructor of a class, or the names in its code."""
    code = getattr(vars(cls).get("__init__"), "__code__", None)
    if not isinstance(code, types.CodeType):
        return ()
    return code.co_names if names else code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]


def _is_namespace(kind: type) -> bool:
    argparse = sys.modules.get("argparse")
    return argparse is not None and issubclass(kind, argparse.Namespace)


def stored(value: Any) -> dict[str, Any]:
    """What an object holds, whatever its class makes of the name of an attribute."""
    try:
        held = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return held if type(held) is dict else {}


def _stored(value: Any, names: list[str]) -> dict[str, Any]:
    """Attributes from where an instance, its slots or its class store them."""
    kept = stored(value)
    found = {}
    for name in names:
        if name in kept:
            found[name] = kept[name]
            continue
        raw = next((vars(base)[name] for base in type(value).__mro__ if name in vars(base)), None)
        if isinstance(raw, types.MemberDescriptorType):
            try:
                found[name] = raw.__get__(value)
            except AttributeError:
                continue
        elif not hasattr(type(raw), "__get__"):
            found[name] = raw
    return found


def omegaconf(config: Any) -> dict[str, Any] | None:
    """A configuration of OmegaConf with its references followed; a resolver, which may be any function of the
    user's, is not called: `${now:%Y}` stays, but for `${oc.env:NAME}`."""
    conf = sys.modules["omegaconf"].OmegaConf
    if not conf.is_dict(config) or config._is_none() or config._is_missing() or config._is_interpolation():
        return None
    root = config._get_root()
    raw = conf.to_container(config, resolve=False)
    everything = raw if root is config else conf.to_container(root, resolve=False)
    path = str(config._get_full_key(None) or "")
    resolved: dict[str, Any] = _resolved(raw, everything, path, 0)
    return {str(name): value for name, value in resolved.items()}


def _resolved(value: Any, root: Any, path: str, depth: int) -> Any:
    """`path` is where the value stands."""
    if isinstance(value, dict):
        return {
            key: _resolved(entry, root, f"{path}.{key}" if path else str(key), depth) for key, entry in value.items()
        }
    if isinstance(value, list):
        return [_resolved(entry, root, f"{path}.{at}", depth) for at, entry in enumerate(value)]
    if not isinstance(value, str) or "${" not in value or depth > DEPTH:
        return value
    whole = _REFERENCE.fullmatch(value)
    if whole is not None:
        return _referred(whole[1], value, root, path, depth)
    value = _ENVIRONMENT.sub(_from_environment, value)
    return _REFERENCE.sub(lambda match: str(_referred(match[1], match[0], root, path, depth)), value)


def _from_environment(match: re.Match[str]) -> str:
    return os.environ.get(match[1], match[0] if match[2] is None else match[2])


def _referred(reference: str, text: str, root: Any, path: str, depth: int) -> Any:
    """What a reference means: `a.b` from the root, `.b` from beside it, `..b` one further up."""
    steps = path.split(".")
    up = len(reference) - len(reference.lstrip("."))
    keys = [key for key in re.split(r"[.\[\]]+", reference) if key]
    keys = [*steps[: max(0, len(steps) - up)], *keys] if up else keys
    found = root
    for key in keys:
        if isinstance(found, dict):
            key = next((known for known in found if str(known) == key), key)
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
            continue
        if not isinstance(found, dict) or key not in found:
            return text
        found = found[key]
    return _resolved(found, root, ".".join(keys), depth + 1)
