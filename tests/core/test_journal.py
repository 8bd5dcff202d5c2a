"""The journal: cut anywhere, tampered with anywhere, written to from within itself."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import autotrack
from autotrack import events
from autotrack.journal import read
from autotrack.journal.folder import Folder
from autotrack.journal.points import RECORD, header
from autotrack.journal.segment import Segment
from autotrack.journal.verify import verify
from autotrack.testing import Recording, recorded, run_program


def record_something(root: Path, points: int = 40) -> read.SegmentFile:
    with recorded(root) as recording, autotrack.run("first"):
        for step in range(points):
            autotrack.log({"train/loss": 1 / (step + 1), "note": f"größe {step}"}, step=step)
    (segment,) = recording.segments()
    return segment


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> read.SegmentFile:
    return record_something(tmp_path_factory.mktemp("journal") / "rec")


def copied(segment: read.SegmentFile, root: Path, *, lines: bytes | None = None, points: bytes | None = None) -> Folder:
    """A folder with that segment, with its events or its points replaced."""
    folder = Folder(str(root))
    os.makedirs(folder.job(segment.job), exist_ok=True)
    for path, content in ((segment.path, lines), (segment.points_path, points)):
        target = Path(folder.job(segment.job), os.path.basename(path))
        target.write_bytes(Path(path).read_bytes() if content is None else content)
    return folder


def read_back(folder: Folder, segment: read.SegmentFile) -> tuple[list[Any], Any]:
    (again,) = read.segments(folder.job(segment.job))
    return [event for _, event in again.events(again.start_cursor())], again.read_points().records


def test_it_is_as_it_was_written(journal: read.SegmentFile, tmp_path: Path) -> None:
    assert verify(copied(journal, tmp_path)) == []


def test_events_cut_at_every_byte_read_up_to_the_cut(journal: read.SegmentFile, tmp_path: Path) -> None:
    whole = Path(journal.path).read_bytes()
    all_events = [event for _, event in journal.events(journal.start_cursor())]
    folder = copied(journal, tmp_path)
    target = Path(folder.job(journal.job), os.path.basename(journal.path))
    with open(target, "r+b") as file:
        for length in range(len(whole), -1, -1):
            file.truncate(length)
            (again,) = read.segments(folder.job(journal.job))
            found = [event for _, event in again.events(again.start_cursor())]
            assert len(found) == whole[:length].count(b"\n")
            assert found == all_events[: len(found)]


def test_points_cut_at_every_byte_read_up_to_the_cut(journal: read.SegmentFile, tmp_path: Path) -> None:
    whole = Path(journal.points_path).read_bytes()
    records = journal.read_points().records
    used = (len(records) + 1) * RECORD.size
    folder = copied(journal, tmp_path, points=whole[: used + 100])
    (again,) = read.segments(folder.job(journal.job))
    with open(again.points_path, "r+b") as file:
        for length in range(used + 100, -1, -1):
            file.truncate(length)
            found = again.read_points()
            assert len(found.records) == min(max(length // RECORD.size - 1, 0), len(records))
            assert (found.records == records[: len(found.records)]).all()


def test_every_flipped_byte_of_the_events_is_found(journal: read.SegmentFile, tmp_path: Path) -> None:
    whole = bytearray(Path(journal.path).read_bytes())
    folder = copied(journal, tmp_path)
    (again,) = read.segments(folder.job(journal.job))
    for at in range(len(whole) - 1):  # without its newline, the last line is one that is not whole
        with open(again.path, "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), bytes([whole[at] ^ 1 << at % 8]), at)
            assert verify(folder), f"byte {at} is another one, and nobody noticed"
            os.pwrite(file.fileno(), whole[at : at + 1], at)
    assert verify(folder) == []


def test_every_removed_or_exchanged_line_is_found(journal: read.SegmentFile, tmp_path: Path) -> None:
    lines = Path(journal.path).read_bytes().splitlines(keepends=True)
    for at in range(len(lines) - 1):
        without = b"".join(lines[:at] + lines[at + 1 :])
        assert verify(copied(journal, tmp_path, lines=without)), f"line {at} is gone, and nobody noticed"
        exchanged = b"".join([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]])
        assert verify(copied(journal, tmp_path, lines=exchanged)), f"line {at} is elsewhere, and nobody noticed"
        twice = b"".join(lines[: at + 1] + lines[at:])
        assert verify(copied(journal, tmp_path, lines=twice)), f"line {at} is there twice, and nobody noticed"


def test_every_edited_point_is_found(journal: read.SegmentFile, tmp_path: Path) -> None:
    whole = Path(journal.points_path).read_bytes()
    slots = len(journal.read_points().records) + 1
    folder = copied(journal, tmp_path)
    (again,) = read.segments(folder.job(journal.job))
    with open(again.points_path, "r+b", buffering=0) as file:
        for at in range(slots * RECORD.size):
            os.pwrite(file.fileno(), bytes([whole[at] ^ 0x10]), at)
            assert verify(folder), f"byte {at} is another one, and nobody noticed"
            os.pwrite(file.fileno(), whole[at : at + 1], at)
    assert verify(folder) == []
    assert verify(copied(journal, tmp_path, points=whole[: (slots - 1) * RECORD.size]))


def test_a_segment_that_is_passed_off_as_another_is_found(journal: read.SegmentFile, tmp_path: Path) -> None:
    folder = copied(journal, tmp_path)
    (again,) = read.segments(folder.job(journal.job))
    os.rename(again.path, again.path.replace(".jsonl", "9.jsonl"))
    assert verify(folder)
    shutil.rmtree(folder.job(journal.job))
    copied(journal, tmp_path)
    os.rename(folder.job(journal.job), folder.job("another"))
    assert verify(folder)


def test_non_finite_values_and_odd_names_survive(tmp_path: Path) -> None:
    values = [float("nan"), float("inf"), float("-inf"), -0.0, 5e-324, 1.7976931348623157e308]
    name = "loss/\udcff\x00\U0010f000"
    with recorded(tmp_path) as recording:
        for value in values:
            autotrack.log({name: value, "other": [value]})
    (strand,) = recording.strands()
    from autotrack.values import original

    ((stored, points),) = strand.points.items()
    assert original(stored) == name
    assert [repr(value) for _, value in points] == [repr(value) for value in values]
    marks = [event.values["other"][0] for event in strand.of(events.StrandSummary)]
    assert marks[:3] == [{"$float": "nan"}, {"$float": "inf"}, {"$float": "-inf"}]


# From within itself


class Late:
    """Logs when it is collected."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        autotrack.log({"collected": 1.0, "text": "from a finalizer"})


def test_finalizers_that_log_wherever_they_run(tmp_path: Path) -> None:
    before = gc.get_threshold()
    with recorded(tmp_path) as recording:
        autotrack.log({"begin": 1.0})
        gc.set_threshold(1, 1, 1)
        try:
            for step in range(300):
                Late()
                autotrack.log({"outer": float(step), "text": str(step)}, step=step)
        finally:
            gc.set_threshold(*before)
        gc.collect()
    (strand,) = recording.strands()
    assert len(strand.points["outer"]) == 300
    assert len(strand.points["collected"]) == 300
    assert verify(Folder(str(tmp_path))) == []


def test_signal_handlers_that_log_wherever_they_run(tmp_path: Path) -> None:
    with recorded(tmp_path) as recording:
        autotrack.log({"outer": 0.0})
        count = step = 0

        def handler(*_: Any) -> None:
            nonlocal count
            count += 1
            autotrack.log({"inner": float(count), "inner text": count * "x"}, step=count)
            signal.setitimer(signal.ITIMER_REAL, 0.0003)  # no handlers within handlers without end

        before = signal.signal(signal.SIGALRM, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0003)
            while count < 300:
                step += 1
                autotrack.log({"outer": float(step), "text": str(step)}, step=step)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    (strand,) = recording.strands()
    assert sorted(at for at, _ in strand.points["inner"]) == list(range(1, count + 1))
    assert [at for at, _ in strand.points["outer"]] == list(range(step + 1))
    assert sum("text" in event.values for event in strand.of(events.StrandSummary)) == step
    assert sum("inner text" in event.values for event in strand.of(events.StrandSummary)) == count
    assert verify(Folder(str(tmp_path))) == []


def test_a_signal_handler_that_logs_while_the_journal_is_being_opened(tmp_path: Path) -> None:
    source = """
import signal, autotrack
count = 0
def handler(*_):
    global count
    count += 1
    autotrack.log({"inner": float(count)}, step=count)
    signal.setitimer(signal.ITIMER_REAL, 0.001)  # handlers within handlers would have no end on a slow machine
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005)
for step in range(1, 1001):
    autotrack.log({"outer": float(step), "text": "x"}, step=step)
signal.signal(signal.SIGALRM, signal.SIG_IGN)  # a handler that comes now would set the timer again
print(count)
"""
    done = run_program(source, tmp_path)
    assert done.returncode == 0, done.stderr
    strands = Recording(tmp_path / ".autotrack").strands()
    assert sum(len(strand.points.get("outer", ())) for strand in strands) == 1000
    assert sum(len(strand.points.get("inner", ())) for strand in strands) == int(done.stdout)


class Timeout(Exception):
    pass


def test_signal_handlers_that_raise_wherever_they_run(tmp_path: Path) -> None:
    """Each timeout arrives, no point that came before one is lost, and the chain stays whole."""
    raised = arrived = step = 0

    def handler(*_: Any) -> None:
        nonlocal raised
        raised += 1
        raise Timeout

    acknowledged = set()
    gc.collect()
    gc.freeze()  # what other tests have left may have finalizers, in which an exception is lost
    with recorded(tmp_path) as recording:
        while raised < 400:
            try:
                signal.signal(signal.SIGALRM, handler)
                signal.setitimer(signal.ITIMER_REAL, 0.0002 + raised % 7 * 0.0001)
                for _ in range(100_000):
                    step += 1
                    autotrack.log({"loss": float(step), "text": str(step)}, step=step)
                    acknowledged.add(step)
            except Timeout:
                arrived += 1
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    gc.unfreeze()
    assert arrived == raised == 400
    points = {step for strand in recording.strands() for step, _ in strand.points.get("loss", ())}
    texts = {int(e.values["text"]) for s in recording.strands() for e in s.of(events.StrandSummary)}
    assert acknowledged <= points
    assert acknowledged <= texts
    assert verify(Folder(str(tmp_path))) == []


def test_the_very_first_log_may_be_interrupted(tmp_path: Path) -> None:
    """Opening the journal takes long; a timeout in the midst of it leaves nothing half-done."""
    source = """
import itertools, random, signal, sys
import autotrack
class Timeout(Exception): pass
def handler(number, frame): raise Timeout
signal.signal(signal.SIGALRM, handler)
chance = random.Random(sys.argv[0])
count = raised = 0
for _ in range(30):
    try:
        signal.setitimer(signal.ITIMER_REAL, chance.random() * 0.02)
        while True:
            autotrack.log({"loss": 1.0})
            count += 1
    except Timeout:
        raised += 1
assert raised == 30
print(count)
"""
    for attempt in range(6):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        done = run_program(source, folder)
        assert done.returncode == 0, done.stderr
        recording = Recording(folder / ".autotrack")
        assert sum(len(strand.points.get("loss", ())) for strand in recording.strands()) >= int(done.stdout)
        assert verify(Folder(str(folder / ".autotrack"))) == []
        assert done.stderr.count("\n") == 1, done.stderr


def test_threads_write_whole_lines(tmp_path: Path) -> None:
    with recorded(tmp_path) as recording:

        def work(name: int) -> None:
            with autotrack.run(f"run {name}"):
                for step in range(200):
                    autotrack.log({"loss": float(step), "text": f"{name} {step}"}, step=step)

        workers = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    strands = recording.strands()
    assert len(strands) == 8
    for strand in strands:
        assert [step for step, _ in strand.points["loss"]] == list(range(200))
        assert len(strand.of(events.StrandSummary)) == 200
    assert verify(Folder(str(tmp_path))) == []


IDLE = """
import threading
import time
from autotrack import context
idle = threading.Event()
context.Current.job.recorder.later("idle", idle.set)  # what a thread has open at that moment is anybody's
idle.wait()
"""


def test_a_program_that_closes_all_descriptors_keeps_its_own_files(tmp_path: Path) -> None:
    source = f"""
import os, autotrack
autotrack.log({{"loss": 1.0, "text": "before"}})
{IDLE}
os.closerange(3, 256)
files = [open(f"mine-{{n}}", "w+") for n in range(20)]
for n in range(3000):
    autotrack.log({{"loss": 2.0, "text": "after"}})
for file in files:
    file.write("mine")
    file.close()
"""
    done = run_program(source, tmp_path)
    assert done.returncode == 0, done.stderr
    assert {(tmp_path / f"mine-{n}").read_text() for n in range(20)} == {"mine"}
    recording = Recording(tmp_path / ".autotrack")
    (strand,) = recording.strands()
    assert len(strand.points["loss"]) == 3001
    assert len(strand.of(events.StrandSummary)) == 3001
    assert verify(Folder(str(tmp_path / ".autotrack"))) == []


def test_the_numbers_of_closed_standard_streams_are_not_taken(tmp_path: Path) -> None:
    source = f"""
import os, autotrack
os.close(0)
autotrack.log({{"loss": 1.0}})
{IDLE}
print([number for number in range(3) if os.path.exists(f"/proc/self/fd/{{number}}")])
"""
    done = run_program(source, tmp_path)
    assert done.stdout == "[1, 2]\n", done.stderr


def test_a_write_that_fails_leaves_whole_lines(tmp_path: Path) -> None:
    segment = Segment(Folder(str(tmp_path)), "job", "segment")
    gap = events.GapFound(time=0.0, strand=None, what="x" * 100, why="")
    segment.write(gap)
    import resource

    length = os.stat(segment.path).st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length + 50, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            segment.write(gap)
        with pytest.raises(OSError, match="File too large"):
            segment.write(gap)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    segment.write(gap)
    segment.close()
    (again,) = read.segments(str(tmp_path / "journal" / "job"))
    assert len(list(again.events(again.start_cursor()))) == 2


def test_a_slot_that_nobody_wrote_holds_up_live_readers_for_a_minute_only(tmp_path: Path) -> None:
    path = str(tmp_path / "x.points")
    now = time.time()

    def record(age: float, series: int) -> bytes:
        return RECORD.pack(0.5, now - age, 0, 0, series)

    old = [record(read.ABANDONED + 5, 1), bytes(RECORD.size), record(read.ABANDONED + 1, 1)]
    Path(path).write_bytes(header() + b"".join([*old, record(1, 1), bytes(RECORD.size), record(0, 1)]))
    live = read.read_points(path, whole=False)
    assert (len(live.records), live.slots, live.empty) == (3, 5, 1)
    rest = read.read_points(path, live.slots)
    assert (len(rest.records), rest.slots, rest.empty) == (1, 7, 1)
