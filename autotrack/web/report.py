"""A run in one file, to be mailed or attached: what its page shows, and where it comes from.

It asks for nothing, and changes nothing: its script, style and data are in it, and its policy lets nothing else run.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape

import autotrack
from autotrack.store import Store, curve
from autotrack.web import files
from autotrack.web.drawing import reduced

POINTS, CURVES, LINES = 1_000, 50, 400
"""Points of a curve, curves, and the last lines of the console: at most."""
POINTS_IN_ALL = 25_000
"""Some 40 bytes each."""
RUN = """
    id name framework kind status started duration user parent params metrics tags note model artifacts summary failure
    system gaps receipt overhead
""".split()
JOB = "id host argv cwd python git packages duplicate_of".split()
"""Of a run and its job, what is shown.  What isn't, such as the variables of the environment, is not in the file."""
DATA = "role name id kind rows columns bytes method".split()
COLUMN = "name type low high mean deviation nulls nans".split()

_ESCAPED = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}


def report(store: Store, id: str) -> str:
    """The file's text.  Raises NotFound, and AutotrackError where the page was left out at install."""
    names = files.needed()["report"]
    script, style = files.read(names["script"]), files.read(names["style"])
    templates = Environment(loader=PackageLoader("autotrack.web"), autoescape=select_autoescape(default=True))
    content = contents(store, id)
    name = content["run"]["name"] or id
    return templates.get_template("report.html").render(
        title="".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in name),
        script=script,
        style=style,
        policy=f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'",
        data=embedded(content),
        version=autotrack.__version__,
    )


def contents(store: Store, id: str) -> dict[str, Any]:
    """What the file tells: `{run, curves, left, lineage, version, made}`; left: the number of curves that are not in
    it.  Raises NotFound."""
    run = store.run(id)
    names = [name for name, metric in run["metrics"].items() if metric["count"] > 1]
    found = curve.points(store, run, names[:CURVES], log=True)  # drawn on either scale
    most = min(POINTS, POINTS_IN_ALL // max(len(found), 1))
    curves = {name: reduced(*found[name], most) for name in names if name in found}
    for name, one in curves.items():
        one["of"] = run["metrics"][name]["count"]
    return {
        "run": _shown(run),
        "curves": curves,
        "left": max(len(names) - CURVES, 0),
        "lineage": _drawn(store.trace(id, here=False).as_dict()),
        "version": autotrack.__version__,
        "made": time.time(),
    }


def embedded(value: Any) -> str:
    """JSON that is only ASCII, and in which no HTML begins or ends."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).translate(_ESCAPED)


def _shown(run: dict[str, Any]) -> dict[str, Any]:
    job, console = run["job"], run["job"].get("console") or []
    return {
        **_of(run, RUN),
        "datasets": [_data(data) for data in run["datasets"]],
        "job": {**_of(job, JOB), "console": console[-LINES:], "lines": len(console)},
    }


def _data(data: dict[str, Any]) -> dict[str, Any]:
    parts = [{"name": part["name"], "profile": _profile(part["profile"])} for part in data["parts"]]
    return {**_of(data, DATA), "profile": _profile(data["profile"]), "parts": parts}


def _profile(profile: dict[str, Any] | None) -> dict[str, Any] | None:
    return {"columns": [_of(column, COLUMN) for column in profile["columns"]]} if profile else None


def _drawn(lineage: dict[str, Any]) -> dict[str, Any]:
    """Without what other runs are set to and have reached."""
    for node in lineage["nodes"]:
        for name in ("params", "metrics", "argv"):
            node.pop(name, None)
    return lineage


def _of(whole: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {name: whole[name] for name in names if name in whole}


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
