"""Data sets that name the files they are in, and hold the rest: labels, tables, indices.

The files are read by the recorder, in slices, in the order in which they are named: their contents up to a bound, else
what the file system says of them.  What is held beside them, or instead of them, is digested before the call goes on,
or from a copy.  All of it together is the identity; what a data set makes of it when it is asked for a row is not seen.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy
import xxhash
from blake3 import blake3

from autotrack import events
from autotrack.identity import arrays, files, profiles
from autotrack.identity import data as identity
from autotrack.identity.cost import seconds_to_digest, size_of_copy
from autotrack.identity.rowhash import Rows
from autotrack.values import storable

if TYPE_CHECKING:
    from autotrack.strand import Strand

CONTENTS = 1 << 30
"""Bytes of the files of a data set up to which their contents are read."""
SECONDS = 0.2
"""For what is held that is digested before the call goes on."""
COPIED = 64 << 20
"""Bytes of what is held that are copied, where it takes long to be digested."""
SLICE, PAUSE = 0.02, 0.05
"""Seconds that the recorder stays with it at a time, and that it leaves to the program then."""
LISTED = 1_000
"""Files, or folders, whose digests are kept for comparisons."""
KEPT = 20_000
"""Digests of files that are remembered."""
CALM, TICK = 1.0, 0.01
"""Seconds since a file was written after which its times tell whether it is written again, and how far behind they may
be: the clock of a file system ticks."""
SHARE_AT_END = 0.5
"""Of the time that the end of the program may wait."""
AT_END = 0.3
"""Seconds for a last look at whether the files have changed."""
EVER = 1e9
"""Seconds until a task that is for the end of the program."""
PREFIXES = "blake3-manifest", "stat-manifest"


class Holdings:
    """What a data set of a strand holds and names."""

    def __init__(
        self,
        strand: Strand,
        role: str,
        kind: str,
        held: Mapping[str, Any],
        paths: Sequence[str],
        method: str,
        kinds: Mapping[str, str],
    ) -> None:
        self._strand, self._role, self._method = strand, role, method
        self._parts: dict[str, events.Dataset] = {}
        self._later: list[tuple[str, Any, str]] = []
        """What is still to be digested, from copies, or as it lies there; and what that makes its identity."""
        self._seconds, self._bytes = SECONDS, COPIED
        self._kind = storable(kind)
        if paths:
            self._parts["files"] = events.Dataset(id=None, method="declared", kind="files", rows=len(paths))
        for name, data in held.items():
            self._hold(storable(name), data, kinds.get(name))
        self._report = strand.dataset(role, self._dataset())
        recorder = strand.job.recorder
        if recorder is None:
            return
        what = f"content of the {role} data"
        if self._later:
            recorder.later(what, self._digest_copies)
        if paths:
            reading = _Reading(paths, strand.job.root)

            def go_on() -> None:
                ended = strand.job.ended
                if reading.go_on(SLICE if not ended else strand.job.settings.exit_timeout * SHARE_AT_END):
                    self._read(reading)
                elif not ended:
                    recorder.soon(what, go_on, PAUSE)
                elif reading.hurry():
                    self._read(reading)
                else:
                    strand.gap(f"identity of the {role} data", "the program ended before its files were looked at")

            recorder.later(what, go_on)

    def _hold(self, name: str, data: Any, kind: str | None) -> None:
        part = identity.shape(data, kind)
        seconds = seconds_to_digest(data)
        try:
            if identity.at_once(data) and seconds <= self._seconds:
                self._seconds -= seconds
                part = identity.changed(part, id=arrays.digest(data), method=self._method)
                profiles.of(self._strand.job).later(str(part.id), data)
            else:
                size = size_of_copy(data)
                copy = profiles.copied(data) if size is not None and size <= self._bytes else None
                if copy is not None:
                    self._bytes -= size or 0
                    self._later.append((name, copy, self._method))
                else:
                    self._later.append((name, lambda: data, "unverified"))
        except arrays.Undigestible as error:
            self._strand.gap(f"identity of the {self._role} data", f"{name}: {error}")
        self._parts[name] = part

    def _digest_copies(self) -> None:
        for name, source, method in self._later:
            try:
                found = arrays.digest(source())
            except arrays.Undigestible as error:
                self._strand.gap(f"identity of the {self._role} data", f"{name}: {error}")
                continue
            self._parts[name] = identity.changed(self._parts[name], id=found, method=method)
        self._later.clear()
        self._report(self._dataset())

    def _read(self, reading: _Reading) -> None:
        told = reading.result()
        if told.dataset.method == "manifest" and self._method != "held":
            told.dataset = identity.changed(told.dataset, method=self._method)
        self._parts["files"] = told.dataset
        if told.profile is not None:
            self._strand.job.report(told.profile)
        if told.why:
            self._strand.gap(f"identity of the {self._role} data", told.why)
        self._report(self._dataset())
        recorder = self._strand.job.recorder
        if recorder is not None and told.dataset.id is not None:
            recorder.soon(f"content of the {self._role} data", lambda: self._look_again(reading), EVER)

    def _look_again(self, reading: _Reading) -> None:
        """At the end: whether the files are what they were."""
        if reading.changed(AT_END):
            self._parts["files"] = identity.changed(self._parts["files"], method="mutated")
            self._report(self._dataset())

    def _dataset(self) -> events.Dataset:
        parts = tuple(identity.changed(part, name=name) for name, part in self._parts.items())
        ids = [part.id for part in parts]
        known = [id for id in ids if id is not None]
        methods = [part.method for part in parts]
        order = ("mutated", "unverified", "declared", "manifest", self._method)
        return events.Dataset(
            id=arrays.named(arrays.combine(*known)) if len(known) == len(ids) else None,
            method=next(method for method in order if method in methods),
            kind=self._kind,
            bytes=sum(part.bytes or 0 for part in parts),
            parts=parts,
        )


class _Told:
    """What was found out of some files."""

    def __init__(self, dataset: events.Dataset, profile: events.DataProfiled | None, why: str) -> None:
        self.dataset, self.profile, self.why = dataset, profile, why


class _Reading:
    """The files of a data set as they are read."""

    def __init__(self, paths: Sequence[str], root: str) -> None:
        self._paths = paths
        self._begun = time.time()
        self._cache = files.Cache(root)
        self._states: list[os.stat_result | None] = []
        self._digests: list[str] = []
        self._whole, self._hurried = True, False

    def go_on(self, seconds: float) -> bool:
        """Look at some of them, for so long; whether that was the last."""
        until = time.monotonic() + seconds
        while len(self._states) < len(self._paths):
            self._states.append(_state(self._paths[len(self._states)]))
            if time.monotonic() > until:
                return False
        if not self._digests and self._whole:
            sizes = {path: state.st_size for path, state in zip(self._paths, self._states, strict=True) if state}
            self._whole = sum(sizes.values()) <= CONTENTS
        while len(self._digests) < len(self._paths):
            at = len(self._digests)
            self._digests.append(self._digest(self._paths[at], self._states[at]))
            if time.monotonic() > until and len(self._digests) < len(self._paths):
                return False
        return True

    def _digest(self, path: str, state: os.stat_result | None) -> str:
        if state is None:
            return ""
        if not self._whole:
            return f"{state.st_size} {state.st_mtime_ns}"
        known = _digests.get(path)
        version = state.st_dev, state.st_ctime_ns, *_version(state)
        if known is None or known[0] != version:
            try:
                known = version, files.digest_file(path, self._cache)[0]
            except OSError:
                return ""
            if len(_digests) >= KEPT:
                _digests.clear()
            if time.time() - max(state.st_mtime, state.st_ctime) > CALM:
                _digests[path] = known
        return known[1]

    def hurry(self) -> bool:
        """There is no time left for the contents; whether something can be told without them."""
        if len(self._states) < len(self._paths):
            return False
        self._whole, self._hurried, self._digests = False, True, []
        return self.go_on(1.0)

    def result(self) -> _Told:
        there = [at for at, digest in enumerate(self._digests) if digest]
        missing = len(self._paths) - len(there)
        size = sum(state.st_size for at in there if (state := self._states[at]) is not None)
        if not there:
            why = f"none of its {missing} files can be read"
            return _Told(events.Dataset(id=None, method="declared", kind="files", rows=len(self._paths)), None, why)
        names = _below_common([self._paths[at] for at in there], self._paths)
        total = blake3()
        for name, digest in zip(names, self._digests, strict=True):
            total.update(f"{name}\0{digest}\n".encode("utf-8", "surrogateescape"))
        fresh = any(
            max(state.st_mtime, state.st_ctime) > self._begun - TICK
            for at in there
            if (state := self._states[at]) is not None
        )
        dataset = events.Dataset(
            id=f"{PREFIXES[0] if self._whole else PREFIXES[1]}:{total.hexdigest()}",
            method="unverified" if fresh else "manifest",
            kind="files",
            rows=len(self._paths),
            bytes=size,
        )
        missed = []
        if not self._whole:
            why = (
                "the program ended before their contents were read" if self._hurried else "their contents were not read"
            )
            missed.append(f"its {len(there):,} files are told by name, size and time; {why}")
        if missing:
            missed.append(f"{missing:,} of its {len(self._paths):,} files are not there")
        return _Told(dataset, self._profile(str(dataset.id), names), "; ".join(missed))

    def _profile(self, identity: str, names: list[str]) -> events.DataProfiled:
        rows = Rows()
        contents = self._digests if self._whole else [f"{n} {d}" for n, d in zip(names, self._digests, strict=True)]
        hashes = [xxhash.xxh3_64_intdigest(digest.encode()) for digest in contents]
        with numpy.errstate(all="ignore"):  # sums of hashes overflow
            rows.add(numpy.array(hashes, dtype=numpy.uint64))
        return events.DataProfiled(
            time=time.time(),
            data=identity,
            rows=len(names),
            columns=(),
            files=tuple((storable(name), digest) for name, digest in _listed(names, self._digests)),
            **rows.result(1),
        )

    def changed(self, seconds: float) -> bool:
        """Whether one of them is another now, as far as can be told in so long."""
        until = time.monotonic() + seconds
        for path, before in zip(self._paths, self._states, strict=True):
            now = _state(path)
            if before is not None and now is not None and _version(now) != _version(before):
                return True
            if time.monotonic() > until:
                return False
        return False


def _below_common(there: list[str], paths: Sequence[str]) -> list[str]:
    """The paths below the innermost folder that these files are in."""
    folders = [path[: path.rindex(os.sep) + 1] for path in there]
    folder = os.path.join(os.path.commonpath([min(folders), max(folders)]), "")
    begin = len(folder)
    return [path[begin:] if path.startswith(folder) else path for path in paths]


_digests: dict[str, tuple[tuple[int, ...], str]] = {}
"""Of files that were read, for the next training on them; used by the recorder alone."""


def _state(path: str) -> os.stat_result | None:
    """None where there is no file that can be read."""
    try:
        state = os.stat(path)
    except (OSError, ValueError):
        return None
    return state if stat.S_ISREG(state.st_mode) else None


def _version(state: os.stat_result) -> tuple[int, int, int]:
    return state.st_ino, state.st_size, state.st_mtime_ns


def _listed(names: list[str], digests: list[str]) -> list[tuple[str, str]]:
    """Name and digest of each file, or of each folder where there are too many files; nothing where there are too many
    folders."""
    found: dict[str, str] = dict(zip(names, digests, strict=True))
    if len(found) > LISTED:
        folders: dict[str, Any] = {}
        for name, digest in found.items():
            folder = os.path.join(os.path.dirname(name), "")
            if len(folders) > LISTED:
                return []
            state = folders.setdefault(folder, xxhash.xxh3_128())
            state.update(f"{os.path.basename(name)}\0{digest}\n".encode("utf-8", "surrogateescape"))
        found = {folder: state.hexdigest() for folder, state in folders.items()}
    return [(name, digest.rpartition(":")[2][:32]) for name, digest in found.items()]
