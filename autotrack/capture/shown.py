"""A call that prints, and what of the program's variables is worth reading when it does.

Reading the variables of a function keeps them alive, before Python 3.13, unless the copy is let go of.
"""

from __future__ import annotations

import sys
from sys import getrefcount

from autotrack.patterns import lazily

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, FrameType
    from typing import Any

    from autotrack.context import Place

CALLS = 20_000
"""Calls that print which are told from one another."""
CALLERS = 5
"""Functions around a print in which a counter is looked for."""

_ASKS = frozenset("locals vars dir eval exec globals".split())
"""Functions whose result is the very mapping that a look at the frame's variables brings up to date."""
_ASKS_OF_FRAMES = frozenset("f_locals _getframe currentframe".split())
"""The same by any way, an attribute too; `model.eval()` and `torch.stack()` are something else than `eval()`."""
_NOTHING = object()
_bases = type.__dict__["__mro__"].__get__
"""The classes that a class is made of, without asking a metaclass."""
_HELD_HERE = 3
"""References to `f_locals` while it is looked at: of the frame, the variable, the argument."""
_HELD_BY_US = 4
"""While `let_go` looks, which has it in a parameter."""
_SNAPSHOTS = sys.version_info < (3, 13)
"""Whether `f_locals` is a copy that the frame keeps."""
same = object.__hash__
"""The identity of a code object, as a number: its own hash takes 5 to 20 µs.  `id` would do, and is audited."""
_OPTIMIZED = 1
"""`CO_OPTIMIZED`: the variables of such code are no mapping of the user's."""


class PrintCall:
    """One place in the program that prints."""

    __slots__ = (
        "analysed",
        "at",
        "code",
        "counted",
        "is_print",
        "named",
        "names",
        "numbers",
        "optimized",
        "outside",
        "passes",
        "redefined",
        "site",
        "tried",
        "writes",
    )

    def __init__(self, code: CodeType, at: int, passes: bool) -> None:
        self.code, self.at = code, at
        self.passes = passes
        """Whether it only hands on what another one prints."""
        self.names: tuple[str, ...] = ()
        """The variables that are worth reading when it prints."""
        self.named = False
        """Whether these are known yet; until then it is all of them."""
        self.optimized = bool(code.co_flags & _OPTIMIZED)
        self.outside = tuple(filter(_COUNTER.fullmatch, code.co_names)) if self.optimized else ()
        """Variables of the module that may count."""
        self.redefined = False
        """Whether `print` is something else where it is called."""
        self.is_print = False
        """Whether it is known for a `print` that writes several times, and a line feed at last."""
        self.writes = 0
        """After how many writes the text of such a one is at its end that writes no line feed; 0 for others."""
        self.analysed: Any = None
        """What its source says, where that can't wait."""
        self.site: Any = None
        """What the watch knows of it."""
        self.counted = False
        """Whether it is known to stand in a loop that counts, or to print nothing: who calls it does not matter."""
        if self.optimized and asks_for_locals(code):
            self.named = self.counted = True
        self.tried = self.numbers = 0
        """How often it has printed while there was nothing else to record, and how often a number."""

    def variables(self, frame: FrameType) -> dict[str, object] | None:
        """The scalars among the variables of the frame that prints: of those that are worth it, or of all."""
        names: Any = self.names
        if self.named and not names and self.counted:
            return None
        variables: Any = frame.f_locals
        if not self.named:
            names = (*(variables if self.optimized else self.code.co_names), *self.outside)
        found: dict[str, object] = {}
        for name in names:
            value: Any = variables.get(name, _NOTHING)
            if value is _NOTHING:
                value = frame.f_globals.get(name)
            kind = type(value)
            if kind is float or kind is int or kind is str or kind is bool:
                found[name] = value
            elif "numpy" in sys.modules and sys.modules["numpy"].generic in _bases(kind):
                found[name] = value.item()
        if _SNAPSHOTS and self.optimized and getrefcount(variables) <= _HELD_HERE and not _traced(frame):
            variables.clear()
        del variables
        if not self.counted:
            _count(frame, found)
        return found


CALLERS_OF = "%callers"
"""Under which the values of a print have the code of the functions that have called the one which prints."""
STEP = "%step"
"""Under which the values of a print have how many steps the training has made that it happened in."""


def with_step(values: dict[str, object] | None, place: Place | None) -> dict[str, object] | None:
    """The variables of a print, with the step of the training that it is in, where that is known."""
    counter = place.counter if place is not None else None
    if counter is None:
        return values
    values = {} if values is None else values
    values[STEP] = counter.count
    return values


def package_of(frame: FrameType) -> str:
    """The package, or the module, that a frame's code is of."""
    name = frame.f_globals.get("__name__")
    return name.partition(".")[0] if isinstance(name, str) else ""


def variables(frame: FrameType) -> dict[str, Any]:
    """The variables of a frame.  Not `frame.f_locals`: before Python 3.13 that keeps them alive with the frame, in a
    training loop the batch and the graph of a loss.  None where the program may have that very mapping, or a tracer or
    profiler is about, with which it would stay."""
    if _SNAPSHOTS and frame.f_code.co_flags & _OPTIMIZED and (_traced(frame) or asks_for_locals(frame.f_code)):
        return {}
    held = frame.f_locals
    found = dict(held)
    if held is not frame.f_globals and frame.f_code.co_flags & _OPTIMIZED:
        let_go(frame, held)
    return found


def counts(name: str) -> bool:
    """Whether a variable is named as what counts steps or rounds."""
    return _COUNTER.fullmatch(name) is not None


def let_go(frame: FrameType, variables: Any) -> None:
    """Empty the copy of its variables that a frame keeps, which would keep them alive for as long as the frame is; not
    where somebody else has it, or a tracer or profiler is about, after which it is copied back."""
    if _SNAPSHOTS and not _traced(frame) and getrefcount(variables) <= _HELD_BY_US:
        variables.clear()


def _traced(frame: FrameType) -> bool:
    return sys.gettrace() is not None or sys.getprofile() is not None or frame.f_trace is not None


def _count(frame: FrameType, found: dict[str, object]) -> None:
    """Add under `^` and its name the counter of rounds that the function around a print has, or one that calls it; of
    steps, that of one that calls it; under `CALLERS_OF` the functions up to there."""
    outer: FrameType | None = frame
    steps: dict[str, object] = {}
    within: list[CodeType] = []
    for _ in range(CALLERS):
        if outer is None:
            found.update(steps)
            break
        code = outer.f_code
        names = _counters.get(same(code))
        if names is None:
            names = _counters_of(code)
        variables = outer.f_locals if names else {}
        counted = False
        for name in names:  # no generator: that would hold `variables` once more
            if type(variables.get(name)) is int:
                if _ROUND.fullmatch(name):
                    found[f"^{name}"], counted = variables[name], True
                    break
                if outer is not frame and not steps:
                    steps[f"^{name}"] = variables[name]
        if names and code.co_flags & _OPTIMIZED:
            let_go(outer, variables)
        if outer is not frame:
            within.append(code)
        if counted:
            break
        outer = outer.f_back
    else:
        found.update(steps)
    if within:
        found[CALLERS_OF] = within


_ROUND = lazily(
    r"(?:i_|n_|cur_|current_|this_)?(?:epoch|ep|episode|round|iteration|global_step)(?:_?(?:idx|i|num|id|count))?"
)
_COUNTER = lazily(
    rf"{_ROUND.pattern}|(?:i_|n_|cur_|current_|this_|num_|total_)?"
    r"(?:step|steps|timestep|timesteps|iter|update|frame)(?:_?(?:idx|i|num|id|count))?|t|it"
)
_counters: dict[int, tuple[str, ...]] = {}
"""By the identity of a code object, its variables that count rounds."""
_held: list[CodeType] = []
"""Whose identities are keys."""


def asks_for_locals(code: CodeType) -> bool:
    """Whether a function may have the very mapping that a look at its variables brings up to date."""
    names = code.co_names
    if not _ASKS_OF_FRAMES.isdisjoint(names) or ("inspect" in names and "stack" in names):
        return True
    if _ASKS.isdisjoint(names):
        return False
    return "builtins" in names or not _ASKS.isdisjoint(_globals_of(code))


def _globals_of(code: CodeType) -> list[str]:
    """The names that a function's code looks up as such, not as attributes."""
    import opcode

    load, extended, words, found, before = opcode.opmap["LOAD_GLOBAL"], opcode.EXTENDED_ARG, code.co_code, [], 0
    for at in range(0, len(words), 2):
        number = words[at + 1] | before
        before = number << 8 if words[at] == extended else 0
        if words[at] == load:
            found.append(code.co_names[number >> 1])
    return found


def hands_on(code: CodeType, at: int) -> bool:
    """Whether a call hands on what its function was given and nothing else, as `print(*args, **kwargs)` does."""
    if code.co_name == "<module>":
        return False
    import opcode

    parameters = code.co_argcount + code.co_kwonlyargcount
    parameters += bool(code.co_flags & _VARARGS) + bool(code.co_flags & _VARKEYWORDS)
    words, given = code.co_code, set()
    call = min(at, len(words) - 2)
    while call > 0 and opcode.opname[words[call]] == "CACHE":  # of the call, where that went on in Python
        call -= 2
    for place in range(call - 2, -2, -2):
        operation, number = opcode.opname[words[place]], words[place + 1]
        if operation in ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW") and number < parameters:
            given.add(number)
        elif operation in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_ATTR", "LOAD_METHOD"):
            break
        elif operation not in _AROUND:
            return False
    named = bool(code.co_flags & _VARKEYWORDS) and parameters - 1 in given
    return len(given) - named == 1


_AROUND = frozenset(
    "CACHE PRECALL KW_NAMES LOAD_CONST PUSH_NULL EXTENDED_ARG BUILD_MAP DICT_MERGE BUILD_LIST LIST_EXTEND "
    "LIST_TO_TUPLE CALL_INTRINSIC_1".split()
)
"""Instructions between a function and its call that give it nothing, or a constant."""
_VARARGS, _VARKEYWORDS = 4, 8


def _counters_of(code: CodeType) -> tuple[str, ...]:
    asks = bool(code.co_flags & _OPTIMIZED) and asks_for_locals(code)
    names = code.co_varnames if code.co_flags & _OPTIMIZED else code.co_names
    found = () if asks else tuple(name for name in names if _COUNTER.fullmatch(name))
    if len(_held) < CALLS:
        _held.append(code)
        _counters[same(code)] = found
    return found


NOWHERE = PrintCall(_counters_of.__code__, 0, passes=False)
"""Stands for a place that is not known, and whose prints are not read."""
