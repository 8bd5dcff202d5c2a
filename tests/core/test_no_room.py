"""Where nothing can be written, the user's program goes on, and one line says what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from autotrack import events
from autotrack.launch import environment
from autotrack.testing import Recording

SOURCE = """
import sys, autotrack
for step in range(STEPS):
    autotrack.log({"loss": 1.0, "text": "x" * 200}, step=step)
print("done")
sys.exit(3)
"""


def run(
    folder: Path, *, steps: int = 100, prefix: list[str] | None = None, **env: str | None
) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(SOURCE.replace("STEPS", str(steps)))
    given = {**environment({n: v for n, v in os.environ.items() if not n.startswith("AUTOTRACK_")}), **env}
    return subprocess.run(
        [*(prefix or []), sys.executable, str(folder / "program.py")],
        cwd=folder,
        env={name: value for name, value in given.items() if value is not None},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def goes_on(done: subprocess.CompletedProcess[str], *, says: str) -> None:
    assert (done.returncode, done.stdout) == (3, "done\n"), done.stderr
    assert done.stderr.startswith("autotrack: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert says in done.stderr


can_mount = (
    shutil.which("unshare") is not None
    and subprocess.run(
        ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"], capture_output=True, check=False
    ).returncode
    == 0
)
needs_mounts = pytest.mark.skipif(not can_mount, reason="this user may not mount")


def mounted(folder: Path, options: str, *more: str) -> list[str]:
    """What runs a program with a file system of its own at `folder`; afterwards its content is copied out."""
    steps = [
        f"mount -t tmpfs -o {options} none {folder}",
        *more,
        '"$@"',
        "code=$?",
        f"mkdir -p {folder}.out",
        f"cp -r {folder}/. {folder}.out/",
        "exit $code",
    ]
    return ["unshare", "-rm", "sh", "-c", "\n".join(steps), "sh"]


# Nothing can be written at all


@pytest.mark.parametrize("place", ["file/below", "/proc/autotrack", "/dev/null", "loop"])
def test_a_folder_that_can_not_be_made(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    goes_on(run(tmp_path, AUTOTRACK_DIR=place), says="Nothing was recorded")
    assert run(tmp_path, AUTOTRACK_DIR=place, AUTOTRACK_QUIET="1").stderr == ""


@needs_mounts
def test_a_read_only_folder(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    done = run(tmp_path, prefix=mounted(place, "size=1m", f"mount -o remount,ro {place}"), AUTOTRACK_DIR=f"{place}/a")
    goes_on(done, says="Read-only file system")


@needs_mounts
def test_a_disk_that_is_full_from_the_start(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    fill = f"dd if=/dev/zero of={place}/full bs=4k 2>/dev/null"
    done = run(tmp_path, prefix=mounted(place, "size=64k", fill), AUTOTRACK_DIR=f"{place}/a")
    goes_on(done, says="No space left on device")


# It is over in the midst


@needs_mounts
@pytest.mark.parametrize("size", [4, 8, 12, 16, 24, 40, 64, 68, 72, 76, 80, 96, 128, 200, 300])
def test_a_disk_that_fills_up(tmp_path: Path, size: int) -> None:
    """Sizes in KiB, from too small for the first line to too small for the second window of points: what is
    there can be read, and the points up to some moment are all there."""
    place = tmp_path / "place"
    place.mkdir()
    done = run(tmp_path, steps=5000, prefix=mounted(place, f"size={size}k"), AUTOTRACK_DIR=f"{place}/a")
    goes_on(done, says="recorded")
    assert "No space left on device" in done.stderr
    recording = Recording(Path(f"{place}.out/a"))
    for strand in recording.strands():
        steps = [step for step, _ in strand.points.get("loss", ())]
        assert steps == list(range(len(steps)))


@needs_mounts
@pytest.mark.parametrize("pause", [0, 0.01], ids=["before a flush", "after some"])
def test_a_disk_that_has_room_again(tmp_path: Path, pause: float) -> None:
    place = tmp_path / "place"
    place.mkdir()
    source = f"""
import os, time, autotrack
autotrack.log({{"loss": 0.0, "text": "x"}}, step=0)
with open({str(place / "full")!r}, "wb", buffering=0) as file:
    try:
        while file.write(b"0" * 4096): pass
    except OSError: pass
for step in range(1, 9000):
    autotrack.log({{"loss": 0.0, "text": "x" * 10}}, step=step)
    if step % 100 == 0:
        time.sleep({pause})  # what a step takes
os.unlink({str(place / "full")!r})
for step in range(9000, 9100):
    autotrack.log({{"loss": 0.0, "text": "after"}}, step=step)
"""
    (tmp_path / "refill.py").write_text(source)
    done = subprocess.run(
        [*mounted(place, "size=3m"), sys.executable, str(tmp_path / "refill.py")],
        env=environment({**os.environ, "AUTOTRACK_DIR": f"{place}/a", "AUTOTRACK_CODE": "0"}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 1
    assert "could not be recorded" in done.stderr
    recording = Recording(Path(f"{place}.out/a"))
    (strand,) = recording.strands()
    assert [step for step, _ in strand.points["loss"]] == list(range(9100)), "points wait in memory for room"
    assert sum(e.values["text"] == "after" for e in strand.of(events.StrandSummary)) == 100
    assert any(gap == "points" for gap in recording.gaps())


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    source = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (%, %))\n" + SOURCE
    for limit in (100, 1000, 40_000, 70_000, 200_000):
        folder = tmp_path / str(limit)
        folder.mkdir()
        (folder / "program.py").write_text(source.replace("STEPS", "3000").replace("%", str(limit)))
        done = subprocess.run(
            [sys.executable, "program.py"],
            cwd=folder,
            env=environment(os.environ),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        goes_on(done, says="recorded")
        for strand in Recording(folder / ".autotrack").strands():
            steps = [step for step, _ in strand.points.get("loss", ())]
            assert steps == list(range(len(steps)))


def test_a_limit_on_the_number_of_files(tmp_path: Path) -> None:
    source = (
        "import resource\nkept = []\nsoft = len(__import__('os').listdir('/proc/self/fd')) + 1\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (soft, soft))\n"
        "try:\n    while True: kept.append(open('/dev/null'))\nexcept OSError: pass\n"
    )
    (tmp_path / "program.py").write_text(source + SOURCE.replace("STEPS", "100"))
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env=environment(os.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    goes_on(done, says="Nothing was recorded")


# No home


@pytest.mark.parametrize("home", [None, "", "/nonexistent/home", "relative"])
def test_no_home_folder(tmp_path: Path, home: str | None) -> None:
    env: dict[str, Any] = {"HOME": home, "XDG_CONFIG_HOME": None, "XDG_CACHE_HOME": None, "USER": None, "LOGNAME": None}
    goes_on(run(tmp_path, **env), says="1 run recorded")
    assert len(Recording(tmp_path / ".autotrack").strands()) == 1


def test_a_user_without_a_name() -> None:
    if os.getuid() != 0:
        pytest.skip("only root may become somebody else")
    source = """
import os, sys, autotrack
autotrack.enable()
from autotrack import context
context.Current.job.prepare()  # another user may not be able to read what is imported
import encodings.ascii
os.setuid(54321)
autotrack.log({"loss": 1})
print("done")
sys.exit(3)
"""
    with tempfile.TemporaryDirectory() as folder:  # not below pytest's own, which is closed to others
        os.chmod(folder, 0o777)
        done = subprocess.run(
            [sys.executable, "-c", source],
            cwd=folder,
            env={**environment(os.environ), "HOME": "/nonexistent"},
            capture_output=True,
            text=True,
            check=False,
        )
        goes_on(done, says="1 run recorded")
        started = [e for e in Recording(Path(folder, ".autotrack")).events() if isinstance(e, events.JobStarted)]
        assert started[0].user == "54321"


def test_the_current_folder_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    script = f'cd {gone} && rmdir {gone} && exec "$@"'
    done = run(tmp_path, prefix=["sh", "-c", script, "sh"], AUTOTRACK_DIR=str(tmp_path / "rec"))
    goes_on(done, says="1 run recorded")
