"""The settings that stand at the top of a program: `batch_size = 64` is a hyperparameter.

Read where the first training begins.  Which variables are settings is told by the code of the main program: what it
assigns itself, once, outside of loops.  A value that changes from one pass of a loop to the next, a counter, the time,
or what was imported from a library is none.
"""

from __future__ import annotations

import functools
import opcode
import re
import sys
import time
from types import CodeType, FunctionType, ModuleType

from autotrack import notebook
from autotrack.capture import arguments, configuration, program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from autotrack.job import Job

ITEMS = 20
"""Entries of a list or dict that is a setting: a longer one is data."""
TABLE = 4
"""Entries of one form from which on a dict is one to choose from."""
DEPTH = 3
"""Objects within objects in which settings are looked for."""
TEXT = 200
"""Characters of a text that are kept; one that was read from somewhere is none beyond."""
SLACK = 5.0
"""Seconds that a program may have run before recording began."""

_STORE, _EXTENDED = (opcode.opmap[name] for name in ("STORE_NAME", "EXTENDED_ARG"))
_STORE_GLOBAL = opcode.opmap["STORE_GLOBAL"]
_IMPORT = frozenset(opcode.opmap[name] for name in ("IMPORT_NAME", "IMPORT_FROM"))
_BACK = frozenset(number for name, number in opcode.opmap.items() if "JUMP_BACKWARD" in name)
_CALLS = frozenset(number for name, number in opcode.opmap.items() if name in ("CALL", "CALL_KW", "CALL_FUNCTION_EX"))
_CACHE = opcode.opmap["CACHE"]
HOLDERS = frozenset(
    "args arguments cfg conf config configs configuration flags hparams hparam hyperparameters hyperparams hps hp opt "
    "opts options params parameters settings setup".split()
)
"""Names under which programs keep an object that holds their settings."""
SPEAKING = 4
"""Attributes named as hyperparameters are, by which an object of any name is known to hold the settings."""
_HYPERPARAMETERS = frozenset(
    "batch dropout epoch epochs hidden iteration iterations layer layers lr momentum optimizer seed decay clip dim "
    "heads gamma".split()
)
_SIZES = frozenset("sizes size units channels widths filters kernels strides features depths dims shape".split())
_MAKING = frozenset(opcode.opmap[name] for name in ("LIST_APPEND", "MAP_ADD", "SET_ADD"))
_POP, _CONSTANT = opcode.opmap["POP_TOP"], opcode.opmap["LOAD_CONST"]
_EMPTY = frozenset(opcode.opmap[name] for name in ("BUILD_LIST", "BUILD_MAP"))
_PADDING = bytes((_EXTENDED, _CACHE))
_FILLING = frozenset(opcode.opmap[name] for name in ("LIST_EXTEND", "DICT_UPDATE", "DICT_MERGE", "BINARY_OP"))
_WRITERS = frozenset(("exec", "globals", "vars", "locals"))


def settings(
    variables: Mapping[str, Any], codes: Sequence[Assigned], age: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The scalars, and the settings in objects, of a main program with these variables."""
    scalars: dict[str, Any] = {}
    objects: dict[str, Any] = {}
    own = [(name, value) for name, value in list(variables.items()) if type(name) is str and _is_set(name, codes)]
    made = {type(value) for _, value in own}
    for name, value in own:
        if name.startswith("_") or (type(value) is type and value in made):  # the object counts, not its class
            continue
        called = any(name in code.called for code in codes)
        if is_data(name, value, built=any(name in code.built for code in codes), called=called):
            continue
        holder = settings_in(name, value)
        if holder is not None:
            objects[name] = holder
        elif _is_setting(value) and not (called and _comes_of_itself(value, age)):
            scalars[name] = kept(value)
    return scalars, objects


def kept(value: Any) -> Any:
    """A setting; of a long text the beginning."""
    cut = isinstance(value, str) and len(value) > TEXT
    return {"$cut": value[:TEXT], "length": len(value)} if cut else value


def _is_set(name: str, codes: Sequence[Assigned]) -> bool:
    return any(code.sets(name) for code in codes) and not any(name in code.changing for code in codes)


def _is_scalar(value: Any) -> bool:
    return type(value) in (bool, int, float, str)


def _is_setting(value: Any) -> bool:
    if type(value) in (list, tuple):
        return 0 < len(value) <= ITEMS and all(_is_scalar(entry) or entry is None for entry in value)
    return _is_scalar(value)


def is_data(name: str, value: Any, *, built: bool, called: bool = False) -> bool:
    """Whether a list or dict is data: `built` by a comprehension or filled, or what a call has returned."""
    if type(value) is dict:
        if not (built or called) or name.lower() in HOLDERS:
            return False
        speaking = sum(type(key) is str and speaks(key) for key in value)
        return (built and not speaking) or (_is_index(value) and 2 * speaking < len(value))
    words = re.split(r"[^a-z]+", name.lower())
    return type(value) in (list, tuple) and (built or called) and not (speaks(name) or not _SIZES.isdisjoint(words))


def _is_index(values: dict[Any, Any]) -> bool:
    """Whether it numbers something, as a vocabulary does."""
    numbers = list(values.values())
    if not 1 < len(numbers) <= ITEMS * 2 or any(type(number) is not int for number in numbers):
        return False
    return max(numbers) - min(numbers) == len(numbers) - 1 and len(set(numbers)) == len(numbers)


def _is_table(name: str, values: dict[str, Any]) -> bool:
    """Whether a dict lists what the program chooses from: entries of one form, `{"mnist": {...}, "cifar": {...}}`."""
    if type(values) is not dict or len(values) < TABLE or name.lower() in HOLDERS:
        return False
    forms = {tuple(sorted(map(str, entry))) if type(entry) is dict else () for entry in values.values()}
    return len(forms) == 1 and () not in forms and len({key.rstrip("0123456789_") for key in values}) >= TABLE


def makes(operation: int, constant: Any) -> bool:
    """Whether an instruction is one of a comprehension."""
    if operation == _CONSTANT:
        return isinstance(constant, CodeType) and constant.co_name in ("<listcomp>", "<dictcomp>", "<genexpr>")
    return operation in _MAKING


def begins(operation: int, argument: int | None) -> int:
    """1 for an instruction that makes an empty list or dict, -1 for one that fills one at once or adds to it."""
    if operation in _EMPTY:
        return not argument
    return -(operation in _FILLING)


def _comes_of_itself(value: Any, age: float) -> bool:
    """Whether what a call has returned is data that was read, or the time of a clock since the program began, which
    was `age` seconds ago."""
    if isinstance(value, float):
        return any(0 <= now - value <= age for now in (time.time(), time.monotonic(), time.perf_counter()))
    return isinstance(value, str) and len(value) > TEXT


def settings_in(name: str, value: Any) -> dict[str, Any] | None:
    """The settings in a variable's object; of a class as programs write them, `class Config: lr = 0.1`, where the
    name says what it is."""
    kind = type(value)
    if kind in (bool, int, float, str, list, tuple, type(None), ModuleType, FunctionType):
        return None
    if kind is dict:
        flat = 0 < len(value) <= ITEMS * 2 and all(type(key) is str for key in value)
        return value if flat and all(_may_hold(entry) for entry in value.values()) else None
    held = configuration.members(value) if kind is not type else None
    cls = value if kind is type else kind
    if held is not None or not program.owns(cls.__module__):
        return held or None
    if kind is type and "__dataclass_fields__" in vars(cls):
        return None
    found = _stored_in(value, cls, DEPTH)
    if name.lower() in HOLDERS:
        return found or None
    speaking = [key for key in found if speaks(key)]
    return found if kind is not type and len(speaking) >= SPEAKING else None


def speaks(name: str) -> bool:
    """Whether a name is one of a hyperparameter."""
    return not _HYPERPARAMETERS.isdisjoint(re.split(r"[^a-z]+", name.lower()))


def _stored_in(value: Any, cls: type, depth: int) -> dict[str, Any]:
    """The settings that an object of the program's stores, or its class, with those of such objects within."""
    stored = {key: entry for base in reversed(cls.__mro__[:-1]) for key, entry in vars(base).items()}
    if value is not cls:
        stored.update(configuration.stored(value))
    found: dict[str, Any] = {}
    for key, entry in stored.items():
        if type(key) is not str or key[:1] == "_":
            continue
        if _may_hold(entry):
            found[key] = entry
        elif depth and type(entry) is not type and program.owns(type(entry).__module__):
            within = _stored_in(entry, type(entry), depth - 1)
            if within:
                found[key] = within
    return found


def _may_hold(value: Any) -> bool:
    return _is_setting(value) or value is None or (type(value) is dict and len(value) <= ITEMS)


class Assigned:
    """What the code of a module assigns, and how: read from its bytecode, which takes no parsing."""

    def __init__(self, code: CodeType) -> None:
        self.called: set[str] = set()
        """Names that are given what a call returns, or what is made of that."""
        self.built: set[str] = set()
        """Names that are given a list or dict which the code makes of others, or fills."""
        self.changing: set[str] = set()
        """Names whose values come and go: in loops, or from within functions."""
        self.repeated: set[str] = set()
        """Settings that are assigned more than once, as `lr = 0.1; train(); lr = 0.2; train()` does."""
        self._settings: set[str] = set()
        self._imported: set[str] = set()
        inner = list(_functions(code))
        for function in inner:
            self.changing.update(_stored(function, _STORE_GLOBAL))
        self._used = set(code.co_names).union(*(function.co_names for function in inner))
        self._writes = not _WRITERS.isdisjoint(code.co_names)
        self._read(code)

    def sets(self, name: str) -> bool:
        """Whether a variable of this name is one of the program's settings."""
        if name in self._settings:
            return True
        # A configuration file that the program executes sets what the program uses.
        return self._writes and name in self._used and name not in self._imported

    def _read(self, code: CodeType) -> None:
        words = code.co_code
        operations, arguments = words[0::2], words[1::2]
        loops = list(_loops(operations, arguments))
        making = list(_making(code, operations, arguments))
        empty = list(_beginning(operations, arguments))
        module, last, called, built = "", 0, False, False
        for at, number in _stores(operations, arguments, _STORE):
            name = code.co_names[number]
            before = _before(operations, at)
            if operations[before] in _IMPORT:
                module = _module_of(code, operations, arguments, before) or module
                if not (module and operations[before] == opcode.opmap["IMPORT_FROM"] and program.owns(module)):
                    self._imported.add(name)
                    self._settings.discard(name)
                    continue
            if any(begin <= at <= end for begin, end in loops):
                self.changing.add(name)
            elif name in self._settings:
                self.repeated.add(name)
            else:
                self._settings.add(name)
            if operations[last + 1 : at].strip(_PADDING):  # else it is unpacked with the one before
                begin = max(last, operations.rfind(_POP, last, at))
                called = not _CALLS.isdisjoint(operations[begin:at])
                built = any(begin <= place < at for place in making)
                built = built or sum(count for place, count in empty if begin <= place < at) > 0
            if called:
                self.called.add(name)
            if built:
                self.built.add(name)
            last = at


def _functions(code: CodeType) -> Iterator[CodeType]:
    waiting = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    while waiting:
        function = waiting.pop()
        yield function
        waiting.extend(constant for constant in function.co_consts if isinstance(constant, CodeType))


def _stored(code: CodeType, operation: int) -> Iterator[str]:
    words = code.co_code
    return (code.co_names[number] for _, number in _stores(words[0::2], words[1::2], operation))


def _stores(operations: bytes, arguments: bytes, operation: int) -> Iterator[tuple[int, int]]:
    at = operations.find(operation)
    while at >= 0:
        yield at, _argument(operations, arguments, at)
        at = operations.find(operation, at + 1)


def _argument(operations: bytes, arguments: bytes, at: int) -> int:
    number, shift, before = arguments[at], 8, at - 1
    while before >= 0 and operations[before] == _EXTENDED:
        number |= arguments[before] << shift
        shift, before = shift + 8, before - 1
    return number


def _before(operations: bytes, at: int) -> int:
    """The instruction before another one."""
    at -= 1
    while at > 0 and operations[at] in (_CACHE, _EXTENDED):
        at -= 1
    return max(at, 0)


def _loops(operations: bytes, arguments: bytes) -> Iterator[tuple[int, int]]:
    """Where loops begin and end."""
    for back in _BACK:
        for at, distance in _stores(operations, arguments, back):
            yield max(0, at + 1 - distance), at


def _making(code: CodeType, operations: bytes, arguments: bytes) -> Iterator[int]:
    """Where comprehensions are."""
    for operation in _MAKING:
        yield from (at for at, _ in _stores(operations, arguments, operation))
    if any(makes(_CONSTANT, constant) for constant in code.co_consts):
        for at, number in _stores(operations, arguments, _CONSTANT):
            if makes(_CONSTANT, code.co_consts[number]):
                yield at


def _beginning(operations: bytes, arguments: bytes) -> Iterator[tuple[int, int]]:
    """Where lists and dicts begin that are empty, and where those are filled at once."""
    for operation in _EMPTY | _FILLING:
        for at, number in _stores(operations, arguments, operation):
            yield at, begins(operation, number)


def _module_of(code: CodeType, operations: bytes, arguments: bytes, at: int) -> str:
    """The module that is imported from here: of the nearest IMPORT_NAME."""
    number = opcode.opmap["IMPORT_NAME"]
    found = operations.rfind(number, 0, at + 1)
    return code.co_names[_argument(operations, arguments, found)] if found >= 0 else ""


class Variables:
    """The settings of a job's main program.  In a notebook they are read again for each cell that trains."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._cells: list[Assigned] = []
        self._read_at = -1

    def look(self) -> None:
        """Read them, as the next training begins."""
        cells = notebook.cells()
        if cells is None:
            code = program.main_code()
            self._record([Assigned(code)] if code is not None else [])
            return
        if self._read_at != len(cells):
            self._read_at = len(cells)
            for source in cells[len(self._cells) :]:
                self._cells.append(Assigned(_compiled(source)))
            self._record(self._cells)
        self._job.before_next_training.append(self.look)

    def _record(self, codes: Sequence[Assigned]) -> None:
        scalars, objects = settings(_main(), codes, time.time() - self._job.started + SLACK)
        given = arguments.given(self._job)
        for name, values in objects.items():
            if _is_table(name, values):
                known = {str(value) for said in given.every() for value in said.values.values()}
                known |= {value for value in scalars.values() if type(value) is str}
                chosen = {key: entry for key, entry in values.items() if key in known}
                given.add("config", "variable", name, {name: chosen} if chosen else {})
            elif not given.update(values, functools.partial(_held, name)):
                bare = name.lower() in HOLDERS
                named = values if bare else {name: values}
                given.add("config", "variable", name, named, again=functools.partial(_held, name, bare=bare))
        repeated = [name for name in scalars if any(name in code.repeated for code in codes)]
        again = functools.partial(_now, repeated) if repeated else None
        given.add("global", "variables", "", scalars, again=again)


def _main() -> dict[str, Any]:
    return vars(sys.modules["__main__"])


def _held(name: str, *, bare: bool = True) -> dict[str, Any] | None:
    """The settings that are in the variable's object by now."""
    values = settings_in(name, _main().get(name))
    return values if bare or values is None else {name: values}


def _now(names: Sequence[str]) -> dict[str, Any]:
    variables = _main()
    return {name: kept(variables[name]) for name in names if _is_setting(variables.get(name))}


def _compiled(source: str) -> CodeType:
    """The code of a cell, which may await."""
    code: CodeType
    try:
        code = compile(source, "<cell>", "exec", flags=0x2000, dont_inherit=True)  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    except (SyntaxError, ValueError):
        code = compile("", "<cell>", "exec")
    return code
