"""What the page is made of: what `client/` was bundled into as the package was built."""

from __future__ import annotations

import json
import os
from typing import Any

from autotrack.errors import AutotrackError

STATIC = os.path.join(os.path.dirname(__file__), "static")
"""Not there where Node could not be had as the package was built."""


def bundled() -> dict[str, Any] | None:
    """The names of the files that come first: `{script, style}` of the page, and as `report` of a file that stands
    alone; None where they are missing."""
    try:
        with open(os.path.join(STATIC, "manifest.json"), encoding="utf-8") as file:
            manifest = json.load(file)
    except (OSError, ValueError):
        return None
    return manifest if isinstance(manifest, dict) else None


def needed() -> dict[str, Any]:
    """The same; raises AutotrackError where they are missing."""
    files = bundled()
    if files is None:
        raise AutotrackError(
            "the web page was left out when this was installed: install Node 18 or later, and reinstall autotrack-ml"
        )
    return files


def read(name: str) -> str:
    """The text of one of them, with line ends as HTML has them.  Raises OSError."""
    with open(os.path.join(STATIC, name), encoding="utf-8") as file:
        return file.read()
