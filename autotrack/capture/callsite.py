"""How the user's code calls: the expressions that stand for the arguments of a call, from its source.

Read once a call site.  The frame's variables are not looked at: reading them would keep them alive.
"""

from __future__ import annotations

import ast
import itertools
import linecache
from types import CodeType, FrameType
from typing import NamedTuple

KEPT = 1_000
"""Call sites that are remembered."""
LONGEST = 60
"""Characters of an expression that is a name."""
DEEPEST = 100
"""Calls within one another that are looked at."""


class Expressions(NamedTuple):
    """The sources of a call's arguments: by position, and by name."""

    positional: tuple[str, ...]
    named: dict[str, str]


_NONE = Expressions((), {})
_known: dict[tuple[int, int], tuple[CodeType, Expressions]] = {}
"""By the code object, which is kept alive so that its id stays its own, and the instruction in it."""


def expressions(frame: FrameType) -> Expressions:
    """The expressions of the call that a frame is at; none where its source can't be had."""
    key = id(frame.f_code), frame.f_lasti
    known = _known.get(key)
    if known is None:
        if len(_known) >= KEPT:
            _known.clear()
        known = _known[key] = frame.f_code, _read(frame)
    return known[1]


def _read(frame: FrameType) -> Expressions:
    call = call_at(frame)
    if call is None:
        return _NONE
    return Expressions(
        tuple(ast.unparse(argument) for argument in call.args),
        {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg is not None},
    )


def calls_around(frame: FrameType | None) -> tuple[tuple[CodeType, int], ...]:
    """The calls that a frame is within, the innermost first, each by its code and instruction; none where they are
    many."""
    found = []
    while frame is not None:
        found.append((frame.f_code, frame.f_lasti))
        if len(found) > DEEPEST:
            return ()
        frame = frame.f_back
    return tuple(found)


def call_at(frame: FrameType) -> ast.Call | None:
    """The call that a frame is at, parsed; None where its source can't be had, or it is at something else."""
    at = frame.f_lasti // 2
    line, last_line, column, last_column = next(itertools.islice(frame.f_code.co_positions(), at, None), (None,) * 4)
    if line is None or last_line is None or column is None or last_column is None:
        return None
    lines = [
        linecache.getline(frame.f_code.co_filename, number, frame.f_globals) for number in range(line, last_line + 1)
    ]
    if not all(lines):
        return None
    encoded = [text.encode() for text in lines]  # columns are counted in bytes of UTF-8
    encoded[-1] = encoded[-1][:last_column]
    encoded[0] = encoded[0][column:]
    try:
        node = ast.parse(b"".join(encoded).decode(errors="replace").strip(), mode="eval").body
    except (SyntaxError, ValueError):
        return None
    return node if isinstance(node, ast.Call) else None


def text_of(expression: ast.expr) -> str:
    """The source of an expression as a name: on one line, and not `self.` before an attribute."""
    text = " ".join(ast.unparse(expression).split()).removeprefix("self.")
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
