"""What was replaced, where, and by what: attaching patches, and undoing them.

Undo restores the raw entry of `vars(owner)`, or deletes what was added, where the entry is still ours; where
another tool has patched on top, ours becomes a plain pass-through.
"""

from __future__ import annotations

import functools
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from autotrack import context, libraries, shield
from autotrack.entries import MISSING, Entry
from autotrack.extension import Switch, compiled
from autotrack.frames import is_ours, transparent
from autotrack.patching import Patch, Registration, Site, callback, driver, following
from autotrack.shield import Meter
from autotrack.wrappers import ObservedFunction


class Receipt:
    """What became of one target of a patch."""

    __slots__ = ("attached", "expected", "meter", "plugin", "target", "why")

    def __init__(self, target: str, plugin: str, *, expected: bool) -> None:
        self.target, self.plugin, self.expected = target, plugin, expected
        self.meter = Meter(target)
        self.attached = False
        self.why = ""


class Ledger:
    """Every replacement of this process."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._sites: list[Switch] = []
        self._families: list[_Family] = []
        self._handles: list[Any] = []
        """What frameworks have returned for what was registered with them."""
        self._births = _Births(self)
        self._lock = threading.RLock()
        self.receipts: list[Receipt] = []

    def attach(self, patch: Patch | Registration, target: str, receipt: Receipt) -> None:
        """Attach a patch to a target whose module has been imported.  Raises AttributeError where the name is
        not there, unless some supported versions lack it."""
        module_name, _, path = target.partition(":")
        owner: Any = sys.modules[module_name]
        *outer, name = path.split(".")
        try:
            for part in outer:
                owner = getattr(owner, part)
            if isinstance(patch, Registration) or not patch.subclasses:  # of those each has its own
                getattr(owner, name)
        except AttributeError:
            if patch.optional:
                return
            raise
        if isinstance(patch, Registration):
            switch = Switch()
            self._sites.append(switch)
            self._handles.append(getattr(owner, name)(callback(patch, receipt.meter, switch)))
            receipt.attached = True
            return
        site = Site(patch, receipt.plugin, target, receipt.meter)
        with self._lock:
            if patch.subclasses:
                family = _Family(self, owner, name, site)
                self._families.append(family)
                self._births.watch(owner, family)
                family.scan()
            else:
                self._replace_function(owner, name, site)
            self._sites.append(site)
        receipt.attached = True

    def _replace_function(self, owner: Any, name: str, site: Site) -> None:
        raw = vars(owner).get(name, MISSING)
        original = getattr(owner, name) if raw is MISSING else raw
        if any(original is entry.ours for entry in self._entries):
            return  # was rebound with another of the function's names
        known = next((entry.ours for entry in self._entries if entry.raw is original), None)
        ours = known if known is not None else observed(original, site)
        self.replace(owner, name, ours)
        if known is None and isinstance(owner, ModuleType):
            self._rebind(original, ours)

    def replace(self, owner: Any, name: str, ours: Any) -> None:
        """Put `ours` where `name` is, and remember what was there."""
        self._entries.append(Entry(owner, name, ours))

    def _rebind(self, original: Any, ours: Any) -> None:
        """Put the wrapper in the user's own modules that have bound the function's name already.  Not where it was
        defined, when the target is another place: it is pickled from there, and frameworks hold it themselves
        (scikit-learn's scorers, which are in every search that was fitted)."""
        for module in _user_modules():
            for bound, value in list(libraries.variables_of(module).items()):
                if value is original:
                    self.replace(module, bound, ours)

    def after_fork(self) -> None:
        """In a forked child: another thread of the parent may have held the lock."""
        self._lock = threading.RLock()
        for receipt in self.receipts:
            receipt.meter.after_fork()

    def born(self, cls: type) -> None:
        """A class has got its methods without being noticed."""
        with self._lock:
            self._births.born(cls)

    def undo(self) -> None:
        """Put back everything that is still ours; the rest passes through from now on."""
        with self._lock:
            for site in self._sites:
                site.on = False
            for handle in reversed(self._handles):
                if hasattr(handle, "remove"):
                    handle.remove()
            for entry in reversed(self._entries):
                entry.undo()
            self._sweep()
            self._entries, self._sites, self._families, self._handles = [], [], [], []
            self._births = _Births(self)

    def _sweep(self) -> None:
        """Names that the user's modules bound while recording was on."""
        for module in _user_modules():
            for name, value in list(libraries.variables_of(module).items()):
                if _is_wrapper(value):
                    setattr(module, name, getattr(value, "__wrapped__", value))


_WRAPPERS = (ObservedFunction,) if compiled is None else (ObservedFunction, compiled.Followed)


def _is_wrapper(value: Any) -> bool:
    kind = type(value)
    return kind in _WRAPPERS or (kind is FunctionType and is_ours(value))


def observed(original: Any, site: Site) -> Any:
    """The wrapper of a function or descriptor at a site."""
    if site.patch.after is not None:
        return following(site, original)
    ours = ObservedFunction(original, driver(site))
    ours._self_target = site.name
    return ours


class _Family:
    """A method of a class and of every class below it that defines it for itself."""

    def __init__(self, ledger: Ledger, root: type, name: str, site: Site) -> None:
        self._ledger, self._name, self._site = ledger, name, site
        self._root = weakref.ref(root)

    def scan(self) -> None:
        """Attach to the classes that exist."""
        root = self._root()
        for cls in _descendants(root) if root is not None else ():
            self.attach(cls)

    def covers(self, cls: type) -> bool:
        root = self._root()
        return root is not None and root in cls.__mro__

    def attach(self, cls: type) -> None:
        """Attach on whichever class of the MRO defines the method, outside mixins included."""
        if not self.covers(cls):
            return
        for owner in cls.__mro__:
            raw = vars(owner).get(self._name, MISSING)
            if raw is not MISSING:
                if _replaceable(owner, raw) or self._is_closer(raw):
                    ours = observed(raw, self._site)
                    ours._self_family = self
                    self._ledger.replace(owner, self._name, ours)
                return

    def _is_closer(self, raw: Any) -> bool:
        """Whether a method is observed already, for a class above this one's root: the plugin of the framework that the
        class is of comes before that, and its calls are made by this one."""
        other = getattr(raw, "_self_family", None) if isinstance(raw, ObservedFunction) else None
        root = self._root()
        above = other._root() if isinstance(other, _Family) and other._ledger is self._ledger else None
        return root is not None and above is not None and root is not above and issubclass(root, above)


_IMMUTABLE = 1 << 8
"""`Py_TPFLAGS_IMMUTABLETYPE`: classes of C extensions whose entries can't be replaced."""


def _replaceable(owner: type, raw: Any) -> bool:
    if isinstance(raw, property) or _is_wrapper(raw) or raw is None or owner.__flags__ & _IMMUTABLE:
        return False
    return callable(raw) or hasattr(raw, "__get__")


class _Births:
    """Sees every class that comes below some roots, once it is whole.

    `__init_subclass__` is called while a class is being made, and some of those that stand in the MRO change
    the class (scikit-learn's `_SetOutputMixin` wraps its methods).  So each of them is replaced, and whichever
    is called first tells the families after it has returned.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._families: list[_Family] = []
        self._under_way: set[int] = set()

    def watch(self, root: type, family: _Family) -> None:
        self._families.append(family)
        for cls in list(_descendants(root)):
            self._watch_bases(cls)
        if not self._watched(vars(root).get("__init_subclass__")):
            self._ledger.replace(root, "__init_subclass__", classmethod(self._hook(root, None)))

    def _watch_bases(self, cls: type) -> None:
        for owner in cls.__mro__[:-1]:
            raw = vars(owner).get("__init_subclass__")
            if raw is not None and not self._watched(raw) and not owner.__flags__ & _IMMUTABLE:
                self._ledger.replace(owner, "__init_subclass__", classmethod(self._hook(owner, raw)))

    def _watched(self, raw: Any) -> bool:
        return getattr(getattr(raw, "__func__", None), "births", None) is self

    def _hook(self, owner: Any, raw: Any) -> Callable[..., None]:
        births = self

        def __init_subclass__(cls: type, *args: Any, **kwargs: Any) -> None:  # noqa: N807
            key = id(cls)
            first = key not in births._under_way
            births._under_way.add(key)
            try:
                if raw is None:
                    super(owner, cls).__init_subclass__(*args, **kwargs)  # type: ignore[misc]
                else:
                    raw.__get__(None, cls)(*args, **kwargs)
            finally:
                if first:
                    births._under_way.discard(key)
            if first and context.Current.job is not None:
                shield.contain("new class", births.born, cls)

        __init_subclass__.births = births  # type: ignore[attr-defined]
        if raw is not None:
            functools.update_wrapper(__init_subclass__, raw.__func__, updated=())
        return transparent(__init_subclass__)

    def born(self, cls: type) -> None:
        """Attach to a class, where it stands below a root."""
        if not any(family.covers(cls) for family in self._families):
            return
        self._watch_bases(cls)
        for family in self._families:
            family.attach(cls)


def _descendants(root: type) -> Iterator[type]:
    seen = set()
    waiting = [root]
    while waiting:
        cls = waiting.pop()
        if cls not in seen:
            seen.add(cls)
            yield cls
            waiting.extend(type.__subclasses__(cls))


_own: dict[str, bool] = {"__main__": True}
"""Whether a module is the user's own, by its name: asked for each patch, and programs import thousands."""


def _user_modules() -> list[ModuleType]:
    """The modules that are the user's own: the main program and what lies outside the libraries."""
    count: int
    names: list[str]
    count, names = _last_look
    if count != len(sys.modules):
        names = [name for name, module in list(sys.modules.items()) if _is_own(name, module)]
        _last_look[:] = len(sys.modules), names
    return [module for name in names if isinstance(module := sys.modules.get(name), ModuleType)]


_last_look: list[Any] = [0, list[str]()]
"""Number of modules at the last look, and the names of those that were found: a module that is kept here would outlive
the interpreter's own end, and what it holds is never finalized then."""


def _is_own(name: str, module: Any) -> bool:
    own = _own.get(name)
    if own is None:
        path = libraries.file_of(module)
        own = _own[name] = path is not None and not path.startswith(libraries.folders())
    return own and isinstance(module, ModuleType)
