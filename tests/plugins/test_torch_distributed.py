"""Several processes that train one model: one run."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autotrack.launch import environment

torch = pytest.importorskip("torch")
if not torch.distributed.is_available():
    pytest.skip("this build of PyTorch has no torch.distributed", allow_module_level=True)

TRAIN = """
import torch
from torch.nn.parallel import DistributedDataParallel
def train(rank, lr=0.05, epochs=2):
    torch.manual_seed(0)
    x = torch.randn(64, 4); y = x.sum(1, keepdim=True)
    data = torch.utils.data.TensorDataset(x, y)
    sampler = torch.utils.data.DistributedSampler(data)
    loader = torch.utils.data.DataLoader(data, batch_size=8, sampler=sampler)
    model = DistributedDataParallel(torch.nn.Sequential(torch.nn.Linear(4, 1)))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        for inputs, targets in loader:
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(model(inputs), targets)
            loss.backward()
            optimizer.step()
        if rank == 0: print(f'epoch {epoch} loss {loss.item():.6f}')
    if rank == 0: print([float(p.sum()).hex() for p in model.parameters()])
"""

LAUNCHED = (
    TRAIN
    + """
import argparse, torch.distributed as dist
parser = argparse.ArgumentParser(); parser.add_argument('--lr', type=float, default=0.05)
given = parser.parse_args()
dist.init_process_group('gloo')
train(dist.get_rank(), given.lr)
dist.destroy_process_group()
"""
)

SPAWNED = (
    TRAIN
    + """
import sys, torch.distributed as dist, torch.multiprocessing as mp
def work(rank, store):
    dist.init_process_group('gloo', init_method=f'file://{store}', rank=rank, world_size=2)
    train(rank)
    dist.destroy_process_group()
if __name__ == '__main__':
    for number in range(int(sys.argv[1])):
        mp.spawn(work, args=(f'{sys.argv[2]}/store{number}',), nprocs=2)
"""
)
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def run(folder: Path, source: str, *words: str, before: tuple[str, ...] = (), tracked: bool = True) -> Any:
    script = folder / "program.py"
    script.write_text(source)
    given = {name: value for name, value in os.environ.items() if not name.startswith("AUTOTRACK_")}
    given["OMP_NUM_THREADS"] = "1"
    return subprocess.run(
        [sys.executable, *before, str(script), *words],
        cwd=folder,
        env=environment(given) if tracked else given,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def autotrack(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "autotrack", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=True).stdout


def runs(folder: Path) -> list[dict[str, Any]]:
    listed = [json.loads(line) for line in autotrack(folder, "ls", "--json").splitlines()]
    return [json.loads(autotrack(folder, "show", run["id"], "--json")) for run in listed]


def test_the_ranks_of_torchrun_are_one_run(tmp_path: Path) -> None:
    launched = (run(tmp_path, LAUNCHED, "--lr", "0.1", before=TORCHRUN, tracked=False) for _ in range(3))
    plain = next(done for done in launched if done.returncode == 0)  # on a busy machine the launcher itself may fail
    tracked = run(tmp_path, LAUNCHED, "--lr", "0.1", before=TORCHRUN)
    assert (tracked.returncode, tracked.stdout) == (plain.returncode, plain.stdout) == (0, plain.stdout)
    (found,) = runs(tmp_path)
    assert found["name"] == "Sequential"
    assert found["status"] == "finished"
    for name in ("train/loss", "rank1/train/loss"):
        assert found["metrics"][name]["count"] == 8
    assert found["metrics"]["train/loss"]["last"] != found["metrics"]["rank1/train/loss"]["last"]
    params = {param["name"]: param["value"] for param in found["params"]}
    assert params["lr"] == 0.1
    assert params["sampler"] == "DistributedSampler"
    assert [dataset["role"] for dataset in found["datasets"]] == ["train"]
    printed = [line.split()[3] for line in plain.stdout.splitlines() if line.startswith("epoch")]
    assert f"{found['metrics']['train/loss']['last']:.6f}" == printed[-1]


def test_two_launches_are_two_runs(tmp_path: Path) -> None:
    for lr in ("0.1", "0.2"):
        run(tmp_path, LAUNCHED, "--lr", lr, before=TORCHRUN)
    found = runs(tmp_path)
    assert len(found) == 2
    assert len({entry["job"]["id"] for entry in found}) == 2


def test_a_program_that_a_rank_starts_is_a_job_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("import autotrack\nautotrack.log({'other': 1.0})\n")
    source = LAUNCHED + "\nimport subprocess, sys\nsubprocess.run([sys.executable, 'other.py'], check=True)\n"
    assert run(tmp_path, source, before=TORCHRUN).returncode == 0
    found = runs(tmp_path)
    training = next(entry for entry in found if "train/loss" in entry["metrics"])
    others = [entry for entry in found if "other" in entry["metrics"]]
    assert len(others) == 2
    assert training["job"]["id"] not in [entry["job"]["id"] for entry in others]


def test_recording_that_begins_again_in_the_ranks_is_jobs_of_their_own(tmp_path: Path) -> None:
    again = "\nimport autotrack\nautotrack.disable()\nautotrack.enable(quiet=True)\nautotrack.log({'again': 1.0})\n"
    assert run(tmp_path, LAUNCHED + again, before=TORCHRUN).returncode == 0
    found = runs(tmp_path)
    assert len([entry for entry in found if "train/loss" in entry["metrics"]]) == 1
    assert len({entry["job"]["id"] for entry in found if "again" in entry["metrics"]}) == 2


@pytest.mark.parametrize("times", [1, 2])
def test_processes_that_the_program_spawns_are_one_run_each_time(times: int, tmp_path: Path) -> None:
    done = run(tmp_path, SPAWNED, str(times), str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = runs(tmp_path)
    assert len(found) == times
    for entry in found:
        assert {entry["metrics"][name]["count"] for name in ("train/loss", "rank1/train/loss")} == {8}


def test_what_is_shown_is_of_the_first_rank(tmp_path: Path) -> None:
    run(tmp_path, LAUNCHED, before=TORCHRUN)
    assert "rank1/train/loss" in autotrack(tmp_path, "show", "@last", "--json")
    assert "rank1" not in autotrack(tmp_path, "plot", "@last")
    assert "rank1/train/loss" in autotrack(tmp_path, "plot", "@last", "rank1/train/loss")


def launched_on(machine: int, folder: Path, port: int, *words: str) -> subprocess.Popen[str]:
    """A launcher of two processes on one of two machines, which here are one."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("AUTOTRACK_")}
    given |= {"OMP_NUM_THREADS": "1", "AUTOTRACK_STRICT": "1"}
    torchrun = [
        *(sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "2"),
        *("--node-rank", str(machine), "--master-addr", "127.0.0.1", "--master-port", str(port)),
    ]
    folder.mkdir(exist_ok=True)
    (folder / "program.py").write_text(LAUNCHED)
    return subprocess.Popen(
        [*torchrun, "program.py", *words],
        cwd=folder,
        env=environment(given),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def ended(*launchers: subprocess.Popen[str]) -> None:
    for launcher in launchers:
        _, errors = launcher.communicate(timeout=180)
        assert launcher.returncode == 0, errors


def test_two_machines_that_share_a_folder_are_one_run(tmp_path: Path) -> None:
    port = free_port()
    for lr in ("0.1", "0.2"):  # launched alike
        second = launched_on(1, tmp_path, port, "--lr", lr)
        ended(launched_on(0, tmp_path, port, "--lr", lr), second)
    found = sorted(runs(tmp_path), key=lambda run: run["started"])
    assert [run["status"] for run in found] == ["finished", "finished"]
    for run, lr in zip(found, (0.1, 0.2), strict=True):
        names = ["train/loss", *(f"rank{rank}/train/loss" for rank in (1, 2, 3))]
        assert [run["metrics"][name]["count"] for name in names] == [4] * 4
        assert {param["name"]: param["value"] for param in run["params"]}["lr"] == lr
        assert run["job"]["exit"]["code"] == 0
        assert "epoch 1 loss" in json.dumps(run["job"]["console"])


def test_two_machines_that_share_none_are_a_run_each(tmp_path: Path) -> None:
    port = free_port()
    ended(*(launched_on(machine, tmp_path / str(machine), port) for machine in (0, 1)))
    for machine, ranks in enumerate([(0, 1), (2, 3)]):
        (found,) = runs(tmp_path / str(machine))
        names = {f"rank{rank}/train/loss" if rank else "train/loss" for rank in ranks}
        assert {name for name in found["metrics"] if name.endswith("train/loss")} == names
        assert found["status"] == "finished"
