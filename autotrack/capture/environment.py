"""What a program ran in: user, variables, libraries, git commit.  Read from files; no process is started, since
the user's own `os.wait()` could meet it."""

from __future__ import annotations

import os
import re
import sys

from blake3 import blake3

from autotrack.capture.secrets import HIDDEN, is_secret_name, redact
from autotrack.capture.worktree import Tree
from autotrack.patterns import lazily
from autotrack.values import storable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Any

LOCK_FILES = lazily(
    r"uv\.lock|poetry\.lock|pdm\.lock|Pipfile\.lock|pixi\.lock|pylock(\.[\w-]+)?\.toml|conda-lock\.yml"
    r"|requirements[\w.-]*\.txt|environment[\w.-]*\.ya?ml"
)
"""Files that say which packages a program is to run with."""
LARGEST_LOCK = 16 << 20
"""Bytes of such a file."""
MOST_LOCKS = 20
LONGEST_VALUE = 1_000
"""Characters of a variable that are kept."""

THREADS = ("OMP_", "MKL_", "OPENBLAS_", "GOTO_", "BLIS_", "VECLIB_", "NUMEXPR_", "KMP_", "GOMP_", "LOKY_", "JOBLIB_")
"""How the names of variables begin that say how many threads compute, and how."""
DETERMINISM = (
    "PYTHONHASHSEED", "CUBLAS_WORKSPACE_CONFIG", "TF_DETERMINISTIC_OPS", "TF_CUDNN_DETERMINISTIC",
    "TF_CUDNN_USE_AUTOTUNE", "NVIDIA_TF32_OVERRIDE", "XLA_FLAGS", "MKL_CBWR",
    "TF_ENABLE_ONEDNN_OPTS", "NCCL_ALGO", "NCCL_PROTO",
)  # fmt: skip
"""Variables that decide whether the same program computes the same bits."""
_KEPT = (
    *THREADS, "PYTHON", "CUDA_", "CUDNN_", "NCCL_", "TF_", "XLA_", "JAX_", "TORCH_", "PYTORCH_", "KERAS_", "TRITON_",
    "NPY_", "SCIPY_", "SKLEARN_", "SLURM_", "PBS_", "LSB_", "MALLOC_", "LC_",
)  # fmt: skip
_TERRAFORM = ("TF_VAR_", "TF_CLI_", "TF_TOKEN_")
"""Of another program with TensorFlow's letters; the first two may hold anything."""
_KEPT_WHOLE = frozenset((
    *DETERMINISM, "NVIDIA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "RANK", "WORLD_SIZE",
    "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "CONDA_DEFAULT_ENV", "CONDA_PREFIX",
    "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LD_PRELOAD", "LANG", "TZ",
))  # fmt: skip


def user() -> str:
    """The name of the user who runs this process, or their number where it has none."""
    try:
        import pwd
    except ImportError:
        return os.environ.get("USERNAME", "")
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def python() -> str:
    return f"{sys.implementation.name} {sys.version.split()[0]}"


def platform() -> str:
    if hasattr(os, "uname"):
        system = os.uname()
        return f"{system.sysname} {system.release} {system.machine}"
    return sys.platform


def build() -> dict[str, Any]:
    """Which Python this is, beyond its version, and on what."""
    flags = {name: getattr(sys.flags, name) for name in ("optimize", "isolated", "dev_mode", "utf8_mode")}
    return {
        "python": sys.version,
        "prefix": storable(sys.prefix),
        "virtual": sys.prefix != sys.base_prefix,
        "gil": bool(getattr(sys, "_is_gil_enabled", lambda: True)()),
        "hash_seed": _hash_seed(),
        "flags": {name: int(value) for name, value in flags.items()},
        "os": _os(),
        "libc": _libc(),
    }


def _hash_seed() -> str:
    """What the hashes of texts depend on: a number, or `random`."""
    return os.environ.get("PYTHONHASHSEED") or "random" if sys.flags.hash_randomization else "0"


def _os() -> str | None:
    for line in _read("/etc/os-release").splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return storable(value.strip("\"'"))
    return None


def _libc() -> str | None:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, OSError, ValueError):
        return None


def variables(environment: Mapping[str, str], also: Collection[str] = ()) -> dict[str, str]:
    """The variables that may change what a program computes, and `also` those of these names, without secrets: of the
    latter, the values that look like settings."""
    kept = {}
    for name, value in sorted(environment.items()):
        known = name in _KEPT_WHOLE or (name.startswith(_KEPT) and not name.startswith(_TERRAFORM))
        if known or name in also:
            secret = is_secret_name(name) or name == "SLURM_JWT" or (not known and not _is_setting(value))
            kept[storable(name)] = HIDDEN if secret else storable(redact(value[:LONGEST_VALUE]))
    return kept


def started_with() -> Mapping[str, str]:
    """The variables that this process was started with, where the system tells; else those of now, of which some may
    have been set by the program."""
    try:
        with open("/proc/self/environ", "rb") as file:
            entries = (entry.partition(b"=") for entry in file.read().split(b"\0"))
            return {os.fsdecode(name): os.fsdecode(value) for name, equals, value in entries if equals}
    except OSError:
        return os.environ


_SETTING = lazily(
    r"|[-+]?\d{1,5}(\.\d{1,10})?(e[-+]?\d{1,3})?|[-+]?\.\d{1,10}(e[-+]?\d{1,3})?"
    r"|(?![a-f]*\d[\da-f]*$)(\.{0,2}/)?[a-z]+\d{0,4}([-_./][a-z]*\d{0,4}[a-z]?)*(:\d{1,2})?",
    re.IGNORECASE,
)
"""A number, or words as models, optimizers and data sets are named by."""
_LONGEST_SETTING = 40


def _is_setting(value: str) -> bool:
    """Whether a value is one that a program is set by, and nothing that could be a secret or of a person."""
    parts = re.split(r"[,; ]+", value) if value.count(",") else [value]
    known = all(len(part) <= _LONGEST_SETTING and _SETTING.fullmatch(part) for part in parts)
    return known or (os.path.isabs(value) and os.path.exists(value))


_LIBRARIES = {
    "openblas": "OpenBLAS", "libmkl_rt": "MKL", "libmkl_core": "MKL", "libblis": "BLIS", "libatlas": "ATLAS",
    "libflexiblas": "FlexiBLAS", "libgomp": "OpenMP of GCC", "libiomp": "OpenMP of Intel", "libomp": "OpenMP of LLVM",
    "libcudart": "CUDA", "libcudnn.": "cuDNN", "libcudnn-": "cuDNN", "libnccl": "NCCL",
}  # fmt: skip


def libraries(maps: str = "/proc/self/maps") -> dict[str, list[str]]:
    """The libraries for linear algebra, threads and GPUs that are loaded, with the files they are loaded from.

    Not by threadpoolctl, which would know their threads too: it asks the loader (`dl_iterate_phdr`) with a callback
    into Python, and from a second thread that can lock up with a program that imports an extension meanwhile.
    """
    found: dict[str, list[str]] = {}
    for path in dict.fromkeys(line[line.find("/") :] for line in _read(maps).splitlines() if ".so" in line):
        name = os.path.basename(path)
        library = next((library for part, library in _LIBRARIES.items() if part in name), None)
        if library is not None:
            found.setdefault(library, []).append(storable(path))
    return found


def determinism(environment: Mapping[str, str]) -> dict[str, Any]:
    """What decides whether the same program computes the same bits, as far as it is set: variables, and the flags of
    torch where that is imported."""
    found: dict[str, Any] = {name: storable(redact(environment[name])) for name in DETERMINISM if name in environment}
    torch: Any = sys.modules.get("torch")
    if hasattr(torch, "are_deterministic_algorithms_enabled"):
        found["torch.deterministic_algorithms"] = bool(torch.are_deterministic_algorithms_enabled())
    cudnn = sys.modules.get("torch.backends.cudnn")
    for flag in ("deterministic", "benchmark", "allow_tf32"):
        if hasattr(cudnn, flag):
            found[f"torch.cudnn.{flag}"] = bool(getattr(cudnn, flag))
    return found


def lock_files(*folders: str, root: str | None) -> list[dict[str, Any]]:
    """Path and digest of the files that say which packages are meant, in these folders and those above them, up to
    `root`; without one, in these folders alone."""
    found: list[dict[str, Any]] = []
    for folder in dict.fromkeys(above for start in folders for above in _upward(start, root)):
        try:
            names = sorted(name for name in os.listdir(folder) if LOCK_FILES.fullmatch(name))
        except OSError:
            continue
        for name in names[: MOST_LOCKS - len(found)]:
            path = os.path.join(folder, name)
            try:
                if os.path.isfile(path) and os.path.getsize(path) <= LARGEST_LOCK:
                    with open(path, "rb") as file:
                        found.append({"path": storable(path), "digest": f"blake3:{blake3(file.read()).hexdigest()}"})
            except OSError:
                continue
    return found


def _upward(folder: str, root: str | None) -> Iterator[str]:
    yield folder
    while root is not None and folder != root and folder.startswith(os.path.join(root, "")):
        folder = os.path.dirname(folder)
        yield folder


def work_tree(folder: str) -> Tree | None:
    """The git work tree that `folder` lies in, or None where there is none."""
    root = folder
    while not os.path.exists(os.path.join(root, ".git")):
        above = os.path.dirname(root)
        if above == root:
            return None
        root = above
    place = os.path.join(root, ".git")
    if os.path.isfile(place):  # a linked work tree or a submodule
        place = os.path.join(root, _read(place).removeprefix("gitdir:").strip())
    common = os.path.normpath(os.path.join(place, _read(os.path.join(place, "commondir")).strip() or "."))
    return Tree(root, place, common)


def git(tree: Tree) -> dict[str, str | None]:
    """Commit, branch and remote of a work tree.  Whether it is dirty is found out step by step: see `worktree`."""
    root, place, common = tree
    head = _read(os.path.join(place, "HEAD")).strip()
    branch = head.removeprefix("ref: refs/heads/") if head.startswith("ref: ") else None
    commit = _resolve(common, head.removeprefix("ref: ")) if head.startswith("ref: ") else head or None
    return {
        "root": storable(root),
        "commit": commit,
        "branch": branch and storable(branch),
        "remote": _remote(common),
        "dirty": None,
        "why": "the program ended before its work tree was compared",
    }


def _resolve(common: str, reference: str) -> str | None:
    loose = _read(os.path.join(common, reference)).strip()
    if loose:
        return loose
    for line in _read(os.path.join(common, "packed-refs")).splitlines():
        if line.endswith(" " + reference):
            return line.split(" ")[0]
    return None


def _remote(common: str) -> str | None:
    section = ""
    for line in _read(os.path.join(common, "config")).splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == '[remote "origin"]' and line.replace(" ", "").startswith("url="):
            return storable(redact(line.partition("=")[2].strip()))
    return None


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
