"""What the source of a program says that its work depends on, beside what is recorded anyway: variables of the
environment, input that is typed, and generators of its own that nobody has seeded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from autotrack.patterns import lazily

_ACCESS = lazily(rb"\b(?:environb?|getenvb?)\b(\s+as\b)?")
_NAMED = lazily(
    rb"\benvironb?\s*(?:\[|\.\s*(?:get|setdefault|pop)\s*\()\s*b?[\"'](\w+)[\"']"
    rb"|\bgetenvb?\s*\(\s*b?[\"'](\w+)[\"']"
    rb"|[\"'](\w+)[\"']\s+(?:not\s+)?in\s+(?:os\s*\.\s*)?environb?\b"
)
_BY_OTHERS = lazily(rb"\b(?:env_?prefix|\w*envvar\w*|BaseSettings|decouple|dotenv|environs|dynaconf|oc\.env)\b")
"""Of libraries that read variables: pydantic, click, decouple, dotenv, environs, dynaconf, OmegaConf."""
_WORDS_OF_OTHERS = b"env", b"BaseSettings", b"decouple", b"dynaconf"
"""One of them is in whatever `_BY_OTHERS` finds, and takes far less to be looked for; so below."""
_CHANCE = lazily(
    rb"\b(?:RandomState|Random|SeedSequence|MT19937|PCG64(?:DXSM)?|Philox|SFC64)\s*\(\s*(?:None\s*)?\)|\bSystemRandom\b"
    rb"|\burandom\b"
)
_WORDS_OF_CHANCE = b"Random", b"SeedSequence", b"MT19937", b"PCG64", b"Philox", b"SFC64", b"urandom"
_INPUT = lazily(rb"\bsys\s*\.\s*stdin\b(?!\s*\.\s*isatty)|(?<![\w.])input\s*\(\s*[\"')]|\bfileinput\b|/dev/stdin\b")
_PASSING = lazily(
    r"(_|(OLD)?PWD|SHLVL|TMPDIR|LINES|COLUMNS|PS1|PATH|HOME|USER|LOGNAME|MAIL|HOST(NAME)?|DISPLAY|LANG(UAGE)?|LS_COLORS|"
    r"WINDOWID|COLORTERM|EDITOR|PAGER|VISUAL|SHELL|INVOCATION_ID|JOURNAL_STREAM|STY|PYTHON(PATH|HASHSEED|UNBUFFERED|"
    r"STARTUP)|VIRTUAL_ENV(_PROMPT)?|WAYLAND_DISPLAY|XAUTHORITY|GPG_AGENT_INFO|MANAGERPID|SYSTEMD_EXEC_PID|"
    r"(SLURM|PBS|LSB|SGE|JOB|K8S|KUBERNETES|VSCODE|JPY|JUPYTER|CONDA|PYTEST|AUTOTRACK|TERM|TMUX|SSH|XDG|DBUS|LC|GNOME|KDE|"
    r"GTK|QT|ITERM|VTE|PYCHARM|CLICOLOR|GITHUB|CI|BUILD|RUNNER|WANDB|MLFLOW|COMET|NEPTUNE)(_\w*)?|\w*_(PORT|SERVICE_HOST)|"
    r"\w*_PORT_\w+)"
)
"""Variables that differ between two starts and say nothing of the work, unless the program names them."""
_PERSONAL = lazily(
    r"LOGIN|USER|ACCOUNT|CONN|DSN|UR[IL]|HOST|MAIL|ENDPOINT|PIN$|PROXY|PHONE|CRED|SESSION|OTP|BOT|SENTRY|KAGGLE|COOKIE|"
    r"CODE$|SIGN|UNLOCK|SALT|CRYPT|HMAC|VAULT|SNOWFLAKE|SSN|IBAN|ADDRESS|PATIENT|LICEN|TENANT|(^|_)IP$|"
    r"(FULL|FIRST|LAST)_?NAME",
    re.IGNORECASE,
)
"""In names of variables that may hold what is nobody's business."""


class Dependence(NamedTuple):
    """What some source depends on."""

    variables: frozenset[str] = frozenset()
    """The names of the variables that it reads or sets."""
    any_variable: bool = False
    """Whether it may read others."""
    chance: bool = False
    """Whether it may do something else when it is started once more."""

    def and_of(self, content: bytes) -> Dependence:
        """Of what was looked at, and of one more text."""
        names: set[str] = set()
        others = _has(content, _WORDS_OF_OTHERS) and _BY_OTHERS.search(content) is not None
        if b"env" in content:
            names = {next(filter(None, found.groups())).decode() for found in _NAMED.finditer(content)}
            rest = _NAMED.sub(b"", content) if not others else b""
            others = others or any(
                found[1] or not _is_imported(rest, found.start()) for found in _ACCESS.finditer(rest)
            )
        chance = self.chance or (_has(content, _WORDS_OF_CHANCE) and _CHANCE.search(content) is not None)
        return Dependence(self.variables | names, self.any_variable or others, chance or reads_input(content))

    @property
    def named(self) -> frozenset[str]:
        """The names of the variables that say something of the work, and not who does it or where."""
        return frozenset(name for name in self.variables if not (_PASSING.fullmatch(name) or _PERSONAL.search(name)))

    def among(self, variables: Mapping[str, str]) -> list[tuple[str, str]]:
        """Those of the variables that count."""
        return sorted((name, value) for name, value in variables.items() if self._counts(name))

    def _counts(self, name: str) -> bool:
        return name in self.variables or (self.any_variable and _PASSING.fullmatch(name) is None)


def reads_input(content: bytes) -> bool:
    """Whether a source reads what is typed, or comes through a pipe."""
    return _has(content, (b"input", b"stdin")) and _INPUT.search(content) is not None


def _has(content: bytes, words: tuple[bytes, ...]) -> bool:
    return any(word in content for word in words)


def _is_imported(content: bytes, at: int) -> bool:
    """Whether this is `from os import environ`."""
    line = content[content.rfind(b"\n", 0, at) + 1 : at]
    return line.lstrip().startswith(b"from os import")
