"""What the source of a call says about what it prints: which stretches of the text are whose value.

Read once a call site, off the training thread.  Only the function around the call is parsed.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import linecache
import re
from collections.abc import Iterator, Sequence
from types import CodeType
from typing import Any, NamedTuple

from autotrack.printed.lines import Field
from autotrack.printed.pieces import Piece, called, forwarded, is_text, printed, text_of
from autotrack.printed.words import COARSE, COUNTERS, name_of

FIELDS = 30
"""Expressions of one print that are told apart at most."""

_LOOPS = (ast.For, ast.AsyncFor)


class Site(NamedTuple):
    """A call that prints."""

    pieces: tuple[str | Piece, ...]
    """Texts and expressions in turn; none where the source does not tell."""
    pattern: re.Pattern[str] | None
    names: tuple[str, ...]
    """The variables that are worth reading when it prints: of expressions, and the counters of loops around it."""
    counters: tuple[str, ...]
    """The counters of the loops around it, the innermost last."""
    forwards: bool = False
    """Whether it prints what its function was given: what that is, the call of the function says."""


def analyse(code: CodeType, instruction: int) -> Site:
    """The call that a code object is at."""
    position = next(itertools.islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    nothing = Site((), None, (), ())
    line, last, column, last_column = position
    if line is None or last is None or column is None or last_column is None:
        return nothing
    found = _parsed(code, line)
    if found is None:
        return nothing
    tree, lines_before = found
    path = _path_to(tree, (line - lines_before, column), (last - lines_before, last_column))
    call = next((node for node in reversed(path) if isinstance(node, ast.Call)), None)
    statement = next((node for node in reversed(path) if isinstance(node, ast.stmt)), tree)
    lines = line - lines_before, last - lines_before
    exact = [n for n in ast.walk(statement) if isinstance(n, ast.Call) and (n.lineno, n.end_lineno) == lines]
    call = next((n for n in exact if (n.col_offset, n.end_col_offset) == (column, last_column)), (*exact, call)[0])
    if call is None:
        return nothing
    counters = _counters(path)
    pieces = _merged([*_put_together(printed(call), path, call)])
    fields = [piece for piece in pieces if isinstance(piece, Piece)]
    names = [piece.variable for piece in fields if piece.variable is not None and _worth_reading(piece)]
    counted = [piece.name for piece in fields if piece.name in counters or name_of(piece.name).kind == "counter"]
    if not counted:
        names += counters
    elif not any(name_of(name).metric in COARSE for name in counted):
        names += [name for name in counters if name_of(name).metric in COARSE]
    usable = 0 < len(fields) <= FIELDS and not _adjacent(pieces)
    pattern = _pattern(pieces) if usable else None
    parameters = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & inspect.CO_VARARGS)
    forwards = code.co_name != "<module>" and forwarded(call) in code.co_varnames[:parameters]
    return Site(tuple(pieces), pattern, tuple(dict.fromkeys(names)), counters, forwards)


def _worth_reading(piece: Piece) -> bool:
    """Whether the variable says more than its text: a format rounds, and a text may tell what numbers are of."""
    return bool(piece.spec) or name_of(piece.name).kind not in ("metric", "counter")


def fields_in(site: Site, text: str, values: dict[str, object]) -> list[Field] | None:
    """The stretches of a printed text that expressions have made; None where the text does not follow from the
    source."""
    match = site.pattern.fullmatch(text) if site.pattern is not None else None
    if match is None and site.pattern is not None:  # a function that prints has ended the line
        match = site.pattern.fullmatch(text.rstrip("\n"))
    if match is None:
        return None
    found = []
    fields = [piece for piece in site.pieces if isinstance(piece, Piece)]
    for number, piece in enumerate(fields, 1):
        start, end = match.span(number)
        shown = text[start:end]
        value = values.get(f"%{number - 1}")
        if value is None and piece.variable is not None:
            value = values.get(piece.variable)
        is_text = (
            isinstance(value, str) or (piece.variable is None and not _has_digits(shown)) or piece.spec.endswith("s")
        )
        found.append(Field(start, end, piece.name, exact(value, shown), is_text and not _number_like(shown)))
    return found


def exact(value: object, shown: str) -> float | None:
    """The value of a variable where it is a number and the text shows it, rounded or in percent; else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    digits = shown.strip().rstrip("%").replace(",", "").strip()
    try:
        printed = float(digits)
        value = float(value)
    except (ValueError, OverflowError):
        return None
    if printed == value or (printed != printed and value != value):
        return value
    mantissa, _, exponent = digits.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    tolerance = 0.50001 * 10.0 ** (int(exponent or 0) - decimals)
    if abs(printed - value) <= tolerance or (shown.strip().endswith("%") and abs(printed - 100 * value) <= tolerance):
        return value
    return None


def _has_digits(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _number_like(text: str) -> bool:
    try:
        float(text.strip().rstrip("%").replace(",", ""))
    except ValueError:
        return False
    return True


# Finding the call


def _parsed(code: CodeType, line: int) -> tuple[ast.AST, int] | None:
    """The syntax tree of the function that a code object is, else of its module, and the lines before it."""
    lines = linecache.getlines(code.co_filename)
    if not lines or line > len(lines):
        return None
    first = code.co_firstlineno
    if code.co_name != "<module>":
        last = max((number for _, _, number in code.co_lines() if number is not None), default=line)
        block = lines[first - 1 : last]
        # The end of a statement may be beyond the last line with code: tried line by line.
        for end in range(last, min(last + 20, len(lines)) + 1):
            block = lines[first - 1 : end]
            indent = len(block[0]) - len(block[0].lstrip())
            try:
                return ast.parse("if 1:\n" * bool(indent) + "".join(block)), first - 1 - bool(indent)
            except SyntaxError:
                continue
    try:
        return ast.parse("".join(lines)), 0
    except (SyntaxError, ValueError):
        return None


def _path_to(tree: ast.AST, begin: tuple[int, int], end: tuple[int, int]) -> list[ast.AST]:
    """The nodes from the top to the innermost one that spans this stretch of lines and columns."""
    path: list[ast.AST] = []
    node: ast.AST | None = tree
    while node is not None:
        path.append(node)
        node = next((child for child in ast.iter_child_nodes(node) if _spans(child, begin, end)), None)
    return path


def _spans(node: Any, begin: tuple[int, int], end: tuple[int, int]) -> bool:
    if not hasattr(node, "lineno"):
        return False
    return (node.lineno, node.col_offset) <= begin and (node.end_lineno, node.end_col_offset) >= end


def _counters(path: Sequence[ast.AST]) -> tuple[str, ...]:
    """The variables that count the loops around a call, in the same function: those that are called as counters, else
    any that run over a range."""
    found: list[str] = []
    others: list[str] = []
    inner = next((at for at in range(len(path) - 1, 0, -1) if isinstance(path[at], _FUNCTIONS)), 0)
    for node in path[inner:]:
        if isinstance(node, _LOOPS):
            target = node.target
            counting = isinstance(node.iter, ast.Call) and called(node.iter.func) in _COUNTING
            if (
                isinstance(target, ast.Tuple)
                and isinstance(node.iter, ast.Call)
                and called(node.iter.func) == "enumerate"
            ):
                target = target.elts[0] if target.elts else target
            if isinstance(target, ast.Name) and (counting or _counts(target.id)):
                (found if _counts(target.id) else others).append(target.id)
        if isinstance(node, (*_LOOPS, ast.While)):
            found += [
                statement.target.id
                for statement in _round(node.body)
                if isinstance(statement, ast.AugAssign)
                and isinstance(statement.op, ast.Add)
                and isinstance(statement.target, ast.Name)
                and _counts(statement.target.id)
            ]
    return tuple(dict.fromkeys(found or others))


def _round(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of one round of a loop, without those of loops within."""
    for statement in body:
        yield statement
        if isinstance(statement, (ast.If, ast.With, ast.Try)):
            yield from _round([child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.stmt)])


def _put_together(pieces: Sequence[str | Piece], path: Sequence[ast.AST], call: ast.Call) -> Iterator[str | Piece]:
    """The pieces, those of a variable that holds a text by what was assigned to it before in the same function."""
    function = next((node for node in reversed(path) if isinstance(node, _FUNCTIONS)), path[0] if path else call)
    for piece in pieces:
        parts = list(_assigned(function, piece.variable, call.lineno)) if isinstance(piece, Piece) else []
        yield from parts or [piece]


def _assigned(function: ast.AST, variable: str | None, line: int, depth: int = 3) -> Iterator[str | Piece]:
    if variable is None or not depth:
        return
    found: list[ast.Assign | ast.AugAssign] = []
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and node.lineno < line:
            target: ast.expr = node.targets[0]
        elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add) and node.lineno < line:
            target = node.target
        else:
            continue
        if isinstance(target, ast.Name) and target.id == variable:
            found.append(node)
    found.sort(key=lambda node: node.lineno)
    last = next((at for at in range(len(found) - 1, -1, -1) if isinstance(found[at], ast.Assign)), None)
    if last is None or not is_text(found[last].value):
        return
    for node in found[last:]:
        for piece in text_of(node.value):
            inner = _assigned(function, piece.variable, node.lineno, depth - 1) if isinstance(piece, Piece) else ()
            yield from list(inner) or [piece]


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COUNTING = frozenset("range enumerate trange arange count tqdm track".split())


def _counts(name: str) -> bool:
    return name_of(name).metric in COUNTERS or name in ("i", "j", "k", "n", "t")


# Matching the text


def _merged(pieces: Sequence[str | Piece]) -> list[str | Piece]:
    """Texts that follow each other become one."""
    merged: list[str | Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and merged and isinstance(merged[-1], str):
            merged[-1] += piece
        elif piece != "":
            merged.append(piece)
    return merged


def _adjacent(pieces: Sequence[str | Piece]) -> bool:
    return any(isinstance(a, Piece) and isinstance(b, Piece) for a, b in itertools.pairwise(pieces))


def _pattern(pieces: Sequence[str | Piece]) -> re.Pattern[str]:
    parts = [
        re.escape(piece) if isinstance(piece, str) else _NUMERIC if _numeric(piece.spec) else "(.*?)"
        for piece in pieces
    ]
    return re.compile("".join(parts), re.DOTALL)


_NUMERIC = r"(\s*[-+]?(?:[\d,._]+(?:[eE][-+]?\d+)?|nan|inf|NAN|INF)%?\s*)"


def _numeric(spec: str) -> bool:
    return spec[-1:] in ("f", "F", "e", "E", "g", "G", "d", "i", "u", "%") and spec != "?"
