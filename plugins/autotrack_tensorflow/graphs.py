"""What compiled functions do, noted of their graphs while they are traced, and what they return."""

from __future__ import annotations

import ast
import linecache
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType
from typing import Any, NamedTuple

from autotrack.plugin_api import series_name, text_of, variables
from autotrack_tensorflow import deferred, frames
from autotrack_tensorflow import trainings as known
from autotrack_tensorflow.trainings import Stepped, Training

OUTPUTS = 100
"""Values that a function returns of which the record has series."""
CHAIN = 10
"""Operations between a loss and the value that is returned, which do not change it."""
_SAME = frozenset(("Identity", "StopGradient", "PreventGradient"))
_TRACES = "func_graph_from_py_func"
"""The function of TensorFlow's that traces one of the program's."""


class Traced(NamedTuple):
    """A loss in a graph, which is not kept by it."""

    name: str
    key: tuple[int, str]
    """Of its tensor."""


class Trace:
    """What the function of a graph does."""

    def __init__(self, graph: Any) -> None:
        self.graph = weakref.ref(graph)
        self.training: Training | None = None
        self.losses: list[Traced] = []
        self.steps: dict[Stepped, int] = {}
        """Optimizers, and how many steps each makes in a call."""
        self.exact = True
        """Whether that is known: not where a step is made within a loop or another function of the graph."""
        self.made = 0
        """Steps that are known to follow one another, outside of loops."""
        self.order: dict[tuple[int, str], int] = {}
        """By the key of a tensor, how many of them are made before the one that it is of."""
        self.waiting: list[tuple[int, str]] = []
        """Losses whose step was not made yet."""
        self.places: dict[int, int] = {}
        """That of values that it returns, by where they are among them."""
        self.outputs: list[tuple[int, Any]] | None = None
        """Where among the values that it returns there is a number, and its series; None while it isn't known."""
        self.metrics: dict[int, weakref.ref[Any]] = {}
        """Those that it updates, by id."""
        self.code: CodeType | None = None
        """Of the program's function that was traced."""
        self.again: Callable[[Any], bool] | None = None
        """What records another call of it, while nothing else happens."""
        self.around: tuple[Any, Any] = (None, None)
        """The training, and what happens in the thread, that it was made for."""

    def belongs(self, training: Training) -> None:
        if self.training is not None and self.training is not training:
            first, second = sorted((self.training, training), key=lambda entry: entry.strand.began)
            second.join(first)
            training = first
        self.training = training

    def has(self, loss: Traced) -> None:
        if not any(other.key == loss.key for other in self.losses):
            self.losses.append(loss)

    def makes(self, steps: int, tensors: Iterable[tuple[int, str]]) -> None:
        """Steps are made now, of which these tensors are."""
        self.order.update((key, self.made) for key in tensors)
        self.made += steps


def _key_of(tensor: Any) -> tuple[int, str]:
    return id(tensor.graph), tensor.name


_traces: dict[int, Trace] = {}


def of(graph: Any) -> Trace | None:
    """What is noted of a graph."""
    trace = _traces.get(id(graph))
    return trace if trace is not None and trace.graph() is graph else None


def current() -> list[Any]:
    """The graphs that are being traced, the innermost first."""
    graph, found = sys.modules["tensorflow.python.framework.ops"].get_default_graph(), []
    while graph is not None and hasattr(graph, "structured_outputs"):
        found.append(graph)
        graph = graph.outer_graph
    return found


def _noted(graph: Any, frame: FrameType | None) -> Trace:
    trace = of(graph)
    if trace is None:
        for key, other in list(_traces.items()):
            if other.graph() is None:
                del _traces[key]
        trace = _traces[id(graph)] = Trace(graph)
        trace.code = _entry(graph, frame)
    trace.again, trace.around = None, (None, None)
    return trace


def taken(variables: list[Any], frame: FrameType, names: list[str], losses: list[Any]) -> None:
    """Gradients of losses are taken within a function that is traced."""
    tracing = current()
    with sys.modules["tensorflow"].init_scope():
        training = known.resolve(variables, frame, _around(tracing))
        if training is None:
            return
        for graph in tracing:
            trace = _noted(graph, frame)
            trace.belongs(training)
            for name, tensor in zip(names, losses, strict=True):
                trace.has(Traced(name, _key_of(tensor)))
                trace.waiting.append(_key_of(tensor))


def _around(tracing: list[Any]) -> Training | None:
    """The training that is known to be made by a function that is traced."""
    return next((trace.training for graph in tracing if (trace := of(graph)) is not None and trace.training), None)


def steps(state: Stepped, variables: list[Any], frame: FrameType) -> Training | None:
    """An optimizer makes a step within a function that is traced."""
    tracing = current()
    with sys.modules["tensorflow"].init_scope():
        training = known.resolve(variables, frame, _around(tracing))
        if training is None:
            return None
        known.join_optimizer(state, training, frame)
        for at, graph in enumerate(tracing):
            trace = _noted(graph, frame)
            trace.belongs(training)
            trace.steps[state] = trace.steps.get(state, 0) + 1
            trace.exact = trace.exact and at == 0
            if at == 0:
                trace.makes(1, trace.waiting)
                trace.waiting.clear()
    return training


def updates(metric: Any, frame: FrameType) -> None:
    """A metric is updated within a function that is traced."""
    for graph in current():
        _noted(graph, frame).metrics[id(metric)] = weakref.ref(metric)


def within(trace: Trace, result: Any, frame: FrameType | None) -> None:
    """A function is called within another one that is traced, and returns tensors of that."""
    for number, graph in enumerate(current()):
        outer = _noted(graph, frame)
        if outer is trace:
            continue
        outer.metrics.update(trace.metrics)
        if trace.training is None:
            continue
        outer.belongs(trace.training)
        for loss in trace.losses:
            outer.has(loss)
        for state in trace.steps:
            outer.steps.setdefault(state, 1)
            outer.exact = False
        if number == 0 and trace.made:
            flat = sys.modules["tensorflow"].nest.flatten(result, expand_composites=True)
            outer.makes(trace.made, (_key_of(tensor) for tensor in flat if hasattr(tensor, "op")))


def _entry(graph: Any, frame: FrameType | None) -> CodeType | None:
    """The code of the program's function that a graph is of."""
    unwrap = sys.modules["tensorflow.python.util.tf_decorator"].unwrap
    if frames.is_in_replica():  # which is called by what the thread does that it was begun in
        frame = sys._current_frames().get(known.in_thread().thread)
    while frame is not None:
        if frame.f_code.co_name == _TRACES and frames.is_theirs(frame):
            found = variables(frame)
            if found.get("func_graph") is graph:
                code: CodeType | None = getattr(unwrap(found.get("python_func"))[1], "__code__", None)
                return code
        frame = frame.f_back
    return None


def outputs_of(trace: Trace, graph: Any, result: Any) -> list[tuple[int, Any]]:
    """Where among what a function returns there is a number that tells of the training, with its series."""
    training, structured, code = trace.training, graph.structured_outputs, trace.code
    assert training is not None
    tensors, values = flat(structured), flat(result)
    if len(tensors) != len(values):
        return []
    numbers = [at for at, value in enumerate(values) if _is_float(value)][:OUTPUTS]
    given = _returned(code, structured)
    expressions = _names(structured, given)
    names = {at: _loss_at(trace, tensors[at]) or "".join(expressions[at : at + 1]) for at in numbers}
    if len(trace.losses) == 1 and len(numbers) == 1 and _is_reduced(given):
        names[numbers[0]] = trace.losses[0].name  # the mean over the replicas, or their sum
    found: list[tuple[int, Any]] = []
    for at, name in names.items():
        place_in_order = next((trace.order[key] for key in _keys(tensors[at]) if key in trace.order), None)
        if place_in_order is not None:
            trace.places[at] = place_in_order
        place = (code.co_filename, code.co_firstlineno, at) if code is not None else (id(trace), at)
        function = code.co_name if code is not None else ""
        name = training.name_for(name or f"output[{at}]", place, function)
        found.append((at, training.strand.series(series_name(name, "train"))))
    if trace.losses and not found:
        training.strand.gap("loss of each step", "a compiled function computes it and does not return it")
    return found


def _is_float(value: Any) -> bool:
    return deferred.is_eager(value) and value.shape.rank == 0 and bool(value.dtype.is_floating)


def returned(outputs: list[tuple[int, Any]], result: Any) -> Iterator[tuple[int, Any, Any]]:
    """The numbers among what a function has returned, with where they are, each with its series."""
    values = flat(result) if outputs else []
    for at, series in outputs:
        if at < len(values) and deferred.is_eager(values[at]):
            yield at, series, values[at]


def flat(value: Any) -> list[Any]:
    if deferred.is_eager(value):
        return [value]
    flat: list[Any] = sys.modules["tensorflow"].nest.flatten(value, expand_composites=True)
    return flat


def _loss_at(trace: Trace, tensor: Any) -> str | None:
    """The name of the loss that a tensor of a graph is."""
    names = {loss.key: loss.name for loss in reversed(trace.losses)}
    return next((names[key] for key in _keys(tensor) if key in names), None)


def _keys(tensor: Any) -> Iterator[tuple[int, str]]:
    """Of a tensor of a graph, and of those before it that are the same."""
    for _ in range(CHAIN):
        operation = getattr(tensor, "op", None)
        if operation is None:
            return
        yield _key_of(tensor)
        if operation.type not in _SAME:
            return
        tensor = operation.inputs[0]


def _names(structured: Any, given: Any) -> list[str]:
    """The names of what a function returns, one by one, by its keys and by the expression that it returns."""
    if isinstance(structured, dict):
        parts = dict(zip(map(_key, given.keys), given.values, strict=True)) if isinstance(given, ast.Dict) else {}
        return [
            name
            for key in sorted(structured)  # as they are put in a row
            for name in _under(str(key), structured[key], parts.get(key))
        ]
    if isinstance(structured, (list, tuple)):
        fields = getattr(structured, "_fields", None)
        entries: list[Any] = given.elts if isinstance(given, (ast.Tuple, ast.List)) else []
        if len(entries) != len(structured):
            entries = [None] * len(structured)
        return [
            name
            for at, (value, entry) in enumerate(zip(structured, entries, strict=True))
            for name in (_under(fields[at], value, entry) if fields else _names(value, entry))
        ]
    return [text_of(given) if given is not None else ""] * len(flat(structured))


def _is_reduced(given: Any) -> bool:
    """Whether a function returns what a strategy has made of the values of its replicas."""
    return isinstance(given, ast.Call) and isinstance(given.func, ast.Attribute) and given.func.attr == "reduce"


def _under(key: str, structured: Any, given: ast.expr | None) -> list[str]:
    """The names of what is at a key: that, where it is one value."""
    inner = _names(structured, given)
    return [key] if not isinstance(structured, (dict, list, tuple)) and inner else [f"{key}.{name}" for name in inner]


def _key(key: ast.expr | None) -> Any:
    return key.value if isinstance(key, ast.Constant) else None


def _returned(code: CodeType | None, structured: Any) -> ast.expr | None:
    """The expression that a function of the program's returns, where it is built as its result is; None where its
    source can't be had."""
    if code is None:
        return None
    try:
        tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    except (SyntaxError, ValueError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            first = min((node.lineno, *(entry.lineno for entry in getattr(node, "decorator_list", ()))))
            if first == code.co_firstlineno and getattr(node, "name", "<lambda>") == code.co_name:
                fitting = [given for given in _all_returned(node) if _is_like(given, structured)]
                one = len({ast.unparse(given) for given in fitting}) == 1  # else it is not known which
                return fitting[0] if one else None
    return None


def _all_returned(function: ast.FunctionDef | ast.Lambda) -> Iterator[ast.expr]:
    """What a function returns, the last one first."""
    if isinstance(function, ast.Lambda):
        yield function.body
        return
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Return) and node.value is not None:
            yield node.value
        if not isinstance(node, (ast.Lambda, ast.ClassDef, ast.FunctionDef)):
            waiting.extend(ast.iter_child_nodes(node))


def _is_like(given: ast.expr, structured: Any) -> bool:
    if isinstance(structured, dict):
        return isinstance(given, ast.Dict) and {_key(key) for key in given.keys} == set(structured)
    if isinstance(structured, (list, tuple)):
        return isinstance(given, (ast.Tuple, ast.List)) and len(given.elts) == len(structured)
    return not isinstance(given, (ast.Dict, ast.Tuple, ast.List))


def forget() -> None:
    _traces.clear()
