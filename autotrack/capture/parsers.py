"""The libraries by which programs read their arguments: where each has resolved them, they are recorded.

Plain functions in the place of theirs, for wrapt takes longer to import than such a program may run.  A parse inside
a parse is part of it, and one by which a library reads something of its own is none of the program's.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import weakref

from autotrack import context, shield
from autotrack.capture import arguments, program
from autotrack.capture.configuration import members, omegaconf
from autotrack.entries import Entry
from autotrack.frames import transparent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

_PLAIN = frozenset((bool, int, float, str, bytes, type(None)))


class _Here(threading.local):
    parsing = False


_here = _Here()


class Watch:
    """The functions of argument libraries that were replaced."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self.on = True

    def attach(self, module: str) -> None:
        """Watch the library that has this module, which has been imported."""
        _LIBRARIES[module](self, sys.modules[module])

    def undo(self) -> None:
        self.on = False
        for entry in reversed(self._entries):
            entry.undo()
        self._entries.clear()

    def observe(self, owner: Any, name: str, seen: Callable[..., None], *, outermost: bool = True) -> None:
        """Have `seen(result, args, kwargs)` called once the function has returned; of those that are called within
        each other only the outermost one."""
        original = vars(owner)[name]

        @functools.wraps(original)
        def function(*args: Any, **kwargs: Any) -> Any:
            if not self.on or context.Current.job is None or (outermost and _here.parsing):
                return original(*args, **kwargs)
            before = _here.parsing
            try:
                _here.parsing = outermost or before
                result = original(*args, **kwargs)
            finally:
                _here.parsing = before
            shield.contain("arguments", seen, result, args, kwargs)
            return result

        self.replace(owner, name, transparent(function))

    def replace(self, owner: Any, name: str, ours: Any) -> None:
        """Put `ours` where `name` is, and remember what was there."""
        self._entries.append(Entry(owner, name, ours))


def _ours(through: set[str]) -> bool:
    """Whether the program's own code has begun the parse that is observed."""
    return program.calls(sys._getframe(1), {*through, __name__, "autotrack.shield"})


def _modules(parser: Any) -> set[str]:
    return {cls.__module__ for cls in type(parser).__mro__} - {"__main__"}


# argparse


def _watch_argparse(watch: Watch, module: Any) -> None:
    for name in ("parse_known_args", "parse_known_intermixed_args"):
        watch.observe(module.ArgumentParser, name, _argparse)


def _argparse(result: Any, args: Any, kwargs: Any) -> None:
    parser = args[0]
    namespace = result[0]
    if isinstance(getattr(namespace, "__dict__", None), dict) and _ours(_modules(parser)):
        settings = vars(namespace)
        arguments.record("args", "argparse", str(parser.prog), settings, again=_again(namespace, settings))


def _again(holder: Any, settings: dict[str, Any]) -> Callable[[], dict[str, Any] | None]:
    """The settings later; what only holds plain values is kept for that, anything else must not live on for us."""
    if all(type(value) in _PLAIN for value in settings.values()):
        return lambda: settings
    try:
        reference = weakref.ref(holder)
    except TypeError:
        return lambda: None

    def again() -> dict[str, Any] | None:
        alive = reference()
        return vars(alive) if alive is not None else None

    return again


# jsonargparse: an argparse of its own, which calls that of the standard library and goes on from there.


def _watch_jsonargparse(watch: Watch, module: Any) -> None:
    for name in ("parse_args", "parse_object", "parse_path", "parse_string", "parse_env"):
        if name in vars(module.ArgumentParser):
            watch.observe(module.ArgumentParser, name, _jsonargparse)


def _jsonargparse(result: Any, args: Any, kwargs: Any) -> None:
    parser = args[0]
    if _ours(_modules(parser) | {"jsonargparse"}):
        arguments.record("args", "jsonargparse", str(parser.prog), vars(result), again=_again(result, vars(result)))


# click, and the copy of it that is in typer


def _watch_click(watch: Watch, module: Any) -> None:
    watch.observe(module.Command, "make_context", _click, outermost=False)


def _click(ctx: Any, args: Any, kwargs: Any) -> None:
    command = args[0]
    if ctx.resilient_parsing or not ctx.params or not _ours(_modules(command) | {"click", "typer"}):
        return
    hidden = {param.name for param in command.params if getattr(param, "hide_input", False)}
    library = "typer" if type(ctx).__module__.startswith("typer.") else "click"
    arguments.record("args", library, str(ctx.command_path), ctx.params, hidden=hidden)


# absl


def _watch_absl(watch: Watch, module: Any) -> None:
    watch.observe(module.FlagValues, "__call__", _absl)


def _absl(result: Any, args: Any, kwargs: Any) -> None:
    """The flags that the program's own modules define: the libraries have theirs in the same place."""
    flags = args[0]
    if flags is not sys.modules["absl.flags"].FLAGS:
        return
    own = [
        flag
        for module, defined in flags.flags_by_module_dict().items()
        if os.path.exists(module) or program.owns(module)  # the main program goes by its path
        for flag in defined
    ]

    def settings() -> dict[str, Any]:
        return {flag.name: flag.value for flag in own}

    if own:
        arguments.record("args", "absl", os.path.basename(sys.argv[0]), settings(), again=settings)


# fire


def _watch_fire(watch: Watch, module: Any) -> None:
    make = module._MakeParseFn

    @functools.wraps(make)
    def _MakeParseFn(fn: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N802
        parse = make(fn, *args, **kwargs)

        @functools.wraps(parse)
        def _ParseFn(args: Any) -> Any:  # noqa: N802
            parsed = parse(args)
            if watch.on and context.Current.job is not None:
                shield.contain("arguments", _fire, parsed, fn)
            return parsed

        return transparent(_ParseFn)

    watch.replace(module, "_MakeParseFn", transparent(_MakeParseFn))


def _fire(parsed: Any, function: Any) -> None:
    """What a function or a class of the program is about to be called with."""
    (given, named), *_ = parsed
    if not program.owns(str(getattr(function, "__module__", ""))):
        return
    spec = sys.modules["fire.inspectutils"].GetFullArgSpec(function)
    values = {**dict(zip(spec.args, given, strict=False)), **spec.kwonlydefaults, **named}
    if spec.varargs and len(given) > len(spec.args):
        values[spec.varargs] = list(given[len(spec.args) :])
    arguments.record("args", "fire", str(getattr(function, "__qualname__", "")), values)


# tyro


def _watch_tyro(watch: Watch, module: Any) -> None:
    watch.observe(module, "callable_with_args", _tyro)


def _tyro(result: Any, args: Any, kwargs: Any) -> None:
    """What a function or a class is going to be called with."""
    call, _ = result
    if not isinstance(call, functools.partial) or not _ours({"tyro"}):
        return
    import inspect

    called = getattr(call.func, "__name__", "")
    try:
        names = list(inspect.signature(call.func).parameters)
    except (TypeError, ValueError):
        names = []
    values = {**dict(zip(names, call.args, strict=False)), **call.keywords}
    if list(values) == ["__tyro_dummy_inner__"]:  # around a union of classes, of which one was chosen
        (chosen,) = values.values()
        called, values = type(chosen).__name__, members(chosen) or values
    arguments.record("args", "tyro", str(called), values)


# Hydra


def _watch_hydra(watch: Watch, module: Any) -> None:
    watch.observe(module.HydraConfig, "set_config", _hydra)


def _hydra(result: Any, args: Any, kwargs: Any) -> None:
    """The configuration of the job that is about to run; of a sweep, each in turn."""
    cfg = kwargs["cfg"] if "cfg" in kwargs else args[1]
    frame = _of_hydra(sys._getframe(1))
    if frame is None or frame.f_code.co_name != "run_job":
        return
    settings = {name: value for name, value in (omegaconf(cfg) or {}).items() if name != "hydra"}
    arguments.record("config", "hydra", str(cfg.hydra.job.name), settings, again=_hydra_again)


def _of_hydra(frame: FrameType | None) -> FrameType | None:
    while frame is not None and not frame.f_globals.get("__name__", "").startswith("hydra."):
        frame = frame.f_back
    return frame


def _hydra_again() -> dict[str, Any] | None:
    """The configuration that the program's function was called with, a copy which Hydra makes later: as it is now."""
    frame = _of_hydra(sys._getframe(1))
    while frame is not None and frame.f_code.co_name != "run_job":
        frame = _of_hydra(frame.f_back)
    return omegaconf(frame.f_locals.get("task_cfg")) if frame is not None else None


_LIBRARIES: dict[str, Callable[[Watch, Any], None]] = {
    "argparse": _watch_argparse,
    "jsonargparse._core": _watch_jsonargparse,
    "click.core": _watch_click,
    "typer._click.core": _watch_click,
    "absl.flags._flagvalues": _watch_absl,
    "fire.core": _watch_fire,
    "tyro._calling": _watch_tyro,
    "hydra.core.hydra_config": _watch_hydra,
}
MODULES = tuple(_LIBRARIES)
