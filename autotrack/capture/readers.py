"""Readers and writers that open their files in native code, past the audit hook: Arrow, pandas through it, polars."""

from __future__ import annotations

import functools
import os
import sys

from autotrack import shield
from autotrack.entries import Entry
from autotrack.frames import transparent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from autotrack.capture.files import Files

_POLARS_READ = (
    "read_csv scan_csv read_parquet scan_parquet read_ipc scan_ipc read_json read_ndjson scan_ndjson read_avro"
)
_POLARS_WRITE = "write_csv write_parquet write_ipc write_json write_ndjson write_avro"
_POLARS_SINK = "sink_csv sink_parquet sink_ipc sink_ndjson"

FUNCTIONS: dict[str, tuple[tuple[str, str, int, tuple[str, ...], bool], ...]] = {
    "pyarrow.parquet": (
        ("", "read_table read_pandas read_metadata read_schema", 0, ("source", "where"), False),
        ("", "write_table", 1, ("where",), True),
        ("ParquetFile", "__init__", 1, ("source",), False),
        ("ParquetDataset", "__init__", 1, ("path_or_paths",), False),
        ("ParquetWriter", "__init__", 1, ("where",), True),
    ),
    "pyarrow.feather": (
        ("", "read_table read_feather", 0, ("source",), False),
        ("", "write_feather", 1, ("dest",), True),
    ),
    "pyarrow.csv": (("", "read_csv open_csv", 0, ("input_file",), False), ("", "write_csv", 1, ("output_file",), True)),
    "pyarrow.orc": (("", "read_table", 0, ("source",), False), ("", "write_table", 1, ("where",), True)),
    "pandas": (
        ("", "read_parquet read_feather read_orc", 0, ("path",), False),
        ("DataFrame", "to_parquet to_feather to_orc", 1, ("path",), True),
    ),
    "polars": (
        ("", _POLARS_READ, 0, ("source",), False),
        ("DataFrame", _POLARS_WRITE, 1, ("file",), True),
        ("LazyFrame", _POLARS_SINK, 1, ("path",), True),
    ),
}
"""By module: the class, its functions, where the path stands, its names, and whether it is written to."""


def follow(module: str, files: Files) -> Iterator[Entry]:
    """Put ourselves before the functions of a module that has been imported."""
    for cls, names, position, keywords, writing in FUNCTIONS[module]:
        owner = sys.modules[module]
        if cls:
            owner = getattr(owner, cls, None)  # type: ignore[assignment]
        for name in names.split():
            original = vars(owner).get(name) if owner is not None else None
            if callable(original) and hasattr(original, "__name__"):
                yield Entry(owner, name, transparent(_following(original, files, position, keywords, writing)))


def _following(
    original: Callable[..., Any], files: Files, position: int, keywords: tuple[str, ...], writing: bool
) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        shield.contain("files", _told, files, args, kwargs, position, keywords, writing)
        return result

    return call


def _told(
    files: Files,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    position: int,
    keywords: tuple[str, ...],
    writing: bool,
) -> None:
    given = (
        args[position] if len(args) > position else next((kwargs[name] for name in keywords if name in kwargs), None)
    )
    for path in given if isinstance(given, (list, tuple)) else (given,):
        if type(path) in (str, bytes) or type(path).__module__.partition(".")[0] == "pathlib":
            files.touched(os.fsdecode(path), writing)
