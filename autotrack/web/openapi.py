"""What the API is, for people and programs: OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0)."""

from __future__ import annotations

from typing import Any

import autotrack

_TEXT: dict[str, Any] = {"type": "string"}
_OBJECT: dict[str, Any] = {"type": "object"}
_FLAG: dict[str, Any] = {"type": "boolean", "default": False}


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
        "paths": {
            "/api/runs": {
                "get": _question(
                    "Runs, a page at a time.",
                    _fields(
                        runs={"type": "array", "items": _OBJECT},
                        next={"type": ["string", "null"], "description": "`after` of the next page."},
                        count={"type": ["integer", "null"], "description": "Of all that pass, on the first page."},
                    ),
                    _asked("filter", _TEXT, "A condition as that of `autotrack ls`."),
                    _asked("sort", _TEXT, "A column, parameter or metric; the largest first, with -NAME the smallest."),
                    _asked("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}),
                    _asked("after", _TEXT, "The id of a run: those behind it."),
                    _asked("nested", _FLAG, "Runs in runs too."),
                    _asked("column", {"type": "array", "items": _TEXT}, "Only these: id, params.C, metrics.NAME."),
                )
            },
            "/api/runs/{run}": {"get": _question("All that is known of a run.", _OBJECT, _RUN)},
            "/api/runs/{run}/trials": {
                "get": _question("The runs in a run.", _fields(runs={"type": "array", "items": _OBJECT}), _RUN)
            },
            "/api/runs/{run}/curves": {
                "get": _question(
                    "Curves, with as many points as are seen: by name `{step, time, value, odd, of}`.",
                    _fields(curves=_OBJECT),
                    _RUN,
                    _asked("name", {"type": "array", "items": _TEXT, "maxItems": 50}, "Those with points, by default."),
                    _asked("points", {"type": "integer", "minimum": 1, "maximum": 20000, "default": 1000}),
                    _asked("log", _FLAG, "To be drawn on a logarithmic scale."),
                )
            },
            "/api/runs/{run}/note": {
                "put": _change("Set the note of a run, or take it away.", {"note": {"type": ["string", "null"]}}, _RUN)
            },
            "/api/runs/{run}/tags/{name}": {
                "put": _change(
                    "Tag a run.", {"value": {"type": ["boolean", "integer", "number", "string"]}}, _RUN, _NAME
                ),
                "delete": _question("Take a tag away.", {"type": "null"}, _RUN, _NAME),
            },
            "/api/jobs/{job}": {
                "get": _question(
                    "A job with its runs.", _fields(job=_OBJECT), _in_path("job", "An id, or what stands for one.")
                )
            },
            "/api/trace": {
                "get": _question(
                    "Where a thing comes from, or what came of it.",
                    _fields(nodes={"type": "array"}, edges={"type": "array"}),
                    _asked("of", _TEXT, "The id of a run, job, data set or model, a digest, a recorded path.", True),
                    _asked("down", _FLAG, "What came of it."),
                    _asked("all", _FLAG, "Also where very many things came of one."),
                )
            },
            "/api/compare/curves": {
                "get": _question(
                    "Curves of several runs over one axis: by name `{x, value, odd, of}`.",
                    _fields(runs={"type": "array", "items": _OBJECT}),
                    _COMPARED,
                    _asked("along", {"enum": ["step", "time", "epoch"], "default": "step"}, "Seconds; epochs gone by."),
                    _asked("name", {"type": "array", "items": _TEXT}, "Those with points, by default."),
                    _asked("points", {"type": "integer", "minimum": 1, "maximum": 20000, "default": 1000}),
                    _asked("log", _FLAG, "To be drawn on a logarithmic scale."),
                )
            },
            "/api/compare/code": {
                "get": _question(
                    "How the code of a run differs from that of another, by files and lines.",
                    _fields(files={"type": "array", "items": _OBJECT}, more={"type": "integer"}),
                    _asked("first", _TEXT, "A run.", True),
                    _asked("second", _TEXT, "A run.", True),
                )
            },
            "/api/compare/data": {
                "get": _question(
                    "How the data of each run differs from that of the first, in words.",
                    _fields(rows={"type": "array", "items": _fields(name=_TEXT, texts={"type": "array"})}),
                    _COMPARED,
                )
            },
            "/api/importance": {
                "get": _question(
                    "How much each parameter tells of a metric, by the 1,000 newest runs that pass.",
                    _fields(
                        metric=_TEXT,
                        runs={"type": "integer", "description": "That it rests on."},
                        of={"type": "integer", "description": "That pass."},
                        parameters={"type": "array", "items": _OBJECT},
                        metrics={"type": "array", "items": _TEXT},
                        varying={"type": "array", "items": _TEXT},
                    ),
                    _asked("filter", _TEXT, "A condition as that of `autotrack ls`."),
                    _asked("nested", _FLAG, "Runs in runs too."),
                    _asked("metric", _TEXT, "By default the one that most of them have."),
                )
            },
        },
    }


def _in_path(name: str, text: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
        "description": text,
    }


_RUN = _in_path("run", "An id, the beginning of one, or @last, @best:METRIC.")
_NAME = _in_path("name", "Of the tag.")


def _asked(name: str, schema: dict[str, Any], text: str = "", required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": text}


_COMPARED = _asked("run", {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 12}, "The first, others.", True)


def _fields(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(fields), "properties": fields}


def _question(summary: str, schema: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    error = {"application/json": {"schema": _fields(error=_TEXT)}}
    return {
        "summary": summary,
        "parameters": list(parameters),
        "responses": {
            "200": {"description": "The answer.", "content": {"application/json": {"schema": schema}}},
            "400": {"description": "It can't be answered as it is asked.", "content": error},
            "404": {"description": "It is not there.", "content": error},
            "409": {"description": "It may be any of several.", "content": error},
        },
    }


def _change(summary: str, fields: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    body = {**_fields(**fields), "additionalProperties": False}
    return {
        **_question(summary, {"type": "null"}, *parameters),
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
    }
