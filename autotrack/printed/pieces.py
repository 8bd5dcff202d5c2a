"""The text that a call prints, in pieces: what stands in the source, and the expressions between."""

from __future__ import annotations

import ast
import re
from _string import formatter_parser  # type: ignore[import-not-found]  # `string.py` may be the program's
from collections.abc import Iterator
from typing import NamedTuple

from autotrack.patterns import lazily
from autotrack.printed.words import COARSE, name_of

_PERCENT = lazily(
    r"%(?:\((?P<key>[^)]*)\))?[-+ #0]*(?P<width>\*|\d+)?(?:\.(?P<precision>\*|\d+))?[hlL]?(?P<type>[a-zA-Z%])"
)
_SEEN_THROUGH = frozenset(
    "float int round str abs sum mean min max sqrt exp item numpy detach cpu tolist get average median array asarray "
    "format strip result compute value_of squeeze".split()
)
"""Functions and methods that leave a value its name."""
_WHOSE = frozenset("val avg value global_avg mean item count median smoothed data".split())
"""Attributes that say no more than what they belong to."""


class Piece(NamedTuple):
    """An expression in what is printed."""

    name: str
    """How it is called."""
    variable: str | None
    """The plain variable that it is."""
    spec: str
    """The format that it is given."""
    key: str | None = None
    """The variable that tells which entry of something it is."""
    many: bool = False
    """Whether it is a number of batches times what is in one: it counts samples."""


def printed(call: ast.Call) -> list[str | Piece]:
    """Of `print`, its arguments with what stands between; of anything else, such as `logger.info`, the text that is
    its first argument, with the others put in."""
    if called(call.func) == "set_postfix":
        return list(_beside_bar(call))
    if called(call.func) not in ("print", "rprint"):
        arguments = [argument for argument in call.args if not isinstance(argument, ast.Starred)]
        arguments = arguments or [keyword.value for keyword in call.keywords if keyword.arg is not None]
        texts = [argument for argument in arguments if is_text(argument)]
        if not texts:
            return list(text_of(arguments[0])) if arguments else []
        at = arguments.index(texts[0])
        constant = texts[0].value if isinstance(texts[0], ast.Constant) else None
        rest = arguments[at + 1 :]
        if isinstance(constant, str) and rest and "%" in constant:
            return _percent(constant, rest)
        return list(text_of(texts[0]))
    if any(isinstance(argument, ast.Starred) for argument in call.args):
        return []
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    between, end = _constant(keywords.get("sep"), " "), _constant(keywords.get("end"), "\n")
    pieces: list[str | Piece] = []
    for number, argument in enumerate(call.args):
        pieces += [between] if number else []
        pieces += text_of(argument)
    return [*pieces, end]


def _beside_bar(call: ast.Call) -> Iterator[str | Piece]:
    """What tqdm writes beside a bar: a description, then each value under its key, those given by name in order of
    their names (`tqdm.std.tqdm.set_postfix`)."""
    entries: dict[str, ast.expr] = {}
    given = call.args[0] if call.args else None
    if isinstance(given, ast.Dict):
        keys = [key.value if isinstance(key, ast.Constant) else None for key in given.keys]
        entries = {str(key): value for key, value in zip(keys, given.values, strict=True)}
    for keyword in sorted(call.keywords, key=lambda keyword: keyword.arg or ""):
        if keyword.arg not in ("refresh", "ordered_dict"):
            entries[str(keyword.arg)] = keyword.value
    if not entries or "None" in entries or (given is not None and not isinstance(given, ast.Dict)):
        return
    yield Piece("", None, "")
    for number, (key, value) in enumerate(entries.items()):
        yield f", {key}=" if number else f"{key}="
        yield from text_of(value)


def writes(call: ast.Call) -> tuple[int, bool]:
    """How often a `print` writes to its stream: each argument, what is between them, and the end (CPython
    `Python/bltinmodule.c`), 0 where that is not known; and whether a line feed is written at last, and no sooner."""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    name = isinstance(call.func, ast.Name) and call.func.id == "print"
    if not name or not call.args or None in given or any(isinstance(entry, ast.Starred) for entry in call.args):
        return 0, False
    between, end = _constant(given.get("sep"), " "), _constant(given.get("end"), "\n")
    feeds = [entry for entry in call.args if isinstance(entry, ast.Constant) and entry.value == "\n"]
    return 2 * len(call.args), end == "\n" and not feeds and isinstance(between, str) and "\n" not in between


def _constant(node: ast.expr | None, default: str) -> str | Piece:
    if node is None or (isinstance(node, ast.Constant) and node.value is None):
        return default
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else Piece("", None, "s")


def forwarded(call: ast.Call) -> str | None:
    """The variable that is all that a call prints, which is its text where it is a parameter of the function."""
    if len(call.args) != 1:
        return None
    argument = call.args[0].value if isinstance(call.args[0], ast.Starred) else call.args[0]
    return argument.id if isinstance(argument, ast.Name) else None


def is_text(node: ast.expr) -> bool:
    """Whether an expression is a text that is put together here."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, (ast.Add, ast.Mod, ast.Mult)) and (is_text(node.left) or is_text(node.right))
    if isinstance(node, ast.Call):
        function = node.func
        return called(function) == "str" or (isinstance(function, ast.Attribute) and is_text(function.value))
    return isinstance(node, ast.JoinedStr)


def text_of(node: ast.expr) -> Iterator[str | Piece]:
    """The pieces of the text of an expression."""
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield from _filled_in(value) if isinstance(value, ast.FormattedValue) else text_of(value)
    elif isinstance(node, ast.BinOp) and is_text(node):
        yield from _operation(node)
    elif isinstance(node, ast.Call) and called(node.func) == "str" and len(node.args) == 1:
        yield _piece(node.args[0], "")
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_text(node.func.value):
        yield from _called_on_text(node.func, node)
    else:
        yield _piece(node, "")


def _called_on_text(method: ast.Attribute, call: ast.Call) -> Iterator[str | Piece]:
    """The pieces of what a method of a text makes."""
    given = call.args[0] if call.args else None
    if method.attr == "format":
        yield from _formatted(_literal(method.value), call)
    elif method.attr != "join":
        yield _piece(call, "")
    elif isinstance(given, (ast.List, ast.Tuple)) and not any(isinstance(e, ast.Starred) for e in given.elts):
        for number, entry in enumerate(given.elts):
            yield _literal(method.value) if number else ""
            yield from text_of(entry)
    else:
        yield Piece("", None, "")


def _filled_in(value: ast.FormattedValue) -> Iterator[str | Piece]:
    """A value in an f-string; a constant text as it is shown."""
    spec = _spec(value)
    if isinstance(value.value, ast.Constant) and isinstance(value.value.value, str) and spec != "?":
        try:
            yield format(value.value.value, spec)
            return
        except ValueError:  # which the program has met
            pass
    yield _piece(value.value, spec)


def _operation(node: ast.BinOp) -> Iterator[str | Piece]:
    """The pieces of texts that are put together, repeated or filled in."""
    if isinstance(node.op, ast.Add):
        yield from text_of(node.left)
        yield from text_of(node.right)
    elif isinstance(node.op, ast.Mod):
        values = list(node.right.elts) if isinstance(node.right, ast.Tuple) else [node.right]
        yield from _percent(_literal(node.left), values)
    else:
        text, times = (node.left, node.right) if isinstance(node.left, ast.Constant) else (node.right, node.left)
        if isinstance(text, ast.Constant) and isinstance(times, ast.Constant) and isinstance(times.value, int):
            yield str(text.value) * times.value
        else:
            yield _piece(node, "")


def _literal(node: ast.expr) -> str:
    return "".join(piece for piece in text_of(node) if isinstance(piece, str))


def _spec(value: ast.FormattedValue) -> str:
    """The format of a value in an f-string: `?` for one that is put together itself."""
    if value.format_spec is None:
        return ""
    parts = value.format_spec.values if isinstance(value.format_spec, ast.JoinedStr) else []
    constant = parts[0].value if len(parts) == 1 and isinstance(parts[0], ast.Constant) else "?"
    return str(constant)


def _percent(template: str, values: list[ast.expr]) -> list[str | Piece]:
    """The pieces of `template % values`."""
    pieces: list[str | Piece] = []
    at = 0
    remaining = list(values)
    mapping = values[0] if len(values) == 1 and isinstance(values[0], ast.Dict) else None
    for match in _PERCENT.finditer(template):
        pieces.append(template[at : match.start()])
        at = match.end()
        if match["type"] == "%":
            pieces.append("%")
            continue
        for star in (match["width"], match["precision"]):
            if star == "*" and remaining:
                remaining.pop(0)
        value: ast.expr | None = None
        if match["key"] is not None and mapping is not None:
            keys = [key.value if isinstance(key, ast.Constant) else None for key in mapping.keys]
            value = mapping.values[keys.index(match["key"])] if match["key"] in keys else None
        elif match["key"] is None and remaining:
            value = remaining.pop(0)
        spec = match["type"]
        pieces.append(_piece(value, spec) if value is not None else Piece(match["key"] or "", None, spec))
    return [*pieces, template[at:]]


def _formatted(template: str, call: ast.Call) -> Iterator[str | Piece]:
    """The pieces of `template.format(...)`."""
    number = 0
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    try:
        parts = list(formatter_parser(template))
    except ValueError:
        return
    for literal, name, spec, _ in parts:
        yield literal
        if name is None:
            continue
        first = re.split(r"[.\[]", name)[0]
        node: ast.expr | None
        if first == "" or first.isdigit():
            at = int(first) if first else number
            number += 1
            node = call.args[at] if at < len(call.args) else None
        else:
            node = named.get(first)
        if node is None or first != name:
            yield Piece(_attribute(name, node), None, spec or "")
        else:
            yield _piece(node, spec or "")


def _attribute(name: str, node: ast.expr | None) -> str:
    """How `{loss.avg}` is called in a format."""
    owner, dot, attribute = name.rpartition(".")
    if dot and attribute in _WHOSE:
        name = (_spoken(node) if owner.isdigit() and node is not None else owner) or name
        name += ".avg" if attribute == "avg" else ""
    return "" if name[:1].isdigit() else name


def _piece(node: ast.expr, spec: str) -> Piece:
    variable = node.id if isinstance(node, ast.Name) else None
    if isinstance(node, ast.Call) and called(node.func) in ("float", "int", "round") and node.args:
        inner = node.args[0]
        variable = inner.id if isinstance(inner, ast.Name) and called(node.func) == "float" else None
    entry = node
    while isinstance(entry, ast.Call) and isinstance(entry.func, ast.Attribute) and not entry.args:
        entry = entry.func.value
    key = entry.slice.id if isinstance(entry, ast.Subscript) and isinstance(entry.slice, ast.Name) else None
    name = _spoken(node)
    if name and isinstance(node, ast.Attribute) and node.attr == "avg":
        name += ".avg"
    return Piece(name, variable, spec, key, counts_samples(node))


def _spoken(node: ast.expr) -> str:
    """How an expression is called: the name in it that says most."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):  # `words / (t + 1e-5)` counts nothing
        names = [name for name in _names(node.left) if name and name_of(name).kind != "counter"]
        names = names or [name for name in _names(node.right) if name and name_of(name).kind != "counter"]
    else:
        names = [name for name in _names(node) if name]
    for kind in ("metric", "counter", "other"):
        for name in names:
            if name_of(name).kind == kind:
                return name
    return names[0] if names else ""


def _names(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        if node.attr in _WHOSE and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            yield from _names(node.value)
        else:
            yield node.attr
            owner = next(_names(node.value), "")
            if owner not in ("self", ""):
                yield owner
    elif isinstance(node, ast.Subscript):
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            yield node.slice.value
        yield from _names(node.value)
    elif isinstance(node, ast.Call):
        name = called(node.func)
        if name == "len":
            yield "count"
            return
        if name not in _SEEN_THROUGH:
            yield name
            return
        if isinstance(node.func, ast.Attribute) and not node.args:
            yield from _names(node.func.value)
        for argument in node.args:
            yield from _names(argument)
    elif isinstance(node, ast.BinOp):
        yield from _names(node.left)
        yield from _names(node.right)
    elif isinstance(node, ast.UnaryOp):
        yield from _names(node.operand)
    elif isinstance(node, ast.IfExp):
        yield from _names(node.body)
        yield from _names(node.orelse)


_BATCH_SIZE = lazily(r"(?:\w*_)?(?:batch_?size|bsz?|bsize)", re.IGNORECASE)
_OF_BATCHES = lazily(r"loader|batches|iter|_dl$|^dl", re.IGNORECASE)


def counts_samples(node: ast.AST) -> bool:
    """Whether an expression is `batch * len(data)` or the like, and not `epoch * len(loader)`."""
    for part in ast.walk(node):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mult):
            for size, times in ((part.left, part.right), (part.right, part.left)):
                names = {inner.id for inner in ast.walk(times) if isinstance(inner, ast.Name)}
                if names and is_size(size) and not any(name_of(name).metric in COARSE for name in names):
                    return True
    return False


def is_size(node: ast.AST) -> bool:
    """Whether an expression is how many samples a batch has."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _BATCH_SIZE.fullmatch(name) is not None
        case ast.Call(func=ast.Name(id="len"), args=[counted]):
            return not any(_OF_BATCHES.search(name) for name in _names(counted))
        case ast.Call(func=ast.Attribute(attr="size"), args=[ast.Constant(value=0)]):
            return True
        case ast.Subscript(value=ast.Attribute(attr="shape"), slice=ast.Constant(value=0)):
            return True
    return False


def called(function: ast.expr) -> str:
    """The last name of what is called."""
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )
