"""Tables for other programs: as tab-separated values, CSV, JSON or Parquet, to the output or to a file."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Protocol

import click

from autotrack.cli import output
from autotrack.errors import AutotrackError
from autotrack.ids import new_id
from autotrack.store import frame
from autotrack.store.present import presented

if TYPE_CHECKING:
    import numpy
    import pyarrow

    Array = numpy.ndarray[Any, Any]

FORMATS = ("tsv", "csv", "json", "jsonl", "parquet")
SUFFIXES = {**{f".{name}": name for name in FORMATS}, ".ndjson": "jsonl", ".pq": "parquet"}
ROWS_AT_A_TIME = 2000
GROUP = 1 << 17
"""Rows of a group in a Parquet file."""


class ExportError(AutotrackError):
    """A file that can't be written, and what to do."""


class Table(Protocol):
    """What is written.  `progress` is to be told the rows that are done, and of how many."""

    names: Sequence[str]
    progress: Callable[[int, int], None]

    def rows(self) -> Iterable[Sequence[Any]]:
        """Values for a text: JSON values, or None."""

    def objects(self) -> Iterable[dict[str, Any]]: ...

    def arrow(self) -> Iterable[pyarrow.Table]:
        """One table, in parts.  Raises StoreError where pyarrow is not installed."""


class Runs:
    """A row a run."""

    def __init__(self, runs: list[dict[str, Any]]) -> None:
        self._runs, self._columns = runs, frame.columns(runs)
        self.names: Sequence[str] = [column.name for column in self._columns]
        self.progress: Callable[[int, int], None] = lambda done, of: None

    def rows(self) -> Iterable[Sequence[Any]]:
        times = {"started": _moment}
        columns = [map(times.get(column.name, presented), column.values) for column in self._columns]
        return zip(*columns, strict=True)

    def objects(self) -> Iterable[dict[str, Any]]:
        return self._runs

    def arrow(self) -> Iterable[pyarrow.Table]:
        yield frame.to_arrow(self._columns)


def _moment(value: float) -> str:
    fraction = f"{value % 1:.6f}"[1:]
    return time.strftime(f"%Y-%m-%dT%H:%M:%S{fraction}+00:00", time.gmtime(value))


class Points:
    """A row a point, of which there are `count` or so."""

    names: Sequence[str] = ("name", "step", "time", "value")

    def __init__(self, parts: Iterable[tuple[str, Array, Array, Array]], count: int) -> None:
        self._parts, self._count = parts, count
        self.progress: Callable[[int, int], None] = lambda done, of: None

    def rows(self) -> Iterator[Sequence[Any]]:
        for name, steps, times, values in self._watched():
            for step, moment, value in zip(steps.tolist(), times.tolist(), values.tolist(), strict=True):
                yield name, step, moment, presented(value)

    def objects(self) -> Iterator[dict[str, Any]]:
        return (dict(zip(self.names, row, strict=True)) for row in self.rows())

    def arrow(self) -> Iterator[pyarrow.Table]:
        pyarrow = frame.arrow()
        types = pyarrow.string(), pyarrow.int64(), pyarrow.float64(), pyarrow.float64()
        schema = pyarrow.schema(list(zip(self.names, types, strict=True)))
        yield schema.empty_table()
        for name, *columns in self._watched():
            names = pyarrow.repeat(pyarrow.scalar(name), len(columns[0]))
            yield pyarrow.Table.from_arrays([names, *map(pyarrow.array, columns)], schema=schema)

    def _watched(self) -> Iterator[tuple[str, Array, Array, Array]]:
        done = 0
        for part in self._parts:
            yield part
            done += len(part[1])
            self.progress(done, max(self._count, done))


def print_table(table: Table, form: str) -> None:
    """Write a table to the output, in any format but Parquet."""
    for text in texts(table, form):
        click.echo(text, nl=False, color=True)  # as it is: what is in it is ours to escape


def texts(table: Table, form: str) -> Iterator[str]:
    """The text of a table, many lines at a time."""
    if form == "csv":
        yield from _csv(table)
        return
    lines = _LINES[form](table)
    while block := list(islice(lines, ROWS_AT_A_TIME)):
        yield "".join(block)


def _tsv(table: Table) -> Iterator[str]:
    return (output.tsv_line(row) + "\n" for row in chain([table.names], table.rows()))


def _csv(table: Table) -> Iterator[str]:
    """Many lines at a time: the writer has a buffer of its own."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    waiting = chain([table.names], table.rows())
    while block := list(islice(waiting, ROWS_AT_A_TIME)):
        writer.writerows([map(output.plain_text, row) for row in block])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


def _jsonl(table: Table) -> Iterator[str]:
    return (json.dumps(entry, allow_nan=False) + "\n" for entry in table.objects())


def _json(table: Table) -> Iterator[str]:
    before = "["
    for entry in table.objects():
        yield f"{before}\n{json.dumps(entry, allow_nan=False)}"
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


_LINES: dict[str, Callable[[Table], Iterator[str]]] = {"tsv": _tsv, "json": _json, "jsonl": _jsonl}


def write_table(table: Table, form: str, path: str, *, force: bool) -> None:
    """Write a table to a file, whole or not at all.  Raises ExportError."""
    if form == "parquet":
        with new_file(path, force=force) as temporary:
            _write_parquet(table, temporary)
    else:
        write_texts(texts(table, form), path, force=force)


def write_texts(parts: Iterable[str], path: str, *, force: bool) -> None:
    """Write texts to a file, all or none.  Raises ExportError."""
    with (
        new_file(path, force=force) as temporary,
        open(temporary, "w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        file.writelines(parts)


def _write_parquet(table: Table, path: str) -> None:
    pyarrow = frame.arrow()
    parts = iter(table.arrow())
    first = next(parts)
    with pyarrow.parquet.ParquetWriter(path, first.schema) as writer:
        waiting, rows = [first], first.num_rows
        for part in parts:
            waiting.append(part)
            rows += part.num_rows
            if rows >= GROUP:
                writer.write_table(pyarrow.concat_tables(waiting))
                waiting, rows = [], 0
        if waiting:
            writer.write_table(pyarrow.concat_tables(waiting))


def check(path: str, *, force: bool) -> None:
    """Raises ExportError where a file of this name can't be made, before anything is read."""
    if os.path.isdir(path):
        raise ExportError(f"{path} is a folder; name a file in it")
    if not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise ExportError(f"{path} can't be written: there is no folder {os.path.dirname(path)}")
    if os.path.exists(path):
        if not os.path.isfile(path):
            raise ExportError(f"{path} is no ordinary file; leave -o out and redirect the output there")
        if not force:
            raise ExportError(f"{path} is there already; replace it with --force, or name another file")


@contextlib.contextmanager
def new_file(path: str, *, force: bool) -> Iterator[str]:
    """A file beside `path` that takes this name when it is complete, and goes when it is not.  Raises ExportError."""
    check(path, force=force)
    path = os.path.realpath(path)  # what a link leads to
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)[:100]}.{new_id()}.tmp")
    try:
        with open(temporary, "xb"):
            pass
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        check(path, force=force)
        os.replace(temporary, path)
    except OSError as error:
        raise ExportError(f"{path} can't be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
