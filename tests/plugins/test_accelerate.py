"""Accelerate: what a loop through an `Accelerator` is on record as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import autotrack
from autotrack import events
from autotrack.testing import Recording, recorded, recording

__all__ = ["recording"]

torch = pytest.importorskip("torch")
accelerate = pytest.importorskip("accelerate")

X = torch.linspace(-1, 1, 64, dtype=torch.float32).reshape(32, 2)


def fit(folder: Path, accumulated: int = 1, trackers: Any = None) -> tuple[list[float], list[Any], str]:
    """A loop as in Accelerate's documentation: its losses, the weights it ends at, and what it has saved."""
    torch.manual_seed(1)
    accelerator = accelerate.Accelerator(
        gradient_accumulation_steps=accumulated, cpu=True, log_with=trackers, project_dir=folder
    )
    accelerator.init_trackers("project", config={"lr": 0.1, "note": "x"})
    model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Dropout(0.5), torch.nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rows = torch.utils.data.TensorDataset(X, X.sum(1, keepdim=True))
    loader = torch.utils.data.DataLoader(rows, batch_size=8, shuffle=True)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    seen = []
    for epoch in range(2):
        for x, y in loader:
            with accelerator.accumulate(model):
                my_loss = (model(x) - y).pow(2).mean()
                accelerator.backward(my_loss)
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
            seen.append(my_loss.item())
        accelerator.log({"val_loss": 0.5 - epoch, "text": "x", "lr": 0.1, "epoch": epoch}, step=10 * epoch)
    accelerator.save_state(folder / "state")
    accelerator.end_training()
    return seen, [tensor.tolist() for tensor in model.state_dict().values()], str(folder / "state/model.safetensors")


def test_a_loop_is_one_run_with_the_names_of_the_program(recording: Recording, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    seen, _, saved = fit(tmp_path, trackers="tensorboard")
    (strand,) = recording.strands()
    assert strand.params["note"] == "x"
    assert strand.name == "Sequential"
    assert strand.points["train/my_loss"] == list(enumerate(seen))
    assert strand.points["valid/loss"] == [(0, 0.5), (10, -0.5)]
    assert strand.points.keys() == {"train/my_loss", "valid/loss", "lr", "lr.logged", "grad_norm", "epoch"}
    assert strand.points["epoch"] == [(0, 0), (4, 1)]
    assert (strand.params["batch_size"], strand.params["shuffle"]) == (8, True)
    written = {event.path: event for event in strand.of(events.ArtifactSeen)}
    assert (written[saved].kind, written[saved].step) == ("checkpoint", 8)
    autotrack.disable()
    assert recording.models()[written[saved].artifact] is not None
    assert [event.kind for path, event in written.items() if "optimizer" in path] == ["file"]


def test_the_loss_is_the_programs_where_batches_are_accumulated(recording: Recording, tmp_path: Path) -> None:
    seen, *_ = fit(tmp_path, accumulated=2)
    strand = recording.strands()[-1]
    assert strand.points["train/my_loss"] == [(at // 2, value) for at, value in enumerate(seen)]
    assert strand.params["gradient_accumulation_steps"] == 2


def test_several_losses_through_one_accelerator_keep_their_names(recording: Recording) -> None:
    acc = accelerate.Accelerator(cpu=True)
    model, other = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    optimizers = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (model, other)]
    for _ in range(3):
        first_loss = model(X).pow(2).mean()
        acc.backward(first_loss)
        optimizers[0].step()
        second_loss = other(X).abs().mean()
        acc.backward(second_loss)
        optimizers[1].step()
    points = {name: found for strand in recording.strands() for name, found in strand.points.items()}
    assert len(points["train/first_loss"]) == len(points["train/second_loss"]) == 3


def test_gradients_through_an_accelerator_and_others_take_turns(recording: Recording) -> None:
    """Also once neither is looked at closely any more."""
    accelerator = accelerate.Accelerator(cpu=True)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    seen: dict[str, list[float]] = {"train/through": [], "train/past": []}
    for at in range(40):
        optimizer.zero_grad()
        if at // 10 % 2:
            through = model(X).pow(2).mean()
            accelerator.backward(loss=through)
            seen["train/through"].append(through.item())
        else:
            past = model(X).abs().mean()
            past.backward()
            seen["train/past"].append(past.item())
        optimizer.step()
    (strand,) = recording.strands()
    for name, values in seen.items():
        assert [value for _, value in strand.points[name]] == values
    assert [step for step, _ in strand.points["train/through"]] == [*range(10, 20), *range(30, 40)]
    assert strand.points.keys() == {*seen, "lr"}


def test_after_it_is_left_alone_again_its_gradients_are_those_of_pytorch(tmp_path: Path) -> None:
    with recorded(tmp_path / "first"):
        fit(tmp_path / "with", accumulated=2)
    autotrack.enable(dir=tmp_path / "second", quiet=True, strict=True, skip=["accelerate"])
    try:
        fit(tmp_path / "without")
        assert len(Recording(tmp_path / "second").strands()[-1].points["train/my_loss"]) == 8
    finally:
        autotrack.disable()


def test_the_program_computes_the_same(tmp_path: Path) -> None:
    expected = fit(tmp_path / "plain", accumulated=2)[:2]
    with recorded(tmp_path / "rec"):
        assert fit(tmp_path / "tracked", accumulated=2)[:2] == expected
    autotrack.disable()
    assert fit(tmp_path / "after", accumulated=2)[:2] == expected


def test_what_is_raised_in_backward_is_the_same(recording: Recording) -> None:
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=2)
    with pytest.raises(RuntimeError, match="does not require grad") as caught:
        accelerator.backward(torch.ones(()))
    assert caught.value.__context__ is None
