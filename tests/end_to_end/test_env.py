"""`autotrack env`: packages that were really installed, from an index, a repository, an archive and folders, as a
requirements file and as a lock file that installers take."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.end_to_end.conftest import CommandLine

pylock = pytest.importorskip("packaging.pylock", reason="packaging 26")

BACKEND = """
import base64, hashlib, os, zipfile
NAME, VERSION = {name!r}, {version!r}
def build_wheel(folder, config_settings=None, metadata_directory=None):
    file = f"{{NAME}}-{{VERSION}}-py3-none-any.whl"
    about = f"{{NAME}}-{{VERSION}}.dist-info/"
    with zipfile.ZipFile(os.path.join(folder, file), "w") as wheel:
        wheel.writestr(NAME + ".py", "x = 1\\n")
        wheel.writestr(about + "METADATA", f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n")
        wheel.writestr(about + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        names = [*wheel.namelist(), about + "RECORD"]
        wheel.writestr(about + "RECORD", "".join(f"{{each}},,\\n" for each in names))
    return file
build_editable = build_wheel
"""


def project(folder: Path, name: str, version: str = "1.0") -> Path:
    """A project that builds without anything from an index."""
    folder.mkdir(parents=True)
    (folder / "backend.py").write_text(BACKEND.format(name=name, version=version))
    (folder / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        f"[project]\nname = '{name}'\nversion = '{version}'\n"
    )
    return folder


def wheel(folder: Path, name: str, version: str) -> Path:
    source = project(folder / f"{name}-{version}-source", name, version)
    build = f"import backend; print(backend.build_wheel({str(folder)!r}))"
    done = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=True)
    return folder / done.stdout.strip()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Index(http.server.SimpleHTTPRequestHandler):
    """Answers in HTML below `/html/`, in JSON below `/json/`; for those who know the password below `/private/`."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        top, _, rest = self.path.lstrip("/").partition("/")
        if top == "broken":
            self.send_error(503)
        elif top == "private" and self.headers.get("Authorization") != "Basic a2ltOnNlc2FtZQ==":
            self.send_error(401)
        elif top in ("html", "json", "private"):
            self._project(top, Path(self.directory), rest.strip("/"))
        else:
            super().do_GET()

    def _project(self, top: str, folder: Path, name: str) -> None:
        wheels = sorted(folder.glob(f"{name.replace('-', '_')}-*.whl"))
        if not wheels:
            self.send_error(404)
            return
        if top == "html":
            kind = "text/html"
            links = (f'<a href="../../{each.name}#sha256={sha256(each)}">{each.name}</a>' for each in wheels)
            answer = f"<!doctype html><html><body>{''.join(links)}</body></html>"
        else:
            kind = "application/vnd.pypi.simple.v1+json"
            about = [
                {
                    "filename": each.name, "url": f"../../{each.name}", "hashes": {"sha256": sha256(each)},
                    "size": each.stat().st_size,
                }
                for each in wheels
            ]  # fmt: skip
            answer = json.dumps({"meta": {"api-version": "1.0"}, "name": name, "files": about})
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(answer.encode())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of an index, and the folder with its wheels."""
    folder = tmp_path_factory.mktemp("index")
    for version in ("1.0", "2.0", "2.0+local"):
        wheel(folder, "from_index", version)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Index, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


class Recorded(CommandLine):
    """A folder with a run, and with what was installed for it."""

    commit = ""
    archive: Path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, served: tuple[str, Path]) -> Recorded:
    cli = Recorded(tmp_path_factory.mktemp("installed"))
    place, folder = cli.folder / "site", cli.folder / "work"
    repository = project(folder / "repository" / "part", "from_git").parent
    git = ["git", "-c", "user.name=kim", "-c", "user.email=kim@example.org", "-C", str(repository)]
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    cli.commit, cli.archive = head.stdout.strip(), wheel(folder, "from_archive", "3.0")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"), "--isolated", "--no-input"]
    install = [*pip, "install", "-q", "--no-deps", "--no-index", "--no-build-isolation"]
    for what in (
        ["--find-links", str(served[1]), "from_index===2.0"],
        [f"from_git @ git+file://localhost{repository}@main#subdirectory=part"],
        [str(cli.archive)],
        [str(project(folder / "from a folder", "from_folder"))],
        ["--editable", str(project(folder / "editable", "from_editable"))],
    ):
        subprocess.run([*install, *what], check=True)
    (site,) = place.glob("lib/python*/site-packages")
    odd = site / "odd-1.0.dist-info"
    odd.mkdir()
    commit = "0123456789abcdef0123456789abcdef01234567"
    told = {"url": "https://kim:sesame-1234@example.org/odd.git", "vcs_info": {"vcs": "git", "commit_id": commit}}
    (odd / "direct_url.json").write_text(json.dumps(told))
    (site / "broken-1.0.dist-info").mkdir()
    (site / "broken-1.0.dist-info" / "direct_url.json").write_text("{")
    cli.env["PYTHONPATH"] = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    cli.program("import autotrack\nautotrack.log({'x': 1})\n")
    cli("run", "train.py")
    return cli


OURS = ("from", "odd", "broken")


def test_sources_are_recorded(recorded: Recorded) -> None:
    work = recorded.folder / "work"
    sources = {name: source for name, source in recorded.json("env")["sources"].items() if name.startswith(OURS)}
    assert sources == {
        "from-git": {
            "url": f"file://localhost{work}/repository", "subdirectory": "part",
            "vcs": "git", "commit": recorded.commit, "requested": "main",
        },
        "from-archive": {"url": f"file://{recorded.archive}", "hashes": {"sha256": sha256(recorded.archive)}},
        "from-folder": {"url": f"file://{work}/from%20a%20folder", "editable": False},
        "from-editable": {"url": f"file://{work}/editable", "editable": True},
        "odd": {
            "url": "https://kim:[redacted]@example.org/odd.git",
            "vcs": "git", "commit": "0123456789abcdef0123456789abcdef01234567",
        },
    }  # fmt: skip


def test_requirements(recorded: Recorded, served: tuple[str, Path], tmp_path: Path) -> None:
    work = recorded.folder / "work"
    lines = [line for line in recorded("env").stdout.splitlines() if line.lstrip("# ").startswith(OURS)]
    assert sorted(lines) == sorted(
        [
            "broken==1.0",
            f"from-archive @ file://{recorded.archive}#sha256={sha256(recorded.archive)}",
            f"# from-editable 1.0: editable from file://{work}/editable, where it may have changed since; "
            "what was imported: autotrack code",
            f"from-folder @ file://{work}/from%20a%20folder",
            f"from-git @ git+file://localhost{work}/repository@{recorded.commit}#subdirectory=part",
            "from-index==2.0",
            "odd @ git+https://example.org/odd.git@0123456789abcdef0123456789abcdef01234567",
        ]
    )
    assert all(Requirement(line) for line in lines if not line.startswith("#"))
    path = tmp_path / "requirements.txt"
    assert recorded("env", "--out", str(path)).stdout == ""
    assert path.read_text() == recorded("env").stdout
    # An installer takes the lines, and comes to the same.
    again = tmp_path / "again.txt"
    again.write_text("".join(f"{line}\n" for line in lines if not line.lstrip("# ").startswith(("odd", "broken"))))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--isolated", "--no-deps", "--no-index"]
    index = ["--no-build-isolation", "--find-links", str(served[1]), "-r", str(again)]
    subprocess.run([*pip, "--target", str(tmp_path / "t"), *index], check=True)
    assert {each.name for each in (tmp_path / "t").glob("from*.py")} == {
        "from_archive.py", "from_folder.py", "from_git.py", "from_index.py"
    }  # fmt: skip


def locked(text: str) -> tuple[Any, dict[str, Any]]:
    """A lock file as installers read it, and as TOML."""
    table = tomllib.loads(text)
    lock = pylock.Pylock.from_dict(table)
    lock.validate()
    return lock, table


@pytest.mark.parametrize("kind", ["html", "json", "private"])
def test_lock_file(recorded: Recorded, served: tuple[str, Path], tmp_path: Path, kind: str) -> None:
    address, folder = served
    index = f"{address}/{kind}".replace("//", "//kim:sesame@") if kind == "private" else f"{address}/{kind}"
    path = tmp_path / "pylock.toml"
    done = recorded("env", "--pylock", "--index", index, "-o", str(path))
    lock, table = locked(path.read_text())
    work, file = recorded.folder / "work", folder / "from_index-2.0-py3-none-any.whl"
    size = {} if kind == "html" else {"size": file.stat().st_size}
    assert {each["name"]: each for each in table["packages"] if each["name"].startswith(OURS)} == {
        "from-index": {
            "name": "from-index", "version": "2.0", "index": f"{address}/{kind}",
            "wheels": [
                {"name": file.name, "url": f"{address}/{file.name}", **size, "hashes": {"sha256": sha256(file)}}
            ],
        },
        "from-git": {
            "name": "from-git",
            "vcs": {
                "type": "git", "path": f"{work}/repository", "requested-revision": "main",
                "commit-id": recorded.commit, "subdirectory": "part",
            },
        },
        "from-archive": {
            "name": "from-archive",
            "archive": {"path": str(recorded.archive), "hashes": {"sha256": sha256(recorded.archive)}},
        },
        "from-folder": {"name": "from-folder", "directory": {"path": f"{work}/from a folder", "editable": False}},
        "from-editable": {"name": "from-editable", "directory": {"path": f"{work}/editable", "editable": True}},
        "odd": {
            "name": "odd",
            "vcs": {
                "type": "git", "url": "https://example.org/odd.git",
                "commit-id": "0123456789abcdef0123456789abcdef01234567",
            },
        },
    }  # fmt: skip
    assert table["created-by"] == "autotrack-ml"
    left_out = {each["name"] for each in table["tool"]["autotrack"]["left-out"]}
    assert {"broken", "click"} <= left_out
    assert "autotrack: broken 1.0 is left out: no index that was asked has files" in done.stderr
    everything = recorded.json("env")["packages"]
    assert len(lock.packages) + len(left_out) == len(everything)
    chosen = {package.name: source for package, source in lock.select()}  # on this Python and platform
    assert chosen["from-index"].name == file.name
    assert "sesame" not in path.read_text() + done.stdout + done.stderr


def test_what_can_not_be_locked(recorded: Recorded, served: tuple[str, Path], tmp_path: Path) -> None:
    broken = recorded("env", "--pylock", "--index", f"{served[0]}/broken", code=1)
    assert "answers 503" in broken.stderr
    assert broken.stdout == ""
    assert "can't be asked" in recorded("env", "--pylock", "--index", "http://127.0.0.1:9/", code=1).stderr
    for words in (["--pylock", "--json"], ["--index", served[0]], ["--pylock", "-o", str(tmp_path / "lock.toml")]):
        recorded("env", *words, code=2)
    assert "can't be written" in recorded("env", "-o", str(tmp_path / "none" / "r.txt"), code=1).stderr
    files = recorded("env", "--pylock", "--index", f"file://{tmp_path}/nothing").stdout
    assert {package.name for package in locked(files)[0].packages} >= {"from-git", "odd"}


def test_packages_that_differ(recorded: Recorded, served: tuple[str, Path]) -> None:
    (site,) = (recorded.folder / "site").glob("lib/python*/site-packages")
    before = recorded.lines("ls")[0]["id"]
    gone, newer, came, source = (site / f"{name}.dist-info" for name in ("gone-1", "newer-1", "came-1", "odd-1.0"))
    for path in (gone, newer):
        path.mkdir()
    recorded("run", "train.py")
    gone.rmdir()
    newer.rename(site / "newer-2.dist-info")
    came.mkdir()
    told = json.loads((source / "direct_url.json").read_text())
    told["vcs_info"]["commit_id"] = "f" * 40
    (source / "direct_url.json").write_text(json.dumps(told))
    recorded("run", "train.py")
    after, between, *_ = (run["id"] for run in recorded.lines("ls"))
    rows = recorded.json("compare", between, after)["differences"]
    url = "1.0 from git+https://kim:[redacted]@example.org/odd.git@"
    packages = {row["name"]: (row["values"], row["present"]) for row in rows if row["section"] == "package"}
    assert packages == {
        "gone": (["1", None], [True, False]),
        "newer": (["1", "2"], [True, True]),
        "came": ([None, "1"], [False, True]),
        "odd": ([f"{url}{'0123456789abcdef' * 2}01234567", f"{url}{'f' * 40}"], [True, True]),
    }
    shown = recorded.terminal("compare", between, after, columns=250)
    assert shown.count("not installed") == 2
    at = [shown.index(text) for text in ("came", "gone", "newer", "odd", ".git@0123456789ab", ".git@ffffffffffff")]
    assert at == sorted(at)
    assert before != after
