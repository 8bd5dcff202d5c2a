"""Sparse matrices of SciPy in one form each: entries in order, those of the same place added up.

Whoever has one has imported SciPy; nothing of the program's matrix is changed, not even what SciPy remembers of it.
"""

from __future__ import annotations

import sys
from typing import Any

from autotrack.identity.elements import Undigestible, array, combine


def is_sparse(data: Any) -> bool:
    """Whether data is a sparse matrix or array of SciPy."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and bool(sparse.issparse(data))


def digest(data: Any) -> str:
    """By format, shape and the entries that are stored, zeros among them included."""
    made = canonical(data)
    names = ["data", *(["indices", "indptr"] if hasattr(made, "indptr") else [])]
    parts = [array(made.data)]
    if len(names) > 1:
        parts += [array(getattr(made, name), _places()) for name in ("indices", "indptr")]
    else:
        parts += [array(entries, _places()) for entries in _coordinates(made)]
    return combine("sparse", data.format, str(tuple(map(int, data.shape))), *parts)


def _places() -> Any:
    return sys.modules["numpy"].dtype("<i8")


def canonical(data: Any) -> Any:
    """The matrix with its entries in order and added up: in its own format where that is csr, csc or coo."""
    sparse, numpy = sys.modules["scipy.sparse"], sys.modules["numpy"]
    if data.dtype.hasobject:
        raise Undigestible("a sparse matrix of objects")
    if data.format == "dok":
        data = data.tocoo()
    if data.format == "coo":
        coordinates = tuple(numpy.array(entries) for entries in _coordinates(data))
        made = sparse.coo_array((numpy.array(data.data), coordinates), shape=data.shape)
        made.sum_duplicates()
        return made
    if data.format not in ("csr", "csc"):
        data = data.tocsr()
    indptr = numpy.asarray(data.indptr)
    used = int(indptr[-1]) if len(indptr) else 0
    if used > min(len(data.indices), len(data.data)) or indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        raise Undigestible("a sparse matrix whose parts don't fit together")
    kind = sparse.csr_array if data.format == "csr" else sparse.csc_array
    parts = (numpy.asarray(data.data)[:used], numpy.asarray(data.indices)[:used], indptr)
    made = kind(parts, shape=data.shape)
    if not made.has_canonical_format:
        made = kind(parts, shape=data.shape, copy=True)
        made.sum_duplicates()
    return made


def _coordinates(data: Any) -> tuple[Any, ...]:
    return tuple(data.coords) if hasattr(data, "coords") else (data.row, data.col)
