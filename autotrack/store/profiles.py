"""Profiles of data: found by its identity, whichever job reported them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autotrack import events
from autotrack.events import ColumnProfile, DataProfiled
from autotrack.store.database import Database
from autotrack.store.present import presented

_PUT = """INSERT INTO profiles (data, time, body) VALUES (?, ?, ?) ON CONFLICT (data)
    DO UPDATE SET time = excluded.time, body = excluded.body WHERE excluded.time > profiles.time"""


def put(database: Database, job: str, profiles: Sequence[DataProfiled]) -> None:
    """Keep the profiles that a job reports; of several of the same data, the newest."""
    if profiles:
        database.executemany(_PUT, [(one.data, one.time, events.encode(one).decode()) for one in profiles])
        database.put("profiled", "data, job", [(one.data, job) for one in profiles], "data, job")


def of(database: Database, identities: Sequence[str]) -> dict[str, DataProfiled]:
    """Identity to profile, of those that have one."""
    sql = "SELECT data, body FROM profiles WHERE data IN ({in})"
    return {data: _decoded(body) for data, body in database.within(sql, sorted(set(identities)))}


def _decoded(body: str) -> DataProfiled:
    event = events.decode(body)
    assert isinstance(event, DataProfiled)
    return event


def described(profile: DataProfiled) -> dict[str, Any]:
    """A profile as JSON, without its sketch."""
    return {
        "columns": [_column(column) for column in profile.columns],
        "left_out": profile.left_out,
        "unordered": profile.unordered,
        "distinct": profile.distinct,
        "rows": profile.rows,
    }


def _column(column: ColumnProfile) -> dict[str, Any]:
    return {
        "name": presented(column.name),
        "type": presented(column.type),
        "digest": column.digest,
        "nulls": column.nulls,
        "nans": column.nans,
        "infinities": column.infinities,
        "low": presented(column.low),
        "high": presented(column.high),
        "mean": presented(column.mean),
        "deviation": presented(column.deviation),
        "counts": None if column.counts is None else [[presented(value), times] for value, times in column.counts],
    }
