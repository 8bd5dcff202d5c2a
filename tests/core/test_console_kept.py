"""What a program prints from where it is called by others: in the midst of our own work, of its own prints, near the
limits of the interpreter.  All of it is on record, once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from autotrack.extension import compiled
from tests.core.test_console import BEGIN, console, run

CALLED = """
import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
def look(X): print('look', len(X)); return X
X = np.random.rand(20, 3)
pipeline = make_pipeline(FunctionTransformer(look), LinearRegression()).fit(X, X.sum(1))
for _ in range(5): pipeline.predict(X)
"""

FINALIZED = """
import gc
import numpy as np
from autotrack import context
from sklearn.linear_model import LinearRegression
X = np.random.rand(20, 3)
count, ours = 0, 0
class Last:
    def __del__(self):
        global count, ours
        count += 1
        ours += context.here.inside is context.OURS
        print('last', count, end='.\\n')
gc.set_threshold(150, 5, 5)
for _ in range(200):
    last = Last(); last.me = last; del last
    LinearRegression().fit(X, X.sum(1))
gc.collect()
print(ours, file=open('ours', 'w'))
"""

RECORDER = """
import autotrack, gc, threading
from autotrack import context
done = threading.Event()
class Last:
    def __del__(self): print('last'); done.set()
def let_go():
    last = Last(); last.me = last
    del last
    gc.collect()
gc.disable()
autotrack.log({'x': 1})
context.Current.job.recorder.later('the end of an object', let_go)
done.wait(60)
print('over')
"""


def test_within_a_call_that_is_observed_as_a_whole(tmp_path: Path) -> None:
    status, out, err = run(CALLED.lstrip(), tmp_path, tracked=True)
    assert (status, err) == (0, b"")
    assert console(tmp_path) == out.decode() == "look 20\n" * 6


def test_finalizers_that_run_while_we_are_at_work(tmp_path: Path) -> None:
    status, out, err = run(FINALIZED.lstrip(), tmp_path, tracked=True)
    assert (status, err) == (0, b"")
    assert int((tmp_path / "ours").read_text()) > 0
    assert console(tmp_path) == out.decode() == "".join(f"last {count}.\n" for count in range(1, 201))


def test_a_finalizer_that_runs_in_the_thread_of_the_recorder(tmp_path: Path) -> None:
    status, out, err = run(RECORDER.lstrip(), tmp_path, tracked=True)
    assert (status, err) == (0, b"")
    assert console(tmp_path) == out.decode() == "last\nover\n"


def test_what_we_say_ourselves_is_not_on_record(tmp_path: Path) -> None:
    """Neither the last line, nor what goes to a stream that is no file."""
    source = """
import autotrack, io, sys
from autotrack import context, shield
class Log(io.StringIO): pass
sys.stderr = Log()
autotrack.enable(dir=DIR)
autotrack.log({'x': 1})
context.aside(shield.complain, 'of ours')
print('of the program', file=sys.stderr)
print(sys.stderr.getvalue())
"""
    status, out, _ = run(source.replace("DIR", repr(str(tmp_path / ".autotrack"))).lstrip(), tmp_path, tracked=False)
    assert (status, out.count(b"autotrack: of ours\n"), out.count(b"of the program\n")) == (0, 1, 1), out
    assert re.findall(r"of \w+", console(tmp_path)) == ["of the", "of ours", "of the"]


DEEP = """
import sys
def nest(more):
    if more: nest(more - 1)
    else: print('deep', depth, 'x')
for depth in range(sys.getrecursionlimit() - 60, sys.getrecursionlimit() + 5):
    try: nest(depth)
    except RecursionError: print('too deep', depth)
"""


def test_near_the_recursion_limit(tmp_path: Path) -> None:
    """Where a print has room, and what notes it has none."""
    status, out, err = run(BEGIN + DEEP.lstrip(), tmp_path, tracked=True)
    assert (status, err) == (0, b"")
    assert b"too deep" in out
    assert console(tmp_path) == out.decode()


@pytest.mark.skipif(compiled is None, reason="the extension is not used")
def test_with_no_room_for_our_call_a_print_is_as_without_us(tmp_path: Path) -> None:
    """The stack of the program is as deep with us, up to what the print itself needs."""
    (tmp_path / "plain").mkdir()
    plain = run("\n" + DEEP.lstrip(), tmp_path / "plain", tracked=False)
    assert run(BEGIN + DEEP.lstrip(), tmp_path, tracked=True) == plain


# What runs in the midst of noting a print: `item` of a number that it shows.
WITHIN = """
import signal, threading
import numpy as np
class Value(np.float64):
    def item(self): return within()
"""
BROKEN_OFF = """
class Timeout(Exception): pass
def tell(*_): raise Timeout
signal.signal(signal.SIGUSR1, tell)
def within(): signal.raise_signal(signal.SIGUSR1)
print('begun', end=' ')
x = Value(0.5)
try: print('step', x)
except Timeout: x = 0
print('caught')
"""
TWO_OPEN = """
def within():
    print('.', end='')
    return 0.5
class Turn:
    def __str__(self):
        thread = threading.Thread(target=lambda: print('another thread'))
        thread.start()
        thread.join()
        return 'end'
x = Value(0.5)
print('step', x, Turn())
"""


def test_a_signal_handler_that_raises_while_a_print_is_noted(tmp_path: Path) -> None:
    status, out, err = run(BEGIN + WITHIN.lstrip() + BROKEN_OFF, tmp_path, tracked=True)
    assert (status, err) == (0, b"")
    assert console(tmp_path) == out.decode() == "begun stepcaught\n"


def test_two_lines_of_one_thread_that_are_not_ended(tmp_path: Path) -> None:
    status, out, err = run(BEGIN + WITHIN.lstrip() + TWO_OPEN, tmp_path, tracked=True)
    assert (status, err) == (0, b"")
    assert Counter(console(tmp_path)) == Counter(out.decode())
    assert out.count(b".") == 2, out  # of 0.5 as well
