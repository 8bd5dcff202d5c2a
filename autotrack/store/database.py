"""The seam over SQLite and PostgreSQL: one connection, portable SQL with `?` for parameters.

SQL is written out, not generated: importing SQLAlchemy takes longer than a whole `autotrack ls` may.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

BUSY_SECONDS = 30.0


class StoreError(Exception):
    """The store can't do what was asked: names the thing and says what to do next."""


class Database:
    """A connection.  `execute` takes portable SQL; `{blob}` stands for the type of bytes."""

    blob = "BLOB"

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        return self._connection.execute(sql, parameters)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(sql, rows)

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return list(self.execute(sql, parameters).fetchall())

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        found: tuple[Any, ...] | None = self.execute(sql, parameters).fetchone()
        return found

    def put(self, table: str, columns: str, rows: Iterable[Sequence[Any]], keys: str) -> None:
        """Insert rows, or replace those that have the same keys."""
        names = [name.strip() for name in columns.split(",")]
        key_names = [name.strip() for name in keys.split(",")]
        changes = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key_names)
        self.executemany(
            f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(names))}) "
            f"ON CONFLICT ({keys}) DO {f'UPDATE SET {changes}' if changes else 'NOTHING'}",
            rows,
        )

    def within(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a query whose `{in}` is to hold any number of values."""
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(values), 400):
            part = values[start : start + 400]
            found += self.rows(sql.replace("{in}", ", ".join("?" * len(part))), part)
        return found

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is executed inside."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def tables(self) -> set[str]:
        return {name for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}

    def close(self) -> None:
        self._connection.close()


class PostgreSQL(Database):
    """The same over psycopg 3."""

    blob = "BYTEA"

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        if sql == "BEGIN IMMEDIATE":
            sql = "BEGIN"
        return self._connection.execute(_translated(sql), parameters)

    def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_translated(sql), rows)

    def tables(self) -> set[str]:
        sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
        return {name for (name,) in self.rows(sql)}


def _translated(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


def connect(url: str) -> Database:
    """A connection to `sqlite:///path` or `postgresql://...`.  Raises StoreError."""
    scheme, separator, rest = url.partition("://")
    if scheme == "sqlite" and separator and rest.startswith("/"):
        return _sqlite(rest[1:] or ":memory:")
    if scheme in ("postgresql", "postgres") and separator:
        return _postgresql(url)
    raise StoreError(f"{url!r} is no store; expected sqlite:///PATH or postgresql://USER@HOST/DATABASE")


def _sqlite(path: str) -> Database:
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -65536")
    except (OSError, sqlite3.Error) as error:
        raise StoreError(f"{path} can't be opened: {error}. It can be rebuilt: move it away and try again") from None
    return Database(connection)


def _postgresql(url: str) -> Database:
    try:
        import psycopg
    except ImportError:
        raise StoreError("a PostgreSQL store needs psycopg: pip install 'autotrack-ml[postgresql]'") from None
    try:
        return PostgreSQL(psycopg.connect(url, autocommit=True))
    except psycopg.Error as error:
        raise StoreError(f"the store can't be reached: {str(error).strip()}") from None
