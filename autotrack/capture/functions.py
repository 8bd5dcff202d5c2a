"""The settings in the variables of the functions that run as a training begins: `def main(): batch_size = 64` is one as
well as at the top of a program.

Of each function of the program's own that is on the stack: what it assigns once, outside of loops, and does not compute
with a call; parameters that have a default; and objects that hold settings.  A counter, a value that comes and goes,
or what the program was given by other means and is on record for that, is none.
"""

from __future__ import annotations

import dis
import functools
import inspect
import itertools
from collections.abc import Iterator
from types import CodeType, FrameType
from typing import Any

from autotrack.capture import configuration, program, shown
from autotrack.capture.arguments import given
from autotrack.capture.variables import ITEMS, kept, settings_in
from autotrack.job import Job
from autotrack.printed.words import is_setting

DEPTH = 30
"""Frames that are looked at."""
LONGEST = 100_000
"""Bytes of the code of a function that is read."""
SETTINGS = 500
"""Settings that are kept."""
KNOWN = 0.5
"""Share of the settings in an object that are on record already, from which on it is taken for what is on record."""
_OWN = ("self", "cls")


class _Assigned:
    """What the code of a function assigns."""

    def __init__(self, code: CodeType) -> None:
        self.changing: set[str] = set()
        self.called: set[str] = set()
        self.once: set[str] = set()
        instructions = list(dis.get_instructions(code))
        loops = [(ins.argval, ins.offset) for ins in instructions if "JUMP_BACKWARD" in ins.opname]
        called = False
        for ins in instructions:
            called = called or ins.opname in ("CALL", "CALL_KW", "CALL_FUNCTION_EX")
            names = _stored_by(ins)
            for name in names:
                if name in self.once or any(begin <= ins.offset <= end for begin, end in loops):
                    self.changing.add(name)
                self.once.add(name)
                if called:
                    self.called.add(name)
            called = called and not names


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
    for inner in _functions(frame):
        for name, value in _of(inner):
            if isinstance(value, dict):
                within = configuration.flattened({name: value})
                again = [configuration.same(known.get(key.rpartition(".")[2]), entry) for key, entry in within.items()]
                if sum(again) <= KNOWN * len(again):
                    found = {**within, **found}
            elif not configuration.same(known.get(name), value):
                found.setdefault(name, value)
    return dict(itertools.islice(found.items(), SETTINGS))


def _functions(frame: FrameType | None) -> Iterator[FrameType]:
    for _ in range(DEPTH):
        if frame is None:
            return
        own = frame.f_code.co_flags & inspect.CO_OPTIMIZED and program.owns(str(frame.f_globals.get("__name__")))
        if own and len(frame.f_code.co_code) <= LONGEST:
            yield frame
        frame = frame.f_back


def _of(frame: FrameType) -> Iterator[tuple[str, Any]]:
    code = frame.f_code
    assigned = _assigned(code)
    count = code.co_argcount + code.co_kwonlyargcount
    parameters = _parameters(frame, code.co_varnames[:count])
    held = shown.variables(frame)
    for name, value in held.items():
        if name.startswith("_") or name in _OWN or name in assigned.changing or shown.counts(name):
            continue
        if type(value) in configuration.SCALARS or type(value) in (list, tuple):
            if not _is_plain(value) or value is None:
                continue
            if name in parameters and name not in assigned.once:
                if parameters[name] or is_setting(name):
                    yield name, kept(value)
            elif name in assigned.once and (name not in assigned.called or is_setting(name)):
                yield name, kept(value)
        elif name in assigned.once or name in parameters:
            within = _plain_in(settings_in(name, value) or {}, configuration.DEPTH)
            if within:
                yield name, within


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
