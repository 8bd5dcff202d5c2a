"""The data of a training: arrays by content, a `tf.data` pipeline by what it begins with, never iterated."""

from __future__ import annotations

import os
import sys
from types import GeneratorType
from typing import Any

from autotrack import Strand
from autotrack.plugin_api import data_held
from autotrack_keras.models import array_of
from autotrack_keras.passing import Expected, expect, expect_in

DEEP = 5
FILES = 100_000
"""Of a pipeline that are named."""
SOURCES = 100
"""Pipelines of a pipeline that are looked at."""


def tell(strand: Strand, role: str, x: Any, y: Any = None, weights: Any = None) -> None:
    """Data as `fit` takes it; where its content is only known as it passes, it is among what is expected."""
    if _is_pipeline(x):
        tell_pipeline(strand, role, x)
        return
    if passes(x):
        expected = expect(x, _kind(x))
        expected.told(strand, role)
        expect_in(strand, role, expected)
        return
    given = [part for part in (x, y, weights) if part is not None]
    arrays = [_array(part) for part in given]
    if x is not None and all(array is not None for array in arrays):
        labels, weighted = (_array(part) if part is not None else None for part in (y, weights))
        strand.data(role, arrays[0], labels=labels, weights=weighted, kind=None if arrays[0] is x else _kind(x))
        return
    held: dict[str, Any] = {}
    whole = all(_flatten(name, value, held, DEEP) for name, value in (("x", x), ("y", y), ("sample_weight", weights)))
    if whole and held:
        data_held(strand, role, _kind(x), held, method="whole")
        return
    strand.data_seen(role, _kind(x), why="it makes its batches as it is asked for them")


def passes(data: Any) -> bool:
    """Whether it makes its batches as it is asked for them."""
    if type(data) is GeneratorType:
        return True
    names = {(cls.__name__, cls.__module__.partition(".")[0]) for cls in type(data).__mro__}
    return not names.isdisjoint({("PyDataset", "keras"), ("DataLoader", "torch")})


def evaluated(x: Any) -> Expected | None:
    """Data as `evaluate` takes it, where its content is only known as it passes."""
    return expect(x, _kind(x)) if passes(x) else None


def _kind(data: Any) -> str:
    kind = type(data)
    module = kind.__module__.partition(".")[0]
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__name__.rpartition('.')[2]}"


def _array(data: Any) -> Any:
    """Data as an array or table that has an identity; None for anything else."""
    kind = type(data)
    module = kind.__module__.partition(".")[0]
    if module in ("numpy", "pandas", "polars", "scipy") and hasattr(data, "shape"):
        return data
    if module in ("tensorflow", "torch", "jax", "jaxlib") and hasattr(data, "shape") and _is_near(data):
        return array_of(data)
    return None


def _is_near(tensor: Any) -> bool:
    """Whether a tensor lies in the memory of the processor."""
    device = getattr(tensor, "device", "")
    return "cpu" in str(device() if callable(device) else device).lower()


def _flatten(name: str, value: Any, held: dict[str, Any], depth: int) -> bool:
    """Take arrays in dicts, lists and tuples; whether there was nothing else."""
    if value is None:
        return True
    if depth and isinstance(value, dict):
        return all(_flatten(f"{name}[{key!r}]", entry, held, depth - 1) for key, entry in value.items())
    if depth and isinstance(value, (list, tuple)) and value and not isinstance(value[0], (int, float, str)):
        return all(_flatten(f"{name}[{at}]", entry, held, depth - 1) for at, entry in enumerate(value))
    array = _array(value)
    if array is not None:
        held[name] = array
    return array is not None


def _is_pipeline(data: Any) -> bool:
    module = sys.modules.get("tensorflow.python.data.ops.dataset_ops")
    return module is not None and isinstance(data, module.DatasetV2)


def tell_pipeline(strand: Strand, role: str, data: Any) -> None:
    held: dict[str, Any] = {}
    paths: list[str] = []
    waiting, seen = [data], 0
    while waiting and seen < SOURCES:
        source, seen = waiting.pop(), seen + 1
        before = getattr(source, "_input_dataset", None)
        several = getattr(source, "_input_datasets", None) or getattr(source, "_datasets", None)
        if before is not None:
            waiting.append(before)
        elif isinstance(several, (list, tuple)):
            waiting.extend(several)
        else:
            _leaf(source, held, paths)
    strand.summaries({f"{role}.element_spec": str(getattr(data, "element_spec", ""))})
    if held or paths:
        data_held(strand, role, "tensorflow.data.Dataset", held, paths)
    else:
        strand.data_seen(role, "tensorflow.data.Dataset", why="what its pipeline begins with is not known")


def _leaf(source: Any, held: dict[str, Any], paths: list[str]) -> None:
    """What a pipeline begins with: tensors, or names of files."""
    named = getattr(source, "_filenames", None)  # tensors, or a pipeline of them
    tensors = getattr(source, "_tensors", None) or getattr(named, "_tensors", None)
    for tensor in tensors or ([named] if named is not None else []):
        if len(tensor.shape) == 0 and named is None:
            continue  # a number that a function makes data of, as `from_generator` does
        texts = str(getattr(getattr(tensor, "dtype", None), "name", "")) == "string"
        if texts and (len(tensor.shape) != 1 or tensor.shape[0] > FILES):
            continue
        array = _array(tensor)
        if array is None:
            continue
        if not texts:
            held[f"tensors[{len(held)}]"] = array
            continue
        names = [os.fsdecode(text) for text in array.tolist() if isinstance(text, (str, bytes))]
        if named is not None or (names and os.path.isfile(names[0])):
            paths.extend(names)
