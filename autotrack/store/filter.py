"""Filters such as `params.C < 1 and metrics["test/accuracy"] > .9`: Python's grammar, a whitelist of nodes,
translated to SQL and never evaluated.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from autotrack.store.database import StoreError

COLUMNS = {
    "id": "text", "job": "text", "name": "text", "framework": "text", "kind": "text", "status": "text",
    "started": "time", "duration": "number", "user": "text", "parent": "text",
}  # fmt: skip
GROUPS = {"params": "params", "metrics": "metrics", "tags": "tags"}
STATISTICS = {"min": "low", "max": "high", "last": "last", "count": "count"}

_OPERATORS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "=", ast.NotEq: "<>",
}  # fmt: skip
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}
_ALLOWED = (
    "allowed are params.NAME, params['NAME'], metrics['NAME'] (and .min, .max, .count), tags.NAME, "
    f"{', '.join(COLUMNS)}; < <= > >= == != in, and, or, not"
)


class FilterError(StoreError):
    """A filter that can't be understood: shows the place."""

    exit_code = 2


Sql = tuple[str, list[Any]]


class _Name:
    """A column, or a parameter, metric or tag by its name."""

    def __init__(self, group: str, name: str, statistic: str = "last") -> None:
        self.group, self.name, self.statistic = group, name, statistic


def where(text: str) -> Sql:
    """The SQL condition on `runs`, and its parameters, of a filter.  Raises FilterError."""
    source = text.strip()
    try:
        tree = ast.parse(source, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        column = getattr(error, "offset", None) or 1
        raise FilterError(_marked(source, column - 1, f"is no filter: {getattr(error, 'msg', error)}")) from None
    return _Translator(source).condition(tree.body)


def order(text: str) -> Sql:
    """The SQL expression that sorts by a column, parameter or metric; a plain name that is no column is a metric."""
    if text in COLUMNS:
        return _column(text), []
    try:
        name = _Translator(text).name(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, FilterError):
        name = None
    if name is None or name.group == "column":
        group, dot, rest = text.partition(".")
        name = _Name(GROUPS[group], rest) if dot and group in GROUPS else _Name("metrics", text)
    value = STATISTICS[name.statistic] if name.group == "metrics" else "number"
    return f"(SELECT {value} FROM {name.group} WHERE run = runs.id AND name = ?)", [name.name]


def _column(name: str) -> str:
    return "runs.author" if name == "user" else f"runs.{name}"


def _marked(source: str, column: int, problem: str) -> str:
    line = source.replace("\n", " ")
    return f"the filter {problem}\n  {line}\n  {' ' * max(column, 0)}^\n{_ALLOWED}"


class _Translator:
    def __init__(self, source: str) -> None:
        self._source = source

    def _error(self, node: ast.AST, problem: str) -> FilterError:
        offset = getattr(node, "col_offset", 0)
        column = len(self._source.encode()[:offset].decode("utf-8", "ignore"))
        return FilterError(_marked(self._source, column, problem))

    def condition(self, node: ast.expr) -> Sql:
        if isinstance(node, ast.BoolOp):
            word = " AND " if isinstance(node.op, ast.And) else " OR "
            parts = [self.condition(value) for value in node.values]
            return "(" + word.join(sql for sql, _ in parts) + ")", [value for _, values in parts for value in values]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            sql, values = self.condition(node.operand)
            return f"(NOT {sql})", values
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        if isinstance(node, ast.Constant) and isinstance(node.value, bool):
            return ("1 = 1" if node.value else "1 = 0"), []
        name = self.name(node)
        if name is not None:
            return self._present(name)
        raise self._error(node, f"can't have a {type(node).__name__} here")

    def name(self, node: ast.expr) -> _Name | None:
        """The name that an expression is, or None for a constant."""
        if isinstance(node, ast.Name):
            if node.id not in COLUMNS:
                near = difflib.get_close_matches(node.id, [*COLUMNS, *GROUPS], 1)
                hint = (
                    f"; did you mean {near[0]}?"
                    if near
                    else f"; a parameter is params.{node.id}, a metric metrics['{node.id}']"
                )
                raise self._error(node, f"knows no {node.id!r}{hint}")
            return _Name("column", node.id)
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id in GROUPS:
                return _Name(GROUPS[node.value.id], node.attr)
            inner = self.name(node.value)
            if inner is not None and inner.group == "metrics" and node.attr in STATISTICS:
                return _Name("metrics", inner.name, node.attr)
            raise self._error(node, f"knows no .{node.attr} here")
        if isinstance(node, ast.Subscript):
            if isinstance(node.value, ast.Name) and node.value.id in GROUPS:
                key = node.slice
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    return _Name(GROUPS[node.value.id], key.value)
            raise self._error(node, "takes a text in brackets after params, metrics or tags")
        return None

    def _constant(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, int, float, bool, type(None))):
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            value = self._constant(node.operand)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return -value if isinstance(node.op, ast.USub) else value
        raise self._error(node, "expects a number, a text, True, False or None here")

    def _comparison(self, node: ast.Compare) -> Sql:
        sides = [node.left, *node.comparators]
        parts = [
            self._pair(left, operator, right, node)
            for left, operator, right in zip(sides, node.ops, sides[1:], strict=False)
        ]
        return "(" + " AND ".join(sql for sql, _ in parts) + ")", [value for _, values in parts for value in values]

    def _pair(self, left: ast.expr, operator: ast.cmpop, right: ast.expr, node: ast.AST) -> Sql:
        if isinstance(operator, (ast.In, ast.NotIn)):
            sql, values = self._membership(left, right)
            return (sql, values) if isinstance(operator, ast.In) else (f"(NOT {sql})", values)
        symbol = _OPERATORS.get(type(operator))
        if symbol is None:
            raise self._error(node, "compares with < <= > >= == != in, not with `is`")
        name, other = self.name(left), right
        if name is None:
            name, other, symbol = self.name(right), left, _FLIPPED[symbol]
        if name is None:
            raise self._error(node, "compares a name with a value; here are two values")
        if self._is_name(other):
            raise self._error(other, "compares a name with a value; here are two names")
        return self._compare(name, symbol, self._constant(other), other)

    def _is_name(self, node: ast.expr) -> bool:
        return isinstance(node, (ast.Name, ast.Attribute, ast.Subscript))

    def _membership(self, left: ast.expr, right: ast.expr) -> Sql:
        if isinstance(right, (ast.List, ast.Tuple, ast.Set)):
            name = self.name(left)
            if name is None:
                raise self._error(left, "expects a name before `in [...]`")
            parts = [self._compare(name, "=", self._constant(entry), entry) for entry in right.elts]
            if not parts:
                return "1 = 0", []
            return "(" + " OR ".join(sql for sql, _ in parts) + ")", [value for _, values in parts for value in values]
        name, text = self.name(right), self._constant(left)
        if name is None or not isinstance(text, str):
            raise self._error(right, 'expects a list, or "text" in NAME')
        pattern = "%" + text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"
        return self._on(name, lambda value: (f"{value} LIKE ? ESCAPE '!'", [pattern]), text=True)

    def _present(self, name: _Name) -> Sql:
        if name.group == "column":
            return f"({_column(name.name)} IS NOT NULL)", []
        return f"EXISTS (SELECT 1 FROM {name.group} WHERE run = runs.id AND name = ?)", [name.name]

    def _compare(self, name: _Name, symbol: str, value: Any, node: ast.AST) -> Sql:
        if value is None:
            sql, values = self._present(name)
            if symbol not in ("=", "<>"):
                raise self._error(node, "compares with None by == and != only")
            return (f"(NOT {sql})", values) if symbol == "=" else (sql, values)
        if name.group == "column" and COLUMNS[name.name] == "time" and isinstance(value, str):
            try:
                value = datetime.fromisoformat(value).timestamp()
            except ValueError:
                raise self._error(node, "expects a date such as '2026-01-31' or '2026-01-31 12:30'") from None
        is_text = isinstance(value, str)
        if name.group == "column" and is_text != (COLUMNS[name.name] == "text"):
            raise self._error(node, f"compares {name.name} with a {'number' if is_text else 'text'}")
        bound = value if is_text else float(value)
        return self._on(name, lambda column: (f"{column} {symbol} ?", [bound]), text=is_text)

    def _on(self, name: _Name, test: Callable[[str], Sql], *, text: bool) -> Sql:
        """A test of a column, or of a parameter's, tag's or metric's value; a missing one fails every test."""
        if name.group == "column":
            sql, values = test(_column(name.name))
            return f"COALESCE({sql}, 1 = 0)", values
        if name.group == "metrics":
            if text:
                return "1 = 0", []
            value = STATISTICS[name.statistic]
        else:
            value = "text" if text else "number"
        sql, values = test(value)
        return f"EXISTS (SELECT 1 FROM {name.group} WHERE run = runs.id AND name = ? AND {sql})", [name.name, *values]
