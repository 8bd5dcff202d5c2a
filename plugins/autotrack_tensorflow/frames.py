"""Where in the program's own code TensorFlow is called, and what is written there."""

from __future__ import annotations

import ast
import functools
import linecache
import sys
import threading
from types import FrameType
from typing import Any

from autotrack.plugin_api import call_at, objects_around, text_of

_THEIRS = frozenset(("tensorflow", "keras", "autotrack", "autotrack_tensorflow"))
"""Packages between the program and what is observed."""
_TRAINER = "keras.src.backend.tensorflow.trainer"
_TRAINERS = (_TRAINER, "keras.src.trainers")
"""Modules of Keras whose functions train by themselves, all but this one, which the program may call too."""
_STEP = "train_step"
_REPLICAS = "tensorflow.python.distribute.mirrored_run"
_AUTOGRAPH = "tensorflow.python.autograph"
_GENERATED = "__autograph_generated_file"
"""In the names of the files of code that AutoGraph has made of the program's."""
_ITSELF = frozenset(("scale_loss", "get_scaled_loss"))
"""Methods whose result goes by the name of what they are given."""
DEPTH = 100
"""Frames that are looked at."""
ENTRIES = 100
"""Of a list or dict that are looked at."""
SPLICED = 10
"""Calls of AutoGraph's within one another that are undone."""


def is_theirs(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).partition(".")[0] in _THEIRS


def is_outside(frame: FrameType) -> bool:
    """Whether a frame is none of the program's source, code that was made of it among that."""
    return is_theirs(frame) or _GENERATED in frame.f_code.co_filename


def of_program(frame: FrameType | None) -> FrameType | None:
    """The nearest frame of the program's, perhaps as AutoGraph has made it."""
    while frame is not None and is_theirs(frame):
        frame = frame.f_back
    return frame


def of_source(frame: FrameType | None) -> FrameType | None:
    """The nearest frame of the program's own source."""
    while frame is not None and is_outside(frame):
        frame = frame.f_back
    return frame


def is_in_trainer(frame: FrameType | None) -> bool:
    """Whether Keras trains, and calls this, perhaps in the thread that waits for a replica."""
    names = _modules_above(frame)
    if is_in_replica():
        others = map(_modules_above, sys._current_frames().values())
        names += [name for other in others if _REPLICAS in other for name in other]
    return any(name.startswith(_TRAINERS) for name in names)


def _modules_above(frame: FrameType | None) -> list[str]:
    """The modules of the functions that a frame is in, but of the step of a model of Keras's."""
    names: list[str] = []
    while frame is not None and len(names) < DEPTH:
        names.append("" if is_step(frame) else str(frame.f_globals.get("__name__")))
        frame = frame.f_back
    return names


def converted(function: Any) -> Any:
    """What calls a function of a class, which may be the program's: as AutoGraph would have called it, which does not
    look into functions that stand for others."""

    def call(*args: Any, **kwargs: Any) -> Any:
        control = sys.modules.get("tensorflow.python.autograph.core.ag_ctx")
        context = control.control_status_ctx() if control is not None else None
        if control is None or context is None or context.status is not control.Status.ENABLED:
            return function(*args, **kwargs)
        convert = sys.modules["tensorflow.python.autograph.impl.api"].tf_convert
        return convert(function, context)(*args, **kwargs)

    functools.update_wrapper(call, function)
    call.autograph_info__ = None  # type: ignore[attr-defined]
    return call


def is_step(frame: FrameType) -> bool:
    """Whether a frame is that of the step of a model of Keras's."""
    return frame.f_code.co_name == _STEP and str(frame.f_globals.get("__name__")) == _TRAINER


def is_called_by_program(frame: FrameType, *hands: str) -> bool:
    """Whether the program calls what is observed, through AutoGraph or through modules that hand it on."""
    caller = nearest(frame)
    return not is_theirs(caller) or str(caller.f_globals.get("__name__")).startswith((_AUTOGRAPH, *hands))


def nearest(frame: FrameType) -> FrameType:
    """The nearest frame that is not ours."""
    while str(frame.f_globals.get("__name__")).startswith("autotrack") and frame.f_back is not None:
        frame = frame.f_back
    return frame


def is_in_replica() -> bool:
    """Whether this thread is a replica's of a strategy."""
    return hasattr(threading.current_thread(), "replica_id_in_sync_group")


def is_replica() -> bool:
    """Whether this is done once more for each replica of a strategy, by another than the first."""
    return getattr(threading.current_thread(), "replica_id_in_sync_group", 0) not in (0, None)


def call_of(frame: FrameType) -> ast.Call | None:
    """The call that a frame is at, as the program has it."""
    call = call_at(frame)
    found = plain(call) if call is not None and _GENERATED in frame.f_code.co_filename else call
    return found if isinstance(found, ast.Call) else None


def plain(expression: ast.expr) -> ast.expr:
    """An expression that AutoGraph has made, as the program has it."""
    found: ast.expr = _Plain().visit(expression)
    return found


class _Plain(ast.NodeTransformer):
    """Takes AutoGraph's calls out of an expression: `ag__.ld(loss)`, `ag__.converted_call(f, (x,), dict(y=z), fscope)`.
    See `tensorflow/python/autograph/converters/call_trees.py`."""

    def visit_Call(self, call: ast.Call) -> ast.AST:
        self.generic_visit(call)
        made = call.func
        if not (isinstance(made, ast.Attribute) and isinstance(made.value, ast.Name) and made.value.id == "ag__"):
            return call
        if made.attr == "ld" and call.args:
            return call.args[0]
        if made.attr == "converted_call" and len(call.args) >= 3:
            function, given, named = call.args[:3]
            args: list[ast.expr] = given.elts if isinstance(given, ast.Tuple) else [ast.Starred(given, ast.Load())]
            return ast.Call(function, args, named.keywords if isinstance(named, ast.Call) else [])
        return call


def names_of_target(frame: FrameType, count: int) -> list[str]:
    """The names of the losses in a call of `tape.gradient` that a frame is at: `loss` where nothing tells."""
    call = call_of(frame)
    given = None
    if call is not None:
        given = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "target"), None)
    parts = given.elts if isinstance(given, (ast.List, ast.Tuple)) else [given]
    if len(parts) != count:
        parts = [given] * count
    names = [_name(part) for part in parts]
    return [name if names.count(name) == 1 else f"{name}[{at}]" for at, name in enumerate(names)]


def _name(given: ast.expr | None) -> str:
    for _ in range(SPLICED):
        if (
            isinstance(given, ast.Call)
            and isinstance(given.func, ast.Attribute)
            and given.func.attr in _ITSELF
            and given.args
        ):
            given = given.args[0]
    return text_of(given) if given is not None else "loss"


def variable_of(frame: FrameType | None, held: Any) -> str:
    """The name of the variable that holds an object, near a frame, or its place in one: `errors[0]`, or its key;
    nothing where there is none."""
    own: list[str] = []
    placed: list[str] = []
    containers: set[str] = set()
    for name, value in objects_around(frame, is_theirs):
        if value is held:
            (placed if name in containers else own).append(name)
        elif type(value) is dict and len(value) <= ENTRIES:
            placed += [str(key) for key, entry in list(value.items()) if entry is held]
        elif type(value) in (list, tuple) and len(value) <= ENTRIES:
            containers.add(name)
            placed += [f"{name}[{at}]" for at, entry in enumerate(value) if entry is held and name]
    own = [name for name in own if len(name) > 1]  # `m` goes through several
    found = [name for name in own if name not in placed]
    source = of_source(frame) if placed else None
    passing = _passing(source.f_code.co_filename) if source is not None else ()
    found = [name for name in found if name not in passing] or [name for name in placed if name not in containers]
    return next(iter(found or own), "")


@functools.lru_cache(maxsize=ENTRIES)
def _passing(file: str) -> frozenset[str]:
    """The names of the variables that go through what is iterated, in a file of the program's."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return frozenset()
    targets = [node.target for node in ast.walk(tree) if isinstance(node, (ast.For, ast.comprehension))]
    return frozenset(part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name))
