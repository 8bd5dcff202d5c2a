"""The behaviours that hold for every plugin, as tests."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import importlib
import inspect
import logging
import pickle
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

import autotrack
from autotrack import Registration, events, plugins
from autotrack.testing.recordings import Recording, recorded, run_program

FRAGILE_ATTEMPTS = 5


def resolve(target: str) -> tuple[Any, str, Any]:
    """Owner, name and raw entry of a target, on the class of the MRO that defines it."""
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for part in outer:
        owner = getattr(owner, part)
    if isinstance(owner, type):
        owner = next(cls for cls in owner.__mro__ if name in vars(cls))
    return owner, name, vars(owner)[name]


class Sabotage(Exception):
    """What a sabotaged observer raises."""


@contextlib.contextmanager
def sabotaged(monkeypatch: pytest.MonkeyPatch, *, before: bool, after: bool) -> Iterator[None]:
    """Every observer of every plugin fails, on one side of its yield or on both."""
    original = plugins._Hooks.patches

    def patches(self: Any, name: str) -> list[Any]:
        found = original(self, name)
        for patch in found:
            if isinstance(patch, Registration):
                patch.argument = _fails if callable(patch.argument) else patch.argument
            elif patch.after is not None:
                patch.after = _fails
            elif patch.observe is not None:
                patch.observe = _failing(before, after)
            elif patch.returned is not None:
                patch.returned = _fails
            else:
                patch.yielded = _fails
        return found

    with monkeypatch.context() as patched:
        patched.setattr(plugins._Hooks, "patches", patches)
        yield


def _fails(*_: Any) -> None:
    raise Sabotage("returned")


def _failing(before: bool, after: bool) -> Callable[..., Generator[None, Any, None]]:
    def observe(*_: Any) -> Generator[None, Any, None]:
        if before:
            raise Sabotage("before")
        yield
        if after:
            raise Sabotage("after")

    return observe


def _state() -> dict[str, Any]:
    """What of the process a plugin may not change."""
    numpy = sys.modules.get("numpy")
    state = {
        "filters": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "excepthook": sys.excepthook,
        "handlers": list(logging.getLogger().handlers),
        "level": logging.getLogger().level,
        "random": random.getstate(),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)],
        "stdout": sys.stdout,
        "stderr": sys.stderr,
    }
    if numpy is not None:
        state["numpy"] = numpy.random.get_state()[1].tolist()
    return state


class PluginContract:
    """The behaviours that hold for every plugin.  A subclass says how its framework trains."""

    framework: ClassVar[str]
    """The name of the entry point, which is the module whose import activates the plugin."""
    program: ClassVar[str]
    """Source of a program that trains one model and prints something of it; the same at each run."""
    targets: ClassVar[tuple[str, ...]]
    """Some of what the plugin patches, as `module:function` or `module:Class.method`."""
    hot_targets: ClassVar[tuple[str, ...]] = ()
    """Functions that run on every step and are replaced by plain ones, which have an identity of their own."""
    fragile: ClassVar[bool] = False
    """Whether the framework itself does not live through each exception that comes in the midst of it."""
    open_ended: ClassVar[bool] = False
    """Whether nothing tells the end of a training: it ends as the next one begins, or as the program does."""

    def statuses(self, recording: Recording) -> list[str | None]:
        """Of all trainings, at the end."""
        if self.open_ended:
            autotrack.disable()
        return [strand.status for strand in recording.strands()]

    def told(self, status: str) -> str:
        """The status of a training that ended so, in a program that goes on."""
        return "finished" if self.open_ended else status

    def train(self) -> Any:
        """Train one model; returns something that can be compared with `==` and does not change."""
        raise NotImplementedError

    def train_failing(self, error: BaseException) -> None:
        """Train one model, in the midst of which the user's own code raises `error`."""
        raise NotImplementedError

    def train_nested(self) -> Any:
        """One training that the user sees as one and inside which others happen."""
        raise NotImplementedError

    def train_odd(self) -> None:
        """Train on data that can't be described; what it raises is of no interest."""
        raise NotImplementedError

    def train_mutating(self) -> str:
        """Train on data that changes in place meanwhile; returns the identity that the features had before."""
        raise NotImplementedError

    def train_interleaved(self) -> list[tuple[str, float]]:
        """Train two models, then score them alternately; the (metric, value) of each, in the order of training."""
        raise NotImplementedError

    def count_calls(self) -> int:
        """Train and evaluate, counting the calls of a function of the user's own that the framework calls."""
        raise NotImplementedError

    # 1, 2: exceptions and failures

    def test_user_exception_is_the_same_object(self, recording: Recording) -> None:
        error = RuntimeError("the user's own")
        with pytest.raises(RuntimeError) as caught:
            self.train_failing(error)
        assert caught.value is error
        assert error.__context__ is None
        assert error.__cause__ is None
        assert not getattr(error, "__notes__", [])
        assert self.statuses(recording) == [self.told("failed")]

    @pytest.mark.parametrize(("before", "after"), [(True, False), (False, True), (True, True)])
    def test_failing_observer_changes_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: bool, after: bool
    ) -> None:
        expected = self.train()
        with sabotaged(monkeypatch, before=before, after=after), recorded(tmp_path / "rec", strict=False) as recording:
            assert self.train() == expected
            error = RuntimeError("the user's own")
            with pytest.raises(RuntimeError) as caught:
                self.train_failing(error)
            assert caught.value is error
        # Where each step is observed by itself, there is nothing left.
        assert self.statuses(recording) == ([] if self.open_ended else ["finished", "failed"])

    # 3, 4, 5: what is patched looks and behaves as before, and is put back

    def test_patched_functions_look_the_same(self, tmp_path: Path) -> None:
        for target in self.targets:
            owner, name, raw = resolve(target)
            before = getattr(owner, name)
            looks = self._looks(owner, name)
            with recorded(tmp_path / "rec"):
                assert vars(owner)[name] is not raw, f"{target} is not patched"
                assert self._looks(owner, name) == looks
                patched = getattr(owner, name)
                assert copy.deepcopy(patched) == before
                assert pickle.loads(pickle.dumps(patched)) == before
                dumped = pickle.dumps(patched)
            assert pickle.loads(dumped) == before, "a pickled function can't be loaded without tracking"

    def test_plain_functions_look_the_same(self, tmp_path: Path) -> None:
        for target in self.hot_targets:
            owner, name, raw = resolve(target)
            *looks, _, _ = self._looks(owner, name)
            with recorded(tmp_path / "rec"):
                assert vars(owner)[name] is not raw, f"{target} is not patched"
                assert [*self._looks(owner, name)][:-2] == looks
                dumped = pickle.dumps(getattr(owner, name))
            assert pickle.loads(dumped) is getattr(owner, name), "it can't be loaded without tracking"

    @staticmethod
    def _looks(owner: Any, name: str) -> tuple[Any, ...]:
        function = getattr(owner, name)
        return (
            str(inspect.signature(function)),
            function.__doc__,
            function.__name__,
            function.__qualname__,
            function.__module__,
            inspect.isfunction(function),
            callable(function),
            repr(function),
            hasattr(owner, name),
        )

    def test_user_objects_are_left_alone(self, tmp_path: Path) -> None:
        self.train()
        before = _state()
        self.train()
        changed = {name for name, value in _state().items() if value != before[name]}
        with recorded(tmp_path / "rec"):
            before = _state()
            self.train()
            assert {name for name, value in _state().items() if value != before[name]} <= changed

    def test_disable_restores_the_very_objects(self, tmp_path: Path) -> None:
        raw = [resolve(target) for target in (*self.targets, *self.hot_targets)]
        for _ in range(2):
            with recorded(tmp_path / "rec"):
                assert all(vars(owner)[name] is not entry for owner, name, entry in raw)
            assert all(vars(owner)[name] is entry for owner, name, entry in raw)

    @pytest.mark.parametrize(
        "order",
        [
            "enable disable import",
            "enable import disable enable disable",
            "import enable disable enable disable",
        ],
    )
    def test_every_order_ends_in_the_same_state(self, tmp_path: Path, order: str) -> None:
        source = [
            "import sys, importlib, autotrack",
            f"modules = {sorted({target.partition(':')[0] for target in self.targets})!r}",
            "def check(imported):",
            "    from autotrack.testing.contract import resolve",
            "    wrappers = sys.modules.get('autotrack.wrappers')",
            f"    for target in {self.targets!r} if imported else ():",
            "        raw = resolve(target)[2]",
            "        assert wrappers is None or not isinstance(raw, wrappers.ObservedFunction), target",
            "    assert not any('autotrack' in type(finder).__module__ for finder in sys.meta_path)",
            "    import os; assert 'AUTOTRACK_JOB' not in os.environ",
            *(
                {
                    "enable": f"autotrack.enable(dir={str(tmp_path / 'rec')!r}, quiet=True, strict=True)",
                    "import": "[importlib.import_module(name) for name in modules]",
                    "disable": "autotrack.disable()\ncheck(any(name in sys.modules for name in modules))",
                }[word]
                for word in order.split()
            ),
            "[importlib.import_module(name) for name in modules]",
            "check(True)",
        ]
        done = run_program("\n".join(source), tmp_path, tracked=False)
        assert done.returncode == 0, done.stderr

    def test_a_patch_on_top_of_ours_survives_disable(self, tmp_path: Path) -> None:
        owner, name, raw = resolve(self.targets[0])
        autotrack.enable(dir=tmp_path / "rec", quiet=True, strict=True)
        ours = vars(owner)[name]

        def theirs(*args: Any, **kwargs: Any) -> Any:
            return ours.__get__(args[0])(*args[1:], **kwargs) if isinstance(owner, type) else ours(*args, **kwargs)

        setattr(owner, name, theirs)
        try:
            autotrack.disable()
            assert vars(owner)[name] is theirs
            self.train()
            assert not (tmp_path / "rec").exists()
        finally:
            setattr(owner, name, raw)

    # 6, 7, 8: runs

    def test_statuses(self, recording: Recording) -> None:
        self.train()
        with contextlib.suppress(KeyboardInterrupt):
            self.train_failing(KeyboardInterrupt())
        assert self.statuses(recording) == ["finished", self.told("interrupted")]

    def test_killed(self, tmp_path: Path) -> None:
        done = run_program(self.program + "\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", tmp_path)
        assert done.returncode == -signal.SIGKILL
        recording = Recording(tmp_path / ".autotrack")
        assert [strand.status for strand in recording.strands()] == [None if self.open_ended else "finished"]
        assert not any(isinstance(event, events.JobEnded) for event in recording.events())
        assert not any(segment.owner_alive(time.time()) for segment in recording.segments())

    def test_threads_are_recorded_once_each(self, recording: Recording) -> None:
        workers = [threading.Thread(target=self.train) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert self.statuses(recording) == ["finished"] * 4

    def test_asyncio_tasks_are_recorded_once_each(self, recording: Recording) -> None:
        async def one() -> None:
            with autotrack.run("task"):
                await asyncio.sleep(0)
                self.train()
                await asyncio.sleep(0)

        async def both() -> None:
            await asyncio.gather(one(), one())

        asyncio.run(both())
        strands = recording.strands()
        runs = {strand.id for strand in strands if strand.kind == "run"}
        assert len(runs) == 2
        owners = {strand.started.owner for strand in strands if strand.kind != "run"}
        assert owners == runs, [strand.started for strand in strands]

    def test_forked_child_is_recorded_once(self, tmp_path: Path) -> None:
        source = f"import os\n{self.program}\nif os.fork() == 0:\n    exec({self.program!r})\nelse:\n    os.wait()\n"
        done = run_program(source, tmp_path)
        assert done.returncode == 0, done.stderr
        recording = Recording(tmp_path / ".autotrack")
        assert [strand.status for strand in recording.strands()] == ["finished"] * 2
        assert sorted(segment.header().role for segment in recording.segments() if segment.header()) == ["fork", "main"]  # type: ignore[union-attr]

    def test_spawned_worker_is_recorded_once(self, tmp_path: Path) -> None:
        (tmp_path / "work.py").write_text(f"def train(n):\n    exec({self.program!r}, {{}})\n")
        source = (
            "import multiprocessing, work\n"
            "if __name__ == '__main__':\n"
            "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
            "        pool.map(work.train, [1])\n"
            "        pool.close()\n"
            "        pool.join()\n"
            f"    exec({self.program!r}, {{}})\n"
        )
        done = run_program(source, tmp_path)
        assert done.returncode == 0, done.stderr
        recording = Recording(tmp_path / ".autotrack")
        assert [strand.status for strand in recording.strands()] == ["finished"] * 2
        assert len({segment.job for segment in recording.segments()}) == 1

    def test_a_run_of_the_users_is_reused_and_left_open(self, recording: Recording) -> None:
        with autotrack.run("mine"):
            self.train()
            mine, inner = recording.strands()
            assert inner.started.owner == mine.id
            assert inner.status == (None if self.open_ended else "finished")
            assert mine.status is None
        assert recording.strands()[0].status == "finished"

    # 9, 10, 13: which run is which

    def test_a_fit_inside_a_fit_is_no_run(self, recording: Recording) -> None:
        self.train_nested()
        assert len(recording.strands()) == 1

    def test_two_trainings_in_a_row_are_two_runs(self, recording: Recording) -> None:
        self.train()
        self.train()
        first, second = recording.strands()
        assert first.id != second.id
        assert first.points == second.points
        assert first.params == second.params

    def test_interleaved_models_keep_their_scores(self, recording: Recording) -> None:
        expected = self.train_interleaved()
        strands = recording.strands()
        assert len(strands) == len(expected)
        for strand, (metric, value) in zip(strands, expected, strict=True):
            assert strand.points[metric][-1][1] == value

    # 11, 12, 14: data

    def test_data_is_recorded_as_the_training_received_it(self, recording: Recording) -> None:
        before = self.train_mutating()
        dataset = recording.strands()[0].datasets[0].dataset
        features = dataset.parts[0] if dataset.parts else dataset
        assert features.id == before or features.method in ("mutated", "unverified")

    def test_nothing_of_the_users_is_called_by_us(self, tmp_path: Path) -> None:
        expected = self.count_calls()
        with recorded(tmp_path / "rec"):
            assert self.count_calls() == expected

    def test_odd_data_is_a_gap(self, recording: Recording) -> None:
        with contextlib.suppress(Exception):
            self.train_odd()
        (strand,) = recording.strands()
        assert strand.gaps

    # 15, 16, 17: quiet, versions, the user's own tricks

    def test_unsupported_version_is_one_line(self, tmp_path: Path) -> None:
        source = (
            f"import {self.framework}\n"
            f"{self.framework}.__version__ = '0.0.1'\n"
            f"import autotrack\nautotrack.enable(dir={str(tmp_path / 'rec')!r}, strict=True)\n{self.program}\n"
        )
        done = run_program(source, tmp_path, tracked=False)
        assert done.returncode == 0, done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert "0.0.1 is not observed" in done.stderr
        assert not (tmp_path / "rec").exists()

    def test_output_is_as_without_tracking(self, tmp_path: Path) -> None:
        plain = run_program(self.program, tmp_path, tracked=False)
        tracked = run_program(self.program, tmp_path)
        assert (tracked.stdout, tracked.returncode) == (plain.stdout, plain.returncode)
        ours = [line for line in tracked.stderr.splitlines() if line not in plain.stderr.splitlines()]
        assert len(ours) == 1
        assert ours[0].startswith("autotrack: ")
        quiet = run_program(self.program, tmp_path, env={"AUTOTRACK_QUIET": "1"})
        assert quiet.stderr == plain.stderr
        assert len(Recording(tmp_path / ".autotrack").strands()) == 2
        off = run_program(self.program, tmp_path, env={"AUTOTRACK_DISABLED": "1"})
        assert (off.stdout, off.stderr) == (plain.stdout, plain.stderr)
        assert len(Recording(tmp_path / ".autotrack").strands()) == 2

    def test_timeouts_finalizers_and_wait_work(self, tmp_path: Path) -> None:
        source = f"""
import faulthandler, gc, os, signal, sys, threading, weakref
faulthandler.dump_traceback_later(100, exit=True)  # of what hangs
gc.disable()
class Timeout(Exception): pass
def on_alarm(number, frame): raise Timeout
signal.signal(signal.SIGALRM, on_alarm)
program = {self.program!r}
exec(program, {{}})
outcomes = set()
for delay in (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.05, 0.2):
    try:
        signal.setitimer(signal.ITIMER_REAL, delay, 0.05)  # again and again: frameworks swallow some themselves
        try:
            while True:
                exec(program, {{}})
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Timeout as error:
        outcomes.add(type(error).__name__)
print(outcomes, file=sys.stderr)
space = {{}}
exec(program, space)
kept = [weakref.ref(value) for value in space.values() if type(value).__module__.startswith({self.framework!r})]
assert kept, 'the program leaves no object of the framework'
space.clear()
print(sum(reference() is not None for reference in kept), 'kept alive', file=sys.stderr)
if os.fork() == 0:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.wait()[1]), file=sys.stderr)
try:
    os.wait()
except ChildProcessError:
    print('no child of ours', file=sys.stderr)
"""
        for _ in range(FRAGILE_ATTEMPTS if self.fragile else 1):
            plain = run_program(source, tmp_path, tracked=False)
            tracked = run_program(source, tmp_path, env={"AUTOTRACK_QUIET": "1"})
            if plain.returncode == tracked.returncode == 0 and plain.stderr == tracked.stderr:
                break
        assert plain.returncode == 0, plain.stderr
        assert tracked.stderr == plain.stderr
