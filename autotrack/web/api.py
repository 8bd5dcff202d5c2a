"""The JSON that the page asks for, and other programs may: `GET /api/openapi.json` describes it.

What a run and a job are is said in `autotrack.store.Store`.  Errors are `{"error": text}`: 400 for a question that
can't be answered as it is asked, 404 for what is not there, 409 for what may be any of several, 503 where the store
can't be read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from autotrack.store import Ambiguous, NotFound, Store, StoreError, curve
from autotrack.store.database import Busy
from autotrack.store.filter import FilterError
from autotrack.web import comparing, openapi
from autotrack.web.drawing import reduced
from autotrack.web.live import Live
from autotrack.web.objects import Kept
from autotrack.web.readers import Readers

RUNS, MOST_RUNS = 100, 1_000
"""Runs of a page, unless asked otherwise, and at most."""
POINTS, MOST_POINTS = 1_000, 20_000
"""Points of a curve, and at most."""
GROUPS, METRICS = 200, 20
"""Groups of an answer, unless asked otherwise, and metrics of each at most."""
CURVES = 50
"""Curves of an answer at most."""
BODY = 1 << 16
"""Bytes of what is written at most."""

LOG = logging.getLogger("uvicorn.error")

encode = msgspec.json.Encoder(enc_hook=str).encode


class Wrong(Exception):
    """A question that can't be answered as it is asked."""


def answered(value: Any, status: int = 200) -> Response:
    return Response(encode(value), status, {"cache-control": "no-store"}, "application/json")


def failed(error: Exception) -> Response:
    """The answer to what could not be answered.  Where the store is at fault, why is in the server's log alone: it
    says where on this machine things are."""
    for kinds, status in ((NotFound, 404), (Ambiguous, 409), ((Wrong, FilterError), 400)):
        if isinstance(error, kinds):
            return answered({"error": str(error)}, status)
    LOG.error("the store can't answer", exc_info=error)
    why = "is in use by another program; try again" if isinstance(error, Busy) else "can't be read, or written to"
    return answered({"error": f"the store {why}; the terminal of autotrack ui says more"}, 503)


class Api:
    """The questions, by their addresses."""

    def __init__(self, readers: Readers, live: Live) -> None:
        self._readers, self._live = readers, live

    def routes(self) -> list[Route]:
        kept = Kept(self._readers)
        asked: list[tuple[str, str, Callable[[Request], Awaitable[Any]]]] = [
            ("/api/runs", "GET", self.runs),
            ("/api/runs/{run}", "GET", self.run),
            ("/api/runs/{run}/trials", "GET", self.trials),
            ("/api/runs/{run}/curves", "GET", self.curves),
            ("/api/runs/{run}/note", "PUT", self.note),
            ("/api/runs/{run}/tags/{name:path}", "PUT", self.tag),
            ("/api/runs/{run}/tags/{name:path}", "DELETE", self.untag),
            ("/api/groups", "GET", self.groups),
            ("/api/jobs", "GET", self.jobs),
            ("/api/jobs/{job}", "GET", self.job),
            ("/api/jobs/{job}/curves", "GET", self.system),
            ("/api/trace", "GET", self.trace),
            ("/api/runs/{run}/objects", "GET", kept.of_run),
            ("/api/objects/{digest}", "GET", kept.one),
            ("/api/compare/curves", "GET", self.compared_curves),
            ("/api/compare/code", "GET", self.compared_code),
            ("/api/compare/data", "GET", self.compared_data),
            ("/api/importance", "GET", self.importance),
        ]
        methods: dict[str, dict[str, Callable[[Request], Awaitable[Any]]]] = {}
        for path, method, function in asked:
            methods.setdefault(path, {})[method] = function
        return [
            *(Route(path, _answering(by_method), methods=list(by_method)) for path, by_method in methods.items()),
            Route("/api/changes", self.changes, methods=["GET"]),
            Route("/api/openapi.json", _answering({"GET": _described}), methods=["GET"]),
        ]

    async def _ask(self, question: Callable[[Store], Any]) -> Any:
        await self._live.fresh()
        return await self._readers.ask(question)

    async def runs(self, request: Request) -> Any:
        filter, after, sort = (_text(request, name) for name in ("filter", "after", "sort"))
        limit = _number(request, "limit", RUNS, MOST_RUNS)
        nested, marked = _flag(request, "nested"), _flag(request, "marks")
        ascending = bool(sort and sort.startswith("-"))
        columns = request.query_params.getlist("column")

        def listed(store: Store) -> dict[str, Any]:
            found = store.runs(
                filter,
                sort=sort.removeprefix("-") if sort else None,
                descending=not ascending,
                limit=limit + 1,
                nested=nested,
                after=after,
            )
            runs, more = found[:limit], len(found) > limit
            shown = [_of_columns(run, columns) for run in runs] if columns else runs
            if marked:
                marks = store.marks(runs)
                shown = [{**run, "marks": marks[run["id"]]} for run in shown]
            return {"runs": shown, "next": runs[-1]["id"] if more else None}

        def counted(store: Store) -> int | None:
            return store.count(filter, nested=nested) if after is None else None

        try:
            page, count = await asyncio.gather(self._ask(listed), self._ask(counted))
            return {**page, "count": count}
        except NotFound:
            if after is not None:
                raise
            return {"runs": [], "next": None, "count": 0}  # an empty list is no mistake

    async def run(self, request: Request) -> Any:
        return await self._ask(lambda store: store.run(_run(store, request)))

    async def trials(self, request: Request) -> Any:
        """The first of them: a search may have very many."""
        limit = _number(request, "limit", RUNS, MOST_RUNS)

        def question(store: Store) -> dict[str, Any]:
            found = store.trials(_run(store, request))
            return {"runs": found[:limit], "count": len(found)}

        return await self._ask(question)

    async def groups(self, request: Request) -> Any:
        by, filter, metrics = _text(request, "by"), _text(request, "filter"), request.query_params.getlist("metric")
        nested, limit = _flag(request, "nested"), _number(request, "limit", GROUPS, MOST_RUNS)
        if by is None:
            raise Wrong("`by` is missing: params.NAME, tags.NAME or a column")
        if len(metrics) > METRICS:
            raise Wrong(f"{len(metrics)} metrics are asked for; ask for {METRICS} at most at a time")

        def question(store: Store) -> dict[str, Any]:
            found = store.groups(by, filter, metrics=metrics, nested=nested, limit=limit)
            return {"groups": found, "count": store.count(filter, nested=nested)}

        try:
            return await self._ask(question)
        except NotFound:
            return {"groups": [], "count": 0}

    async def jobs(self, request: Request) -> Any:
        limit, after = _number(request, "limit", RUNS, MOST_RUNS), _text(request, "after")

        def question(store: Store) -> dict[str, Any]:
            found = store.jobs(limit=limit + 1, after=after)
            return {"jobs": found[:limit], "next": found[limit - 1]["id"] if len(found) > limit else None}

        try:
            return await self._ask(question)
        except NotFound:
            if after is not None:
                raise
            return {"jobs": [], "next": None}

    async def curves(self, request: Request) -> Any:
        names = request.query_params.getlist("name")
        most, log = _number(request, "points", POINTS, MOST_POINTS), _flag(request, "log")
        if len(names) > CURVES:
            raise Wrong(f"{len(names)} curves are asked for; ask for {CURVES} at most at a time")

        def question(store: Store) -> dict[str, Any]:
            run = store.run(_run(store, request))
            asked = names or [name for name, metric in run["metrics"].items() if metric["count"] > 1][:CURVES]
            found = curve.points(store, run, asked, log=log)
            counts = {name: run["metrics"][name]["count"] for name in found if name in run["metrics"]}
            drawn = {name: reduced(*columns, most) for name, columns in found.items()}
            return {"curves": {name: {**one, "of": counts.get(name, one["of"])} for name, one in drawn.items()}}

        return await self._ask(question)

    async def note(self, request: Request) -> Any:
        body = await _body(request, Note)
        return await self._ask(lambda store: store.note(_run(store, request), body.note))

    async def tag(self, request: Request) -> Any:
        body, name = await _body(request, Tag), request.path_params["name"]
        return await self._ask(lambda store: store.tag(_run(store, request), name, body.value))

    async def untag(self, request: Request) -> Any:
        return await self._ask(lambda store: store.untag(_run(store, request), request.path_params["name"]))

    async def job(self, request: Request) -> Any:
        return await self._ask(lambda store: store.job(_job(store, request)))

    async def system(self, request: Request) -> Any:
        most = _number(request, "points", POINTS, MOST_POINTS)

        def question(store: Store) -> dict[str, Any]:
            found = curve.of_system(store, store.job(_job(store, request))["job"])
            return {"curves": {name: reduced(*columns, most) for name, columns in found.items()}}

        return await self._ask(question)

    async def trace(self, request: Request) -> Any:
        """Of what is recorded: files that are here are not read, whatever their path."""
        of, down, everything = _text(request, "of"), _flag(request, "down"), _flag(request, "all")
        if of is None:
            raise Wrong("`of` is missing: the id of a run, job, data set or model, or the digest of a file")
        return await self._ask(lambda store: store.trace(of, down=down, everything=everything, here=False).as_dict())

    async def compared_curves(self, request: Request) -> Any:
        references, names = _compared(request), request.query_params.getlist("name")
        most, log = _number(request, "points", POINTS, MOST_POINTS), _flag(request, "log")
        along = _given(request, "along") or "step"
        if along not in comparing.AXES:
            raise Wrong(f"`along` is one of {', '.join(comparing.AXES)}, not {along!r}")
        return await self._ask(lambda store: comparing.curves(store, _ids(store, references), names, along, log, most))

    async def compared_code(self, request: Request) -> Any:
        references = [_text(request, name) or "" for name in ("first", "second")]
        if not all(references):
            raise Wrong("`first` and `second` are the runs whose code is compared")
        return await self._ask(lambda store: comparing.differences_of_code(store, *_ids(store, references)))

    async def compared_data(self, request: Request) -> Any:
        references = _compared(request)
        return await self._ask(lambda store: comparing.differences_of_data(store, _ids(store, references)))

    async def importance(self, request: Request) -> Any:
        filter, metric, nested = _text(request, "filter"), _text(request, "metric"), _flag(request, "nested")
        try:
            return await self._ask(lambda store: comparing.importances(store, filter, nested, metric))
        except NotFound:  # nothing is recorded yet
            return comparing.told([], metric, 0)

    async def changes(self, request: Request) -> Response:
        """Server-sent events: `{"version": n}` now, and whenever something was written."""

        async def told() -> Any:
            async for version in self._live.versions():
                yield b": still here\n\n" if version is None else b"data: %s\n\n" % encode({"version": version})

        return StreamingResponse(told(), media_type="text/event-stream", headers={"cache-control": "no-store"})


class Note(msgspec.Struct, forbid_unknown_fields=True):
    note: str | None


class Tag(msgspec.Struct, forbid_unknown_fields=True):
    value: bool | int | float | str


def _answering(by_method: dict[str, Callable[[Request], Awaitable[Any]]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        function = by_method["GET" if request.method == "HEAD" else request.method]
        try:
            found = await function(request)
            return found if isinstance(found, Response) else answered(found)
        except (Wrong, StoreError) as error:
            return failed(error)

    return answer


async def _described(request: Request) -> Any:
    return openapi.document()


async def _body(request: Request, kind: Any) -> Any:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Wrong("the body is to be JSON, of the type application/json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY:
            raise Wrong(f"the body is longer than {BODY:,} bytes")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Wrong(f"the body is not as it is to be: {error}") from None


def _run(store: Store, request: Request) -> str:
    from autotrack.store.reading import run_of

    return run_of(store, request.path_params["run"])


def _job(store: Store, request: Request) -> str:
    kind, id = store.resolve(request.path_params["job"])
    return id if kind == "job" else str(store.run(id)["job"]["id"])


def _given(request: Request, name: str) -> str | None:
    given = request.query_params.getlist(name)
    if len(given) > 1:
        raise Wrong(f"`{name}` is asked for {len(given)} times; ask for it once")
    return given[0] if given else None


def _compared(request: Request) -> list[str]:
    references = request.query_params.getlist("run")
    if not 1 <= len(references) <= comparing.RUNS:
        raise Wrong(f"`run` is to be given for each of the runs that are compared: 1 to {comparing.RUNS} of them")
    return references


def _ids(store: Store, references: Sequence[str]) -> list[str]:
    from autotrack.store.reading import run_of

    return [run_of(store, reference) for reference in references]


def _text(request: Request, name: str) -> str | None:
    return _given(request, name) or None


def _flag(request: Request, name: str) -> bool:
    given = _given(request, name)
    if given not in (None, "true", "false"):
        raise Wrong(f"`{name}` is true or false, not {given!r}")
    return given == "true"


def _number(request: Request, name: str, usual: int, most: int) -> int:
    given = _given(request, name)
    if given is None:
        return usual
    if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= most and len(given) < 9):
        raise Wrong(f"`{name}` is a number from 1 to {most:,}, not {given!r}")
    return int(given)


def _of_columns(run: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    """Only these: columns by their names, and `params.NAME`, `metrics.NAME`, `tags.NAME`; the id is always there."""
    chosen: dict[str, Any] = {"id": run["id"]}
    for column in columns:
        group, dot, name = column.partition(".")
        if dot and group in ("params", "metrics", "tags"):
            there = chosen.setdefault(group, {})
            if name in run[group]:
                there[name] = run[group][name]
        elif column in run:
            chosen[column] = run[column]
    return chosen
