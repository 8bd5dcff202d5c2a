"""How a run compares with the same program run once more: to the bit, within a tolerance, or where they part.

What is compared, in the order in which one thing leads to another: parameters, data, the state of the generators of
random numbers, the points of every series in the order of time, the model's weights, metrics and results, and files
that hold no model.  What measures time or the machine is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy

from autotrack.reproduce import outputs
from autotrack.reproduce.differences import TIMES, Difference, Tally, of_names
from autotrack.store import NotFound, Store
from autotrack.store.present import presented

if TYPE_CHECKING:
    from autotrack.reproduce.plan import Plan


class Verdict(NamedTuple):
    """`kind`: `bitwise`, `within tolerance` or `diverged`; the differences, the first one first."""

    kind: str
    first: Difference | None
    differences: list[Difference]
    compared: dict[str, int]
    """How many of each kind of thing were the same or not."""


def verdict(store: Store, made: Plan, again: Store, code: int, tolerance: float) -> Verdict:
    """Compare what was recorded of a plan's runs with what is in another store, of the job that exited with `code`."""
    compared = Tally()
    found = list(_differences(store, made, again, code, compared))
    if compared.timings:
        made.notes.append(f"taken for timings by their names, and not compared: {outputs.some(compared.timings)}")
    if compared.unfounded:
        made.notes.append("generators were in another state, and of what came of it only what was printed is compared")
    real = [one for one in found if one.what not in _STARTS]
    if not real:
        return Verdict("bitwise", None, found, compared)
    if all(one.what in _AROUND for one in real) and not compared.by_chance:  # the runs came to the same
        found = [*real, *(one for one in found if one.what in _STARTS)]
    causes = [Difference(what, text, None, None) for what, text in made.changes]
    order = [*causes, *found]
    if _is_rounding(real, compared, tolerance):
        return Verdict("within tolerance", order[0], order, compared)
    return Verdict("diverged", order[0], order, compared)


def _is_rounding(real: Sequence[Difference], compared: Tally, tolerance: float) -> bool:
    """Whether nothing differs by more than that.  How far weights are apart is not known: where they differ, so little
    must have come of them, and it must not be by chance."""
    amounts = [one.amount for one in real if not math.isnan(one.amount)]
    unknown = len(amounts) < len(real)
    return all(amount <= tolerance for amount in amounts) and not (unknown and (compared.by_chance or not amounts))


_STARTS = frozenset({"rng", "param"})
"""What a run begins with: where all that came of it is the same, it made no difference."""

_AROUND = frozenset({"exit", "run", "file", "output"})
"""What is not of a run that is in both."""


def _differences(store: Store, made: Plan, again: Store, code: int, compared: Tally) -> Iterator[Difference]:
    try:
        launched = made.job.get("launch") is not None  # then the launcher may have a job, too
        of = again.last_job(name=made.job["name"]) if launched else again.last_job(parents=True)
        job: dict[str, Any] | None = again.job(of)
    except NotFound:
        job = None
    compared["exit"] = 1
    if launched and job is not None:  # what a launcher exits with is its own
        code = (job["job"]["exit"] or {}).get("code", code)
    ends = list(_ends(made, job, code))
    failed = code != 0 and bool(ends)  # which is why the rest is not there
    yield from ends if failed else []
    found = job["runs"] if job is not None else []
    others = [run for run in found if run["parent"] is None]
    all_before = [run for run in store.job(made.job["id"])["runs"] if run["parent"] is None]
    pairs = _pairs(store, all_before, again, others)
    for run in made.runs:
        if run["id"] not in pairs:
            yield Difference("run", str(run["name"]), "recorded", "did not come to be")
        else:
            yield from _of_run(store, run["id"], again, pairs[run["id"]], compared)
    whole = len(made.runs) == len(all_before)
    for run in others if whole else ():
        if run["id"] not in pairs.values():
            yield Difference("run", str(run["name"]), None, "came to be besides")
    if job is not None and (whole or not pairs):
        own = {file["path"] for run in made.runs for file in store.run(run["id"])["artifacts"] if file["model"]}
        yield from outputs.written(store, made, made.job["files"], job["job"]["files"], own, compared)
    if job is not None:
        yield from outputs.printed(made, made.job["console"], job["job"]["console"], compared)
    yield from [] if failed else ends
    if job is None and not made.runs and (made.job["files"] or made.job["console"]):
        yield Difference("run", "the program", "recorded", "left nothing that could be compared")


def _ends(made: Plan, job: Mapping[str, Any] | None, code: int) -> Iterator[Difference]:
    """How the program has ended."""
    before = (made.job["exit"] or {}).get("code")
    raised, raises = _failure(made.job), _failure(job["job"] if job is not None else {})
    if before != code and before is not None:
        yield Difference("exit", "exit code", before, f"{code}, {raises}" if raises else code)
    elif before == code and raised != raises:
        yield Difference("exit", "exception", raised, raises)


def _kind(run: Mapping[str, Any]) -> tuple[Any, ...]:
    return run["name"], run["framework"], run["kind"]


def _pairs(
    store: Store, before: Sequence[Mapping[str, Any]], again: Store, now: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Which run of now is which of before: of those of a kind one that has begun with the same, in their order: threads
    may begin them in another one."""
    pairs: dict[str, str] = {}
    for kind in dict.fromkeys(map(_kind, before)):
        firsts = [run["id"] for run in before if _kind(run) == kind]
        seconds = [run["id"] for run in now if _kind(run) == kind]
        if len(firsts) > 1:
            begun = [(store, id) for id in firsts], [(again, id) for id in seconds]
            keys = [{id: (_params(run), _data(run)) for s, id in part for run in [s.run(id)]} for part in begun]
            for first in firsts:
                same = next((id for id in seconds if keys[1][id] == keys[0][first]), None)
                if same is not None:
                    pairs[first] = same
                    seconds.remove(same)
        pairs |= zip([id for id in firsts if id not in pairs], seconds, strict=False)
    return pairs


def _of_run(store: Store, first: str, again: Store, second: str, compared: Tally) -> Iterator[Difference]:
    before, now = store.run(first), again.run(second)
    count = _outcomes(compared)
    yield from of_names("param", _params(before), _params(now), compared)
    states = {name: found["state"] for name, found in now["generators"].items()}
    drawn, imported = _states(before)
    chance = list(of_names("rng", drawn, states, compared))
    yield from chance
    yield from of_names("data", _data(before), _data(now), compared)
    yield from _series(store, first, again, second, compared)
    models = [(run["model"] or {}).get("id") for run in (before, now)]
    if models[0] is not None and models[1] is not None:
        yield from of_names("model", {"weights": models[0]}, {"weights": models[1]}, compared)
    yield from _checkpoints(before["artifacts"], now["artifacts"], compared)
    yield from of_names("result", before["summary"], now["summary"], compared)
    trials = [s.trials(id) for s, id in ((store, first), (again, second))]
    for number, trial in enumerate(trials[0]):  # in the order in which they began
        other = trials[1][number] if number < len(trials[1]) else None
        metrics = (trial["metrics"], other["metrics"] if other is not None else {})
        for one in of_names("metric", *metrics, compared):
            yield one._replace(name=f"{one.name} of trial {number}")
    yield from of_names("rng", imported, states, compared)
    compared.by_chance = compared.by_chance or bool(chance)
    compared.unfounded = compared.unfounded or (bool(chance) and _outcomes(compared) == count)


def _outcomes(compared: Tally) -> int:
    """How much was compared of what shows whether a training was the same."""
    return sum(compared.get(what, 0) for what in ("points", "model", "checkpoint", "metric"))


def _params(run: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters but for those that hold paths, which are others in the fresh folder."""
    found = {param["name"]: param["value"] for param in run["params"]}
    return {name: value for name, value in found.items() if not (isinstance(value, str) and "/" in value)}


def _states(run: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The states of the generators as the run began, of those that its program has drawn from; Python's apart, where
    nothing was drawn since: some libraries draw from it when they are imported."""
    known = (run["job"]["seeds"] or {}).get("states", {})
    drawn, imported = dict[str, Any](), dict[str, Any]()
    for name, found in run["generators"].items():
        first, last = known.get(name, (None, None))
        if first is None or first != last:
            (imported if name == "python" and found["state"] == last else drawn)[name] = found["state"]
    return drawn, imported


def _data(run: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{used['role']} {used['name'] or ''}".strip() + f" {number}": used["id"]
        for number, used in enumerate(run["datasets"])
        if used["id"] is not None
    }


def _series(store: Store, first: str, again: Store, second: str, compared: Tally) -> Iterator[Difference]:
    """The first point of each series that differs, in the order of time."""
    before, now = _points(store, first), _points(again, second)
    found = []
    for name, (steps, times, values) in before.items():
        if TIMES.search(name):
            compared.timings[name] = None
            continue
        compared["series"] = compared.get("series", 0) + 1
        compared["points"] = compared.get("points", 0) + len(values)
        if name not in now:
            found.append((times[0], Difference("series", name, presented(float(values[0])), None, int(steps[0]))))
            continue
        steps_now, _, values_now = now[name]
        size = min(len(values), len(values_now))
        same = (steps[:size] == steps_now[:size]) & _equal(values[:size], values_now[:size])
        if not same.all():
            at = int(numpy.argmin(same))
            told = presented(float(values[at])), presented(float(values_now[at]))
            amount = _largest(values[:size], values_now[:size]) if len(values) == len(values_now) else math.inf
            found.append((times[at], Difference("series", name, *told, int(steps[at]), amount)))
        elif len(values) != len(values_now):
            at = min(size, len(times) - 1)
            lengths = f"{len(values)} points", f"{len(values_now)} points"
            found.append((times[at], Difference("series", name, *lengths, int(steps[at]))))
    for name in now.keys() - before.keys():
        if not TIMES.search(name):
            steps, times, values = now[name]
            found.append((math.inf, Difference("series", name, None, presented(float(values[0])), int(steps[0]))))
    yield from (difference for _, difference in sorted(found, key=lambda pair: pair[0]))


def _points(store: Store, run: str) -> dict[str, tuple[Any, Any, Any]]:
    parts: dict[str, list[tuple[Any, Any, Any]]] = {}
    for name, steps, times, values in store.points(run):
        parts.setdefault(name, []).append((steps, times, values))
    return {
        name: tuple(numpy.concatenate(column) for column in zip(*chunks, strict=True))  # type: ignore[misc]
        for name, chunks in parts.items()
    }


def _equal(before: Any, now: Any) -> Any:
    return (before == now) | (numpy.isnan(before) & numpy.isnan(now))


def _largest(before: Any, now: Any) -> float:
    """The largest relative difference."""
    with numpy.errstate(all="ignore"):
        largest = numpy.maximum(numpy.abs(before), numpy.abs(now))
        apart = numpy.where(_equal(before, now), 0.0, numpy.abs(before - now) / largest)
    return float(numpy.nan_to_num(apart, nan=math.inf).max(initial=0.0))


def _checkpoints(
    before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]], compared: Tally
) -> Iterator[Difference]:
    """The weights in the files that the run wrote, in their order."""
    models = [[file for file in files if file["mode"] == "written" and file["model"]] for files in (before, now)]
    for one, other in zip(*models, strict=False):
        compared["checkpoint"] = compared.get("checkpoint", 0) + 1
        if one["model"] != other["model"]:
            name = one["path"].rpartition("/")[2] + (f" at step {one['step']}" if one["step"] is not None else "")
            yield Difference("model", name, one["model"], other["model"], amount=math.nan)
    if len(models[0]) > len(models[1]):
        missing = models[0][len(models[1])]["path"].rpartition("/")[2]
        yield Difference("model", missing, "written", "not written")


def _failure(job: Mapping[str, Any]) -> str | None:
    """The exception that a program ended with."""
    failure = (job.get("exit") or {}).get("failure")
    return f"{failure['type']}: {failure['message']}" if failure else None
