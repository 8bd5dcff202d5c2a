"""What was recorded, queryable: the journals' events and points as runs, in SQLite or PostgreSQL."""

from __future__ import annotations

from autotrack.store.database import Ambiguous, NotFound, StoreError
from autotrack.store.query import Store, open_store

__all__ = ["Ambiguous", "NotFound", "Store", "StoreError", "open_store"]
