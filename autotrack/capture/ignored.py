"""Which files git would ignore, told from the files of patterns as git reads them (`gitignore` of its documentation).

pathspec knows this too, but takes 15 ms to import, in each program that is recorded.
"""

from __future__ import annotations

import functools
import os
import re
import stat
from typing import NamedTuple

from autotrack.capture.worktree import Tree

_NAME = ".gitignore"


class Pattern(NamedTuple):
    matches: re.Pattern[str]
    """Paths below the folder of the file that it stands in, without a slash at the end."""
    includes: bool
    """Whether what matches is not to be ignored after all: `!keep.py`."""
    folders: bool
    """Whether only folders match."""


def patterns(text: str) -> list[Pattern]:
    """The patterns of a file, the last one first: that one decides."""
    found = []
    for line in text.removeprefix("\ufeff").split("\n"):
        line = line.removesuffix("\r")
        if not line.endswith("\\ "):
            line = line.rstrip(" ")
        if not line or line.startswith("#"):
            continue
        includes = line.startswith("!")
        line = line[1:] if includes else line
        folders = line.endswith("/")
        line = line.removesuffix("/")
        if line:
            found.append(Pattern(_compiled(line), includes, folders))
    return found[::-1]


@functools.lru_cache(4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    anchored = "/" in pattern
    pattern = pattern.removeprefix("/")
    begin = "" if anchored else "(?:.*/)?"
    try:
        return re.compile(begin + _expression(_bytes(pattern)) + r"\Z", re.DOTALL | re.ASCII)
    except re.error:
        return _NOTHING


def _bytes(text: str) -> str:
    """A text with one character for each byte, which is what git matches."""
    return text if text.isascii() else os.fsencode(text).decode("latin-1")


_NOTHING = re.compile(r"(?!)")


def _expression(pattern: str) -> str:
    """The regular expression of a pattern, as `wildmatch` of git takes it with paths."""
    out, at = "", 0
    while at < len(pattern):
        char = pattern[at]
        rest = pattern[at:]
        if rest.startswith("**/") and (at == 0 or pattern[at - 1] == "/"):
            out, at = out + "(?:.*/)?", at + 3
        elif rest == "**" and at > 0 and pattern[at - 1] == "/":
            out, at = out + ".+", at + 2
        elif char == "*":
            out += "[^/]*"
            at += len(rest) - len(rest.lstrip("*"))
        elif char == "?":
            out, at = out + "[^/]", at + 1
        elif char == "[":
            found, length = _set(rest)
            out, at = out + found, at + length
        elif char == "\\" and at + 1 < len(pattern):
            out, at = out + re.escape(pattern[at + 1]), at + 2
        else:
            out, at = out + re.escape(char), at + 1
    return out


def _set(rest: str) -> tuple[str, int]:
    """The expression of a bracket that opens here, and how many characters it takes; nothing matches one that does
    not close."""
    at, negated = 1, rest[1:2] in ("!", "^")
    at += negated
    members = ""
    first = True
    while at < len(rest) and (rest[at] != "]" or first):
        first = False
        named = re.match(r"\[:(\w+):\]", rest[at:])
        if named:
            members += _CLASSES.get(named[1], "")
            at += len(named[0])
        else:
            low, at = _member(rest, at)
            if rest[at : at + 1] == "-" and rest[at + 1 : at + 2] not in ("", "]"):
                high, at = _member(rest, at + 1)
                members += f"{re.escape(low)}-{re.escape(high)}" if low <= high else re.escape(low)
            else:
                members += re.escape(low)
    if at >= len(rest):
        return "(?!)", len(rest)
    if not members:
        return ("[^/]" if negated else "(?!)"), at + 1
    return f"(?!/)[{'^' if negated else ''}{members}]", at + 1


def _member(rest: str, at: int) -> tuple[str, int]:
    """The character of a bracket that stands here, and where the next one does."""
    if rest[at] == "\\" and at + 1 < len(rest):
        return rest[at + 1], at + 2
    return rest[at], at + 1


_CLASSES = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": " \\t", "digit": "0-9", "lower": "a-z", "upper": "A-Z",
    "space": "\\s", "xdigit": "0-9a-fA-F", "punct": "!-/:-@\\[-`{-~", "cntrl": "\\x00-\\x1f\\x7f",
}  # fmt: skip


class Ignored:
    """What git ignores in a work tree."""

    def __init__(self, tree: Tree) -> None:
        self._root = tree.root
        self._of: dict[str, list[Pattern]] = {}
        """By folder, the patterns of its own file."""
        own = os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "git", "ignore")
        chosen = _excludes_file(tree)
        files = [os.path.join(tree.common, "info", "exclude"), os.path.expanduser(chosen) if chosen else own]
        self._everywhere = [_patterns_of(path) for path in files]

    def __call__(self, path: str, *, folder: bool) -> bool:
        """Whether a path with slashes, relative to the root, matches; what lies in an ignored folder is ignored
        too, which the caller knows."""
        above = path.rpartition("/")[0]
        while True:
            decided = _decides(self._patterns(above), path[len(above) + 1 if above else 0 :], folder)
            if decided is not None:
                return decided
            if not above:
                break
            above = above.rpartition("/")[0]
        for known in self._everywhere:
            decided = _decides(known, path, folder)
            if decided is not None:
                return decided
        return False

    def _patterns(self, folder: str) -> list[Pattern]:
        known = self._of.get(folder)
        if known is None:
            known = self._of[folder] = _patterns_of(os.path.join(self._root, folder, _NAME))
        return known


def _decides(known: list[Pattern], path: str, folder: bool) -> bool | None:
    path = _bytes(path)
    for pattern in known:
        if (folder or not pattern.folders) and pattern.matches.match(path):
            return not pattern.includes
    return None


def _patterns_of(path: str) -> list[Pattern]:
    return patterns(text_of(path))


LONGEST = 1 << 20
"""Characters of a file of patterns."""


def text_of(path: str) -> str:
    """What is in a regular file, as far as it can be read: another would make us wait, or have no end."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return ""
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read(LONGEST)
    except OSError:
        return ""


_EXCLUDES = re.compile(r"^\s*excludes?file\s*=\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)


def _excludes_file(tree: Tree) -> str | None:
    """The file of patterns for all repositories, where the configuration names one."""
    home = os.path.expanduser("~")
    own = os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "git", "config")
    for place in (os.path.join(tree.common, "config"), os.path.join(home, ".gitconfig"), own, "/etc/gitconfig"):
        found = _EXCLUDES.findall(text_of(place))
        if found:
            return str(found[-1]).strip('"')
    return None
