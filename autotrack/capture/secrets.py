"""Secrets are taken out before anything is written: by the name they go under, and by their look."""

from __future__ import annotations

import re
from collections.abc import Sequence

HIDDEN = "[redacted]"

_NAME = re.compile(
    r"(pass(word|wd|phrase)?|pwd|secret|token|credential|api[-_]?key|access[-_]?key|private[-_]?key|auth)s?$",
    re.IGNORECASE,
)
_URL = re.compile(r"(?P<scheme>[a-zA-Z][\w+.-]*://)(?P<user>[^/\s@:]*):(?P<secret>[^/\s]+)@")
_URL_TOKEN = re.compile(r"(?P<scheme>[a-zA-Z][\w+.-]*://)(?P<secret>[^/\s@:]{16,})@")
_QUERY = re.compile(r"(?P<name>[?&][\w.-]*(?:token|key|secret|signature|password|sig)=)[^&\s]+", re.IGNORECASE)
_LOOKS = re.compile(
    r"\b(?:A(?:KIA|SIA|GPA|IDA|ROA)[0-9A-Z]{16}"  # AWS key ids
    r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|glpat-[\w-]{20,}"
    r"|hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}|xox[abprs]-[\w-]{10,}|AIza[\w-]{35}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+)"  # JSON web tokens
)


def is_secret_name(name: str) -> bool:
    """Whether a value that goes under this name is to be hidden: `--api-key`, `DB_PASSWORD`."""
    return _NAME.search(name) is not None


def redact(text: str) -> str:
    """The text without credentials in URLs and without what looks like a key."""
    text = _URL.sub(rf"\g<scheme>\g<user>:{HIDDEN}@", text)
    text = _URL_TOKEN.sub(rf"\g<scheme>{HIDDEN}@", text)
    text = _QUERY.sub(rf"\g<name>{HIDDEN}", text)
    return _LOOKS.sub(HIDDEN, text)


def redact_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """A command line with the values of secret options hidden, in `--token x` and in `--token=x`."""
    shown = []
    hide_next = False
    for word in arguments:
        option, equals, _ = word.partition("=")
        if hide_next and not word.startswith("-"):
            shown.append(HIDDEN)
        elif equals and is_secret_name(option):
            shown.append(f"{option}={HIDDEN}")
        else:
            shown.append(redact(word))
        hide_next = not equals and word.startswith("-") and is_secret_name(word)
    return tuple(shown)
