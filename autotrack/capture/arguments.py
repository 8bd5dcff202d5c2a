"""What a program was given: arguments and settings, as its library has resolved them.

Kept as they are until there is something to record, for most programs that parse arguments never train.  Where a
training begins, they are looked at again: `args.lr *= 2` is common, and `for args.lr in ...:` is a sweep.
"""

from __future__ import annotations

import time

from autotrack import context, shield
from autotrack.capture import configuration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

    from autotrack.job import Job

SECTION = "arguments/"
"""Beginning of the names of the facts that hold what the job was given, with a number after it."""
LIMIT = 1000
"""Parses that are kept, and changes from one training to the next; a program may parse in a loop."""


class Given:
    """What one parse has resolved.  `source` is that of the parameters: `args`, `config`, `global`; `again` gives
    what it is by now."""

    __slots__ = ("again", "hidden", "name", "number", "parsed", "parser", "source", "time", "trained", "values")

    def __init__(
        self, number: int, source: str, parser: str, name: str, values: dict[str, Any], hidden: Collection[str]
    ) -> None:
        self.number, self.source, self.parser, self.name = number, source, parser, name
        self.time = time.time()
        self.values, self.hidden = values, hidden
        self.parsed: dict[str, Any] = {}
        """What was parsed where that was changed before the first training."""
        self.again: Callable[[], Mapping[str, Any] | None] | None = None
        self.trained = False
        """Whether a training has begun with it, whose values stay."""

    def look_again(self) -> bool:
        """Whether anything has changed before the first training."""
        now = self.again() if self.again is not None else None
        if now is None:
            self.again = None
            return False
        changed = False
        for name, value in configuration.flattened(now).items():
            if name not in self.values:
                if _is_setting(value):
                    self.values[name], changed = value, True
            elif not configuration.same(value, self.values[name]):
                self.parsed[name], self.values[name], changed = self.values[name], value, True
        return changed

    def successor(self, number: int) -> Given | None:
        """What it has become since a training began with it.  What is new by now may be a result, and is none of it."""
        now = self.again() if self.again is not None else None
        if now is None:
            self.again = None
            return None
        nested = {key: value for key, value in list(now.items()) if type(value) not in configuration.SCALARS}
        values = configuration.flattened(nested) if nested else {}
        if len(nested) < len(now):  # scalars need no copies, and there may be thousands of trainings
            values.update((f"{key}", value) for key, value in list(now.items()) if key not in nested)
        changed = {
            name: values[name]
            for name, value in self.values.items()
            if value is not values.get(name, value) and not configuration.same(value, values[name])
        }
        if not changed:
            return None
        after = Given(number, self.source, self.parser, self.name, {**self.values, **changed}, self.hidden)
        after.parsed = {**{name: self.values[name] for name in changed}, **self.parsed}
        after.again, self.again = self.again, None
        return after

    def fact(self) -> dict[str, Any]:
        """As the journal keeps it: typed, and without secrets."""
        from autotrack.capture import secrets
        from autotrack.values import plain, storable

        def described(values: dict[str, Any]) -> dict[str, Any]:
            return {
                storable(name): secrets.HIDDEN if name in self.hidden else secrets.hidden(name, plain(value))
                for name, value in values.items()
            }

        for name in self.hidden:
            secrets.learn(self.values.get(name))
        about = {"source": self.source, "parser": self.parser, "name": storable(secrets.redact(self.name))}
        fact = {**about, "time": self.time, "values": described(self.values)}
        return {**fact, "parsed": described(self.parsed)} if self.parsed else fact


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(configuration.same(value, other[name]) for name, value in one.items())


def _is_setting(value: Any) -> bool:
    """Whether a value is one that is set, and no object that the program keeps beside what was parsed."""
    return not isinstance(value, dict)


class Arguments:
    """Everything that the program of a job was given."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._given: list[Given] = []
        self._latest: dict[tuple[str, str], Given] = {}
        self._waiting: list[Given] = []
        """What is not told to the job yet."""
        job.before_opening.append(self.tell)
        job.before_training.append(self._look_again)

    def add(
        self,
        source: str,
        parser: str,
        name: str,
        settings: Mapping[str, Any],
        *,
        again: Callable[[], Mapping[str, Any] | None] | None = None,
        hidden: Collection[str] = (),
    ) -> None:
        """Something that the program was given; of what is given twice the last counts from then on."""
        values = configuration.flattened(settings)
        latest = self._latest.get((parser, name))
        if not values or len(self._given) >= LIMIT:
            return
        if latest is not None and _same(latest.values, values):
            latest.again = again
            return
        given = Given(len(self._given) + 1, source, parser, name, values, hidden)
        given.again = again
        self._given.append(given)
        self._latest[parser, name] = given
        self._waiting.append(given)
        if self._job.segment is not None:
            self.tell()

    def update(self, settings: Mapping[str, Any], again: Callable[[], Mapping[str, Any] | None] | None = None) -> bool:
        """Whether these are settings that were parsed, in an object of the program's; what has changed is noted."""
        values = configuration.flattened(settings)
        for given in reversed(list(self._latest.values())):
            if given.source != "global" and given.values.keys() <= values.keys():
                alive = given.again is not None and given.again() is not None
                later, given.again = given.again if alive else again, lambda: settings
                shield.contain("arguments", self._note_change, given)
                self._latest[given.parser, given.name].again = later
                if self._job.segment is not None:
                    self.tell()
                return True
        return False

    def every(self) -> list[Given]:
        """All of it as it is by now."""
        return list(self._latest.values())

    def _look_again(self) -> None:
        """As a training begins."""
        for given in list(self._latest.values()):
            if given.again is not None:
                shield.contain("arguments", self._note_change, given)
        for given in self._latest.values():
            given.trained = True
        if self._job.segment is not None:
            self.tell()
        self._job.before_next_training.append(self._look_again)

    def _note_change(self, given: Given) -> None:
        if not given.trained:
            if given.look_again():
                self._waiting.append(given)
            return
        after = given.successor(len(self._given) + 1) if len(self._given) < LIMIT else None
        if after is not None:
            self._given.append(after)
            self._latest[after.parser, after.name] = after
            self._waiting.append(after)

    def tell(self) -> None:
        """Let the job know."""
        while self._waiting:
            given = self._waiting[0]
            fact = shield.contain("arguments", given.fact)
            if fact:
                self._job.know(f"{SECTION}{given.number}", fact)
            if self._waiting and self._waiting[0] is given:
                del self._waiting[0]


def given(job: Job) -> Arguments:
    """The arguments of a job."""
    if job.arguments is None:
        job.arguments = Arguments(job)
    return job.arguments


def record(source: str, parser: str, name: str, settings: Mapping[str, Any], **more: Any) -> None:
    """As `Arguments.add`, for the job that is recorded; not in its workers, which were given the same."""
    job = context.Current.job
    if job is not None and job.tells:
        given(job).add(source, parser, name, settings, **more)
