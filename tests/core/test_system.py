"""Samples of the system: of the right processes, in the journal of the right one, at little cost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import autotrack
from autotrack import context, events
from autotrack.capture import system
from autotrack.journal import read
from autotrack.testing import Recording, recorded, run_program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="samples are taken on Linux")

SERIES = {
    f"system/{name}" for name in "cpu memory disk_read disk_write network_received network_sent".split()
}  # fmt: skip

BUSY = """
import os, sys, time
import autotrack
autotrack.log({"loss": 1.0})
held = bytearray(50_000_000)
child = os.fork()
if child == 0:
    other = bytearray(100_000_000)
    autotrack.log({"loss": 2.0})
until = time.process_time() + 2.5
while time.process_time() < until:
    pass
if child == 0:
    os._exit(0)
os.wait()
"""


def samples(root: Path) -> dict[str, list[tuple[float, float]]]:
    """Name to (time, value), of the job's own series in the segment of its main process."""
    found: dict[str, list[tuple[float, float]]] = {}
    for segment in Recording(root).segments():
        names = of_job(segment)
        assert not names or (segment.first is not None and segment.first.role == "main")
        for record in segment.read_points().records:
            if int(record["series"]) in names:
                name = names[int(record["series"])]
                found.setdefault(name, []).append((float(record["time"]), float(record["value"])))
    return found


def of_job(segment: read.SegmentFile) -> dict[int, str]:
    defined = [event for _, event in segment.events(segment.start_cursor()) if isinstance(event, events.SeriesDefined)]
    assert all((event.origin == "system") == (event.strand == segment.job) for event in defined)
    return {event.series: event.name for event in defined if event.origin == "system"}


def test_a_program_and_its_children(tmp_path: Path) -> None:
    begun = time.time()
    env = {"AUTOTRACK_STRICT": "1", "AUTOTRACK_SYSTEM_SECONDS": "0.2"}
    done = run_program(BUSY, tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    found = samples(tmp_path / ".autotrack")
    assert SERIES - {"system/disk_read", "system/disk_write"} <= found.keys()
    assert set(found) <= SERIES or any("gpu" in name for name in found)
    for points in found.values():
        assert begun <= points[0][0] <= points[-1][0] <= time.time()
        assert len(points) >= 2
    assert max(value for _, value in found["system/memory"]) > 150e6, "both processes"
    moments = [moment for moment, _ in found["system/cpu"]]
    rates = [value for _, value in found["system/cpu"]]
    seconds = sum((b - a) * rate / 100 for a, b, rate in zip(moments, moments[1:], rates[1:], strict=False))
    assert 2.0 < seconds < 6.0, "five seconds of a processor, whatever the machine does besides"


@pytest.mark.parametrize(("seconds", "lasts"), [("0", 1.5), ("5", 0.2)])
def test_no_samples(tmp_path: Path, seconds: str, lasts: float) -> None:
    """Where that is set so, and where a program is over before there is anything to say."""
    source = f"import time, autotrack\nautotrack.log({{'loss': 1.0}})\nend = time.time() + {lasts}\n"
    source += "while time.time() < end: pass\n"
    assert run_program(source, tmp_path, env={"AUTOTRACK_SYSTEM_SECONDS": seconds}).returncode == 0
    assert samples(tmp_path / ".autotrack") == {}


def test_a_program_that_sleeps_has_first_and_last_samples(tmp_path: Path) -> None:
    source = "import threading, autotrack\nautotrack.log({'loss': 1.0})\nthreading.Event().wait(2.5)\n"
    assert run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1"}).returncode == 0
    assert len(samples(tmp_path / ".autotrack")["system/cpu"]) == 2


def test_a_kill_loses_no_sample(tmp_path: Path) -> None:
    source = "import time, autotrack\nautotrack.log({'loss': 1.0})\nwhile True: time.sleep(0.01)\n"
    (tmp_path / "endless.py").write_text("import autotrack\nautotrack.enable()\n" + source)
    env = {**os.environ, "AUTOTRACK_SYSTEM_SECONDS": "0.1"}
    process = subprocess.Popen([sys.executable, "endless.py"], cwd=tmp_path, env=env)
    seen = 0
    until = time.monotonic() + 60
    while seen < 3 and time.monotonic() < until:
        seen = len(samples(tmp_path / ".autotrack").get("system/cpu", ()))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 3 <= seen <= len(samples(tmp_path / ".autotrack")["system/cpu"])


def test_nothing_is_imported_on_another_thread(tmp_path: Path) -> None:
    source = """
import sys, threading
import numpy
found = []
main = threading.get_ident()
sys.addaudithook(lambda name, given: name == "import" and threading.get_ident() != main and found.append(given[0]))
import autotrack
autotrack.log({"loss": 1.0})
numpy.random.seed(1)
threading.Event().wait(1.5)
autotrack.disable()
print(found)
"""
    done = run_program(source, tmp_path, env={"AUTOTRACK_SYSTEM_SECONDS": "0.2"})
    assert done.stdout == "[]\n", done.stderr
    assert samples(tmp_path / ".autotrack")


def test_which_processes_are_below(tmp_path: Path) -> None:
    """Grandchildren too; a stranger is not, and is not looked at again."""
    script = "sleep 60 & echo $!; wait"
    stranger = subprocess.Popen(["sleep", "60"])
    below = system.Processes(os.getpid())
    above = system.Processes(stranger.pid)
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        assert child.stdout is not None
        grandchild = int(child.stdout.readline())
        for look in range(3):
            below.look()
            above.look()
            assert not {os.getpid(), stranger.pid, child.pid, grandchild} & below._strangers
            assert {os.getpid(), child.pid, grandchild} <= above._strangers, look
        before = below.resident
        os.killpg(child.pid, signal.SIGKILL)
    below.look()
    assert below.resident < before
    assert 0 < above.resident < below.resident
    stranger.kill()
    stranger.wait()
    above.look()
    assert above.resident == 0
    assert above.ticks == 0


NVML = r"""
#include <string.h>
#define GIVE(name) int name
GIVE(nvmlInit_v2)(void) { return 0; }
GIVE(nvmlInitWithFlags)(unsigned flags) { return 0; }
GIVE(nvmlShutdown)(void) { return 0; }
const char *nvmlErrorString(int code) { return "not supported"; }
GIVE(nvmlSystemGetDriverVersion)(char *text, unsigned size) { strcpy(text, "550.54"); return 0; }
GIVE(nvmlSystemGetCudaDriverVersion)(int *version) { *version = 12040; return 0; }
GIVE(nvmlSystemGetCudaDriverVersion_v2)(int *version) { *version = 12040; return 0; }
GIVE(nvmlDeviceGetCount_v2)(unsigned *count) { *count = 2; return 0; }
GIVE(nvmlDeviceGetHandleByIndex_v2)(unsigned at, void **device) { *device = (void *)(long)(at + 1); return 0; }
GIVE(nvmlDeviceGetName)(void *device, char *text, unsigned size) { strcpy(text, "Toy 100"); return 0; }
GIVE(nvmlDeviceGetUUID)(void *device, char *text, unsigned size) {
    strcpy(text, device == (void *)1 ? "GPU-a" : "GPU-b");
    return 0;
}
GIVE(nvmlDeviceGetMemoryInfo)(void *device, unsigned long long *memory) {
    memory[0] = 16000; memory[1] = 12000; memory[2] = 4000;
    return 0;
}
GIVE(nvmlDeviceGetUtilizationRates)(void *device, unsigned *rates) { rates[0] = 70; rates[1] = 5; return 0; }
GIVE(nvmlDeviceGetPowerUsage)(void *device, unsigned *power) { *power = 250500; return device == (void *)1 ? 0 : 3; }
"""


@pytest.mark.parametrize(("visible", "devices"), [(None, "01"), ("1", "1"), ("GPU-a", "0"), ("", "")])
def test_gpus_through_nvml(tmp_path: Path, visible: str | None, devices: str) -> None:
    """The real `nvidia-ml-py`, above a library in the place of the driver's."""
    pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    (tmp_path / "nvml.c").write_text(NVML)
    library = str(tmp_path / "libnvidia-ml.so.1")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, str(tmp_path / "nvml.c")], check=True)
    source = "import threading, pynvml, autotrack\nautotrack.log({'loss': 1.0})\nthreading.Event().wait(0.5)\n"
    env = {"LD_LIBRARY_PATH": str(tmp_path), "AUTOTRACK_STRICT": "1", "AUTOTRACK_SYSTEM_SECONDS": "0.1"}
    done = run_program(source, tmp_path, env=env if visible is None else {**env, "CUDA_VISIBLE_DEVICES": visible})
    assert done.returncode == 0, done.stderr
    root = tmp_path / ".autotrack"
    facts = {event.section: event.value for event in Recording(root).events() if isinstance(event, events.JobFacts)}
    machine = facts["hardware"]
    assert (machine["driver"], machine["cuda"]) == ("550.54", "12.4")
    assert machine["accelerators"][1] == {"index": 1, "name": "Toy 100", "id": "GPU-b", "bytes": 16000}
    found = {name: points[-1][1] for name, points in samples(root).items() if "gpu" in name}
    expected = {f"system/gpu{n}/{name}": value for n in devices for name, value in (("use", 70.0), ("memory", 4000.0))}
    if "0" in devices:
        expected["system/gpu0/power"] = 250.5
    assert found == expected


def test_what_the_driver_says_of_itself(tmp_path: Path) -> None:
    from autotrack.capture import gpu

    assert gpu._of_driver(str(tmp_path)) == {}
    (tmp_path / "version").write_text("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5\nGCC 12\n")
    device = tmp_path / "gpus" / "0000:01:00.0"
    device.mkdir(parents=True)
    (device / "information").write_text("Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 5\nGPU UUID: \t GPU-1\n")
    found = gpu._of_driver(str(tmp_path))
    one = {"index": 0, "name": "NVIDIA H100 80GB HBM3", "id": "GPU-1", "bytes": None}
    assert found == {"accelerators": [one], "driver": "550.54.15", "cuda": None}


def test_a_sample_that_costs_much_is_not_taken_again_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded(tmp_path):
        autotrack.log({"loss": 1.0})
        job = context.Current.job
        assert job is not None
        monkeypatch.setattr(system, "COSTLY", 0.0)
        sampler = system.Sampler(job)
        sampler.begin()
        for _ in range(5):
            sampler.sample()
        assert sampler._step == 1
        assert 0.01 < sampler._rests_until - time.monotonic() < 100
        monkeypatch.setattr(system, "FIRST", 0.0)
        sampler.end()
        assert sampler._step == 2, "at the end in any case"
