"""What it takes to run a job once more, and what of that there is."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from autotrack import libraries
from autotrack.capture import environment, packages
from autotrack.capture.dependence import Dependence, reads_input
from autotrack.capture.secrets import HIDDEN
from autotrack.identity import files
from autotrack.reproduce.packages import Packages, different
from autotrack.reproduce.places import Places
from autotrack.store import Store, code
from autotrack.store.code import ELSEWHERE, Snapshot

_NOT_SET = ("VIRTUAL_ENV", "CONDA_DEFAULT_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONHOME")
"""Variables that say where something was installed."""
_MAKES = re.compile(rb"\b(mkdir|makedirs)\s*\(")
_MAY_BE_THERE = re.compile(rb"exist_ok\s*=\s*True|\bexists\s*\(|\bis_?dir\s*\(|FileExistsError|OSError|rmtree")
_ASKS_GIT = re.compile(rb"[\"']git[\"' ]|\bgit\s*\.\s*Repo\b|^\s*(?:import|from) git\b", re.MULTILINE)
_OF_RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


LENT = 64 << 20
"""Bytes of an input from which on it is lent to the program, not copied."""
SHARE = 0.5
"""Of the free space, what copies may take."""
CELLS = "cells.json"
"""The file in the fresh folder that the cells of a notebook are in."""


@dataclass
class Input:
    """A file that the program read, and how it is now: `same`, `changed`, `missing`, `unknown` (its content was not
    recorded), `unreadable`, `kept` with the code; `source` is where it can be had."""

    path: str
    digest: str | None
    state: str
    source: str | None = None
    folder: bool = False


@dataclass
class Plan:
    """What is to be run, where, and what is known before that."""

    job: dict[str, Any]
    runs: list[dict[str, Any]]
    snapshot: Snapshot | None
    place: str
    """The fresh folder."""
    places: Places
    covers: bool
    """Whether a folder can be covered by what is written in it."""
    parts: list[Snapshot] = field(default_factory=list)
    """The code of programs that it starts, which lies in the same folder."""
    argv: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    """Of a notebook."""
    cwd: str = ""
    variables: dict[str, str] = field(default_factory=dict)
    inputs: list[Input] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    """Files that it wrote."""
    outside: list[str] = field(default_factory=list)
    """Those of them that it could write to again where they are."""
    packages: Packages | None = None
    over: list[tuple[str, str]] = field(default_factory=list)
    """Code as it was, and where in its place it is another now, which the program would find."""
    reads_input: bool = False
    """Whether its code reads standard input, and that was none that is kept."""
    makes_folders: bool = False
    """Whether its code makes folders."""
    folders_may_be_there: bool = True
    """Whether it goes on where a folder that it makes is there already."""
    problems: list[str] = field(default_factory=list)
    """Why it can't be run."""
    changes: list[tuple[str, str]] = field(default_factory=list)
    """What differs from then before anything is run: (`code`, `package`, `python`, `data`, `environment`), in words."""
    notes: list[str] = field(default_factory=list)


def plan(store: Store, reference: str, place: str, *, current: bool, apart: tuple[bool, bool]) -> Plan:
    """What running a run or job once more takes.  `current`: in the environment of this process; `apart`: what can be
    had of a view of the file system, see `apart.possible`.  Raises NotFound, Ambiguous, StoreError."""
    if reference == "@last" and not store.count():  # of programs that trained nothing
        reference = store.last_job(parents=True)
    kind, id = store.resolve(reference)
    job_id = store.run(id)["job"]["id"] if kind == "run" else id
    found = store.job(job_id)
    job = found["job"]
    own = [run for run in found["runs"] if run["parent"] is None]
    snapshot, place = code.of_job(store, job), os.path.abspath(place)
    about = snapshot.about if snapshot is not None else {}
    made = Plan(job, own, snapshot, place, Places(about, job["cwd"] or "/", place, apart=apart[0]), apart[1])
    made.runs = own if kind == "job" else [run for run in own if run["id"] == _outermost(found["runs"], id)]
    if len(made.runs) < len(own):
        left = f"{len(own) - len(made.runs)} other runs of its program are not compared"
        made.notes.append(f"{left}; with all of them: autotrack reproduce {job_id[:8]}")
    _program(made)
    _variables(made)
    _code(made)
    _inputs(store, made)
    _environment(made, current=current)
    others = store.started_by(job_id)
    for other in others:
        part = code.of_job(store, store.job(other)["job"])
        if part is not None and part.about.get("root") == about.get("root"):
            made.parts.append(part)
    if others:
        made.notes.append(f"programs that it starts are not compared; once more by themselves: {' '.join(others[:5])}")
    if not apart[0]:
        made.notes.append("it has no view of the file system of its own: what it wrote to is put aside, and no more")
    return made


def _outermost(runs: list[dict[str, Any]], id: str) -> str:
    """The run that a run is nested in, or itself."""
    parents = {run["id"]: run["parent"] for run in runs}
    id = id if id in parents else id.rpartition(".")[0]
    while parents.get(id) is not None:
        id = parents[id]
    return id


def _program(made: Plan) -> None:
    job = made.job
    made.cwd = made.places.seen(job["cwd"] or "/")
    cells = made.snapshot.cells() if made.snapshot is not None else []
    if job["how"] == "notebook" and not cells:
        made.problems.append("it was a notebook, whose cells were not recorded")
    if any(HIDDEN in cell for cell in cells):
        made.problems.append(f"a cell held a secret, which was not recorded: autotrack code {job['id'][:8]} cells")
    made.cells = cells
    words = ["python", "-m", "autotrack.reproduce.cells", os.path.join(made.place, CELLS)] if cells else _command(made)
    if not words:
        made.problems.append("its command line was not recorded")
        return
    if len(words) < 2 or words[1] == "-":
        made.problems.append("the program came from standard input or was typed in, and is not kept")
    passing = [word for word in words if word.startswith(("/dev/fd/", "/proc/self/fd/"))]
    if passing:
        made.problems.append(f"it was given a pipe by the shell, of which nothing is kept: {' '.join(passing)}")
    hidden = [word for word in words if HIDDEN in word]
    if hidden:
        made.problems.append(f"its command line held a secret, which was not recorded: {' '.join(hidden)}")
    kept = set(_laid_out(made))
    made.argv = [
        word if at == 1 and is_script(made, word) else _word(made, word, kept) for at, word in enumerate(words)
    ]
    if made.snapshot is None:
        made.problems.append("its code was not kept")
    stdin = (job["environment"] or {}).get("stdin")
    if stdin in ("pipe", "file"):
        made.notes.append(f"its standard input was a {stdin}, of which nothing is kept: it is empty now")
        made.reads_input = made.snapshot is not None and any(map(reads_input, made.snapshot.imported()))
    if job["status"] in ("running", "killed", "crashed", "interrupted"):
        made.notes.append(f"the recorded program is {job['status']}, and may have come to less than this one will")


def _command(made: Plan) -> list[str]:
    """The command line of the program, or of the launcher that has started several processes of it."""
    launch, variables = made.job.get("launch"), (made.job["environment"] or {}).get("variables", {})
    if launch is None:
        if _count(variables) > 1 and "RANK" in variables:
            made.problems.append("it is one of several processes, and it was not recorded what launched them")
        return list(made.job["argv"])
    words = list(launch["argv"])
    if launch["machines"] > 1:
        made.problems.append(f"it ran on {launch['machines']} machines: on each of them run {' '.join(words)}")
    elif not words or not os.path.basename(words[0]).startswith("python"):
        made.problems.append(f"what launched its processes is no Python program: run {' '.join(words)}")
    return words


def is_script(made: Plan, word: str) -> bool:
    """Whether it is a command that a package has brought, such as torchrun: it lies beside its Python."""
    return os.path.isabs(word) and os.path.dirname(word) == os.path.dirname(made.job["executable"] or "")


def _count(variables: dict[str, str]) -> int:
    """How many processes there were."""
    told = variables.get("WORLD_SIZE", "")
    return int(told) if told.isdecimal() else 1


def _word(made: Plan, word: str, kept: set[str]) -> str:
    """A word of the command line: paths as the program finds them now."""
    option, equals, value = word.partition("=")
    if os.path.isabs(word):
        return made.places.seen(word)
    if equals and os.path.isabs(value):
        return f"{option}={made.places.seen(value)}"
    old = os.path.normpath(os.path.join(made.job["cwd"] or "/", word))
    seen = made.places.seen(old)
    if old in kept and os.path.normpath(os.path.join(made.cwd, word)) != seen:
        return seen
    return word


def _laid_out(made: Plan) -> Iterator[str]:
    """The absolute paths that the files of the snapshot had."""
    if made.snapshot is not None and made.snapshot.about.get("root"):
        for entry in made.snapshot.files():
            if not entry.path.startswith(f"{ELSEWHERE}/"):
                yield os.path.join(made.snapshot.about["root"], entry.path)


def _variables(made: Plan) -> None:
    """The recorded variables, and none of that kind besides."""
    recorded = (made.job["environment"] or {}).get("variables", {})
    given = {name: value for name, value in os.environ.items() if not name.startswith("AUTOTRACK_")}
    for name in environment.variables(given):
        if name not in _NOT_SET and name not in recorded:
            given.pop(name, None)
    for name in sorted(_read_by_code(made) - recorded.keys()):
        if given.pop(name, None) is not None:
            made.notes.append(
                f"the variable {name}, which its code reads, is set here; it was not then, and is not now"
            )
    for name, value in recorded.items():
        if HIDDEN in value:
            made.notes.append(f"the variable {name} held what could be a secret, and is as it is here")
        elif name == "PYTHONPATH":
            entries = [entry for entry in value.split(os.pathsep) if "_bootstrap" not in entry]
            given[name] = os.pathsep.join(_entry(made, entry) for entry in entries)
        elif name not in _NOT_SET:
            given[name] = made.places.seen(value) if os.path.isabs(value) else value
    if made.job.get("launch") or (_count(recorded) > 1 and "RANK" not in recorded):
        for name in _OF_RANKS:  # which the launcher, or the program itself, tells each of its processes
            given.pop(name, None)
    if (made.job["environment"] or {}).get("hash_seed") == "random":
        made.notes.append("PYTHONHASHSEED was not set: the order of sets of texts is another one each time")
    made.variables = given


def _read_by_code(made: Plan) -> frozenset[str]:
    """The variables that its code names, and that are on record where they were set."""
    depends = Dependence()
    for content in made.snapshot.imported() if made.snapshot is not None else ():
        depends = depends.and_of(content)
    return depends.named


def _entry(made: Plan, entry: str) -> str:
    """An entry of the path; what an installer has filled within the program's folder is no code of its own."""
    if os.path.isabs(entry) and libraries.is_filled(entry):
        made.places.keep(entry)
        return entry
    return made.places.seen(entry) if entry else entry


def _code(made: Plan) -> None:
    about = made.snapshot.about if made.snapshot is not None else {}
    if about and not about.get("whole"):
        made.problems.append("its code was not kept whole: the program ended before all of it was read")
    for path in about.get("edited") or ():
        made.changes.append(("code", f"{path} was changed while the program ran"))
    for path, why in about.get("left_out") or ():
        made.notes.append(f"{path} was not kept with the code: {why}")
    if made.snapshot is not None and any(map(_ASKS_GIT.search, made.snapshot.imported())):
        made.notes.append("its code asks git, and the fresh folder is no repository")
    for part in about.get("also") or ():
        if made.snapshot is not None:
            _elsewhere(made, made.snapshot, part)


def _elsewhere(made: Plan, snapshot: Snapshot, part: dict[str, Any]) -> None:
    """Code outside of the program's folder, which it may find by an absolute path: whether it is as it was."""
    begin = f"{ELSEWHERE}{part['root'].rstrip('/')}/"
    for entry in snapshot.files():
        if not entry.path.startswith(begin):
            continue
        path = entry.path.removeprefix(ELSEWHERE)
        try:
            with open(path, "rb") as file:
                same = file.read() == snapshot.content(entry.name)
        except OSError:
            continue  # the kept one is on the path
        if not same and made.places.apart:
            made.over.append((os.path.join(made.place, "code", *entry.path.split("/")), path))
        elif not same:
            made.changes.append(("code", f"{path} is not as it was, and lies outside of the program's folder"))


def _inputs(store: Store, made: Plan) -> None:
    kept, written = set(_laid_out(made)), dict[str, None]()
    cache = files.Cache(store.folder.root)
    for file in made.job["files"]:
        path = file["path"]
        if file["mode"] == "written":
            written[path] = None
            continue
        if path in written or any(one.path == path for one in made.inputs):
            continue
        found = _input(store, file, cache)
        if path in kept:
            found.state = "kept" if found.state in ("missing", "unknown", "same") else found.state
        made.inputs.append(found)
        if found.state == "missing":
            digest = f" ({found.digest})" if found.digest else ""
            made.problems.append(f"the input {path} is gone, and no copy of it is known{digest}")
        elif found.state == "changed":
            made.changes.append(("data", f"{path} is not as it was when it was read"))
        elif found.state == "unreadable":
            made.problems.append(f"the input {path} may not be read by this user")
        elif found.state == "unknown":
            made.notes.append(f"what {path} held when it was read is not known")
    made.written = [path for path in written if "://" not in path]
    for content in made.snapshot.imported() if made.snapshot is not None else ():
        lines = content.splitlines()
        for at, line in enumerate(lines):
            if _MAKES.search(line) is not None:
                made.makes_folders = True
                around = b"\n".join(lines[max(at - 3, 0) : at + 4])
                made.folders_may_be_there = made.folders_may_be_there and _MAY_BE_THERE.search(around) is not None
    made.outside = [path for path in made.written if made.places.bound(os.path.realpath(path)) is None]


def _input(store: Store, file: dict[str, Any], cache: files.Cache) -> Input:
    """A file that was read: as it is now at its place, or a copy of it."""
    path, digest = file["path"], file["digest"]
    if "://" in path:
        return Input(path, digest, "unknown")
    folder = file["kind"] == "folder" or os.path.isdir(path)
    if digest is None or not digest.startswith(("blake3:", "blake3-manifest:")):
        return Input(path, digest, "unknown" if os.path.exists(path) else "missing", path, folder)
    if os.path.exists(path) and not os.access(path, os.R_OK):
        return Input(path, digest, "unreadable", path, folder)
    for other in dict.fromkeys([path, *store.places(digest)]):
        if os.path.exists(other) and _digest(other, cache) == digest:
            return Input(path, digest, "same", other, folder)
    return Input(path, digest, "changed" if os.path.exists(path) else "missing", path, folder)


def _digest(path: str, cache: files.Cache) -> str:
    try:
        if os.path.isdir(path):
            names = sorted(name for name in os.listdir(path) if os.path.isfile(os.path.join(path, name)))
            return files.manifest(path, names, cache).digest
        return files.digest_file(path, cache)[0] if os.path.isfile(path) else ""  # a pipe would make us wait
    except OSError:
        return ""


def _environment(made: Plan, *, current: bool) -> None:
    recorded = made.job["packages"]
    if recorded is None:
        made.problems.append("the packages that were installed were not recorded")
        return
    sources = made.job.get("sources") or {}
    made.packages = Packages(made.job["python"] or "", made.job["executable"] or "", recorded, sources)
    for name in sorted(sources):
        if sources[name].get("editable") and name != "autotrack-ml":
            where = f"{name} was installed from {sources[name]['url']}, to be edited there"
            made.notes.append(f"{where}: of it, what was imported is kept with the code")
    if current:
        if made.job["python"] != environment.python():
            made.changes.append(("python", f"{made.job['python']} → {environment.python()}"))
        for name, before, now in different(recorded, packages.installed(sys.path)[0]):
            made.changes.append(("package", f"{name} {before or 'not installed'} → {now or 'not installed'}"))
    else:
        made.problems += made.packages.problems()
        for name in made.packages.left_out():
            made.notes.append(f"{name} {recorded[name]} is nothing that an installer could find again")
    if made.job["platform"] != environment.platform():
        made.notes.append(f"the platform was {made.job['platform']}, and is {environment.platform()}")
    devices = (made.job["hardware"] or {}).get("accelerators") or ()
    if devices:
        made.notes.append(f"it had {len(devices)} GPU ({devices[0]['name']}); results on another device differ")
