"""Containment: strict mode, gaps, the circuit breaker, the limit on the share of time."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import Ridge

import autotrack
from autotrack import context, events, plugins, shield, tracking
from autotrack.patching import Patch
from autotrack.shield import FAILED, FAILURE_LIMIT, Meter, contain
from autotrack.testing import Recording, recorded

X, Y = np.arange(12.0).reshape(6, 2), np.arange(6.0)


class Broken(Exception):
    pass


def breaks(*_: Any) -> None:
    raise Broken("it broke")


@pytest.fixture
def heard() -> Iterator[list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []
    shield.configure(strict=False, listener=lambda where, text: told.append((where, text)))
    yield told
    shield.configure(strict=False, listener=None)


def test_production_swallows_and_tells(heard: list[tuple[str, str]]) -> None:
    meter = Meter("m")
    assert contain("here", breaks, 1, meter=meter) is FAILED
    assert not FAILED
    assert (meter.failed, meter.why) == (1, "Broken: it broke")
    ((where, text),) = heard
    assert where == "here"
    assert text.endswith("Broken: it broke\n")
    assert "in breaks" in text
    assert contain("here", divmod, 7, 2) == (3, 1)


def test_strict_raises(heard: list[tuple[str, str]]) -> None:
    shield.configure(strict=True, listener=None)
    with pytest.raises(Broken):
        contain("here", breaks)


def test_base_exceptions_pass(heard: list[tuple[str, str]]) -> None:
    for error in (KeyboardInterrupt, SystemExit, GeneratorExit):

        def raises(error: type[BaseException] = error) -> None:
            raise error

        with pytest.raises(error):
            contain("here", raises)
    assert heard == []


def test_a_listener_that_fails_is_contained() -> None:
    shield.configure(strict=False, listener=breaks)
    try:
        assert contain("here", breaks) is FAILED
    finally:
        shield.configure(strict=False, listener=None)


def test_five_failures_in_a_row_switch_off(heard: list[tuple[str, str]]) -> None:
    meter = Meter("m")
    for _ in range(3):
        for _ in range(FAILURE_LIMIT - 1):
            contain("here", breaks, meter=meter)
        meter.succeed()
    assert meter.on
    for _ in range(FAILURE_LIMIT):
        contain("here", breaks, meter=meter)
    assert not meter.on
    assert "failed 5 times in a row, last with Broken: it broke" in meter.why


def test_too_large_a_share_of_the_time_switches_off() -> None:
    meter = Meter("m")
    elapsed = time.perf_counter() - shield._START
    meter.spent(min(shield.SHARE_FLOOR, 0.01 * elapsed))
    assert meter.on, "below the floor anything goes"
    meter.spent(max(shield.SHARE_FLOOR, shield.SHARE_LIMIT * (elapsed + 60)) + 1)
    assert not meter.on
    assert "more than 5%" in meter.why


def test_many_cheap_calls_do_not_switch_off() -> None:
    meter = Meter("m")
    elapsed = time.perf_counter() - shield._START
    meter.fired = 1_000_000
    meter.spent(max(shield.SHARE_FLOOR, shield.SHARE_LIMIT * (elapsed + 60)) + 1)
    assert meter.on


def test_signal_handlers_pass(heard: list[tuple[str, str]]) -> None:
    def handler(number: int, frame: Any) -> None:
        raise Broken

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(Broken):
            contain("here", signal.raise_signal, signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert heard == []


# In a job


def failing(monkeypatch: pytest.MonkeyPatch, when: Any) -> None:
    """Every observer of `fit` fails before the call, where `when(number of the call)`."""
    original = plugins._Hooks.patches
    calls = 0

    def observe(*_: Any) -> Any:
        nonlocal calls
        calls += 1
        if when(calls):
            raise Broken(f"call {calls}")
        yield

    def patches(self: Any, name: str) -> list[Patch]:
        found = original(self, name)
        for patch in found:
            if patch.targets == ("sklearn.base:BaseEstimator.fit",):
                patch.observe = observe
        return found

    monkeypatch.setattr(plugins._Hooks, "patches", patches)


def test_a_failing_observer_is_a_gap_until_it_is_switched_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failing(monkeypatch, lambda call: True)
    with recorded(tmp_path, strict=False) as recording:
        for _ in range(FAILURE_LIMIT + 3):
            assert Ridge().fit(X, Y).coef_.shape == (2,)
    assert len(recording.strands()) == FAILURE_LIMIT
    gaps = [e for e in recording.events() if isinstance(e, events.GapFound) and e.strand is None]
    assert all("Broken: call" in gap.why for gap in gaps)
    assert [gap.what.startswith("autotrack: ") for gap in gaps] == [True] * FAILURE_LIMIT + [False]
    assert "not observed any more, since it failed 5 times in a row" in gaps[-1].why
    receipt = [event for event in recording.events() if isinstance(event, events.Receipt)][-1]
    (fit,) = [entry for entry in receipt.patches if entry.patch == "sklearn.base:BaseEstimator.fit"]
    assert (fit.failed, fit.fired) == (FAILURE_LIMIT, FAILURE_LIMIT)
    assert "5 times in a row" in fit.why


def test_failures_now_and_then_do_not_switch_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failing(monkeypatch, lambda call: call % 2)
    with recorded(tmp_path, strict=False) as recording:
        for _ in range(4 * FAILURE_LIMIT):
            Ridge().fit(X, Y)
    assert len(recording.strands()) == 4 * FAILURE_LIMIT


def test_what_fails_all_the_time_does_not_fill_the_disk(tmp_path: Path) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise Broken

    with recorded(tmp_path, strict=False) as recording:
        for step in range(1000):
            autotrack.log({"odd": Odd(), "loss": float(step)}, step=step)
    noted = [e for e in recording.events() if isinstance(e, events.GapFound)]
    assert len(noted) == tracking.NOTED_FAILURES
    assert "not noted any more" in noted[-1].why
    (strand,) = recording.strands()
    assert len(strand.points["loss"]) == 1000, "what is beside it is recorded"


def test_strict_mode_raises_in_tests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failing(monkeypatch, lambda call: True)
    with recorded(tmp_path), pytest.raises(Broken):
        Ridge().fit(X, Y)
    assert context.here.inside is None


def test_a_recording_goes_on_after_failures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    failing(monkeypatch, lambda call: call == 1)
    with recorded(tmp_path, strict=False) as recording:
        Ridge().fit(X, Y)
        Ridge().fit(X, Y)
    first, second = recording.strands()
    assert "what is known before the call" in first.gaps
    assert (first.status, second.status) == ("finished", "finished")
    assert isinstance(Recording, type)


def test_what_a_signal_handler_raises_near_the_recursion_limit(heard: list[tuple[str, str]]) -> None:
    """Not swallowed, where there is room for the handler and none to look closer at what it raised."""
    ran, broken = False, Broken()

    def tell(*_: object) -> None:
        nonlocal ran
        ran = True
        raise broken

    def nest(more: int) -> str:
        nonlocal ran
        if more:
            return nest(more - 1)
        ran = False
        try:
            contain("here", signal.raise_signal, signal.SIGUSR1)
        except Broken:
            return "raised"
        return "swallowed" if ran else "no room"

    before = signal.signal(signal.SIGUSR1, tell)
    outcomes = []
    try:
        for depth in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit()):
            with contextlib.suppress(RecursionError):
                outcomes.append(nest(depth))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert outcomes[0] == "raised"
    assert "swallowed" not in outcomes
