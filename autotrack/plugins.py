"""Plugins: found through entry points, activated when their framework has been imported.

A plugin is an entry point of the group `autotrack.frameworks`: its name is the module whose import activates
it, its value the plugin's module.  The supported versions of the framework stand in one place, the extra of
that name in the plugin's own distribution: `sklearn = ["scikit-learn>=1.5,<2"]`.

Nothing is imported before its framework is: the entry points are read from the `*.dist-info` folders, and an
import finder waits for the modules that matter.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from autotrack import shield

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    import click

    from autotrack.capture.console import Console
    from autotrack.capture.parsers import Watch
    from autotrack.ledger import Ledger
    from autotrack.settings import Settings

GROUP = "autotrack.frameworks"

_STARTERS = (
    ("multiprocessing.pool", "Pool", "__init__", "_worker_handler"),
    ("concurrent.futures.process", "ProcessPoolExecutor", "_start_executor_manager_thread", "_executor_manager_thread"),
)
"""The pools of processes, and in which of their methods and attributes the thread is begun that starts more."""


_PARSERS = (
    "argparse", "jsonargparse._core", "click.core", "typer._click.core", "absl.flags._flagvalues", "fire.core",
    "tyro._calling", "hydra.core.hydra_config",
)  # fmt: skip
"""The modules by which programs read their arguments: see `capture.parsers`."""


class Found:
    """A plugin that is installed: for which framework, its module, and its distribution's folder."""

    __slots__ = ("distribution", "framework", "module")

    def __init__(self, framework: str, module: str, distribution: str) -> None:
        self.framework, self.module, self.distribution = framework, module, distribution


def discover(path: Sequence[str]) -> dict[str, Found]:
    """The installed plugins by the name of their framework; the first on `path` wins."""
    found: dict[str, Found] = {}
    for folder in path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")):
                distribution = os.path.join(folder, name)
                for plugin in _entry_points(distribution):
                    found.setdefault(plugin.framework, plugin)
    return found


def _entry_points(distribution: str) -> list[Found]:
    try:
        with open(os.path.join(distribution, "entry_points.txt"), encoding="utf-8") as file:
            text = file.read()
    except OSError:
        return []
    if f"[{GROUP}]" not in text:
        return []
    lines = text.partition(f"[{GROUP}]")[2].partition("\n[")[0].splitlines()
    pairs = [line.split("=", 1) for line in lines if "=" in line]
    return [Found(name.strip(), value.strip(), distribution) for name, value in pairs]


class Registry:
    """The plugins of this process: which wait, which are active, what they patched."""

    def __init__(self, settings: Settings, found: dict[str, Found]) -> None:
        self.settings = settings
        self.waiting = {name: plugin for name, plugin in found.items() if name not in settings.skip}
        self.versions: dict[str, str] = {}
        self.spent: dict[str, float] = {}
        """Seconds of the program's threads that are of no patch, by what took them."""
        self.ledger: Ledger | None = None
        self._following = False
        self._lock = threading.Lock()
        self._targets: dict[str, list[Callable[[], None]]] = {}
        """What to do once a module has been imported."""
        self._finder = _Finder(self)
        self._watch: Watch | None = None
        for module in _PARSERS:
            self.when(module, lambda module=module: self._watch_arguments(module))  # type: ignore[misc]
        self.when("joblib.parallel", self._carry_through_joblib)
        for module in ("random", "numpy.random"):
            self.when(module, lambda module=module: self._follow_seeds(module))  # type: ignore[misc]
        for module in ("cloudpickle.cloudpickle", "joblib.externals.cloudpickle.cloudpickle"):
            self.when(module, lambda module=module: self._follow_classes(module))  # type: ignore[misc]

    def follow_workers(self) -> None:
        """Let worker processes know where they were started; once there is something to know, for it takes wrapt."""
        if not self._following:
            self._following = True
            self.when("multiprocessing.process", self._carry_through_processes)
            for module, *how in _STARTERS:
                self.when(module, lambda module=module, how=how: self._know_starters(module, *how))  # type: ignore[misc]

    def follow_console(self, console: Console) -> None:
        """Let it see logs and progress bars, once there are any."""

        def follow(what: str) -> None:
            from autotrack.capture import logs

            shield.contain(what, getattr(logs, f"follow_{what}"), console)

        self.when("logging", lambda: follow("logging"))
        self.when("tqdm.std", lambda: follow("tqdm"))

    def start(self) -> None:
        """Activate what has been imported already, and wait for the rest."""
        sys.meta_path.insert(0, self._finder)
        for name in list(self.waiting):
            if name in sys.modules:
                shield.contain(f"plugin of {name}", self._activate, name)

    def when(self, module: str, act: Callable[[], None]) -> None:
        """Do something now if a module has been imported to its end, else when it has."""
        if _complete(module):
            act()
        else:
            self._targets.setdefault(module, []).append(act)

    def _watch_arguments(self, module: str) -> None:
        from autotrack.capture import parsers

        self._watch = self._watch or parsers.Watch()
        shield.contain(module, self._watch.attach, module)

    def _carry_through_joblib(self) -> None:
        from autotrack import workers

        shield.contain("joblib", workers.carry_through_joblib, self._own_ledger())

    def _carry_through_processes(self) -> None:
        from autotrack import workers

        shield.contain("multiprocessing", workers.carry_through_processes, self._own_ledger())

    def _know_starters(self, module: str, *how: str) -> None:
        from autotrack import workers

        shield.contain(module, workers.know_starters, self._own_ledger(), module, *how)

    def _follow_seeds(self, module: str) -> None:
        from autotrack.capture import seeds

        shield.contain(module, seeds.follow, module)

    def _follow_classes(self, module: str) -> None:
        from autotrack import workers

        shield.contain(module, workers.follow_classes, self._own_ledger(), module)

    def _own_ledger(self) -> Ledger:
        if self.ledger is None:
            from autotrack.ledger import Ledger

            with self._lock:  # two threads may import at once
                self.ledger = self.ledger or Ledger()
            self.follow_workers()
        return self.ledger

    def stop(self) -> None:
        """Stop waiting, and undo every patch."""
        if self._finder in sys.meta_path:
            sys.meta_path.remove(self._finder)
        self._targets.clear()
        if "autotrack.capture.seeds" in sys.modules:
            from autotrack.capture import seeds

            seeds.leave()
        if self._watch is not None:
            self._watch.undo()
        if self.ledger is not None:
            self.ledger.undo()

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self.spent.clear()
        if self.ledger is not None:
            self.ledger.after_fork()

    def awaits(self, module: str) -> bool:
        return module in self.waiting or module in self._targets

    def imported(self, module: str) -> None:
        """A module that was waited for has been imported."""
        if module in self.waiting:
            shield.contain(f"plugin of {module}", self._activate, module)
        for act in self._targets.pop(module, ()):
            act()

    def _activate(self, framework: str) -> None:
        begun = time.thread_time()
        plugin = self.waiting.pop(framework)
        module = sys.modules[framework]
        version = str(getattr(module, "__version__", "unknown"))
        self.versions[framework] = version
        refusal = _refusal(plugin, version)
        if refusal:
            self.versions[framework] = f"{version} (not observed: {refusal})"
            if not self.settings.quiet:
                shield.complain(f"{framework} {version} is not observed: {refusal}")
            return
        import importlib

        implementation = importlib.import_module(plugin.module)
        hooks.register(implementation, framework)
        for patch in hooks.patches(framework):
            for target in patch.targets:
                self._expect(patch, target, framework)
        self.spent[f"plugin of {framework}"] = time.thread_time() - begun

    def _expect(self, patch: Any, target: str, framework: str) -> None:
        from autotrack.ledger import Receipt

        ledger = self._own_ledger()
        module = target.partition(":")[0]
        receipt = Receipt(target, framework, expected=not patch.optional)
        ledger.receipts.append(receipt)

        def attach() -> None:
            try:
                shield.contain(target, ledger.attach, patch, target, receipt, meter=receipt.meter)
            finally:
                receipt.why = receipt.meter.why

        receipt.why = "not imported"
        self.when(module, attach)


def _complete(module: str) -> bool:
    """Whether a module has been imported to its end."""
    loaded = sys.modules.get(module)
    return loaded is not None and not getattr(getattr(loaded, "__spec__", None), "_initializing", False)


def supported(plugin: Found) -> str | None:
    """The requirement that the extra named like the framework states, `scikit-learn<2,>=1.5`, if any."""
    try:
        with open(os.path.join(plugin.distribution, "METADATA"), encoding="utf-8") as file:
            lines = file.read().partition("\n\n")[0].splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("Requires-Dist:") and "extra ==" in line:
            requirement, _, marker = line.removeprefix("Requires-Dist:").partition(";")
            named = marker.replace('"', "'").replace(" ", "").replace("_", "-")
            if named.endswith(f"extra=='{plugin.framework.replace('_', '-')}'"):  # as names of extras are normalised
                return requirement.strip()
    return None


_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. "


def _refusal(plugin: Found, version: str) -> str:
    """Why this version of the framework is not observed; empty where it is."""
    stated = supported(plugin)
    if stated is None:
        return ""
    from packaging.specifiers import SpecifierSet
    from packaging.version import InvalidVersion

    try:
        fits = SpecifierSet(stated.lstrip(_NAME_CHARACTERS)).contains(version, prereleases=True)
    except InvalidVersion:
        return f"its version can't be read; supported is {stated}"
    return "" if fits else f"supported is {stated}"


class _Finder:
    """Stands first in `sys.meta_path` and watches for the modules that are waited for; finds nothing itself."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not self._registry.awaits(name):
            return None
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec: ModuleSpec | None = find(name, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader, self._registry)  # type: ignore[assignment]
                return spec
        return None


class _Loader:
    """Stands in for a module's loader until the module has been executed, then is gone without a trace."""

    def __init__(self, loader: Any, registry: Registry) -> None:
        self._loader, self._registry = loader, registry

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None:
            spec.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        shield.contain(f"import of {module.__name__}", self._registry.imported, module.__name__)


_Loader.exec_module.__code__ = _Loader.exec_module.__code__.replace(
    co_filename="<frozen importlib._bootstrap_external>"
)
"""CPython removes frames of this name from the traceback of a failed import (`Python/import.c`,
`remove_importlib_frames`); with a frame of ours between them, its own would stay."""


class _Hooks:
    """Calls of the hooks, through pluggy, which is imported with the first framework."""

    def __init__(self) -> None:
        self._manager: Any = None

    def _pluggy(self) -> Any:
        if self._manager is None:
            import pluggy

            from autotrack import hookspecs

            self._manager = pluggy.PluginManager("autotrack")
            self._manager.add_hookspecs(hookspecs)
        return self._manager

    def register(self, plugin: Any, name: str) -> None:
        """Add a plugin's implementations, once."""
        manager = self._pluggy()
        if not manager.is_registered(plugin):
            manager.register(plugin, name)
            manager.check_pending()

    def patches(self, name: str) -> list[Any]:
        """The patches of one plugin; none where it has no such hook."""
        implementation = getattr(self._pluggy().get_plugin(name), "autotrack_patches", None)
        return list(implementation()) if implementation is not None else []

    def call(self, hook: str, **arguments: Any) -> Any:
        """The result of a hook, or None where it failed: contained."""
        if self._manager is None:
            return None
        result = shield.contain(hook, lambda: getattr(self._manager.hook, hook)(**arguments))
        return None if result is shield.FAILED else result


hooks = _Hooks()


def command_plugins(cli: click.Group) -> None:
    """Let every installed plugin add its commands."""
    ready()
    hooks.call("autotrack_commands", cli=cli)


def ready(*, imported: bool = False) -> None:
    """Have every installed plugin answer the hooks where nothing is recorded, or those whose frameworks are `imported`.
    Imports the plugins, not their frameworks."""
    import importlib

    for plugin in discover(sys.path).values():
        if not imported or plugin.framework in sys.modules:
            module = shield.contain(f"plugin of {plugin.framework}", importlib.import_module, plugin.module)
            if module:
                hooks.register(module, plugin.framework)
