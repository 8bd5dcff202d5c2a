"""The user's program is sacred: warnings, timeouts, pickles, recursion, contexts are as without us."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import accuracy_score

import autotrack
from autotrack import context, manual
from autotrack.testing import Recording, recorded, recording, run_program

__all__ = ["recording"]

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6.0)


def same(source: str, folder: Path, **env: str) -> Recording:
    """Run a program tracked and untracked: nothing that it prints, to any stream, may differ."""
    plain = run_program(source, folder, tracked=False)
    tracked = run_program(source, folder, env={"AUTOTRACK_QUIET": "1", **env})
    assert (tracked.returncode, tracked.stdout, without_ours(tracked.stderr)) == (
        plain.returncode,
        plain.stdout,
        plain.stderr,
    )
    assert plain.stdout or plain.stderr
    return Recording(folder / ".autotrack")


def without_ours(stderr: str) -> str:
    """Without the one frame of ours that a traceback may show."""
    lines = stderr.splitlines(keepends=True)
    ours = [number for number, line in enumerate(lines) if "autotrack" in line]
    assert len(ours) <= 1, stderr
    return "".join(line for number, line in enumerate(lines) if number not in ours)


ESTIMATOR = """
import warnings, sys
from sklearn.base import BaseEstimator
class Mine(BaseEstimator):
    def fit(self, X, y=None):
        CODE
        return self
    def predict(self, X):
        warnings.warn("from predict", stacklevel=2)
        return X
"""


@pytest.mark.parametrize("filters", ["", "warnings.simplefilter('once')", "warnings.simplefilter('error')"])
def test_warnings_point_at_the_users_line(tmp_path: Path, filters: str) -> None:
    source = (
        ESTIMATOR.replace("CODE", "warnings.warn('from fit', UserWarning, stacklevel=y)")
        + f"""
{filters}
def train():
    mine = Mine()
    for level in range(2, 5):
        for n in range(2):
            mine.fit([[1.0], [2.0]], level)
            mine.predict([[1.0], [2.0]])
        mine.fit(
            [[1.0]],
            y=level,
        )
train()
"""
    )
    assert len(same(source, tmp_path).strands()) >= 1


def test_warnings_of_the_library(tmp_path: Path) -> None:
    source = """
import warnings
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    LogisticRegression(max_iter=1).fit([[0.0], [1.0], [2.0]], [0, 1, 1])
    f1_score([0, 0], [1, 1], labels=[3, 4])
for w in caught:
    print(w.category.__name__, w.filename, w.lineno)
f1_score([0, 0], [1, 1], labels=[3, 4])
"""
    same(source, tmp_path)


def test_a_timeout_within_a_fit_arrives(tmp_path: Path) -> None:
    """The same object, wherever it strikes: in the fit, in what we do before and after it."""
    source = (
        ESTIMATOR.replace("CODE", "pass")
        + """
import signal
class Timeout(Exception): pass
raised, arrived = [], []
def handler(number, frame):
    raised.append(Timeout())
    raise raised[-1]
signal.signal(signal.SIGALRM, handler)
mine = Mine().fit([[1.0]])
for n in range(300):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0001 + n % 20 * 0.0001)
        while True:
            mine.fit([[1.0], [2.0]], [1.0, 2.0])
    except Timeout as error:
        arrived.append(error)
assert all(one is other for one, other in zip(raised, arrived, strict=True))
print(len(arrived))
if "autotrack" in sys.modules:
    from autotrack import context
    assert context.here.inside is None, "no fit would be recorded any more"
Mine().fit([[3.0]])
"""
    )
    recording = same(source, tmp_path)
    assert recording.strands()[-1].status == "finished"


@pytest.mark.parametrize(
    "handler",
    [
        "def handler(number, frame): raise Timeout",
        "import functools\ndef inner(what, number, frame): raise what\nhandler = functools.partial(inner, Timeout)",
        "def handler(number, frame):\n    signal.signal(signal.SIGALRM, signal.SIG_DFL)\n    raise Timeout",
        "class Handler:\n    def __call__(self, number, frame): raise Timeout\nhandler = Handler()",
        "class Handler:\n    def on(self, number, frame): raise Timeout\nhandler = Handler().on",
        "def deep(): raise Timeout\ndef handler(*_): deep()",
        "handler = lambda number, frame: 1 / 0\nTimeout = ZeroDivisionError",
    ],
)
def test_every_kind_of_handler(tmp_path: Path, handler: str) -> None:
    """Raised in the midst of what autotrack does: here within a `__repr__` that it calls."""
    source = f"""
import os, signal, autotrack
class Timeout(Exception): pass
{handler}
class Odd:
    def __repr__(self):
        os.kill(os.getpid(), signal.SIGALRM)
        for _ in range(1000): pass
        return "odd"
for n in range(3):
    signal.signal(signal.SIGALRM, handler)
    try:
        autotrack.log({{"odd": Odd()}})
        print("swallowed")
    except Timeout:
        print("arrived")
"""
    done = run_program(source, tmp_path)
    assert done.stdout == "arrived\n" * 3, done.stderr


# Pickling and copying


@pytest.fixture
def before() -> dict[str, Any]:
    return {"function": accuracy_score, "method": Ridge.fit, "bound": Ridge(alpha=2.0).fit}


def test_pickles_and_copies_are_as_without_us(before: dict[str, Any], tmp_path: Path) -> None:
    import sklearn.metrics

    plain = pickle.dumps(before["function"])
    ridge = Ridge(alpha=2.0)
    with recorded(tmp_path):
        assert pickle.dumps(before["function"]) == plain, "frameworks go on holding the function itself"
        for dumps in (pickle.dumps, cloudpickle.dumps):
            assert pickle.loads(dumps(sklearn.metrics.accuracy_score)) is sklearn.metrics.accuracy_score
            assert len(dumps(sklearn.metrics.accuracy_score)) < 100, "by name"
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            for dumps in (pickle.dumps, cloudpickle.dumps):
                assert pickle.loads(dumps(sklearn.metrics.accuracy_score, protocol))([1], [1]) == 1.0
                bound = pickle.loads(dumps(ridge.fit, protocol))
                assert bound.__self__.alpha == 2.0
                assert bound(X, Y).coef_.shape == (2,)
                assert pickle.loads(dumps(Ridge.fit, protocol))(ridge, X, Y) is ridge
        for copied in (copy.copy(ridge.fit), copy.deepcopy(ridge.fit)):
            assert copied(X, Y).alpha == 2.0
        assert copy.copy(ridge.fit).__self__ is ridge
        assert copy.deepcopy(ridge.fit).__self__ is not ridge
        assert copy.deepcopy(sklearn.metrics.accuracy_score) is sklearn.metrics.accuracy_score
        dumped = [pickle.dumps(value) for value in (ridge.fit, Ridge.fit, sklearn.metrics.accuracy_score, ridge)]
        by_value = cloudpickle.dumps(make_class())
        kept = sklearn.metrics.accuracy_score
    assert pickle.loads(pickle.dumps(kept)) is before["function"]
    source = (
        "import pickle, sys\nfor value in pickle.load(sys.stdin.buffer): pickle.loads(value)\n"
        "print(sorted(m for m in sys.modules if m.startswith('autotrack')))"
    )
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", source], input=pickle.dumps([*dumped, by_value]), capture_output=True, check=False
    )
    assert done.stdout == b"[]\n", done.stderr.decode()


def make_class() -> type:
    class Local(BaseEstimator):  # type: ignore[misc]
        def fit(self, X: Any, y: Any = None) -> Local:
            return self

    Local.__module__ = "__main__"
    return Local


def test_a_class_that_was_defined_while_recording_survives(tmp_path: Path) -> None:
    with recorded(tmp_path) as recording:
        local = make_class()
        again = cloudpickle.loads(cloudpickle.dumps(local()))
        again.fit(X)
        clone(again).fit(X)
        assert len(recording.strands(steps=True)) == 2
    local().fit(X)
    again.fit(X)
    assert len(recording.strands(steps=True)) == 2


# Limits


def test_near_the_recursion_limit(tmp_path: Path) -> None:
    """At whatever depth there is room for the user's own call and ours, none of our errors reaches the user."""
    source = (
        ESTIMATOR.replace("CODE", "pass")
        + """
mine = Mine().fit([[1.0]])
def at(depth):
    if depth:
        return at(depth - 1)
    mine.fit([[1.0]])
    return "fitted"
def deepest():
    low, high = 0, sys.getrecursionlimit() + 10
    outcomes = []
    for depth in range(high - 120, high):
        try:
            outcomes.append(at(depth))
        except RecursionError:
            outcomes.append("RecursionError")
    return outcomes
outcomes = deepest()
first = outcomes.index("RecursionError")
assert set(outcomes[first:]) == {"RecursionError"}
print(high - first if (high := 120) else 0, file=sys.stdout if REPORT else sys.stderr)
"""
    )
    plain = run_program(source.replace("REPORT", "True"), tmp_path, tracked=False)
    tracked = run_program(source.replace("REPORT", "True"), tmp_path, env={"AUTOTRACK_QUIET": "1"})
    assert plain.returncode == tracked.returncode == 0, tracked.stderr
    assert int(tracked.stdout) - int(plain.stdout) <= 4, "frames that our wrapper itself takes"


def test_exceptions_with_a_broken_message(recording: Recording) -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise ValueError("no message")

        __repr__ = __str__

    class Mine(BaseEstimator):  # type: ignore[misc]
        def fit(self, X: Any) -> None:
            raise Odd

        def predict(self, X: Any) -> Any: ...

    autotrack.disable()
    autotrack.enable(dir=recording.root, quiet=True)
    with pytest.raises(Odd):
        Mine().fit(X)
    autotrack.disable()
    (strand,) = recording.strands()
    assert strand.status == "failed"


def test_base_exceptions_end_a_fit_as_interrupted(recording: Recording) -> None:
    class Mine(BaseEstimator):  # type: ignore[misc]
        def fit(self, X: Any, error: BaseException) -> None:
            raise error

        def predict(self, X: Any) -> Any: ...

    for error in (SystemExit(3), GeneratorExit(), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught:
            Mine().fit(X, error)
        assert caught.value is error
    assert [strand.status for strand in recording.strands()] == ["interrupted"] * 3


# Contexts


def test_a_run_in_a_generator_that_ends_in_another_context(recording: Recording) -> None:
    import contextvars

    def generator() -> Any:
        with autotrack.run("mine"):
            yield

    steps = generator()
    contextvars.copy_context().run(next, steps)
    with pytest.raises(StopIteration):
        contextvars.copy_context().run(next, steps)
    assert [strand.status for strand in recording.strands()] == ["finished"]


def test_threads_that_python_did_not_start_stay_unknown_to_threading(recording: Recording) -> None:
    import _thread

    done = threading.Event()

    def work() -> None:
        try:
            LinearRegression().fit(X, Y)
            autotrack.log({"loss": 1.0})
        finally:
            done.set()

    before = threading.active_count()
    _thread.start_new_thread(work, ())
    assert done.wait(20)
    assert threading.active_count() == before
    assert recording.strands()[0].status == "finished"


def test_odd_thread_names(recording: Recording) -> None:
    thread = threading.Thread(target=lambda: LinearRegression().fit(X, Y), name="odd \udcff\x00")
    thread.start()
    thread.join()
    assert [strand.status for strand in recording.strands()] == ["finished"]


def test_the_recorder_is_not_seen_by_trace_and_profile_functions(tmp_path: Path) -> None:
    source = """
import sys, threading
seen = set()
threading.setprofile(lambda frame, event, argument: seen.add(threading.get_ident()))
threading.settrace(lambda frame, event, argument: seen.add(threading.get_ident()))
import autotrack
autotrack.log({"loss": 1.0})
print(seen, [thread.name for thread in threading.enumerate()])
"""
    done = run_program(source, tmp_path)
    assert done.stdout == "set() ['MainThread']\n"


def test_logging_odd_values(recording: Recording) -> None:
    odd: dict[str, Any] = {
        "huge": 10**400,
        "complex": np.complex128(1j),
        "date": np.datetime64("2020-01-01"),
        "none": None,
        "array": np.ones(3),
        "object": object(),
        "nothing": np.array(None),
    }
    fine = {"int": 3, "bool": True, "numpy": np.float32(0.5), "one": np.array([2.0]), "zero": np.array(4)}
    fine["nan"] = np.nan
    autotrack.log({**odd, **fine}, step=np.int64(7))  # type: ignore[arg-type]
    (strand,) = recording.strands()
    assert set(strand.points) == set(fine)
    assert strand.points["zero"] == [(7, 4.0)]
    (summary,) = [event.values for event in strand.events if hasattr(event, "values")]
    assert set(summary) == set(odd)


@pytest.mark.parametrize("way", ["compiled", "plain"])
def test_logging_again_and_again(recording: Recording, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """What takes no more than a point is recorded without further ado, and to the same effect."""
    if way == "plain":
        monkeypatch.setattr(manual, "compiled", None)
    count = 3 * 65_536 // 32  # more than a window holds
    for number in range(count):
        autotrack.log({"loss": 0.5 * number, "hits": number, "done": number > 3})
    autotrack.log({"loss": np.float64(-1.0), "hits": 10**400, "word": "text"}, step=7)
    autotrack.log({"loss": np.nan, "new": 1.0}, step=2**63 - 1)
    autotrack.log({"hits": 1}, step=np.int64(5))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the name 1 is a int"):
        autotrack.log({"loss": 1.0, 1: 2})  # type: ignore[dict-item]
    with autotrack.run("inner"):
        autotrack.log({"loss": 3.0})
        autotrack.log({"loss": 4.0})
    autotrack.log({"loss": 5.0})  # belongs to the run that was last
    outer, inner = recording.strands()
    assert outer.points["loss"][:count] == [(number, 0.5 * number) for number in range(count)]
    assert outer.points["loss"][count] == (7, -1.0)
    assert outer.points["loss"][-1][0] == 2**63 - 1
    assert len(outer.points["loss"]) == count + 2
    assert outer.points["hits"] == [*((number, number) for number in range(count)), (5, 1.0)]
    assert outer.points["done"][3:5] == [(3, 0.0), (4, 1.0)]
    assert outer.points["new"] == [(2**63 - 1, 1.0)]
    assert inner.points["loss"] == [(0, 3.0), (1, 4.0), (2, 5.0)]


def test_arguments_that_can_not_be_meant(recording: Recording) -> None:
    for on in (True, False):
        if not on:
            autotrack.disable()
        with pytest.raises(TypeError, match="takes a dict"):
            autotrack.log([("a", 1)])  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="the name 1 is a int"):
            autotrack.log({1: 2})  # type: ignore[dict-item]
        with pytest.raises(TypeError, match="step is a float"):
            autotrack.log({"a": 1}, step=0.5)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="is a int, not a text"):
            autotrack.tag(1)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="takes a name"):
            autotrack.run(1)  # type: ignore[arg-type]
    assert context.Current.job is None


def test_finalizers_that_train_wherever_they_run(tmp_path: Path) -> None:
    """The garbage collector may come into our own `ContextVar.set`, and that is no place to set another."""
    source = (
        ESTIMATOR.replace("CODE", "pass")
        + """
import asyncio, gc
import autotrack
class Late:
    def __init__(self): self.me = self
    def __del__(self):
        with autotrack.run("late"):
            Mine().fit([[1.0]])
            autotrack.log({"late": 1.0})
async def train(name):
    with autotrack.run(name):
        for _ in range(100):
            Late()
            Mine().fit([[2.0]])
            autotrack.log({name: 1.0})
            await asyncio.sleep(0)
async def both():
    await asyncio.gather(train("a"), train("b"))
gc.set_threshold(1, 1, 1)
asyncio.run(both())
gc.collect()
"""
    )
    done = run_program(source, tmp_path, env={"AUTOTRACK_QUIET": "1", "AUTOTRACK_STRICT": "1"})
    assert (done.returncode, done.stderr) == (0, "")
    strands = Recording(tmp_path / ".autotrack").strands()
    runs = {strand.id: strand for strand in strands if strand.kind == "run"}
    assert sorted(strand.name for strand in runs.values()) == ["a", "b", *["late"] * 200]
    for name in ("a", "b"):
        (run,) = [strand for strand in runs.values() if strand.name == name]
        assert len(run.points[name]) == 100
        assert sum(strand.started.owner == run.id for strand in strands) == 100


def test_names_of_a_class_that_empties_what_is_logged(tmp_path: Path) -> None:
    """A name that is compared is none of the program's: what is logged stays as it is while it is logged."""
    source = """
import autotrack

class Name(str):
    def __eq__(self, other):
        if emptying:
            values.clear()
        return str.__eq__(self, other)
    __hash__ = str.__hash__

emptying, values = False, {}
autotrack.log({Name("loss"): 0.0, "other": 1.0})
emptying = True
for step in range(20):
    values = {"".join(["lo", "ss"]): float(step), "".join(["oth", "er"]): step + 0.5}
    autotrack.log(values)
print("ended")
"""
    done = run_program(source, tmp_path)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr
    run = autotrack.load("@last", dir=tmp_path / ".autotrack")
    assert run.points("loss")[1].tolist() == [0.0, *map(float, range(20))]
    assert run.points("other")[1].tolist() == [1.0, *(step + 0.5 for step in range(20))]


def test_a_handler_that_raises_at_any_moment_leaves_nothing_locked(tmp_path: Path) -> None:
    """While what is printed is looked at for the first time, while a run begins, and while data is digested."""
    source = """
import faulthandler, signal, time
import numpy, autotrack
from sklearn.linear_model import Ridge

faulthandler.dump_traceback_later(60, exit=True)
class Timeout(Exception): pass
def on_alarm(number, frame): raise Timeout
signal.signal(signal.SIGALRM, on_alarm)

def storm(work, seconds):
    raised, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
            try:
                for step in range(1000):
                    work(step)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except Timeout:
            raised += 1
    return raised

X = numpy.arange(60.0).reshape(30, 2)
raised = storm(lambda step: print("loss", step * 0.5), 2.0)
raised += storm(lambda step: autotrack.log({"loss": step * 0.5}), 1.0)
raised += storm(lambda step: Ridge().fit(X + step, X[:, 0]), 1.0)
signal.setitimer(signal.ITIMER_REAL, 0)
with autotrack.run("afterwards"):
    autotrack.log({"x": 1.0})
assert raised > 100, raised
"""
    done = run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "0", "AUTOTRACK_QUIET": "1"})
    assert done.returncode == 0, done.stderr
    assert autotrack.load("@last", dir=tmp_path / ".autotrack").points("x")[1].tolist() == [1.0]
