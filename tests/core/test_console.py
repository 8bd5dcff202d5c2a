"""What a program prints: the same to the byte with recording, and on record."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from autotrack import events
from autotrack.extension import compiled
from autotrack.launch import environment
from autotrack.testing import Recording, run_program

BEGIN = "import autotrack; autotrack.log({'x': 1})\n"

TQDM = "from tqdm import tqdm\n"
LOG = "import logging; logging.basicConfig()\n"

PRINTS = """
import sys, threading, time
class Says:
    def __str__(self): print('within', 1, 'another'); return 'said'
class Fails:
    def __str__(self): raise KeyError('no text')
for step in range(300):
    value = Says() if step == 290 else Fails() if step == 291 else 0.5
    if step % 100 == 50: time.sleep(0.7)
    try: print('step', step, 'loss', value, 'end', step)
    except KeyError: print('caught', step, sep='-', end='.\\n')
    print(step, 'a', 'b', sep='\\n'); print('c', 'd', end=''); print('\\r', 'e')
"""

PROGRAMS = {
    "colours": r"print('\x1b[31mred\x1b[0m', '\x1b[1mbold\x1b[0m')",
    "carriage returns": r"""
import sys
for i in range(50):
    sys.stdout.write(f'\rstep {i} loss {1 / (i + 1):.3f}'); sys.stdout.flush()
print()""",
    "tqdm": TQDM + "for i in tqdm(range(100), mininterval=0, bar_format='{l_bar}{bar}|{n}'): pass",
    "tqdm.write": TQDM + "for i in tqdm(range(3), disable=True): tqdm.write(f'step {i} loss {i}')",
    "rich": "from rich.console import Console\nConsole(force_terminal=True).print('[bold]loss[/] 0.5')",
    "buffer": r"import sys; sys.stdout.buffer.write(b'\xff\xfe raw\n'); sys.stdout.flush(); print('text')",
    "subprocess": """
import subprocess, sys
print('a', flush=True)
subprocess.run([sys.executable, '-S', '-c', 'print(1)'])""",
    "descriptors": "import os, sys; print('a'); sys.stdout.flush(); os.write(1, b'b\\n'); os.write(2, b'c\\n')",
    "replaced": "import io, sys; sys.stdout = io.TextIOWrapper(sys.stdout.buffer, 'utf-8'); print('grün loss 0.5')",
    "redirected": """
import contextlib, io
with contextlib.redirect_stdout(io.StringIO()) as s: print('loss 1')
print(s.getvalue())""",
    "writelines": "import sys; sys.stdout.writelines(['a', 'b\\n']); print(sys.stdout.write('abc\\n'))",
    "not a text": "import sys\ntry: sys.stdout.write(3)\nexcept TypeError as error: print(error)",
    "surrogates": "import sys\ntry: print('\\ud800')\nexcept UnicodeEncodeError as error: print('caught', error)",
    "closed": """
import sys; sys.stdout.close()
try: print('x')
except ValueError as error: sys.stderr.write(f'{error}\\n')""",
    "no streams": "import sys; sys.stdout = sys.stderr = None; print('x')",
    "warnings": "import warnings\ndef f(): warnings.warn('w', stacklevel=2)\nf()",
    "logging": LOG + "logging.getLogger('a').error('loss %d', 3); logging.warning('b')",
    "logging error": LOG + "logging.error('loss %d', 'x', 'y')",
    "odd writes": """
import sys
class Odd:
    def write(self, data, flush=False): sys.__stdout__.write(f'{data!r} {flush}\\n')
    def flush(self): pass
sys.stdout = Odd()
again = sys.modules.get('autotrack')
if again: again.disable(); again.enable(quiet=True); again.log({'x': 1})
sys.stdout.write(data='a'); sys.stdout.write('b', flush=True); sys.stdout.write('c', True); sys.stdout.write(1)
print('d', 2)""",
    "a profiler": """
import sys
def profile(frame, event, arg):
    if event == 'return' and frame.f_code.co_name == 'train': print('step 1 loss 0.5')
def train(epoch=17):
    for i in range(3): print('loss', i / 2)
    return epoch
sys.setprofile(profile); print(train()); sys.setprofile(None)""",
    "a profiler that prints": """
import sys
def f(n): a = n; b = a + 1; return a + b
for _ in range(3):
    sys.setprofile(lambda *args: print(args[1]))
    done = f(1)
    sys.setprofile(None)
    print(done)
""",
    "what is asked of a write": """
import copy, inspect, sys
w = sys.stdout.write
kept = {"emit": w}
print(copy.copy(w) is w, copy.deepcopy(kept)["emit"] is w, w.__self__ is sys.stdout, w.__name__, w.__qualname__)
for _ in range(3):
    try: w.__getattribute__(b"x")
    except TypeError as error: print("caught", type(error))
""",
    "variables that are held": """
import sys
def scope(): return sys._getframe(1).f_locals
def f():
    held = scope(); held['extra'] = 1
    for step in range(3): print('step', step, 'loss', 0.5)
    return 'extra' in held
print(f())""",
    "a file that is let go of": """
import sys
again = sys.modules.get('autotrack')
sys.stdout = open('log.txt', 'w')
if again: again.disable(); again.enable(quiet=True); again.log({'x': 1})
print('hello'); sys.stdout = sys.__stdout__
print(open('log.txt').read())""",
    "many writes with no end": """
import json, sys
json.dump(list(range(50_000)), sys.stdout)
for i in range(20_000): print('abcdefghij', end=' ')""",
    "long lines": """
for step in range(3): print('step', step, 'loss', 0.5)
print('x ' * 60_000); print('a' * 40_000 + '='); print('a.b-' * 10_000 + ' http://')""",
    "text that does not follow from its source": """
import datetime
for step in range(3): print('step', step, 'loss', 0.5)
a = b = c = d = e = list(range(400))
print('Data', a, b, c, d, e, f'{datetime.date(2020, 1, 2):%Y-%m-%d}')""",
    "a write of the program's own": """
import sys, time
def mine(text, before=sys.stdout.write): before(text)
sys.stdout.write = mine
again = sys.modules.get('autotrack')
if again: again.disable(); again.enable(quiet=True); again.log({'x': 1})
for step in range(3):
    print('step', step, 'loss', 0.5); time.sleep(0.7)  # the recorder reads the source""",
    "what only says that it is a text": """
import sys
from unittest.mock import Mock
class Takes:
    def write(self, text): sys.__stdout__.write(f'{type(text)}\\n')
    def flush(self): pass
sys.stdout = Takes()
again = sys.modules.get('autotrack')
if again: again.disable(); again.enable(quiet=True); again.log({'x': 1})
sys.stdout.write(Mock(spec=str))""",
    "variables of a print that raises": """
import sys, time, weakref
class Held: pass
class Fails:
    def __str__(self): raise KeyError('no text')
def f(step):
    held = Held()
    weakref.finalize(held, sys.stderr.write, f'gone {step}\\n')
    print('step', step, 'loss', Fails() if step > 3 else 0.5)
for step in range(6):
    if step == 2: time.sleep(0.7)  # the recorder reads the source
    try: f(step)
    except KeyError: pass
    if step == 4: time.sleep(1.5)
print('end')""",
    "stream": "import sys; print(sys.stdout.name, sys.stdout.isatty(), sys.stdout.fileno(), sys.stdout.encoding)",
    "threads": "import threading\nt = threading.Thread(target=print, args=(1,))\nt.start(); t.join()",
    "prints within prints, and aborted ones": PRINTS,
    "fork": """
import os, sys
if os.fork() == 0:
    print('child'); sys.stdout.flush(); os._exit(0)
os.wait(); print('parent')""",
    "pytest": r"""
import pathlib, sys, pytest
lines = [
    'def test_captured(capsys):', "    print('loss 1')", "    assert capsys.readouterr().out == 'loss 1\\n'",
    'def test_of_descriptors(capfd):', "    print('loss 1')", "    assert capfd.readouterr().out == 'loss 1\\n'",
    'def test_that_fails():', "    print('loss 2')", '    assert 0',
]
pathlib.Path('test_it.py').write_text('\n'.join(lines))
sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '--color=no', 'test_it.py']))""",
}


def run(source: str, folder: Path, *, tracked: bool, terminal: bool = False) -> tuple[int, bytes, bytes]:
    script = folder / "program.py"
    script.write_text(source)
    given = {name: value for name, value in os.environ.items() if not name.startswith("AUTOTRACK_")}
    env = environment({**given, "AUTOTRACK_QUIET": "1", "AUTOTRACK_STRICT": "1"}) if tracked else given
    command = [sys.executable, str(script)]
    if not terminal:
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, timeout=120, check=False)
        return done.returncode, done.stdout, done.stderr
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, cwd=folder, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    read = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        read += part
    os.close(ours)
    return process.wait(120), read, b""


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
def test_the_output_is_the_same_to_the_byte(name: str, terminal: bool, tmp_path: Path) -> None:
    source = PROGRAMS[name].lstrip()
    plain = run("\n" + source, tmp_path, tracked=False, terminal=terminal)
    tracked = run(BEGIN + source, tmp_path, tracked=True, terminal=terminal)
    seconds = re.compile(rb" in [\d.]+s")
    assert tracked[0] == plain[0]
    assert [seconds.sub(b"", out) for out in tracked[1:]] == [seconds.sub(b"", out) for out in plain[1:]]


def parts(folder: Path) -> list[tuple[float, int, str]]:
    recorded = Recording(folder / ".autotrack").events()
    return [part for event in recorded if isinstance(event, events.ConsoleText) for part in event.parts]


def console(folder: Path) -> str:
    return "".join(text for _, _, text in parts(folder))


def test_it_is_on_record_with_its_streams(tmp_path: Path) -> None:
    run(BEGIN + "import sys; print('one'); print('two', file=sys.stderr); print('three')", tmp_path, tracked=True)
    assert [(stream, text) for _, stream, text in parts(tmp_path)] == [(1, "one\n"), (2, "two\n"), (1, "three\n")]


def test_what_was_printed_before_there_was_something_to_record(tmp_path: Path) -> None:
    run("print('early')\n" + BEGIN + "print('late')", tmp_path, tracked=True)
    assert console(tmp_path) == "early\nlate\n"


KINDS = {
    "method": "class Log:\n    def write(self, text): return old.write(text)",
    "static": "class Log:\n    @staticmethod\n    def write(text): return old.write(text)",
    "class": "class Log:\n    @classmethod\n    def write(cls, text): return old.write(text)",
    "of another": "class Log:\n    write = old.write",
    "partial": "class Log:\n    write = functools.partial(lambda text: old.write(text))",
    "handed on": "class Log:\n    def __getattr__(self, name): return getattr(old, name)",
    "of an instance": "class Log:\n    def __init__(self): self.write = old.write",
    "text": "class Log(io.StringIO):\n    def write(self, text): return old.write(text)",
}


@pytest.mark.parametrize("kind", KINDS)
def test_streams_that_write_in_other_ways(kind: str, tmp_path: Path) -> None:
    source = f"""
import autotrack, functools, io, sys
old = sys.stdout
{KINDS[kind]}
sys.stdout = Log()
autotrack.enable(dir={str(tmp_path / ".autotrack")!r})
autotrack.tag("x")
for step in range(4):
    print("loss", step)
sys.stdout.write("direct\\n")
"""
    done = run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1"})
    expected = "".join(f"loss {step}\n" for step in range(4)) + "direct\n"
    assert done.stdout == expected, done.stderr
    assert console(tmp_path) == expected


@pytest.mark.skipif(compiled is None, reason="the extension is not used")
def test_a_write_passes_for_what_it_stands_for(tmp_path: Path) -> None:
    source = """
import copy, inspect, io, pickle, sys, types
class Log(io.StringIO): pass
stream = sys.stdout = Log()
BEGIN
w = stream.write
looks = [inspect.isroutine(w), inspect.isbuiltin(w), isinstance(w, types.BuiltinMethodType), str(inspect.signature(w)),
    inspect.getdoc(w)[:20], repr(w).partition(" at ")[0], w.__self__ is stream, w.__module__]
again, loaded = copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))
again.write("again"), loaded.write("loaded"), stream.write("stream")
looks += [again.getvalue(), loaded.getvalue(), stream.getvalue()]
sys.stdout = sys.__stdout__
print(looks)
"""
    plain = run_program(source.replace("BEGIN", ""), tmp_path, tracked=False)
    tracked = run_program(source.replace("BEGIN", BEGIN), tmp_path)
    assert plain.stdout.count("stream") > 0, plain.stderr
    assert tracked.stdout == plain.stdout, tracked.stderr


def test_a_stream_of_a_class_of_the_program(tmp_path: Path) -> None:
    source = """
import autotrack, sys
class Both:
    def __init__(self): self.out, self.lines = sys.stdout, []
    def write(self, message, echo=True): self.lines.append(message); return len(message)
    def flush(self): pass
sys.stdout = Both()
autotrack.disable(); autotrack.enable(quiet=True); autotrack.log({'x': 1})
for step in range(5):
    if step == 2: import time; time.sleep(0.7)  # the recorder reads the source
    print('step', step, 'loss', step / 8)
sys.stdout.write(message='by name\\n')
"""
    run(source.lstrip(), tmp_path, tracked=True)
    assert console(tmp_path) == "".join(f"step {step} loss {step / 8}\n" for step in range(5)) + "by name\n"


def test_prints_within_prints_and_aborted_ones(tmp_path: Path) -> None:
    _, out, _ = run(BEGIN + PRINTS.lstrip(), tmp_path, tracked=True)
    assert console(tmp_path) == out.decode().replace("c d\r e", " e")


def test_threads_that_print_at_once(tmp_path: Path) -> None:
    source = """
import sys, threading, time
sys.setswitchinterval(1e-6)
def work(name):
    for step in range(400):
        if step == 200: time.sleep(0.7)  # the recorder reads the source
        print(name, 'step', step, 'loss', step / 8)
threads = [threading.Thread(target=work, args=(name,)) for name in 'abcd']
for t in threads: t.start()
for t in threads: t.join()"""
    run(BEGIN + source.lstrip(), tmp_path, tracked=True)
    lines = console(tmp_path).splitlines()
    assert sorted(lines) == sorted(f"{name} step {step} loss {step / 8}" for name in "abcd" for step in range(400))


def test_signal_handlers_that_print_in_the_midst_of_a_print(tmp_path: Path) -> None:
    source = """
import signal, time
count = 0
def tell(*_):
    global count
    count += 1
    print('signal', count, 'x')
signal.signal(signal.SIGALRM, tell)
for step in range(3): print('step', step, 'loss', 0.5)
time.sleep(0.7)  # the recorder reads the source
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0007)
step = 3
while count < 500: step += 1; print('step', step, 'loss', 0.5, 'acc', 0.25)
signal.setitimer(signal.ITIMER_REAL, 0)
print(f'{count} {step}', file=open('counts', 'w'))"""
    status, _, err = run(BEGIN + source.lstrip(), tmp_path, tracked=True)
    assert (status, err) == (0, b"")
    # What arrives in the pipe is not compared: before 3.12.4, `TextIOWrapper.write` mixes up its own buffer when a
    # handler prints while it is flushed (CPython gh-119506).
    signals, steps = (int(number) for number in (tmp_path / "counts").read_text().split())
    recorded = console(tmp_path)
    assert [recorded.count(word) for word in ("signal", "step", "acc")] == [signals, steps, steps - 3]


def test_a_thread_that_goes_on_printing_does_not_hold_up_the_end(tmp_path: Path) -> None:
    source = """
import threading, time
def work():
    step = 0
    while True: step += 1; print('step', step, 'loss', 0.5)
threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
print(f'over {time.time()} ')"""
    _, out, _ = run(BEGIN + source.lstrip(), tmp_path, tracked=True)
    over = re.search(rb"over ([\d.]+) ", out)  # the other thread may write on the same line
    assert over is not None
    assert time.time() - float(over[1]) < 30


def test_texts_of_a_class_of_their_own(tmp_path: Path) -> None:
    source = """
import sys
class Text(str): pass
class Says:
    def __str__(self): return Text('epoch')
for step in range(3): print(Says(), step)
sys.stdout.write(Text('markup'))"""
    _, out, _ = run(BEGIN + source.lstrip(), tmp_path, tracked=True)
    assert console(tmp_path) == out.decode() == "epoch 0\nepoch 1\nepoch 2\nmarkup"


def test_lines_that_are_written_over_are_kept_as_they_end(tmp_path: Path) -> None:
    run(BEGIN + PROGRAMS["carriage returns"].lstrip(), tmp_path, tracked=True)
    assert console(tmp_path) == "step 49 loss 0.020\n"


def test_of_more_than_fits_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    run(BEGIN + "for i in range(70000):\n    print(f'{i:07d}', 'x' * 92)", tmp_path, tracked=True)
    recorded = [e for e in Recording(tmp_path / ".autotrack").events() if isinstance(e, events.ConsoleText)]
    text = console(tmp_path)
    assert text.startswith("0000000 x")
    assert "\n0069999 x" in text
    assert len(text) + sum(event.left_out for event in recorded) == 70000 * 101
    assert (3 << 20) < len(text) < (9 << 20)


def test_a_secret_that_is_printed(tmp_path: Path) -> None:
    source = "print('key AKIAIOSFODNN7EXAMPLE https://u:hunter22@host/')"
    run(BEGIN + source, tmp_path, tracked=True)
    assert "AKIA" not in console(tmp_path)
    assert "hunter22" not in console(tmp_path)
    assert "key" in console(tmp_path)


def test_folders_are_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a shell calls them: PWD, OLDPWD."""
    monkeypatch.setenv("OLDPWD", "/some/folder")
    run(BEGIN + "print('/some/folder')", tmp_path, tracked=True)
    assert "/some/folder" in console(tmp_path)


def test_disable_gives_the_streams_back(tmp_path: Path) -> None:
    source = """
import sys, logging, builtins, io
before = logging.Logger.callHandlers, builtins.open, io.open
import autotrack
autotrack.disable()
autotrack.enable()
assert 'write' in vars(sys.stdout) and builtins.open is io.open is not before[1]
autotrack.disable()
assert 'write' not in vars(sys.stdout) and 'write' not in vars(sys.stderr)
print(before == (logging.Logger.callHandlers, builtins.open, io.open))
"""
    assert run(source, tmp_path, tracked=False) == (0, b"True\n", b"")


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="two threads may parse at the same time")
def test_a_program_that_parses_is_parsed_in_its_own_thread(tmp_path: Path) -> None:
    """Before Python 3.12 `ast.parse` raises in one of two threads that are at it, perhaps in the program's own."""
    source = """
import ast, sys, threading, types
sys.modules["gast"] = types.ModuleType("gast")
parse, others = ast.parse, set()
def parse_here(*args, **kwargs):
    others.add(threading.current_thread() is not threading.main_thread())
    return parse(*args, **kwargs)
ast.parse = parse_here
import autotrack
autotrack.log({"before": 1.0})
for epoch in range(3):
    loss = 1.0 / (epoch + 3)
    print(f"epoch {epoch} loss {loss:.2f}")
autotrack.disable()
print(others)
"""
    done = run_program(source, tmp_path, env={"AUTOTRACK_STRICT": "1"})
    assert done.stdout.splitlines()[-1] == "{False}"
    points = [strand.points for strand in Recording(tmp_path / ".autotrack").strands(printed=True)]
    assert any(found.get("loss") == [(at, 1.0 / (at + 3)) for at in range(3)] for found in points), points


# In the midst of our own work, of prints of the program's, near the limits of the interpreter

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
    assert out.decode() == "".join(f"last {count}.\n" for count in range(1, 201))
    told = console(tmp_path)  # where several threads print, a line may be on record after one that was begun later
    assert Counter(told.splitlines(keepends=True)) == Counter(out.decode().splitlines(keepends=True))


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
