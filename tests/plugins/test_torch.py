"""PyTorch: the contract, and what a loop is on record as."""

from __future__ import annotations

import contextlib
import gc
import json
import math
import os
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import autotrack
from autotrack import events
from autotrack.identity import arrays
from autotrack.testing import PluginContract, Recording, recorded, recording, run_program

__all__ = ["recording"]

torch = pytest.importorskip("torch")
nn = torch.nn
data = torch.utils.data

X = torch.linspace(-1, 1, 48, dtype=torch.float32).reshape(24, 2)
Y = X.sum(1, keepdim=True)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(2, 3)
        self.head = nn.Linear(3, 1)

    def forward(self, x: Any) -> Any:
        return self.head(torch.tanh(self.body(x)))


def fit(model: Any, optimizer: Any, steps: int = 3, x: Any = X, y: Any = Y) -> list[float]:
    seen = []
    for _ in range(steps):
        loss = (model(x) - y).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen.append(loss.item())
    return seen


class Rows(data.Dataset[Any]):
    def __init__(self, hook: Any = None) -> None:
        self.hook = hook

    def __len__(self) -> int:
        return 24

    def __getitem__(self, at: int) -> Any:
        if self.hook is not None:
            self.hook(at)
        return X[at], Y[at]


class Stream(data.IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(zip(X, Y, strict=True))


class Pair:
    """A batch of a class of the program's own."""

    def __init__(self, rows: list[Any]) -> None:
        self.parts = [torch.stack(part) for part in zip(*rows, strict=True)]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.parts)


def fit_from(loader: Any) -> Any:
    torch.manual_seed(3)
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in loader:
        fit(model, optimizer, 1, x, y)
    return model


class TestTorch(PluginContract):
    framework = "torch"
    program = """
import torch
torch.set_grad_enabled(True)  # what a signal handler raises while an optimizer steps may leave it off, untracked too
torch.manual_seed(0)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    loss = (model(torch.ones(4, 2)) - 1).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(model.weight.tolist())
"""
    targets = ("torch:save", "torch:load")
    hot_targets = (
        "torch.autograd:backward",
        "torch.optim.optimizer:Optimizer.__init__",
        "torch.amp.grad_scaler:GradScaler.scale",
        "torch.utils.data.dataloader:DataLoader.__iter__",
    )
    open_ended = True

    def train(self) -> Any:
        torch.manual_seed(1)
        model = Net()
        return fit(model, torch.optim.SGD(model.parameters(), lr=0.1))

    def train_failing(self, error: BaseException) -> None:
        def hook(at: int) -> None:
            if at == 16:
                raise error

        fit_from(data.DataLoader(Rows(hook), batch_size=8))

    def train_nested(self) -> Any:
        first, second = nn.Linear(2, 2), nn.Linear(2, 1)
        optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for model in (first, second)]
        for _ in range(3):
            fit(second, optimizers[1], 1, first(X).detach())
            fit(nn.Sequential(first, second), optimizers[0], 1)

    def train_odd(self) -> None:
        fit_from(data.DataLoader(Stream(), batch_size=8, collate_fn=Pair))

    def train_mutating(self) -> str:
        x = X.clone()
        before = arrays.digest(x.numpy())
        for batch, target in data.DataLoader(data.TensorDataset(x, Y), batch_size=12):
            model = Net()
            fit(model, torch.optim.SGD(model.parameters(), lr=0.1), 1, batch, target)
            x *= 2
        return before

    def test_interleaved_models_keep_their_scores(self, recording: Recording) -> None:
        """Two models that are trained in turns are one run, in which each keeps its own loss."""
        first, second = Net(), nn.Linear(2, 1)
        of_first = torch.optim.SGD(first.parameters(), lr=0.1)
        of_second = torch.optim.SGD(second.parameters(), lr=0.2)
        expected: dict[str, list[float]] = {"first_loss": [], "second_loss": []}
        for _ in range(4):
            first_loss = (first(X) - Y).pow(2).mean()
            first_loss.backward()
            of_first.step()
            second_loss = (second(X) - Y).abs().mean()
            second_loss.backward()
            of_second.step()
            expected["first_loss"].append(first_loss.item())
            expected["second_loss"].append(second_loss.item())
        strands = recording.strands()
        points = {name: [value for _, value in found] for strand in strands for name, found in strand.points.items()}
        assert points["train/first_loss"] == expected["first_loss"]
        assert points["train/second_loss"] == expected["second_loss"]
        assert {event.into for strand in strands for event in strand.of(events.StrandJoined)} == {strands[0].id}

    def count_calls(self) -> int:
        calls: list[int] = []
        fit_from(data.DataLoader(Rows(calls.append), batch_size=8))
        return len(calls)


def test_every_step_has_its_loss_under_the_authors_name(recording: Recording) -> None:
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
    losses = []
    for _ in range(4):
        my_loss = (model(X) - Y).pow(2).mean()
        optimizer.zero_grad()
        my_loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(my_loss.item())
    (strand,) = recording.strands()
    assert strand.points["train/my_loss"] == list(enumerate(losses))
    assert strand.points["lr"] == [(0, 0.01), (2, 0.005)]
    assert strand.name == "Net"
    assert strand.params["optimizer"] == "Adam"
    assert strand.params["weight_decay"] == 0.1
    assert strand.params["parameters"] == 13


def test_losses_of_every_kind_at_one_place(recording: Recording) -> None:
    """Also at the place where the last ones were the usual kind."""
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)

    def negative(weight: Any) -> Any:
        imaginary = torch.complex(weight, weight).conj().imag
        assert imaginary.is_neg()  # what lies in memory is the positive value
        return imaginary

    kinds = [
        lambda weight: weight,
        lambda weight: weight * 3,
        lambda weight: weight.double() / 3,
        lambda weight: weight.half(),
        lambda weight: weight.reshape(1, 1),
        negative,
        lambda weight: torch.stack([weight, weight + 1])[1],
        lambda weight: weight + math.inf,
    ]
    expected = []
    for step in range(3 * len(kinds)):
        loss = kinds[step // 3](model.weight.sum())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
        loss.data.mul_(100)
    (strand,) = recording.strands()
    assert strand.points["train/loss"] == list(enumerate(expected))


def test_a_gradient_that_is_given_where_there_was_none(recording: Recording) -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for step in range(9):
        loss = model(X).sum() if step < 6 else model(X)
        optimizer.zero_grad()
        loss.backward(None if step < 3 else torch.ones_like(loss))
        optimizer.step()
    (strand,) = recording.strands()
    assert [step for step, _ in strand.points["train/loss"]] == [0, 1, 2, 3, 4, 5]
    assert strand.points["lr"] == [(0, 0.01)]


def test_a_class_of_tensors_sees_nothing_of_ours(tmp_path: Path) -> None:
    class Seen:
        @classmethod
        def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(getattr(function, "__name__", str(function)))
            return super().__torch_function__(function, types, args, kwargs or {})  # type: ignore[misc]

    class Weight(Seen, nn.Parameter):  # type: ignore[misc]
        pass

    class Batch(Seen, torch.Tensor):  # type: ignore[misc]
        pass

    def program() -> None:
        pairs = [(Weight(torch.ones(2, 1)), X), (nn.Parameter(torch.ones(2, 1)), X.as_subclass(Batch))]
        optimizers = [torch.optim.SGD([weight], lr=0.01) for weight, _ in pairs]
        for _ in range(4):
            for (weight, x), optimizer in zip(pairs, optimizers, strict=True):
                loss = (x @ weight).pow(2).mean()
                loss.backward()
                optimizer.step()

    seen: list[str] = []
    program()
    plain, seen = seen, []
    with recorded(tmp_path / "rec") as recording:
        program()
    points = [found for strand in recording.strands() for name, found in strand.points.items() if "train/" in name]
    assert [len(found) for found in points] == [4, 4]
    assert all("loss" in name for strand in recording.strands() for name in strand.points if "train/" in name)
    assert seen == plain


def test_a_mode_of_the_program_sees_nothing_of_ours(tmp_path: Path) -> None:
    class Seen(torch.overrides.TorchFunctionMode):  # type: ignore[misc]
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            seen.append(str(function))
            return function(*args, **(kwargs or {}))

    def program() -> None:
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for step in range(6):
            with Seen() if step != 3 else contextlib.nullcontext():
                model(X).sum().backward()
                optimizer.step()

    seen: list[str] = []
    program()
    plain, seen = seen, []
    with recorded(tmp_path / "rec") as recording:
        program()
    (strand,) = recording.strands()
    assert sum(len(points) for name, points in strand.points.items() if name.startswith("train/")) == 6
    assert seen == plain


def test_an_optimizer_that_never_steps_beside_one_that_does(recording: Recording) -> None:
    """The gradients are made anew in each step, often where the last ones were in memory."""
    model = Net()
    idle, optimizer = (torch.optim.SGD(model.parameters(), lr=0.01) for _ in range(2))
    for _ in range(30):
        optimizer.zero_grad()
        loss = model(X).pow(2).mean()
        loss.backward()
        optimizer.step()
    (strand,) = recording.strands()
    assert [step for step, _ in strand.points["train/loss"]] == list(range(30))
    del idle


def test_an_optimizer_without_a_rate(recording: Recording) -> None:
    class Bare(torch.optim.Optimizer):  # type: ignore[misc]
        def step(self) -> None:  # type: ignore[override]
            pass

    model = Net()
    optimizer = Bare(model.parameters(), {})
    for step in range(700):
        loss = model(X).mean()
        loss.backward()
        optimizer.param_groups[0].pop("lr", None)
        if step % 100 == 50:
            optimizer.param_groups[0]["lr"] = 0.5
        optimizer.step()
    (strand,) = recording.strands()
    assert [step for step, _ in strand.points["train/loss"]] == list(range(700))
    assert strand.points["lr"][0] == (50, 0.5)


def test_an_optimizer_whose_step_calls_that_of_its_class(recording: Recording) -> None:
    class Own(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)  # from here on hooks are called of both steps
    model = Net()
    losses = fit(model, Own(model.parameters(), lr=0.1), 5)
    (strand,) = recording.strands()
    assert strand.points["train/loss"] == list(enumerate(losses))


def test_a_rate_of_numpys(recording: Recording) -> None:
    import numpy

    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.param_groups[0]["lr"] = numpy.float32(0.5)
    fit(model, optimizer, 2)
    optimizer.param_groups[0]["lr"] = numpy.float32(0.25)
    fit(model, optimizer, 2)
    (strand,) = recording.strands()
    assert strand.points["lr"] == [(0, 0.5), (2, 0.25)]


def test_a_child_that_trains_on_has_a_run_of_its_own(tmp_path: Path) -> None:
    source = """
import os, torch
torch.set_num_threads(1)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
def train(steps):
    for _ in range(steps):
        loss = model(torch.ones(3, 2)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
train(50)
if os.fork() == 0:
    train(20)
else:
    os.wait()
    train(30)
"""
    done = run_program(source, tmp_path)
    assert done.returncode == 0, done.stderr
    strands = Recording(tmp_path / ".autotrack").strands()
    assert [[step for step, _ in strand.points["train/loss"]] for strand in strands] == [
        list(range(80)),
        list(range(20)),
    ]


def test_names_that_the_program_has_bound(tmp_path: Path) -> None:
    source = """
import autotrack, torch
from torch.autograd import backward
for _ in range(3):
    autotrack.enable(quiet=True)
    assert backward is torch.autograd.backward and backward.__wrapped__
    autotrack.disable()
    assert backward is torch.autograd.backward and not hasattr(backward, "__wrapped__")
    from torch.autograd import backward as again
"""
    assert run_program(source, tmp_path, tracked=False).stderr == ""


def test_timeouts_arrive_wherever_they_come(tmp_path: Path) -> None:
    source = """
import random, signal, time, torch
class Timeout(Exception): pass
raised = caught = 0
def handler(*_):
    global raised
    raised += 1
    raise Timeout
signal.signal(signal.SIGALRM, handler)
weight = torch.ones(1, requires_grad=True)
optimizer = torch.optim.SGD([weight], lr=0.0)
def one():
    optimizer.zero_grad(); (weight * 2).sum().backward(); optimizer.step()
for _ in range(500): one()  # PyTorch itself swallows what comes while it imports
end = time.monotonic() + 5
while time.monotonic() < end:
    torch.set_grad_enabled(True)  # which it leaves off where the step of an optimizer is interrupted
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(2e-5, 3e-4))
        for _ in range(30): one()
        time.sleep(1)
    except Timeout:
        caught += 1
print(raised > 1000, raised - caught)
"""
    done = run_program(source, tmp_path)
    assert done.stdout == "True 0\n", done.stderr


def test_an_interrupt_while_an_optimizer_says_what_it_steps(tmp_path: Path) -> None:
    source = """
import signal, torch
class Odd(torch.optim.SGD):
    interrupts = False
    @property
    def param_groups(self):
        if self.interrupts: self.interrupts = False; signal.raise_signal(signal.SIGINT)
        return self.groups
    @param_groups.setter
    def param_groups(self, groups): self.groups = groups
weight = torch.ones(1, requires_grad=True)
optimizer = Odd([weight], lr=0.0)
for step in range(100):
    (weight * 2).sum().backward()
    if step == 80: optimizer.register_step_post_hook(lambda *_: setattr(optimizer, "interrupts", True))
    try: optimizer.step()
    except KeyboardInterrupt: print("interrupted", step); break
"""
    done = run_program(source, tmp_path)
    assert done.stdout == "interrupted 80\n", done.stderr


def test_micro_batches_of_a_step(recording: Recording) -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for step in range(6):
        loss = (model(X[step : step + 4]) - Y[step : step + 4]).pow(2).mean()
        (loss / 2).backward()
        losses.append(loss.item() / 2)
        if step % 2:
            optimizer.step()
            optimizer.zero_grad()
    points = recording.strands()[0].points
    assert points["train/loss / 2"] == [(at // 2, pytest.approx(value)) for at, value in enumerate(losses)]
    means = [(losses[at] + losses[at + 1]) / 2 for at in (0, 2, 4)]
    assert points["train/loss / 2.step"] == [(at, pytest.approx(value)) for at, value in enumerate(means)]


def test_five_folds_are_five_runs(recording: Recording) -> None:
    for _ in range(5):
        model = Net()
        fit(model, torch.optim.SGD(model.parameters(), lr=0.1))
    strands = recording.strands()
    assert len(strands) == 5
    assert [len(strand.points["train/loss"]) for strand in strands] == [3] * 5
    assert not any(strand.of(events.StrandJoined) for strand in strands)


def test_a_gan_is_one_run(recording: Recording) -> None:
    G, D = nn.Linear(2, 2), nn.Linear(2, 1)
    optimizerD = torch.optim.Adam(D.parameters(), lr=0.02)
    optimizerG = torch.optim.Adam(G.parameters(), lr=0.01)
    for _ in range(3):
        D.zero_grad()
        errD_real = D(X).mean()
        errD_real.backward()
        fake = G(X)
        errD_fake = -D(fake.detach()).mean()
        errD_fake.backward()
        optimizerD.step()
        G.zero_grad()
        errG = D(fake).pow(2).mean()
        errG.backward()
        optimizerG.step()
    (strand,) = recording.strands()
    for name in ("errD_real", "errD_fake", "errG"):
        assert [step for step, _ in strand.points[f"train/{name}"]] == [0, 1, 2]
    assert strand.params["optimizerD.lr"] == 0.02
    assert strand.params["optimizerG.lr"] == 0.01
    assert strand.points["optimizerD.lr"] == [(0, 0.02)]


def test_the_norm_of_the_gradients_where_they_are_clipped(recording: Recording) -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    norms = []
    for _ in range(3):
        optimizer.zero_grad()
        (model(X) - Y).pow(2).mean().backward()
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), 0.5).item())
        optimizer.step()
    (strand,) = recording.strands()
    assert strand.points["grad_norm"] == list(enumerate(norms))
    assert strand.params["max_grad_norm"] == 0.5


def test_the_norm_of_each_of_two_optimizers(recording: Recording) -> None:
    actor, critic = nn.Linear(2, 2), nn.Linear(2, 1)
    opt_actor = torch.optim.Adam(actor.parameters(), lr=0.02)
    opt_critic = torch.optim.Adam(critic.parameters(), lr=0.01)
    norms: dict[str, list[float]] = {"actor": [], "critic": []}
    for _ in range(3):
        value_loss = critic(X).pow(2).mean()
        value_loss.backward()
        norms["critic"].append(nn.utils.clip_grad_norm_(list(critic.parameters()), 0.5).item())
        opt_critic.step()
        policy_loss = actor(X).mean()
        policy_loss.backward()
        norms["actor"].append(nn.utils.clip_grad_norm_(actor.parameters(), 0.5).item())
        opt_actor.step()
    points = {name: points for strand in recording.strands() for name, points in strand.points.items()}
    assert points["opt_actor.grad_norm"] == list(enumerate(norms["actor"]))
    assert points["opt_critic.grad_norm"] == list(enumerate(norms["critic"]))
    params = {name: value for strand in recording.strands() for name, value in strand.params.items()}
    assert params["opt_actor.max_grad_norm"] == params["opt_critic.max_grad_norm"] == 0.5


def test_what_takes_turns_is_one_run_in_the_store(tmp_path: Path) -> None:
    source = """
import torch
actor, critic, third = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
of_actor = torch.optim.Adam(actor.parameters(), lr=0.01)
of_critic = torch.optim.Adam(critic.parameters(), lr=0.02)
of_third = torch.optim.Adam(third.parameters(), lr=0.03)
for _ in range(3):
    for model, optimizer in ((critic, of_critic), (actor, of_actor), (third, of_third)):  # one call for all
        loss = model(torch.ones(4, 2)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
    done = run_program(source, tmp_path)
    assert done.returncode == 0, done.stderr
    run = autotrack.load("@last", dir=tmp_path / ".autotrack")
    lengths = {name: len(run.points(name)[0]) for name in run.metrics if "loss" in name}
    assert sorted(lengths.values()) == [3, 3, 3]
    assert [run.params[f"{name}.lr"] for name in ("of_actor", "of_critic", "of_third")] == [0.01, 0.02, 0.03]
    assert len(autotrack.runs(dir=tmp_path / ".autotrack")) == 1


@pytest.mark.parametrize(
    ("model", "between", "after", "length"),
    [
        ("Linear(3, 1)", "", "", "0"),
        ("Linear(3, 1)", "torch.nn.utils.clip_grad_norm_(model.parameters(), 1e-3)", "", "0"),
        ("Linear(3, 1)", "", "optimizer.zero_grad(set_to_none=False)", "100 * number"),
        ("Linear(3, 1, bias=False)", "torch.nn.utils.clip_grad_value_(model.parameters(), 1e-3)", "", "0"),
        # From here on the way to the first leaf is long, for some of them or sometimes.
        ("Sequential(*[torch.nn.Linear(3, 3, bias=False) for _ in range(40)])", "", "", "600"),
        ("Linear(3, 1)", "", "", "600 * (number == 0)"),
        ("Linear(3, 1)", "", "", "600 * (number == 2)"),
        ("Linear(3, 1)", "", "", "600 * (step % 2)"),
        ("Linear(3, 1)", "", "", "600 * ((step + number) % 2)"),
    ],
)
def test_a_function_that_trains_several_in_turn(
    tmp_path: Path, model: str, between: str, after: str, length: str
) -> None:
    """Each loss is filed under its own, whatever becomes of gradients between the passes, however long its graph."""
    source = f"""
import json, torch

def train(model, optimizer, target, length):
    optimizer.zero_grad()
    loss = (model(torch.ones(4, 3)) - target).pow(2).mean()
    for _ in range(length):
        loss = loss * 1.0
    loss.backward()
    {between or "pass"}
    optimizer.step()
    {after or "pass"}
    return loss.item()

torch.manual_seed(0)
models = [torch.nn.{model} for _ in range(3)]
optimizers = [torch.optim.SGD(model.parameters(), lr=1e-3) for model in models]
seen = [[], [], []]
for step in range(5):
    for number, (model, optimizer) in enumerate(zip(models, optimizers)):
        seen[number].append(train(model, optimizer, 10.0 * (number + 1), {length}))
json.dump(seen, open("seen.json", "w"))
"""
    run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1"})
    run = autotrack.load("@last", dir=tmp_path / ".autotrack")
    told = [run.points(name)[1].tolist() for name in run.metrics if name.endswith("train/loss")]
    assert sorted(told) == sorted(json.loads((tmp_path / "seen.json").read_text()))


@pytest.mark.parametrize(
    ("before", "made"),
    [
        (5, "copy.deepcopy((model, optimizer))"),
        (5, "pickle.loads(pickle.dumps((model, optimizer)))"),
        (0, "torch.nn.Linear(3, 1), None"),  # its steps are made by hand
    ],
)
def test_one_that_comes_to_a_function_that_trains_another(tmp_path: Path, before: int, made: str) -> None:
    source = f"""
import copy, json, pickle, torch

def train(model, optimizer, target):
    loss = (model(torch.ones(4, 3)) - target).pow(2).mean()
    loss.backward()
    if optimizer is not None:
        optimizer.step()
    else:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.01 * parameter.grad
    model.zero_grad()
    return loss.item()

torch.manual_seed(0)
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
seen = [[train(model, optimizer, 1.0) for _ in range({before})], []]
other, theirs = {made}
for _ in range(4):
    seen[1].append(train(other, theirs, 20.0))
    seen[0].append(train(model, optimizer, 1.0))
json.dump(seen, open("seen.json", "w"))
"""
    run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1"})
    told = [
        run.points(name)[1].tolist()
        for run in (
            autotrack.load(key, dir=tmp_path / ".autotrack")
            for key in autotrack.runs(dir=tmp_path / ".autotrack")["id"]
        )
        for name in run.metrics
        if name.endswith(("train/loss", ".step"))
    ]
    assert sorted(told) == sorted(json.loads((tmp_path / "seen.json").read_text()))


@pytest.mark.parametrize("stack", [0, 256 << 10])
def test_a_graph_that_is_longer_than_a_stack_holds(tmp_path: Path, stack: int) -> None:
    """Nodes of a graph that Python has seen free each other within each other's calls."""
    source = f"""
import threading, torch

def train():
    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for step in range(2):
        loss = model(torch.ones(4, 3)).sum()
        for _ in range(100_000):
            loss = loss + 1
        loss.backward()
        optimizer.step()
        del loss

threading.stack_size({stack})
thread = threading.Thread(target=train)
thread.start()
thread.join()
print("deleted")
"""
    assert run_program(source, tmp_path).stdout == "deleted\n"
    assert len(autotrack.load("@last", dir=tmp_path / ".autotrack").points("train/loss")[1]) == 2


@pytest.mark.parametrize("steps", ["by hand", "one", "another from here on"])
def test_a_graph_that_ends_nowhere_near(steps: str, recording: Recording) -> None:
    """What it is of is not found, and it is one run all the same."""
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.01) if steps != "by hand" else None
    losses = []
    for step in range(4):
        if step == 2 and steps == "another from here on":
            optimizer = torch.optim.Adam([weight], lr=0.01)
        loss = weight.pow(2).sum()
        for _ in range(5_000):
            loss = loss * 1.0
        loss.backward()
        losses.append(loss.item())
        if optimizer is not None:
            optimizer.step()
        else:
            with torch.no_grad():
                weight -= 0.01 * weight.grad
        weight.grad = None
    autotrack.disable()
    (strand,) = recording.strands()
    assert [value for _, value in strand.points["train/loss"]] == losses
    assert [step for step, _ in strand.points["train/loss"]] == [0, 1, 2, 3]


def test_phases_of_one_model_go_on(recording: Recording) -> None:
    model = Net()
    fit(model, torch.optim.SGD(model.parameters(), lr=0.1))
    fit(model, torch.optim.Adam(model.head.parameters(), lr=0.01))
    (strand,) = recording.strands()
    assert [step for step, _ in strand.points["train/loss"]] == list(range(6))
    assert strand.params["phase2.optimizer"] == "Adam"
    assert strand.points["lr"] == [(0, 0.1), (3, 0.01)]


def test_of_a_phase_what_differs_from_the_one_before(recording: Recording) -> None:
    model = Net()
    for lr in (0.1, 0.1, 0.02, 0.02):
        fit(model, torch.optim.SGD(model.parameters(), lr=lr))
    (strand,) = recording.strands()
    assert {name: value for name, value in strand.params.items() if "phase" in name} == {"phase3.lr": 0.02}
    assert (strand.params["lr"], strand.params["optimizer"]) == (0.1, "SGD")


def test_an_optimizer_that_goes_on_from_a_checkpoint(recording: Recording) -> None:
    def warmed(model: Any, lr: float) -> tuple[Any, Any]:
        optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=lr)
        return optimizer, torch.optim.lr_scheduler.LinearLR(optimizer, 0.1)

    given, other = Net(), Net()
    optimizer = torch.optim.SGD(given.parameters(), lr=0.5, momentum=0.5)
    optimizer.load_state_dict(torch.optim.SGD(given.parameters(), lr=0.25).state_dict())
    fit(given, optimizer)
    saved = warmed(other, 0.125)[0].state_dict()
    gc.collect()
    optimizer, scheduler = warmed(other, 0.75)
    optimizer.load_state_dict(saved)
    fit(other, optimizer)
    assert [strand.params["lr"] for strand in recording.strands()] == [0.25, 0.125]
    assert [strand.params["momentum"] for strand in recording.strands()] == [0, 0.125]
    assert scheduler.base_lrs == [0.75]


def test_closures(recording: Recording) -> None:
    model = Net()
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=4)
    losses = []

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (model(X) - Y).pow(2).mean()
        loss.backward()
        losses.append(loss.item())
        return loss

    for _ in range(2):
        optimizer.step(closure)
    points = recording.strands()[0].points
    assert [value for _, value in points["train/loss"]] == losses
    assert {step for step, _ in points["train/loss"]} == {0, 1}
    assert "train/loss.step" not in points


def test_weights_that_are_changed_by_hand(recording: Recording) -> None:
    weight = torch.zeros(2, 1, requires_grad=True)
    for _ in range(4):
        loss = (X @ weight - Y).pow(2).mean()
        loss.backward()
        with torch.no_grad():
            weight -= 0.1 * weight.grad
            weight.grad = None
    assert [step for step, _ in recording.strands()[0].points["train/loss"]] == [0, 1, 2, 3]


def test_scaled_losses_are_recorded_as_they_were(recording: Recording) -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu")
    losses = []
    for _ in range(3):
        loss = (model(X) - Y).pow(2).mean()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    assert recording.strands()[0].points["train/loss"] == list(enumerate(losses))


def test_what_is_no_scalar_loss_is_none(recording: Recording) -> None:
    model = Net()
    model(X).backward(torch.ones(24, 1))
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        model(X).backward()
    torch.autograd.backward([model(X).sum(), model(X).mean()])
    torch.autograd.grad(model(X).sum(), list(model.parameters()))
    (strand,) = recording.strands()
    assert sum(map(len, strand.points.values())) == 2


def test_loaders_say_what_is_trained_on(recording: Recording) -> None:
    train, rest = data.random_split(data.TensorDataset(X, Y), [16, 8])
    train_loader = data.DataLoader(train, batch_size=4, shuffle=True)
    val_loader = data.DataLoader(rest, batch_size=4)
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        for x, y in train_loader:
            fit(model, optimizer, 1, x, y)
        for x, _ in val_loader:
            model(x)
    (strand,) = recording.strands()
    roles = {event.role: event.dataset for event in strand.datasets.values()}
    assert roles.keys() == {"train", "valid"}
    assert roles["train"].parts[0].id == arrays.digest(X[torch.tensor(list(train.indices))].numpy())
    assert roles["train"].method == "whole"
    assert strand.params["batch_size"] == 4
    assert strand.params["shuffle"] is True
    assert strand.params["val_loader.shuffle"] is False
    assert strand.points["epoch"] == [(0, 0.0), (4, 1.0), (8, 2.0)]


def test_a_new_loader_for_each_epoch(recording: Recording) -> None:
    torch.manual_seed(3)
    model, rows = Net(), data.TensorDataset(X, Y)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        loader = data.DataLoader(rows, batch_size=8)
        for x, y in loader:
            fit(model, optimizer, 1, x, y)
    (strand,) = recording.strands()
    assert strand.points["epoch"] == [(0, 0.0), (3, 1.0), (6, 2.0)]
    assert len(strand.of(events.StrandDataset)) == 1


def models_in(recording: Recording) -> dict[int, str | None]:
    """By the number of a file, the identity of the model inside."""
    found: dict[int, str | None] = {}
    for event in recording.events():
        if isinstance(event, (events.ArtifactSeen, events.ArtifactDigested)):
            found[event.artifact] = event.model or found.get(event.artifact)
    return found


def test_checkpoints(recording: Recording, tmp_path: Path) -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    fit(model, optimizer)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 1}, tmp_path / "all.pt")
    fit(model, optimizer, 1)
    torch.save(model.state_dict(), tmp_path / "later.pt")
    torch.load(tmp_path / "model.pt")
    autotrack.disable()
    seen = [event for event in recording.events() if isinstance(event, events.ArtifactSeen)]
    first, both, later, read = (event for event in seen if event.kind == "checkpoint")
    models = models_in(recording)
    assert models[first.artifact] == models[both.artifact] == models[read.artifact] is not None
    assert models[later.artifact] != models[first.artifact]
    assert [event.step for event in (first, both, later)] == [3, 3, 4]
    assert first.strand == recording.strands()[0].id
    assert read.mode == "read"


def test_a_checkpoint_that_is_moved_into_place(recording: Recording, tmp_path: Path) -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in (1, 2):
        fit(model, optimizer, 1)
        torch.save({"model": model.state_dict(), "features": torch.zeros(5000)}, tmp_path / "new.pt")
        os.replace(tmp_path / "new.pt", tmp_path / f"best{step}.pt")
    autotrack.disable()
    seen = [event for event in recording.events() if isinstance(event, events.ArtifactSeen)]
    last = {Path(event.path).name: event for event in seen}
    assert {last[f"best{step}.pt"].strand for step in (1, 2)} == {recording.strands()[0].id}
    assert [last[f"best{step}.pt"].step for step in (1, 2)] == [1, 2]
    models = models_in(recording)
    first, second = (models[last[f"best{step}.pt"].artifact] for step in (1, 2))
    assert None is not first != second is not None


def test_what_is_no_file_is_not_read_again(tmp_path: Path) -> None:
    source = """
import os, threading, torch
os.mkfifo("pipe")
taken = []
def take():
    with open("pipe", "rb") as pipe:
        taken.append(len(pipe.read()))
reader = threading.Thread(target=take)
reader.start()
net = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
net(torch.ones(1, 2)).sum().backward(); optimizer.step()
torch.save(net.state_dict(), "pipe")
reader.join()
print(taken[0] > 500)
"""
    done = run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1"})
    assert done.stdout == "True\n"
    seen = Recording(tmp_path / ".autotrack").events()
    assert [event.why for event in seen if isinstance(event, events.ArtifactDigested)] == [
        "it is no file that could be read once more"
    ]


def test_the_locals_of_the_program_are_as_without(tmp_path: Path) -> None:
    source = """
import json, sys, torch
class Lazy:
    @property
    def __class__(self):
        raise RuntimeError("loaded")
lazy = Lazy()
def train(lr=0.1):
    given = locals()
    net = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    loader = torch.utils.data.DataLoader(torch.ones(4, 2))
    for x in loader:
        loss = net(x).sum(); optimizer.zero_grad(); loss.backward(); optimizer.step()
    print(json.dumps(given))
train()
"""
    plain = run_program(source, tmp_path, tracked=False)
    done = run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1"})
    assert done.stdout == plain.stdout == '{"lr": 0.1}\n'
    run = autotrack.load("@last", dir=tmp_path / ".autotrack")
    assert len(run.points("train/loss")[0]) == 4


def test_gradients_asked_for_by_position(tmp_path: Path) -> None:
    source = """
import torch
net = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(3):
    loss = net(torch.ones(1, 2)).sum()
    torch.autograd.backward(loss, None, None, False)
    optimizer.step()
"""
    run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1"})
    assert len(autotrack.load("@last", dir=tmp_path / ".autotrack").points("train/loss")[0]) == 3


class Asked(Net):
    names: list[str] = []

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        self.names.append("state_dict")
        return super().state_dict(*args, **kwargs)


def test_no_method_of_the_model_is_called_for_a_checkpoint(recording: Recording, tmp_path: Path) -> None:
    model = Asked()
    fit(model, torch.optim.SGD(model.parameters(), lr=0.1))
    Asked.names.clear()
    torch.save({"model": model}, tmp_path / "model.pt")
    assert Asked.names == []
    autotrack.disable()
    assert list(models_in(recording).values()) != [None]


def test_a_checkpoint_that_is_written_over_again_and_again(tmp_path: Path) -> None:
    """Only what is still there when the recorder gets to it has a digest, and that is its own."""
    source = """
import hashlib, torch
from blake3 import blake3
net = torch.nn.Linear(64, 64)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
x = torch.ones(4, 64)
for step in range(300):
    optimizer.zero_grad(); loss = net(x).pow(2).mean(); loss.backward(); optimizer.step()
    torch.save(net.state_dict(), "last.pt")
    with open("last.pt", "rb") as file, open("digests.txt", "a") as list_of:
        list_of.write(blake3(file.read()).hexdigest() + chr(10))
"""
    run_program(source, tmp_path)
    digests = (tmp_path / "digests.txt").read_text().split()
    seen = Recording(tmp_path / ".autotrack").events()
    saves = [e for e in seen if isinstance(e, events.ArtifactSeen) and e.kind == "checkpoint"]
    found = {e.artifact: e for e in seen if isinstance(e, events.ArtifactDigested)}
    assert [save.step for save in saves] == list(range(1, 301))
    for save, digest in zip(saves, digests, strict=True):
        assert found[save.artifact].digest in (None, f"blake3:{digest}")
    assert found[saves[-1].artifact].digest == f"blake3:{digests[-1]}"
    assert found[saves[-1].artifact].model is not None
    assert {save.model for save in saves} == {None}  # which is not found out while the program waits
    assert sum(found[save.artifact].digest is None for save in saves) > 0
    assert all(found[s.artifact].why for s in saves if found[s.artifact].digest is None)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "LBFGS"])
def test_weights_are_the_same_to_the_last_bit(optimizer: str, tmp_path: Path) -> None:
    def train() -> tuple[Any, Any]:
        torch.manual_seed(5)
        model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.3), nn.Linear(8, 1))
        steps = getattr(torch.optim, optimizer)(model.parameters(), lr=0.05)
        for _ in range(2):
            for x, y in data.DataLoader(data.TensorDataset(X, Y), batch_size=5, shuffle=True):

                def closure(x: Any = x, y: Any = y) -> Any:
                    steps.zero_grad()
                    loss = (model(x) - y).pow(2).mean()
                    loss.backward()
                    return loss

                steps.step(closure)
        return [parameter.detach().clone() for parameter in model.parameters()], torch.get_rng_state()

    plain, state = train()
    with recorded(tmp_path / "rec"):
        tracked, after = train()
    assert all(torch.equal(a, b) for a, b in zip(plain, tracked, strict=True))
    assert torch.equal(state, after)


def test_deferred_values(tmp_path: Path) -> None:
    source = """
import torch
from torch.profiler import profile, ProfilerActivity
torch.manual_seed(0)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
kept = []
with profile(activities=[ProfilerActivity.CPU]) as watched:
    for step in range(20):
        loss = (model(torch.ones(4, 2)) - 1).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        kept.append(loss.detach().clone())
        with torch.no_grad():
            loss.mul_(100)
reads = [event for event in watched.events() if event.name == "aten::_local_scalar_dense"]
print(len(reads), *(value.item() for value in kept))
"""
    done = run_program(source, tmp_path, env={"AUTOTRACK_TORCH_DEFER": "1"})
    assert done.returncode == 0, done.stderr
    reads, *values = done.stdout.split()
    assert reads == "0"
    points = Recording(tmp_path / ".autotrack").strands()[0].points["train/loss"]
    assert points == [(at, float(value)) for at, value in enumerate(values)]


def test_settings_and_sums_of_deferred_values(tmp_path: Path) -> None:
    source = """
import torch
from torch.profiler import profile, ProfilerActivity
torch.manual_seed(0)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.Adam(
    model.parameters(), lr=torch.tensor(0.25), betas=(torch.tensor(0.75), torch.tensor(0.5)), foreach=False
)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 3, gamma=0.5)
kept = []
def train():
    for step in range(8):
        for micro in range(4):
            loss = (model(torch.full((4, 2), micro / 4)) - 1).pow(2).mean()
            loss.backward()
            kept.append(loss.detach().clone())
        torch.nn.utils.clip_grad_norm_(model.parameters(), torch.tensor(1.0))
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
with profile(activities=[ProfilerActivity.CPU]) as watched:
    train()
reads = [event for event in watched.events() if event.name == "aten::_local_scalar_dense"]
print(len(reads), *(value.item() for value in kept))
torch.save({name: tensor.clone() for name, tensor in model.state_dict().items()}, "moved.tmp")
import os
os.replace("moved.tmp", "moved.pt")
"""
    (tmp_path / "plain").mkdir()
    plain = run_program(source, tmp_path / "plain", tracked=False)
    done = run_program(source, tmp_path, env={"AUTOTRACK_TORCH_DEFER": "1", "AUTOTRACK_STRICT": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stdout == plain.stdout
    values = [float(value) for value in done.stdout.split()[1:]]
    recording = Recording(tmp_path / ".autotrack")
    (strand,) = recording.strands()
    assert strand.points["train/loss"] == [(at // 4, value) for at, value in enumerate(values)]
    sums = [sum(values[at : at + 4]) for at in range(0, 32, 4)]
    assert strand.points["train/loss.step"] == [(at, pytest.approx(value / 4)) for at, value in enumerate(sums)]
    assert strand.points["lr"] == [(0, 0.25), (3, 0.125), (6, 0.0625)]
    assert (strand.params["lr"], strand.params["betas"]) == (0.25, [0.75, 0.5])
    seen = [e for e in recording.events() if isinstance(e, events.ArtifactSeen)]
    assert {(Path(e.path).name, e.step) for e in seen if e.strand == strand.id} == {("moved.tmp", 8), ("moved.pt", 8)}


def test_a_killed_program_has_every_step(tmp_path: Path) -> None:
    source = """
import os, signal, torch
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(500):
    loss = (model(torch.ones(4, 2)) - 1).pow(2).mean()
    loss.backward()
    if step == 321:
        os.kill(os.getpid(), signal.SIGKILL)
    optimizer.step()
"""
    done = run_program(source, tmp_path)
    assert done.returncode == -signal.SIGKILL
    points = Recording(tmp_path / ".autotrack").strands()[0].points["train/loss"]
    assert [step for step, _ in points] == list(range(322))


def test_a_compiled_program_has_the_same_graphs_and_breaks(tmp_path: Path) -> None:
    """Of the model, of the step of the program, and of that of the optimizer."""
    source = """
import torch
import torch._dynamo as dynamo
x, y = torch.randn(16, 4, generator=torch.Generator().manual_seed(0)), torch.ones(16, 1)
def train(what):
    torch.manual_seed(0)
    dynamo.reset()
    dynamo.utils.counters.clear()
    net = torch.nn.Linear(4, 1)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    def step():
        optimizer.zero_grad()
        loss = ((net(x) - y) ** 2).mean()
        loss.backward()
        optimizer.step()
        return loss
    if what == "net":
        net = torch.compile(net, backend="aot_eager")
    elif what == "step":
        step = torch.compile(step, backend="aot_eager")
    else:
        optimizer.step = torch.compile(optimizer.step, backend="aot_eager")
    for _ in range(4):
        print(step().item())
    counters = dynamo.utils.counters
    print(dict(counters["stats"]), dict(counters["graph_break"]), sum(counters["recompiles"].values()))
for what in ("net", "step", "optimizer.step"):
    train(what)
"""
    plain = run_program(source, tmp_path, tracked=False)
    tracked = run_program(source, tmp_path)
    assert plain.returncode == 0, plain.stderr
    assert tracked.stdout == plain.stdout
    strands = Recording(tmp_path / ".autotrack").strands()
    lines = plain.stdout.splitlines()
    values = [[float(line) for line in lines[at : at + 4]] for at in (0, 5, 10)]
    assert [strand.points["train/loss"] for strand in strands] == [list(enumerate(one)) for one in values]


def test_what_the_loop_lets_go_of_is_gone(recording: Recording) -> None:
    gone = []

    def train() -> None:
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for batch in data.DataLoader(data.TensorDataset(X, Y), batch_size=12):
            large = torch.ones(1000)
            there = weakref.ref(large)
            loss = (model(batch[0]) - batch[1]).pow(2).mean() + 0 * large.sum()
            loss.backward()
            optimizer.step()
            del large, loss
            gc.collect()
            gone.append(there() is None)

    train()
    assert gone == [True, True]
    assert recording.strands()


def test_what_an_optimizer_was_set_to_is_gone_with_it(recording: Recording) -> None:
    gone = []

    def train(rate: float) -> None:
        model, large = Net(), torch.ones(1000)
        group = {"params": model.parameters(), "model": model, "average": large, "rate": [rate]}
        optimizer = torch.optim.SGD([group], lr=rate)
        model(X).sum().backward()
        optimizer.step()
        gone.extend((weakref.ref(model), weakref.ref(large)))

    for rate in (0.1, 0.2):
        train(rate)
    gc.collect()
    assert [there() for there in gone] == [None] * 4
    assert [strand.params["rate"] for strand in recording.strands()] == [[0.1], [0.2]]


def test_a_rate_that_can_not_be_compared(tmp_path: Path) -> None:
    class Rate(float):
        def __ne__(self, other: object) -> bool:
            raise ValueError("a rate of its own")

        __hash__ = float.__hash__

    with recorded(tmp_path / "rec", strict=False) as recording:
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(4):
            optimizer.param_groups[0]["lr"] = Rate(0.1 * (step + 1))
            loss = model(X).sum()
            loss.backward()
            optimizer.step()
    (strand,) = recording.strands()
    assert [step for step, _ in strand.points["train/loss"]] == [0, 1, 2, 3]


def test_no_framework_is_imported_by_the_plugin(tmp_path: Path) -> None:
    done = run_program("import sys, autotrack_torch; print('torch' in sys.modules)", tmp_path, tracked=False)
    assert done.stdout.split() == ["False"], done.stderr


def test_diverged_losses_are_kept(recording: Recording) -> None:
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = model(X).sum() * math.nan
    loss.backward()
    optimizer.step()
    (((_, value),),) = [points for name, points in recording.strands()[0].points.items() if name == "train/loss"]
    assert math.isnan(value)


def listed(folder: Path) -> list[Any]:
    """The runs that are recorded, with all that is known of each, the latest first."""

    def command(*words: str) -> str:
        line = [sys.executable, "-m", "autotrack", *words, "--json"]
        return subprocess.run(line, cwd=folder, capture_output=True, text=True, check=True, timeout=60).stdout

    return [json.loads(command("show", json.loads(line)["id"])) for line in command("ls").splitlines()]


PATIENT = {"AUTOTRACK_STRICT": "1", "AUTOTRACK_EXIT_TIMEOUT": "60"}
"""Time for the digest of what was written last, on a busy machine."""


def test_a_training_that_goes_on_in_another_program(tmp_path: Path) -> None:
    source = """
import os, torch
model = torch.nn.Linear(3, 1); optimizer = torch.optim.Adam(model.parameters(), lr=.01); x = torch.ones(20, 3)
start = 0
if os.path.exists("0.pt"):
    loaded = torch.load("0.pt"); start = loaded["step"]
    model.load_state_dict(loaded["model"]); optimizer.load_state_dict(loaded["optimizer"])
for step in range(start, start + 3):
    loss = model(x).pow(2).mean(); optimizer.zero_grad(); loss.backward(); optimizer.step()
torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}, f"{start}.pt")
"""
    for _ in range(2):
        done = run_program(source, tmp_path, env=PATIENT)
        assert done.returncode == 0, done.stderr
    second, first = listed(tmp_path)
    assert second["metrics"]["train/loss"]["first_step"] == 3
    read, written = second["artifacts"]
    wrote = {"job": first["job"]["id"], "run": first["id"], "name": "Linear", "path": read["path"], "step": 3}
    assert (read["mode"], read["made_by"]) == ("read", wrote)
    assert (written["mode"], written["step"], written["made_by"]) == ("written", 6, None)


def test_a_program_that_evaluates_what_another_has_trained(tmp_path: Path) -> None:
    train = """
import torch
model = torch.nn.Linear(3, 1); optimizer = torch.optim.SGD(model.parameters(), lr=.01)
for step in range(3):
    loss = model(torch.ones(20, 3)).pow(2).mean(); optimizer.zero_grad(); loss.backward(); optimizer.step()
torch.save(model.state_dict(), "model.pt")
"""
    evaluate = """
import torch
model = torch.nn.Linear(3, 1); model.load_state_dict(torch.load("model.pt"))
print(f"test loss: {model(torch.ones(20, 3)).pow(2).mean().item():.4f}")
"""
    for source in (train, evaluate):
        assert run_program(source, tmp_path, env=PATIENT).returncode == 0
    evaluation, training = listed(tmp_path)
    assert set(evaluation["metrics"]) == {"test/loss"}
    (read,) = evaluation["artifacts"]
    assert (read["mode"], read["made_by"]["run"], read["made_by"]["step"]) == ("read", training["id"], 3)


def test_a_checkpoint_of_copies_is_of_the_training(recording: Recording, tmp_path: Path) -> None:
    import copy

    model = torch.nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        loss = model(torch.ones(2, 3)).pow(2).mean()
        loss.backward()
        optimizer.step()
    best = copy.deepcopy(model.state_dict())
    torch.save(best, tmp_path / "best.pt")
    torch.save({"model": {name: tensor.half() for name, tensor in best.items()}, "at": 2}, tmp_path / "half.pt")
    torch.save({f"module.{name}": tensor.clone() for name, tensor in best.items()}, tmp_path / "clone.pt")
    saving = threading.Thread(target=torch.save, args=({"model": best}, tmp_path / "aside.pt"))
    saving.start()
    saving.join()
    torch.save({"weight": torch.ones(7, 7)}, tmp_path / "other.pt")
    torch.save(torch.nn.Linear(3, 1).state_dict(), tmp_path / "another.pt")
    for _ in range(2):
        optimizer.step()
    torch.save(best, tmp_path / "earlier.pt")  # which nobody has seen being copied
    torch.save({"mean": torch.ones(3)}, tmp_path / "mean.pt")
    with torch.no_grad():
        model.weight.fill_(math.nan)
    torch.save(copy.deepcopy(model.state_dict()), tmp_path / "diverged.pt")
    autotrack.disable()
    seen = {Path(event.path).name: event for event in recording.events() if isinstance(event, events.ArtifactSeen)}
    (strand,) = recording.strands()
    copies = {"best.pt", "half.pt", "clone.pt", "aside.pt"}
    assert {name for name, event in seen.items() if event.strand == strand.id} == {*copies, "diverged.pt"}
    assert {seen[name].step for name in copies} == {2}


@pytest.mark.parametrize("deferred", ["", "1"])
def test_files_that_are_moved_or_written_over(deferred: str, tmp_path: Path) -> None:
    source = """
import copy, os, torch
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model(torch.ones(2, 3)).sum().backward(); optimizer.step()
os.mkdir("part")
torch.save(model.state_dict(), "part/model.pt")
os.rename("part", "whole")
torch.save(copy.deepcopy(model.state_dict()), "first.pt")
os.rename("first.pt", "second.pt"); os.rename("second.pt", "third.pt")
torch.save(model.state_dict(), "was.pt")
with open("was.pt", "w") as file:
    file.write("notes")
os.rename("was.pt", "notes.txt")
"""
    done = run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1", "AUTOTRACK_TORCH_DEFER": deferred})
    assert done.returncode == 0, done.stderr
    recording = Recording(tmp_path / ".autotrack")
    (strand,) = recording.strands()
    seen = {e.path.removeprefix(f"{tmp_path}/"): e for e in recording.events() if isinstance(e, events.ArtifactSeen)}
    told = strand.id, 1, "checkpoint"
    own = {path for path, event in seen.items() if (event.strand, event.step, event.kind) == told}
    assert own == {"part/model.pt", "whole/model.pt", "first.pt", "second.pt", "third.pt", "was.pt"}
    assert (seen["notes.txt"].kind, seen["notes.txt"].strand) == ("file", None)
    digests = {e.artifact: e.digest for e in recording.events() if isinstance(e, events.ArtifactDigested)}
    assert all(digests[seen[path].artifact] for path in ("whole/model.pt", "third.pt", "notes.txt"))


@pytest.mark.parametrize("deferred", ["", "1"])
def test_losses_that_are_in_no_memory_here(deferred: str, tmp_path: Path) -> None:
    """Of a wrapper that this process has the whole of there is a value; of what is only pretended to be there is none,
    and other losses are recorded all the same."""
    source = """
import os, torch
import torch.distributed as dist
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed.tensor import Replicate, Shard, distribute_tensor, init_device_mesh
from torch.testing._internal.two_tensor import TwoTensor

def trained(model, features):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(6):
        loss = model(features()).mean()
        loss.backward(); optimizer.step(); optimizer.zero_grad()
        yield loss

def wrapped(wrap):
    model = torch.nn.Linear(4, 1)
    for name, parameter in list(model.named_parameters()):
        setattr(model, name, torch.nn.Parameter(wrap(parameter.data)))
    return model

list(trained(wrapped(lambda tensor: TwoTensor(tensor, tensor.clone())), lambda: torch.randn(8, 4)))
list(trained(torch.nn.Linear(4, 1, device="meta"), lambda: torch.randn(8, 4, device="meta")))
with FakeTensorMode():
    list(trained(torch.nn.Linear(4, 1), lambda: torch.randn(8, 4)))
dist.init_process_group("gloo", init_method=f"file://{os.getcwd()}/meeting", rank=0, world_size=1)
mesh = init_device_mesh("cpu", (1,))
whole = wrapped(lambda tensor: distribute_tensor(tensor, mesh, [Replicate()]))
for loss in trained(whole, lambda: distribute_tensor(torch.randn(8, 4), mesh, [Shard(0)])):
    print(loss.to_local().item())
dist.destroy_process_group()
for loss in trained(torch.nn.Linear(4, 1), lambda: torch.randn(8, 4)):
    print(loss.item())
"""
    done = run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1", "AUTOTRACK_TORCH_DEFER": deferred})
    assert done.returncode == 0, done.stderr
    values = [float(line) for line in done.stdout.split()]
    *without, whole, plain = Recording(tmp_path / ".autotrack").strands()
    assert len(without) == 3
    for strand in without:
        assert "train/loss" not in strand.points
        assert "values that are in no memory here" in [gap.what for gap in strand.of(events.GapFound)]
    assert whole.points["train/loss"] == list(enumerate(values[:6]))
    assert plain.points["train/loss"] == list(enumerate(values[6:]))


def test_models_that_are_trained_in_turns_are_told_apart_by_their_optimizers(tmp_path: Path) -> None:
    source = """
import torch
nets = [torch.nn.Linear(3, 1) for _ in range(3)]
sgd = torch.optim.SGD(nets[0].parameters(), lr=.01)
momentum = torch.optim.SGD(nets[1].parameters(), lr=.01, momentum=.8)
adam = torch.optim.Adam(nets[2].parameters(), lr=.01)
for step in range(3):
    for net, optimizer in zip(nets, (sgd, momentum, adam)):
        loss = net(torch.ones(20, 3)).pow(2).mean(); optimizer.zero_grad(); loss.backward(); optimizer.step()
"""
    run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1"})
    (run,) = listed(tmp_path)
    losses = {name for name in run["metrics"] if "loss" in name}
    assert losses == {"train/loss", "momentum.train/loss", "adam.train/loss"}


def test_files_of_other_kinds_are_checkpoints_too(recording: Recording, tmp_path: Path) -> None:
    stored = pytest.importorskip("safetensors.torch")
    model = Net()
    fit(model, torch.optim.SGD(model.parameters(), lr=0.1))
    torch.save(model.state_dict(), tmp_path / "model.pt")
    stored.save_file(model.state_dict(), tmp_path / "model.safetensors")
    stored.save_model(model, str(tmp_path / "whole.safetensors"))
    torch.jit.save(torch.jit.trace(model, X), tmp_path / "script.pt")
    torch.export.save(torch.export.export(model, (X,)), tmp_path / "program.pt2")
    stored.load_file(tmp_path / "model.safetensors")
    stored.load_model(Net(), str(tmp_path / "whole.safetensors"))
    torch.jit.load(tmp_path / "script.pt")
    torch.export.load(tmp_path / "program.pt2")
    autotrack.disable()
    seen = {
        (Path(event.path).name, event.mode): event
        for event in recording.events()
        if isinstance(event, events.ArtifactSeen)
    }
    models = models_in(recording)
    names = ("model.pt", "model.safetensors", "whole.safetensors", "script.pt", "program.pt2")
    one = models[seen["model.pt", "written"].artifact]
    assert {models[seen[name, "written"].artifact] for name in names} == {one} != {None}
    assert {models[seen[name, "read"].artifact] for name in names[1:]} == {one}
    assert {seen[name, "written"].step for name in names} == {3}


WRITERS = ["torch.utils.tensorboard", "tensorboardX"]


@pytest.mark.parametrize("module", WRITERS)
def test_scalars_of_a_summary_writer(module: str, recording: Recording, tmp_path: Path) -> None:
    writer = pytest.importorskip(module).SummaryWriter(tmp_path / "logs")
    writer.add_scalar("charts/return", 7.5, 0)  # before anything is trained
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for step in range(3):
        losses += fit(model, optimizer, 1)
        writer.add_scalar("loss/train", torch.tensor(losses[-1]), global_step=step)
        writer.add_scalar("charts/return", step + 1, step + 1)
        writer.add_scalars("acc", {"train": step / 4, "val": step / 8}, step)
    writer.add_scalar("unnumbered", 1.0)
    writer.add_hparams({"dropout": 0.25}, {"best": 0.5})
    writer.close()
    strands = recording.strands()
    points = {name: found for strand in strands for name, found in strand.points.items() if name != "charts/return"}
    assert points["loss/train"] == [(step, pytest.approx(loss)) for step, loss in enumerate(losses)]
    assert points["acc/train"] == [(0, 0.0), (1, 0.25), (2, 0.5)]
    assert points["acc/val"] == [(0, 0.0), (1, 0.125), (2, 0.25)]
    assert points["unnumbered"] == [(3, 1.0)]
    returns = [point for strand in strands for point in strand.points.get("charts/return", [])]
    assert returns == [(0, 7.5), (1, 1.0), (2, 2.0), (3, 3.0)]
    training = next(strand for strand in strands if "optimizer" in strand.params)
    assert [event.into for strand in strands for event in strand.of(events.StrandJoined)] == [training.id]
    assert training.params["dropout"] == 0.25
    assert {"best": 0.5} in [event.values for event in training.of(events.StrandSummary)]


def test_metrics_of_torchmetrics(recording: Recording) -> None:
    metrics = pytest.importorskip("torchmetrics")
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    val_error = metrics.MeanSquaredError()
    both = metrics.MetricCollection([metrics.MeanAbsoluteError(), metrics.MeanSquaredLogError()])
    expected = []
    for _ in range(2):
        fit(model, optimizer, 1)
        for half in (slice(0, 12), slice(12, 24)):
            val_error(model(X[half]).detach(), Y[half])  # of one batch: not a value of its own
            both.update(model(X[half]).detach().abs(), Y[half].abs())
        expected.append(val_error.compute().item())
        both.compute()
        val_error.reset()
        both.reset()
    points = recording.strands()[0].points
    assert points["val_error"] == [(step + 1, value) for step, value in enumerate(expected)]
    assert len(points["both.MeanAbsoluteError"]) == len(points["both.MeanSquaredLogError"]) == 2


def test_a_checkpoint_without_an_optimizer_has_its_step(recording: Recording, tmp_path: Path) -> None:
    model = Net()
    for step in range(1, 5):
        loss = (model(X) - Y).pow(2).mean()
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.1 * parameter.grad
        if step % 2 == 0:
            torch.save(model.state_dict(), tmp_path / f"{step}.pt")
    seen = [event for event in recording.events() if isinstance(event, events.ArtifactSeen)]
    assert [(Path(event.path).name, event.step) for event in seen] == [("2.pt", 2), ("4.pt", 4)]


def test_a_training_goes_on_from_what_was_loaded_before(recording: Recording, tmp_path: Path) -> None:
    first = Net()
    torch.save(first.state_dict(), tmp_path / "initial.pt")
    torch.save(Net().state_dict(), tmp_path / "another.pt")
    second = Net()
    second.load_state_dict(torch.load(tmp_path / "initial.pt"))
    torch.save(second, tmp_path / "before.pt")
    fit(second, torch.optim.SGD(second.parameters(), lr=0.1))
    strand = recording.strands()[0].id
    seen = [event for event in recording.events() if isinstance(event, events.ArtifactSeen)]
    of_it = {(Path(event.path).name, event.mode, event.step) for event in seen if event.strand == strand}
    assert of_it == {("initial.pt", "read", None), ("before.pt", "written", 0)}


def test_what_is_printed_before_the_first_pass_is_part_of_the_training(tmp_path: Path) -> None:
    source = """
import torch
torch.manual_seed(0)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
print(f"step 0: train loss {4.61:.4f}")
for epoch in range(4):
    loss = (model(torch.ones(4, 2)) - 1).pow(2).mean()
    print("epoch", epoch, "score", epoch / 8)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
    assert run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1", "AUTOTRACK_QUIET": "1"}).returncode == 0
    points = {name: found for s in Recording(tmp_path / ".autotrack").strands() for name, found in s.points.items()}
    assert points["score"] == [(epoch, epoch / 8) for epoch in range(4)]
    run = autotrack.load("@last", dir=tmp_path / ".autotrack")
    assert len(run.points("train/loss")[0]) == 4
    assert list(run.points("printed.train/loss")[1]) == [4.61]
