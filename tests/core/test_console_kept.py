"""What a program prints from where it is called by others: in the midst of our own work, of its own prints, near the
limits of the interpreter.  All of it is on record, once."""

from __future__ import annotations

import re
from pathlib import Path

from tests.core.test_console import console, run

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
