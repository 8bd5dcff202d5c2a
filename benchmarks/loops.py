"""What a step of a raw PyTorch loop costs more for its loss being recorded, at three lengths of a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from benchmarks import beside, trackers
from benchmarks.measure import Result
from benchmarks.steps import blocks
from benchmarks.trackers import Tracker

IN_ONE_RUN = True
LENGTHS = {
    "loops: a step of 0.2 ms": (20, 64, 32, 100),
    "loops: a step of 2 ms": (256, 512, 256, 20),
    "loops: a step of 20 ms": (512, 1024, 1024, 5),
}
"""Inputs, hidden units and rows of a perceptron, and the steps of a block."""


def run() -> Iterator[Result]:
    chosen = trackers.present(lambda tracker: tracker.by_hand or "torch" in tracker.frameworks)
    return beside.compare("loops", chosen, rounds=12, scale=1e6, unit="µs", in_blocks=True)


def trainings(tracker: Tracker) -> beside.Trainings:
    import torch
    from torch.nn.functional import mse_loss

    torch.set_num_threads(1)
    torch.manual_seed(0)

    Step = Callable[[], torch.Tensor]

    def training(width: int, hidden: int, rows: int) -> Step:
        layers = torch.nn.Linear(width, hidden), torch.nn.ReLU(), torch.nn.Linear(hidden, 1)
        model = torch.nn.Sequential(*layers)
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
        x, y = torch.randn(rows, width), torch.randn(rows, 1)

        def step() -> torch.Tensor:
            optimizer.zero_grad()
            loss = mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        return step

    at_hand: dict[str, Step] = {}

    def step_of(name: str) -> Step:
        def step() -> torch.Tensor:
            if name not in at_hand:  # one training at a time, as in most programs
                at_hand.clear()
                at_hand[name] = training(*LENGTHS[name][:3])
            return at_hand[name]()

        return step

    return {name: blocks(tracker, step_of(name), shape[3]) for name, shape in LENGTHS.items()}
