"""What commands say of the machine, the seeds and the samples."""

from __future__ import annotations

import sys

import pytest

from tests.end_to_end.conftest import CommandLine

PROGRAM = """
import random, sys, threading
import autotrack
random.seed(int(sys.argv[1]))
autotrack.log({"loss": 1.0})
threading.Event().wait(0.6)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="samples are taken on Linux")
def test_environment_seeds_and_samples(cli: CommandLine) -> None:
    cli.program(PROGRAM)
    env = {"AUTOTRACK_SYSTEM_SECONDS": "0.1", "SLURM_JOB_ID": "1"}
    for seed in ("3", "4"):
        cli("run", "train.py", seed, env={**env, "OMP_NUM_THREADS": seed})
    first, second = (run["id"] for run in reversed(cli.lines("ls")))
    run = cli.json("show", first)
    assert run["generators"]["python"]["seed"] == 3
    assert run["job"]["environment"]["variables"]["OMP_NUM_THREADS"] == "3"
    assert run["system"]["system/memory"]["max"] > 1e6
    job = run["job"]["id"]

    told = cli.terminal("show", job)
    for text in ("machine", "random.seed(3)", "System", "memory", "MB"):
        assert text in told
    assert "python 3" in cli.terminal("show", first)
    rows = [line.split("\t") for line in cli("show", job).stdout.splitlines()]
    kinds = {row[0] for row in rows}
    assert {"environment", "variable", "hardware", "seed", "system"} <= kinds

    of_job = cli.json("show", job)["job"]["system"]
    points = cli.lines("export", job, "--points")
    for name, found in of_job.items():
        values = [point["value"] for point in points if point["name"] == name]
        assert (len(values), max(values)) == (found["count"], found["max"])
    assert {point["name"] for point in cli.lines("export", first, "--points")} == {"loss"}

    differences = cli.json("compare", first, second)["differences"]
    different = {(row["section"], row["name"]): row["values"] for row in differences}
    assert different["environment", "OMP_NUM_THREADS"] == ["3", "4"]
    assert different["seed", "python"] == [3, 4]
    assert ("seed", "python state") in different
    assert not [name for section, name in different if section == "hardware" or name.startswith("SLURM")]
