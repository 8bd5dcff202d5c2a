"""Work that was done before: a training whose program, code, data, parameters, environment and seeds equal those of a
finished run.

What is known as the first training of a job begins makes a key.  When the job has ended, the key and what could only
be known then go on record, and whoever takes the job in leaves an entry in `index/<key>`; a later job with the same key
reads that one file, compares the rest, and says one line.  All of it is the recorder's work but for a look at the
global generators, flags and variables; of these the code says which count.

A generator that nobody has seeded may stand anywhere as long as nothing is drawn from it: in the training, and, where
the model was made before that, since the generator was first seen.  A training that draws from one is nobody's
duplicate.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from blake3 import blake3

from autotrack import events, libraries, shield
from autotrack.capture import codefiles, environment, secrets, seeds
from autotrack.capture.dependence import Dependence
from autotrack.handles import Reading
from autotrack.identity import files
from autotrack.journal.folder import Folder
from autotrack.patterns import lazily

if TYPE_CHECKING:
    from autotrack.job import Job
    from autotrack.recorder import Recorder

FIRST, LONGEST = 0.2, 5.0
"""Seconds from the beginning of a training to the first look, and between later ones at most."""
SECTION, FOUND = "key", "duplicate_of"
"""The facts of a job that hold its key, and the run that it repeats."""
CODE, FILES = 2_000, 200
"""Files of code that make a key, and others that are compared."""
BYTES = 1 << 30
"""Bytes of the files that are compared."""
EXACT = frozenset(("whole", "held", "manifest"))
"""Methods whose identity stands for the content."""
_NO_TRAINING = frozenset(("step", "printed", "log", "run", "evaluation"))
_WHOLE = frozenset(("fit", "search", "cross_validation"))
"""Kinds of trainings that begin with nothing learned, where an estimator has parameters: what was drawn before is in
these and in the data."""
_BEFORE = frozenset(("estimator", "fit"))
"""Sources of parameters that are all known before a training begins."""
_PASSING = {
    bool: lazily(r"(?!)"),
    int: lazily(r"^1\d{9}$|^1\d{12}$|^1\d{18}$"),
    float: lazily(r"^1\d{9}[.]|[.]\d{9,}"),
    str: lazily(r"\d{6,}|\d+[-_:.]\d+[-_:.]\d+"),
}
"""Which values tell the time, or were measured: nobody sets them."""
_BACKENDS = ("KERAS_BACKEND", "JAX_PLATFORMS")
_REPEATED = (
    "PYTEST_CURRENT_TEST", "WANDB_SWEEP_ID", "NNI_TRIAL_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_RESTART_COUNT",
)  # fmt: skip
"""Variables of tests, sweeps and what is started once more, of which nothing is said."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finished run in the index."""

    run: str
    job: str
    user: str
    ended: float
    seconds: float
    """How long its job took."""
    result: dict[str, float]
    params: dict[str, str]
    """Digests of the first values of parameters by their names."""
    data: dict[str, str]
    """Identities by `role number`."""
    files: list[tuple[str, str]]
    """Path and digest of what was read, and of code that was imported later; below the root with relative paths."""
    several: bool = False
    """Whether its job has trained more than this: a sweep."""


encode, decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(list[Entry]).decode


class Start(NamedTuple):
    """What is looked at as the training begins."""

    event: events.StrandStarted
    generators: dict[str, Any]
    flags: dict[str, Any]
    argv: tuple[str, ...]
    modules: tuple[str, ...]
    variables: dict[str, str]
    calls: list[tuple[str, str]]


class Duplicates:
    """Looks for an earlier run that the first training of this job repeats."""

    def __init__(self, job: Job, recorder: Recorder, root: str, program: str | None) -> None:
        self._job, self._recorder, self._root, self._program = job, recorder, root, program
        self._start: Start | None = None
        self._params: dict[str, tuple[Any, str]] = {}
        self._data: dict[tuple[str, int], events.Dataset] = {}
        self._code: dict[str, str] | None = {}
        """Path to digest of the code that was imported as the training began; None where it is not known."""
        self._depends = Dependence()
        """What that code depends on."""
        self._key: str | None = None
        self._looked = self._several = self._random = self._ended = False
        self._wait = FIRST
        job.at_end.append(lambda: recorder.later("duplicates", self._finish))

    def began(self, event: events.StrandStarted) -> None:
        """A strand has begun, in whose thread this is."""
        if event.kind in _NO_TRAINING or event.parent is not None or self._program is None:
            return
        if self._start is not None:
            self._several = True
            return
        generators = event.generators or seeds.states()
        hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
        flags = {**environment.determinism({}), "no GPU": hidden, "tensorflow": _seed_of_tensorflow()}
        self._start = Start(
            event,
            generators,
            flags,
            tuple(map(str, sys.argv[1:])),
            tuple(sys.modules),
            dict(os.environ),
            seeds.called(),
        )
        self._recorder.soon("duplicates", self._work, FIRST)

    def heard(self, event: events.Event) -> None:
        """Something is said of a strand."""
        if self._start is None or getattr(event, "strand", None) != self._start.event.strand:
            return
        if isinstance(event, events.StrandParams):
            for param in event.params:
                self._params.setdefault(param.name, (param.value, param.source))
        elif isinstance(event, events.StrandDataset):
            self._data[event.role, event.number] = event.dataset
        elif isinstance(event, events.StrandEnded):
            self._random = self._random or self._drawn(seeds.states())
            self._ended = event.status == "finished"

    def _drawn(self, now: dict[str, Any]) -> bool:
        """Whether something was drawn from a generator that nobody has seeded, or that a seed of the system's choice
        was asked for."""
        begun = self._start.generators if self._start is not None else {}
        for name, about in now.items():
            known = begun.get(name) or {"state": seeds.first(name)}
            if about.get("seed") is None and about["state"] != known["state"]:
                return True
        return any(seed == "None" for _, seed in seeds.called())

    # The recorder's

    def _work(self) -> None:
        """Look once everything is known; a recorder's task."""
        if self._looked or (self._several and not self._job.ended):
            return
        if self._key is None:
            self._key = self._find_key()
        if self._key is not None:
            self._looked = True
            if not self._several:
                self._look(self._key)
        elif self._key is None and not self._job.ended and not self._random:
            self._wait = min(self._wait * 2, LONGEST)
            self._recorder.soon("duplicates", self._work, self._wait)

    def _find_key(self) -> str | None:
        """The key of this training; None as long as it is not known, or where there is none."""
        start, packages = self._start, self._job.fact("packages")
        train = {
            number: data
            for (role, number), data in sorted(self._data.items(), key=lambda entry: entry[0])
            if role == "train"
        }
        if start is None or self._random or not isinstance(packages, dict) or not train:
            return None
        if any(data.id is None for data in train.values()):
            return None
        if start.flags["tensorflow"] == "unseeded" or not all(map(exact, train.values())) or self._unseeded(start):
            self._random = True
            return None
        if not self._code:
            self._code = self._imported(start.modules)
        if self._code is None or self._depends.chance:
            self._random = True
            return None
        assert self._program is not None
        about = {
            "program": self._relative(self._program),
            "argv": secrets.redact_arguments(start.argv),
            "training": [start.event.framework, start.event.kind, start.event.cls],
            "code": sorted(self._code.items()),
            "params": sorted((name, v) for name, (v, source) in list(self._params.items()) if source in _BEFORE),
            "data": train[min(train)].id,
            "generators": sorted(
                (name, about["state"]) for name, about in start.generators.items() if about.get("seed") is not None
            ),
            "seeds": sorted(start.calls),
            "variables": self._variables(start.variables),
            "settings": sorted(self._settings()),
            "flags": sorted(start.flags.items()),
            "python": environment.python(),
            "machine": [os.uname().sysname, os.uname().machine] if hasattr(os, "uname") else sys.platform,
            "packages": sorted((name, version) for name, version in packages.items() if name != "autotrack-ml"),
        }
        return blake3(encode(about)).hexdigest(16)

    def _variables(self, every: dict[str, str]) -> list[tuple[str, str]]:
        """Those that the code reads, and those that decide on numbers whatever it reads."""
        names = (*environment.DETERMINISM, *_BACKENDS)
        always = {
            name: value
            for name, value in every.items()
            if name != "PYTHONHASHSEED" and (name.startswith(environment.THREADS) or name in names)
        }
        return sorted({*always.items(), *self._depends.among(every)})

    def _settings(self) -> Iterator[tuple[str, str, str]]:
        """What the program has set, wherever it has that from; no names that tell when it was started."""
        given = self._job.arguments
        for one in given.every() if given is not None else ():
            for name, value in one.values.items():
                told = value.replace(self._root, "") if type(value) is str else repr(value)
                if type(value) in _PASSING and ("seed" in name or not _PASSING[type(value)].search(told)):
                    yield one.source, name, told

    def _unseeded(self, start: Start) -> bool:
        if any(seed == "None" for _, seed in start.calls):
            return True
        estimator = any(source == "estimator" for _, source in list(self._params.values()))
        states = () if estimator and start.event.kind in _WHOLE else start.generators.items()
        return any(about.get("seed") is None and about["state"] != seeds.first(name) for name, about in states)

    def _imported(self, modules: tuple[str, ...] | None) -> dict[str, str] | None:
        """Path to digest of the program's own code: of these modules, or all; None where it can't be told."""
        wanted = None
        if modules is not None:
            paths = [libraries.file_of(sys.modules.get(name)) for name in modules]
            wanted = {os.path.abspath(path) for path in paths if path is not None and os.path.isabs(path)}
        found: dict[str, str] = {}
        self._depends = Dependence()
        assert self._program is not None
        for place in (self._program, *codefiles.imported()):
            if wanted is None or place in wanted or place == self._program:
                try:
                    if not os.path.isfile(place) and place != self._program:
                        continue  # `torch.ops` says that it is `_ops.py`
                    status = os.stat(place)
                    changed = codefiles.changed_ns(status.st_mtime_ns, status.st_ctime_ns)
                    if changed > self._job.started * 1e9 or len(found) > CODE:
                        return None
                    found[self._relative(place)] = files.digest_file(place)[0]
                    with Reading(place) as file:
                        self._depends = self._depends.and_of(file.read(codefiles.UNTRACKED))
                except OSError:
                    return None
        return found

    def _relative(self, place: str) -> str:
        root = os.path.join(self._root, "")
        return place[len(root) :] if place.startswith(root) else place

    def _look(self, key: str) -> None:
        try:
            with open(Folder(self._job.root).index(key), "rb") as file:
                entries = decode(file.read())
        except (OSError, msgspec.DecodeError):
            return
        for entry in reversed(entries):
            if entry.job != self._job.id and self._agrees(entry):
                self._found(entry)
                return

    def _agrees(self, entry: Entry) -> bool:
        """Whether an entry of the same key is of the same work, as far as it is known by now."""
        mine = self._digests()
        if any(entry.params.get(name, digest) != digest for name, digest in mine.items()):
            return False
        for (role, number), data in list(self._data.items()):
            known = entry.data.get(f"{role} {number}", None if role == "train" else data.id)
            if known != data.id and (role == "train" or data.id is not None):
                return False
        cache, left = files.Cache(self._job.root), BYTES
        for path, digest in entry.files:
            place = os.path.join(self._root, path)
            try:
                left -= os.stat(place).st_size
                if left < 0 or files.digest_file(place, cache)[0] != digest:
                    return False
            except OSError:
                return False
        return True

    def _digests(self) -> dict[str, str]:
        return {name: blake3(encode(value)).hexdigest(8) for name, (value, _) in list(self._params.items())}

    def _found(self, entry: Entry) -> None:
        self._job.know(FOUND, {"run": entry.run, "job": entry.job, "user": entry.user, "ended": entry.ended})
        long = entry.seconds >= self._job.settings.duplicate_seconds
        if long and not entry.several and not self._several and not self._is_quiet():
            shield.complain(_line(entry, environment.user(), time.time()))

    def _is_quiet(self) -> bool:
        job = self._job
        again = any(os.environ.get(name, "0") != "0" for name in _REPEATED)
        again = again or os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0" or "_pytest" in sys.modules
        return job.settings.quiet or job.parent is not None or bool(job.rank) or job.how == "notebook" or again

    def _finish(self) -> None:
        """The job has ended: look, where that was not done, and put on record what a later job has to know."""
        self._work()
        if self._key is None or self._random or not self._ended or self._start is None:
            return
        before, begun = self._depends, self._code or {}
        every = self._imported(None)
        if self._depends != before:  # what came later depends on more than the key knows
            return
        train = [data for (role, _), data in self._data.items() if role == "train"]
        if every is None or not all(map(exact, train)):
            return
        late = {path: digest for path, digest in every.items() if path not in begun}
        if len(late) > FILES or any(secrets.redact(path) != path for path in late):
            return
        known = {f"{role} {number}": data.id for (role, number), data in self._data.items() if data.id is not None}
        about = {
            "strand": self._start.event.strand,
            "key": self._key,
            "root": self._root,
            "manifest": any(data.method == "manifest" for data in train),
            "params": self._digests(),
            "data": known,
            "late": late,
            "several": self._several,
        }
        self._job.know(SECTION, about)


def exact(data: events.Dataset) -> bool:
    """Whether an identity stands for all of the content."""
    return data.id is not None and data.method in EXACT and "stat-manifest" not in data.id


def _seed_of_tensorflow() -> object:
    """TensorFlow's global seed, whose generators tell no state."""
    if "tensorflow" not in sys.modules:
        return None
    module = sys.modules.get("tensorflow.python.eager.context")
    seed = module.global_seed() if hasattr(module, "global_seed") else None  # type: ignore[union-attr]
    return "unseeded" if seed is None else str(seed)


def _line(entry: Entry, me: str, now: float) -> str:
    whose = "by you" if entry.user == me else f"by {entry.user}"
    result = ", ".join(f"{name} {value:.6g}" for name, value in entry.result.items())
    about = f"{whose}, {_ago(now - entry.ended)}, in {_seconds(entry.seconds)}"
    told = f": {result}" if result else ""
    short = entry.run[:8]
    return f"this is what run {short} ({about}) did already{told}; see: autotrack show {short}"


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _seconds(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
