"""The code of a program, as it is kept, from work trees in every state and from folders without git."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotrack.capture import environment
from autotrack.capture.ignored import Ignored
from autotrack.journal.objects import Objects, name_of
from autotrack.testing import Recording, run_program

PROGRAM = "import autotrack\nautotrack.log({'loss': 1.0})\n"
Git = Callable[..., str]


@pytest.fixture
def git(tmp_path: Path) -> Git:
    """Runs git in the test's folder, whatever the machine's settings."""
    home = tmp_path.parent / f"{tmp_path.name}-home"
    home.mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{who}_NAME": "kim", f"GIT_{who}_EMAIL": "kim@example.org"}

    def run(*words: str, cwd: Path | None = None, code: int = 0) -> str:
        given = ["git", "-c", "protocol.file.allow=always", *words]
        done = subprocess.run(given, cwd=cwd or tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout

    return run


@pytest.fixture
def repository(tmp_path: Path, git: Git) -> Path:
    git("init", "-q", "-b", "main", ".")
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "__init__.py").write_text("x = 1\n")
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / ".gitignore").write_text("*.log\n/data/\nbuild/\n!keep.log\n")
    for name in ("a.log", "keep.log", "table.csv"):
        (tmp_path / name).write_text("1\n")
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "link.py").symlink_to("pkg/__init__.py")
    git("add", "-A")
    git("commit", "-qm", "one")
    return tmp_path


def fact(root: Path) -> dict[str, Any]:
    from autotrack import events

    found = [e for e in Recording(root).events() if isinstance(e, events.JobFacts) and e.section == "code"]
    return dict(max(found, key=lambda event: event.time).value)


def gaps(root: Path) -> dict[str, str]:
    from autotrack import events

    return {e.what: e.why for e in Recording(root).events() if isinstance(e, events.GapFound)}


def listing(root: Path, tree: str) -> dict[str, str]:
    objects = Objects(str(root / "objects"))
    return {entry.path: f"{entry.mode:o} {objects.blob(entry.name).decode()}" for entry in objects.walk(tree)}


def record(folder: Path, source: str = PROGRAM, **env: str) -> dict[str, Any]:
    done = run_program(source, folder, env=env)
    assert done.returncode == 0, done.stderr
    return fact(folder / ".autotrack")


def fingerprint(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file of a repository, with its time of change."""
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            path = Path(at, name)
            found[str(path)] = path.lstat().st_mtime_ns, b"" if path.is_symlink() else path.read_bytes()
    return found


def test_a_clean_tree_has_the_name_that_git_gives_it(repository: Path, git: Git) -> None:
    before = fingerprint(repository / ".git")
    code = record(repository)
    assert code["tree"] == git("rev-parse", "HEAD^{tree}").strip()
    assert (code["kind"], code["root"], code["program"]) == ("git", str(repository), "program.py")
    assert fingerprint(repository / ".git") == before


def test_what_is_not_committed(repository: Path, git: Git) -> None:
    (repository / "pkg" / "__init__.py").write_text("x = 2\n")
    (repository / "new.py").write_text("y = 1\n")
    (repository / "conf").mkdir()
    (repository / "conf" / "train.yaml").write_text("lr: 0.1\n")
    os.unlink(repository / "keep.log")
    for folder in ("data", "build", "node_modules", ".venv"):
        (repository / folder).mkdir()
        (repository / folder / "inside.py").write_text("z = 1\n")
    (repository / ".venv" / "pyvenv.cfg").write_text("")
    (repository / "model.pt").write_bytes(b"weights")
    (repository / "odd").write_bytes(b"\0binary")
    code = record(repository)
    found = listing(repository / ".autotrack", code["tree"])
    assert sorted(found) == [
        ".gitignore", "conf/train.yaml", "link.py", "new.py", "pkg/__init__.py", "program.py", "run.sh", "table.csv",
    ]  # fmt: skip
    assert found["pkg/__init__.py"] == "100644 x = 2\n"
    assert found["link.py"] == "120000 pkg/__init__.py"
    assert found["run.sh"].startswith("100755")
    assert code["left_out"] == []
    # Whatever becomes of the repository, git itself can read it.
    env = {**os.environ, "GIT_OBJECT_DIRECTORY": str(repository / ".autotrack" / "objects")}
    words = ["git", "show", f"{code['tree']}:pkg/__init__.py"]
    assert (
        subprocess.run(words, cwd=repository, env=env, capture_output=True, text=True, check=True).stdout == "x = 2\n"
    )


def test_it_survives_the_loss_of_the_clone(repository: Path, git: Git) -> None:
    code = record(repository)
    subprocess.run(["rm", "-rf", str(repository / ".git")], check=True)
    assert "program.py" in listing(repository / ".autotrack", code["tree"])


def test_results_of_earlier_jobs_are_no_code(repository: Path) -> None:
    source = "open('metrics.json', 'w').write('{}')\n" + PROGRAM + "open('notes.txt', 'w').write('by hand')\n"
    assert "metrics.json" not in listing(repository / ".autotrack", record(repository, source)["tree"])
    (repository / "settings.json").write_text("{}")
    code = record(repository, source)
    found = listing(repository / ".autotrack", code["tree"])
    assert "settings.json" in found
    assert not {"metrics.json", "notes.txt"} & set(found)
    assert record(repository, source)["tree"] == code["tree"], "the same code has the same name"


def test_secrets(repository: Path, git: Git) -> None:
    key = "AKIA" + "IOSFODNN7EXAMPLE"
    (repository / ".env").write_text(f"AWS={key}\n")
    (repository / "id_rsa").write_text("secret\n")
    (repository / "settings.yaml").write_text(f"key: {key}\n")
    (repository / "upload.py").write_text(f"key = '{key}'\n")
    (repository / f"with-{key}.py").write_text("x = 1\n")
    code = record(repository)
    found = listing(repository / ".autotrack", code["tree"])
    assert "upload.py" in found, "it is part of the code"
    assert code["secrets"] == ["upload.py"]
    assert {path for path, _ in code["left_out"]} == {".env", "id_rsa", "settings.yaml", "with-[redacted].py"}
    told = gaps(repository / ".autotrack")
    assert any("upload.py" in what for what in told)
    assert any(".env" in what for what in told)
    files = [path for path in (repository / ".autotrack").rglob("*") if path.is_file() and "objects" not in path.parts]
    everything = b"".join(path.read_bytes() for path in files)
    assert key.encode() not in everything


SUSPICIOUS = {
    "a.toml": 'token = "planted-0123"',
    "b.yaml": "token: planted0123",
    "c.yaml": "password:\n\n  # words\n  planted",
    "d.json": '{"auths":{"https://example.org/v1/":{"auth":"UExBTlRFRDZ4OnNlY3JldA=="}}}',
    "e.ini": "[db]\npass = planted",
    "f.yaml": "passphrase: planted",
    "g": "GITHUB_TOKEN=planted0123",
    "h.yaml": "secret: |\n  planted",
    "i.txt": "mysql --user root -pplanted db",
    "j.yaml": "credentials:\n  key: planted",
    "k.yaml": "users:\n- user:\n    client-key-data: cGxhbnRlZA",
    "l.txt": "machine a login b password planted",
    "m.txt": "localhost:5432:db:user:planted",
    "n.yaml": "db: {user: x, password: planted, port: 3}",
    "o.json": '{"token":\n   "planted01"}',
    "p.yaml": "words:\n  - come by it: known-From-the-environment",
    ".vault-token": "planted",
}
ORDINARY = {
    "a.yaml": "num_tokens: 5\nmax_tokens: 1000000\npasses: 3\npass: 3\ntoken: '<pad>'\nbos_token: <s>\n",
    "b.yaml": "tokenizer: bert\nauthors:\n  - kim\ntoken: ${HF_TOKEN}\npassword: null\nauth: no\npassword: '{{ x }}'",
    "c.md": "The token: a unit of text.\nPassword: see the wiki\n",
    "d.toml": 'token = ""\nkey = "value"\nmonitor_key = "loss"\n[tool.x]\nkeys = ["a"]',
    "e.json": '{"tokens": 512, "unk_token": "<unk>", "key": "abc", "special_tokens": {"a": 1}}',
    "f.yaml": "tokens:\n  pad: 0\nauth:\n  enabled: false\ntoken:\n  - a\nfirst_pass: yes",
    "g.cfg": "[db]\nauth = none\ntokens = 5_000\n12:30:11 a:b\n",
}


def test_settings_that_git_does_not_track_are_kept_where_nothing_is_suspicious(repository: Path) -> None:
    (repository / "conf").mkdir()
    for name, text in SUSPICIOUS.items():
        (repository / name).write_text(text)
    for name, text in ORDINARY.items():
        (repository / "conf" / name).write_text(text)
    for _ in range(2):  # the second time from what is remembered
        code = record(repository, DB_PASSWORD="known-From-the-environment")
        found = listing(repository / ".autotrack", code["tree"])
        assert {path for path, _ in code["left_out"]} == set(SUSPICIOUS)
        assert {f"conf/{name}" for name in ORDINARY} == {path for path in found if path.startswith("conf/")}


def test_source_that_git_does_not_track_is_kept_each_time(repository: Path) -> None:
    (repository / "helper.py").write_text("password = 'planted-0123'\n")
    (repository / "tool.sh").write_text("export DB_PASSWORD=planted-0123\n")
    first, second = record(repository), record(repository)
    assert first["tree"] == second["tree"]
    assert first["secrets"] == second["secrets"] == ["helper.py", "tool.sh"]
    assert (first["left_out"], second["left_out"]) == ([], [])


def test_what_is_left_out_for_one_reason_is_one_gap(repository: Path) -> None:
    for number in range(30):
        (repository / f"{number}.conll").write_bytes(b"x" * (65 * 1024 + number))
    assert len(record(repository)["left_out"]) == 30
    assert next(what for what in gaps(repository / ".autotrack") if "conll" in what).endswith(" and 27 more")


def test_caps(repository: Path, git: Git) -> None:
    (repository / "big.txt").write_bytes(b"x" * (2 << 20))
    code = record(repository)
    assert [path for path, _ in code["left_out"]] == ["big.txt"]
    assert any("big.txt" in what for what in gaps(repository / ".autotrack"))
    git("add", "big.txt")
    assert "big.txt" in listing(repository / ".autotrack", record(repository)["tree"]), "git tracks it"


def test_of_an_ignored_folder_only_what_git_tracks(repository: Path, git: Git) -> None:
    for folder in ("secrets", "node_modules"):
        (repository / folder / "sub").mkdir(parents=True)
        for name in ("README.md", "vault.yaml", "sub/other.yaml"):
            (repository / folder / name).write_text("a: 1\n")
        git("add", "-f", f"{folder}/README.md")
    (repository / ".gitignore").write_text("secrets/\n")
    found = listing(repository / ".autotrack", record(repository)["tree"])
    assert {path for path in found if "/" in path} == {
        "node_modules/README.md", "pkg/__init__.py", "secrets/README.md",
    }  # fmt: skip


@pytest.mark.parametrize(
    "patterns",
    ["\ufeffa.yaml\nb.yaml\n", "a.yaml\r\nb.yaml\r\n", "x\x0c\na.yaml\nb\u2028c\nb.yaml", "?.yaml\nä.yaml"],
    ids=["byte order mark", "Windows", "odd characters", "bytes"],
)
def test_patterns_are_read_as_git_reads_them(repository: Path, git: Git, patterns: str) -> None:
    (repository / ".gitignore").write_text(patterns, encoding="utf-8", newline="")
    for name in ("a.yaml", "b.yaml", "c", "x", "ü.yaml", "ä.yaml"):
        (repository / name).write_text("a: 1\n")
    found = listing(repository / ".autotrack", record(repository)["tree"])
    names = git("ls-files", "-z", "--others", "--exclude-standard", "--", "*.yaml", "c", "x").split("\0")
    assert {name for name in found if name.endswith(".yaml") or name in ("c", "x")} == set(names) - {""}


def test_a_folder_with_very_many_files(repository: Path, git: Git) -> None:
    folder = repository / "samples"
    folder.mkdir()
    (folder / "reader.py").write_text("x = 1\n")
    git("add", "samples/reader.py")
    for number in range(5_001):
        (folder / f"{number}.txt").touch()
    code = record(repository)
    found = listing(repository / ".autotrack", code["tree"])
    assert "program.py" in found
    assert [path for path in found if path.startswith("samples/")] == ["samples/reader.py"]
    assert [path for path, _ in code["left_out"]] == ["samples"]


def test_what_git_tracks_is_kept_first(repository: Path, git: Git) -> None:
    """Whatever lies beside it."""
    (repository / "zz").mkdir()
    for number in range(20):
        (repository / "zz" / f"{number}.yaml").write_text(f"a: {number}\n")
    git("add", "zz")
    (repository / "many").mkdir()
    for number in range(200):
        (repository / "many" / f"{number}.py").write_text("x = 1\n")
    source = "from autotrack.capture import codefiles\ncodefiles.FILES = 100\n" + PROGRAM
    found = listing(repository / ".autotrack", record(repository, source)["tree"])
    assert len([path for path in found if path.startswith("zz/")]) == 20
    assert len(found) == 100


def test_times_that_lie_in_the_future(repository: Path) -> None:
    (repository / "helper.py").write_text("x = 1\n")
    os.utime(repository / "helper.py", (time.time() + 3600,) * 2)
    assert record(repository, "import helper\n" + PROGRAM)["edited"] == []


def test_what_is_no_module_is_not_asked(tmp_path: Path) -> None:
    source = """
import sys
class Lazy:
    @property
    def __class__(self):
        raise RuntimeError("asked")
sys.modules["lazy"] = Lazy()
"""
    assert "tree" in record(tmp_path, source + PROGRAM)
    assert gaps(tmp_path / ".autotrack") == {}


@pytest.mark.parametrize("state", ["locked", "rebase", "worktree", "lfs", "submodule", "split", "no commit", "sparse"])
def test_the_repository_is_left_as_it_was(repository: Path, git: Git, tmp_path: Path, state: str) -> None:
    place = repository
    expected = {"program.py", "pkg/__init__.py"}
    if state == "locked":
        (repository / ".git" / "index.lock").write_text("")
    elif state == "rebase":
        git("switch", "-qc", "other")
        (repository / "pkg" / "__init__.py").write_text("x = 'other'\n")
        git("commit", "-qam", "other")
        git("switch", "-q", "main")
        (repository / "pkg" / "__init__.py").write_text("x = 'main'\n")
        git("commit", "-qam", "main")
        git("rebase", "other", code=1)
    elif state == "worktree":
        place = repository / "linked"
        git("worktree", "add", "-q", str(place), "-b", "linked")
    elif state == "lfs":
        (repository / ".gitattributes").write_text("*.weights filter=lfs diff=lfs merge=lfs -text\n")
        for name in ("clean", "smudge", "process"):
            git("config", f"filter.lfs.{name}", f"touch {tmp_path}/filtered; false")
        (repository / "small.weights").write_text("weights\n")
        expected |= {"small.weights", ".gitattributes"}
    elif state == "submodule":
        inner = repository.parent / f"{repository.name}-inner"
        inner.mkdir()
        git("init", "-q", ".", cwd=inner)
        (inner / "library.py").write_text("z = 1\n")
        git("add", "-A", cwd=inner)
        git("commit", "-qm", "inner", cwd=inner)
        git("submodule", "add", "-q", str(inner), "vendor")
        git("commit", "-qm", "with a submodule")
        (repository / "vendor" / "library.py").write_text("z = 2\n")
        expected |= {"vendor/library.py", ".gitmodules"}
    elif state == "split":
        git("update-index", "--split-index")
        (repository / "a.log").write_text("tracked now\n")
        git("add", "-f", "a.log")
        expected.add("a.log")
    elif state == "no commit":
        subprocess.run(["rm", "-rf", str(repository / ".git")], check=True)
        git("init", "-q", ".")
    else:
        git("sparse-checkout", "set", "--cone", "pkg")
        (repository / "program.py").write_text(PROGRAM)
    for hook in ("post-index-change", "fsmonitor-watchman", "post-checkout"):
        path = repository / ".git" / "hooks" / hook
        if path.parent.is_dir():
            path.write_text(f"#!/bin/sh\ntouch {tmp_path}/hooked\n")
            path.chmod(0o755)
    if (repository / ".git").exists():
        git("config", "core.fsmonitor", str(repository / ".git" / "hooks" / "fsmonitor-watchman"))
    (place / "program.py").write_text(PROGRAM)
    before = fingerprint(repository / ".git")
    code = record(place)
    root = next(path for path in (place / ".autotrack", repository / ".autotrack") if path.exists())
    assert fingerprint(repository / ".git") == before
    assert expected <= set(listing(root, code["tree"]))
    assert not {"hooked", "filtered"} & set(os.listdir(tmp_path))
    if state == "submodule":
        assert listing(root, code["tree"])["vendor/library.py"] == "100644 z = 2\n"


def test_edited_while_running(repository: Path) -> None:
    source = (
        PROGRAM
        + "import time, pathlib\nwhile not list(pathlib.Path('.autotrack/objects').glob('known-*')): time.sleep(0.01)\n"
    )
    source += "pathlib.Path('pkg/__init__.py').write_text('x = 3\\n')\n"
    code = record(repository, source)
    assert code["edited"] == ["pkg/__init__.py"]
    assert listing(repository / ".autotrack", code["tree"])["pkg/__init__.py"] == "100644 x = 1\n"
    assert listing(repository / ".autotrack", code["after"]) == {"pkg/__init__.py": "100644 x = 3\n"}
    assert "code: pkg/__init__.py" in gaps(repository / ".autotrack")


def test_a_folder_without_git(tmp_path: Path) -> None:
    elsewhere = tmp_path / "library"
    elsewhere.mkdir()
    (elsewhere / "mine.py").write_text("value = 1\n")
    folder = tmp_path / "work"
    (folder / "pkg").mkdir(parents=True)
    (folder / "pkg" / "__init__.py").write_text("")
    (folder / "pkg" / "part.py").write_text("")
    (folder / "unused.py").write_text("")
    (folder / "settings.yaml").write_text("lr: 1\n")
    (folder / "late.py").write_text("")
    source = f"import sys\nsys.path.insert(0, {str(elsewhere)!r})\nimport mine, pkg.part\n{PROGRAM}"
    source += "open('settings.yaml').read()\nimport late\n"
    code = record(folder, source)
    assert (code["kind"], code["root"]) == ("folder", str(folder))
    found = listing(folder / ".autotrack", code["tree"])
    assert sorted(found) == ["late.py", "pkg/__init__.py", "pkg/part.py", "program.py", "settings.yaml"]
    (also,) = code["also"]
    assert also["root"] == str(elsewhere)
    assert listing(folder / ".autotrack", also["tree"]) == {"mine.py": "100644 value = 1\n"}


def test_modules_that_load_when_they_are_used_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "heavy.py").write_text("print('loaded')\n")
    source = """
import importlib.util, sys
spec = importlib.util.find_spec("heavy")
spec.loader = importlib.util.LazyLoader(spec.loader)
module = sys.modules["heavy"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
"""
    done = run_program(source + PROGRAM, tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    fit = "import autotrack\nfrom sklearn.dummy import DummyClassifier\nDummyClassifier().fit([[0], [1]], [0, 1])\n"
    done = run_program(source + fit + "import random; random.seed(1); autotrack.disable()", tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


def test_what_is_imported_through_links(repository: Path, git: Git, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "pk"
    outside.mkdir()
    (outside / "a.py").write_text("a = 1\n")
    (repository / "pk").symlink_to(outside)
    (repository / "program.py").write_text("import link, pk.a\n" + PROGRAM)
    git("add", "-A")
    git("commit", "-qm", "links")
    code = record(repository, "import link, pk.a\n" + PROGRAM)
    assert code["tree"] == git("rev-parse", "HEAD^{tree}").strip()
    assert code["edited"] == []
    assert [part["root"] for part in code["also"]] == [str(outside)]


def test_what_never_ends_is_not_read(repository: Path) -> None:
    os.unlink(repository / ".gitignore")
    os.mkfifo(repository / ".gitignore")
    (repository / "pkg" / ".gitignore").symlink_to("/dev/zero")
    assert record(repository)["whole"]


def test_a_secret_that_comes_while_it_runs(repository: Path) -> None:
    key = "AKIA" + "IOSFODNN7EXAMPLE"
    (repository / "settings.yaml").write_text("lr: 1\n")
    source = PROGRAM + "import time, pathlib, subprocess\nkept = pathlib.Path('.autotrack/objects')\n"
    source += "while not list(kept.glob('known-*')): time.sleep(0.01)\n"
    source += f"subprocess.run(['sh', '-c', 'echo key: AK''IA{key[4:]} >> settings.yaml'])\n"
    code = record(repository, source)
    objects = Objects(str(repository / ".autotrack" / "objects"))
    contents = [objects.blob(path.parent.name + path.name) for path in Path(objects.root).glob("??/*")]
    assert not any(key.encode() in content for content in contents)
    assert "settings.yaml" in [path for path, _ in code["left_out"]]


def test_it_can_be_switched_off(repository: Path) -> None:
    assert run_program(PROGRAM, repository, env={"AUTOTRACK_CODE": "0"}).returncode == 0
    assert not (repository / ".autotrack" / "objects").exists()


def test_names_that_are_no_text(repository: Path) -> None:
    try:
        (repository / os.fsdecode(b"caf\xe9.py")).write_text("x = 1\n")
    except OSError:
        pytest.skip("the file system takes no such names")
    code = record(repository)
    assert os.fsdecode(b"caf\xe9.py") in listing(repository / ".autotrack", code["tree"])


def test_code_that_can_not_be_kept(repository: Path) -> None:
    (repository / ".autotrack").mkdir()
    (repository / ".autotrack" / "objects").write_text("")
    done = run_program(PROGRAM, repository)
    assert (done.returncode, done.stdout) == (0, "")
    assert "could not be recorded" in done.stderr
    assert Recording(repository / ".autotrack").gaps()["code"].startswith("it can't be kept")


def test_objects_are_checked(tmp_path: Path) -> None:
    from autotrack.journal.objects import Damaged

    objects = Objects(str(tmp_path))
    name = objects.put("blob", b"hello")
    assert name == name_of("blob", b"hello") == "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"
    assert objects.put("blob", b"hello") == name
    other = objects.put("blob", b"other")
    os.replace(objects.path(other), objects.path(name))
    with pytest.raises(Damaged, match="holds something else"):
        objects.blob(name)
    with pytest.raises(Damaged, match="missing"):
        objects.blob(other)


def test_a_forged_tree_writes_nothing_elsewhere(tmp_path: Path) -> None:
    from autotrack.store import StoreError
    from autotrack.store.code import Snapshot

    objects = Objects(str(tmp_path / "objects"))
    name = objects.put("blob", b"x")
    inner = objects.put("tree", b"100644 escaped\0" + bytes.fromhex(name))
    tree = objects.put("tree", b"40000 ..\0" + bytes.fromhex(inner))
    with pytest.raises(StoreError, match="which no program of ours has written"):
        Snapshot(objects, {"tree": tree}, "a run").write(str(tmp_path / "out"))
    assert not (tmp_path / "escaped").exists()


PATTERNS = [
    "*.log", "/a", "a/", "!b.log", "a/b", "**/c", "a/**", "a/**/b", "*", "!*/", "[ab].log", "[!a]*", "?", r"\!x", "#x",
    "b.log ", "a*c", "**", "/*", "c/*", "!c/b.log", "[a-c]/x", "x/**/", "[[:alpha:]]", "[", "a\\b",
    "[a--z]", "[!--x]", "[-a]x",
]  # fmt: skip
NAMES = st.sampled_from(["a", "b", "c", "x", "ab", "b.log", "a.log", "!x", "#x", "ac"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PATTERNS), max_size=6), st.lists(st.lists(NAMES, min_size=1, max_size=4), max_size=12))
def test_what_git_ignores(patterns: list[str], paths: list[list[str]]) -> None:
    """As `git check-ignore` of a real git tells it."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", folder], check=True)
        Path(folder, ".gitignore").write_text("".join(f"{pattern}\n" for pattern in patterns))
        files = []
        for parts in paths:
            path = Path(folder, *parts)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            except OSError:
                continue
            files.append("/".join(parts))
        files = [path for path in files if Path(folder, path).is_file()]
        done = subprocess.run(
            ["git", "-c", "core.excludesFile=", "check-ignore", "--no-index", "--stdin", "-z"],
            input="\0".join(files), cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        expected = set(done.stdout.split("\0")) - {""}
        tree = environment.work_tree(folder)
        assert tree is not None
        ignored = Ignored(tree)
        found = {path for path in files if _ignored(ignored, path)}
        assert found == expected


def _ignored(ignored: Ignored, path: str) -> bool:
    parts = path.split("/")
    return any(ignored("/".join(parts[:at]), folder=True) for at in range(1, len(parts))) or ignored(path, folder=False)


def test_the_commands(tmp_path: Path) -> None:
    source = "import importlib, pathlib\nfor path in pathlib.Path().glob('*.py'):\n"
    source += "    if path.stem != 'program': importlib.import_module(path.stem)\n" + PROGRAM
    (tmp_path / "helper.py").write_text("a = 1\n")
    (tmp_path / "odd.py").write_bytes(b"# -*- coding: latin-1 -*-\r\n# \xe9 \x0c\nb = 1")
    (tmp_path / "gone.py").write_text("c = 1\n")
    record(tmp_path, source)
    (tmp_path / "helper.py").write_text("a = 2\n")
    (tmp_path / "odd.py").write_bytes(b"# -*- coding: latin-1 -*-\r\n# \xe8 \x0c\nb = 2\n")
    (tmp_path / "gone.py").unlink()
    (tmp_path / "new \u00e9.py").write_text("d = 1\n\n")
    record(tmp_path, source)

    def call(*words: str, code: int = 0) -> str:
        given = [sys.executable, "-m", "autotrack", *words]
        done = subprocess.run(given, cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == code, done.stderr
        return (done.stdout if code == 0 else done.stderr).decode("utf-8", "surrogateescape")

    first, second = [line.split("\t")[0] for line in call("ls", "-c", "id").splitlines()[1:]][::-1]
    assert [line.split("\t")[2] for line in call("code", first).splitlines()] == [
        "gone.py", "helper.py", "odd.py", "program.py"
    ]  # fmt: skip
    assert call("code", first, "helper.py") == "a = 1\n"
    assert "helper.pi" in call("code", first, "helper.pi", code=1)
    call("code", first, "--out", "before")
    assert (tmp_path / "before" / "helper.py").read_text() == "a = 1\n"
    assert "not empty" in call("code", first, "--out", "before", code=1)
    patch = call("compare", first, second, "--code")
    assert {"-a = 1", "+a = 2", "deleted file mode 100644", "new file mode 100644"} <= set(patch.split("\n"))
    applied = subprocess.run(
        ["git", "apply", "-"], input=patch.encode("utf-8", "surrogateescape"), cwd=tmp_path / "before", check=False,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path)},
    )  # fmt: skip
    assert applied.returncode == 0
    after = {path.name: path.read_bytes() for path in tmp_path.glob("*.py")}
    assert {path.name: path.read_bytes() for path in (tmp_path / "before").glob("*.py")} == after
    told = json.loads(call("compare", first, second, "--json"))["code"][1]
    assert told == json.loads(call("compare", first, second, "--code", "--json"))["code"][1]
    assert told.encode().splitlines() == patch.encode("utf-8", "backslashreplace").splitlines()
