"""What the exporters have in common: the libraries, and texts that any of them can hold."""

from __future__ import annotations

import importlib
import json
import re
from typing import Any

from autotrack.store.database import StoreError

_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML, and so RDF, has no way to write."""


def wanted(module: str) -> Any:
    """A module of the extra `provenance`.  Raises StoreError where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise StoreError(
            f"this needs {module.partition('.')[0]} ({error}); "
            "install it with: python3 -m pip install 'autotrack-ml[provenance]'"
        ) from None


def text(value: Any) -> str:
    """A value as a text that every format can hold; what is no text as JSON."""
    described = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _REFUSED.sub(lambda found: f"\\x{ord(found[0]):02x}", described)
