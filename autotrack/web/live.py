"""What is new: taken in while somebody looks, and told to the pages that are open."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator

from autotrack.store import NotFound, Store, StoreError
from autotrack.web.readers import Readers

logger = logging.getLogger(__name__)
PERIOD = 0.5
"""Seconds between two looks at what is new."""
IDLE = 10.0
"""Seconds without a question after which nothing is looked at until there is one."""
QUIET = 15.0
"""Seconds after which a page is told that nothing is new: who listens no more is known by that."""


class Live:
    """Looks at the store on a thread of its own, since what is taken in may take long."""

    def __init__(self, directory: str | None) -> None:
        self.messages: list[str] = []
        """What people should know of what was taken in."""
        self._intake, self._watched = Readers(directory, 1), Readers(directory, 1)
        self._stamp: object = None
        self._version = 0
        self._asked = self._looked = 0.0
        self._ended = False
        # Not a Condition: who listens is cancelled at any moment, also while it waits for the lock of one.
        self._listening: set[asyncio.Event] = set()

    async def fresh(self) -> None:
        """Have what is new be taken in before a question is answered, after a pause in which nobody has asked."""
        self._asked = time.monotonic()
        if self._asked - self._looked > 2 * PERIOD + IDLE:
            await self._look()

    async def follow(self) -> None:
        """Look, as long as somebody does; to be cancelled."""
        while True:
            if self._listening or time.monotonic() - self._asked < IDLE:
                (failed,) = await asyncio.gather(self._look(), return_exceptions=True)
                if failed is not None:
                    logger.error("what is new could not be looked at", exc_info=failed)
            await asyncio.sleep(PERIOD)

    async def _look(self) -> None:
        with contextlib.suppress(NotFound, StoreError):  # which whoever asks is told
            await self._intake.ask(self._take)
            stamp = await self._watched.ask(Store.stamp)
            if stamp != self._stamp:
                self._stamp, self._version = stamp, self._version + 1
                self._tell()
        self._looked = time.monotonic()

    def _take(self, store: Store) -> None:
        store.refresh(wait=0.1)
        self.messages = list(dict.fromkeys([*self.messages, *store.messages]))[-100:]

    async def versions(self) -> AsyncIterator[int | None]:
        """The number of the present version of the store, and of each that follows; None now and then in between.  Ends
        as the server does."""
        told = asyncio.Event()
        self._listening.add(told)
        try:
            seen = self._version
            yield seen
            while not self._ended:
                try:
                    async with asyncio.timeout(QUIET):
                        await told.wait()
                except TimeoutError:
                    yield None
                told.clear()
                if seen != self._version:
                    seen = self._version
                    yield seen
        finally:
            self._listening.discard(told)

    def _tell(self) -> None:
        for told in self._listening:
            told.set()

    def end(self) -> None:
        """Let those go that listen."""
        self._ended = True
        self._tell()

    def close(self) -> None:
        self._intake.close()
        self._watched.close()
