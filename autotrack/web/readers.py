"""Threads that read: each has a connection to the store of its own, so that a slow question holds up no other."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from autotrack.store import Store
from autotrack.store.reading import existing

Answer = TypeVar("Answer")

THREADS = 4


class Readers:
    """The store of one place, which may not be there yet.  To be closed."""

    def __init__(self, directory: str | None, threads: int = THREADS) -> None:
        self._directory = directory
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="autotrack-ui")
        self._here = threading.local()
        self._opened: list[Store] = []

    async def ask(self, question: Callable[[Store], Answer]) -> Answer:
        """What a function says of the store, on one of the threads.  Raises what it raises, and NotFound where nothing
        was ever recorded."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._answer, question)

    def _answer(self, question: Callable[[Store], Answer]) -> Answer:
        store: Store | None = getattr(self._here, "store", None)
        if store is not None and self._here.file != _file_of(store):  # somebody has put another one in its place
            self._opened.remove(store)
            self._here.store = None
            store.close()
            store = None
        if store is None:
            store = self._here.store = existing(self._directory)
            self._here.file = _file_of(store)
            self._opened.append(store)
        return question(store)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for store in self._opened:
            store.close()


def _file_of(store: Store) -> tuple[int, int] | None:
    """What tells the file of an embedded store from another of its name; None where there is none."""
    try:
        found = os.stat(store.folder.store)
    except OSError:
        return None
    return found.st_dev, found.st_ino
