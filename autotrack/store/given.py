"""What a job was given, its arguments and settings, as its runs have it among their parameters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from autotrack import events
from autotrack.capture.arguments import SECTION
from autotrack.store.database import Database
from autotrack.store.present import presented
from autotrack.store.strands import StrandView, job_facts

_ORDER = ("args", "config", "global", "local")


class Given(msgspec.Struct, frozen=True):
    """What one parse has resolved, as the fact of the job says."""

    source: str
    parser: str
    name: str
    time: float
    values: dict[str, Any]
    parsed: dict[str, Any] = {}

    @property
    def key(self) -> tuple[str, str]:
        return self.parser, self.name


def is_given(event: object) -> bool:
    """Whether an event says what the job was given."""
    return isinstance(event, events.JobFacts) and event.section.startswith(SECTION)


class Arguments:
    """Everything that a job was given, by the segment that says so."""

    def __init__(self, facts: Sequence[tuple[str, events.JobFacts]], main: str | None) -> None:
        latest: dict[str, dict[str, events.JobFacts]] = defaultdict(dict)
        for segment, event in facts:
            if is_given(event):
                latest[segment][event.section] = event
        self._by_segment: dict[str, list[Given]] = {}
        for segment, sections in latest.items():
            found = [_read(event) for _, event in sorted(sections.items(), key=lambda item: _number(item[0]))]
            self._by_segment[segment] = [given for given in found if given is not None]
        self._main = main

    def of_job(self) -> list[Given]:
        """All of it, as the main process says, or the first worker of a main process that recorded nothing."""
        said = self._by_segment.get(self._main or "") or next(iter(self._by_segment.values()), [])
        return sorted(said, key=lambda given: _rank(given.source))

    def of_run(self, group: Sequence[StrandView]) -> list[Given]:
        """What a run was given: of what was parsed several times, what was the last one when it began."""
        root = group[0].started if group else None
        if root is None or root.parent is not None or not self._by_segment:
            return []
        said = self._by_segment.get(self._main or "") or self._by_segment.get(group[0].segment, [])
        printed = root.kind == "printed"  # which begins with the program, before anything is parsed
        latest = {given.key: given for given in said if printed or given.time <= root.time}
        return sorted(latest.values(), key=lambda given: _rank(given.source))


def _rank(source: str) -> int:
    return _ORDER.index(source) if source in _ORDER else len(_ORDER)


def _number(section: str) -> tuple[int, str]:
    number = section.removeprefix(SECTION)
    return int(number) if number.isdecimal() else 0, section


def _read(event: events.JobFacts) -> Given | None:
    try:
        return msgspec.convert(event.value, Given)
    except msgspec.ValidationError:
        return None


def of(database: Database, job: str) -> Arguments:
    """What a job was given."""
    sql = (
        "SELECT segment, position, body FROM facts WHERE job = ? AND strand IS NULL AND tag = 'job_facts' "
        f'AND instr(body, \'"section":"{SECTION}\') > 0'
    )
    facts = [(segment, events.decode(body)) for segment, _, body in sorted(database.rows(sql, (job,)))]
    if not facts:
        return Arguments([], None)
    main = next((segment for segment, _ in job_facts(database, job, ("job_started",))), None)
    return Arguments(facts, main)


def described(given: Given) -> dict[str, Any]:
    """As `show` and other programs see it."""
    return {
        "source": given.source,
        "parser": given.parser,
        "name": presented(given.name),
        "time": given.time,
        "values": {presented(name): presented(value) for name, value in given.values.items()},
        "parsed": {presented(name): presented(value) for name, value in given.parsed.items()},
    }
