"""What the source of a call says about what it prints: which stretches of the text are whose value.

Read once a call site, off the training thread.  Only the function around the call is parsed.
"""

from __future__ import annotations

import ast
import itertools
import linecache
import os
from collections.abc import Iterator, Sequence
from types import CodeType
from typing import Any, NamedTuple

from autotrack.printed.numbers import LONGEST, Field
from autotrack.printed.pieces import (
    Piece,
    called,
    counts_samples,
    forwarded,
    is_size,
    is_text,
    printed,
    text_of,
    writes,
)
from autotrack.printed.words import COARSE, COUNTERS, name_of

FIELDS = 30
"""Expressions of one print that are told apart at most."""

_VARARGS = 4
"""`inspect.CO_VARARGS`; a program may have an `inspect.py` of its own, which would be imported."""
_LOOPS = (ast.For, ast.AsyncFor)


class Site(NamedTuple):
    """A call that prints."""

    pieces: tuple[str | Piece, ...]
    """Texts and expressions in turn; none where the source does not tell."""
    aligned: bool
    """Whether the stretches of the expressions can be told."""
    names: tuple[str, ...]
    """The variables that are worth reading when it prints: of expressions, and the counters of loops around it."""
    counters: tuple[str, ...]
    """The counters of the loops around it, the innermost last."""
    inner: bool = False
    """Whether the loop around it is within the one that counts the rounds."""
    forwards: bool = False
    """Whether it prints what its function was given: what that is, the call of the function says."""
    writes: int = 0
    """How often a `print` writes; 0 where that is not known."""
    ends: bool = False
    """Whether the last of these is the line feed that ends the line."""


def analyse(code: CodeType, instruction: int, since: float) -> Site:
    """The call that a code object is at.  Where its file was written to `since` the program began, nobody knows what
    the source was."""
    nothing = Site((), False, (), ())
    line, last, column, last_column = position(code, instruction)
    if line is None or last is None or column is None or last_column is None:
        return nothing
    found = _parsed(code, line) if not _edited(code.co_filename, since) else None
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
    usable = 0 < len(fields) <= FIELDS
    parameters = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & _VARARGS)
    forwards = code.co_name != "<module>" and forwarded(call) in code.co_varnames[:parameters]
    return Site(tuple(pieces), usable, tuple(dict.fromkeys(names)), counters, _is_inner(path), forwards, *writes(call))


def _worth_reading(piece: Piece) -> bool:
    """Whether the variable says more than its text: a format rounds, and a text may tell what numbers are of."""
    return bool(piece.spec) or name_of(piece.name).kind not in ("metric", "counter")


def fields_in(site: Site, text: str, values: dict[str, object]) -> list[Field] | None:
    """The stretches of a printed text that expressions have made; None where the text does not follow from the
    source."""
    ended = text.endswith("\n") and bool(site.pieces) and isinstance(site.pieces[-1], Piece)
    spans = _spans_of(site.pieces, text) if site.aligned and not ended else None
    if spans is None and site.aligned:  # a function that prints has ended the line
        spans = _spans_of(site.pieces, text.rstrip("\n")) or _spans_of(site.pieces, text)
    if spans is None:
        return None
    found = []
    fields = [piece for piece in site.pieces if isinstance(piece, Piece)]
    texts = {piece.variable: text[slice(*span)].strip() for piece, span in zip(fields, spans, strict=True)}
    for number, piece in enumerate(fields, 1):
        start, end = spans[number - 1]
        shown = text[start:end]
        value = values.get(f"%{number - 1}")
        if value is None and piece.variable is not None:
            value = values.get(piece.variable)
        is_text = (
            isinstance(value, str)
            or (piece.variable is None and not _has_digits(shown))
            or piece.spec.endswith("s")
            or (piece.variable is not None and value is None and _is_sentence(shown))
        )
        key = texts.get(piece.key, "") if piece.key is not None else ""
        name = f"{name_of(piece.name).split} {key}".strip() if key and not _number_like(key) else piece.name
        found.append(Field(start, end, name, exact(value, shown), is_text and not _number_like(shown), piece.many))
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


def _is_sentence(text: str) -> bool:
    """Whether a variable was a text of several words, and no list or dict."""
    words = text.split()
    return len(words) > 3 and text.strip()[:1] not in "[{(<" and sum(word.isalpha() for word in words) > 1


def _number_like(text: str) -> bool:
    try:
        float(text.strip().rstrip("%").replace(",", ""))
    except ValueError:
        return False
    return True


# Finding the call


class Around(NamedTuple):
    """Where an instruction stands: its line, and the first and last line of each loop around it in its function."""

    line: int
    loops: tuple[tuple[int, int], ...]


_LOOPING = (ast.For, ast.AsyncFor, ast.While, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def position(code: CodeType, instruction: int) -> tuple[int | None, ...]:
    """The lines and columns of the source that an instruction is of."""
    return next(itertools.islice(code.co_positions(), instruction // 2, None), (None,) * 4)


def loops_around(code: CodeType, instruction: int, since: float) -> Around | None:
    """The loops around an instruction; None where its source is not known."""
    line, last, column, last_column = position(code, instruction)
    if line is None or last is None or column is None or last_column is None or _edited(code.co_filename, since):
        return None
    found = _parsed(code, line)
    if found is None:
        return None
    tree, before = found
    path = _path_to(tree, (line - before, column), (last - before, last_column))
    inner = next((at for at in range(len(path) - 1, 0, -1) if isinstance(path[at], _FUNCTIONS)), 0)
    loops = [node for node in path[inner:] if isinstance(node, _LOOPING)]
    return Around(line, tuple((node.lineno + before, (node.end_lineno or node.lineno) + before) for node in loops))


def _edited(path: str, since: float) -> bool:
    try:
        return os.stat(path).st_mtime > since
    except OSError:  # a cell of a notebook, whose source is at hand
        return False


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
            if isinstance(target, ast.Name) and (counting or (_counts(target.id) and target.id != "batch")):
                (found if _counts(target.id) else others).append(target.id)
        if isinstance(node, (*_LOOPS, ast.While)):
            counted = [name for name in map(_counted_up, _round(node.body)) if name is not None]
            found += [name for name in counted if _counts(name)]
            others += counted if isinstance(node, ast.While) else ()
    return tuple(dict.fromkeys(found or others))


def _is_inner(path: Sequence[ast.AST]) -> bool:
    """Whether the innermost loop around a call, in the same function, is another than one over rounds."""
    inner = next((at for at in range(len(path) - 1, 0, -1) if isinstance(path[at], _FUNCTIONS)), 0)
    loop = next((node for node in reversed(path[inner:]) if isinstance(node, (*_LOOPS, ast.While))), None)
    if loop is None:
        return False
    targets = ast.walk(loop.target) if isinstance(loop, _LOOPS) else ()
    named = {node.id for node in targets if isinstance(node, ast.Name)}
    named |= {name for name in map(_counted_up, _round(loop.body)) if name is not None}
    return not any(name_of(name).metric in COARSE for name in named)


def _counted_up(statement: ast.stmt) -> str | None:
    """The variable that a statement makes larger by a number: `n += 1`, `n = n + 1`."""
    match statement:
        case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=ast.Constant(value=int())):
            return name
        case ast.AugAssign(target=ast.Name(id=name), op=ast.Add()) if _counts(name):
            return name
        case ast.Assign(
            targets=[ast.Name(id=name)],
            value=ast.BinOp(left=ast.Name(id=same), op=ast.Add(), right=ast.Constant(value=int())),
        ) if name == same:
            return name
    return None


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
        if isinstance(piece, Piece) and piece.variable is not None and _adds_samples(function, piece.variable):
            piece = piece._replace(many=True)
        parts = list(_assigned(function, piece.variable, call.lineno)) if isinstance(piece, Piece) else []
        yield from parts or [piece]


def _adds_samples(function: ast.AST, variable: str) -> bool:
    """Whether a function lets a variable count samples."""
    for node in ast.walk(function):
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
            pairs = [(node.target, node.value)] if is_size(node.value) else []
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
            several = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
            pairs = list(zip(target.elts, value.elts, strict=False)) if several else [(target, value)]  # type: ignore
            pairs = [(to, value) for to, value in pairs if counts_samples(value)]
        else:
            continue
        if any(isinstance(to, ast.Name) and to.id == variable for to, _ in pairs):
            return True
    return False


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
    return name_of(name).metric in COUNTERS or name in ("i", "j", "k", "n", "t", "count", "cnt", "counter")


# Matching the text


def _merged(pieces: Sequence[str | Piece]) -> list[str | Piece]:
    """Texts that follow each other become one, and so do expressions, which nobody can tell apart."""
    merged: list[str | Piece] = []
    for piece in pieces:
        last = merged[-1] if merged else None
        if isinstance(piece, str) and isinstance(last, str):
            merged[-1] = last + piece
        elif isinstance(piece, Piece) and isinstance(last, Piece):
            merged[-1] = Piece("", None, "")
        elif piece != "":
            merged.append(piece)
    return merged


def _spans_of(pieces: Sequence[str | Piece], text: str) -> list[tuple[int, int]] | None:
    """Where in a text each expression's stretch is; None where the text is not made of these pieces."""
    if len(text) > LONGEST:
        return None
    spans: list[tuple[int, int]] = []
    at = 0
    for number, piece in enumerate(pieces):
        if isinstance(piece, str):
            if number == 0 and not text.startswith(piece):
                return None
            at = len(piece) if number == 0 else at
            continue
        following = pieces[number + 1] if number + 1 < len(pieces) else None
        if following is None:
            end = len(text)
        elif number + 2 == len(pieces):  # the text ends with it
            end = len(text) - len(str(following))
            if end < at or not text.endswith(str(following)):
                return None
        else:
            filled = next((place for place in range(at, len(text)) if text[place] != " "), at)  # of `{epoch:5d}`
            end = text.find(str(following), filled)
            if end < 0:
                return None
        spans.append((at, end))
        at = end + len(str(following or ""))
    return spans if at >= len(text) or not spans else None
