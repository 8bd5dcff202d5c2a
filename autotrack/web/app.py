"""The application: the API, the page, and the files that the page is made of."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import autotrack
from autotrack.web.api import Api, answered
from autotrack.web.files import STATIC, bundled
from autotrack.web.guard import FAILED, Guard
from autotrack.web.live import Live
from autotrack.web.readers import Readers

VIEWS = ("/", "/runs/{run:path}", "/compare", "/lineage", "/jobs", "/jobs/{job:path}")
"""Addresses that are the page: what it shows there, it knows."""


class _Unchanging(StaticFiles):
    """Files whose names say what is in them."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def application(directory: str | None, live: Live, *, token: str | None = None) -> Guard:
    """The server's application; with a token, only who has it is answered.  It closes `live` at its end."""
    readers = Readers(directory)
    templates = Environment(loader=PackageLoader("autotrack.web"), autoescape=select_autoescape(default=True))
    page = templates.get_template("page.html")

    def shown(status: int) -> Response:
        files = bundled()
        if files is None:
            return HTMLResponse(templates.get_template("missing.html").render(), 503)
        text = page.render(files=files, version=autotrack.__version__)
        return HTMLResponse(text, status, headers={"cache-control": "no-cache"})

    async def shell(_: Request) -> Response:
        return shown(200)

    async def wrong(request: Request, error: Exception) -> Response:
        """What has failed, and why, is in the server's log alone."""
        status, text, headers = 500, FAILED, None
        if isinstance(error, HTTPException):
            status, text, headers = error.status_code, error.detail, error.headers
        if request.url.path.startswith("/api/"):
            response = answered({"error": text}, status)
        elif status == 404 and not request.url.path.startswith("/static/"):
            response = shown(404)  # the page says so
        else:
            response = HTMLResponse(templates.get_template("wrong.html").render(status=status, text=text), status)
        response.headers.update(headers or {})
        return response

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        following = asyncio.create_task(live.follow())
        try:
            yield
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
            await asyncio.to_thread(readers.close)
            await asyncio.to_thread(live.close)

    routes = [
        *Api(readers, live).routes(),
        Mount("/static", _Unchanging(directory=STATIC, check_dir=False)),
        *(Route(path, shell, methods=["GET"]) for path in VIEWS),
    ]
    answering = Starlette(
        routes=routes,
        middleware=[Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)],
        exception_handlers={HTTPException: wrong, Exception: wrong},
        lifespan=lifespan,
    )
    return Guard(answering, token)  # outside of all: what Starlette says of an error passes it too
