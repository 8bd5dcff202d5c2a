"""The shapes of what the API answers, as JSON Schema: what is said in words in `autotrack.store.Store`.

Objects may have more than what stands here: what a framework adds is not left out.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NOT_FINITE: Schema = {"enum": ["NaN", "Infinity", "-Infinity"]}
NUMBER: Schema = {"anyOf": [{"type": "number"}, NOT_FINITE]}
"""JSON has no word for some."""
MOMENT: Schema = {"type": "number", "description": "Seconds since the epoch."}
ANYTHING: Schema = {}
STATUS: Schema = {"enum": ["running", "finished", "failed", "interrupted", "killed", "crashed"]}


def named(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def listed(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def by_name(of: Schema) -> Schema:
    return {"type": "object", "additionalProperties": of}


def fields(optional: Schema | None = None, /, **required: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


_RUN: Schema = {
    "job": TEXT, "name": maybe(TEXT), "framework": maybe(TEXT), "kind": maybe(TEXT), "status": STATUS,
    "started": maybe(MOMENT), "duration": {**maybe({"type": "number"}), "description": "Seconds; null while it runs."},
    "user": maybe(TEXT), "params": by_name(ANYTHING), "metrics": by_name(NUMBER), "tags": by_name(ANYTHING),
    "parent": {**maybe(TEXT), "description": "The id of the run that it is nested in."},
}  # fmt: skip
_MARKS = fields(nested=COUNT, gaps=COUNT, duplicate_of=maybe(TEXT), note=maybe(TEXT))
_OF_GROUP = fields(count=COUNT, mean=maybe(NUMBER), min=maybe(NUMBER), max=maybe(NUMBER))
_SUMMARY = fields({"min": maybe(NUMBER), "max": maybe(NUMBER), "mean": maybe(NUMBER), "count": COUNT}, last=NUMBER)
_PARAM = fields(name=TEXT, value=ANYTHING, source=TEXT)
_METRIC = fields(
    origin=maybe(TEXT), last=NUMBER, min=maybe(NUMBER), max=maybe(NUMBER), count=COUNT, first_step={"type": "integer"},
    last_step={"type": "integer"},
)  # fmt: skip
_DATASET = fields(role=TEXT, name=maybe(TEXT), id=maybe(TEXT), kind=maybe(TEXT), rows=maybe(COUNT), parts=listed({}))
_FILE = fields(path=TEXT, mode=TEXT, digest=maybe(TEXT), bytes=maybe(COUNT))
_GAP = fields(what=TEXT, why=TEXT)

SCHEMAS: dict[str, Schema] = {
    "Error": fields(error=TEXT),
    "Row": {
        **fields({**_RUN, "marks": _MARKS}, id=TEXT),
        "description": "A run of a list; with `column`, only what was asked for.",
    },
    "Run": fields(
        id=TEXT,
        **{
            **_RUN, "params": listed(_PARAM), "metrics": by_name(_METRIC), "datasets": listed(_DATASET),
            "model": maybe(fields({"class": maybe(TEXT), "kept": maybe(TEXT)}, id=maybe(TEXT))),
            "artifacts": listed(_FILE), "summary": by_name(ANYTHING), "failure": maybe({"type": "object"}),
            "trials": COUNT, "note": maybe(TEXT), "system": by_name(_SUMMARY), "gaps": listed(_GAP),
            "receipt": listed(fields(patch=TEXT)), "overhead": {"type": "object"}, "job": named("Job"),
        },
    ),
    "Job": fields(
        {"system": by_name(_SUMMARY)}, id=TEXT, parent=maybe(TEXT), name=maybe(TEXT), argv=listed(TEXT),
        cwd=maybe(TEXT), host=maybe(TEXT), user=maybe(TEXT), python=maybe(TEXT), started=maybe(MOMENT),
        duration=maybe({"type": "number"}), status=STATUS, files=listed(_FILE),
        console=listed(fields(time=MOMENT, stream=TEXT, text=TEXT)),
    ),
    "Group": fields(
        value=maybe(TEXT), number=maybe({"type": "number"}), count=COUNT,
        filter={**TEXT, "description": "The condition that lets these runs through."}, metrics=by_name(_OF_GROUP),
    ),
    "Program": fields(
        id=TEXT, name=maybe(TEXT), status=STATUS, started=maybe(MOMENT), duration=maybe({"type": "number"}),
        user=maybe(TEXT), parent=maybe(TEXT), runs=COUNT,
    ),
    "Curve": fields(
        step=listed({"type": "integer"}),
        time=listed(MOMENT),
        value=listed({"type": ["number", "null"]}),
        odd={
            "type": "array",
            "items": {"type": "array", "prefixItems": [COUNT, NOT_FINITE], "minItems": 2, "maxItems": 2},
            "description": "Where there is no number, and what there is instead.",
        },
        of={**COUNT, "description": "The number of points, of which these are those that are seen."},
    ),
    "Compared": fields(
        id=TEXT,
        curves=by_name(fields(x=listed({"type": "number"}), value=listed({"type": ["number", "null"]}), of=COUNT)),
        without={**listed(TEXT), "description": "Those that have no place on this axis."},
    ),
    "Difference": fields(
        path=TEXT, change={"enum": ["added", "removed", "changed"]}, told=maybe(TEXT),
        hunks=listed(fields(first=COUNT, second=COUNT, lines=listed({"type": "array", "items": TEXT}))),
    ),
    "Lineage": fields(
        target=listed(TEXT),
        nodes=listed(fields(id=TEXT, kind={"enum": ["file", "data", "model", "run", "job", "person"]})),
        edges=listed(fields({"from": TEXT, "to": TEXT, "inferred": {"type": "boolean"}}, kind=TEXT)),
        left_out=COUNT,
    ),
    "Kept": fields(
        kept={**listed(TEXT), "description": "Of what the model and the files are called in the run."},
        code=listed(fields(path=TEXT, digest=TEXT)),
        left_out={**COUNT, "description": "The number of further files of code."},
    ),
}  # fmt: skip
