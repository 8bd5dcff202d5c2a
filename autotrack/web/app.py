"""The application: the API, the page, and the files that the page is made of."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
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
from autotrack.web.guard import Guard
from autotrack.web.live import Live
from autotrack.web.readers import Readers

STATIC = os.path.join(os.path.dirname(__file__), "static")
"""What `client/` was bundled into; not there where Node could not be had as the package was built."""
VIEWS = ("/", "/runs/{run:path}", "/compare", "/lineage", "/jobs", "/jobs/{job:path}")
"""Addresses that are the page: what it shows there, it knows."""


def bundled() -> dict[str, Any] | None:
    """The names of the page's first files, `{script, style}`; None where they are missing."""
    try:
        with open(os.path.join(STATIC, "manifest.json"), encoding="utf-8") as file:
            manifest = json.load(file)
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


class _Unchanging(StaticFiles):
    """Files whose names say what is in them."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


def application(directory: str | None, *, token: str | None = None) -> Starlette:
    """The server's application; with a token, only who has it is answered."""
    readers, live = Readers(directory), Live(directory)
    templates = Environment(loader=PackageLoader("autotrack.web"), autoescape=select_autoescape(default=True))
    page = templates.get_template("page.html")

    async def shell(_: Request) -> Response:
        files = bundled()
        if files is None:
            return HTMLResponse(templates.get_template("missing.html").render(), 503)
        return HTMLResponse(
            page.render(files=files, version=autotrack.__version__), headers={"cache-control": "no-cache"}
        )

    async def wrong(request: Request, error: Exception) -> Response:
        status, text = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "it has failed")
        if request.url.path.startswith("/api/"):
            return answered({"error": text}, status)
        return HTMLResponse(templates.get_template("wrong.html").render(status=status, text=text), status)

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
    made = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=token), Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)],
        exception_handlers={HTTPException: wrong, Exception: wrong},
        lifespan=lifespan,
    )
    made.state.live = live
    return made
