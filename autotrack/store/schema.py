"""The tables.  One schema for both databases; NULL in `last`, `low`, `high` of a series that has points is NaN,
which SQLite can't hold.

`facts` are the journals' events as they are; everything below them is projected from facts and points, and
can be made again at any time.
"""

from __future__ import annotations

from autotrack.store.database import Database, StoreError

VERSION = "1"

TABLES = {
    "meta": "key TEXT PRIMARY KEY, value TEXT",
    "segments": """job TEXT, segment TEXT, bytes BIGINT, lines BIGINT, digest TEXT, slots BIGINT, empty BIGINT,
        role TEXT, host TEXT, machine TEXT, message TEXT, PRIMARY KEY (job, segment)""",
    "facts": """job TEXT, segment TEXT, position BIGINT, tag TEXT, strand TEXT, body TEXT,
        PRIMARY KEY (job, segment, position)""",
    "series": """job TEXT, segment TEXT, series BIGINT, strand TEXT, name TEXT, origin TEXT, parts BIGINT, tail BIGINT,
        count BIGINT, low DOUBLE PRECISION, high DOUBLE PRECISION, last DOUBLE PRECISION, last_time DOUBLE PRECISION,
        first_step BIGINT, last_step BIGINT, nans BIGINT, infinities BIGINT, PRIMARY KEY (job, segment, series)""",
    "chunks": """job TEXT, segment TEXT, series BIGINT, part BIGINT, count BIGINT, first_step BIGINT, last_step BIGINT,
        first_time DOUBLE PRECISION, last_time DOUBLE PRECISION, low DOUBLE PRECISION, high DOUBLE PRECISION,
        steps {blob}, times {blob}, points {blob}, PRIMARY KEY (job, segment, series, part)""",
    "strands": "strand TEXT PRIMARY KEY, job TEXT, segment TEXT, run TEXT, kind TEXT, ended BIGINT",
    "jobs": """id TEXT PRIMARY KEY, parent TEXT, name TEXT, status TEXT, started DOUBLE PRECISION,
        duration DOUBLE PRECISION, author TEXT, detail TEXT""",
    "runs": """id TEXT PRIMARY KEY, job TEXT, name TEXT, framework TEXT, kind TEXT, status TEXT,
        started DOUBLE PRECISION, duration DOUBLE PRECISION, author TEXT, parent TEXT, params TEXT, metrics TEXT,
        tags TEXT, detail TEXT, hidden BIGINT""",
    "params": "run TEXT, name TEXT, number DOUBLE PRECISION, text TEXT, PRIMARY KEY (run, name)",
    "metrics": """run TEXT, name TEXT, last DOUBLE PRECISION, low DOUBLE PRECISION, high DOUBLE PRECISION, count BIGINT,
        first_step BIGINT, last_step BIGINT, PRIMARY KEY (run, name)""",
    "tags": "run TEXT, name TEXT, number DOUBLE PRECISION, text TEXT, PRIMARY KEY (run, name)",
    "edits": """target TEXT, what TEXT, name TEXT, value TEXT, time DOUBLE PRECISION, author TEXT,
        PRIMARY KEY (target, what, name)""",
}

INDEXES = (
    "facts_strand ON facts (strand)",
    "facts_job ON facts (job, tag)",
    "series_strand ON series (strand)",
    "strands_run ON strands (run)",
    "strands_job ON strands (job)",
    "runs_started ON runs (started)",
    "runs_job ON runs (job)",
    "runs_parent ON runs (parent)",
    "params_name ON params (name, number)",
    "metrics_name ON metrics (name, last)",
    "tags_name ON tags (name)",
)


def prepare(database: Database) -> bool:
    """Make the tables where they are missing; True where a store of an older version was dropped, which is then
    to be rebuilt.  Raises StoreError for a newer one."""
    present = database.tables()
    outdated = False
    if "meta" in present:
        row = database.row("SELECT value FROM meta WHERE key = 'version'")
        version = row[0] if row is not None else "0"
        if version == VERSION:
            return False
        if int(version) > int(VERSION):
            raise StoreError(
                f"the store has schema version {version}, this autotrack knows {VERSION}: "
                "upgrade with pip install -U autotrack-ml"
            )
        outdated = True
    with database.transaction():
        if outdated:
            drop(database)
        for name, columns in TABLES.items():
            database.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns.format(blob=database.blob)})")
        for index in INDEXES:
            database.execute(f"CREATE INDEX IF NOT EXISTS {index}")
        database.put("meta", "key, value", [("version", VERSION)], "key")
    return outdated


def drop(database: Database) -> None:
    """Remove every table of ours."""
    for name in TABLES:
        database.execute(f"DROP TABLE IF EXISTS {name}")


def clear(database: Database) -> None:
    """Remove everything that is in the tables."""
    for name in TABLES:
        database.execute(f"DELETE FROM {name}" + (" WHERE key <> 'version'" if name == "meta" else ""))
