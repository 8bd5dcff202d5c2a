"""Secrets are taken out before anything is written: by the name they go under, by their look, and, once one is known,
wherever else it comes up."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Any

HIDDEN = "[redacted]"

_NAME = re.compile(
    r"((pass(wd|phrase|code)?|pwd|pswd|token|credential|bearer|authorization|jwt|passkey|cookie|webhook|auth|"
    r"(?<![a-z])pw|(access|private|account|encryption|signing|auth|master|shared|ssh|license|"
    r"anthropic|aws|azure|cohere|comet|gemini|google|groq|mistral|neptune|openai|stripe|wandb)[-_]?key)s?|"
    r"(password|secret([-_]?key)?|api[-_]?key)s?[-_]?\d*)$",
    re.IGNORECASE,
)
_NO_SECRET = re.compile(
    r"(^|[-_.])((pad|eos|bos|unk|mask|cls|sep|stop|start|end|special|image|prompt|max|min|num|n|new|total|skip|"
    r"by|com|low|high|band|all|multi|per|batch|vocab|context|generated|input|output|first|second|forward|backward|"
    r"patch|class|reg|register|text|visual|query|embed|embedding)[-_]?(tokens?|pass)|"
    r"(SUDO|GIT|SSH)_ASKPASS)$",
    re.IGNORECASE,
)
"""What ends like the name of a secret and is none: of vocabularies, and of programs."""
_URL = re.compile(r"(?P<scheme>(?<![\w+.-])[a-zA-Z][\w+.-]{0,20}://)(?P<user>[^/\s@:]*):(?P<secret>[^/\s]+)@")
_URL_TOKEN = re.compile(r"(?P<scheme>(?<![\w+.-])[a-zA-Z][\w+.-]{0,20}://)(?P<secret>[^/\s@:]{16,})@")
_QUERY = re.compile(
    r"(?P<name>[?&#;][\w.-]*(?:token|key|secret|signature|password|passwd|pwd|pw|passphrase|credential|auth|sig|jwt|sas|"
    r"access)=)[^&#\s\"']+",
    re.IGNORECASE,
)
_PAIR = re.compile(
    r"(?P<name>(?:\b|(?<=_))(?:password|passwd|passphrase|pwd|secret(?:[-_]?key)?|api[-_]?key|access[-_]?key|"
    r"access[-_]?token|auth[-_]?token|AccountKey|SharedAccessKey|SharedAccessSignature)[\"']?\s*[=:]\s*[\"']?)"
    r"(?!(?:null|none|true|false)\b)(?P<secret>[^\s\"'&,;(){}\[\]]{4,})(?![\w.]*\()",
    re.IGNORECASE,
)
"""In texts such as the connection strings of databases."""
_MARKED = re.compile(
    r"(?P<header>\bAuthorization[\"']?\s*[=:]\s*[\"']?(?:token|ApiKey|Digest) +)[^\s\"']{8,}"
    r"|(?P<option>(?<![\w-])--(?P<option_name>[\w-]*(?:password|passwd|secret|api[-_]key|token))[ =])"
    r"(?!-)[^\s\"'&,;(){}\[\]]{6,}"
    r"|(?P<entry>[\"'](?P<entry_name>[\w-]*token)[\"']\s*:\s*[\"'])[^\s\"']{8,}"
    r"|(?P<variable>(?-i:\b(?P<variable_name>[A-Z][A-Z0-9_]*_(?:TOKEN|PASS|KEY)))=[\"']?)[^\s\"'&,;(){}\[\]$<]{6,}",
    re.IGNORECASE,
)
"""In headers, command lines, JSON, and where variables of the environment are set."""
_MARKS = "--", "token", "Authorization", "_TOKEN=", "_PASS=", "_KEY="
_LOOKS = re.compile(
    r"\b(?:A(?:KIA|SIA|GPA|IDA|ROA)[0-9A-Z]{16}"  # AWS key ids
    r"|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,}|glpat-[\w-]{20,}"
    r"|hf_[A-Za-z0-9]{30,}|xox[abeprs]-[\w-]{10,}|AIza[\w-]{35}|ya29\.[\w-]{20,}"
    r"|[sr]k[-_](?=[\w-]*(?<![A-Za-z0-9])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{10})[\w-]{20,}"  # not words alone
    r"|(?<=hooks\.slack\.com/services/)T\w+/B\w+/\w{16,}|(?<=/api/webhooks/)\d{16,}/[\w-]{40,}"
    r"|hv[sb]\.[\w-]{20,}"  # HashiCorp's Vault
    r"|npm_[A-Za-z0-9]{36}|pypi-[\w-]{20,}|dckr_pat_[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|wandb_v1_\w{20,}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+)"  # JSON web tokens
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
    re.DOTALL,
)
_BEARER = re.compile(r"(?P<name>\b(?:Bearer|Basic) )(?P<secret>[\w.~+/-]{16,}=*)")
_KEY_OF_AWS = re.compile(r"(?<![\w/+])[A-Za-z0-9/+]{40}(?![\w/+=])")
"""The secret of an AWS key has no mark: 40 letters, digits, + and /."""

_CERTAIN = 8
"""Characters from which on a known secret is hidden within texts: a password such as `test` would hide too much."""


class _Known:
    """Secrets that have come up under their names."""

    environment = False
    words: set[str] = set()
    within: re.Pattern[str] | None = None


def learn(secret: object) -> None:
    """Hide a value from now on wherever it comes up: as a whole word of the command line, and within texts where it
    is long enough."""
    if isinstance(secret, (int, str)) and not isinstance(secret, bool) and str(secret) not in ("", HIDDEN):
        _learn({str(secret)})


def _learn(secrets: set[str]) -> None:
    if secrets <= _Known.words:
        return
    _Known.words |= secrets
    certain = sorted((word for word in _Known.words if _is_certain(word)), key=len, reverse=True)
    _Known.within = re.compile("|".join(map(re.escape, certain))) if certain else None


def _is_certain(word: str) -> bool:
    mixed = any(letter.isdigit() for letter in word) and any(letter.isalpha() for letter in word)
    return len(word) >= (6 if mixed else _CERTAIN)


def certain() -> list[bytes]:
    """The secrets that are known and long enough to be looked for within texts."""
    if not _Known.environment:
        _learn_environment()
    return [word.encode("utf-8", "surrogateescape") for word in list(_Known.words) if _is_certain(word)]


def _learn_environment() -> None:
    _Known.environment = True
    found = {value for name, value in os.environ.items() if is_secret_name(name)}
    _learn({value for value in found if len(value) >= _CERTAIN and not value.startswith(os.sep)})  # PWD is a folder
    redact_arguments(getattr(sys, "orig_argv", sys.argv))  # which learns what it hides


def is_secret_name(name: str) -> bool:
    """Whether a value that goes under this name is to be hidden: `--api-key`, `DB_PASSWORD`."""
    return _NAME.search(name) is not None and _NO_SECRET.search(name) is None


def redact(text: str) -> str:
    """The text without credentials in URLs, without what looks like a key, and without the secrets that are known."""
    if not _Known.environment:
        _learn_environment()
    if "://" in text:
        text = _URL.sub(rf"\g<scheme>\g<user>:{HIDDEN}@", text)
        text = _URL_TOKEN.sub(rf"\g<scheme>{HIDDEN}@", text)
    if "=" in text:
        text = _QUERY.sub(rf"\g<name>{HIDDEN}", text)
    if len(text) < 6:
        return text
    text = _PAIR.sub(rf"\g<name>{HIDDEN}", text)
    if any(mark in text for mark in _MARKS):
        text = _MARKED.sub(_without_value, text)
    text = _BEARER.sub(rf"\g<name>{HIDDEN}", text)
    text = _LOOKS.sub(HIDDEN, text)
    if len(text) >= 40:
        text = _KEY_OF_AWS.sub(_unless_a_digest, text)
    return _Known.within.sub(HIDDEN, text) if _Known.within is not None else text


def _without_value(match: re.Match[str]) -> str:
    named = match["option_name"] or match["entry_name"] or match["variable_name"]
    if named and not is_secret_name(named):
        return match[0]
    return f"{match['header'] or match['option'] or match['entry'] or match['variable']}{HIDDEN}"


def _unless_a_digest(match: re.Match[str]) -> str:
    """Random ones have capitals, small letters and digits; a path has words, and a digest is hexadecimal."""
    word = match[0]
    capitals, digits = (sum(map(test, word)) for test in (str.isupper, str.isdigit))
    return HIDDEN if capitals >= 5 and digits and not word.isupper() and word.count("/") <= 3 else word


def hidden(name: str, value: Any) -> Any:
    """A value as `values.plain` makes it, without the secrets in it: all of it where its name says so, `password`."""
    secret = is_secret_name(name)
    if isinstance(value, str):
        if secret:
            learn(value)
            return HIDDEN if value else value
        return redact(value)
    if isinstance(value, dict):
        marked = next(iter(value), "").startswith("$")
        return {key: hidden(name if secret or marked else key, entry) for key, entry in value.items()}
    if isinstance(value, list):
        if not secret and all(isinstance(entry, str) for entry in value):
            return list(redact_arguments(value))
        return [hidden(name, entry) for entry in value]
    counts = isinstance(value, bool) or name.lower().endswith("tokens")
    if secret and isinstance(value, (int, float)) and not counts:
        learn(value)
        return HIDDEN
    return value


def redact_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """A command line with the values of secret options hidden, in `--token x` and in `--token=x`."""
    shown = []
    hide_next = False
    for word in arguments:
        option, equals, _ = word.partition("=")
        if hide_next and not word.startswith("-"):
            _learn_given(word)
            shown.append(HIDDEN)
        elif equals and is_secret_name(option):
            _learn_given(word[len(option) + 1 :])
            shown.append(f"{redact(option)}={HIDDEN}")
        elif word in _Known.words:
            shown.append(HIDDEN)
        else:
            shown.append(redact(word))
        hide_next = not equals and word.startswith("-") and is_secret_name(word)
    return tuple(shown)


def _learn_given(value: str) -> None:
    """Whatever parses the command line may file it under another name."""
    if not value.isalpha() and _is_certain(value):
        learn(value)
