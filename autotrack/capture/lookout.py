"""Whether a file that may become part of the code holds secrets: by what stands there, and, of settings that git does
not track, by any suspicion."""

from __future__ import annotations

import re

from autotrack.capture import secrets
from autotrack.patterns import lazily

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 1 << 20
"""Bytes of a text that is looked at."""
LINES = 20
"""In which the value is looked for that stands below its name."""
_BESIDE_SECRETS = (
    b"akia", b"asia", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_", b"glpat-", b"hf_", b"'sk-", b'"sk-',
    b"=sk-", b" sk-", b"'sk_", b'"sk_', b"=sk_", b" sk_", b"xoxb-", b"xoxp-", b"xoxa-", b"aizasy", b"ya29.", b"hvs.",
    b"hooks.slack", b"npm_", b"pypi-", b"dckr_pat", b"wandb_v1", b"eyj", b"private key", b"passw", b"passp", b"pwd",
    b"secret", b"token", b"api_key", b"api-key", b"apikey", b"access_key", b"access-key", b"accountkey", b"credential",
    b"authorization", b"bearer ", b"sharedaccess", b"_pass", b"_key", b"://",
)  # fmt: skip
"""In small letters."""
_PROSE = (".md", ".rst", ".txt")
_ENTRY = lazily(
    r"(?:^|[\s{,;\"'(\[])(?P<name>[\w.-]*(?:pass|passw(?:or)?d|pwd|pw|passphrase|passcode|passkey|token|secret|"
    r"credential|auth|jwt|cookie|webhook|key|key-data)s?\d*)[\"']?\s*(?:=>|[:=])\s*(?P<value>.*)",
    re.IGNORECASE,
)
"""What could be the name of a secret, and what stands after it in its line."""
_NAMES = lazily(r"pass|p(?:s)?wd?|token|secret|credential|auth|jwt|cookie|webhook|key", re.IGNORECASE)
_HARMLESS = lazily(
    r"\d{1,6}(\.\d*)?(e[+-]?\d+)?|\d[\d_]*[kmb]?|true|false|yes|no|on|off|null|none|nil|~|\*+|x+|\.\.\.|auto|basic|"
    r"bearer|digest|optional|required|<[^<>]*>|\[[^\[\]]*\]|\{\{.*\}\}|\$\{?\w.*|%\(\w+\)s|!\w+.*",
    re.IGNORECASE,
)
"""Values that are no secrets: numbers, switches, marks of vocabularies, and names of where the value comes from."""
_OTHERS = lazily(
    r"^\s*machine\s.*\bpassword\b"  # `.netrc`
    r"|^[^:\s#]+:(?:\d+|\*):[^:\s]+:[^:\s]+:\S+\s*$"  # `.pgpass`
    r"|\b(?:mysql\w*|sshpass|mariadb)\b.*\s-p\s*[^\s-]"
)
_MARKS = "machine", "mysql", "sshpass", "mariadb"
_HOLDS = lazily(r"(pass(w(or)?d|phrase|code)?|pwd|secret|credential)s?$", re.IGNORECASE)
"""Names of which everything below is secret."""


def holds_secret(content: bytes) -> bool:
    """Whether a text holds what looks like a secret.  Looked at are only the lines with one of the words that stand by
    such: all of a text of 1 MB would take 0.3 s, in which no other thread runs."""
    if len(content) > LONGEST:
        return False
    lower, lines = content.lower(), dict[int, bytes]()
    for word in _BESIDE_SECRETS:
        at = lower.find(word)
        while at >= 0:
            begin, end = lower.rfind(b"\n", 0, at) + 1, lower.find(b"\n", at)
            end = end if end >= 0 else len(lower)
            lines[begin] = content[begin:end]
            at = lower.find(word, end)
    text = b"\n".join(lines.values()).decode("utf-8", "replace")
    return secrets.redact(text) != text or any(word in content for word in secrets.certain())


def is_suspicious(content: bytes, name: str) -> bool:
    """Whether a text that is no source may hold a secret."""
    if holds_secret(content):
        return True
    lines, prose = content.decode("utf-8", "replace").splitlines(), name.lower().endswith(_PROSE)
    odd = [line for line in lines if line.count(":") == 4 or any(mark in line for mark in _MARKS)]
    if any(_OTHERS.search(line) for line in odd):
        return True
    return any(_is_secret(entry["name"], entry["value"], lines, at, prose) for at, entry in _entries(lines))


def _entries(lines: list[str]) -> Iterator[tuple[int, re.Match[str]]]:
    for at, line in enumerate(lines):
        begin = 0 if _NAMES.search(line) is not None else len(line)
        while (entry := _ENTRY.search(line, begin)) is not None:
            yield at, entry
            begin = entry.start("value")  # in which another may stand


def _is_secret(name: str, rest: str, lines: list[str], at: int, prose: bool) -> bool:
    name, value = name.rpartition(".")[2], _value(rest)
    if not (secrets.is_secret_name(name) or name.lower().endswith("key-data")):
        return False
    if value in ("", "|", ">", "|-", ">-", "{", "["):
        below = next((line for line in lines[at + 1 : at + LINES] if line.strip() and line.strip()[0] != "#"), "")
        nested = re.match(r"\s*(?:[\"']?[\w./-]+[\"']?\s*:|-\s)", below) is not None
        return below[:1].isspace() and not prose and (_HOLDS.search(name) is not None or not nested)
    if prose and (len(value) < 6 or " " in value):
        return False
    return _HARMLESS.fullmatch(value) is None


def _value(rest: str) -> str:
    """The value at the beginning of the rest of a line."""
    rest = rest.strip()
    if rest[:1] in ("'", '"'):
        return rest[1:].partition(rest[0])[0].strip()
    if rest[:1] in ("<", "[") or rest[:2] == "{{":
        return rest.rstrip(",}")
    return re.split(r"\s+[#;]|,\s*(?:[\"'{\[}]|$)|[}]", rest, maxsplit=1)[0].strip()
