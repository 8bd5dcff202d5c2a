"""Data sets that are made of tensors, or of an array, in memory: these are known exactly."""

from __future__ import annotations

import sys
import weakref
from typing import Any

from autotrack_torch import datasets

COPIED = 64 << 20
"""Bytes of a part of a data set that are gathered for its identity."""


def exact(dataset: Any) -> bool:
    """Whether the rows of a data set are those of tensors or an array."""
    data = sys.modules["torch"].utils.data
    if type(dataset) is data.Subset:
        dataset = dataset.dataset
    if isinstance(dataset, data.TensorDataset):
        return type(dataset).__getitem__ is data.TensorDataset.__getitem__ and hasattr(dataset, "tensors")
    return datasets.as_array(dataset) is not None


def arrays_of(dataset: Any) -> list[Any]:
    """The features, and the labels, of a data set that is made of tensors in memory."""
    torch: Any = sys.modules["torch"]
    if not exact(dataset):
        return []
    indices = dataset.indices if type(dataset) is torch.utils.data.Subset else None
    dataset = dataset.dataset if indices is not None else dataset
    tensors = list(dataset.tensors) if isinstance(dataset, torch.utils.data.TensorDataset) else [dataset]
    arrays = [datasets.as_array(tensor) for tensor in tensors]
    if any(array is None or datasets.mapped(array) for array in arrays):
        return []
    if indices is None:
        return arrays
    if sum(array.nbytes for array in arrays) > COPIED or not isinstance(indices, (list, tuple, range)):
        return []
    numpy = sys.modules["numpy"]
    rows = numpy.asarray(list(indices), dtype=numpy.int64)
    return [array[rows] for array in arrays]


def tensors_of(dataset: Any) -> tuple[Any, ...]:
    """The tensors of a data set of no class of the program's own."""
    torch = sys.modules["torch"]
    tensors = vars(dataset).get("tensors") if type(dataset) is torch.utils.data.TensorDataset else None
    return tensors if type(tensors) is tuple and all(type(tensor) is torch.Tensor for tensor in tensors) else ()


def places_of(dataset: Any) -> tuple[tuple[Any, ...], ...]:
    """What the tensors that a data set is made of are part of, and where, as they are now."""
    found = []
    for tensor in tensors_of(dataset):
        whole = tensor._base if tensor._base is not None else tensor
        try:
            found.append((weakref.ref(whole), tensor.data_ptr(), tensor.shape, tensor.stride(), tensor._version))
        except RuntimeError:  # of a tensor that has no place, or no version
            return ()
    return tuple(found)
