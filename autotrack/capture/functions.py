"""The settings in the variables of the functions that run as a training begins: `def main(): batch_size = 64` is one as
well as at the top of a program.

Of each function of the program's own that is on the stack: what it assigns once, outside of loops, and does not compute
with a call; parameters that have a default, and all those of a function that stands around the loop of the training;
objects that hold settings; and of the object whose method it is what was given to its constructor.  A counter, a value
that comes and goes, data, or what the program was given by other means and is on record for that, is none.
"""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import itertools
import linecache
import math
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

from autotrack.capture import configuration, program, shown
from autotrack.capture.arguments import given
from autotrack.capture.variables import ITEMS, TEXT, begins, is_data, kept, makes, settings_in, speaks
from autotrack.job import Job
from autotrack.printed.words import is_setting, name_of

DEPTH = 30
"""Frames that are looked at."""
LONGEST = 100_000
"""Bytes of the code of a function that is read, characters of a source."""
SETTINGS = 500
"""Settings that are kept."""
KNOWN = 0.5
"""Share of the settings in an object that are on record already, from which on it is taken for what is on record."""
_OWN = ("self", "cls")
_WITHIN = frozenset(("torch", "autotrack", "autotrack_torch"))
"""Libraries that call nothing of the program's again and again."""
_RANKS = frozenset(("rank", "local_rank", "global_rank", "node_rank"))


class _Assigned:
    """What the code of a function assigns."""

    def __init__(self, code: CodeType) -> None:
        self.changing: set[str] = set()
        self.called: set[str] = set()
        self.once: set[str] = set()
        self.built: set[str] = set()
        """Given a list or dict that the code makes of others, or fills."""
        instructions = list(dis.get_instructions(code))
        self.loops = [(ins.argval, ins.offset) for ins in instructions if "JUMP_BACKWARD" in ins.opname]
        called, built, empty = False, False, 0
        before, stored, ended = instructions[0], False, False
        for ins in instructions:
            names = _stored_by(ins)
            if ended or (stored and not names) or (ins.starts_line and before.opname.startswith("POP_JUMP")):
                called, built, empty = False, False, 0  # another statement begins
            called = called or ins.opname in ("CALL", "CALL_KW", "CALL_FUNCTION_EX")
            empty += begins(ins.opcode, ins.arg)
            built = built or makes(ins.opcode, ins.argval) or (bool(names) and empty > 0)
            for name in names:
                if name in self.once or self.is_looping(ins.offset):
                    self.changing.add(name)
                self.once.add(name)
                if called:
                    self.called.add(name)
                if built:
                    self.built.add(name)
            ended = ins.opname == "POP_TOP" and before.opname != "END_FOR"  # which a comprehension may have as well
            before, stored = ins, bool(names)

    def is_looping(self, offset: int) -> bool:
        """Whether a place in the code is within a loop."""
        return any(begin <= offset <= end for begin, end in self.loops)


_assigned = functools.lru_cache(maxsize=256)(_Assigned)


def _stored_by(ins: dis.Instruction) -> tuple[str, ...]:
    if ins.opname in ("STORE_FAST", "STORE_DEREF"):
        return (ins.argval,)
    if ins.opname == "STORE_FAST_STORE_FAST":
        return tuple(ins.argval)
    return (ins.argval[0],) if ins.opname == "STORE_FAST_LOAD_FAST" else ()


def settings(job: Job, frame: FrameType | None) -> dict[str, Any]:
    """The settings by their names, those of the innermost function first, in a place where a training begins."""
    known = {name: value for said in given(job).every() for name, value in said.values.items()}
    found: dict[str, Any] = {}
    for inner, around in _functions(frame):
        for name, value in _of(inner, around):
            if isinstance(value, dict):
                within = configuration.flattened({name: value})
                again = [configuration.same(known.get(key.rpartition(".")[2]), entry) for key, entry in within.items()]
                if sum(again) <= KNOWN * len(again):
                    found = {**within, **found}
            elif not configuration.same(known.get(name), value):
                found.setdefault(name, value)
    return dict(itertools.islice(found.items(), SETTINGS))


def _functions(frame: FrameType | None) -> Iterator[tuple[FrameType, bool]]:
    """The program's functions from the innermost one on, and whether a function has or stands around the loop in which
    all the others are called."""
    around = False
    for _ in range(DEPTH):
        if frame is None:
            return
        module = str(frame.f_globals.get("__name__"))
        if not program.owns(module):
            around = around or module.partition(".")[0] not in _WITHIN
        elif frame.f_code.co_flags & inspect.CO_OPTIMIZED and len(frame.f_code.co_code) <= LONGEST:
            around = around or _assigned(frame.f_code).is_looping(frame.f_lasti)
            yield frame, around
        frame = frame.f_back


def _of(frame: FrameType, around: bool) -> Iterator[tuple[str, Any]]:
    code = frame.f_code
    assigned = _assigned(code)
    count = code.co_argcount + code.co_kwonlyargcount
    parameters = _parameters(frame, code.co_varnames[:count])
    held = shown.variables(frame)
    if code.co_argcount and code.co_varnames[0] == "self":
        yield from _given_to(held.get("self"), frame)
    for name, value in held.items():
        if name.startswith("_") or name in _OWN or name in assigned.changing or shown.counts(name):
            continue
        if type(value) in configuration.SCALARS or type(value) in (list, tuple):
            if not _is_plain(value) or value is None:
                continue
            if name in parameters and name not in assigned.once:
                if parameters[name] or is_setting(name) or (around and _is_given(name, value)):
                    yield name, kept(value)
            elif name in assigned.once and (name not in assigned.called or is_setting(name)):
                if is_data(name, value, built=name in assigned.built) or _is_beginning(name, value):
                    continue
                yield name, kept(value)
        elif name in assigned.once or name in parameters:
            made = name in parameters or name in assigned.called
            if not is_data(name, value, built=name in assigned.built, called=made):
                yield from _held_in(name, value)


def _is_beginning(name: str, value: Any) -> bool:
    """Whether this is a result that there is none of yet."""
    return type(value) in (int, float) and value in (0, 1, math.inf, -math.inf) and name_of(name).kind == "metric"


def _given_to(owner: Any, frame: FrameType) -> Iterator[tuple[str, Any]]:
    """What an object of the program's keeps under the name of a parameter of its constructor; of what it does not keep
    what the one call of the constructor says."""
    stored = configuration.stored(owner)
    names = _constructed(type(owner)) if stored else []
    passed = {name for name in names if name not in stored and f"_{name}" not in stored}
    if passed:
        said = _said_to(type(owner), frame)
        yield from ((name, kept(said[name])) for name in names if name in passed and said.get(name) is not None)
    for name in names:
        value = stored.get(name, stored.get(f"_{name}"))
        if type(value) in configuration.SCALARS or type(value) in (list, tuple):
            if value is not None and _is_plain(value) and (type(value) is not list or speaks(name)):
                yield name, kept(value)
        elif not is_data(name, value, built=False, called=True):
            yield from _held_in(name, value)


def _said_to(cls: type, frame: FrameType | None) -> dict[str, Any]:
    """What the only call of a class says for each parameter of its constructor, as far as that is written there or is a
    default: the only one in the sources of the functions on the stack."""
    made = next((vars(base)["__init__"] for base in cls.__mro__ if "__init__" in vars(base)), None)
    if not inspect.isfunction(made):
        return {}
    files: dict[str, None] = {}
    for _ in range(DEPTH):
        if frame is None:
            break
        if program.owns(str(frame.f_globals.get("__name__"))):
            files[frame.f_code.co_filename] = None
        frame = frame.f_back
    calls = [call for file in files for call in _calls_in(file).get(cls.__name__, ())]
    if len(calls) != 1:
        return {}
    call, code = calls[0], made.__code__
    positional = code.co_varnames[1 : code.co_argcount]
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if None in keywords or any(isinstance(node, ast.Starred) for node in call.args):
        return {}
    defaults = dict(zip(reversed(positional), reversed(made.__defaults__ or ()), strict=False))
    said = {**defaults, **(made.__kwdefaults__ or {})}
    for name, node in (*zip(positional, call.args, strict=False), *keywords.items()):
        try:
            said[str(name)] = ast.literal_eval(node)
        except ValueError:  # it is computed
            said.pop(str(name), None)
    return {name: value for name, value in said.items() if type(value) in configuration.SCALARS}


@functools.lru_cache(maxsize=64)
def _calls_in(file: str) -> dict[str, list[ast.Call]]:
    """The calls in a source, by the last name of what is called."""
    source = "".join(linecache.getlines(file))
    found: dict[str, list[ast.Call]] = {}
    try:
        tree = ast.parse(source if len(source) <= LONGEST else "")
    except (SyntaxError, ValueError):
        return found
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Name, ast.Attribute)):
            name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            if name[:1].isupper() or name[:1] == "_":
                found.setdefault(name, []).append(node)
    return found


def _held_in(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    within = _plain_in(settings_in(name, value) or {}, configuration.DEPTH)
    if within:
        yield name, within


def _constructed(cls: type) -> list[str]:
    """The parameters of the constructors that the program has written for a class."""
    names: dict[str, None] = {}
    for base in cls.__mro__:
        code = getattr(vars(base).get("__init__"), "__code__", None)
        if isinstance(code, CodeType) and program.owns(base.__module__):
            names.update(dict.fromkeys(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]))
    return list(names)


def _is_given(name: str, value: Any) -> bool:
    """Whether an argument without a default is a setting, and neither data nor a result so far."""
    if type(value) is str:
        return len(value) <= TEXT
    if type(value) is list:
        return speaks(name)
    return name not in _RANKS and (type(value) is bool or name_of(name).kind not in ("metric", "counter"))


def _plain_in(settings: dict[str, Any], depth: int) -> dict[str, Any]:
    """What of the settings in an object is plain: no repr of anything else is asked for."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if type(value) in configuration.SCALARS or (type(value) in (list, tuple) and _is_plain(value)):
            found[name] = value
        elif type(value) not in (list, tuple) and depth:
            inner = _plain_in(configuration.members(value) or {}, depth - 1)
            if inner:
                found[name] = inner
    return found


def _is_plain(value: Any) -> bool:
    if type(value) in (list, tuple):
        return 0 < len(value) <= ITEMS and all(type(entry) in configuration.SCALARS for entry in value)
    return True


def _parameters(frame: FrameType, names: tuple[str, ...]) -> dict[str, bool]:
    """The parameters of the function that a frame is of, and whether they have a default, as far as the function can be
    found by its name."""
    code = frame.f_code
    function = frame.f_globals.get(code.co_name)
    function = inspect.unwrap(function) if inspect.isfunction(function) else None
    if function is None or function.__code__ is not code:
        return dict.fromkeys(names, False)
    positional = names[: code.co_argcount]
    with_default = set(positional[len(positional) - len(function.__defaults__ or ()) :])
    with_default |= set(function.__kwdefaults__ or ())
    return {name: name in with_default for name in names}
