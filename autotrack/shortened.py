"""Values and names in as few words as a line has room for."""

from __future__ import annotations

from typing import Any


def short(value: Any, width: int = 60) -> str:
    """A value for people: numbers to six digits, one line, cut where it is long."""
    if isinstance(value, float):
        text = f"{value:.6g}"
    elif value is None:
        text = "None"
    elif isinstance(value, (dict, list)):
        text = ", ".join(f"{k}={short(v)}" for k, v in value.items()) if isinstance(value, dict) else _short_list(value)
    else:
        text = str(value)
    text = printable(" ".join(text.split()) if "\n" in text or "\t" in text else text)
    return text if len(text) <= width else text[: width - 1] + "…"


def _short_list(value: list[Any]) -> str:
    return "[" + ", ".join(short(entry) for entry in value) + "]"


def printable(text: str) -> str:
    """The text without what would drive a terminal: a recorded name may come from anywhere."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else f"\\x{ord(char):02x}" for char in text)
