"""Bringing the store up to date: what there is to take in, under which lock, in which transactions."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from autotrack.journal.folder import Folder
from autotrack.store import edits, schema
from autotrack.store.database import Busy, Database
from autotrack.store.place import Place

REBUILD_SECONDS = 60.0
"""How long a rebuild waits for another reader."""
SLACK = 5.0
"""How far the times of files may be behind ours: the system's clock for them ticks every 4 ms, and the server of a
network file system has one of its own."""
BATCH_SECONDS = 1.0
"""How long others wait at most before they can write to the store too."""


class Intake:
    """What feeds the store of one folder.  `messages` are what people should know of what was taken in."""

    def __init__(self, database: Database, folder: Folder, where: Place) -> None:
        self.messages: list[str] = []
        self.progress: Callable[[int, int], None] = lambda done, of: None
        """Told about once a second how many jobs are taken in, and of how many."""
        self._database, self._folder, self._lock, self._owner = database, folder, where.lock, where.owner

    def refresh(self, wait: float = 0.1) -> bool:
        """Take in what is new.  False where another reader was at it for longer than `wait` seconds: what is
        there can be read all the same."""
        jobs, listed = self._news()
        if not jobs and listed is None and not edits.pending(self._database, self._folder, self._owner):
            return True
        with contextlib.suppress(Busy), self._locked(wait) as locked:
            if locked:
                self._ingest(jobs, listed)
            return locked
        return False

    def _news(self) -> tuple[list[str], int | None]:
        """The jobs that may have something new: those marked live, those this store saw unfinished and, when jobs
        were added to the folder, those that it does not know: another store may have seen them end.  And what to
        remember of the folder once they are taken in."""
        database, owner = self._database, self._owner
        found = {id for (id,) in database.rows("SELECT id FROM jobs WHERE folder = ? AND open = 1", (owner,))}
        live = _names(self._folder.live)
        closed = dict(database.within("SELECT id, taken FROM jobs WHERE open = 0 AND id IN ({in})", live))
        found.update(job for job in live if job not in closed or self._touched(job) >= closed[job] - SLACK)
        try:
            changed = os.stat(self._folder.journal).st_mtime_ns
        except OSError:
            changed = 0
        row = database.row("SELECT listed FROM folders WHERE id = ?", (owner,))
        if row is not None and row[0] == changed:
            return sorted(found), None
        present = _names(self._folder.journal)
        known = {id for (id,) in database.rows("SELECT id FROM jobs")}
        return sorted({job for job in present if job not in known} | found), changed

    def _touched(self, job: str) -> float:
        try:
            return os.stat(os.path.join(self._folder.live, job)).st_mtime
        except OSError:
            return 0.0

    @contextlib.contextmanager
    def _locked(self, wait: float) -> Iterator[bool]:
        """Whether nobody else takes the folder in meanwhile."""
        if self._lock is None:
            yield True
            return
        from filelock import FileLock, Timeout

        lock = FileLock(self._lock, timeout=wait)
        try:
            lock.acquire()
        except Timeout:
            yield False
            return
        except OSError:  # somebody else's file: the database has its own lock
            yield True
            return
        try:
            yield True
        finally:
            lock.release()

    def _ingest(self, jobs: Sequence[str], listed: int | None, *, clear: bool = False) -> None:
        """Take jobs in, in small transactions; or, after clearing the store, all of them in one, so that readers
        see what was there until all is there again."""
        from autotrack.store.ingest import Ingester

        ingester, waiting = Ingester(self._database, self._folder, self._owner), deque(jobs)
        self.progress(0, len(jobs))
        while True:
            with self._database.transaction():
                if clear:  # once: nothing waits after it
                    schema.clear(self._database, self._owner)
                ingester.take(waiting, BATCH_SECONDS)
                while clear and waiting:
                    self.progress(len(jobs) - len(waiting), len(jobs))
                    ingester.take(waiting, BATCH_SECONDS)
                if not waiting:
                    self._take_edits()
                    if listed is not None:
                        self._database.put("folders", "id, listed", [(self._owner, listed)], "id")
            ingester.close()
            self.progress(len(jobs) - len(waiting), len(jobs))
            if not waiting:
                break
        self.messages += ingester.messages

    def _take_edits(self) -> None:
        changed, messages = edits.ingest(self._database, self._folder, self._owner)
        self.messages += messages
        if changed:
            from autotrack.store.project import apply_edits

            apply_edits(self._database, changed)

    def rebuild(self) -> None:
        """Make everything that came from this folder again from its journals and edits.  Raises StoreError."""
        with self._locked(REBUILD_SECONDS) as locked:
            if not locked:
                raise Busy("another process is taking journals in; try again when it is done")
            try:
                listed = os.stat(self._folder.journal).st_mtime_ns
            except OSError:
                listed = 0
            self._ingest(_names(self._folder.journal), listed, clear=True)


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
