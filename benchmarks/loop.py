"""What a raw PyTorch loop costs more for every step of it being observed, and what memory it takes.

Tracked and untracked blocks take turns in one process, since two processes of one program differ by more than what is
measured here: for an untracked block the observers are taken out of PyTorch, with what they know left as it is.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import autotrack
from benchmarks.measure import Clock, Result, paired, scaled, slope

WARM = 3_000
"""Steps before the first measurement."""
BLOCK, ROUNDS = 100, 300
"""Steps of a block, and pairs of blocks, of the small model."""
SLOW_BLOCK, SLOW_ROUNDS = 10, 25
"""The same of the large one."""
SAVES, SAVE_ROUNDS = 10, 40
STEPS = 1_000_000
"""Over which memory is looked at."""
LOOKS = 50


def run(rounds: int = ROUNDS) -> Iterator[Result]:
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    small = Loop(20, 64, rows=32)
    with tempfile.TemporaryDirectory() as folder:
        autotrack.enable(dir=Path(folder) / ".autotrack", quiet=True)
        try:
            small.steps(WARM)
            time.sleep(1.0)  # the recorder has opened its files, and read the source
            observers = Observers()
            yield _cost("loop: a step of a perceptron", observers, small, BLOCK, rounds, 5.0)
            large = Loop(512, 1024, rows=1024)
            large.steps(WARM // 100)
            yield _cost("loop: a step of about 20 ms", observers, large, SLOW_BLOCK, SLOW_ROUNDS, None)
            yield _saving(observers, Loop(256, 256, rows=1), Path(folder))
            yield _growth(Loop(1, 1, rows=1))
            if torch.cuda.is_available():
                yield from _on_device(observers)
        finally:
            autotrack.disable()


def _on_device(observers: Observers) -> Iterator[Result]:
    """On a GPU, where a value is copied and the recorder reads it: of a step that is as long as it takes to ask for it,
    and of one that the device works on."""
    small = Loop(20, 64, rows=32, device="cuda")
    small.steps(WARM)
    yield _cost("loop: a step of a perceptron, GPU", observers, small, BLOCK, ROUNDS, None)
    large = Loop(4_096, 8_192, rows=4_096, device="cuda")
    large.steps(WARM // 100)
    yield _cost("loop: a step of a large one, GPU", observers, large, SLOW_BLOCK, SLOW_ROUNDS, None)


class Loop:
    """A perceptron with one hidden layer, and the data that it is trained on."""

    def __init__(self, width: int, hidden: int, rows: int, device: str = "cpu") -> None:
        import torch

        layers = (torch.nn.Linear(width, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 1))
        self.model = torch.nn.Sequential(*layers).to(device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3)
        self.x, self.y = torch.randn(rows, width, device=device), torch.randn(rows, 1, device=device)
        self.wait: Callable[[], None] = torch.cuda.synchronize if device == "cuda" else lambda: None

    def steps(self, count: int) -> float:
        """The seconds of so many, until the device has made them."""
        from torch.nn.functional import mse_loss

        model, optimizer, x, y = self.model, self.optimizer, self.x, self.y
        begun = Clock.now()
        for _ in range(count):
            optimizer.zero_grad()
            loss = mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
        self.wait()
        return Clock.now() - begun


class Observers:
    """What has been put into PyTorch, to take out and put in again."""

    def __init__(self) -> None:
        import torch

        self.torch: Any = torch
        optimizers: Any = sys.modules["torch.optim.optimizer"]
        self.hooks: Any = optimizers._global_optimizer_post_hooks
        self.ours, self.registered = self.torch.autograd.backward, dict(self.hooks)
        self.plain = self.ours.__wrapped__
        assert self.registered

    def on(self) -> None:
        self.torch.autograd.backward = self.ours
        self.hooks.update(self.registered)

    def off(self) -> None:
        self.torch.autograd.backward = self.plain
        self.hooks.clear()


def _cost(name: str, observers: Observers, loop: Loop, block: int, rounds: int, budget: float | None) -> Result:
    def measured(switch: Callable[[], None]) -> Callable[[], float]:
        def measure() -> float:
            switch()
            loop.steps(max(1, block // 20))
            return loop.steps(block)

        return measure

    try:
        untracked, tracked = measured(observers.off), measured(observers.on)
        return paired(name, untracked, tracked, rounds=rounds, scale=1e6 / block, unit="us", budget=budget)
    finally:
        observers.on()


def _saving(observers: Observers, loop: Loop, folder: Path) -> Result:
    """A checkpoint of about 260 kB that is written over again and again; the recorder's work of it goes on beside."""
    torch = observers.torch
    save, state, path = torch.save, loop.model.state_dict(), folder / "last.pt"

    def measured(function: Callable[..., None]) -> Callable[[], float]:
        def measure() -> float:
            begun = time.perf_counter()
            for _ in range(SAVES):
                function(state, path)
            return time.perf_counter() - begun

        return measure

    loop.steps(3)
    untracked, tracked = measured(save.__wrapped__), measured(save)
    return paired("loop: a save of 260 kB", untracked, tracked, rounds=SAVE_ROUNDS, scale=1e6 / SAVES, unit="us")


def _growth(loop: Loop) -> Result:
    """Bytes of memory a step, of which 24 are of the journal's file: see `benchmarks.memory` for the slope."""
    looks: list[tuple[float, float]] = []
    for number in range(scaled(LOOKS)):
        loop.steps(STEPS // LOOKS)
        looks.append(((number + 1) * (STEPS // LOOKS), _anonymous()))
    return Result("loop: memory, a step of a million", "B", *slope(looks), budget=1.0)


def _anonymous() -> float:
    """Resident memory that is of no file, in bytes."""
    with open(f"/proc/{os.getpid()}/status", encoding="ascii") as status:
        line = next(line for line in status if line.startswith("RssAnon:"))
    return float(line.split()[1]) * 1024
