"""What a program ran in and on, in words and in rows: environment, hardware, seeds, samples of the system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from autotrack.cli import output

Row = tuple[Any, ...]

_ALSO = ("os", "libc", "gil", "hash_seed")
_OF_THE_START = ("SLURM_", "PBS_", "LSB_", "CUDA_VISIBLE_DEVICES", "MASTER_", "PYTHONPATH")
"""Variables that say where a program was started rather than how."""


def rows(job: Mapping[str, Any]) -> Iterator[Row]:
    """Section, name and value of each fact, for other programs."""
    environment = job["environment"] or {}
    for name in ("python", "prefix", "virtual", *_ALSO):
        if name in environment:
            yield "environment", name, environment[name]
    for name, value in environment.get("variables", {}).items():
        yield "variable", name, value
    for name, value in environment.get("determinism", {}).items():
        yield "determinism", name, value
    for library, files in environment.get("libraries", {}).items():
        yield "library", library, *files
    for file in environment.get("lock_files", ()):
        yield "lock file", file["path"], file["digest"]
    for name, value in _machine(job):
        yield "hardware", name, value
    for call in (job["seeds"] or {}).get("calls", ()):
        yield "seed", call["function"], call["seed"], call["where"], call["times"]
    yield from sample_rows(job.get("system", {}))


def sample_rows(system: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    for name, found in system.items():
        yield "system", name, found["mean"], found["min"], found["max"], found["count"]


def generator_rows(generators: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    for name, found in generators.items():
        yield "generator", name, found["state"], found.get("seed"), found.get("fresh")


def compared(job: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    """What may make a program compute something else, for comparing runs: (section, name) to value."""
    environment = job["environment"] or {}
    for name in _ALSO:
        yield ("environment", name), environment.get(name)
    for name, value in {**environment.get("variables", {}), **environment.get("determinism", {})}.items():
        if not name.startswith(_OF_THE_START):
            yield ("environment", name), value
    for file in environment.get("lock_files", ()):
        yield ("environment", file["path"].rpartition("/")[2]), file["digest"]
    for name, value in _machine(job):
        yield ("hardware", name), value


def seeds(generators: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[tuple[str, str], Any]]:
    """The seeds and states that a run began with, for comparing."""
    for name, found in generators.items():
        if "seed" in found:
            yield ("seed", name), found["seed"]
        yield ("seed", f"{name} state"), found["state"]


def _machine(job: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    hardware = job["hardware"] or {}
    for part in ("cpu", "memory"):
        for name, value in hardware.get(part, {}).items():
            yield f"{part} {name}", value
    for device in hardware.get("accelerators", ()):
        yield f"gpu {device['index']}", device["name"]
        yield f"gpu {device['index']} bytes", device["bytes"]
    for name in ("driver", "cuda"):
        if name in hardware:
            yield name, hardware[name]


# In words


def in_words(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The machine and the seeds, a line each."""
    hardware = job["hardware"]
    if hardware:
        cpu, memory = hardware["cpu"], hardware["memory"]
        usable = min(filter(None, (cpu["usable"], cpu["quota"], cpu["cores"])), default=None)
        of = f" of {cpu['cores']}" if usable != cpu["cores"] else ""
        limit = f", limited to {output.size(memory['limit'])}" if memory["limit"] else ""
        yield "machine", f"{usable:g}{of} cores{_of(cpu['model'])}, {output.size(memory['bytes'])} of memory{limit}"
        names = [device["name"] for device in hardware.get("accelerators", ())]
        if names:
            told = ", ".join(f"{names.count(name)} × {name}" for name in dict.fromkeys(names))
            yield "gpu", f"{told}, driver {hardware['driver']}"
    calls = (job["seeds"] or {}).get("calls", ())
    if calls:
        yield "seeds", ", ".join(f"{call['function']}({output.short(call['seed'])})" for call in calls)


def _of(model: str | None) -> str:
    return f" of {model}" if model else ""


def seeds_in_words(generators: Mapping[str, Mapping[str, Any]]) -> str:
    """The seeds that a run began with: `python 3, numpy 4 (drawn from since)`."""
    return ", ".join(
        f"{name} {output.short(found['seed'])}{'' if found['fresh'] else ' (drawn from since)'}"
        for name, found in generators.items()
        if "seed" in found
    )


def sample_lines(system: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Name, mean and greatest value of each series, with their units."""
    return [
        (name.removeprefix("system/"), _amount(name, found["mean"]), _amount(name, found["max"]))
        for name, found in system.items()
    ]


def _amount(name: str, value: float) -> str:
    what = name.rpartition("/")[2]
    if what in ("cpu", "use"):
        return f"{value:.0f} %"
    if what == "power":
        return f"{value:.0f} W"
    return output.size(round(value)) + ("" if what == "memory" else "/s")
