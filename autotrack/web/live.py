"""What is new: taken in while somebody looks, and told to the pages that are open."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from autotrack.store import NotFound, Store, StoreError
from autotrack.web.readers import Readers

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
        self._listening = 0
        self._ended = False
        self._changed = asyncio.Condition()

    async def fresh(self) -> None:
        """Have what is new be taken in before a question is answered, after a pause in which nobody has asked."""
        self._asked = time.monotonic()
        if self._asked - self._looked > 2 * PERIOD + IDLE:
            await self._look()

    async def follow(self) -> None:
        """Look, as long as somebody does; to be cancelled."""
        while True:
            if self._listening or time.monotonic() - self._asked < IDLE:
                await self._look()
            await asyncio.sleep(PERIOD)

    async def _look(self) -> None:
        with contextlib.suppress(NotFound, StoreError):  # which whoever asks is told
            await self._intake.ask(self._take)
            stamp = await self._watched.ask(Store.stamp)
            if stamp != self._stamp:
                async with self._changed:
                    self._stamp, self._version = stamp, self._version + 1
                    self._changed.notify_all()
        self._looked = time.monotonic()

    def _take(self, store: Store) -> None:
        store.refresh(wait=0.1)
        self.messages = list(dict.fromkeys([*self.messages, *store.messages]))[-100:]

    async def versions(self) -> AsyncIterator[int | None]:
        """The number of the present version of the store, and of each that follows; None now and then in between.  Ends
        as the server does."""
        self._listening += 1
        try:
            seen = self._version
            yield seen
            while not self._ended:
                if seen != self._version:
                    seen = self._version
                    yield seen
                try:
                    async with self._changed:
                        if not self._ended:
                            await asyncio.wait_for(self._changed.wait(), QUIET)
                except TimeoutError:
                    yield None
        finally:
            self._listening -= 1

    async def end(self) -> None:
        """Let those go that listen."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    def close(self) -> None:
        self._intake.close()
        self._watched.close()
