"""What is printed in a training loop of PyTorch: the steps, names and settings that go on record with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import autotrack
from autotrack.testing import Recording, run_program

pytest.importorskip("torch")

LOOP = """
import builtins, torch
torch.manual_seed(0)
net = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
def train(batches):
    for batch in range(batches):
        err = net(torch.randn(8, 3)).pow(2).mean()
        optimizer.zero_grad()
        err.backward()
        optimizer.step()
        yield batch, err
"""


def points(source: str, folder: Path) -> dict[str, list[tuple[int, float]]]:
    run_program(LOOP + source, folder, env={"AUTOTRACK_STRICT": "1", "AUTOTRACK_QUIET": "1"})
    run: Any = autotrack.load("@last", dir=folder / ".autotrack")
    return {
        name: list(zip(steps.tolist(), values.tolist(), strict=True))
        for name in run.metrics
        for steps, values in [run.points(name)[:2]]
    }


def test_a_function_that_asks_the_model_for_eval_has_its_variables_read(tmp_path: Path) -> None:
    found = points(
        """
def test(epoch):
    net.eval()
    score = 0.123456789 * epoch
    stacked = torch.stack([torch.ones(2)])
    print(f"Test set: score {score:.2f}")
for epoch in range(1, 4):
    list(train(2))
    test(epoch)
""",
        tmp_path,
    )
    assert found["test/score"] == [(epoch, 0.123456789 * epoch) for epoch in (1, 2, 3)]


WRAPPERS = """
plain = builtins.print
def of_the_first_rank(*args, **kwargs):
    kwargs.pop("force", None)
    plain(*args, **kwargs)
def say(text):
    print(text, flush=True)
"""


@pytest.mark.parametrize("way", ["say(f'...')", "print(f'...')"])
def test_who_prints_through_a_function_of_the_program_is_known_at_once(way: str, tmp_path: Path) -> None:
    told = way.replace("...", "epoch {epoch} val acc {acc:.2f}")
    found = points(
        WRAPPERS
        + f"""
builtins.print = of_the_first_rank
for epoch in range(3):
    list(train(2))
    acc = 0.123456789 + epoch
    {told}
""",
        tmp_path,
    )
    assert found["valid/acc"] == [(epoch, 0.123456789 + epoch) for epoch in range(3)]


def test_what_is_printed_with_no_counter_has_the_step_of_the_training(tmp_path: Path) -> None:
    found = points(
        """
def test():
    print("test accuracy", 0.5)
for k in range(3):
    list(train(4))
    test()
""",
        tmp_path,
    )
    assert [step for step, _ in found["test/accuracy"]] == [4, 8, 12]


@pytest.mark.parametrize("total", [9, 10, 11])
def test_a_batch_is_counted_on_as_the_training_goes_whatever_total_is_printed(total: int, tmp_path: Path) -> None:
    found = points(
        f"""
for epoch in range(3):
    for batch, err in train(10):
        if batch % 3 == 2:
            print(f"epoch {{epoch}} batch {{batch}}/{total} cost {{err.item()}}")
""",
        tmp_path,
    )
    expected = dict(found["train/err"])
    steps = [step for step, _ in found["cost"]]
    assert steps == [10 * epoch + batch for epoch in range(3) for batch in (2, 5, 8)]
    assert [value for _, value in found["cost"]] == [expected[step] for step in steps]


def test_a_batch_of_several_passes_is_no_step(tmp_path: Path) -> None:
    found = points(
        """
for epoch in range(2):
    for batch in range(8):
        err = net(torch.randn(8, 3)).pow(2).mean()
        err.backward()
        if batch % 4 == 3:
            optimizer.step()
            optimizer.zero_grad()
        if batch % 2 == 0:
            print(f"epoch {epoch} batch {batch}/8 cost {err.item()}")
""",
        tmp_path,
    )
    assert [step for step, _ in found["cost"]] == [0, 2, 4, 6, 8, 10, 12, 14]


def test_the_mean_of_an_epoch_is_told_from_a_loss_of_its_name(tmp_path: Path) -> None:
    found = points(
        """
for epoch in range(3):
    total = 0.0
    for batch in range(6):
        loss = net(torch.randn(8, 3)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
        if batch % 2 == 0:
            print("[%d/%d] loss: %.4f" % (batch, 6, loss.item()))
    print("\\tloss:\\t%.3f" % (total + 100))
""",
        tmp_path,
    )
    epochs = [value for _, value in found["loss.epoch"]]
    assert len(epochs) == 3
    assert min(epochs) > 100
    assert max(value for _, value in found["train/loss"]) < 100


def test_what_is_printed_before_the_training_begins_is_one_series_with_what_is_printed_in_it(tmp_path: Path) -> None:
    found = points(
        """
for n_episode in range(8):
    if n_episode >= 3:
        list(train(2))
    print(f"n_episode: {n_episode}, score: {n_episode * 1.5}")
""",
        tmp_path,
    )
    assert found["score"] == [(episode, 1.5 * episode) for episode in range(8)]


def test_a_text_is_not_the_name_of_the_numbers_in_it(tmp_path: Path) -> None:
    found = points(
        """
import logging, sys
log = logging.getLogger("train")
log.addHandler(logging.StreamHandler(sys.stdout))
log.setLevel("INFO")
for batch, err in train(4):
    message = f"Iter {batch} | Time 0.0126(0.0242) | Cost {err.item()}(3.5) | NFE Forward 4(4.0)"
    log.info(message)
""",
        tmp_path,
    )
    assert "message" not in found
    assert [step for step, _ in found["cost"]] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("told", "begin"),
    [
        ("'Train Epoch: {} [{}/{} ({:.0f}%)] Cost: {}'.format(epoch, batch * len(x), 80, 10.0 * batch, err.item())", 0),
        ("f'epoch {epoch} cost: {err.item()} [{seen:>5d}/{80:>5d}]'", 1),
        ("f'cost: {err.item()} [{current:>5d}/{80:>5d}]'", 1),
    ],
)
def test_samples_are_no_steps(told: str, begin: int, tmp_path: Path) -> None:
    found = points(
        f"""
def work():
    x = torch.zeros(8, 3)
    for epoch in range(3):
        seen = 0
        for batch, err in train(10):
            seen += x.size(0)
            cost, current = err, (batch + 1) * len(x)
            if batch % 3 == 0:
                print({told})
work()
""",
        tmp_path,
    )
    expected = dict(found["train/err"])
    name = "train/cost" if begin == 0 else "cost"
    steps = [10 * epoch + batch + begin for epoch in range(3) for batch in (0, 3, 6, 9)]
    assert found[name] == [(step, pytest.approx(expected[step - begin])) for step in steps]


def test_a_global_step_is_none_of_samples(tmp_path: Path) -> None:
    found = points(
        """
loader = range(7)
for epoch in range(2):
    for batch, err in train(7):
        if batch % 2 == 0:
            print(f"step {100 + epoch * len(loader) + batch} cost {err.item()}")
""",
        tmp_path,
    )
    assert [step for step, _ in found["cost"]] == [
        100 + 7 * epoch + batch for epoch in range(2) for batch in (0, 2, 4, 6)
    ]


def test_steps_of_an_environment_stay_what_they_are_called(tmp_path: Path) -> None:
    found = points(
        """
batch_size = 64
for update in range(1, 5):
    list(train(3))
    print(f"timesteps {update * batch_size}: episodic return {update / 4}")
""",
        tmp_path,
    )
    assert found["episodic_return"] == [(64 * update, update / 4) for update in range(1, 5)]


def test_a_value_printed_while_two_optimizers_take_turns_is_one_series(tmp_path: Path) -> None:
    found = points(
        """
critic = torch.nn.Linear(3, 1)
second = torch.optim.SGD(critic.parameters(), lr=0.1)
for step in range(60):
    if step > 20:
        list(train(1))
        if step % 2 == 0:
            second.zero_grad()
            critic(torch.ones(2, 3)).pow(2).mean().backward()
            second.step()
    if step % 7 == 0:
        print(f"global_step={step}, episodic_return={step / 4}")
""",
        tmp_path,
    )
    assert found["episodic_return"] == [(step, step / 4) for step in range(0, 60, 7)]
    assert not any(name != "episodic_return" and "return" in name for name in found)


def test_two_evaluations_are_told_apart_by_their_headings(tmp_path: Path) -> None:
    found = points(
        """
def test(epoch):
    print(f"\\n--- Epoch {epoch} Evaluation ---\\n")
    print("Local rank 0:")
    print(f"- Loss: {0.5 / epoch}")
    print(f"- Accuracy: {50}/{100} ({50:.0f}%)\\n")
    print("Global metrics:")
    print(f"\\t - Loss: {0.25 / epoch}")
    print(f"\\t - Accuracy: {90}/{200} ({45.0:.2f}%)\\n")
    print(f"Loss {0.125 / epoch}")
for epoch in range(1, 4):
    list(train(2))
    test(epoch)
""",
        tmp_path,
    )
    values = {name: [value for _, value in series] for name, series in found.items() if name.startswith("test/")}
    assert values == {
        "test/loss": [0.5 / epoch for epoch in (1, 2, 3)],
        "test/global_loss": [0.25 / epoch for epoch in (1, 2, 3)],
        "test/loss[2]": [0.125 / epoch for epoch in (1, 2, 3)],
        "test/accuracy": [50.0] * 3,
        "test/global_accuracy": [45.0] * 3,
    }


SEVERAL = """
import torch
x = torch.randn(8, 3)
def train(net):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for epoch in range(2):
        optimizer.zero_grad()
        loss = net(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        print(f"epoch {epoch} val_loss {0.5}")
def fit(k):
    net = torch.nn.Linear(3, 1)
    for part in range(2):
        train(net)
    if k == 2:
        print("final f1", 0.125)
    return net
def evaluate(net):
    print("test accuracy", 0.25)
def main():
    for k in range(3):
        net = fit(k)
        print("auc", k / 8)
    evaluate(net)
    print("best validation accuracy", 0.75)
    print("mean iou", 0.375)
"""


def test_what_is_printed_behind_the_loop_of_several_trainings_is_of_none_of_them(tmp_path: Path) -> None:
    run_program(SEVERAL + "main()", tmp_path, env={"AUTOTRACK_STRICT": "1", "AUTOTRACK_QUIET": "1"})
    strands = Recording(tmp_path / ".autotrack").strands(printed=True)
    named = [set(s.points) - {"lr", "train/loss", "valid/loss", "auc"} for s in strands if s.kind == "training"]
    assert [names for names in named if names] == [{"f1", "test/accuracy"}]
    outside = {name: series for s in strands if s.kind == "printed" for name, series in s.points.items()}
    assert outside == {"valid/best_accuracy": [(0, 0.75)], "iou": [(0, 0.375)]}


def test_what_is_printed_after_one_training_is_of_that(tmp_path: Path) -> None:
    found = points(
        """
list(train(3))
def evaluate():
    print("test accuracy", 0.25)
for part in range(2):
    evaluate()
print("best validation accuracy", 0.75)
""",
        tmp_path,
    )
    assert found["valid/best_accuracy"] == [(3, 0.75)]
    assert "test/accuracy" in found
