"""How a run compares with the same program run once more: to the bit, within a tolerance, or where they part.

What is compared, in the order in which one thing leads to another: parameters, data, the state of the generators of
random numbers, the points of every series in the order of time, the model's weights, metrics and results, and files
that hold no model.  What measures time or the machine is left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy

from autotrack.store import NotFound, Store
from autotrack.store.present import presented

if TYPE_CHECKING:
    from autotrack.reproduce.plan import Plan

TIMES = re.compile(
    r"(^|[._/ -])((\w*_)?(times?|runtime|seconds?|secs?|duration|elapsed|latency|throughput|fps|it/s|memory|timestamp)"
    r"|(?<!\w)speed|\w*per_sec|time_(per|for|to|elapsed|taken)_?\w*)$|^(time|timing|perf|profiler?|throughput|system)[./]",
    re.IGNORECASE,
)
"""Names of what measures time or the machine: by their last word, or by their first part."""
_CLOCK = re.compile(
    r"\d+(\.\d+)?\s*(s|secs?|seconds?|ms|us|µs|min|minutes?|h|hours?|it/s|s/it|fps|[KMGT]i?B)\b"
    r"|\b\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?([.,]\d+)?|\b\d+:\d\d(:\d\d)?([.,]\d+)?\b",
)
"""What in a line tells the time, or how long something took."""
_ARRAYS = (".npy", ".npz", ".safetensors", ".parquet")
"""Files that hold nothing but what was computed."""


class Difference(NamedTuple):
    """Something that is not as it was.  `what`: `exit`, `run`, `param`, `data`, `rng`, `series`, `model`, `metric`,
    `result`, `file`, `output`, or one of the plan's changes; `amount`: relative, of numbers; NaN where that is not
    known, as of weights by their digests."""

    what: str
    name: str
    before: Any
    now: Any
    step: int | None = None
    amount: float = math.inf


class Verdict(NamedTuple):
    """`kind`: `bitwise`, `within tolerance` or `diverged`; the differences, the first one first."""

    kind: str
    first: Difference | None
    differences: list[Difference]
    compared: dict[str, int]
    """How many of each kind of thing were the same or not."""


def verdict(store: Store, made: Plan, again: Store, code: int, tolerance: float) -> Verdict:
    """Compare what was recorded of a plan's runs with what is in another store, of the job that exited with `code`."""
    compared: dict[str, int] = {}
    found = list(_differences(store, made, again, code, compared))
    real = [one for one in found if one.what not in _STARTS]
    if not real:
        return Verdict("bitwise", None, found, compared)
    if all(one.what in _AROUND for one in real):  # the runs came to the same
        found = [*real, *(one for one in found if one.what in _STARTS)]
    causes = [Difference(what, text, None, None) for what, text in made.changes]
    order = [*causes, *found]
    if _is_rounding(real, found, tolerance):
        return Verdict("within tolerance", order[0], order, compared)
    return Verdict("diverged", order[0], order, compared)


def _is_rounding(real: Sequence[Difference], found: Sequence[Difference], tolerance: float) -> bool:
    """Whether nothing differs by more than that.  How far weights are apart is not known: where they differ, so little
    must have come of them, and it must not be by chance."""
    amounts = [one.amount for one in real if not math.isnan(one.amount)]
    unknown, by_chance = len(amounts) < len(real), any(one.what == "rng" for one in found)
    return all(amount <= tolerance for amount in amounts) and not (unknown and (by_chance or not amounts))


_STARTS = frozenset({"rng", "param"})
"""What a run begins with: where all that came of it is the same, it made no difference."""

_COMES = frozenset({"data", "metric"})
"""What comes of a run: it is another one where there is more of that."""
_AROUND = frozenset({"exit", "run", "file", "output"})
"""What is not of a run that is in both."""


def _differences(store: Store, made: Plan, again: Store, code: int, compared: dict[str, int]) -> Iterator[Difference]:
    try:
        launched = made.job.get("launch") is not None  # then the launcher may have a job, too
        of = again.last_job(name=made.job["name"]) if launched else again.last_job(parents=True)
        job: dict[str, Any] | None = again.job(of)
    except NotFound:
        job = None
    before = (made.job["exit"] or {}).get("code")
    compared["exit"] = 1
    found = job["runs"] if job is not None else []
    others = [run for run in found if run["parent"] is None]
    all_before = [run for run in store.job(made.job["id"])["runs"] if run["parent"] is None]
    pairs = []
    for run in made.runs:
        alike = [one["id"] for one in all_before if _kind(one) == _kind(run)]
        now = [one for one in others if _kind(one) == _kind(run)]
        at = alike.index(run["id"])
        if at >= len(now):
            yield Difference("run", str(run["name"]), "recorded", "did not come to be")
        else:
            pairs.append((run["id"], now[at]["id"]))
    for first, second in pairs:
        yield from _of_run(store, first, again, second, compared)
    if job is not None and (not pairs or len(made.runs) == len(all_before)):
        yield from _files(made, made.job["files"], job["job"]["files"], compared, models=bool(pairs))
    if not pairs and not made.runs and job is not None:
        compared["output"] = 1
        texts = [_printed(one, made) for one in (made.job["console"], job["job"]["console"])]
        if texts[0] != texts[1]:
            yield Difference("output", "what it printed", *_first_lines(*texts))
    if launched and job is not None:  # what a launcher exits with is its own
        code = (job["job"]["exit"] or {}).get("code", code)
    if before != code and before is not None:
        yield Difference("exit", "exit code", before, code)
    raised, raises = _failure(made.job), _failure(job["job"] if job is not None else {})
    if before == code and raised != raises:
        yield Difference("exit", "exception", raised, raises)
    if job is None and not made.runs and (made.job["files"] or made.job["console"]):
        yield Difference("run", "the program", "recorded", "left nothing that could be compared")


def _kind(run: Mapping[str, Any]) -> tuple[Any, ...]:
    return run["name"], run["framework"], run["kind"]


def _of_run(store: Store, first: str, again: Store, second: str, compared: dict[str, int]) -> Iterator[Difference]:
    before, now = store.run(first), again.run(second)
    yield from _of_names("param", _params(before), _params(now), compared)
    states = {name: found["state"] for name, found in now["generators"].items()}
    drawn, imported = _states(before)
    yield from _of_names("rng", drawn, states, compared)
    yield from _of_names("data", _data(before), _data(now), compared)
    yield from _series(store, first, again, second, compared)
    models = [(run["model"] or {}).get("id") for run in (before, now)]
    if models[0] is not None and models[1] is not None:
        yield from _of_names("model", {"weights": models[0]}, {"weights": models[1]}, compared)
    yield from _checkpoints(before["artifacts"], now["artifacts"], compared)
    yield from _of_names("result", before["summary"], now["summary"], compared)
    trials = [s.trials(id) for s, id in ((store, first), (again, second))]
    for number, trial in enumerate(trials[0]):  # in the order in which they began
        other = trials[1][number] if number < len(trials[1]) else None
        metrics = (trial["metrics"], other["metrics"] if other is not None else {})
        for one in _of_names("metric", *metrics, compared):
            yield one._replace(name=f"{one.name} of trial {number}")
    yield from _of_names("rng", imported, states, compared)


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


def _of_names(
    what: str, before: Mapping[str, Any], now: Mapping[str, Any], compared: dict[str, int]
) -> Iterator[Difference]:
    for name, value in before.items():
        if what in ("metric", "result") and TIMES.search(name):
            continue
        compared[what] = compared.get(what, 0) + 1
        other = now.get(name)
        if other is None and what == "result":  # some are left out where the machine is slow
            continue
        if value != other:
            yield Difference(what, name, value, other, amount=math.nan if what == "model" else _relative(value, other))
    for name, value in now.items():
        if what in _COMES and name not in before and not TIMES.search(name):
            yield Difference(what, name, None, value)


def _relative(before: Any, now: Any) -> float:
    """How far two numbers are apart, of the larger one; infinite for what is none."""
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (before, now))
    if not numbers:
        return math.inf
    largest = max(abs(before), abs(now))
    return abs(before - now) / largest if largest else 0.0


def _series(store: Store, first: str, again: Store, second: str, compared: dict[str, int]) -> Iterator[Difference]:
    """The first point of each series that differs, in the order of time."""
    before, now = _points(store, first), _points(again, second)
    found = []
    for name, (steps, times, values) in before.items():
        if TIMES.search(name):
            continue
        compared["series"] = compared.get("series", 0) + 1
        compared["points"] = compared.get("points", 0) + len(values)
        if name not in now:
            found.append((times[0], Difference("series", name, values[0], None, int(steps[0]))))
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
    before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]], compared: dict[str, int]
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


def _files(
    made: Plan,
    before: Sequence[Mapping[str, Any]],
    now: Sequence[Mapping[str, Any]],
    compared: dict[str, int],
    *,
    models: bool,
) -> Iterator[Difference]:
    """The files that the job wrote and that hold no model; where there are `models` to compare, those that hold nothing
    but results: a log may hold the time."""
    held = {file["path"] for file in before if file["model"]}
    written = {file["path"]: file for file in now if file["mode"] == "written" and file["path"] not in held}
    unlike: list[str] = []
    for path, digest in {file["path"]: file["digest"] for file in before if file["mode"] == "written"}.items():
        other = written.get(made.places.seen(path)) or written.get(path)
        if models and not path.endswith(_ARRAYS):
            if other is not None and other["digest"] != digest and None not in (other["digest"], digest):
                unlike.append(path.rpartition("/")[2])
            continue
        compared["file"] = compared.get("file", 0) + 1
        if other is None or other["digest"] != digest:
            amount = math.nan if other is not None and path.endswith(_ARRAYS) else math.inf
            now_it_is = other["digest"] if other is not None else None
            yield Difference("file", path.rpartition("/")[2], digest, now_it_is, amount=amount)
    if unlike:
        names = ", ".join(unlike[:5]) + (f" and {len(unlike) - 5} more" if len(unlike) > 5 else "")
        made.notes.append(f"not as before, and not compared, for they may tell the time: {names}")


def _failure(job: Mapping[str, Any]) -> str | None:
    """The exception that a program ended with."""
    failure = (job.get("exit") or {}).get("failure")
    return f"{failure['type']}: {failure['message']}" if failure else None


def _printed(parts: Sequence[Mapping[str, Any]], made: Plan) -> str:
    """What was printed, without what tells the time; paths in the fresh folder as they were."""
    text = "".join(part["text"] for part in parts if part["stream"] == "stdout")
    for part in made.places.parts:
        text = text.replace(part.fresh, part.old)
    return _CLOCK.sub("#", text)


def _first_lines(before: str, now: str) -> tuple[str, str]:
    for one, other in zip(before.splitlines(), now.splitlines(), strict=False):
        if one != other:
            return one, other
    return f"{len(before.splitlines())} lines", f"{len(now.splitlines())} lines"
