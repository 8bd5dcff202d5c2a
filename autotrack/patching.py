"""Patch, and the driver of observers.

A plugin never holds the user's call: an observer is a generator that yields once, where the call happens,
and the core makes the call.  It sees the arguments before and the result after; an error of its own on
either side is contained.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

from autotrack import context, shield, trained
from autotrack.awaited import Awaited
from autotrack.call import Call
from autotrack.extension import Switch
from autotrack.frames import transparent
from autotrack.shield import FAILED, Meter
from autotrack.strand import Strand

Function = TypeVar("Function", bound=Callable[..., Any])

Observer = Callable[..., "Generator[None, Any, None]"]
"""`observe(call)`, or `observe(call, strand)` for a patch that opens strands."""


class Opening:
    """The strand that a call opens: its kind, a name, and the object that is trained, where there is one.

    `again` says that a strand of the same object goes on: `partial_fit` calls on one object are one strand.  Where
    only copies of the object are trained, `trains` is False: its own training stays the one that it had.
    """

    __slots__ = ("again", "kind", "name", "trained", "trains")

    def __init__(self, kind: str, name: str, trained: Any = None, *, again: bool = False, trains: bool = True) -> None:
        self.kind, self.name, self.trained, self.again, self.trains = kind, name, trained, again, trains


ELSEWHERE = Opening("elsewhere", "")
"""Of a call that is one process's part of a training which another has on record: nothing within it is recorded."""


class Patch:
    """A declaration: observe these functions or methods.

    A target is `module:function` or `module:Class.method`; it is attached when its module has been imported.
    `subclasses` attaches to the method of every class below `Class` that defines it for itself, on whichever
    class of the MRO that is, now or later.  `opens(call)` says which strand the call opens; None for a call
    that is not to be observed, `ELSEWHERE` for one in which nothing is.  `optional` names may be missing in some
    supported versions.  Where `awaited`, a call that returns a coroutine is over when that is.

    Where every microsecond counts, `returned(instance, args, kwargs, result)` takes the place of `observe`: a
    plain function, called once the call has returned.  `yielded(instance, args, kwargs, item, index)` is for
    generators: called for each item on its way to the user.  `after(args, kwargs, result)` is for the few functions
    that run on every step of a training: the function is replaced by a plain one, which calls it once the call has
    returned, also inside of tracked calls.  `quick(*args, **kwargs)`, of an extension in C, is asked before it, and
    where it returns True `after` is spared; what it raises is treated as what `after` does.  `calling(function)` gives
    what calls the function then, for frameworks that rewrite the functions of a program as they call them.
    """

    def __init__(
        self,
        *targets: str,
        observe: Observer | None = None,
        returned: Callable[[Any, tuple[Any, ...], dict[str, Any], Any], None] | None = None,
        yielded: Callable[[Any, tuple[Any, ...], dict[str, Any], Any, int], None] | None = None,
        after: Callable[[tuple[Any, ...], dict[str, Any], Any], None] | None = None,
        quick: Callable[..., bool] | None = None,
        calling: Callable[[Any], Any] | None = None,
        opens: Callable[[Call], Opening | None] | None = None,
        subclasses: bool = False,
        optional: bool = False,
        around: bool = False,
        awaited: bool = False,
    ) -> None:
        if [observe, returned, yielded, after].count(None) != 3:
            raise TypeError(f"a patch of {targets} takes one of `observe`, `returned`, `yielded` and `after`")
        self.targets, self.observe, self.returned, self.opens = targets, observe, returned, opens
        self.yielded, self.after, self.quick, self.calling = yielded, after, quick, calling
        self.subclasses, self.optional, self.around, self.awaited = subclasses, optional, around, awaited


class Registration:
    """A declaration: call a framework's own function that registers something, `module:function`, once its module has
    been imported: with a callback, or with some other argument.  What it returns is asked to `remove` itself at the
    end, where it can.  While `unless()` is true the callback does nothing, nor where `quick`, of an extension in C, has
    done all that there is to do, and returned True.
    """

    def __init__(
        self,
        target: str,
        argument: Any,
        *,
        unless: Callable[[], bool] | None = None,
        quick: Callable[..., bool] | None = None,
        optional: bool = False,
    ) -> None:
        self.targets, self.argument, self.unless, self.optional = (target,), argument, unless, optional
        self.quick = quick


CALLBACK_FILE = "<autotrack: importlib._bootstrap>"
"""Of callbacks, which compilers may trace: all that they see is that nothing happens."""


class Site(Switch):
    """One place where a patch is attached: how its calls are driven, and its meter."""

    __slots__ = ("_parameters", "meter", "name", "patch", "plugin")

    def __init__(self, patch: Patch, plugin: str, name: str, meter: Meter) -> None:
        self.patch, self.plugin, self.name, self.meter = patch, plugin, name, meter
        self._parameters: dict[Any, list[str]] = {}

    def parameters(self, function: Any, instance: Any, *, keywords: bool = False) -> list[str]:
        """The names of the function's positional parameters, the instance not among them, and of those that can't be
        given by position."""
        raw = getattr(function, "__func__", function)
        names = self._parameters.get((raw, keywords))
        if names is None:
            try:
                signature = inspect.signature(raw)
            except (TypeError, ValueError):
                return []
            positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
            kinds = (*positional, inspect.Parameter.KEYWORD_ONLY) if keywords else positional
            names = [parameter.name for parameter in signature.parameters.values() if parameter.kind in kinds]
            if raw is not function and getattr(function, "__self__", None) is not None:  # of a class method too
                names = names[1:]
            self._parameters[raw, keywords] = names
        return names


class Observation:
    """One observed call, from before to after."""

    __slots__ = ("_generator", "call", "opened", "place", "strand")

    def __init__(self, call: Call, strand: Strand | None, generator: Generator[None, Any, None] | None) -> None:
        self.call, self.strand, self._generator = call, strand, generator
        self.place: context.Place | None = (strand or context.CALLED) if not call.place.patch.around else None
        """The tracked call that what is called within is inside."""
        self.opened: context.Place | None = None
        """What was open before, where the strand of this call is now."""

    def enter(self) -> None:
        """The call begins: where it stands around the program's own code, what is trained there is part of it."""
        if self.strand is not None and self.place is None:
            self.opened = context.opened.get()
            context.put(context.opened, self.strand)

    def leave(self) -> None:
        """The call is over, however it went."""
        if self.strand is not None and self.place is None and context.opened.get() is self.strand:
            context.put(context.opened, self.opened)

    def finish(self, result: Any) -> None:
        """The call returned: the observer sees the result, the strand ends."""
        self.call.seconds = time.perf_counter() - self.call.started
        meter = self.call.place.meter
        try:
            if self.strand is not None:
                shield.contain(self.call.name, self.strand.settle, meter=meter)
            if self._generator is not None:
                shield.contain(self.call.name, self._send, result, meter=meter)
        finally:
            if self.strand is not None:
                shield.contain(self.call.name, self.strand.end, "finished", meter=meter)

    def _send(self, result: Any) -> None:
        assert self._generator is not None
        try:
            self._generator.send(result)
        except StopIteration:
            self.call.place.meter.succeed()
            return
        self._generator.close()
        raise RuntimeError(f"the observer of {self.call.name} yielded more than once")

    def fail(self, error: BaseException) -> None:
        """The call raised: the observer is closed at its yield, the strand ends."""
        self.call.seconds = time.perf_counter() - self.call.started
        self.call.exception = error
        meter = self.call.place.meter
        if self._generator is not None:
            shield.contain(self.call.name, self._generator.close, meter=meter)
        if self.strand is not None:
            status = "failed" if isinstance(error, Exception) else "interrupted"
            shield.contain(self.call.name, self.strand.settle, meter=meter)
            shield.contain(self.call.name, self.strand.end, status, error, meter=meter)
        self.call.exception = None  # it holds the frames that hold this call


def _begin(
    site: Site, function: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Observation | None:
    """Run an observer up to its yield; None for a call that is not observed."""
    job = context.Current.job
    if job is None:
        return None
    begun = time.thread_time()
    site.meter.fired += 1
    call = Call(function, instance, args, kwargs, site)
    strand = None
    if site.patch.opens is not None:
        opening = shield.contain(call.name, site.patch.opens, call, meter=site.meter)
        if not opening:
            return None
        if opening is ELSEWHERE:
            return Observation(call, None, None)
        opened = shield.contain(call.name, _strand, job, site, opening, meter=site.meter)
        if not isinstance(opened, Strand):
            return None
        strand = opened
    generator = shield.contain(call.name, _started, site.patch, call, strand, meter=site.meter)
    if generator is FAILED and strand is not None:
        strand.gap("what is known before the call", f"the observer failed: {site.meter.why}")
    if not isinstance(generator, Generator):
        generator = None
        if strand is None:
            return None
    if strand is not None:
        context.began(strand)
    site.meter.spent(time.thread_time() - begun)
    call.started = time.perf_counter()
    return Observation(call, strand, generator)


def _strand(job: Any, site: Site, opening: Opening) -> Strand:
    if opening.again:
        known = trained.strand_of(opening.trained)
        if known is not None and known.job is job and known.ours and trained.note_of(opening.trained) is None:
            return known
    kind = type(opening.trained)
    cls = f"{kind.__module__}.{kind.__qualname__}" if opening.trained is not None else ""
    strand = Strand(job, framework=site.plugin, kind=opening.kind, name=opening.name, cls=cls)
    if opening.trained is not None and opening.trains:
        trained.remember(opening.trained, strand)
    return strand


def _started(patch: Patch, call: Call, strand: Strand | None) -> Generator[None, Any, None] | None:
    assert patch.observe is not None
    generator = patch.observe(call, strand) if strand is not None else patch.observe(call)
    try:
        next(generator)
    except StopIteration:  # an observer may return before its yield: nothing to see in this call
        call.place.meter.succeed()
        return None
    return generator


_here = context.here


def driver(site: Site) -> Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]:
    """The wrapt wrapper that makes the calls of a site, observed.

    The user's signal handlers may raise at any call in here.  Whatever happens, this thread is back outside
    of all tracked calls at the end: nothing would be recorded in it any more otherwise.  RecursionError: near
    the limit there is room for the user's call alone.
    """

    def drive(function: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not site.on or _here.inside is not None:
            return function(*args, **kwargs)
        if not site.meter.on:
            return _unobserved(site, function, args, kwargs)
        try:
            _here.inside = context.OURS
            observation = _begin(site, function, instance, args, kwargs)
        except RecursionError:
            observation = None
        finally:
            _here.inside = None
        if observation is None:
            return function(*args, **kwargs)
        try:
            try:
                observation.enter()
                _here.inside = observation.place
                result = function(*args, **observation.call.forwarded)
            except BaseException as error:
                _here.inside = context.OURS
                observation.leave()
                observation.fail(error)
                raise
            _here.inside = context.OURS
            observation.leave()
            if site.patch.awaited and isinstance(result, Coroutine):
                return Awaited(result, observation)
            try:
                begun = time.thread_time()
                observation.finish(result)
                site.meter.spent(time.thread_time() - begun)
            except RecursionError:
                return result
            return result
        finally:
            _here.inside = None
            observation.leave()  # also where a signal handler has come between

    if site.patch.yielded is not None:
        return _generator_driver(site)
    returned = site.patch.returned

    def drive_quickly(function: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not site.on or _here.inside is not None or not site.meter.on or context.Current.job is None:
            return function(*args, **kwargs)
        try:
            _here.inside = context.CALLED
            result = function(*args, **kwargs)
            _here.inside = context.OURS
            begun = time.thread_time()
            site.meter.fired += 1
            try:
                seen = shield.contain(site.name, returned, instance, args, kwargs, result, meter=site.meter)  # type: ignore[arg-type]
                if seen is not FAILED:
                    site.meter.succeed()
                site.meter.spent(time.thread_time() - begun)
            except RecursionError:
                return result
            return result
        finally:
            _here.inside = None

    return transparent(drive if returned is None else drive_quickly)


def following(site: Site, original: Callable[..., Any]) -> Callable[..., Any]:
    """What stands for a function that runs on every step of a training."""
    assert site.patch.after is not None
    called = transparent(site.patch.calling(original)) if site.patch.calling is not None else original
    drive = shield.followed(site.name, called, site.patch.after, site.meter, site, site.patch.quick)
    functools.update_wrapper(drive, called)
    drive.__wrapped__ = original
    return drive  # type: ignore[no-any-return]


def callback(registration: Registration, meter: Meter, switch: Switch) -> Any:
    """What is registered."""
    if not callable(registration.argument):
        return registration.argument
    function, unless, quick = registration.argument, registration.unless, registration.quick
    contained = shield.registered(meter.name, function, unless, meter, switch, quick)
    return contained if quick is not None else transparent(contained, CALLBACK_FILE)


def _unobserved(site: Site, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A call of a site that was switched off: what is trained inside is no training of its own all the same."""
    if site.patch.opens is None or site.patch.around:
        return function(*args, **kwargs)
    try:
        _here.inside = context.CALLED
        return function(*args, **kwargs)
    finally:
        _here.inside = None


def _generator_driver(site: Site) -> Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]:
    """The wrapper of a function that returns a generator, whose items are seen as they are made."""
    yielded = site.patch.yielded

    def following(generator: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            for index in itertools.count():
                before = _here.inside
                try:
                    _here.inside = context.CALLED
                    item = next(generator)
                except StopIteration as end:
                    return end.value
                finally:
                    _here.inside = before
                if before is None and site.on and site.meter.on and context.Current.job is not None:
                    begun = time.thread_time()
                    site.meter.fired += 1
                    seen = shield.contain(site.name, yielded, instance, args, kwargs, item, index, meter=site.meter)  # type: ignore[arg-type]
                    if seen is not FAILED:
                        site.meter.succeed()
                    site.meter.spent(time.thread_time() - begun)
                yield item
        finally:
            generator.close()

    transparent(following)

    def drive(function: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = function(*args, **kwargs)
        if not site.on or not site.meter.on or _here.inside is not None or not isinstance(result, Generator):
            return result
        followed = following(result, instance, args, kwargs)
        for name in ("__name__", "__qualname__"):
            setattr(followed, name, getattr(result, name))
        return followed

    return transparent(drive)
