"""Who may ask, and what a browser may do with an answer.

Without a token the server answers only where it is asked under a name of this machine's own: a page elsewhere, whose
name is made to point here (DNS rebinding), is refused.  With one, only those that have it: in a cookie, which a link
with the token in it sets, or as `Authorization: Bearer`.  Nothing is changed for a page of another origin.
"""

from __future__ import annotations

import hmac
import html
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
COOKIE = "autotrack_token"
SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""What a page may load: what this server has."""
FAILED = "it has failed; the terminal of autotrack ui says why"
"""What a browser is told of an error of the server."""
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guard:
    """Stands before an application."""

    def __init__(self, app: Application, token: str | None = None) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        answered = False

        async def guarded(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        try:
            await (refusal or self._app)(scope, receive, guarded)
        finally:
            if not answered:  # a panic of Rust is no Exception, and passes by all that handles those
                await _refused(500, FAILED)(scope, receive, guarded)

    def _refusal(self, scope: Message) -> Response | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._token is None and _name_of(host) not in LOOPBACK:
            return _refused(421, f"this server is not {host!r}: open it as http://localhost")
        if self._token is not None:
            given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
            if given and self._is_token(given) and scope["method"] == "GET":
                return _entered(scope, given)
            if not self._has_token(Request(scope)):
                return _refused(401, "open the link with the token that `autotrack ui` has printed")
        if scope["method"] not in SAFE and not _is_own(headers, host):
            return _refused(403, "a page of another origin may change nothing here")
        return None

    def _has_token(self, request: Request) -> bool:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        given = bearer.strip() if scheme.lower() == "bearer" else request.cookies.get(COOKIE, "")
        return self._is_token(given)

    def _is_token(self, given: str) -> bool:
        assert self._token is not None
        return hmac.compare_digest(given.encode(), self._token.encode())


def _name_of(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _place_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _is_own(headers: Headers, host: str) -> bool:
    """Whether a request is of a page of ours, or of no page at all: browsers say which origin it is of."""
    origin = headers.get("origin")
    if origin is not None and _place_of(origin) != host:
        return False
    return headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


def _entered(scope: Message, token: str) -> Response:
    """Sets the cookie and goes on to the page without the token in its address.  Not by a redirect: one that a link in
    a message has led to counts as that of another site, for which the cookie is not sent."""
    query = {k: v for k, v in parse_qs(scope["query_string"].decode("latin-1")).items() if k != "token"}
    onward = scope["path"] + (f"?{urlencode(query, doseq=True)}" if query else "")
    onward = "/" + onward.lstrip("/\\")  # `//host` would be another one
    shown = html.escape(onward, quote=True)
    page = f'<!doctype html><meta http-equiv="refresh" content="0;url={shown}"><a href="{shown}">autotrack</a>'
    response = HTMLResponse(page, headers={"cache-control": "no-store"})
    secure = scope.get("scheme") == "https"
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, path="/")
    return response


def _refused(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status, headers={"cache-control": "no-store"})
