"""Readers and writers that open their files in native code, past `open`: Arrow, pandas through it, polars, DuckDB,
HDF5, TensorFlow, safetensors, SQLite; and those of remote files.

What is read lazily counts as read where it is named: as a dataset is made, a table scanned, a query written.  Of
patterns, the files that they stand for then; of folders, all that is in them.

Not seen, for their classes are immutable ones of C: `pyarrow.OSFile` by itself, `pyarrow.csv.CSVWriter`, the methods of
the file systems of `pyarrow.fs`, `safetensors.safe_open`; files that TensorFlow reads by names which are known within
its graphs alone; without the extension, queries of DuckDB, which look into the frame of their caller.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
import weakref

from autotrack import shield
from autotrack.capture.openings import Writer
from autotrack.entries import Entry
from autotrack.extension import compiled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from autotrack.capture.files import Files

MOST = 100_000
"""Files that one pattern stands for, at most."""
LONGEST = 4096
"""Characters of a path, as Linux has it."""


_GOES_ON = "__init__", "create_memory_map"
"""With names such as these begin those that return something to write by."""


class Row:
    """Functions that are given the path of a file."""

    __slots__ = ("keywords", "mode", "names", "owner", "position", "whole", "writing")

    def __init__(
        self, owner: str, names: str, position: int, keywords: tuple[str, ...], writing: bool, mode: int | None = None
    ) -> None:
        self.owner, self.names = owner, names
        """The class, or what else of the module has them, and their names."""
        self.position, self.keywords = position, keywords
        """Where the path stands."""
        self.writing, self.mode = writing, mode
        """Whether it is written to, or where that is said, as `open` has it."""
        self.whole = writing and mode is None and not names.startswith(_GOES_ON)
        """Whether it is written when they have returned."""


class Special:
    """Functions of which it takes more to know the files."""

    __slots__ = ("frameless", "names", "owner", "told")

    def __init__(self, owner: str, names: str, told: str, frameless: bool = False) -> None:
        self.owner, self.names = owner, names
        self.told = told
        """What is told of their calls: of which module beside this one."""
        self.frameless = frameless
        """They look at the frame of their caller, which must be the program's."""


_POLARS_READ = (
    "read_csv scan_csv read_parquet scan_parquet read_parquet_schema read_parquet_metadata read_ipc scan_ipc "
    "read_ipc_schema read_ipc_stream read_json read_ndjson scan_ndjson read_avro read_lines scan_lines read_excel "
    "read_ods"
)
_POLARS_WRITE = "write_csv write_parquet write_ipc write_ipc_stream write_json write_ndjson write_avro"
_POLARS_SINK = "sink_csv sink_parquet sink_ipc sink_ndjson"
_SQL = "execute executemany sql query from_query"
_DUCKDB_READ = "read_csv from_csv_auto read_json read_parquet from_parquet"

FUNCTIONS: dict[str, tuple[Row | Special, ...]] = {
    "pyarrow": (
        Row("", "memory_map", 0, ("path",), False, mode=1),
        Row("", "input_stream", 0, ("source",), False),
        Row("", "create_memory_map output_stream", 0, ("path", "source"), True),
    ),
    "pyarrow.ipc": (
        *(Row(f"RecordBatch{kind}Reader", "__init__", 1, ("source",), False) for kind in ("File", "Stream")),
        *(Row(f"RecordBatch{kind}Writer", "__init__", 1, ("sink",), True) for kind in ("File", "Stream")),
    ),
    "pyarrow.dataset": (
        Row("", "dataset parquet_dataset", 0, ("source", "metadata_path"), False),
        Row("", "write_dataset", 1, ("base_dir",), True),
    ),
    "pyarrow.parquet": (
        Row("", "read_table read_pandas read_metadata read_schema", 0, ("source", "where"), False),
        Row("", "write_table write_to_dataset", 1, ("where", "root_path"), True),
        Row("ParquetFile", "__init__", 1, ("source",), False),
        Row("ParquetDataset", "__init__", 1, ("path_or_paths",), False),
        Row("ParquetWriter", "__init__", 1, ("where",), True),
    ),
    "pyarrow.feather": (
        Row("", "read_table read_feather", 0, ("source",), False),
        Row("", "write_feather", 1, ("dest",), True),
    ),
    "pyarrow.csv": (
        Row("", "read_csv open_csv", 0, ("input_file",), False),
        Row("", "write_csv", 1, ("output_file",), True),
    ),
    "pyarrow.json": (Row("", "read_json open_json", 0, ("input_file",), False),),
    "pyarrow.orc": (
        Row("", "read_table", 0, ("source",), False),
        Row("", "write_table", 1, ("where",), True),
        Row("ORCFile", "__init__", 1, ("source",), False),
        Row("ORCWriter", "__init__", 1, ("where",), True),
    ),
    "pandas": (
        Row("", "read_parquet read_feather read_orc", 0, ("path",), False),
        Row("DataFrame", "to_parquet to_feather to_orc", 1, ("path",), True),
    ),
    "pandas.io.common": (Special("", "urlopen", "remote.answered"),),
    "polars": (
        Row("", _POLARS_READ, 0, ("source",), False),
        Row("DataFrame", _POLARS_WRITE, 1, ("file", "target"), True),
        Row("LazyFrame", _POLARS_SINK, 1, ("path", "target"), True),
    ),
    "duckdb": (
        *(Special(owner, _SQL, "databases.queried", True) for owner in ("", "DuckDBPyConnection")),
        Special("", "connect", "databases.connected", True),
        Special("DuckDBPyRelation", "query", "databases.queried", True),
        Row("", _DUCKDB_READ, 0, ("path_or_buffer", "name", "file_glob", "file_globs"), False),
        Row("DuckDBPyConnection", _DUCKDB_READ, 1, ("path_or_buffer", "name", "file_glob", "file_globs"), False),
        Row("DuckDBPyRelation", "write_csv to_csv write_parquet to_parquet", 1, ("file_name",), True),
    ),
    "sqlite3": tuple(Special(owner, "connect", "databases.connected") for owner in ("", "dbapi2")),
    "h5py": (Special("File", "__init__", "databases.opened"),),
    "tables.file": (Special("File", "__init__", "databases.opened"),),
    "safetensors.numpy": (
        Row("", "load_file", 0, ("filename",), False),
        Row("", "save_file", 1, ("filename",), True),
    ),
    "xgboost.core": (Row("DMatrix", "save_binary", 1, ("fname",), True),),
    "lightgbm.basic": (Row("Dataset", "save_binary", 1, ("filename",), True),),
    "tensorflow": (
        Row("io", "read_file", 0, ("filename",), False),
        Row("io", "write_file", 0, ("filename",), True),
        Row("io.gfile", "copy", 0, ("src",), False),
        Row("io.gfile", "copy rename", 1, ("dst",), True),
        Row("data.experimental", "make_csv_dataset", 0, ("file_pattern",), False),
    ),
    "tensorflow.python.lib.io.file_io": (Row("FileIO", "__init__", 1, ("name",), False, mode=2),),
    "tensorflow.python.lib.io.tf_record": (Row("TFRecordWriter", "__init__", 1, ("path",), True),),
    "tensorflow.python.data.ops.readers": tuple(
        Row(f"{kind}DatasetV2", "__init__", 1, ("filenames",), False)
        for kind in ("TFRecord", "TextLine", "FixedLengthRecord")
    ),
    "tensorflow.python.data.experimental.ops.readers": (Row("CsvDatasetV2", "__init__", 1, ("filenames",), False),),
    "tensorflow.python.data.ops.dataset_ops": (
        Row("DatasetV2", "list_files load", 0, ("file_pattern", "path"), False),
        Row("DatasetV2", "save", 1, ("path",), True),
    ),
    "fsspec.implementations.http": (),
    "fsspec.spec": (Special("AbstractFileSystem", "open", "remote.opened"),),
}
"""By module: what it has to read and write files."""


def follow(module: str, files: Files) -> Iterator[Entry]:
    """Put ourselves before the functions of a module that has been imported."""
    if module == "fsspec.implementations.http":
        from autotrack.capture import remote

        yield from remote.follow(files)
    made: dict[int, Any] = {}
    for row in FUNCTIONS[module]:
        owner: Any = sys.modules[module]
        for part in row.owner.split(".") if row.owner else ():
            owner = getattr(owner, part, None)
        if owner is None or (isinstance(row, Special) and row.frameless and compiled is None):
            continue
        for name in row.names.split():
            raw = vars(owner).get(name)
            original = raw.__func__ if isinstance(raw, (staticmethod, classmethod)) else raw
            if not callable(original) or not hasattr(original, "__name__"):
                continue
            if compiled is None and not hasattr(type(original), "__get__"):
                continue  # a function in its place would be a method of a class that binds it
            ours = made.get(id(original))
            if ours is None:
                ours = made[id(original)] = _following(original, files, row, module)
            yield Entry(owner, name, type(raw)(ours) if original is not raw else ours)
            home, there = sys.modules.get(getattr(original, "__module__", None) or ""), original.__name__
            if home is not None and vars(home).get(there) is original:  # by which it is pickled
                yield Entry(home, there, ours)


def _following(original: Any, files: Files, row: Row | Special, module: str) -> Any:
    """What stands for a function: no frame of the program's stack where that can be had."""
    where, reference = f"files of {getattr(original, '__qualname__', '')}", weakref.ref(files)
    names = module.partition(".")[0] == "tensorflow"  # to which bytes are a path; to others, what is in a file
    told = functools.partial(_told, row, names) if isinstance(row, Row) else _beside(row.told)

    def seen(args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        files = reference()  # which the program may outlive, and what it has imported from a module
        if files is not None:
            told(files, result, args, kwargs)

    quick = _nothing_known if compiled is not None else None
    ours = shield.followed(where, original, seen, shield.Meter(where), files.switch, quick)
    return functools.update_wrapper(ours, original)


def _nothing_known(*args: Any, **kwargs: Any) -> bool:
    return False


def _beside(name: str) -> Callable[..., None]:
    module, _, function = name.partition(".")
    found: Callable[..., None] = getattr(__import__(f"autotrack.capture.{module}", fromlist=[function]), function)
    return found


def _told(row: Row, bytes_name: bool, files: Files, result: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    from autotrack.capture import remote

    if not files.outside():
        return
    writing = row.writing
    if row.mode is not None:
        writing = any(sign in str(remote.given(args, kwargs, row.mode, ("mode",)) or "r") for sign in "wax+")
    scheme = remote.scheme(args, kwargs)
    if scheme is None:
        return
    value = remote.given(args, kwargs, row.position, row.keywords)
    for path in itertools.islice(_paths(value, bytes_name), MOST):
        named(files, scheme + path, writing, whole=row.whole)


def _paths(value: Any, bytes_name: bool) -> Iterator[str]:
    kind = type(value)
    if kind is str or (kind is bytes and bytes_name) or kind.__module__.partition(".")[0] == "pathlib":
        yield os.fsdecode(value)
    elif kind in (list, tuple, set, frozenset):
        for entry in value:
            yield from _paths(entry, bytes_name)
    elif kind.__name__ == "EagerTensor" and value.dtype.name == "string":
        yield from _paths(value.numpy().tolist() if value.shape.rank else value.numpy(), True)
    elif kind.__module__ == "polars.io.partition":
        yield from _paths(getattr(getattr(value, "_pl_partition_by", None), "base_path", None), False)
    elif kind.__name__ == "OSFile" and kind.__module__ == "pyarrow.lib" and not value.closed:
        place = f"/proc/self/fd/{value.fileno()}"
        if os.path.lexists(place):
            yield os.readlink(place)


def named(files: Files, path: str, writing: bool, *, whole: bool = False) -> None:
    """A file, a pattern of files, a folder or a remote file that was named; `whole`: it is written by now."""
    if len(path) > LONGEST or "\n" in path or "\0" in path:  # it is what would be in a file
        return
    path = os.path.expanduser(path.removeprefix("file://"))
    if "://" in path:
        files.elsewhere(path, writing)
    elif not writing and any(sign in path for sign in "*?[") and not os.path.lexists(path):
        import glob

        for found in itertools.islice(glob.iglob(path, recursive=True), MOST):
            files.touched(found, False)
    else:
        files.touched(path, writing, () if writing else None, writer=Writer.done() if whole else None)
