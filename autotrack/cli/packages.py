"""Installed packages in words, and as lines of a requirements file."""

from __future__ import annotations

from autotrack.cli import output
from autotrack.store.requirements import Source, installable, is_name, is_version, reference


def in_words(version: str, source: Source | None) -> str:
    if source is None:
        return version
    if source.get("editable"):
        return f"{version} editable from {source['url']}"
    return f"{version} from {reference(source)}"


def requirement(name: str, version: str, source: Source | None) -> str:
    """The line of a package; a comment where an installer could not read it, or would install something else."""
    told = f"# {output.short(name)} {output.short(version)}"
    if not is_name(name):
        return f"{told}: this name is none that an installer knows"
    if source is None:
        known = is_version(version)
        return f"{name}=={version.strip()}" if known else f"{told}: this version is none that an installer knows"
    place = output.short(source["url"], 200)
    if source.get("editable"):
        return f"{told}: editable from {place}, where it may have changed since; what was imported: autotrack code"
    found = installable(source)
    if found is None:
        return f"{told}: from {place}, which an installer could not find again"
    return f"{name} @ {found}"
