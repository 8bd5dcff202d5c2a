"""What was recorded, queryable: the journals' events and points as runs, in SQLite or PostgreSQL."""

from __future__ import annotations

from autotrack.store.database import StoreError
from autotrack.store.query import Ambiguous, NotFound, Store, open_store

__all__ = ["Ambiguous", "NotFound", "Store", "StoreError", "open_store"]
