"""The job of this process: opened with the first thing worth recording, closed when the program ends.

A job is one start of a program with all its processes.  Forked and spawned workers write segments of their
own into the job of the program that started them.  A program that did nothing recordable leaves nothing.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import deque

from autotrack import exits, lastwords, libraries, ranks, shield
from autotrack.ids import new_id
from autotrack.journal import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FrameType
    from typing import Any
    from weakref import ref

    from autotrack.artifacts import Checkpoint
    from autotrack.capture.arguments import Arguments
    from autotrack.capture.console import Console
    from autotrack.capture.files import Files
    from autotrack.duplicates import Duplicates
    from autotrack.events import Event
    from autotrack.exits import ExitWatch, Outcome
    from autotrack.identity.profiles import Profiles
    from autotrack.journal.segment import Segment
    from autotrack.leakage import Leakage
    from autotrack.recorder import Recorder
    from autotrack.settings import Settings
    from autotrack.strand import Strand

VARIABLE = "AUTOTRACK_JOB"
"""Environment variable by which child processes know the job that started them, and the folder that it records
into: `<id>:<folder>`."""

FORK_PATIENCE = 0.5
"""Seconds that a fork may wait for what we are doing."""
IMPORT_PATIENCE = 10.0
"""Seconds that it may wait for our imports: the child of a fork in their midst could never import these modules."""


def _taken(acts: list[Callable[[], None]]) -> Iterator[Callable[[], None]]:
    """Those that wait and those that are added meanwhile, each for one of the threads that ask at the same time."""
    while True:
        try:
            act = acts.pop(0)
        except IndexError:
            return
        yield act


class Job:
    """What this process knows of its job.  Everything recorded goes through `report`.

    `role` is `main`, `spawn` or `fork` in a worker of the same program, or `rank` in a process that a launcher started
    beside the main one.
    """

    def __init__(self, settings: Settings, how: str) -> None:
        self.settings = settings
        self.how = how
        self._inherited = os.environ.get(VARIABLE)
        starter, _, its_root = (self._inherited or "").partition(":")
        self.role = "spawn" if starter and process.is_worker() else "main"
        self.cwd = _cwd()
        self.root = its_root if self.role == "spawn" and its_root else self._root()
        """The `.autotrack` folder, which stays the same wherever the program or its workers change to."""
        launched = ranks.launched(self.root, starter) if self.role == "main" else None
        self.launched = launched is not None
        self.rank = launched.number if launched is not None else None
        """Of this process in a distributed training, where it is one."""
        if launched is not None and launched.local > 0:
            self.role = "rank"
        if launched is not None and launched.job == starter:
            self.root = its_root or self.root
        self.tells = self.role == "main"
        """Whether this process tells what the program was given: the first one that has something to record."""
        self.id = starter if self.role == "spawn" else launched.job if launched is not None else new_id()
        self.parent = starter or None if self.role == "main" else None
        self.pid = os.getpid()
        self.started = time.time()
        self.runs = 0
        self.evaluations = 0
        self.told: dict[str, deque[float]] = {}
        """What libraries have logged, by what a print of it would be called."""
        self.lost = 0
        self.segment: Segment | None = None
        self.recorder: Recorder | None = None
        self.profiles: Profiles | None = None
        self.leakage: Leakage | None = None
        self.console: Console | None = None
        self.files: Files | None = None
        self.duplicates: Duplicates | None = None
        self.artifacts: dict[tuple[str, bool], int] = {}
        """By path of each file on record, and whether it was written: the number that it had last."""
        self.checkpoints: dict[str, Checkpoint] = {}
        """By path of each checkpoint that was written, what is known of it, until it is moved: the last ones."""
        self.outputs: deque[str] = deque()
        """The paths of files that were written, until later jobs know of them."""
        self.at_opening: list[Callable[[Job], None]] = []
        """Called when the journal of a process has been opened, in the thread that had the first thing to record."""
        self.before_opening: list[Callable[[], None]] = []
        """Called before that: to `know` what is kept until there is something to record."""
        self.before_training: list[Callable[[], None]] = []
        """Called once, before the next training begins, in its thread."""
        self.before_next_training: list[Callable[[], None]] = []
        """Called so before the one after that."""
        self.arguments: Arguments | None = None
        self.at_end: list[Callable[[], None]] = []
        """Called when the process ends, before the journal is closed."""
        self.at_close: list[Callable[[], None]] = []
        """Called after that, when the recorder has nothing left to do."""
        self.logged: Strand | None = None
        """What the program logs outside of any run belongs to this, once there is something."""
        self.log_first: Callable[[dict[str, Any], int | None], object] | None = None
        """How to log what takes no more than a point each, once something was logged: `manual.log_first`."""
        self.unfinished: dict[str, Strand] = {}
        """Strands that have begun in this process and not ended."""
        self.trainings: list[tuple[tuple[tuple[CodeType, int], ...], ref[Strand]]] = []
        """The last trainings that no single call makes, each with the calls that it began within."""
        self.switched_off: list[str] = []
        """Patches whose observers took too long, or failed time and again."""
        self.ending = 0.0
        """When the end of the program began, as `time.perf_counter` has it."""
        self.failures: dict[str, int] = {}
        """How often something of ours failed, by where."""
        self._facts: dict[str, object] = {}
        self.trouble = ""
        """Why what is lost is lost."""
        self._refused: OSError | None = None
        """Why the journal could not be opened; that is tried once."""
        self._lock = threading.RLock()
        self._artifacts = 0
        self._prepared = False
        self._work: shield.Undisturbed | None = None
        self._forking: set[int] = set()
        """Threads that hold the lock while they fork."""
        self._ended = False
        self._exit: ExitWatch | None = None
        self._main: FrameType | None = None
        self._mark = f"{self.id}:{self.root}"
        os.environ[VARIABLE] = self._mark
        if launched is not None:
            os.environ[ranks.VARIABLE] = str(launched.number)

    def _root(self) -> str:
        from autotrack.journal import folder

        chosen = self.settings.dir
        return os.path.normpath(os.path.join(self.cwd, chosen)) if chosen else folder.find(self.cwd)

    @property
    def ended(self) -> bool:
        return self._ended

    # Recording

    def report(self, event: Event) -> bool:
        """Append an event.  Never raises OSError: what can't be written is counted and told at the end."""
        try:
            self.opened().write(event)
        except OSError as error:
            self.failed(error)
            return False
        return True

    def opened(self) -> Segment:
        """The segment of this process, opened on first use.  Raises OSError where it can't be."""
        segment = self.segment
        if segment is None:
            with self._lock:
                if self.segment is None:
                    self._open()
                segment = self.segment
                assert segment is not None
        return segment

    def prepare(self) -> None:
        """Import what recording takes, with the lock held: see `before_fork`."""
        if not self._prepared:
            with self._lock:
                self._do(_import_all)
                self._prepared = True

    def undisturbed(self, function: Callable[[], None]) -> None:
        """Import something where the program's signal handlers do not come into it: what they raise there may leave
        the import system locked, and the next import waits for ever."""
        with self._lock:
            if self._work is not None:  # which was left
                self._do(function)
            self._do(function)

    def _do(self, function: Callable[[], None]) -> None:
        """Do something that may not be left half-done, or go on with what an interrupted call of this has left."""
        work = self._work
        if work is None:
            work = self._work = shield.Undisturbed(function)
        try:
            work.finish()
        finally:
            if work.done:
                self._work = None

    def know(self, section: str, value: object) -> None:
        """A section of what is known of the job, as `values.plain` makes it and without secrets; the last one wins.
        Nothing to record by itself: it is written once there is."""
        self._facts[section] = value
        if self.segment is not None:
            self._report_fact(section, value)

    def fact(self, section: str) -> object:
        """What is known of a section; None where that is nothing yet."""
        return self._facts.get(section)

    def training_begins(self) -> None:
        """A training is about to begin."""
        self.prepare()
        for act in _taken(self.before_training):
            shield.contain("before training", act)
        self.before_training.extend(list(_taken(self.before_next_training)))

    def is_rank(self, number: int) -> None:
        """This process has told which one it is of a distributed training."""
        from autotrack import events

        if number != self.rank or self.segment is None:
            self.rank = number
            if self.segment is not None:
                self.report(events.ProcessRank(time=time.time(), rank=number))

    def _report_fact(self, section: str, value: object) -> None:
        from autotrack import events

        self.report(events.JobFacts(time=time.time(), section=section, value=value))

    def failed(self, error: OSError) -> None:
        """Something could not be written."""
        self.lost += 1
        why = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
        self.trouble = f"{why}. Set AUTOTRACK_DIR to a folder that can be written."

    def missed(self, why: str) -> None:
        """Something of ours failed when there was no journal to say so."""
        self.lost += 1
        self.trouble = self.trouble or why

    def next_artifact(self) -> int:
        with self._lock:
            self._artifacts += 1
            return self._artifacts

    def _open(self) -> None:
        if self._refused is not None:
            raise OSError(self._refused.errno, self._refused.strerror, self._refused.filename)
        if self._ended:
            raise OSError(None, "recording had ended")
        self.prepare()
        for tell in self.before_opening:
            shield.contain("opening", tell)
        try:
            self._do(self._open_once)
        except OSError as error:
            self._refused = error
            raise
        if self.role == "main":
            self._main = exits.main_frame()
        for section, value in list(self._facts.items()):
            self._report_fact(section, value)
        for act in self.at_opening:
            shield.contain("opening", act, self)

    def _open_once(self) -> None:
        from autotrack import lifecycle

        if self.segment is None:
            lifecycle.open_segment(self)

    def note_outputs(self) -> None:
        """Let later jobs know which files this one has written.  Raises OSError."""
        if self.outputs:
            from autotrack import artifacts

            artifacts.note_outputs(self)

    # Processes

    def before_fork(self) -> None:
        """Let nobody be opening the journal (a thread that imports would leave its locks held in the child),
        and no thread of ours run: a program that forks with threads is warned about it from Python 3.12 on."""
        here = threading.get_ident()
        self._forking.add(here)  # first: a signal handler that raises once it is locked would leave it so
        if not self._lock.acquire(timeout=FORK_PATIENCE if self._prepared else IMPORT_PATIENCE):
            self._forking.discard(here)
        if self._work is not None:
            self._work.wait(FORK_PATIENCE)
        if self.recorder is not None:
            self.recorder.pause(FORK_PATIENCE)

    def after_fork_in_parent(self) -> None:
        if threading.get_ident() in self._forking:
            self._forking.discard(threading.get_ident())
            with contextlib.suppress(RuntimeError):  # it was not locked
                self._lock.release()
        if self.recorder is not None and not self._ended:
            self.recorder.start()

    def after_fork(self) -> None:
        """In a forked child: let go of the parent's files before anything else; own ones come with the
        first thing to record."""
        self._lock = threading.RLock()
        segment, self.segment, self.recorder, self.duplicates = self.segment, None, None, None
        handles = sys.modules.get("autotrack.handles")
        if handles is not None:
            handles.forget()
        if self.profiles is not None:
            self.profiles.after_fork()
        self.leakage = None
        if self.console is not None:
            self.console.after_fork()
        if self.files is not None:
            self.files.after_fork()
        self.role, self.rank, self.pid = "fork", None, os.getpid()
        self._artifacts = 0
        self.artifacts = {}
        self.outputs = deque()
        self.checkpoints = {}
        if segment is not None:  # else the parent has not written them, and may never have anything to record
            self._facts = {}
            self.before_opening, self.before_training, self.arguments = [], [], None
            self.tells = False
        self.lost = 0
        self.trouble = ""
        self._refused = None
        self._forking = set()
        self._work = None
        self._main = None
        self.unfinished, self.logged = {}, None
        if segment is not None:
            segment.forget()
        multiprocessing = sys.modules.get("multiprocessing.util")
        if multiprocessing is not None:
            # Its children leave with os._exit, which runs no atexit function; and before they begin, they clear
            # the finalizers that there are (`BaseProcess._bootstrap`), and then call what is registered here.
            multiprocessing.register_after_fork(self, _end_with_multiprocessing)

    # The end

    def watch_exit(self) -> None:
        """Note what exit codes are asked for: nothing tells the code once the interpreter ends."""
        self._exit = exits.ExitWatch()

    def unwatch_exit(self) -> None:
        if self._exit is not None:
            self._exit.undo()

    def end(self, *, disabled: bool = False) -> None:
        """Close the job in this process.  Called once, when the interpreter ends or recording is disabled."""
        if self._ended or self.pid != os.getpid():
            return
        self.ending = time.perf_counter()
        outcome = self._outcome(disabled)
        if self.files is not None:
            shield.contain("files", self.files.finish, not disabled)
        if self.console is not None:
            shield.contain("console", self.console.finish)
        if self.segment is None and self.role == "main":
            shield.contain("opening", self._join_workers)
        self._ended = True
        self._main = None
        for strand in list(self.unfinished.values()):
            shield.contain("end", self._end_strand, strand, outcome)
        for close in self.at_end:
            shield.contain("end", close)
        if self.segment is not None:
            from autotrack import lifecycle

            shield.contain("end", lifecycle.close_segment, self, outcome)
        if self.files is not None and self.role == "main":
            shield.contain("end", self.files.forget_workers)
        if self.role == "main":
            lastwords.tell(self)

    def _join_workers(self) -> None:
        """Open the journal where workers have recorded into this job: what the program was, it alone knows."""
        from autotrack.journal.folder import Folder

        if os.path.isdir(Folder(self.root).job(self.id)):
            try:
                self.opened()
            except OSError as error:
                self.failed(error)

    def let_go(self) -> None:
        """After the end, in a program that goes on: close the files, and be known to child processes no more."""
        if self.segment is not None:
            self.segment.close()
        if os.environ.get(VARIABLE) == self._mark:
            os.environ.pop(ranks.VARIABLE, None)
            if self._inherited is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = self._inherited

    def _end_strand(self, strand: Strand, outcome: Outcome) -> None:
        """A strand that the program left open.  A training whose end nothing tells, and what was logged outside of any
        run, end as the program does."""
        if strand.kind not in ("training", "log", "printed"):
            strand.end("interrupted")
        elif outcome.error is not None:
            strand.end("failed" if isinstance(outcome.error, Exception) else "interrupted", outcome.error)
        else:
            strand.end("failed" if outcome.code else "finished")

    def _outcome(self, disabled: bool) -> Outcome:
        if disabled:
            return exits.Outcome(0, "disable")
        return exits.outcome(self._main, self._exit.noted if self._exit is not None else None)


def _import_all() -> None:
    from autotrack import artifacts, leakage, lifecycle, manual  # noqa: F401
    from autotrack.capture import arguments, gpu, surroundings, transcript, variables  # noqa: F401
    from autotrack.identity import data, files, models  # noqa: F401
    from autotrack.printed import watch  # noqa: F401

    gpu.prepare()
    libraries.folders()  # found once, which takes a while
    if "numpy" in sys.modules:
        from autotrack.identity import overlap, profile  # noqa: F401
    if "multiprocessing.process" in sys.modules:
        from autotrack import workers  # noqa: F401


def _end_with_multiprocessing(job: Job) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, job.end, exitpriority=-100)


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:
        return os.environ.get("PWD", "/")
