"""What is kept, to be saved as a file: asked for by its digest, and nothing that a browser opens by itself."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, Response

from autotrack.store import Store, kept
from autotrack.store.reading import run_of
from autotrack.web.readers import Readers

HEADERS = {
    "content-security-policy": "sandbox; default-src 'none'",
    "cache-control": "private, max-age=31536000, immutable",
    "content-encoding": "identity",  # as it is: a part that is asked for is one of the file
}
"""Of files of users: whatever they are, they run nowhere."""
TYPE = "application/octet-stream"
LENGTH = 150
"""Characters of a file's name at most."""


class Kept:
    """Answers with what is kept."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def of_run(self, request: Request) -> Any:
        def question(store: Store) -> Any:
            return kept.of_run(store, store.run(run_of(store, request.path_params["run"])))

        return await self._readers.ask(question)

    async def one(self, request: Request) -> Response:
        digest = request.path_params["digest"]

        def question(store: Store) -> tuple[str | None, bytes, str]:
            path = kept.blob(store, digest)
            return path, b"" if path else kept.source(store, digest), kept.called(store, digest)

        path, content, name = await self._readers.ask(question)
        headers = {**HEADERS, "content-disposition": disposition(name)}
        if path is not None:
            return FileResponse(path, headers=headers, media_type=TYPE)
        return Response(content, headers=headers, media_type=TYPE)


def disposition(name: str) -> str:
    """That an answer is to be saved, and under which name: as it is (RFC 8187), and for those who don't know that, in
    ASCII (RFC 6266)."""
    name = "".join(sign if sign.isprintable() and sign not in '/\\:*?"<>|' else "_" for sign in name)[-LENGTH:]
    name = name.lstrip(". ") or "file"
    plain = "".join(sign if sign.isascii() and sign not in "%'" else "_" for sign in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
