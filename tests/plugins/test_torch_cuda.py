"""Training on a GPU: nothing of the recording waits for the device, and what it computed is on record all the same.

The deferred path is tested without a device in `test_torch`; what CUDA alone has is tested here: its streams, events
and graphs, and its own word for who waits, `torch.cuda.set_sync_debug_mode`.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from autotrack import events
from autotrack.testing import Recording, recorded, run_program

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device at hand")

STRICT = {"AUTOTRACK_STRICT": "1"}
"""What is contained otherwise, such as an error that CUDA raises, shows."""
SLEEP = 4_000_000_000
"""Cycles: some seconds."""


def both(source: str, folder: Path, **env: str) -> Recording:
    """The record of a program, which does the same as without tracking."""
    (folder / "plain").mkdir()
    plain = run_program(source, folder / "plain", tracked=False, timeout=300)
    tracked = run_program(source, folder, env={**STRICT, **env}, timeout=300)
    assert plain.returncode == 0, plain.stderr
    assert (tracked.stdout, tracked.returncode) == (plain.stdout, 0), tracked.stderr
    return Recording(folder / ".autotrack")


def said(folder: Path) -> Any:
    """What the program wrote of itself, to compare with the record."""
    return json.loads((folder / "said.json").read_text())


def test_no_thread_of_training_waits(tmp_path: Path) -> None:
    source = """
import json, torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Dropout(0.2), torch.nn.Linear(16, 1)).cuda()
optimizer = torch.optim.Adam(
    model.parameters(), lr=torch.tensor(0.01, device="cuda"), capturable=True, foreach=True
)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 20)
data = torch.utils.data.TensorDataset(torch.randn(320, 8), torch.randn(320, 1))
loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=True, pin_memory=True)
losses, norms = [], []
torch.cuda.set_sync_debug_mode("error")
for epoch in range(2):
    for at, (x, y) in enumerate(loader):
        x, y = x.cuda(non_blocking=True), y.cuda(non_blocking=True)
        with torch.autocast("cuda", dtype=torch.bfloat16):
            output = model(x)
        loss = (output.float() - y).pow(2).mean()
        loss.backward()
        losses.append(loss.detach().clone())
        with torch.no_grad():
            loss.mul_(100)
        if at % 2:
            norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0))
            optimizer.step()
            optimizer.zero_grad()
    scheduler.step()
torch.cuda.set_sync_debug_mode("default")
said = {"losses": [loss.item() for loss in losses], "norms": [norm.item() for norm in norms]}
json.dump(said, open("said.json", "w"))
print(sum(parameter.double().sum().item() for parameter in model.parameters()))
"""
    (strand,) = both(source, tmp_path).strands()
    told = said(tmp_path)
    assert strand.points["train/loss"] == [(at // 2, value) for at, value in enumerate(told["losses"])]
    pairs = zip(told["losses"][::2], told["losses"][1::2], strict=True)
    assert strand.points["train/loss.step"] == [(at, (a + b) / 2) for at, (a, b) in enumerate(pairs)]
    assert strand.points["grad_norm"] == list(enumerate(told["norms"]))
    assert [(step, round(rate, 6)) for step, rate in strand.points["lr"]] == [(0, 0.01)]
    assert strand.params["lr"] == pytest.approx(0.01)


def test_a_device_that_is_far_behind(tmp_path: Path) -> None:
    source = f"""
import json, torch
model = torch.nn.Linear(4, 1).cuda()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x = torch.randn(16, 4, device="cuda")
def steps(count):
    for _ in range(count):
        loss = model(x).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
losses = []
steps(10)
torch.cuda.synchronize()
torch.cuda._sleep({SLEEP})
woken = torch.cuda.Event()
woken.record()
steps(60)
behind = not woken.query()
torch.cuda.synchronize()
print("behind", behind)
json.dump([loss.item() for loss in losses], open("said.json", "w"))
"""
    (strand,) = both(source, tmp_path).strands()
    assert strand.points["train/loss"] == list(enumerate(said(tmp_path)))


def test_losses_of_other_streams(tmp_path: Path) -> None:
    source = f"""
import json, threading, torch
def train(name, results):
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        model = torch.nn.Linear(4, 1).cuda()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        losses = results[name] = []
        for step in range(50):
            loss = model(torch.full((8, 4), step / 50, device="cuda")).pow(2).mean() + 1
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            if step == 25:
                torch.cuda._sleep({SLEEP // 4})
results = {{}}
train("main", results)
torch.cuda.synchronize()
threads = [threading.Thread(target=train, args=(name, results)) for name in ("one", "other")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
torch.cuda.synchronize()
json.dump([[loss.item() for loss in losses] for losses in results.values()], open("said.json", "w"))
"""
    strands = both(source, tmp_path).strands()
    found = sorted([value for _, value in strand.points["train/loss"]] for strand in strands)
    assert found == sorted(said(tmp_path))


def test_a_graph_is_captured_while_values_are_read(tmp_path: Path) -> None:
    source = """
import json, time, torch
torch.manual_seed(0)
model = torch.nn.Linear(4, 1).cuda()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, capturable=True)
x = torch.randn(16, 4, device="cuda")
losses = []
def step():
    loss = model(x).pow(2).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=False)
    return loss
side = torch.cuda.Stream()
side.wait_stream(torch.cuda.current_stream())
with torch.cuda.stream(side):
    for _ in range(5):
        losses.append(step().detach().clone())
torch.cuda.current_stream().wait_stream(side)
graph = torch.cuda.CUDAGraph()
with torch.cuda.graph(graph):
    until = time.monotonic() + 1.5
    captured = step()
    while time.monotonic() < until:  # the recorder looks, several times
        captured = captured * 1.0
for _ in range(10):
    graph.replay()
torch.cuda.synchronize()
print(captured.item(), optimizer.state[model.weight]["step"].item())
losses.append(step().detach().clone())
json.dump([loss.item() for loss in losses], open("said.json", "w"))
"""
    recording = both(source, tmp_path)
    (strand,) = recording.strands()
    assert [value for _, value in strand.points["train/loss"]] == said(tmp_path)
    assert any("CUDA graph" in gap.what for gap in strand.of(events.GapFound))


def test_compiled_with_graphs(tmp_path: Path) -> None:
    source = """
import json, torch
import torch._dynamo as dynamo
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.GELU(), torch.nn.Linear(64, 1)).cuda()
optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
compiled = torch.compile(model, mode="reduce-overhead")
x, y = torch.randn(64, 32, device="cuda"), torch.randn(64, 1, device="cuda")
losses = []
for _ in range(12):
    loss = torch.nn.functional.mse_loss(compiled(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
counters = dynamo.utils.counters
print(losses, dict(counters["stats"]), dict(counters["graph_break"]), sum(counters["recompiles"].values()))
json.dump(losses, open("said.json", "w"))
"""
    (strand,) = both(source, tmp_path).strands()
    assert strand.points["train/loss"] == list(enumerate(said(tmp_path)))


def test_half_precision(tmp_path: Path) -> None:
    source = """
import json, torch
torch.manual_seed(0)
model = torch.nn.Linear(8, 1).cuda()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
scaler = torch.amp.GradScaler("cuda", init_scale=2.0**40, growth_interval=5)
x, y = torch.randn(64, 8, device="cuda"), torch.randn(64, 1, device="cuda")
losses, scales = [], []
for _ in range(40):
    optimizer.zero_grad()
    with torch.autocast("cuda", dtype=torch.float16):
        loss = torch.nn.functional.mse_loss(model(x), y.half())
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    losses.append(loss.item())
    scales.append(scaler.get_scale())
print(losses, scales)
json.dump(losses, open("said.json", "w"))
"""
    (strand,) = both(source, tmp_path).strands()
    assert [value for _, value in strand.points["train/loss"]] == said(tmp_path)
    assert strand.points["train/loss"][0][0] == 0


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "LBFGS"])
def test_weights_are_the_same_to_the_last_bit(optimizer: str, tmp_path: Path) -> None:
    x = torch.linspace(-1, 1, 48).reshape(24, 2)

    def train() -> tuple[Any, Any]:
        torch.manual_seed(5)
        model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 1)).cuda()
        steps = getattr(torch.optim, optimizer)(model.parameters(), lr=0.05)
        dataset = torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True))
        for _ in range(2):
            for rows, sums in torch.utils.data.DataLoader(dataset, batch_size=5, shuffle=True):

                def closure(rows: Any = rows, sums: Any = sums) -> Any:
                    steps.zero_grad()
                    loss = (model(rows.cuda()) - sums.cuda()).pow(2).mean()
                    loss.backward()
                    return loss

                steps.step(closure)
        weights = [parameter.detach().cpu() for parameter in model.parameters()]
        return weights, (torch.get_rng_state(), torch.cuda.get_rng_state())

    plain, states = train()
    with recorded(tmp_path / "rec") as recording:
        tracked, after = train()
    assert all(torch.equal(a, b) for a, b in zip(plain, tracked, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(states, after, strict=True))
    assert recording.strands()[0].points["train/loss"]


def test_checkpoints_of_what_is_on_the_device(tmp_path: Path) -> None:
    source = """
import torch
torch.manual_seed(0)
model = torch.nn.Linear(4, 1).cuda()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x = torch.randn(16, 4, device="cuda")
for step in range(6):
    loss = model(x).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step == 1:
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, "there.pt")
        torch.save({name: tensor.cpu() for name, tensor in model.state_dict().items()}, "here.pt")
torch.save(torch.nn.Linear(4, 1).state_dict(), "other.pt")
print(torch.load("there.pt", map_location="cpu")["model"]["weight"].sum().item())
"""
    recording = both(source, tmp_path)
    (strand,) = recording.strands()
    seen = [e for e in recording.events() if isinstance(e, events.ArtifactSeen) and e.mode == "written"]
    saved = {Path(e.path).name: e for e in seen}
    models = recording.models()
    assert models[saved["there.pt"].artifact] == models[saved["here.pt"].artifact] is not None
    assert (saved["there.pt"].strand, saved["there.pt"].step) == (strand.id, 2)
    assert (saved["here.pt"].strand, saved["here.pt"].step) == (strand.id, 2)
    assert saved["other.pt"].strand is None


def test_a_killed_program_has_what_was_read(tmp_path: Path) -> None:
    source = """
import os, signal, time, torch
model = torch.nn.Linear(4, 1).cuda()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x = torch.randn(16, 4, device="cuda")
begun = time.monotonic()
while time.monotonic() < begun + 3:
    loss = model(x).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    now = time.time()
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = run_program(source, tmp_path, env=STRICT)
    assert done.returncode == -signal.SIGKILL
    points = Recording(tmp_path / ".autotrack").strands()[0].points["train/loss"]
    assert [step for step, _ in points] == list(range(len(points)))
    assert len(points) > 100


def test_more_than_can_wait(tmp_path: Path) -> None:
    source = f"""
import torch
model = torch.nn.Linear(4, 1).cuda()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x = torch.randn(16, 4, device="cuda")
def steps(count):
    for _ in range(count):
        loss = model(x).pow(2).mean()
        loss.backward()
        optimizer.step()
steps(3)
for _ in range(40):
    torch.cuda._sleep({SLEEP // 40})
    steps(300)
torch.cuda.synchronize()
"""
    (strand,) = both(source, tmp_path).strands()
    points = strand.points["train/loss"]
    lost = [gap for gap in strand.of(events.GapFound) if gap.what == "values on the device"]
    assert len(points) == 12_003 or lost
    assert [step for step, _ in points] == sorted({step for step, _ in points})


def test_data_on_the_device(tmp_path: Path) -> None:
    source = """
import torch
torch.manual_seed(0)
x, y = torch.randn(100, 4, device="cuda"), torch.randn(100, 1, device="cuda")
model = torch.nn.Linear(4, 1).cuda()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for epoch in range(2):
    for a, b in torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=20):
        loss = (model(a) - b).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
"""
    (strand,) = both(source, tmp_path).strands()
    assert [step for step, _ in strand.points["train/loss"]] == list(range(10))
    assert [used.role for used in strand.datasets.values()] == ["train"]
