"""What is known of the surroundings of a program; and that finding it out starts nothing and writes nothing."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autotrack import events
from autotrack.capture import environment, hardware, worktree
from autotrack.capture.secrets import HIDDEN
from autotrack.testing import Recording, run_program

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

OLD = 1_600_000_000
"""A time well before that of an index: what was changed in the moment of the index is read, not trusted."""


class Repository:
    """A work tree as git makes it."""

    def __init__(self, root: Path, *options: str) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", *options)

    def git(self, *words: str, code: int | None = 0) -> str:
        settings = {"user.name": "kim", "user.email": "kim@host", "protocol.file.allow": "always"}
        given = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_OPTIONAL_LOCKS": "0"}
        done = subprocess.run(
            ["git", *given, *words], cwd=self.root, env=env, capture_output=True, text=True, check=False
        )
        assert code is None or done.returncode == code, done.stderr
        return done.stdout

    def write(self, name: str, text: str = "text\n", *, old: bool = True) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        if old:
            os.utime(path, (OLD, OLD))
        return path

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "all")

    def answer(self) -> worktree.Answer:
        tree = environment.work_tree(str(self.root))
        assert tree is not None
        found = list(worktree.search(tree, environment.git(tree)["commit"]))
        assert found[:-1] == [None] * (len(found) - 1)
        assert found[-1] is not None
        return found[-1]

    def dirty_for_git(self) -> bool:
        return bool(self.git("status", "--porcelain", "--untracked-files=no", "--ignore-submodules=dirty").strip())


@pytest.fixture(
    params=[(2, "sha1"), (3, "sha1"), (4, "sha1"), (4, "sha256")], ids=lambda given: f"{given[0]}-{given[1]}"
)
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Repository:
    """Some files, in folders too, all committed; an index of each version."""
    version, names = request.param
    made = Repository(tmp_path / "project", f"--object-format={names}")
    made.git("config", "index.version", str(version))
    for name in ("a.py", "package/b.py", "package.txt", "package/deep/er/c.py", "package-more/d.py", "naïve name.py"):
        made.write(name, f"{name}\n" * 20)
    made.write("run.sh").chmod(0o755)
    os.symlink("a.py", made.root / "link")
    made.commit()
    if version == 3:  # which git writes where an entry needs it
        made.git("update-index", "--skip-worktree", "package.txt")
    made.git("update-index", "--index-version", str(version))
    return made


def conflict(repository: Repository) -> None:
    repository.git("checkout", "-q", "-b", "other")
    repository.write("a.py", "one\n")
    repository.commit()
    repository.git("checkout", "-q", "-")
    repository.write("a.py", "two\n")
    repository.commit()
    repository.git("merge", "other", code=1)


def staged(repository: Repository) -> None:
    repository.write("a.py", "other\n")
    repository.git("add", "a.py")


def staged_and_taken_back(repository: Repository) -> None:
    before = (repository.root / "a.py").read_text()
    staged(repository)
    repository.write("a.py", before)


CHANGES: dict[str, Callable[[Repository], object]] = {
    "none": lambda repository: None,
    "touched": lambda repository: os.utime(repository.root / "a.py"),
    "untracked": lambda repository: repository.write("new.py"),
    "edited": lambda repository: repository.write("package/deep/er/c.py", "other\n"),
    "removed": lambda repository: (repository.root / "package/b.py").unlink(),
    "folder removed": lambda repository: shutil.rmtree(repository.root / "package"),
    "folder in its place": lambda repository: ((repository.root / "a.py").unlink(), (repository.root / "a.py").mkdir()),
    "executable": lambda repository: (repository.root / "a.py").chmod(0o755),
    "modes don't count": lambda repository: (
        repository.git("config", "core.fileMode", "false"), (repository.root / "a.py").chmod(0o755)
    ),
    "link moved": lambda repository: ((repository.root / "link").unlink(), os.symlink("b", repository.root / "link")),
    "link to file": lambda repository: ((repository.root / "link").unlink(), repository.write("link", "a.py")),
    "staged": staged,
    "staged and taken back": staged_and_taken_back,
    "removed from the index": lambda repository: repository.git("rm", "-q", "--cached", "a.py"),
    "to be added": lambda repository: (repository.write("new.py"), repository.git("add", "-N", "new.py")),
    "conflict": conflict,
    "packed": lambda repository: repository.git("gc", "-q"),
    "assumed": lambda repository: (
        repository.git("update-index", "--assume-unchanged", "a.py"), repository.write("a.py", "other\n")
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_dirty_is_what_git_says(repository: Repository, change: str) -> None:
    CHANGES[change](repository)
    answer = repository.answer()
    assert answer.why == ""
    assert answer.dirty == repository.dirty_for_git()


def test_another_content_of_the_same_size_and_time(repository: Repository) -> None:
    """Which git itself may miss: it compares whole seconds of the time of the change, as it is built by most."""
    path = repository.root / "a.py"
    path.write_text(path.read_text().replace("a", "b"))
    os.utime(path, (OLD, OLD))
    assert repository.answer() == (True, "")


def test_any_sequence_of_changes(tmp_path: Path) -> None:
    """Also commits that stand in a pack as deltas of one another."""
    repository, chance = Repository(tmp_path / "project"), random.Random(1)
    names = [f"{'d/' * chance.randrange(3)}{number}.py" for number in range(20)]
    answers = []
    for number in range(60):
        action = chance.choice(["write", "write", "stage", "commit", "commit", "remove", "pack", "touch"])
        path = repository.root / chance.choice(names)
        if action == "write" or number == 0:
            repository.write(
                str(path.relative_to(repository.root)), f"{chance.randrange(3)}\n", old=chance.random() < 0.5
            )
        elif action == "remove":
            path.unlink(missing_ok=True)
        elif action == "touch" and path.exists():
            os.utime(path)
        elif action == "stage":
            repository.git("add", "-A")
        elif action == "pack":
            repository.git("gc", "-q", "--prune=now")
        if action == "commit" or number == 0:
            repository.git("add", "-A")
            repository.git("commit", "-q", "--allow-empty", "-m", f"{number} " + "the same words again and again " * 20)
        answer = repository.answer()
        answers.append(answer.dirty)
        assert answer == (repository.dirty_for_git(), ""), (number, action)
    assert {True, False} == set(answers)


def test_other_places_of_git(tmp_path: Path) -> None:
    """A linked work tree, a submodule, a clone that borrows its objects, a sparse index."""
    origin = Repository(tmp_path / "origin")
    for name in ("a.py", "kept/b.py", "left/out/c.py"):
        origin.write(name)
    origin.commit()
    origin.git("gc", "-q")
    origin.git("worktree", "add", "-q", str(tmp_path / "linked"))
    origin.git("clone", "-q", "--shared", str(origin.root), str(tmp_path / "borrowing"))
    above = Repository(tmp_path / "above")
    above.git("submodule", "--quiet", "add", str(origin.root), "below")
    above.commit()
    sparse = Repository(tmp_path / "borrowing")
    sparse.git("sparse-checkout", "set", "--cone", "--sparse-index", "kept")
    for repository in (Repository(tmp_path / "linked"), sparse, above, Repository(tmp_path / "above" / "below")):
        assert repository.answer() == (False, ""), repository.root
        target = repository.root / ("kept/b.py" if repository is not above else ".gitmodules")
        target.write_text("other\n")
        assert repository.answer() == (True, ""), repository.root
    assert above.answer().dirty
    above.git("checkout", "-q", ".gitmodules")
    assert above.answer() == (False, ""), "what changes inside a submodule is the submodule's"


def test_what_can_not_be_told_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    repository = Repository(tmp_path / "project")
    assert repository.answer() == (None, "there is no commit yet")
    repository.write("a.py")
    repository.write("data/large.bin")
    repository.commit()
    repository.write("a.py", "text\r\n")
    assert repository.answer() == (None, "a.py differs in its line endings")
    repository.write("a.py")
    repository.write(".gitattributes", "# large ones\n*.bin filter=lfs diff=lfs\n")
    repository.commit()
    repository.write("data/large.bin", "other\n")
    assert repository.answer() == (None, "data/large.bin passes through a filter of git")
    repository.write("a.py", "other\n")
    assert repository.answer() == (True, ""), "no filter is for this one"
    repository.git("checkout", "-q", "a.py")
    with monkeypatch.context() as patch:
        patch.setattr(worktree, "SECONDS", 0.0)
        assert repository.answer() == (None, "the work tree is too large to be compared within 0 s")
    repository.git("update-index", "--split-index")
    assert repository.answer() == (None, "the index of git is split")
    repository.git("update-index", "--no-split-index")
    index = repository.root / ".git" / "index"
    whole = index.read_bytes()
    for content in (b"", whole[:50], whole[:-40], b"DIRC\0\0\0\x09" + whole[8:], whole[:8] + b"\xff" * 4 + whole[12:]):
        index.write_bytes(content)
        assert repository.answer().dirty is not False, content
    index.unlink()
    assert repository.answer() == (None, "index of git is not there")


PROGRAM = """
import os
import autotrack
autotrack.log({"loss": 1.0})
try:
    os.wait()
except ChildProcessError:
    print("no child")
"""


def facts(folder: Path) -> dict[str, Any]:
    recording = Recording(folder / ".autotrack")
    return {event.section: event.value for event in recording.events() if isinstance(event, events.JobFacts)}


def state_of(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in folder.rglob("*")}


def test_a_program_in_a_work_tree(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    repository.write("requirements.txt", "numpy\n")
    repository.write("program.py", PROGRAM, old=False)
    repository.commit()
    repository.write("requirements.txt", "numpy>2\n")
    before = state_of(tmp_path / ".git")
    env = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "7", "SLURM_JWT": "x", "CUDA_CACHE": "https://kim:pw@h/"}
    done = run_program(PROGRAM, tmp_path, env={**env, "TF_VAR_secret_thing": "y", "AUTOTRACK_STRICT": "1"})
    assert (done.returncode, done.stdout) == (0, "no child\n"), done.stderr
    assert state_of(tmp_path / ".git") == before
    found = facts(tmp_path)
    assert (found["git"]["dirty"], found["git"]["why"]) == (True, "")
    assert found["git"]["commit"] == repository.git("rev-parse", "HEAD").strip()
    about = found["environment"]
    assert (about["python"], about["hash_seed"]) == (sys.version, "7")
    assert about["determinism"]["PYTHONHASHSEED"] == "7"
    assert about["variables"]["OMP_NUM_THREADS"] == "1"
    assert about["variables"]["SLURM_JWT"] == HIDDEN
    assert about["variables"]["CUDA_CACHE"] == f"https://kim:{HIDDEN}@h/"
    assert "TF_VAR_secret_thing" not in about["variables"]
    (lock,) = about["lock_files"]
    assert lock["path"] == str(tmp_path / "requirements.txt")
    assert lock["digest"].startswith("blake3:")
    cpu = found["hardware"]["cpu"]
    assert 1 <= cpu["usable"] <= cpu["cores"] == os.cpu_count()
    assert found["hardware"]["memory"]["bytes"] > 1 << 28


def test_a_program_outside_of_any(tmp_path: Path) -> None:
    """Nothing is looked for above its folder."""
    (tmp_path / "uv.lock").write_text("")
    (tmp_path / "inside").mkdir()
    assert run_program(PROGRAM, tmp_path / "inside").returncode == 0
    found = facts(tmp_path / "inside")
    assert found["git"] is None
    assert found["environment"]["lock_files"] == []


def test_libraries_that_are_loaded(tmp_path: Path) -> None:
    source = "import numpy.linalg, autotrack\nautotrack.log({'loss': 1.0})\n"
    assert run_program(source, tmp_path).returncode == 0
    loaded = facts(tmp_path)["environment"]["libraries"]
    assert loaded, "whichever numpy has"
    assert all(os.path.exists(path) for paths in loaded.values() for path in paths)


def test_limits_of_control_groups(tmp_path: Path) -> None:
    def write(name: str, text: str) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def limits(membership: str) -> tuple[float | None, int | None]:
        write("membership", membership)
        root, path = str(tmp_path), str(tmp_path / "membership")
        return hardware.quota(root, path), hardware.memory_limit(root, path)

    assert limits("0::/\n") == (None, None)
    write("job/step/cpu.max", "max 100000\n")
    write("job/cpu.max", "150000 100000\n")
    write("job/step/memory.max", "max\n")
    write("job/memory.max", "1000000\n")
    assert limits("0::/job/step\n") == (1.5, 1_000_000)
    write("cpu,cpuacct/docker/cpu.cfs_quota_us", "50000\n")
    write("cpu,cpuacct/docker/cpu.cfs_period_us", "100000\n")
    write("memory/memory.limit_in_bytes", "2000000\n")
    version_1 = "3:memory:/docker/gone\n2:cpu,cpuacct:/docker\n1:name=systemd:/\n"
    assert limits(version_1) == (0.5, 2_000_000)
    write("memory/memory.limit_in_bytes", f"{2**63 - 4096}\n")
    write("cpu,cpuacct/docker/cpu.cfs_quota_us", "-1\n")
    assert limits(version_1) == (None, None)


@pytest.mark.parametrize(
    "value",
    ["10", "1e-4", ".5", "true", "resnet50", "gpt2-medium", "facebook/opt-125m", "cuda:0", "64,128", "/tmp", ""],
)
def test_variables_that_the_code_names(value: str) -> None:
    assert environment.variables({"MODEL": value, "OTHER": value}, also={"MODEL"}) == {"MODEL": value}


@pytest.mark.parametrize(
    "value",
    ["John Smith", "123456:AAEhBP", "492134", "a8f9c3d2e1b0", "Tr0ub4dor", "+4917012345", '{"a": "b"}', "x" * 50],
)
def test_variables_that_could_be_a_secret(value: str) -> None:
    assert environment.variables({"MODEL": value}, also={"MODEL"}) == {"MODEL": HIDDEN}
