"""Filters such as `params.C < 1 and metrics["test/accuracy"] > .9`: Python's grammar, a whitelist of nodes,
translated to SQL and never evaluated.

A comparison with something that a run lacks is false, `!=` too; `NAME` alone and `NAME != None` ask whether it has a
value, `NAME == None` whether it has none.  A metric is its last value; NaN differs from every number and is found as
`metrics["loss"] == "NaN"`.  Texts compare by code point, True as 1.
"""

from __future__ import annotations

import ast
import difflib
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from autotrack.store.database import StoreError
from autotrack.store.present import asked

COLUMNS = {
    "id": "text", "job": "text", "name": "text", "framework": "text", "kind": "text", "status": "text",
    "started": "time", "duration": "number", "user": "text", "parent": "text",
}  # fmt: skip
GROUPS = ("params", "metrics", "tags")
STATISTICS = {"min": "low", "max": "high", "last": "last", "count": "count"}
DEPTH, VALUES, LENGTH = 30, 5_000, 200_000
"""How deep a filter may nest, how many names and values it may have, and the length of its SQL: what both databases
take without complaint."""

_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "=", ast.NotEq: "<>",
}  # fmt: skip
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}
_INFINITE = {"Infinity": float("inf"), "-Infinity": float("-inf")}
_ALLOWED = (
    "allowed are params.NAME, params['NAME'], metrics['NAME'] (and .min, .max, .count), tags.NAME, "
    f"{', '.join(COLUMNS)}; < <= > >= == != in, and, or, not"
)
_NEVER = "1 = 0"


class FilterError(StoreError):
    """A filter that can't be understood: shows the place."""

    exit_code = 2


Sql = tuple[str, list[Any]]


class _Name(NamedTuple):
    """A column, or a parameter, metric or tag by its name."""

    group: str
    name: str
    statistic: str = "last"

    @property
    def column(self) -> str:
        return "runs.author" if self.name == "user" else f"runs.{self.name}"


def where(text: str, *, sets: bool = False) -> Sql:
    """The SQL condition on `runs`, and its parameters, of a filter; with `sets` in the form that is quick where the
    database makes a set of what a subquery finds (`Database.sets`).  Raises FilterError."""
    source = text.replace("\n", " ").replace("\r", " ").strip()
    try:
        sql, values = _Translator(source, sets=sets).condition(_parsed(source))
    except (SyntaxError, ValueError) as error:
        end = len(source) + 1  # where the parser names no place, the filter ends too early
        column = (getattr(error, "offset", 1) or end) if getattr(error, "lineno", 1) == 1 else end
        raise FilterError(_marked(source, column - 1, f"is no filter: {getattr(error, 'msg', error)}")) from None
    except (RecursionError, MemoryError):
        raise FilterError(_marked(source, 0, "is nested too deeply")) from None
    if len(values) > VALUES or len(sql) > LENGTH:
        raise FilterError(_marked(source, 0, f"is too long: it has {len(values):,} names and values"))
    return sql, values


class Order(NamedTuple):
    """How a column, parameter, tag or metric sorts: by these SQL expressions, the first the most important; a plain
    name that is no column is a metric; of parameters and tags numbers come before texts."""

    expressions: list[str]
    values: list[Any]
    group: str
    columns: list[str]
    """Of which table, `column` for none, and which of its columns the expressions look up."""
    name: str


def order(text: str) -> Order:
    """How to sort by that."""
    name = named(text)
    if name.group == "column":
        return Order([name.column], [], name.group, [], name.name)
    columns = [STATISTICS[name.statistic]] if name.group == "metrics" else ["number", "text"]
    sql = [f"(SELECT {column} FROM {name.group} WHERE run = runs.id AND name = ?)" for column in columns]
    return Order(sql, [name.name] * len(sql), name.group, columns, name.name)


def named(text: str) -> _Name:
    """What one sorts or groups by: a column, a parameter, a tag or a metric."""
    if text in COLUMNS:
        return _Name("column", text)
    try:
        name = _Translator(text).name(_parsed(text))
    except (SyntaxError, ValueError, FilterError, RecursionError, MemoryError):
        name = None
    if name is not None and name.group != "column":
        return name
    group, dot, rest = text.partition(".")
    return _Name(group, asked(rest)) if dot and group in GROUPS else _Name("metrics", asked(text))


def _parsed(source: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes in texts
        return ast.parse(source, mode="eval").body


def _marked(source: str, column: int, problem: str) -> str:
    line = source.encode("utf-8", "backslashreplace").decode()
    return f"the filter {problem}\n  {line}\n  {' ' * min(max(column, 0), len(line))}^\n{_ALLOWED}"


def _joined(parts: Sequence[Sql], word: str) -> Sql:
    """Conditions with AND or OR between, as a balanced tree: SQLite takes no expression deeper than 1,000."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    left, right = _joined(parts[:middle], word), _joined(parts[middle:], word)
    return f"({left[0]} {word} {right[0]})", [*left[1], *right[1]]


class _Translator:
    def __init__(self, source: str, *, sets: bool = False) -> None:
        self._source, self._sets = source, sets

    def _error(self, node: ast.AST, problem: str) -> FilterError:
        offset = getattr(node, "col_offset", 0)
        column = len(self._source.encode()[:offset].decode("utf-8", "ignore"))
        return FilterError(_marked(self._source, column, problem))

    def condition(self, node: ast.expr, depth: int = 0) -> Sql:
        if depth > DEPTH:
            raise self._error(node, "is nested too deeply")
        if isinstance(node, ast.BoolOp):
            parts = [self.condition(value, depth + 1) for value in node.values]
            return _joined(parts, "AND" if isinstance(node.op, ast.And) else "OR")
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self._not(self.condition(node.operand, depth + 1))
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            pairs = zip(sides, node.ops, sides[1:], strict=False)
            return _joined([self._pair(*pair) for pair in pairs], "AND")
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            return ("1 = 1" if node.value else _NEVER), []
        name = self.name(node)
        if name is not None:
            return self._present(name)
        raise self._error(node, f"can't have {_described(node)} here")

    def name(self, node: ast.expr) -> _Name | None:
        """The name that an expression is, or None for anything else."""
        if isinstance(node, ast.Name):
            if node.id not in COLUMNS:
                raise self._error(node, f"knows no {node.id!r}{_hint(node.id)}")
            return _Name("column", node.id)
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id in GROUPS:
                return _Name(node.value.id, asked(node.attr))
            inner = self.name(node.value)
            if inner is not None and inner.group == "metrics" and node.attr in STATISTICS:
                return _Name("metrics", inner.name, node.attr)
            raise self._error(node, f"knows no .{node.attr} here")
        if isinstance(node, ast.Subscript):
            key = node.slice.value if isinstance(node.slice, ast.Constant) else None
            if isinstance(node.value, ast.Name) and node.value.id in GROUPS and isinstance(key, str):
                return _Name(node.value.id, asked(key))
            raise self._error(node, "takes a text in brackets after params, metrics or tags")
        return None

    def _constant(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, int, float, bool, type(None))):
            return asked(node.value) if isinstance(node.value, str) else node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            value = self._constant(node.operand)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return -value if isinstance(node.op, ast.USub) else value
        raise self._error(node, "expects a number, a text, True, False or None here")

    def _pair(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Sql:
        if isinstance(operator, (ast.In, ast.NotIn)):
            found = self._membership(left, right)
            return found if isinstance(operator, ast.In) else self._not(found)
        symbol = _OPERATORS.get(type(operator))
        if symbol is None:
            raise self._error(left, "compares with < <= > >= == != in, not with `is`")
        name, other = self.name(left), right
        if name is None:
            name, other, symbol = self.name(right), left, _FLIPPED[symbol]
        if name is None:
            raise self._error(left, "compares a name with a value; here are two values")
        if isinstance(other, (ast.Name, ast.Attribute, ast.Subscript)):
            raise self._error(other, "compares a name with a value; here are two names")
        return self._compare(name, symbol, self._constant(other), other)

    def _membership(self, left: ast.expr, right: ast.expr) -> Sql:
        if isinstance(right, (ast.List, ast.Tuple, ast.Set)):
            name = self.name(left)
            if name is None:
                raise self._error(left, "expects a name before `in [...]`")
            return self._among(name, right.elts)
        name = self.name(right)
        text = self._constant(left) if name is not None else None
        if name is None or not isinstance(text, str):
            raise self._error(left, 'expects NAME in [...], or "text" in NAME')
        if name.group == "metrics" or (name.group == "column" and COLUMNS[name.name] != "text"):
            raise self._error(right, "looks for a text in something that is a number")
        return self._on(name, "text", lambda value: (f"instr({value}, ?) > 0", [text]))

    def _among(self, name: _Name, entries: Sequence[ast.expr]) -> Sql:
        groups: dict[str, list[Any]] = {}
        parts: list[Sql] = []
        for entry in entries:
            value = self._constant(entry)
            if value is None or value == "NaN":
                parts.append(self._compare(name, "=", value, entry))
            else:
                kind, bound = self._operand(name, value, entry, exact=True)
                groups.setdefault(kind, []).append(bound)
        for kind, bounds in groups.items():
            marks = ", ".join("?" * len(bounds))
            parts.append(self._on(name, kind, lambda value, m=marks, b=bounds: (f"{value} IN ({m})", b)))  # type: ignore[misc]
        return _joined(parts, "OR") if parts else (_NEVER, [])

    def _compare(self, name: _Name, symbol: str, value: Any, node: ast.AST) -> Sql:
        if value is None:
            if symbol not in ("=", "<>"):
                raise self._error(node, "compares with None by == and != only")
            return self._not(self._present(name)) if symbol == "=" else self._present(name)
        if value == "NaN" and name.group == "metrics" and symbol in ("=", "<>"):
            test = "IS NULL" if symbol == "=" else "IS NOT NULL"
            return self._on(name, "number", lambda column: (f"{column} {test}", []))
        kind, bound = self._operand(name, value, node, exact=symbol in ("=", "<>"))
        if symbol == "<>" and name.group != "column":  # what has no such value differs from it
            return self._on(name, kind, lambda column: (f"COALESCE({column} <> ?, 1 = 1)", [bound]))
        return self._on(name, kind, lambda column: (f"{column} {symbol} ?", [bound]))

    def _operand(self, name: _Name, value: Any, node: ast.AST, *, exact: bool) -> tuple[str, Any]:
        """As what a name is compared with a value, `number` or `text`, and the value in SQL."""
        if name.group == "metrics" and isinstance(value, str):
            if value not in _INFINITE:
                raise self._error(node, "compares a metric with a number")
            return "number", _INFINITE[value]
        kind = COLUMNS[name.name] if name.group == "column" else ""
        if kind == "time" and isinstance(value, str):
            return "number", self._moment(value, node)
        if kind and isinstance(value, str) != (kind == "text"):
            raise self._error(node, f"compares {name.name} with a {'text' if kind == 'text' else 'number'}")
        if exact and name.group in ("params", "tags") and isinstance(value, int) and abs(value) > 2**53:
            value = str(value)  # two such integers may be one float
        if isinstance(value, str):
            return "text", value
        try:
            return "number", float(value)
        except OverflowError:
            raise self._error(node, "has a number here that is too large") from None

    def _moment(self, text: str, node: ast.AST) -> float:
        try:
            return datetime.fromisoformat(text).timestamp()
        except (ValueError, OverflowError, OSError):
            raise self._error(node, "expects a date such as '2026-01-31' or '2026-01-31 12:30'") from None

    def _not(self, condition: Sql) -> Sql:
        return f"(NOT {condition[0]})", condition[1]

    def _present(self, name: _Name) -> Sql:
        if name.group == "column":
            return f"({name.column} IS NOT NULL)", []
        if name.group == "metrics" and name.statistic in ("min", "max"):
            return self._on(name, "number", lambda column: (f"{column} IS NOT NULL", []))
        return self._on(
            name, "text", lambda column: ("1 = 1" if name.group == "metrics" else f"{column} IS NOT NULL", [])
        )

    def _on(self, name: _Name, kind: str, test: Callable[[str], Sql]) -> Sql:
        """A test of a column, or of a parameter's, tag's or metric's value; a missing one fails every test."""
        if name.group == "column":
            sql, values = test(name.column)
            return f"COALESCE({sql}, {_NEVER})", values
        sql, values = test(STATISTICS[name.statistic] if name.group == "metrics" else kind)
        if self._sets:
            # With the plus runs are gone through in the order of the list, to the end of the first page.
            return f"(+runs.id IN (SELECT run FROM {name.group} WHERE name = ? AND {sql}))", [name.name, *values]
        # Not EXISTS: PostgreSQL makes a join of each, and plans a thousand of those for minutes.
        found = f"SELECT {sql} FROM {name.group} WHERE run = runs.id AND name = ?"
        return f"COALESCE(({found}), {_NEVER})", [*values, name.name]


def _hint(name: str) -> str:
    near = difflib.get_close_matches(name, [*COLUMNS, *GROUPS], 1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; a parameter is params.{name}, a metric metrics['{name}']"


_NODES = {
    ast.Call: "a call", ast.BinOp: "arithmetic", ast.Lambda: "a function", ast.IfExp: "an if",
    ast.Constant: "a value alone", ast.UnaryOp: "a value alone", ast.List: "a list", ast.Tuple: "a tuple",
    ast.JoinedStr: "an f-string", ast.NamedExpr: "an assignment",
}  # fmt: skip


def _described(node: ast.expr) -> str:
    return _NODES.get(type(node), f"a {type(node).__name__}")
