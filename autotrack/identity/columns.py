"""Tables of every kind as columns: pandas, polars, Arrow, structured arrays.

A column is of one of three kinds: `Numbers` (fixed width: integers, floats, booleans, times, with a mask of what is
missing), `Texts`, and `Objects` for everything else; categories are `Categories` over one of these.  Nothing is
imported here: who has such data has imported what it takes.
"""

from __future__ import annotations

import sys
from typing import Any

from autotrack.identity import elements, objects
from autotrack.identity.elements import Undigestible
from autotrack.values import plain, shown, storable


class Numbers:
    """`values`: an array of fixed width in one dimension; `valid`: False where an entry is missing, or None."""

    def __init__(self, values: Any, valid: Any = None) -> None:
        self.values = values
        self.valid = None if valid is None or valid.all() else valid

    def digest(self) -> str:
        return elements.array(self.values) if self.valid is None else elements.masked(self.values, self.valid)


class Objects:
    """`values`: an array of objects, or a list."""

    def __init__(self, values: Any) -> None:
        self.values = values

    def digest(self) -> str:
        values = self.values
        return elements.array(values) if is_a(values, "numpy", "ndarray") else objects.listed(values)


class Texts(Objects):
    """`values`: texts, and something else for what is missing."""

    def digest(self) -> str:
        return elements.texts(self.values)


class ArrowTexts:
    """Texts in Arrow's layout, as a list of chunks."""

    def __init__(self, chunks: list[Any]) -> None:
        self.chunks = chunks

    @property
    def values(self) -> list[Any]:
        return [value for chunk in self.chunks for value in chunk.to_pylist()]

    def digest(self) -> str:
        numpy = sys.modules["numpy"]
        lengths, valid, parts = [], [], []
        for chunk in self.chunks:
            there = _valid(numpy, chunk)
            wide = str(chunk.type).startswith("large_")
            _, offsets, data = chunk.buffers()
            at = numpy.frombuffer(offsets, dtype="<i8" if wide else "<i4")[chunk.offset : chunk.offset + len(chunk) + 1]
            length = numpy.diff(at).astype("<i8")
            if (length[~there] != 0).any():  # something stands where nothing is
                return elements.texts(self.values)
            lengths.append(length)
            valid.append(there)
            parts.append(memoryview(data)[at[0] : at[-1]] if data is not None and len(at) else b"")
        if not self.chunks:
            return elements.texts([])
        return elements.packed_texts(numpy.concatenate(lengths), numpy.concatenate(valid), parts)


class Categories:
    """`codes`: positions in `categories`, negative for what is missing; `type`: that of the categories."""

    def __init__(self, codes: Any, categories: Kind, type: str) -> None:
        self.codes, self.categories, self.type = codes, categories, type

    def digest(self) -> str:
        return elements.combine("category", self.type, self.categories.digest(), elements.array(self.codes))


Kind = Numbers | Objects | ArrowTexts | Categories


class Column:
    """A column: its name and type as texts, and its entries."""

    def __init__(self, name: Any, type: str, kind: Kind) -> None:
        self.key, self.type, self.kind = repr(name), type, kind
        self.name = storable(shown(plain(name))) if name is not None else ""

    def digest(self) -> str:
        return elements.combine(self.type, self.kind.digest())


class Table:
    """Columns in their order; the index of a pandas table is not part of it."""

    def __init__(self, rows: int, columns: list[Column]) -> None:
        self.rows, self.columns = rows, columns

    def identity(self, digests: list[str]) -> str:
        """The digest of the whole from those of its columns."""
        pairs = zip(self.columns, digests, strict=True)
        return elements.combine("table", str(self.rows), *(elements.combine(c.key, d) for c, d in pairs))


def opened(data: Any) -> Table | None:
    """The columns of a table, or of a single column; None for what is neither."""
    opener = _opener(data)
    return opener(data) if opener is not None else None


def is_table(data: Any) -> bool:
    """Whether it is a table, or a single column, as far as its class tells."""
    return _opener(data) is not None


def _opener(data: Any) -> Any:
    module = type(data).__module__.partition(".")[0]
    opener = {"pandas": _pandas, "polars": _polars, "pyarrow": _arrow}.get(module)
    return opener or next((found for base, found in _bases() if isinstance(data, base)), None)


def _bases() -> list[tuple[Any, Any]]:
    """Classes from which those of the users may be derived."""
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    found: list[tuple[Any, Any]] = []
    if pandas is not None and hasattr(pandas, "DataFrame"):
        found += [((pandas.DataFrame, pandas.Series, pandas.Index), _pandas)]
    if polars is not None and hasattr(polars, "DataFrame"):
        found += [((polars.DataFrame, polars.Series), _polars)]
    return found


def is_a(data: Any, module: str, *classes: str) -> bool:
    """Whether data is of one of these classes of a module that may not be loaded."""
    loaded = sys.modules.get(module)
    return isinstance(data, tuple(getattr(loaded, name, ()) for name in classes))


def numbers_of(data: Any, at: int | None = None) -> list[tuple[str, Any]]:
    """The columns of fixed width of a pandas or polars table, by their names, as arrays; those of polars only where
    nothing is missing in the table or row; of the row `at` alone where it is given."""
    if is_a(data, "pandas", "DataFrame"):
        part = data if at is None else data.iloc[at : at + 1]
        chosen = [position for position, dtype in enumerate(data.dtypes) if _fixed(dtype)]
        return [(repr(data.columns[position]), part.iloc[:, position].to_numpy()) for position in chosen]
    if is_a(data, "polars", "DataFrame"):
        numbers = [series for series in data.get_columns() if series.dtype.is_numeric() and not series.null_count()]
        return [(series.name, (series if at is None else series.slice(at, 1)).to_numpy()) for series in numbers]
    return []


def _fixed(dtype: Any) -> bool:
    return getattr(dtype, "kind", "O") in "biufmM" and isinstance(dtype, sys.modules["numpy"].dtype)


def row_of(data: Any, at: int) -> tuple[Any, ...]:
    """A row of a pandas or polars table."""
    return tuple(data.iloc[at].tolist()) if hasattr(data, "iloc") else tuple(data.row(at))


# pandas


def _pandas(data: Any) -> Table | None:
    pandas = sys.modules["pandas"]
    if isinstance(data, pandas.DataFrame):
        series = (data.iloc[:, at] for at in range(data.shape[1]))
        return Table(len(data), [Column(name, str(s.dtype), _series(s)) for name, s in zip(data.columns, series)])  # noqa: B905
    if isinstance(data, (pandas.Series, pandas.Index)) and not isinstance(data, pandas.MultiIndex):
        return Table(len(data), [Column(data.name, str(data.dtype), _series(data))])
    if isinstance(data, pandas.api.extensions.ExtensionArray):
        return Table(len(data), [Column(None, str(data.dtype), _series(pandas.Series(data, copy=False)))])
    return None


def _series(series: Any) -> Kind:
    numpy, pandas = sys.modules["numpy"], sys.modules["pandas"]
    dtype = series.dtype
    if isinstance(dtype, numpy.dtype):
        values = series.to_numpy()
        return Numbers(values) if dtype.kind in "biufmM" else Objects(values)
    if isinstance(dtype, pandas.CategoricalDtype):
        codes = series.cat.codes.to_numpy() if hasattr(series, "cat") else series.codes
        type = f"{'ordered ' if dtype.ordered else ''}{dtype.categories.dtype}"
        return Categories(numpy.asarray(codes), _series(dtype.categories), type)
    if isinstance(dtype, pandas.DatetimeTZDtype):
        return Numbers(series.dt.tz_convert(None).to_numpy() if hasattr(series, "dt") else series.asi8)
    if isinstance(dtype, pandas.SparseDtype):
        return Numbers(numpy.asarray(series)) if dtype.subtype.kind in "biuf" else Objects(list(series))
    storage = getattr(dtype, "storage", None)
    if isinstance(dtype, pandas.StringDtype) and storage != "pyarrow":
        return Texts(series.to_numpy(dtype=object))
    if (storage == "pyarrow" or isinstance(dtype, pandas.ArrowDtype)) and "pyarrow" in sys.modules:
        return _arrow_column(series.array.__arrow_array__())
    fixed = getattr(dtype, "numpy_dtype", None)
    if isinstance(fixed, numpy.dtype) and fixed.kind in "biuf":
        valid = ~numpy.asarray(series.isna())
        return Numbers(series.to_numpy(dtype=fixed, na_value=fixed.type(0)), valid)
    return Objects(numpy.asarray(series, dtype=object))


# polars


def _polars(data: Any) -> Table | None:
    polars = sys.modules["polars"]
    if isinstance(data, polars.DataFrame):
        return Table(data.height, [Column(s.name, str(s.dtype), _polars_series(s)) for s in data.get_columns()])
    if isinstance(data, polars.Series):
        return Table(len(data), [Column(data.name, str(data.dtype), _polars_series(data))])
    return None


def _polars_series(series: Any) -> Kind:
    polars, numpy = sys.modules["polars"], sys.modules["numpy"]
    dtype = series.dtype
    if dtype == polars.String:
        return Texts(series.to_list())
    if isinstance(dtype, (polars.Categorical, polars.Enum)):
        return Texts(series.cast(polars.String).to_list())
    number = (dtype.is_integer() or dtype.is_float()) and str(dtype) not in ("Int128", "UInt128")
    if number or dtype == polars.Boolean or dtype.is_temporal():
        stored = series.to_physical() if dtype.is_temporal() else series
        valid = numpy.asarray(stored.is_not_null()) if stored.null_count() else None
        if valid is not None:
            stored = stored.fill_null(False if dtype == polars.Boolean else 0)
        values = stored.to_numpy()
        if values.dtype.kind in "biuf":
            return Numbers(_as_times(values, dtype) if dtype.is_temporal() else values, valid)
    return Objects(series.to_list())


def _as_times(values: Any, dtype: Any) -> Any:
    """Counts of days or of a unit, as NumPy has times; the time of a day remains a count."""
    polars = sys.modules["polars"]
    if isinstance(dtype, polars.Datetime):
        return values.view(f"datetime64[{dtype.time_unit}]")
    if isinstance(dtype, polars.Duration):
        return values.view(f"timedelta64[{dtype.time_unit}]")
    return values.astype("datetime64[D]") if dtype == polars.Date else values


# Arrow


def _arrow(data: Any) -> Table | None:
    pyarrow = sys.modules["pyarrow"]
    if isinstance(data, (pyarrow.Table, pyarrow.RecordBatch)):
        names = zip(data.schema.names, data.schema.types, data.columns, strict=True)
        return Table(data.num_rows, [Column(name, str(type), _arrow_column(column)) for name, type, column in names])
    if isinstance(data, (pyarrow.Array, pyarrow.ChunkedArray)):
        return Table(len(data), [Column(None, str(data.type), _arrow_column(data))])
    return None


_ARROW_NUMBERS = {
    "int8": "<i1", "int16": "<i2", "int32": "<i4", "int64": "<i8",
    "uint8": "<u1", "uint16": "<u2", "uint32": "<u4", "uint64": "<u8",
    "halffloat": "<f2", "float": "<f4", "double": "<f8",
    "date32[day]": "<i4", "time64[us]": "<i8", "time64[ns]": "<i8",
}  # fmt: skip


def _arrow_column(column: Any) -> Kind:
    """Chunks are of no consequence, nor is where a chunk begins in its buffers."""
    numpy = sys.modules["numpy"]
    kind = str(column.type)
    if kind.startswith("dictionary<"):
        if hasattr(column, "unify_dictionaries"):
            column = column.unify_dictionaries()
        chunks = _chunks(column)
        codes = [numpy.where(_valid(numpy, c), numpy.asarray(c.indices.fill_null(0)).astype("<i8"), -1) for c in chunks]
        categories = _arrow_column(chunks[0].dictionary) if chunks else Objects([])
        joined = numpy.concatenate(codes) if codes else numpy.zeros(0, dtype="<i8")
        return Categories(joined, categories, str(column.type))
    chunks = [chunk for chunk in _chunks(column) if len(chunk)]
    if kind in ("string", "large_string"):
        return ArrowTexts(chunks)
    fixed, view = _ARROW_NUMBERS.get(kind), None
    if kind.startswith(("timestamp[", "duration[")):
        unit = kind[kind.index("[") + 1 :].partition(",")[0].rstrip("]")
        fixed, view = "<i8", f"{'datetime64' if kind.startswith('timestamp') else 'timedelta64'}[{unit}]"
    if kind == "bool":
        values = [_bits(numpy, chunk.buffers()[1], chunk) for chunk in chunks]
        fixed = "?"
    elif fixed is not None:
        values = [
            numpy.frombuffer(chunk.buffers()[1], dtype=fixed)[chunk.offset : chunk.offset + len(chunk)]
            for chunk in chunks
        ]
    else:
        return Objects([value for chunk in chunks for value in chunk.to_pylist()])
    joined = values[0] if len(values) == 1 else numpy.concatenate([numpy.zeros(0, dtype=fixed), *values])
    valid = numpy.concatenate([numpy.zeros(0, dtype=bool), *(_valid(numpy, chunk) for chunk in chunks)])
    return Numbers(joined.view(view) if view else joined, valid)


def _chunks(column: Any) -> list[Any]:
    return list(column.chunks) if hasattr(column, "chunks") else [column]


def _valid(numpy: Any, chunk: Any) -> Any:
    if not chunk.null_count:
        return numpy.ones(len(chunk), dtype=bool)
    return _bits(numpy, chunk.buffers()[0], chunk)


def _bits(numpy: Any, buffer: Any, chunk: Any) -> Any:
    first, last = chunk.offset // 8, (chunk.offset + len(chunk) + 7) // 8
    bits = numpy.unpackbits(numpy.frombuffer(buffer, dtype=numpy.uint8)[first:last], bitorder="little")
    start = chunk.offset - 8 * first
    return bits[start : start + len(chunk)].view(bool)


# Structured arrays


def of_fields(data: Any) -> Table:
    """The columns of a structured array.  Raises Undigestible for one of more than one dimension."""
    if data.ndim != 1:
        raise Undigestible(f"a structured array of {data.ndim} dimensions")
    columns = []
    for name in data.dtype.names:
        values = data[name]
        plain_kind = values.ndim == 1 and values.dtype.kind in "biufmM"
        columns.append(Column(name, str(values.dtype), Numbers(values) if plain_kind else Objects(list(values))))
    return Table(len(data), columns)
