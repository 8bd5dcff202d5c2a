"""What an epoch costs more that a `DataLoader` feeds with two worker processes, each loss of it recorded."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from benchmarks import beside, trackers
from benchmarks.measure import Result
from benchmarks.trackers import Tracker

IN_ONE_RUN = True
ROWS, COLUMNS, BATCH, WORKERS = 6_400, 32, 64, 2


def run() -> Iterator[Result]:
    chosen = trackers.present(lambda tracker: tracker.by_hand or "torch" in tracker.frameworks)
    return beside.compare("workers", chosen, rounds=12)


def trainings(tracker: Tracker) -> beside.Trainings:
    import torch
    from torch.nn.functional import mse_loss
    from torch.utils.data import DataLoader, TensorDataset

    torch.set_num_threads(1)
    torch.manual_seed(0)
    layers = torch.nn.Linear(COLUMNS, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1)
    model = torch.nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    data = TensorDataset(torch.randn(ROWS, COLUMNS), torch.randn(ROWS, 1))
    loader = DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=WORKERS)
    numbers = itertools.count()

    def epoch() -> None:
        for x, y in loader:
            optimizer.zero_grad()
            loss = mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            if tracker.by_hand:
                tracker.log("loss", loss.item(), next(numbers))

    return {f"workers: an epoch of {ROWS // BATCH} steps, {WORKERS} workers": epoch}
