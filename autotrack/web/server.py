"""The server that `autotrack ui` starts."""

from __future__ import annotations

import contextlib
import socket

import uvicorn

from autotrack.web.app import application
from autotrack.web.live import Live


class Server(uvicorn.Server):
    """Serves the page of one folder, until it is interrupted."""

    def __init__(self, directory: str | None, *, token: str | None = None) -> None:
        self._live = Live(directory)
        app = application(directory, self._live, token=token)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._live.end()  # pages that are open listen without an end
        await super().shutdown(sockets)

    def serve_on(self, listening: socket.socket) -> None:
        """Returns once it was interrupted (Ctrl-C) or terminated."""
        with contextlib.suppress(KeyboardInterrupt):
            self.run([listening])
