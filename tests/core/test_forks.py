"""Forked and spawned processes: each records once, in a segment of its own, and says nothing."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from autotrack import events
from autotrack.journal.folder import Folder
from autotrack.journal.verify import verify
from autotrack.testing import Recording, run_program


def checked(folder: Path, source: str, **env: str) -> Recording:
    """Run a program; only its main process may say something, one line, on stderr."""
    done = run_program(source, folder, env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("autotrack: ")
    assert "autotrack" not in done.stdout
    recording = Recording(folder / ".autotrack")
    assert verify(Folder(str(folder / ".autotrack"))) == []
    assert len({segment.job for segment in recording.segments()}) == 1
    tellers = [
        first.role
        for segment in recording.segments()
        for _, event in segment.events(segment.start_cursor())
        if isinstance(event, events.JobStarted) and (first := segment.header())
    ]
    assert tellers.count("main") == 1
    assert len(tellers) <= 2, "a worker tells of the program only where nobody else has yet"
    return recording


def roles(recording: Recording) -> Counter[str]:
    return Counter(first.role for segment in recording.segments() if (first := segment.header()))


def ended(recording: Recording) -> int:
    return sum(isinstance(event, events.SegmentEnded) for event in recording.events())


def test_a_fork_writes_a_segment_of_its_own(tmp_path: Path) -> None:
    source = """
import os, autotrack
with autotrack.run("mine"):
    autotrack.log({"loss": 1.0}, step=1)
    if os.fork() == 0:
        autotrack.log({"loss": 2.0}, step=2)
    else:
        os.wait()
        autotrack.log({"loss": 3.0}, step=3)
"""
    recording = checked(tmp_path, source)
    assert roles(recording) == {"main": 1, "fork": 1}
    (strand,) = recording.strands()
    assert sorted(strand.points["loss"]) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    steps = [sorted(segment.read_points().records["step"].tolist()) for segment in recording.segments()]
    assert sorted(steps) == [[1, 3], [2]]
    assert len(strand.of(events.StrandEnded)) == 1, "what the child has inherited ends in the parent"
    assert ended(recording) == 2


def test_the_parents_mapping_is_untouched(tmp_path: Path) -> None:
    """Also where the series was bound before the fork, and after recording was disabled."""
    source = """
import os, autotrack
from autotrack import context
from autotrack.strand import Strand
if DISABLE:
    autotrack.disable(); autotrack.enable()
series = Strand(context.Current.job, framework="", kind="run", name="r").series("loss")
for step in range(100):
    series.record(step, 1.0)
path = context.Current.job.segment.points.path
if DISABLE:
    autotrack.disable(); autotrack.enable()
    autotrack.log({"other": 1.0})
before = open(path, "rb").read()
for _ in range(3):
    if os.fork() == 0:
        for step in range(5000):
            series.record(step, 2.0)
        os._exit(0)
    os.wait()
assert open(path, "rb").read() == before
for step in range(100, 200):
    series.record(step, 1.0)
"""
    done = run_program(source.replace("DISABLE", "False"), tmp_path)
    assert done.returncode == 0, done.stderr
    recording = Recording(tmp_path / ".autotrack")
    values = Counter(value for strand in recording.strands() for _, value in strand.points["loss"])
    assert values == {1.0: 200, 2.0: 15000}
    done = run_program(source.replace("DISABLE", "True"), tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_pools(tmp_path: Path, method: str) -> None:
    (tmp_path / "work.py").write_text(
        "import os, autotrack\n"
        "def work(n):\n"
        "    with autotrack.run(f'work {n}'):\n"
        "        autotrack.log({'loss': float(n)}, step=n)\n"
        "    return os.getpid()\n"
    )
    source = f"""
import multiprocessing, work
if __name__ == "__main__":
    pool = multiprocessing.get_context({method!r}).Pool(2)
    pids = set(pool.map(work.work, range(40), chunksize=5))
    pool.close()
    pool.join()
    work.work(40)
    print(len(pids))
"""
    recording = checked(tmp_path, source)
    strands = recording.strands()
    assert sorted(strand.name for strand in strands) == sorted(f"work {n}" for n in range(41))
    assert all(strand.status == "finished" for strand in strands)
    found = roles(recording)
    assert found["main"] == 1
    assert 2 <= sum(found.values()) <= 3
    assert ended(recording) == sum(found.values()), "a worker's segment has no end"


def test_loky_workers(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(
        "import autotrack\n"
        "def work(n):\n"
        "    with autotrack.run(f'work {n}'):\n"
        "        autotrack.log({'loss': float(n)}, step=n)\n"
    )
    source = """
import joblib, work
joblib.Parallel(n_jobs=2)(joblib.delayed(work.work)(n) for n in range(20))
"""
    done = run_program(source, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    recording = Recording(tmp_path / ".autotrack")
    assert sorted(strand.name for strand in recording.strands()) == sorted(f"work {n}" for n in range(20))
    assert roles(recording)["main"] == 1
    assert len({segment.job for segment in recording.segments()}) == 1


WORK = """
import toyboost
def fit(n):
    toyboost.train({"n": n}, toyboost.Table([[0.0], [1.0]], [0.0, 1.0]))
    return n
def fit_elsewhere(n):
    import multiprocessing
    process = multiprocessing.get_context("spawn").Process(target=fit, args=(n,))
    process.start()
    process.join()
    return process.exitcode
"""


def owners(recording: Recording) -> dict[int, str | None]:
    """The name of the run that each fit of `WORK` belongs to."""
    names = {strand.id: strand.name for strand in recording.strands()}
    fits = [strand for strand in recording.strands() if strand.kind == "fit"]
    found = {fit.params["n"]: names[fit.started.owner] if fit.started.owner else None for fit in fits}
    assert len(found) == len(fits), "something was recorded twice"
    return found


METHODS = pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])


@METHODS
def test_what_workers_train_belongs_to_the_run_that_was_open(tmp_path: Path, method: str) -> None:
    """Where they were started: by each of the ways there are, also in place of others that had ended, and by a
    worker."""
    (tmp_path / "work.py").write_text(WORK)
    source = f"""
import multiprocessing, threading
from concurrent.futures import ProcessPoolExecutor
import autotrack, work
def train(name, first):
    ours = multiprocessing.get_context({method!r})
    with autotrack.run(name):
        with ours.Pool(2, maxtasksperchild=1) as pool:
            assert pool.map(work.fit, range(first, first + 4), chunksize=1) == list(range(first, first + 4))
            pool.close()
            pool.join()
        with ProcessPoolExecutor(1, ours) as pool:
            assert pool.submit(work.fit, first + 4).result() == first + 4
            assert pool.submit(work.fit_elsewhere, first + 5).result() == 0
        process = ours.Process(target=work.fit, args=(first + 6,))
        process.start()
        process.join()
        assert "_autotrack_token" not in process._config
    with ours.Pool(1) as pool:
        pool.map(work.fit, [first + 7])
        pool.close()
        pool.join()
if __name__ == "__main__":
    train("alone", 0)
    threads = [threading.Thread(target=train, args=(f"thread {{n}}", 10 * n)) for n in (1, 2)]
    if {method!r} != "fork":  # a fork in the midst of another thread's import would wait for ever
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    work.fit(100)
"""
    found = owners(checked(tmp_path, source))
    names = {0: "alone"} if method == "fork" else {0: "alone", 1: "thread 1", 2: "thread 2"}
    expected = {10 * tens + n: name if n < 7 else None for tens, name in names.items() for n in range(8)}
    assert found == {**expected, 100: None}


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_executors_that_start_workers_anew(tmp_path: Path, method: str) -> None:
    """Those are started by a thread of the executor, which was begun with the first task."""
    (tmp_path / "work.py").write_text(WORK)
    source = f"""
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
import autotrack, work
if __name__ == "__main__":
    ours = multiprocessing.get_context({method!r})
    with autotrack.run("mine"), ProcessPoolExecutor(1, ours, max_tasks_per_child=1) as pool:
        assert list(pool.map(work.fit, range(3))) == [0, 1, 2]
    with ProcessPoolExecutor(1, ours, max_tasks_per_child=1) as pool:
        pool.submit(work.fit, 3).result()
        with autotrack.run("later"):
            pool.submit(work.fit, 4).result()
"""
    found = owners(checked(tmp_path, source))
    assert {n: found[n] for n in range(4)} == {0: "mine", 1: "mine", 2: "mine", 3: None}


@METHODS
def test_workers_of_a_tracked_call_make_no_runs(tmp_path: Path, method: str) -> None:
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "committee.py").write_text(f"""
import multiprocessing, work
from concurrent.futures import ProcessPoolExecutor
from sklearn.base import BaseEstimator
class Committee(BaseEstimator):
    def fit(self, X, y=None):
        ours = multiprocessing.get_context({method!r})
        with ours.Pool(2, maxtasksperchild=1) as pool:
            pool.map(work.fit, range(4), chunksize=1)
            pool.close()
            pool.join()
        with ProcessPoolExecutor(1, ours) as pool:
            pool.submit(work.fit_elsewhere, 5).result()
        return self
    def predict(self, X):
        return X
""")
    source = f"""
import multiprocessing, work
if __name__ == "__main__":
    import committee
    committee.Committee().fit([[1.0]])
    with multiprocessing.get_context({method!r}).Pool(1) as pool:
        pool.map(work.fit, [7])
        pool.close()
        pool.join()
"""
    recording = checked(tmp_path, source)
    assert sorted(strand.name for strand in recording.strands()) == ["Committee", "toyboost.train"]
    assert recording.strands()[1].params["n"] == 7


def test_workers_that_turn_recording_on_themselves(tmp_path: Path) -> None:
    """With the main module, and in the midst of their work; and some that have none of it."""
    (tmp_path / "work.py").write_text(WORK)
    source = """
import os, multiprocessing, sys
import autotrack
if len(sys.argv) == 1 and ENABLED_WITH_MAIN:
    autotrack.enable(quiet=True)
import work
def work_of_mine(n):
    autotrack.enable(quiet=True)
    autotrack.log({"loss": float(n)}, step=n)
    return work.fit(n)
if __name__ == "__main__":
    autotrack.enable(quiet=True)
    ours = multiprocessing.get_context("spawn")
    with autotrack.run("mine"):
        for function in (work.fit, work_of_mine) if ENABLED_WITH_MAIN else (work_of_mine,):
            with ours.Pool(1) as pool:
                pool.map(function, [1 if function is work.fit else 2])
                pool.close()
                pool.join()
        os.environ["AUTOTRACK_DISABLED"] = "1"
        with ours.Pool(1) as pool:
            assert pool.map(work_of_mine, [3]) == [3]
"""
    for with_main in (True, False):
        folder = tmp_path / str(with_main)
        folder.mkdir()
        (folder / "work.py").write_text(WORK)
        done = run_program(source.replace("ENABLED_WITH_MAIN", str(with_main)), folder, tracked=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        recording = Recording(folder / ".autotrack")
        assert owners(recording) == ({1: "mine", 2: "mine"} if with_main else {2: "mine"})
        (mine,) = [strand for strand in recording.strands() if strand.kind == "run"]
        (logged,) = [strand for strand in recording.strands() if "loss" in strand.points]
        assert mine.id in (logged.id, logged.started.owner)


def test_workers_of_loky_are_used_again_elsewhere(tmp_path: Path) -> None:
    """They are started in one place, and work for others: each batch says for which."""
    (tmp_path / "work.py").write_text(WORK)
    source = """
import joblib, autotrack, work
from sklearn.model_selection import GridSearchCV
from sklearn.linear_model import Ridge
GridSearchCV(Ridge(), {"alpha": [1.0, 2.0]}, cv=2, n_jobs=2).fit([[n] for n in range(8)], range(8))
before = set(joblib.externals.loky.get_reusable_executor(reuse=True)._processes)
joblib.Parallel(n_jobs=2)(joblib.delayed(work.fit)(n) for n in range(4))
with autotrack.run("mine"):
    joblib.Parallel(n_jobs=2)(joblib.delayed(work.fit)(n) for n in range(4, 8))
joblib.Parallel(n_jobs=2)(joblib.delayed(work.fit)(n) for n in range(8, 12))
assert before == set(joblib.externals.loky.get_reusable_executor(reuse=True)._processes)
"""
    found = owners(checked(tmp_path, source))
    assert found == {n: "mine" if 4 <= n < 8 else None for n in range(12)}


def test_the_methods_of_multiprocessing_are_put_back(tmp_path: Path) -> None:
    source = """
import multiprocessing.pool, concurrent.futures.process as futures
from multiprocessing.process import BaseProcess
owners = (BaseProcess, multiprocessing.pool.Pool, futures.ProcessPoolExecutor)
before = [dict(vars(owner)) for owner in owners]
import autotrack
autotrack.enable(quiet=True)
assert [dict(vars(owner)) for owner in owners] == before, "for a program that records nothing"
with autotrack.run("mine"):
    assert all(dict(vars(owner)) != entries for owner, entries in zip(owners, before))
autotrack.disable()
assert [dict(vars(owner)) for owner in owners] == before
"""
    done = run_program(source, tmp_path, tracked=False)
    assert done.returncode == 0, done.stderr


def test_forking_while_threads_write(tmp_path: Path) -> None:
    """400 forks, while threads log, open runs and open the journal; each child records too."""
    source = """
import os, random, signal, sys, threading, autotrack
signal.alarm(50)
go, forks = threading.Event(), 400
def write(name):
    with autotrack.run(f"thread {name}"):
        step = 0
        while not go.is_set():
            step += 1
            autotrack.log({"loss": float(step), "text": "x" * 50}, step=step)
threads = [threading.Thread(target=write, args=(n,)) for n in range(3)]
for thread in threads:
    thread.start()
pids = {}
for n in range(forks):
    pid = os.fork()
    if pid == 0:
        autotrack.log({"child": float(n), "text": "y"}, step=n)
        if n % 2:
            with autotrack.run(f"child {n}"):
                autotrack.log({"own": 1.0})
        os._exit(0)
    pids[pid] = n
    if len(pids) > 8:
        done, status = os.wait()
        assert status == 0 and done in pids
        del pids[done]
while pids:
    done, status = os.wait()
    assert status == 0
    del pids[done]
go.set()
for thread in threads:
    thread.join()
"""
    recording = checked(tmp_path, source)
    assert roles(recording) == {"main": 1, "fork": 400}
    strands = recording.strands()
    children = [step for strand in strands for step, _ in strand.points.get("child", ())]
    assert sorted(children) == list(range(400))
    assert sum(len(strand.points.get("own", ())) for strand in strands) == 200
    for strand in strands:
        if strand.name.startswith("thread"):
            assert [step for step, _ in strand.points["loss"]] == list(range(1, len(strand.points["loss"]) + 1))


def test_forking_while_the_journal_is_being_opened(tmp_path: Path) -> None:
    """What another thread imports at that moment would stay locked in the child."""
    source = """
import os, signal, threading, autotrack
signal.alarm(20)
begun = threading.Event()
def first():
    begun.set()
    autotrack.log({"loss": 1.0, "text": "a"})
thread = threading.Thread(target=first)
thread.start()
begun.wait()
children = []
for n in range(5):
    pid = os.fork()
    if pid == 0:
        autotrack.log({"loss": 2.0, "text": "b"})
        os._exit(0)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
thread.join()
"""
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        recording = checked(folder, source)
        values = Counter(value for strand in recording.strands() for _, value in strand.points["loss"])
        assert values == {1.0: 1, 2.0: 5}


def test_no_thread_of_ours_runs_while_a_program_forks(tmp_path: Path) -> None:
    """Python 3.12 warns a program that forks with more than one thread."""
    source = """
import os, threading
import autotrack
seen = []
os.register_at_fork(before=lambda: seen.append(len(os.listdir("/proc/self/task"))))  # called after ours
autotrack.enable()
autotrack.log({"loss": 1.0})
assert len(os.listdir("/proc/self/task")) == 2
print(threading.active_count())
for _ in range(20):
    if os.fork() == 0:
        os._exit(0)
    os.wait()
assert len(os.listdir("/proc/self/task")) == 2
print(set(seen))
"""
    done = run_program(source, tmp_path, tracked=False)
    assert done.stdout == "1\n{1}\n", done.stderr


def test_the_users_wait_meets_only_the_users_children(tmp_path: Path) -> None:
    source = """
import os, autotrack
autotrack.log({"loss": 1.0})
try:
    os.wait()
except ChildProcessError:
    print("none")
pid = os.fork()
if pid == 0:
    os._exit(7)
print(os.wait() == (pid, 7 << 8))
try:
    os.wait()
except ChildProcessError:
    print("none")
"""
    done = run_program(source, tmp_path)
    assert done.stdout == "none\nTrue\nnone\n", done.stderr


def test_a_child_program_is_a_job_of_its_own(tmp_path: Path) -> None:
    source = f"""
import subprocess, sys, autotrack
autotrack.log({{"loss": 1.0}})
if "child" not in sys.argv:
    subprocess.run([sys.executable, "program.py", "child"], check=True)
    subprocess.run([{sys.executable!r}, "-c", "print('nothing to record')"], check=True)
"""
    done = run_program(source, tmp_path)
    assert done.returncode == 0, done.stderr
    started = [e for e in Recording(tmp_path / ".autotrack").events() if isinstance(e, events.JobStarted)]
    assert len(started) == 2
    parent, child = sorted(started, key=lambda job: job.parent is not None)
    assert child.parent == parent.job


def test_descriptors_do_not_leak_into_children(tmp_path: Path) -> None:
    source = """
import os, subprocess, sys, autotrack
autotrack.log({"loss": 1.0})
code = "import os; print([os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if int(n) > 2])"
env = {**os.environ, "AUTOTRACK_DISABLED": "1"}
print(subprocess.run([sys.executable, "-S", "-c", code], close_fds=False, capture_output=True, text=True, env=env))
"""
    done = run_program(source, tmp_path)
    assert ".autotrack" not in done.stdout, done.stdout
    assert os.path.exists(tmp_path / ".autotrack")


def test_enabling_and_disabling_leaks_nothing(tmp_path: Path) -> None:
    source = """
import os, autotrack
from autotrack import context
for n in range(30):
    autotrack.enable(dir="rec", quiet=True, strict=True)
    autotrack.log({"loss": 1.0})
    autotrack.disable()
    if n == 5:
        files, tasks = len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))
assert len(os.listdir("/proc/self/fd")) == files, os.listdir("/proc/self/fd")
assert len(os.listdir("/proc/self/task")) <= tasks
assert "rec" not in open("/proc/self/maps").read()
"""
    done = run_program(source, tmp_path, tracked=False)
    assert done.returncode == 0, done.stderr
    assert len(Recording(tmp_path / "rec").strands()) == 30


@pytest.mark.parametrize("place", [None, "rec", "../elsewhere/rec"])
def test_wherever_a_program_changes_to(tmp_path: Path, place: str | None) -> None:
    """It records into one folder, workers too, and a file is the one that was written."""
    for name in ("start", "out", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "start" / "work.py").write_text(
        "import autotrack\ndef work(n):\n    autotrack.log({'loss': float(n)}, step=n)\n"
    )
    source = """
import multiprocessing, os, sys
import joblib, work
from sklearn.linear_model import LinearRegression
if __name__ == "__main__":
    os.chdir("../out")
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    joblib.dump(model, "model.joblib")
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            pool.map(work.work, [1])
            pool.close()
            pool.join()
"""
    done = run_program(source, tmp_path / "start", env={"AUTOTRACK_DIR": place} if place else {})
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path / "out")) == ["model.joblib"]
    recording = Recording(tmp_path / "start" / (place or ".autotrack"))
    assert roles(recording) == {"main": 1, "fork": 1, "spawn": 1}
    artifacts = [event for event in recording.events() if isinstance(event, events.ArtifactSeen)]
    assert len(artifacts) == 1, artifacts
    (artifact,) = artifacts
    assert artifact.path == str(tmp_path / "out" / "model.joblib")
    (digested,) = [event for event in recording.events() if isinstance(event, events.ArtifactDigested)]
    assert digested.digest
