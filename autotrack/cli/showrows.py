"""What `autotrack show` says in a pipe: section, name, value and details."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from autotrack.cli import datasets, surroundings
from autotrack.store import differing

Row = tuple[Any, ...]


def given_by(part: dict[str, Any]) -> str:
    """Which parser has resolved an argument, of which command."""
    return " ".join(filter(None, (part["parser"], part["name"])))


def of_run(run: dict[str, Any], trainers: dict[str, str]) -> Iterator[Row]:
    for name in ("id", "name", "framework", "kind", "status", "started", "duration", "user", "parent", "note"):
        yield "run", name, run[name]
    yield "run", "job", run["job"]["id"]
    for name, metric in run["metrics"].items():
        yield "metric", name, metric["last"], metric["min"], metric["max"], metric["count"]
    for param in run["params"]:
        yield "param", param["name"], param["value"], param["source"]
    for name, value in run["summary"].items():
        yield "summary", name, value
    for name, value in run["tags"].items():
        yield "tag", name, value
    yield from surroundings.generator_rows(run["generators"])
    yield from surroundings.sample_rows(run["system"])
    for what, part in differing.parts(run):
        yield "dataset", what, part["id"], part["method"], part["kind"]
    yield from datasets.column_rows(run)
    if run["model"] is not None:
        yield "model", run["model"]["class"], run["model"]["id"], run["model"]["parameters"], run["model"]["bytes"]
    for id, name in trainers.items():
        yield "trained by", id, name
    for artifact in run["artifacts"]:
        yield "artifact", artifact["path"], artifact["digest"], artifact["mode"], artifact["bytes"]
        yield from _maker_rows(artifact)
    for warning in run["warnings"]:
        yield "warning", warning["what"], warning["text"], warning["values"]
    yield from _common_rows(run["failure"], run["gaps"])


def _maker_rows(file: dict[str, Any]) -> Iterator[Row]:
    maker = file["made_by"]
    if maker is not None:
        yield "made by", file["path"], maker["run"] or maker["job"], maker["name"], maker["step"]


def of_job(job: dict[str, Any], runs: list[dict[str, Any]]) -> Iterator[Row]:
    for name in ("id", "parent", "name", "status", "started", "duration", "cwd", "user", "host", "python", "platform"):
        yield "job", name, job[name]
    yield "job", "argv", job["argv"]
    for part in job["arguments"]:
        for name, value in part["values"].items():
            yield "argument", name, value, part["source"], given_by(part), part["parsed"].get(name)
    for name, value in (job["git"] or {}).items():
        yield "git", name, value
    for name in ("tree", "root", "program", "files"):
        if name in (job["code"] or {}):
            yield "code", name, job["code"][name]
    for name, version in (job["packages"] or {}).items():
        yield "package", name, version
    if job["duplicate_of"]:
        yield "duplicate of", job["duplicate_of"]["run"], job["duplicate_of"]["user"]
    yield from surroundings.rows(job)
    for file in job["files"]:
        yield "file", file["path"], file["digest"], file["mode"], file["bytes"]
        yield from _maker_rows(file)
    for name, metric in job["printed"].items():
        yield "printed", name, metric["last"], metric["min"], metric["max"], metric["count"]
    for run in runs:
        yield "run", run["id"], run["name"], run["status"], run["metrics"]
    exit = job["exit"] or {}
    yield from _common_rows(exit.get("failure"), job["gaps"])


def _common_rows(failure: dict[str, str] | None, gaps: list[dict[str, str]]) -> Iterator[Row]:
    if failure is not None:
        yield "failure", failure["type"], failure["message"], failure["traceback"]
    for gap in gaps:
        yield "gap", gap["what"], gap["why"]
