"""The tables.  One schema for both databases; NULL in `last` of a series that has points is NaN, which SQLite can't
hold, and NULL in `low`, `high` says that no value was finite.  A chunk without `steps` has them at equal distances;
a full one has a `preview`.  `finite` is the number of its finite values, `total` their sum.

`facts` are the journals' events as they are, `series` and `chunks` their points.  What follows them is projected
from these and from the edits, so that lists, filters and sorting need not read them; it can be made again at any
time.

`files` are those that were read or written, to be found by what they held; `datasets` are what runs have used, each
and its parts (features, labels), to be found by their identity.

`profiles` are events too, but kept by the identity of the data: whichever job reported one, it serves every run that
used such data.  `profiled` says which jobs did, so that a profile goes with the last of them.
"""

from __future__ import annotations

from autotrack.store.database import Database, StoreError

VERSION = 8

TABLES = {
    "meta": "key TEXT PRIMARY KEY, value TEXT",
    "folders": "id TEXT PRIMARY KEY, listed BIGINT",
    "segments": """job TEXT, segment TEXT, bytes BIGINT, lines BIGINT, digest TEXT, slots BIGINT, empty BIGINT,
        damage TEXT, points_damage TEXT, passing TEXT, PRIMARY KEY (job, segment)""",
    "facts": """job TEXT, segment TEXT, position BIGINT, tag TEXT, strand TEXT, body TEXT,
        PRIMARY KEY (job, segment, position)""",
    "series": """job TEXT, segment TEXT, series BIGINT, strand TEXT, name TEXT, origin TEXT, parts BIGINT DEFAULT 0,
        tail BIGINT DEFAULT 0, count BIGINT DEFAULT 0, low DOUBLE PRECISION, high DOUBLE PRECISION,
        last DOUBLE PRECISION, last_time DOUBLE PRECISION, first_step BIGINT, last_step BIGINT, nans BIGINT DEFAULT 0,
        infinities BIGINT DEFAULT 0, PRIMARY KEY (job, segment, series)""",
    "chunks": """job TEXT, segment TEXT, series BIGINT, part BIGINT, count BIGINT, first_step BIGINT, last_step BIGINT,
        first_time DOUBLE PRECISION, last_time DOUBLE PRECISION, low DOUBLE PRECISION, high DOUBLE PRECISION,
        finite BIGINT, total DOUBLE PRECISION, preview {blob}, steps {blob}, times {blob}, points {blob},
        PRIMARY KEY (job, segment, series, part)""",
    "files": """job TEXT, segment TEXT, artifact BIGINT, path TEXT, mode TEXT, kind TEXT, strand TEXT, step BIGINT,
        time DOUBLE PRECISION, digest TEXT, bytes BIGINT, model TEXT, PRIMARY KEY (job, segment, artifact)""",
    "datasets": """strand TEXT, role TEXT, number BIGINT, part BIGINT, job TEXT, data TEXT, name TEXT, method TEXT,
        kind TEXT, row_count BIGINT, column_count BIGINT, PRIMARY KEY (strand, role, number, part)""",
    "profiles": "data TEXT PRIMARY KEY, time DOUBLE PRECISION, body TEXT",
    "profiled": "data TEXT, job TEXT, PRIMARY KEY (data, job)",
    "strands": "strand TEXT PRIMARY KEY, job TEXT, segment TEXT, position BIGINT, run TEXT, kind TEXT, ended BIGINT",
    "edit_files": """folder TEXT, name TEXT, bytes BIGINT, digest TEXT, message TEXT,
        PRIMARY KEY (folder, name)""",
    "edits": """folder TEXT, target TEXT, what TEXT, name TEXT, value TEXT, time DOUBLE PRECISION, author TEXT,
        PRIMARY KEY (folder, target, what, name)""",
    "jobs": """id TEXT PRIMARY KEY, folder TEXT, open BIGINT, taken DOUBLE PRECISION, parent TEXT, name TEXT,
        status TEXT, started DOUBLE PRECISION, duration DOUBLE PRECISION, author TEXT""",
    "runs": """id TEXT PRIMARY KEY, job TEXT, name TEXT, framework TEXT, kind TEXT, status TEXT,
        started DOUBLE PRECISION, duration DOUBLE PRECISION, author TEXT, parent TEXT, params TEXT, metrics TEXT,
        model TEXT, tags TEXT, note TEXT, hidden BIGINT""",
    "params": "run TEXT, name TEXT, number DOUBLE PRECISION, text TEXT, PRIMARY KEY (run, name)",
    "metrics": """run TEXT, name TEXT, last DOUBLE PRECISION, low DOUBLE PRECISION, high DOUBLE PRECISION, count BIGINT,
        first_step BIGINT, last_step BIGINT, PRIMARY KEY (run, name)""",
    "tags": "run TEXT, name TEXT, number DOUBLE PRECISION, text TEXT, PRIMARY KEY (run, name)",
}

BY_KEY = ("params", "metrics", "tags")
"""Tables whose rows are small, and found by their key."""

# Without what is not asked for: SQLite takes `parent IS NULL` for a search by a key that few rows have.
INDEXES = (
    "runs_started ON runs (started)",
    "facts_strand ON facts (strand) WHERE strand IS NOT NULL",
    "facts_own ON facts (job, tag) WHERE strand IS NULL",
    "facts_files ON facts (job) WHERE tag = 'artifact'",
    "files_digest ON files (digest, mode, time, job)",
    "files_model ON files (model, mode, time, job) WHERE model IS NOT NULL",
    "files_holds ON files (digest, model) WHERE model IS NOT NULL",
    "files_strand ON files (strand) WHERE strand IS NOT NULL",
    "files_path ON files (substr(path, 1, 600), time)",  # PostgreSQL takes no more than 2,704 bytes
    "files_folder ON files (kind) WHERE kind = 'folder'",
    "datasets_data ON datasets (data, strand)",
    "datasets_job ON datasets (job)",
    "series_strand ON series (strand)",
    "strands_run ON strands (run)",
    "strands_job ON strands (job, kind)",
    "strands_open ON strands (job) WHERE ended = 0",
    "profiled_job ON profiled (job)",
    "jobs_open ON jobs (folder) WHERE open = 1",
    "jobs_started ON jobs (started)",
    "edits_target ON edits (target)",
    "runs_listed ON runs (started, id) WHERE parent IS NULL",
    "runs_job ON runs (job)",
    "runs_parent ON runs (parent) WHERE parent IS NOT NULL",
    "runs_model ON runs (model) WHERE model IS NOT NULL",
    "runs_hidden ON runs (id) WHERE hidden = 1",
    "metrics_name ON metrics (name, last)",
    "params_name ON params (name, number{texts})",
)

_OF_JOB = ("segments", "facts", "files", "datasets", "series", "chunks", "profiled", "strands", "runs")
_OF_RUN = ("params", "metrics", "tags")


def prepare(database: Database) -> None:
    """Make the tables where they are missing or of an older version; what is in the journals is then taken in
    again by the next `refresh`.  Raises StoreError for a newer version, and for a database of something else."""
    if _current(database):
        return
    with database.transaction():
        if _current(database):  # another reader was first
            return
        for name in TABLES:
            database.execute(f"DROP TABLE IF EXISTS {name}")
        for name, columns in TABLES.items():
            typed = columns.format(blob=database.blob).replace(" TEXT", f" {database.text}")
            database.execute(f"CREATE TABLE {name} ({typed}) {database.by_key if name in BY_KEY else ''}")
        for index in INDEXES:
            database.execute(f"CREATE INDEX {index.format(texts=database.texts)}")
        database.put("meta", "key, value", [("version", str(VERSION))], "key")


def _current(database: Database) -> bool:
    """Whether the tables are there, in this version; False where they can be made."""
    present = database.tables()
    if not present:
        return False
    row = database.row("SELECT value FROM meta WHERE key = 'version'") if "meta" in present else None
    if row is None or not str(row[0]).isdecimal():
        raise StoreError("the database holds tables of something else; give another one to autotrack")
    version = int(row[0])
    if version > VERSION:
        raise StoreError(
            f"the store has schema version {version}, this autotrack knows {VERSION}: "
            "upgrade with pip install -U autotrack-ml"
        )
    return version == VERSION


def clear(database: Database, folder: str) -> None:
    """Remove everything that came from a folder, in a store that may be fed from others as well."""
    jobs = "(SELECT id FROM jobs WHERE folder = ?)"
    for name in _OF_RUN:
        database.execute(f"DELETE FROM {name} WHERE run IN (SELECT id FROM runs WHERE job IN {jobs})", (folder,))
    for name in _OF_JOB:
        database.execute(f"DELETE FROM {name} WHERE job IN {jobs}", (folder,))
    orphaned = "NOT EXISTS (SELECT 1 FROM profiled WHERE profiled.data = profiles.data)"
    database.execute(f"DELETE FROM profiles WHERE {orphaned}")
    for name in ("jobs", "edits", "edit_files"):
        database.execute(f"DELETE FROM {name} WHERE folder = ?", (folder,))
    database.execute("DELETE FROM folders WHERE id = ?", (folder,))
