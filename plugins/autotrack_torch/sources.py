"""Loops without a data loader: the variables that the loss is computed from.

Which these are is read from the source of the program, from the call of `backward` backwards: `loss` was assigned from
`model(xb)` and `yb`, these from `X[i : i + 32]` and `y[i : i + 32]`, and `X` and `y` from nothing within the loop.
What is an argument of the function is followed to its caller.  What that finds is recorded as `inferred`: that the
values are these is certain, that the loss is made of them follows from the names.  Where it leads to no tensor, array
or memory-mapped file, nothing is recorded but that.
"""

from __future__ import annotations

import ast
import functools
import linecache
import re
import sys
from collections.abc import Iterable, Iterator
from types import FrameType, FunctionType, ModuleType
from typing import Any

from autotrack.plugin_api import attributes, data_held, split_of, variables
from autotrack_torch import datasets, optimizers
from autotrack_torch.naming import is_library
from autotrack_torch.training import Training

LONGEST = 1 << 20
"""Characters of a file that is parsed."""
FRAMES = 8
NAMES = 200
"""That are followed."""
WHY = "there is no data loader, and no variable is found that the loss is computed from"

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Loop = ast.For | ast.While | ast.AsyncFor
_OWN_SCOPE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def tell(training: Training, frame: FrameType) -> None:
    """A training without a loader has begun: put on record what it is from, once."""
    if training.fed or "torch.sources" in training.strand.memo:
        return
    training.strand.memo["torch.sources"] = True
    held: dict[str, Any] = {}
    kinds: dict[str, str] = {}
    paths: list[str] = []
    ends = found(frame)
    if any(_may_hold(value) for _, value in ends):
        ends = []
    for name, value in ends:
        path = datasets.mapped(value)
        if path is not None:
            if path not in paths:
                paths.append(path)
        elif _is_data(value) and _BESIDE.isdisjoint(re.split(r"[^a-z]+", name.lower())):
            bare = name.removeprefix("self.")
            parts = _parts(name if bare in held else bare, value)
            held |= parts
            kinds |= {part: datasets.TENSOR for part, array in parts.items() if array is not value}
    if held or paths:
        data_held(training.strand, "train", "variables", held, paths, method="inferred", kinds=kinds)
    else:
        training.strand.gap(f"train data of {training.strand.name}", WHY)


_BESIDE = frozenset("w weight weights mask masks mean means std noise scale scales prior priors codebook".split())
"""Words for tensors that a loss is weighed or scaled by: no data by themselves."""


def _may_hold(value: Any) -> bool:
    """Whether it is something that data may come out of, and that isn't known: a queue, a list of rows, an object that
    gives batches."""
    torch = sys.modules["torch"]
    kind = type(value)
    if kind in (list, tuple, dict, set):
        return any(datasets.as_array(entry) is not None or type(entry) in (list, tuple) for entry in list(value)[:10])
    if issubclass(kind, (torch.nn.Module, torch.optim.Optimizer, torch.Tensor, type, ModuleType)) or callable(value):
        return False
    return hasattr(kind, "__getitem__") and datasets.as_array(value) is None and not datasets.is_table(value)


def _is_data(value: Any) -> bool:
    """Whether it is a table, array or tensor of several rows, which nothing is learned of."""
    if datasets.is_table(value):
        return len(value) > 1
    if _is_sparse(value):
        return bool(value.shape[0] > 1 and not value.requires_grad)
    array = datasets.as_array(value)
    return array is not None and array.ndim > 0 and len(array) > 1 and not _is_learned(value)


def _is_learned(value: Any) -> bool:
    """Whether a tensor that has a gradient is one that is learned, and no input by which something is differentiated:
    where there are optimizers, these step what is learned."""
    if not getattr(value, "requires_grad", False):
        return False
    if not value.is_leaf or type(value) is not sys.modules["torch"].Tensor or not optimizers.any_known():
        return True
    return bool(optimizers.of_parameters([value]))


def _is_sparse(value: Any) -> bool:
    torch = sys.modules["torch"]
    return type(value) is torch.Tensor and value.layout in (torch.sparse_coo, torch.sparse_csr) and value.is_cpu


def _parts(name: str, value: Any) -> dict[str, Any]:
    """What is read of a variable: a table, the array of its elements, or the places and values of a sparse matrix."""
    if datasets.is_table(value):
        return {name: value}
    if not _is_sparse(value):
        return {name: datasets.as_array(value)}
    torch = sys.modules["torch"]
    with torch._C._DisableTorchDispatch():
        if value.layout is torch.sparse_coo:
            parts = {"indices": value._indices(), "values": value._values()}
        else:
            parts = {
                "crow_indices": value.crow_indices(),
                "col_indices": value.col_indices(),
                "values": value.values(),
            }
    return {f"{name}.{part}": datasets.as_array(tensor) for part, tensor in parts.items()}


def found(frame: FrameType) -> list[tuple[str, Any]]:
    """Name and value of what the loss is computed from that a frame computes the gradients of; nothing where a part of
    it can't be followed.

    A name is followed to where it comes from while that is done again for each step: in the loop, in a function that is
    called in one.  It is not followed out of what makes a model or an optimizer: that is a training, and what it is
    given is its data."""
    wanted: set[str] | None = None
    here: FrameType | None = frame
    ends: list[tuple[str, Any]] = []
    for _ in range(FRAMES):
        while here is not None and is_library(here.f_code):
            here = here.f_back
        place = _place(here) if here is not None else None
        if place is None or here is None:
            return []
        values = _Values(here)
        alone = not place.loops and not _in_loop(here.f_back)
        settled = alone or (place.loops and _makes_model(place.assigned, values))
        names = _followed(place, wanted, values, beyond=not settled)
        if any(name in place.moving and values.is_data(name) for name in names):
            return []  # it is another in each round of a loop further out
        arguments = place.arguments & names
        if alone or _makes_model(place.made, values):
            arguments = {name for name in arguments if not values.is_data(name)}
        for name in sorted(names - arguments):
            ends += _named(name, values)
        if not any(values.is_data(name) for name in arguments):
            return ends
        called, here = place, here.f_back
        if here is None or is_library(here.f_code):
            return []
        wanted = _given(here, called, arguments)
    return []


class _Values:
    """The variables that a frame sees."""

    def __init__(self, frame: FrameType) -> None:
        self._local, self._global = variables(frame), frame.f_globals

    def get(self, name: str) -> Any:
        if name.startswith("self."):
            return (attributes(self._local.get("self")) or {}).get(name[5:])
        return self._local.get(name, self._global.get(name))

    def is_data(self, name: str) -> bool:
        return _is_data(self.get(name))


def _in_loop(frame: FrameType | None) -> bool:
    """Whether what a frame has called is called in a loop of the program."""
    while frame is not None:
        place = _place(frame) if not is_library(frame.f_code) else None
        if place is not None and place.loops:
            return True
        frame = frame.f_back
    return False


def _makes_model(assigned: Iterable[str], values: _Values) -> bool:
    torch = sys.modules["torch"]
    kinds = torch.nn.Module, torch.optim.Optimizer
    return any(issubclass(type(values.get(name)), kinds) for name in assigned)


class _Place:
    """Where a frame is: the loop, or the whole of its function, and the arguments of that."""

    def __init__(self, body: list[ast.stmt], line: int, function: _Function | None) -> None:
        loop = _loop(body, line)
        self.body, self.line, self.function = loop or body, line, function
        self.loops = loop is not None
        arguments = function.args if function is not None else None
        listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs] if arguments is not None else []
        self.positions = [argument.arg for argument in listed]
        self.arguments = set(self.positions) - {"self"}
        self.assigned: dict[str, list[ast.expr]] = {}
        for statement in self.body:
            self._assign(statement)
        self.moving = {name for outer in _loops(body, line) for name in _targets(outer)}
        """What a loop around assigns."""
        self.made = {name for statement in body for name in _targets(statement)} if function is not None else set()
        """What the function assigns anywhere."""

    def _assign(self, node: ast.AST) -> None:
        pairs: list[tuple[ast.expr, ast.expr | None]] = []
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, (ast.AnnAssign, ast.AugAssign, ast.NamedExpr)):
            pairs = [(node.target, node.value)]
        elif isinstance(node, (ast.For, ast.AsyncFor)):
            pairs = [(node.target, node.iter)]
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            pairs = [(node.optional_vars, node.context_expr)]
        for target, value in pairs:
            if value is not None:
                self._pair(target, value)
        for inner in ast.iter_child_nodes(node):
            if not isinstance(inner, _OWN_SCOPE):
                self._assign(inner)

    def _pair(self, target: ast.expr, value: ast.expr) -> None:
        """`x, y = X[at], Y[at]` is two assignments."""
        if isinstance(target, (ast.Tuple, ast.List)):
            parts: list[ast.expr] = [value] * len(target.elts)
            if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(parts):
                parts = value.elts
            for one, part in zip(target.elts, parts, strict=True):
                self._pair(one, part)
        else:
            for name in _names(target.value if isinstance(target, ast.Subscript) else target):
                self.assigned.setdefault(name, []).append(value)


def _targets(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif not isinstance(node, _OWN_SCOPE):
        for inner in ast.iter_child_nodes(node):
            yield from _targets(inner)


def _place(frame: FrameType) -> _Place | None:
    code, line = frame.f_code, frame.f_lineno
    tree = _parsed(code.co_filename, code.co_filename in linecache.cache or not code.co_filename.startswith("<"))
    if tree is None or line is None:
        return None
    function: _Function | None = None
    if code.co_name != "<module>":
        functions = [node for node in ast.walk(tree) if isinstance(node, _Function) and node.name == code.co_name]
        function = next((node for node in functions if _begins(node) == code.co_firstlineno), None)
        if function is None:
            return None
    body = function.body if function is not None else tree.body
    return _Place(body, line, function)


def _begins(function: _Function) -> int:
    return min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])


@functools.lru_cache(maxsize=16)
def _parsed(path: str, there: bool) -> ast.Module | None:
    text = "".join(linecache.getlines(path)) if there else ""
    if not text or len(text) > LONGEST:
        return None
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _loop(body: list[ast.stmt], line: int) -> list[ast.stmt] | None:
    """The innermost loop around a line, as one statement: what it goes through is assigned in it."""
    best = max(_loops(body, line), key=lambda loop: loop.lineno, default=None)
    return [best] if best is not None else None


def _loops(body: list[ast.stmt], line: int) -> list[_Loop]:
    found: list[_Loop] = []
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, _OWN_SCOPE) or not _around(node, line):
            continue
        if isinstance(node, _Loop):
            found.append(node)
        waiting += ast.iter_child_nodes(node)
    return found


def _around(node: ast.AST, line: int) -> bool:
    begin = getattr(node, "lineno", None)
    return begin is None or begin <= line <= (getattr(node, "end_lineno", None) or begin)


def _followed(place: _Place, wanted: set[str] | None, values: _Values | None, *, beyond: bool = True) -> set[str]:
    """The names that nothing in the place assigns, from which what is wanted, or is there differentiated, comes; where
    not `beyond`, up to what is data."""
    waiting = list(wanted if wanted is not None else _differentiated(place))
    seen: set[str] = set()
    ends = set()
    while waiting and len(seen) < NAMES:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in place.assigned and (beyond or values is None or not values.is_data(name)):
            waiting += [found for value in place.assigned[name] for found in _names(value, values)]
        else:
            ends.add(name)
    return ends


def _differentiated(place: _Place) -> set[str]:
    """The names in the statement that the frame is at."""
    names: set[str] = set()
    for statement in place.body:
        for node in ast.walk(statement):
            if isinstance(node, (ast.Expr, ast.Assign, ast.Return)) and _around(node, place.line):
                names |= set(_names(node))
    return names


def _names(node: ast.AST, values: _Values | None = None) -> Iterator[str]:
    """The variables in an expression, `self.x` among them; of `X[at]` not `at`, where `X` is data."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        yield f"self.{node.attr}"
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Subscript) and values is not None:
        of = list(_names(node.value, values))
        yield from of
        if not any(values.is_data(name) for name in of):
            yield from _names(node.slice, values)
    elif not isinstance(node, ast.Lambda):
        for inner in ast.iter_child_nodes(node):
            yield from _names(inner, values)


def _given(frame: FrameType, called: _Place, arguments: set[str]) -> set[str]:
    """The names that a frame gives as these arguments of the function that it calls."""
    place = _place(frame)
    if place is None or called.function is None:
        return set()
    calls = [
        node
        for statement in place.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and _around(node, frame.f_lineno) and _is_call_of(node, called.function.name)
    ]
    if len(calls) != 1:
        return set()
    (call,) = calls
    skipped = 1 if called.positions[:1] == ["self"] and isinstance(call.func, ast.Attribute) else 0
    names: set[str] = set()
    for name, value in zip(called.positions[skipped:], call.args, strict=False):
        if name in arguments:
            names |= set(_names(value))
    for keyword in call.keywords:
        if keyword.arg in arguments:
            names |= set(_names(keyword.value))
    return names


def _is_call_of(call: ast.Call, name: str) -> bool:
    return (isinstance(call.func, ast.Name) and call.func.id == name) or (
        isinstance(call.func, ast.Attribute) and call.func.attr == name
    )


def _named(name: str, values: _Values) -> Iterator[tuple[str, Any]]:
    """The value of a name; of a function of the program's, the data that it returns, by the names of its own that speak
    of no other split: `get_batch` of `train_data` and `val_data`."""
    value = values.get(name)
    if type(value) is not FunctionType or is_library(value.__code__):
        yield name, value
        return
    cells = dict(zip(value.__code__.co_freevars, value.__closure__ or (), strict=False))
    for inner in _returned(value):
        held = cells[inner].cell_contents if inner in cells else value.__globals__.get(inner)
        if split_of(inner) in ("", "train"):
            yield inner, held


def _returned(function: FunctionType) -> set[str]:
    """The names from outside of a function that what it returns is made of."""
    code = function.__code__
    tree = _parsed(code.co_filename, not code.co_filename.startswith("<") or code.co_filename in linecache.cache)
    nodes = [n for n in ast.walk(tree) if isinstance(n, _Function) and n.name == code.co_name] if tree else []
    node = next((node for node in nodes if _begins(node) == code.co_firstlineno), None)
    if node is None:
        return set()
    place = _Place(node.body, 0, node)
    wanted = {
        name
        for inner in ast.walk(node)
        if isinstance(inner, ast.Return) and inner.value is not None
        for name in _names(inner.value)
    }
    return _followed(place, wanted, None) - place.arguments
