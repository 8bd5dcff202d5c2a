"""Filters and sorting: what is allowed, what is refused and how, and that both databases agree with Python."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotrack import events
from autotrack.journal.folder import Folder
from autotrack.store import Store, filter, open_store
from autotrack.store.filter import FilterError
from tests.store.journals import BEGUN, Journal

RUNS: dict[str, dict[str, Any]] = {
    "plain": {"params": {"C": 1.0, "solver": "lbfgs"}, "metrics": {"acc": 0.9, "test/accuracy": 0.95}},
    "half": {"params": {"C": 0.5, "solver": "LBFGS", "bool": True}, "metrics": {"acc": [0.2, 0.8, 0.7]}},
    "negative": {"params": {"C": -2, "solver": "saga", "bool": False}, "metrics": {"acc": -0.5}},
    "none": {"params": {"C": None, "solver": None}, "metrics": {}},
    "text": {"params": {"C": "auto", "solver": "100%_!'\"\\"}, "metrics": {"acc": math.nan}},
    "large": {"params": {"C": math.inf, "solver": "é"}, "metrics": {"acc": [1.0, math.inf]}},
    "small": {"params": {"C": -math.inf, "solver": "Zeta"}, "metrics": {"acc": -math.inf}},
    "lists": {"params": {"C": [1, 2], "solver": ["a", "b"]}, "metrics": {"acc": [math.nan, 0.3]}},
    "seed": {"params": {"C": 2**62 + 1, "solver": "10**400"}, "metrics": {"acc": 1e300}},
    "huge": {"params": {"C": 10**400, "solver": "~"}, "metrics": {"acc": 5e-324}},
    "missing": {"params": {}, "metrics": {}},
    "tagged": {"params": {"C": math.nan}, "metrics": {"acc": 0}, "tags": {"good": True, "who": "kim", "n": 3}},
}


def record(folder: Folder) -> dict[str, str]:
    """The runs above, in one job, in this order; returns name to id."""
    journal = Journal(folder)
    names = {}
    for name, about in RUNS.items():
        failed = name in ("none", "huge")
        names[name] = journal.strand(name, **about, status="failed" if failed else "finished")
    journal.strand("open", status=None)
    journal.end()
    return names


def names(store: Store, where: str, **given: Any) -> list[str]:
    found = [run["name"] for run in store.runs(where, descending=False, **given)]
    assert store.count(where) == len(found)
    return found


ALL = [*RUNS, "open"]
ACCEPTED: list[tuple[str, list[str]]] = [
    ("params.C < 1", ["half", "negative", "small"]),
    ("1 > params.C", ["half", "negative", "small"]),
    ("params['C'] == 1", ["plain"]),
    ("params.C == 1.0", ["plain"]),
    ("params.C >= -2 and params.C <= 1", ["plain", "half", "negative"]),
    ("-2 <= params.C <= 1", ["plain", "half", "negative"]),
    ("0 < params.C < 1 < params.C", []),
    ("params.C == -2", ["negative"]),
    ("params.C == - -+-2", ["negative"]),
    ("params.C == 4611686018427387905", ["seed"]),
    ("params.C == 4611686018427387904", []),
    ("params.C > 1e308", ["large", "huge"]),
    ("params.C < -1e308", ["small"]),
    ("params.C in [1, 0.5, 'auto']", ["plain", "half", "text"]),
    ("params.C in (1, None)", ["plain", "none", "missing", "open"]),
    ("params.C in {-2}", ["negative"]),
    ("params.C in []", []),
    ("params.C not in []", ALL),
    ("params.C not in [1, 0.5]", [name for name in ALL if name not in ("plain", "half")]),
    ("params.C == None", ["none", "missing", "open"]),
    ("params.C != None and params.solver == None", ["tagged"]),
    ("params.C", [name for name in ALL if name not in ("none", "missing", "open")]),
    ("not params.C", ["none", "missing", "open"]),
    ("params.C != 1", [name for name in ALL if name not in ("plain", "missing", "open")]),
    ("params.C != 'auto'", [name for name in ALL if name not in ("text", "missing", "open")]),
    ("params.C == 'auto'", ["text"]),
    ("params.C == '[1, 2]'", ["lists"]),
    ("params.C == 'NaN'", ["tagged"]),
    ("params.C == 'Infinity'", ["large"]),
    ("'1, 2' in params.C", ["lists"]),
    ("params.bool == True", ["half"]),
    ("params.bool == False", ["negative"]),
    ("params.bool == 1", ["half"]),
    ("params.bool == 'True'", ["half"]),
    ("params.bool", ["half", "negative"]),
    ("params.solver == 'lbfgs'", ["plain"]),
    ("'bfg' in params.solver", ["plain"]),
    ("'BFG' in params.solver", ["half"]),
    ("'%' in params.solver", ["text"]),
    ("'_' in params.solver", ["text"]),
    ("'!' in params.solver", ["text"]),
    ("'\\\\' in params.solver", ["text"]),
    ('"\'" in params.solver', ["text"]),
    ("'' in params.solver", [n for n in ALL if "solver" in RUNS.get(n, {}).get("params", ()) and n != "none"]),
    ("'a' not in params.solver", [n for n in ALL if n not in ("negative", "small", "lists")]),
    ("params.solver == '100%_!\\'\"\\\\'", ["text"]),
    ("params.solver < 'a'", ["half", "text", "small", "lists", "seed"]),
    ("params.solver > 'z'", ["large", "huge"]),
    ("params.solver == 'é'", ["large"]),
    ('metrics["test/accuracy"] > .9', ["plain"]),
    ("metrics.acc > .8", ["plain", "large", "seed"]),
    ("metrics.acc.max >= .8", ["plain", "half", "large", "seed"]),
    ("metrics['acc'].min < .25", ["half", "negative", "huge", "tagged"]),
    ("metrics.acc.count == 3", ["half"]),
    ("metrics.acc.last == .7", ["half"]),
    ("metrics.acc == 'NaN'", ["text"]),
    ("metrics.acc != 'NaN' and metrics.acc < 0", ["negative", "small"]),
    ("metrics.acc == 'Infinity'", ["large"]),
    ("metrics.acc in ['NaN', 0, '-Infinity']", ["text", "small", "tagged"]),
    ("metrics.acc != 0.9", [n for n in ALL if n not in ("plain", "none", "missing", "open")]),
    ("metrics.acc == None", ["none", "missing", "open"]),
    ("metrics.acc", [n for n in ALL if n not in ("none", "missing", "open")]),
    ("metrics.acc == 5e-324", ["huge"]),
    ("tags.good", ["tagged"]),
    ("tags.good == True and tags.who == 'kim' and tags.n > 2", ["tagged"]),
    ("tags['who'] in ['kim']", ["tagged"]),
    ("status == 'failed'", ["none", "huge"]),
    ("status != 'failed'", [n for n in ALL if n not in ("none", "huge")]),
    ("status in ['failed', 'killed']", ["none", "huge", "open"]),
    ("status not in ['failed', 'killed']", [n for n in ALL if n not in ("none", "huge", "open")]),
    ("'a' in name", ["plain", "half", "negative", "large", "small", "tagged"]),
    ("'A' in name", []),
    ("name == 'plain' or name == 'half'", ["plain", "half"]),
    ("name > 't'", ["text", "tagged"]),
    ("framework == 'sklearn' and kind == 'fit' and user == 'kim'", ALL),
    ("parent == None", ALL),
    ("parent", []),
    ("duration > 2", list(RUNS)),
    ("duration < 1", ["open"]),
    ("not (params.C < 1 or params.C >= 1)", ["none", "text", "lists", "missing", "tagged", "open"]),
    ("True", ALL),
    ("False or not True", []),
    ("started > '2023-01-01'", ALL),
    ("started >= '2100-01-01 12:30'", []),
    ("started < '2100-01-01T12:30:00+02:00'", ALL),
    (f"started < {BEGUN + 3}", []),
    ("params['no such'] == 1", []),
    ("  params.C\n== 1  # a remark", ["plain"]),
    ("params['\\ud800'] == '\\x00'", []),
]


@pytest.mark.parametrize(("where", "expected"), ACCEPTED, ids=[where for where, _ in ACCEPTED])
def test_accepted(shared: Store, where: str, expected: list[str]) -> None:
    assert names(shared, where) == expected


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The runs above in a store that all tests of this module read."""
    url = None
    if request.param == "postgresql":
        import psycopg

        server = request.getfixturevalue("server")
        with psycopg.connect(f"postgresql://tester@/postgres?host={server}", autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS filters WITH (FORCE)")  # where the tests come in another order
            connection.execute("CREATE DATABASE filters")
        url = f"postgresql://tester@/filters?host={server}"
    folder = Folder(str(tmp_path_factory.mktemp("filters") / ".autotrack"))
    record(folder)
    with open_store(folder, url) as store:
        store.refresh()
        yield store


REFUSED = [
    ("", 0, "is no filter"),
    ("params.C <", 10, "is no filter: invalid syntax"),
    ("params.C < 1 and", 16, "is no filter: invalid syntax"),
    ("params.C = 1", 9, "is no filter"),
    ("lr < 1", 0, "knows no 'lr'; a parameter is params.lr, a metric metrics['lr']"),
    ("statu == 'failed'", 0, "knows no 'statu'; did you mean status?"),
    ("param.C == 1", 0, "knows no 'param'; did you mean params?"),
    ("params == 1", 0, "knows no 'params'; did you mean params?"),
    ("params.C.min < 1", 0, "knows no .min here"),
    ("metrics.acc.mean < 1", 0, "knows no .mean here"),
    ("name.real == 1", 0, "knows no .real here"),
    ("params[0] == 1", 0, "takes a text in brackets after params, metrics or tags"),
    ("name['x'] == 1", 0, "takes a text in brackets"),
    ("params['a']['b'] == 1", 0, "takes a text in brackets"),
    ("params[name] == 1", 0, "takes a text in brackets"),
    ("params.C < params.D", 11, "compares a name with a value; here are two names"),
    ("1 < 2", 0, "compares a name with a value; here are two values"),
    ("params.C is None", 0, "compares with < <= > >= == != in, not with `is`"),
    ("params.C is not None", 0, "not with `is`"),
    ("params.C < 1 + 1", 11, "expects a number, a text, True, False or None here"),
    ("params.C == b'x'", 12, "expects a number, a text, True, False or None here"),
    ("params.C == 1j", 12, "expects a number, a text"),
    ("params.C == ...", 12, "expects a number, a text"),
    ("params.C == -True", 12, "expects a number, a text"),
    ("params.C == f'x'", 12, "expects a number, a text"),
    ("params.C in [1, [2]]", 16, "expects a number, a text"),
    ("params.C < None", 11, "compares with None by == and != only"),
    ("params.C < 1" + "0" * 400, 11, "has a number here that is too large"),
    ("started > 'yesterday'", 10, "expects a date such as '2026-01-31' or '2026-01-31 12:30'"),
    ("started > '0001-01-01'", 10, "expects a date"),
    ("name == 1", 8, "compares name with a text"),
    ("duration == 'long'", 12, "compares duration with a number"),
    ("metrics.acc == 'good'", 15, "compares a metric with a number"),
    ("'x' in metrics.acc", 7, "looks for a text in something that is a number"),
    ("'x' in duration", 7, "looks for a text in something that is a number"),
    ("'x' in started", 7, "looks for a text in something that is a number"),
    ("1 in params.C", 0, 'expects NAME in [...], or "text" in NAME'),
    ("params.C in params.D", 0, "expects a number, a text, True, False or None here"),
    ("params.C in 'abc'", 0, 'expects NAME in [...], or "text" in NAME'),
    ("1 in [1, 2]", 0, "expects a name before `in [...]`"),
    ("len(name) > 1", 0, "compares a name with a value; here are two values"),
    ("len(name)", 0, "can't have a call here"),
    ("1 + 1", 0, "can't have arithmetic here"),
    ("'text'", 0, "can't have a value alone here"),
    ("name if status else kind", 0, "can't have an if here"),
    ("(name := 'x')", 1, "can't have an assignment here"),
    ("[name]", 0, "can't have a list here"),
    ("lambda: name", 0, "can't have a function here"),
    ("é < 1", 0, "knows no 'é'"),
    ("'é' in name and lr", 16, "knows no 'lr'"),
    ("\0", None, "is no filter"),
    ("name == '\ud800'", 0, "is no filter"),
    ("not " * 200 + "name", 31 * 4, "is nested too deeply"),
    ("(" * 150 + "name" + ")" * 150 + " and" + "(" * 300, None, "is no filter"),
    ("-" * 5000 + "1 == name", None, ""),
    ("name." * 5000 + "x", None, ""),
    (" or ".join(["params.C == 1"] * 6000), 0, "is too long: it has 12,000 names and values"),
]


@pytest.mark.parametrize(("where", "column", "message"), REFUSED, ids=[where[:40] for where, *_ in REFUSED])
def test_refused(where: str, column: int | None, message: str) -> None:
    with pytest.raises(FilterError) as refusal:
        filter.where(where)
    first, line, caret, allowed = str(refusal.value).split("\n")
    assert first.startswith("the filter ")
    assert message in first
    assert line == "  " + where.encode("utf-8", "backslashreplace").decode()
    assert caret.strip() == "^"
    if column is not None:
        assert caret.index("^") == column + 2
    assert allowed.startswith("allowed are params.NAME")


def test_an_empty_filter_lets_everything_through(shared: Store) -> None:
    assert len(shared.runs("")) == len(shared.runs(None)) == len(ALL)


@pytest.mark.parametrize(
    "where",
    [
        " or ".join(f"params.C == {n}" for n in range(1500)),
        " and ".join(["params.C == 1"] * 1500),
        f"params.C in {list(range(1, 4000))}",
        " or ".join(f"'{n}' in params.solver" for n in range(1000)),
        "not (" * 25 + "params.C == 1" + ")" * 25,
    ],
    ids=["or", "and", "in", "contains", "not"],
)
def test_long_filters(shared: Store, where: str) -> None:
    assert isinstance(shared.count(where), int)


# Against Python

LITERALS = [1, 1.0, 0.5, -2, 0, 0.7, 0.9, "lbfgs", "auto", "", "a", "Z", "é", True, False, 1e300]
NUMBERS = [value for value in LITERALS if not isinstance(value, str)]
OPERATORS = ["<", "<=", ">", ">=", "==", "!="]


def comparisons() -> st.SearchStrategy[str]:
    params = st.sampled_from(["params.C", "params['solver']", "params.bool", "tags.n", "tags['who']"])
    metrics = st.sampled_from(["metrics.acc", "metrics['acc'].min", "metrics.acc.max", "metrics.acc.count"])
    columns = st.sampled_from(["name", "status", "kind", "user", "parent"])
    operators, literals = st.sampled_from(OPERATORS), st.sampled_from(LITERALS)
    numbers, texts = st.sampled_from(NUMBERS), st.sampled_from([v for v in LITERALS if isinstance(v, str)])
    lists = st.lists(st.sampled_from([*LITERALS, None]), max_size=3)
    return st.one_of(
        st.builds("{} {} {!r}".format, params, operators, literals),
        st.builds("{!r} {} {}".format, literals, operators, params),
        st.builds("{} {} {!r}".format, metrics, operators, numbers),
        st.builds("{} {} {!r}".format, columns, operators, texts),
        st.builds("duration {} {!r}".format, operators, numbers),
        st.builds("{} in {!r}".format, params, lists),
        st.builds("{} not in {!r}".format, params, lists),
        st.builds("{!r} in {}".format, texts, st.one_of(params, columns)),
        st.builds("{} {} None".format, st.one_of(params, metrics, columns), st.sampled_from(["==", "!="])),
        st.one_of(params, metrics, columns),
    )


FILTERS = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("(not {})".format, inner),
    ),
    max_leaves=6,
)
MISSING = object()


def evaluated(where: str, run: dict[str, Any]) -> bool:
    """A filter evaluated in Python, by the rules in the filter's module."""
    return _truth(ast.parse(where, mode="eval").body, run)


def _truth(node: ast.expr, run: dict[str, Any]) -> bool:
    if isinstance(node, ast.BoolOp):
        every = all if isinstance(node.op, ast.And) else any
        return every(_truth(value, run) for value in node.values)
    if isinstance(node, ast.UnaryOp):
        return not _truth(node.operand, run)
    if not isinstance(node, ast.Compare):
        return _found(node, run) not in (MISSING, None)
    (operator,), (right,) = node.ops, node.comparators
    if isinstance(operator, (ast.In, ast.NotIn)) and isinstance(right, (ast.List, ast.Tuple)):
        among = any(_holds("==", _found(node.left, run), ast.literal_eval(entry)) for entry in right.elts)
        return among == isinstance(operator, ast.In)
    if isinstance(operator, ast.In):
        value = _found(right, run)
        return value not in (MISSING, None) and ast.literal_eval(node.left) in _text(value)
    symbol = {v: k for k, v in _SYMBOLS.items()}[type(operator)]
    try:
        literal = ast.literal_eval(node.left)
    except ValueError:
        return _holds(symbol, _found(node.left, run), ast.literal_eval(right))
    return _holds({"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(symbol, symbol), _found(right, run), literal)


_SYMBOLS = {"<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE, "==": ast.Eq, "!=": ast.NotEq}


def _found(node: ast.expr, run: dict[str, Any]) -> Any:
    if isinstance(node, ast.Name):
        value = run[node.id]
        return MISSING if value is None else value
    text = ast.unparse(node)
    if text.startswith("metrics"):
        statistics = run["metrics"].get("acc")
        which = text.rpartition(".")[2]
        return MISSING if statistics is None else statistics[which if which in ("min", "max", "count") else "last"]
    assert isinstance(node, (ast.Attribute, ast.Subscript))
    name = node.attr if isinstance(node, ast.Attribute) else ast.literal_eval(node.slice)
    return run[ast.unparse(node.value)].get(name, MISSING)


def _text(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[repr(value)]
    if isinstance(value, list):
        return "[" + ", ".join(f'"{entry}"' if isinstance(entry, str) else str(entry) for entry in value) + "]"
    return str(value)


def _holds(symbol: str, value: Any, literal: Any) -> bool:
    if value is MISSING or literal is None:
        missing = value is MISSING or value is None
        return literal is None and missing == (symbol == "==")
    if isinstance(literal, str):
        return (value is None and symbol == "!=") or (value is not None and _compared(symbol, _text(value), literal))
    if isinstance(value, (str, list)) or value is None or value != value:
        return symbol == "!="
    return _compared(symbol, value, literal)


def _compared(symbol: str, value: Any, literal: Any) -> bool:
    comparisons: dict[str, Callable[[], bool]] = {
        "<": lambda: value < literal,
        "<=": lambda: value <= literal,
        ">": lambda: value > literal,
        ">=": lambda: value >= literal,
        "==": lambda: value == literal,
        "!=": lambda: value != literal,
    }
    return comparisons[symbol]()


def python_runs() -> list[dict[str, Any]]:
    runs = []
    for name, about in RUNS.items():
        metrics = {}
        for metric, recorded in about["metrics"].items():
            values = [float(v) for v in (recorded if isinstance(recorded, list) else [recorded])]
            finite = [value for value in values if math.isfinite(value)]
            low, high = (min(finite), max(finite)) if finite else (None, None)
            metrics[metric] = {"last": values[-1], "min": low, "max": high, "count": len(values)}
        status = "failed" if name in ("none", "huge") else "finished"
        columns = {"name": name, "status": status, "kind": "fit", "user": "kim", "parent": None, "duration": 2.5}
        runs.append({**columns, "params": about["params"], "metrics": metrics, "tags": about.get("tags", {})})
    return runs


@given(where=FILTERS)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_results_equal_those_of_python(shared: Store, where: str) -> None:
    expected = [run["name"] for run in python_runs() if evaluated(where, run)]
    assert [name for name in names(shared, where) if name != "open"] == expected


# Anything at all

WORDS = st.sampled_from(
    ["params", "metrics", "tags", "name", ".", "C", "[", "]", "'", '"', "(", ")", " ", "==", "<", "in", "not", "and",
     "or", "is", "1", "-", "None", "True", ";", "--", "DROP TABLE runs", "?", "%s", "%", "{}", "{in}", "\\", "\0", "\n",
     "\ud800", "é", "__class__", "lambda", ":=", "*", "**", ",", "1e999", "0x", "f'{name}'", "#", "instr(", "@"]
)  # fmt: skip


@given(where=st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=15).map("".join), st.lists(WORDS).map(" ".join)))
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_is_a_filter_or_a_filter_error(shared: Store, where: str) -> None:
    try:
        runs = shared.runs(where, sort=where or None, limit=3)
    except FilterError as error:
        str(error).encode()  # can be shown
    else:
        assert len(runs) <= 3
    assert shared.count() == len(ALL)


@given(text=st.text(max_size=30))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_texts_are_data_never_sql(shared: Store, text: str) -> None:
    for quoted in (f"name == {text!r}", f"params[{text!r}] == {text!r}", f"{text!r} in params[{text!r}]"):
        assert shared.runs(quoted) == [] or text in RUNS
    with pytest.raises(Exception, match=r"there is no run|means nothing|several|no run has"):
        shared.resolve(text + "'; DROP TABLE runs; --")
    assert shared.count() == len(ALL)


# Sorting


@pytest.mark.parametrize(
    ("sort", "ascending"),
    [
        ("name", sorted(ALL)),
        ("metrics.acc", ["small", "negative", "tagged", "huge", "lists", "half", "plain", "seed", "large"]),
        ("acc", ["small", "negative", "tagged", "huge", "lists", "half", "plain", "seed", "large"]),
        ("metrics['acc'].max", ["negative", "tagged", "huge", "lists", "half", "plain", "large", "seed"]),
        ("metrics.acc.count", None),
        ("test/accuracy", ["plain"]),
        ('metrics["test/accuracy"]', ["plain"]),
        ("params.C", ["small", "negative", "half", "plain", "seed", "large", "huge", "tagged", "lists", "text"]),
        ("params['solver']", ["seed", "text", "half", "small", "lists", "plain", "negative", "huge", "large"]),
        ("tags.n", ["tagged"]),
        ("duration", None),
        ("no such metric", []),
        ("params.no such", []),
        ("'; DROP TABLE runs; --", []),
    ],
)
def test_sort_has_what_is_missing_last(shared: Store, sort: str, ascending: list[str] | None) -> None:
    up = [run["name"] for run in shared.runs(sort=sort, descending=False)]
    down = [run["name"] for run in shared.runs(sort=sort)]
    assert sorted(up) == sorted(down) == sorted(ALL)
    if ascending is not None and sort != "params.C":
        assert up[: len(ascending)] == ascending
        assert down[: len(ascending)] == ascending[::-1]
        assert up[len(ascending) :] == down[len(ascending) :]
    if sort == "params.C":  # infinity and what is taken for it are equal
        assert (up[:5], up[7:10]) == (ascending[:5], ["tagged", "lists", "text"])  # type: ignore[index]
    for limit in range(len(ALL) + 1):  # those that the index has first are enough, or are not
        assert [run["name"] for run in shared.runs(sort=sort, descending=False, limit=limit)] == up[:limit]
        assert [run["name"] for run in shared.runs(sort=sort, limit=limit)] == down[:limit]
    some = [run["name"] for run in shared.runs("params.C < 50", sort=sort)]
    assert [run["name"] for run in shared.runs("params.C < 50", sort=sort, limit=2)] == some[:2]


def test_newest_first_and_limit(shared: Store) -> None:
    assert [run["name"] for run in shared.runs()] == ALL[::-1]
    assert [run["name"] for run in shared.runs(limit=2)] == ["open", "tagged"]
    assert shared.runs(limit=0) == []
    assert shared.runs("params.C == 1", sort="name", limit=1)[0]["name"] == "plain"


def test_dates_are_local_time(folder: Folder, opened: Callable[[], Store]) -> None:
    journal = Journal(folder, started=datetime(2026, 1, 31, 12, 0).timestamp())
    journal.strand("noon")
    journal.end()
    store = opened()
    assert store.count("started >= '2026-01-31'") == 1
    assert store.count("started >= '2026-01-31 11:59' and started < '2026-01-31T12:01'") == 1
    assert store.count("started < '2026-01-31'") == 0
    assert store.count("'2026-02-01' > started") == 1


def test_names_that_need_quoting(folder: Folder, opened: Callable[[], Store]) -> None:
    journal = Journal(folder)
    odd = {"a b": 1, "it's": 2, 'say "x"': 3, "C:\\dir": 4, "100%": 5, "caf\udce9": 6, "nul\0": 7, "Ridge.alpha": 8}
    journal.add(events.StrandStarted, strand="s" * 13, name="odd", framework="", kind="fit")
    from autotrack.values import storable

    params = tuple(events.Param(storable(name), value, "user") for name, value in odd.items())
    journal.add(events.StrandParams, strand="s" * 13, params=params)
    journal.end()
    store = opened()
    for name, value in odd.items():
        assert store.count(f"params[{name!r}] == {value}") == 1, name
    (run,) = store.runs()
    assert set(run["params"]) == {"a b", "it's", 'say "x"', "C:\\dir", "100%", "caf\\udce9", "nul\\x00", "Ridge.alpha"}
    for shown, value in run["params"].items():
        assert store.count(f"params[{shown!r}] == {value}") == 1, shown


def test_path_of_a_store_may_be_odd(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "a b%20?#é" / ".autotrack"))
    record(folder)
    with open_store(folder) as store:
        store.refresh()
        assert store.count() == len(ALL)
