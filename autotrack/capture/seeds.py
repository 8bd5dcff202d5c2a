"""Seeds: the calls that set one, and the states of the global generators as a run begins.  Read, never set.

The functions are replaced in their modules by stand-ins that equal, hash, pickle, copy and print as they do; no
patch of a plugin's kind, which takes wrapt, and 70 ms, in programs that may have no framework at all.  Comparing
states would not do: programs hold most seeds only as a literal in the call, and their generators have often moved
on when a run begins.
"""

from __future__ import annotations

import copy
import hashlib
import operator
import struct
import sys

from autotrack import context, libraries, shield

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from autotrack.job import Job

FUNCTIONS = {"random": ("seed",), "numpy.random": ("seed", "default_rng")}
"""Module to the functions in it that set a seed, in Python and numpy.  Those of a framework are its plugin's, which
tells of a call with `note`."""
_READS = {"random": "getstate", "numpy.random": "get_state"}
"""Module to the function in it that reads the state of its global generator."""
KEPT = 20
"""Calls that are kept; more are counted."""
LONGEST = 200
"""Characters of a seed that is no number."""
_LIBRARIES = ("/site-packages/", "/dist-packages/", "\\site-packages\\")


class _Known:
    """What is known in this process.  It stays when recording is turned off: generators keep their seeds."""

    calls: dict[tuple[str, str, str], dict[str, Any]] = {}
    """By function, seed and place: what was called, from where, and how often."""
    left_out = 0
    changed = False
    last: dict[str, Any] = {}
    """Global generator to the seed that it was given last."""
    fresh: dict[str, tuple[Any, str]] = {}
    """Global generator to a seed, and the digest of the state that it leads to."""
    first: dict[str, str] = {}
    """Global generator to the digest of its state when it was first seen."""
    replaced: list[tuple[Any, str, SeedFunction]] = []


def follow(module: str) -> None:
    """Observe the functions of a module that has been imported."""
    owner = sys.modules[module]
    if not hasattr(owner, _READS[module]):  # one of the user's own, of the same name
        return
    for name in FUNCTIONS[module]:
        original = vars(owner).get(name)
        if callable(original) and not isinstance(original, SeedFunction):
            ours = SeedFunction(original, f"{module}.{name}")
            _Known.replaced.append((owner, name, ours))
            setattr(owner, name, ours)
    _see_first(module)


def leave() -> None:
    """Put back what is still ours, also where the user's modules have bound it."""
    replaced, _Known.replaced = _Known.replaced, []
    for owner, name, ours in replaced:
        if vars(owner).get(name) is ours:
            setattr(owner, name, ours.__wrapped__)
    ledger = sys.modules.get("autotrack.ledger")
    for module in ledger._user_modules() if ledger is not None else (sys.modules["__main__"],):
        for name, value in list(libraries.variables_of(module).items()):
            if type(value) is SeedFunction:
                setattr(module, name, value.__wrapped__)
    _Known.calls, _Known.left_out, _Known.changed = {}, 0, False


class SeedFunction:
    """Stands for a function that sets a seed."""

    __slots__ = ("__wrapped__", "_name")

    def __init__(self, original: Any, name: str) -> None:
        self.__wrapped__, self._name = original, name

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        result = self.__wrapped__(*args, **kwargs)
        if context.Current.job is not None:
            seed = args[0] if args else kwargs.get("seed", kwargs.get("a"))
            shield.contain("seeds", _called, self._name, seed, sys._getframe(1))
        return result

    def __getattribute__(self, name: str) -> Any:
        if name in _OWN:
            return object.__getattribute__(self, name)
        return getattr(object.__getattribute__(self, "__wrapped__"), name)

    def __eq__(self, other: object) -> bool:
        if type(other) is SeedFunction:
            other = other.__wrapped__
        return bool(self.__wrapped__ == other)

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    def __reduce_ex__(self, protocol: Any) -> Any:
        reduced = self.__wrapped__.__reduce_ex__(protocol)
        module, _, name = self._name.rpartition(".")
        if reduced != name or vars(sys.modules.get(module, object)).get(name) is self:
            return reduced
        return copy.copy, (self.__wrapped__,)  # it stands there no more

    def __reduce__(self) -> Any:
        return self.__reduce_ex__(2)

    def __copy__(self) -> Any:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return copy.deepcopy(self.__wrapped__, memo)


_OWN = frozenset(("__wrapped__", "_name", "__reduce_ex__", "__reduce__"))


def _called(name: str, seed: Any, frame: FrameType) -> None:
    path = frame.f_code.co_filename
    if name == "numpy.random.default_rng":
        own = not any(folder in path for folder in _LIBRARIES)
        if own and (seed is None or type(seed) in (int, list, tuple) or hasattr(seed, "__index__")):
            note(name, seed, f"{path}:{frame.f_lineno}")
        return
    generator = "python" if name == "random.seed" else "numpy"
    note(name, seed, f"{path}:{frame.f_lineno}", generator=generator)


def note(function: str, seed: Any, where: str, *, generator: str | None = None) -> None:
    """A call that set a seed, of the global `generator` where it is of one; None is a seed of the system's choice.
    For plugins too: `note("torch.manual_seed", 3, "train.py:12", generator="torch")`."""
    if generator is not None:
        _Known.last[generator] = seed
    told = _told(seed)
    key = function, repr(told), where
    known = _Known.calls.get(key)
    if known is not None:
        known["times"] += 1
    elif len(_Known.calls) < KEPT:
        _Known.calls[key] = {"function": function, "seed": told, "where": where, "times": 1}
    else:
        _Known.left_out += 1
    _Known.changed = True


def _told(seed: Any) -> Any:
    """A seed as it is kept: a number, a text, None, or the beginning of what it looks like."""
    if seed is None or type(seed) in (int, float, bool):
        return seed
    if hasattr(seed, "__index__"):
        return operator.index(seed)
    return seed[:LONGEST] if type(seed) is str else repr(seed)[:LONGEST]


def report(job: Job, *, last: bool = False) -> None:
    """Tell the job of the calls so far, where there are new ones; when it ends, also `states`: of each global generator
    the digests of its state when it was met first, and now."""
    if _Known.changed or last:
        _Known.changed = False
        from autotrack.capture.secrets import redact
        from autotrack.values import plain

        calls = [{**call, "where": redact(call["where"])} for call in _Known.calls.values()]
        about: dict[str, Any] = {"calls": calls, "left_out": _Known.left_out}
        if last:
            about["states"] = {name: [_Known.first.get(name), now["state"]] for name, now in states().items()}
        job.know("seeds", plain(about))


# States


def states() -> dict[str, Any]:
    """Of each global generator that is imported: `state`, the digest of its state; where a call in this process has
    given it a seed, `seed`, and `fresh`, whether nothing has been drawn since."""
    found: dict[str, Any] = {}
    for name, module, digest, made in _GENERATORS:
        source = sys.modules.get(module)
        if source is None or not hasattr(source, _READS.get(module, "__name__")):
            continue
        state = shield.contain("seeds", digest, source)
        if not isinstance(state, str):
            continue
        about: dict[str, Any] = {"state": state}
        found[name] = about
        if name in _Known.last:
            seed = _Known.last[name]
            about["seed"] = _told(seed)
            about["fresh"] = seed is not None and _after(name, seed, source, digest, made) == state
    return found


def _after(name: str, seed: Any, source: Any, digest: Callable[[Any], str], made: Callable[[Any, Any], Any]) -> Any:
    """The digest of the state that a seed leads to, kept for the next time."""
    known = _Known.fresh.get(name)
    if known is None or known[0] is not seed:
        other = shield.contain("seeds", lambda: digest(made(source, seed)))
        known = _Known.fresh[name] = seed, other if isinstance(other, str) else ""
    return known[1]


def _of_python(source: Any) -> str:
    _, numbers, gauss = source.getstate()
    return _digest(struct.pack(f"{len(numbers)}I", *numbers), gauss)


def _of_numpy(source: Any) -> str:
    state = source.get_state(legacy=False)
    inner = state["state"]
    if "key" not in inner:  # the program has put another kind of generator there
        return _digest(repr(inner).encode(), state["bit_generator"])
    return _digest(inner["key"].tobytes(), (inner["pos"], state["has_gauss"], state["gauss"]))


def _digest(numbers: bytes, rest: Any) -> str:
    return hashlib.blake2b(numbers + repr(rest).encode(), digest_size=8).hexdigest()


_GENERATORS: list[tuple[str, str, Callable[[Any], str], Callable[[Any, Any], Any]]] = [
    ("python", "random", _of_python, lambda source, seed: source.Random(seed)),
    ("numpy", "numpy.random", _of_numpy, lambda source, seed: source.RandomState(seed)),
]


def know(name: str, module: str, digest: Callable[[Any], str], made: Callable[[Any, Any], Any]) -> None:
    """A framework's global generator, for its plugin to say: its name, its module, how the state of such a module is
    digested, and how another with the same functions is made of that and a seed."""
    if all(name != known for known, *_ in _GENERATORS):
        _GENERATORS.append((name, module, digest, made))
    _see_first(module)


def _see_first(module: str) -> None:
    for name, home, digest, _ in _GENERATORS:
        if home == module and name not in _Known.first:
            state = shield.contain("seeds", digest, sys.modules[module])
            if isinstance(state, str):
                _Known.first[name] = state


def first(name: str) -> str | None:
    """The digest of the state of a global generator when it was first seen."""
    return _Known.first.get(name)


def called() -> list[tuple[str, str]]:
    """The functions that have set a seed, each with what was given to it."""
    return [(function, seed) for function, seed, _ in list(_Known.calls)]
