"""Seeds and the states of the global generators: read, never set; and the functions are as without us."""

from __future__ import annotations

import copy
import inspect
import pickle
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest

import autotrack
from autotrack import context, events
from autotrack.capture import seeds
from autotrack.testing import Recording, recorded, run_program

ORIGINAL = {"random.seed": random.seed, "numpy.random.seed": numpy.random.seed, "default_rng": numpy.random.default_rng}
FUNCTIONS = {
    "random.seed": lambda: random.seed,
    "numpy.random.seed": lambda: numpy.random.seed,
    "default_rng": lambda: numpy.random.default_rng,
}


@pytest.fixture(autouse=True)
def generators() -> Iterator[None]:
    """The generators go on as if nothing had been."""
    of_python, of_numpy = random.getstate(), numpy.random.get_state()
    seeds._Known.last.clear()
    yield
    random.setstate(of_python)
    numpy.random.set_state(of_numpy)


def began(root: Path) -> list[dict[str, Any]]:
    return [event.generators for event in Recording(root).events() if isinstance(event, events.StrandStarted)]


def calls(root: Path) -> dict[str, Any]:
    sections = [event for event in Recording(root).events() if isinstance(event, events.JobFacts)]
    found: dict[str, Any] = [event.value for event in sections if event.section == "seeds"][-1]
    return found


def test_the_states_that_runs_begin_with(tmp_path: Path) -> None:
    with recorded(tmp_path):
        with autotrack.run("without"):
            pass
        random.seed(3)
        numpy.random.seed(seed=4)
        with autotrack.run("fresh"), autotrack.run("nested"):
            pass
        random.random()
        numpy.random.normal()
        with autotrack.run("used"):
            pass
        random.seed(3)
        numpy.random.seed(4)
        with autotrack.run("fresh again"):
            pass
        random.seed()
        with autotrack.run("of the system's choice"):
            pass
    without, fresh, nested, used, again, chosen = began(tmp_path)
    assert nested == {}
    for states in (without, fresh, used, again, chosen):
        states.pop("torch", None)  # which another test may have imported
    assert [set(of) for of in without.values()] == [{"state"}, {"state"}], "no call was seen"
    assert {name: (of["seed"], of["fresh"]) for name, of in fresh.items()} == {"python": (3, True), "numpy": (4, True)}
    assert {name: (of["seed"], of["fresh"]) for name, of in used.items()} == {"python": (3, False), "numpy": (4, False)}
    assert all(used[name]["state"] != fresh[name]["state"] for name in fresh)
    assert again == fresh
    assert (chosen["python"]["seed"], chosen["python"]["fresh"]) == (None, False)


def test_the_same_program_begins_with_the_same_states(tmp_path: Path) -> None:
    source = "import random, numpy, autotrack\nrandom.seed('x')\nnumpy.random.seed([1, 2])\nnumpy.random.rand(700)\n"
    found = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        done = run_program(f"{source}autotrack.log({{'a': 1}})\n", tmp_path / name, env={"AUTOTRACK_STRICT": "1"})
        assert done.returncode == 0, done.stderr
        found += began(tmp_path / name / ".autotrack")
    assert found[0] == found[1]
    assert (found[0]["python"]["seed"], found[0]["python"]["fresh"]) == ("x", True)
    assert (found[0]["numpy"]["seed"], found[0]["numpy"]["fresh"]) == ("[1, 2]", False)


def test_reading_changes_nothing(tmp_path: Path) -> None:
    def drawn() -> list[float]:
        return [random.random(), random.gauss(0, 1), float(numpy.random.rand()), float(numpy.random.normal())]

    random.seed(1)
    numpy.random.seed(1)
    expected = drawn() + drawn()
    random.seed(1)
    numpy.random.seed(1)
    with recorded(tmp_path):
        found = []
        for _ in range(2):
            with autotrack.run("a"):
                found += drawn()
    assert found == expected


def test_another_kind_of_generator_in_numpys_place(tmp_path: Path) -> None:
    before = numpy.random.get_bit_generator()
    try:
        numpy.random.set_bit_generator(numpy.random.PCG64(1))
        with recorded(tmp_path), autotrack.run("a"):
            pass
    finally:
        numpy.random.set_bit_generator(before)
    assert set(began(tmp_path)[0]["numpy"]) == {"state"}


def test_the_calls_are_kept(tmp_path: Path) -> None:
    """Before there is a journal, and after; whatever the seed is; and not endlessly many."""
    with recorded(tmp_path):
        for _ in range(3):
            numpy.random.seed(numpy.int64(5))
        numpy.random.default_rng(numpy.random.SeedSequence(1))
        autotrack.log({"a": 1})
        numpy.random.default_rng(6).normal()
        for number in range(100):
            random.seed(f"a{number}")
    found = calls(tmp_path)
    assert len(found["calls"]) == seeds.KEPT
    assert found["left_out"] == 100 + 2 - seeds.KEPT
    first, second, third, *_ = found["calls"]
    assert (first["function"], first["seed"], first["times"]) == ("numpy.random.seed", 5, 3)
    assert first["where"].startswith(f"{__file__}:")
    assert (second["function"], second["seed"]) == ("numpy.random.default_rng", 6)
    assert third["seed"] == "a0"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_functions_are_as_without_us(tmp_path: Path, name: str) -> None:
    original, current = ORIGINAL[name], FUNCTIONS[name]
    before = pickle.dumps(original)
    with recorded(tmp_path):
        ours = current()
        assert type(ours) is seeds.SeedFunction, "else this tests nothing"
        assert ours == original
        assert original == ours
        assert hash(ours) == hash(original)
        assert {original: 1}[ours] == 1
        assert repr(ours) == repr(original)
        assert isinstance(ours, type(original))
        assert inspect.signature(ours) == inspect.signature(original)
        for attribute in ("__doc__", "__module__", "__name__", "__qualname__"):
            assert getattr(ours, attribute) == getattr(original, attribute)
        random.setstate(random.getstate())
        if name != "random.seed":  # whose pickle holds the generator's state
            assert pickle.dumps(ours) == before
        pickle.loads(pickle.dumps(ours))(1)
        copy.deepcopy(ours)(1)
        assert copy.copy(ours) is ours
    assert current() is original
    pickle.loads(pickle.dumps(ours))(1)
    with pytest.raises(TypeError) as theirs:
        original(1, 2, 3, 4)
    with pytest.raises(TypeError) as raised:
        ours(1, 2, 3, 4)
    assert str(raised.value) == str(theirs.value)


def test_names_that_were_bound_meanwhile_are_put_back(tmp_path: Path) -> None:
    source = """
import autotrack
autotrack.enable()
from random import seed
from numpy.random import default_rng
import random, numpy
seed(1); default_rng(2); autotrack.log({"a": 1})
autotrack.disable()
print(type(default_rng).__name__, type(seed).__name__, seed == random.seed, default_rng is numpy.random.default_rng)
"""
    done = run_program(source, tmp_path, tracked=False, env={"AUTOTRACK_STRICT": "1"})
    assert done.stdout == "cython_function_or_method method True True\n", done.stderr
    assert [call["seed"] for call in calls(tmp_path / ".autotrack")["calls"]] == [1, 2]


def test_a_program_that_only_sets_seeds_leaves_nothing(tmp_path: Path) -> None:
    source = "import random, numpy.random\nrandom.seed(1)\nnumpy.random.seed(1)\nprint(random.random())"
    tracked, plain = run_program(source, tmp_path), run_program(source, tmp_path, tracked=False)
    assert (tracked.stdout, tracked.stderr) == (plain.stdout, "")
    assert not (tmp_path / ".autotrack").exists()


def test_seeds_in_workers(tmp_path: Path) -> None:
    """As the first function of a pool, in processes that are started anew."""
    source = """
import multiprocessing, numpy, autotrack
def drawn():
    return numpy.random.rand()
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1, initializer=numpy.random.seed, initargs=(5,)) as pool:
        print(pool.apply(drawn) == numpy.random.RandomState(5).rand())
    autotrack.log({"a": 1})
"""
    done = run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1"})
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr


def test_a_module_of_the_users_that_is_called_random(tmp_path: Path) -> None:
    (tmp_path / "random.py").write_text("def seed(*given): print('mine', *given)\n")
    source = "import random, autotrack\nrandom.seed(1)\nautotrack.log({'a': 1})\n"
    path = [str(tmp_path)]
    done = run_program(f"import sys\nsys.path[:0] = {path!r}\n{source}", tmp_path, env={"AUTOTRACK_STRICT": "1"})
    plain = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == (plain.stdout, plain.returncode), done.stderr
    assert context.Current.job is None


def test_a_generator_of_a_framework(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a plugin says it; here of one whose state is its seed, in a module of its own."""
    from autotrack.plugin_api import know_generator, seed_called

    class Module:
        state = 5

        def __init__(self, state: int) -> None:
            self.state = state

    monkeypatch.setattr(seeds, "_GENERATORS", list(seeds._GENERATORS))
    monkeypatch.setitem(sys.modules, "toy", Module(5))  # type: ignore[arg-type]
    sys.modules["toy"].__name__ = "toy"
    for _ in range(2):
        know_generator("toy", "toy", lambda module: str(module.state), lambda module, seed: Module(seed))
    with recorded(tmp_path):
        seed_called("toy.seed", 5, "train.py:1", generator="toy")
        with autotrack.run("a"):
            pass
    assert began(tmp_path)[0]["toy"] == {"state": "5", "seed": 5, "fresh": True}
    assert calls(tmp_path)["calls"][0]["where"] == "train.py:1"
