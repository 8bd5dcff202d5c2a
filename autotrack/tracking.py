"""Turning recording on and off, and adding values by hand.

None of these functions raises because recording failed; they raise TypeError and ValueError for arguments
that can't be meant, whether recording is on or not.
"""

from __future__ import annotations

import atexit
import os
import sys
import time

from autotrack import context, notebook, plugins, settings, shield
from autotrack.job import Job
from autotrack.journal import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeVar

    from autotrack.settings import Settings
    from autotrack.strand import Strand

    Function = TypeVar("Function", bound=Callable[..., Any])


class _State:
    registry: plugins.Registry | None = None
    hooked = False
    """Whether the handlers that can't be taken back (of fork and exit) are in place."""


def enable(
    *,
    dir: str | os.PathLike[str] | None = None,
    quiet: bool | None = None,
    strict: bool | None = None,
    skip: tuple[str, ...] | None = None,
    code: bool | None = None,
    how: str = "enable",
) -> None:
    """Record from here on.  Frameworks may have been imported before, or come later; calling it again, or with
    `AUTOTRACK_DISABLED=1`, does nothing.

    `dir`: the folder to record into, instead of the nearest `.autotrack`.  `quiet`: print nothing.  `skip`:
    frameworks to leave alone, by the name of their module.  `code`: whether the program's code is kept.  `strict`:
    raise what goes wrong inside autotrack instead of noting it (for tests of plugins).  Raises SettingsError for a
    setting that can't be used.
    """
    if context.Current.job is not None:
        return
    given = {"dir": dir, "quiet": quiet, "strict": strict, "skip": skip, "code": code}
    try:
        chosen = settings.load(given, os.environ, _folder())
    except settings.SettingsError as error:
        if how != "run":
            raise
        if not process.is_worker():
            shield.complain(f"Nothing is recorded: {error}")
        return
    if not chosen.disabled:
        begun = time.thread_time()
        shield.configure(strict=chosen.strict, listener=None)
        shield.contain("enable", _enable, chosen, how)
        if _State.registry is not None:
            _State.registry.spent["autotrack.enable"] = time.thread_time() - begun


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return "/"


def _enable(chosen: Settings, how: str) -> None:
    job = Job(chosen, how)
    if not _State.hooked:
        _State.hooked = True
        atexit.register(_at_exit)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork)
    context.Current.job, context.Current.begun = job, None
    _State.registry = registry = plugins.Registry(chosen, plugins.discover(sys.path))
    shield.configure(strict=chosen.strict, listener=_note_failure, switched=_note_switch)
    job.at_close.append(_report_receipt)
    job.at_opening.append(_report_receipts)
    if not process.serves_resources():
        _watch_console(job, registry)
    job.watch_exit()
    job.before_training.append(lambda: _read_variables(job))
    registry.start()
    if job.role == "spawn" and not process.serves_resources():
        registry.follow_workers()


def _watch_console(job: Job, registry: plugins.Registry) -> None:
    from autotrack.capture.console import Console
    from autotrack.capture.files import Files

    job.files = Files(job)
    job.files.follow()
    job.files.follow_readers(registry.when)
    job.at_opening.append(lambda job: job.files.begin() if job.files is not None else None)
    job.console = Console(job)
    job.console.attach()
    registry.follow_console(job.console)
    notebook.follow_output(job)
    job.at_opening.append(lambda job: job.console.begin() if job.console is not None else None)


def _read_variables(job: Job) -> None:
    if job.tells:
        from autotrack.capture import variables

        variables.Variables(job).look()


def disable() -> None:
    """Stop recording: close the job, and put back everything that was replaced and is still ours."""
    job, registry = context.Current.job, _State.registry
    if job is None:
        return
    job.end(disabled=True)
    if job.console is not None:
        shield.contain("disable", job.console.detach)
    if job.files is not None:
        job.files.leave()
    context.Current.job = None
    _State.registry = None
    shield.contain("disable", job.let_go)
    shield.contain("disable", _forget)
    job.unwatch_exit()
    if registry is not None:
        shield.contain("disable", registry.stop)
    shield.configure(strict=False, listener=None)


def _forget() -> None:
    """Let go of the user's objects that are kept."""
    for name in ("predictions", "trained"):
        module = sys.modules.get(f"autotrack.{name}")
        if module is not None:
            module.forget()


def _at_exit() -> None:
    """The program is over.  What the interpreter keeps for good, as it does the functions for forks, must lead to
    nothing of the program's from here on: it would not be finalized."""
    job = context.Current.job
    if job is not None:
        shield.quietly(job.end)
        if job.console is not None:
            shield.quietly(job.console.detach)
        shield.quietly(_forget)
        if _State.registry is not None:
            shield.quietly(_State.registry.stop)


def _before_fork() -> None:
    if context.Current.job is not None:
        shield.contain("fork", context.Current.job.before_fork)


def _after_fork_in_parent() -> None:
    if context.Current.job is not None:
        shield.contain("fork", context.Current.job.after_fork_in_parent)


def _after_fork() -> None:
    if context.Current.job is not None:
        shield.contain("fork", context.Current.job.after_fork)
    if _State.registry is not None:
        shield.contain("fork", _State.registry.after_fork)


NOTED_FAILURES = 5
"""How often a failure at one place becomes a gap; what happens at every step would fill the disk."""


def _note_failure(where: str, text: str) -> None:
    """A contained failure becomes a gap of the job, with its traceback.  Where there is no journal to say so, the
    last line of the program does."""
    job = context.Current.job
    if job is None:
        return
    if job.segment is None:
        job.missed(f"{where}: {text.strip().rpartition(chr(10))[2]}")
        return
    noted = job.failures[where] = job.failures.get(where, 0) + 1
    if noted <= NOTED_FAILURES:
        from autotrack import events
        from autotrack.capture.secrets import redact
        from autotrack.values import storable

        more = "\nIt is not noted any more from here on." if noted == NOTED_FAILURES else ""
        why = storable(redact(text)[-4000:] + more)
        job.report(events.GapFound(time=time.time(), strand=None, what=storable(f"autotrack: {where}"), why=why))


def _note_switch(name: str, why: str) -> None:
    """What is switched off becomes a gap of the job, by way of the recorder, for this may be in the midst of a
    training's step; and a word at the end of the program."""
    job = context.Current.job
    if job is not None:
        job.switched_off.append(name)
        if job.recorder is not None:
            job.recorder.later("a gap", lambda: _report_switch(job, name, why))
        else:
            job.at_opening.append(lambda opened: _report_switch(opened, name, why))


def _report_switch(job: Job, name: str, why: str) -> None:
    from autotrack import events
    from autotrack.capture.secrets import redact
    from autotrack.values import storable

    text = storable(redact(f"not observed any more, since it {why}"))
    job.report(events.GapFound(time=time.time(), strand=None, what=storable(name), why=text))


def _report_receipt() -> None:
    job, registry = context.Current.job, _State.registry
    if job is not None and registry is not None and job.segment is not None:
        from autotrack import receipts

        receipts.report(job, registry)


FIRST_RECEIPT = 30.0
"""Seconds after which the receipt is written for the first time; then after as long again, and so on: a program that
is killed has one, and one that runs for weeks has few."""


def _report_receipts(job: Job) -> None:
    from autotrack import receipts  # noqa: F401 - not on the recorder's thread, which imports nothing

    begun = due = time.monotonic()

    def report() -> None:
        nonlocal due
        now = time.monotonic()
        if now - begun >= FIRST_RECEIPT and now >= due:
            due = now + (now - begun)
            _report_receipt()

    if job.recorder is not None:
        job.recorder.each_period(report)


# By hand


def log(values: Mapping[str, Any], step: int | None = None) -> None:
    """Add values to the run that is open here, else to the one that ran last here, else to one of the program.

    Numbers become points of a series each, at `step` (by default one after the series' last step that was
    logged so); anything else becomes a value of the run.  Raises TypeError where `values` is no mapping with
    text keys, or `step` no integer.
    """
    job = context.Current.job
    if job is not None and job.log_first is not None and type(values) is dict:
        done = job.log_first(values, step)
        if done == len(values):
            return
        if isinstance(done, int) and done:
            values = dict(list(values.items())[done:])
    if not hasattr(values, "items"):
        raise TypeError(f"autotrack.log takes a dict of names and values, not {type(values).__name__}")
    for name in values:
        if not isinstance(name, str):
            raise TypeError(f"autotrack.log: the name {name!r} is a {type(name).__name__}, not a text")
    if step is not None and not hasattr(step, "__index__"):
        raise TypeError(f"autotrack.log: step is a {type(step).__name__}, not an integer")
    job = context.Current.job
    if job is not None:
        shield.contain("autotrack.log", _log, job, values, step)


def _log(job: Job, values: Mapping[str, Any], step: int | None) -> None:
    job.prepare()
    from autotrack import manual

    context.aside(manual.log, job, values, step)


def tag(*names: str, **values: Any) -> None:
    """Tag the run that is open here, else the one that ran last here, else the job: `tag("good", owner="kim")`.

    Raises TypeError for a name that is no text.
    """
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"autotrack.tag: the name {name!r} is a {type(name).__name__}, not a text")
    job = context.Current.job
    if job is not None:
        shield.contain("autotrack.tag", _tag, job, {**dict.fromkeys(names, True), **values})


def _tag(job: Job, values: Mapping[str, Any]) -> None:
    job.prepare()
    from autotrack import manual

    context.aside(manual.tag, job, values)


class run:  # noqa: N801
    """A run of one's own: `with autotrack.run("name"):`; what is trained inside belongs to it.

    Nested ones become child runs.  Usable as a decorator as well.  `name` defaults to "run"; `tags` as for
    `autotrack.tag`.  The run ends with the block: finished, or failed with the exception that leaves it.
    """

    def __init__(self, name: str = "run", **tags: Any) -> None:
        if not isinstance(name, str):
            raise TypeError(f"autotrack.run takes a name, not {type(name).__name__}")
        self.name = name
        self._tags = tags
        self._open: list[tuple[Strand, context.Place | None]] = []

    @property
    def id(self) -> str | None:
        """The id of the run while it is open and recorded, else None."""
        return self._open[-1][0].id if self._open else None

    def __enter__(self) -> run:
        job = context.Current.job
        if job is not None:
            before = context.opened.get()
            try:
                shield.contain("autotrack.run", self._begin, job)
            except BaseException:  # a signal handler of the user's: the block is not entered
                context.put(context.opened, before)
                raise
        return self

    def _begin(self, job: Job) -> None:
        job.prepare()
        if _State.registry is not None:
            _State.registry.follow_workers()
        from autotrack import manual

        strand = context.aside(manual.open_run, job, self.name, self._tags)
        before = context.opened.get()
        context.put(context.opened, strand)
        self._open.append((strand, before))

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if self._open:
            strand, before = self._open.pop()
            context.put(context.opened, before)  # not `reset`: a generator may be ended in another context
            shield.contain("autotrack.run", _end_run, strand, error)

    def __call__(self, function: Function) -> Function:
        import functools

        @functools.wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Any:
            with run(self.name, **self._tags):
                return function(*args, **kwargs)

        return inner  # type: ignore[return-value]


def _end_run(strand: Strand, error: BaseException | None) -> None:
    from autotrack.exits import exit_code

    if error is None or (isinstance(error, SystemExit) and exit_code(error.code) == 0):
        strand.end("finished")
    else:
        strand.end("failed" if isinstance(error, (Exception, SystemExit)) else "interrupted", error)
