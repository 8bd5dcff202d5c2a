"""The server that `autotrack ui` starts."""

from __future__ import annotations

import contextlib
import socket

import uvicorn

from autotrack.web.app import application


class Server(uvicorn.Server):
    """Serves the page of one folder, until it is interrupted."""

    def __init__(self, directory: str | None, *, token: str | None = None) -> None:
        self._app = application(directory, token=token)
        config = uvicorn.Config(
            self._app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=2
        )
        super().__init__(config)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._app.state.live.end()  # pages that are open listen without an end
        await super().shutdown(sockets)

    def serve_on(self, listening: socket.socket) -> None:
        """Returns once it was interrupted (Ctrl-C) or terminated."""
        with contextlib.suppress(KeyboardInterrupt):
            self.run([listening])
