"""The seam over SQLite and PostgreSQL: one connection, portable SQL with `?` for parameters.

SQL is written out, not generated: importing SQLAlchemy and opening an engine takes 284 ms of the 500 ms that a whole
`autotrack ls` may take.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from autotrack.errors import AutotrackError

BUSY_SECONDS = 30.0
"""How long a writer waits for another one."""


class StoreError(AutotrackError):
    """The store can't do what was asked: names the thing and says what to do next."""


class NotFound(StoreError):
    """There is nothing of that name."""


class Ambiguous(StoreError):
    """More than one thing begins so."""


class Busy(StoreError):
    """Another process writes to the store for longer than one waits."""


class Database:
    """A connection to SQLite.

    Portable SQL is what both databases read in the same way: `?` for parameters, `instr(text, part)` for where
    a part begins, `substr`, `NULLS LAST`, `ON CONFLICT`.  There is no LIKE: SQLite's does not heed the case.
    Texts compare by code point.  What the database raises becomes a StoreError.
    """

    text, blob = "TEXT", "BLOB"
    """The types of a text that compares by code point, and of bytes."""
    by_key = "WITHOUT ROWID"
    """What makes a table that is in the order of its primary key."""
    texts = ", text"
    """What puts a column of texts of any length into an index; nothing where they may be too long for one."""
    sets = True
    """Whether what a subquery that asks for no other row gives is made once, however large it is."""
    _error: type[Exception] = sqlite3.Error

    def __init__(self, connection: Any, name: str) -> None:
        self._connection, self._name = connection, name

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        try:
            return self._connection.execute(sql, parameters)
        except self._error as error:
            raise self._told(error) from error

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        try:
            self._connection.executemany(sql, rows)
        except self._error as error:
            raise self._told(error) from error

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            return list(self.execute(sql, parameters).fetchall())
        except self._error as error:
            raise self._told(error) from error

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def put(self, table: str, columns: str, rows: Sequence[Sequence[Any]], keys: str) -> None:
        """Insert rows, or replace these columns of those that have the same keys."""
        if rows:
            self.executemany(_put(table, columns, keys), rows)

    def within(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a query whose `{in}` is to hold any number of values."""
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(values), 400):
            part = values[start : start + 400]
            found += self.rows(sql.replace("{in}", ", ".join("?" * len(part))), part)
        return found

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is executed inside; one writer at a time.  Raises Busy."""
        self._begin()
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(StoreError):
                self.execute("ROLLBACK")
            raise

    def _begin(self) -> None:
        self.execute("BEGIN IMMEDIATE")

    def tables(self) -> set[str]:
        return {name for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def stamp(self) -> Any:
        """Another one after another connection has written something."""
        return self.row("PRAGMA data_version")

    def _told(self, error: Exception) -> StoreError:
        return _sqlite_error(self._name, error)

    def close(self) -> None:
        self._connection.close()


class PostgreSQL(Database):
    """The same over psycopg 3, in a schema of its own: names such as `runs` are everyone's."""

    text, blob = 'TEXT COLLATE "C"', "BYTEA"
    by_key, texts = "", ""
    sets = False  # beyond `work_mem` it is gone through for each row

    def __init__(self, connection: Any, name: str) -> None:
        import psycopg

        self._error = psycopg.Error
        super().__init__(connection, name)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        return super().execute(_translated(sql), parameters)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        try:
            with self._connection.cursor() as cursor:
                cursor.executemany(_translated(sql), rows)
        except self._error as error:
            raise self._told(error) from error

    def _begin(self) -> None:
        """As SQLite has it, one writer at a time: two folders may be taken in from two machines at once."""
        self.execute("BEGIN")
        try:
            self.execute(f"SET LOCAL lock_timeout = {int(BUSY_SECONDS * 1000)}")
            self.execute("SELECT pg_advisory_xact_lock(hashtext('autotrack store'))")
        except BaseException:
            with contextlib.suppress(StoreError):
                self.execute("ROLLBACK")
            raise

    def tables(self) -> set[str]:
        sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
        return {name for (name,) in self.rows(sql)}

    def stamp(self) -> Any:
        return self.row("SELECT CAST(pg_snapshot_xmax(pg_current_snapshot()) AS TEXT)")

    def enter_schema(self) -> None:
        """Make the schema `autotrack` where it is missing, and work in it."""
        if self.row("SELECT 1 FROM information_schema.schemata WHERE schema_name = 'autotrack'") is None:
            with self.transaction():
                self.execute("CREATE SCHEMA IF NOT EXISTS autotrack")
        self.execute("SET search_path TO autotrack")

    def _told(self, error: Exception) -> StoreError:
        from psycopg import errors

        text = str(error).strip() or type(error).__name__
        if isinstance(error, errors.LockNotAvailable):
            return Busy(f"the store {self._name} is in use by others; try again")
        return StoreError(f"the store {self._name} says: {text}")


@lru_cache(maxsize=256)
def _put(table: str, columns: str, keys: str) -> str:
    names, key_names = columns.split(", "), keys.split(", ")
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key_names)
    action = f"UPDATE SET {changes}" if changes else "NOTHING"
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({keys}) DO {action}"


@lru_cache(maxsize=1024)
def _translated(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s").replace("instr(", "strpos(")


def connect(url: str) -> Database:
    """A connection to `sqlite:///PATH` or `postgresql://...`.  Raises StoreError."""
    scheme, separator, rest = url.partition("://")
    if scheme == "sqlite" and separator and rest.startswith("/") and len(rest) > 1:
        return _sqlite(rest[1:])
    if scheme in ("postgresql", "postgres") and separator:
        return _postgresql(url)
    from autotrack.capture.secrets import redact

    raise StoreError(f"{redact(url)!r} is no store; expected sqlite:///PATH or postgresql://USER@HOST/DATABASE")


def _sqlite(path: str) -> Database:
    try:
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        _use_wal(connection)
        connection.execute("PRAGMA cache_size = -65536")
    except sqlite3.Error as error:
        raise _sqlite_error(path, error) from error
    return Database(connection, path)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Readers then go on while somebody writes.  SQLite does not wait for others in this one statement."""
    deadline = time.monotonic() + BUSY_SECONDS
    while connection.execute("PRAGMA journal_mode").fetchone()[0] not in ("wal", "memory"):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _sqlite_error(path: str, error: Exception) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Busy(f"{path} is in use by another process; try again")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreError(
            f"{path} is damaged ({error}): move it away and try again, it is made again from the journals"
        )
    if code == sqlite3.SQLITE_FULL:
        return StoreError(
            f"{path}: {error}; make room, or have it elsewhere: AUTOTRACK_STORE=sqlite:////another/folder/store.db"
        )
    if code == sqlite3.SQLITE_CANTOPEN and not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        return StoreError(f"{path} can't be opened: there is no folder {os.path.dirname(path)}")
    return StoreError(f"{path}: {error}")


def _postgresql(url: str) -> Database:
    from autotrack.capture.secrets import redact

    try:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise StoreError("a PostgreSQL store needs psycopg: pip install 'autotrack-ml[postgresql]'") from None
    try:
        words: dict[str, Any] = {"connect_timeout": 10, **conninfo_to_dict(url)}
        connection = psycopg.connect(**words, autocommit=True)
        encoding = connection.info.parameter_status("server_encoding")
    except psycopg.Error as error:
        raise StoreError(f"the store {redact(url)} can't be reached: {redact(str(error).strip())}") from None
    if encoding != "UTF8":
        raise StoreError(f"the store {redact(url)} is in {encoding}; make a database for it WITH ENCODING 'UTF8'")
    database = PostgreSQL(connection, redact(url))
    database.enter_schema()
    return database
