"""What the API is, for people and programs: OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0)."""

from __future__ import annotations

from typing import Any

import autotrack
from autotrack.web.schemas import COUNT, SCHEMAS, TEXT, Schema, by_name, fields, listed, maybe, named

FLAG: Schema = {"type": "boolean", "default": False}
JSON, BYTES, EVENTS = "application/json", "application/octet-stream", "text/event-stream"
ERRORS = {
    "400": "It can't be answered as it is asked.",
    "401": "The server was started for other addresses too, and the token is missing.",
    "403": "A page of another origin may change nothing.",
    "404": "It is not there.",
    "409": "It may be any of several.",
    "421": "The server is asked under a name that is not this machine's.",
    "503": "The store can't be read, or written to.",
}


def document() -> dict[str, Any]:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "autotrack",
            "version": autotrack.__version__,
            "description": "What is recorded, as `autotrack ui` shows it. Runs are as `autotrack ls --json` and "
            "`autotrack show --json` have them. Numbers that JSON lacks are the texts NaN, Infinity, -Infinity.",
        },
        "paths": {**_runs(), **_comparisons(), **_others()},
        "components": {
            "schemas": SCHEMAS,
            "responses": {
                status: {"description": text, "content": {JSON: {"schema": named("Error")}}}
                for status, text in ERRORS.items()
            },
        },
    }


def _runs() -> dict[str, Any]:
    return {
        "/api/runs": {
            "get": _question(
                "runs",
                "Runs, a page at a time.",
                fields(
                    runs=listed(named("Row")),
                    next={**maybe(TEXT), "description": "`after` of the next page."},
                    count={**maybe(COUNT), "description": "Of all that pass, on the first page."},
                ),
                _asked("filter", TEXT, "A condition as that of `autotrack ls`.", example="status == 'finished'"),
                _asked("sort", TEXT, "A column, parameter or metric; the largest first, with -NAME the smallest."),
                _LIMIT,
                _asked("after", TEXT, "The id of a run: those behind it."),
                _asked("nested", FLAG, "Runs in runs too."),
                _asked("marks", FLAG, "With what a list marks them with."),
                _asked("column", listed(TEXT), "Only these: id, params.C, metrics.NAME."),
                links=_leads("run", "$response.body#/runs/0/id", "run", "trials", "curves", "objects", "note", "tag"),
            )
        },
        "/api/runs/{run}": {"get": _question("run", "All that is known of a run.", named("Run"), _RUN)},
        "/api/runs/{run}/trials": {
            "get": _question(
                "trials",
                "The first of the runs in a run.",
                fields(runs=listed(named("Row")), count={**COUNT, "description": "Of all of them."}),
                _RUN,
                _LIMIT,
            )
        },
        "/api/runs/{run}/curves": {
            "get": _question(
                "curves",
                "Curves, with as many points as are seen.",
                fields(curves=by_name(named("Curve"))),
                _RUN,
                _asked("name", {**listed(TEXT), "maxItems": 50}, "Those with more than one point, by default."),
                _POINTS,
                _asked("log", FLAG, "To be drawn on a logarithmic scale."),
            )
        },
        "/api/runs/{run}/objects": {
            "get": _question(
                "objects",
                "What of a run is kept, by digest.",
                named("Kept"),
                _RUN,
                links=_leads("digest", "$response.body#/code/0/digest", "object"),
            ),
        },
        "/api/runs/{run}/note": {
            "put": _change(
                "note", "Set the note of a run, or take it away.", {"note": {"type": ["string", "null"]}}, _RUN
            )
        },
        "/api/runs/{run}/tags/{name}": {
            "put": _change("tag", "Tag a run.", {"value": _TAG}, _RUN, _NAME),
            "delete": _question("untag", "Take a tag away.", {"type": "null"}, _RUN, _NAME),
        },
    }


def _comparisons() -> dict[str, Any]:
    return {
        "/api/compare/curves": {
            "get": _question(
                "compared_curves",
                "Curves of several runs over one axis.",
                fields(runs=listed(named("Compared"))),
                _COMPARED,
                _asked("along", {"enum": ["step", "time", "epoch"], "default": "step"}, "Seconds; epochs gone by."),
                _asked("name", listed(TEXT), "Those with more than one point, by default."),
                _POINTS,
                _asked("log", FLAG, "To be drawn on a logarithmic scale."),
            )
        },
        "/api/compare/code": {
            "get": _question(
                "compared_code",
                "How the code of a run differs from that of another, by files and lines.",
                fields(first=TEXT, second=TEXT, files=listed(named("Difference")), more=COUNT),
                _asked("first", {**TEXT, "minLength": 1}, "A run.", True, "@last"),
                _asked("second", {**TEXT, "minLength": 1}, "A run.", True, "@last"),
            )
        },
        "/api/compare/data": {
            "get": _question(
                "compared_data",
                "How the data of each run differs from that of the first, in words.",
                fields(rows=listed(fields(name=TEXT, texts=listed(maybe(TEXT))))),
                _COMPARED,
            )
        },
        "/api/importance": {
            "get": _question(
                "importance",
                "How much each parameter tells of a metric, by the 1,000 newest runs that pass.",
                fields(
                    metric=maybe(TEXT),
                    runs={**COUNT, "description": "That it rests on."},
                    of={**COUNT, "description": "That pass."},
                    parameters=listed({"type": "object"}),
                    metrics=listed(TEXT),
                    varying=listed(TEXT),
                ),
                _asked("filter", TEXT, "A condition as that of `autotrack ls`."),
                _asked("nested", FLAG, "Runs in runs too."),
                _asked("metric", TEXT, "By default the one that most of them have."),
            )
        },
    }


def _others() -> dict[str, Any]:
    return {
        "/api/groups": {
            "get": _question(
                "groups",
                "Runs put together by what they have in common, the largest group first.",
                fields(groups=listed(named("Group")), count={**COUNT, "description": "Of the runs in all groups."}),
                _asked(
                    "by",
                    {**TEXT, "minLength": 1},
                    "params.NAME, tags.NAME, name, status, framework, kind, user or job.",
                    True,
                    "status",
                ),
                _asked("filter", TEXT, "A condition as that of `autotrack ls`."),
                _asked("nested", FLAG, "Runs in runs too."),
                _asked("metric", {**listed(TEXT), "maxItems": 20}),
                _asked("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 200}),
            )
        },
        "/api/jobs": {
            "get": _question(
                "jobs",
                "Programs that were recorded, the newest first, a page at a time.",
                fields(jobs=listed(named("Program")), next={**maybe(TEXT), "description": "`after` of the next page."}),
                _LIMIT,
                _asked("after", TEXT, "The id of a job: those behind it."),
                links=_leads("job", "$response.body#/jobs/0/id", "job"),
            )
        },
        "/api/jobs/{job}": {
            "get": _question(
                "job",
                "A job with its runs.",
                fields(job=named("Job"), runs=listed(named("Row"))),
                _JOB,
            )
        },
        "/api/jobs/{job}/curves": {
            "get": _question(
                "system",
                "What a job took of the system, with as many samples as are seen.",
                fields(curves=by_name(named("Curve"))),
                _JOB,
                _POINTS,
            )
        },
        "/api/trace": {
            "get": _question(
                "trace",
                "Where a thing comes from, or what came of it.",
                named("Lineage"),
                _asked(
                    "of",
                    {**TEXT, "minLength": 1},
                    "The id of a run, job, data set or model, a digest, a recorded path.",
                    True,
                    "@last",
                ),
                _asked("down", FLAG, "What came of it."),
                _asked("all", FLAG, "Also where very many things came of one."),
            )
        },
        "/api/objects/{digest}": {
            "get": _question(
                "object",
                "What is kept under a digest, as a file to save; also parts of it, as the header Range asks.",
                {},
                _in_path("digest", "Of a model or a file (BLAKE3), or a file of code (its SHA-1 in git).", "0" * 64),
                kind=BYTES,
            )
        },
        "/api/changes": {
            "get": _question(
                "changes",
                'Server-sent events, without an end: `{"version": n}` now, and whenever something was written.',
                TEXT,
                kind=EVENTS,
            )
        },
        "/api/openapi.json": {"get": _question("openapi", "This document.", fields(openapi=TEXT))},
    }


def _in_path(name: str, text: str, example: str = "@last") -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
        "description": text,
        "example": example,
    }


_RUN = _in_path("run", "An id, the beginning of one, or @last, @best:METRIC.")
_JOB = _in_path("job", "An id, or what stands for one, as for runs.")
_NAME = _in_path("name", "Of the tag.", "checked")
_TAG: Schema = {"type": ["boolean", "integer", "number", "string"]}


def _asked(name: str, schema: Schema, text: str = "", required: bool = False, example: Any = None) -> dict[str, Any]:
    shown = {} if example is None else {"example": example}
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": text, **shown}


_POINTS = _asked("points", {"type": "integer", "minimum": 1, "maximum": 20000, "default": 1000})
_LIMIT = _asked("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100})
_COMPARED = _asked("run", {**listed(TEXT), "minItems": 1, "maxItems": 12}, "The first, and others.", True, ["@last"])


def _leads(parameter: str, found: str, *operations: str) -> dict[str, Any]:
    return {name: {"operationId": name, "parameters": {parameter: found}} for name in operations}


def _question(
    name: str,
    summary: str,
    schema: Schema,
    *parameters: dict[str, Any],
    kind: str = JSON,
    links: dict[str, Any] | None = None,
) -> dict[str, Any]:
    answer = {
        "description": "The answer.",
        "content": {kind: {"schema": schema}},
        **({"links": links} if links else {}),
    }
    return {
        "operationId": name,
        "summary": summary,
        "parameters": list(parameters),
        "responses": {
            "200": answer,
            **({"206": answer, "416": {"description": "There is no such part."}} if kind == BYTES else {}),
            **{status: {"$ref": f"#/components/responses/{status}"} for status in ERRORS},
        },
    }


def _change(name: str, summary: str, body: Schema, *parameters: dict[str, Any]) -> dict[str, Any]:
    content = {JSON: {"schema": {**fields(**body), "additionalProperties": False}}}
    return {
        **_question(name, summary, {"type": "null"}, *parameters),
        "requestBody": {"required": True, "content": content},
    }
