"""What programs are given, by the libraries that resolve it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from autotrack import plugins
from autotrack.capture import parsers
from autotrack.launch import environment
from autotrack.store.given import Arguments
from autotrack.testing import Recording

LOG = "\nimport autotrack\nautotrack.log({'loss': 1.0})\n"


class Program:
    """A program in a folder, started with arguments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(
        self, source: str, *words: str, tracked: bool = True, env: dict[str, str] | None = None, code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        (self.folder / "program.py").write_text(source)
        given = {name: value for name, value in os.environ.items() if not name.startswith("AUTOTRACK_")}
        given.update({"AUTOTRACK_STRICT": "1", "AUTOTRACK_QUIET": "1", **(env or {})})
        done = subprocess.run(
            [sys.executable, "program.py", *words],
            cwd=self.folder,
            env=environment(given) if tracked else given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done

    def given(self) -> list[dict[str, Any]]:
        """Source, parser, name, values and what was parsed, of everything that is recorded."""
        from autotrack import events

        found = Recording(self.folder / ".autotrack").events()
        facts = [("main", event) for event in found if isinstance(event, events.JobFacts)]
        return [
            {
                "source": given.source,
                "parser": given.parser,
                "name": given.name,
                "values": given.values,
                "parsed": given.parsed,
            }
            for given in Arguments(facts, "main").of_job()
        ]

    def only(self, parser: str) -> dict[str, Any]:
        (found,) = [given for given in self.given() if given["parser"] == parser]
        return found

    def values(self, parser: str) -> dict[str, Any]:
        values: dict[str, Any] = self.only(parser)["values"]
        return values


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


def test_the_modules_that_are_waited_for() -> None:
    assert plugins._PARSERS == parsers.MODULES


# argparse

ARGPARSE = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--layers", type=int, nargs="+", default=[8, 4])
parser.add_argument("--fast", action="store_true")
parser.add_argument("--name")
"""


@pytest.mark.parametrize(
    "call",
    [
        "args = parser.parse_args()",
        "args, rest = parser.parse_known_args()",
        "args = parser.parse_intermixed_args()",
        "args = argparse.ArgumentParser.parse_args(parser)",
        "args = parser.parse_args(namespace=argparse.Namespace())",
        "def parse():\n    return vars(parser.parse_args())\nargs = parse()",
    ],
)
def test_argparse(program: Program, call: str) -> None:
    program.run(ARGPARSE + call + LOG, "--lr", "0.5", "--fast")
    expected = {"lr": 0.5, "layers": [8, 4], "fast": True, "name": None}
    assert program.only("argparse") == {
        "source": "args", "parser": "argparse", "name": "program.py", "values": expected, "parsed": {},
    }  # fmt: skip


def test_subcommands_are_one_parse(program: Program) -> None:
    source = """
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=1)
commands = parser.add_subparsers(dest="command")
train = commands.add_parser("train")
train.add_argument("--epochs", type=int, default=3)
parser.parse_args()
"""
    program.run(source + LOG, "train", "--epochs", "7")
    assert program.values("argparse") == {"seed": 1, "command": "train", "epochs": 7}


def test_what_the_program_changes_before_it_trains(program: Program) -> None:
    source = ARGPARSE + "args = parser.parse_args()\nargs.lr *= 2\nargs.device = 'cpu'\nargs.model = object()\n"
    program.run(source + LOG + "args.lr = 99\nautotrack.log({'loss': 2.0})\n")
    given = program.only("argparse")
    assert given["values"] == {"lr": 0.2, "layers": [8, 4], "fast": False, "name": None, "device": "cpu"}
    assert given["parsed"] == {"lr": 0.1}


def test_a_changed_list_is_not_the_parsed_one(program: Program) -> None:
    program.run(ARGPARSE + "args = parser.parse_args()\nargs.layers.append(2)\n" + LOG)
    assert program.only("argparse")["parsed"] == {"layers": [8, 4]}


def test_objects_among_the_arguments_do_not_live_longer(program: Program) -> None:
    source = """
import argparse, sys
class Thing:
    def __init__(self, text): self.text = text
    def __repr__(self): return f"Thing({self.text})"
    def __del__(self): print("gone", flush=True)
parser = argparse.ArgumentParser()
parser.add_argument("--thing", type=Thing, default=None)
def main():
    args = parser.parse_args()
main()
print("after")
"""
    done = program.run(source + LOG, "--thing", "x")
    assert done.stdout == "gone\nafter\n"
    assert program.values("argparse") == {"thing": {"$repr": "Thing(x)", "class": "__main__.Thing"}}


def test_several_parses_are_all_kept(program: Program) -> None:
    source = """
import argparse
first = argparse.ArgumentParser("first"); first.add_argument("--config", default="a"); first.parse_known_args([])
second = argparse.ArgumentParser("second"); second.add_argument("--lr", default=1); second.parse_args([])
for n in range(3):
    second.parse_args([])
second.parse_args(["--lr", "2"])
"""
    program.run(source + LOG)
    found = [(given["name"], given["values"]) for given in program.given() if given["parser"] == "argparse"]
    assert found == [("first", {"config": "a"}), ("second", {"lr": 1}), ("second", {"lr": "2"})]


LIBRARY = """
import argparse
class Parser(argparse.ArgumentParser):
    def parse_all(self, args=None):
        return self.parse_args(args)
def internal():
    parser = argparse.ArgumentParser("internal"); parser.add_argument("--x", default=1); return parser.parse_args([])
"""


def test_a_library_that_parses_for_itself_is_left_out(program: Program) -> None:
    """Not its parser, which the program may call."""
    source = """
import sys, types
def library(name, text, folder):
    import os
    path = os.path.join(folder, name + ".py")
    module = types.ModuleType(name); module.__file__ = path
    sys.modules[name] = module
    exec(compile(text, path, "exec"), vars(module))
    return module
import sysconfig
lib = library("lib", open("library.txt").read(), sysconfig.get_paths()["purelib"])
lib.internal()
parser = lib.Parser("theirs")
parser.add_argument("--lr", default=0.1)
parser.parse_all([])
"""
    (program.folder / "library.txt").write_text(LIBRARY)
    program.run(source + LOG)
    assert program.only("argparse")["name"] == "theirs"


@pytest.mark.parametrize(("words", "code"), [(["--help"], 0), (["--nothing"], 2), (["--lr", "x"], 2)])
def test_a_program_that_ends_at_its_arguments(program: Program, words: list[str], code: int) -> None:
    source = ARGPARSE + "parser.parse_args()" + LOG
    plain = program.run(source, *words, tracked=False, code=code)
    tracked = program.run(source, *words, code=code)
    assert (tracked.stdout, tracked.stderr) == (plain.stdout, plain.stderr)
    assert not (program.folder / ".autotrack").exists()


def test_arguments_alone_are_nothing_to_record(program: Program) -> None:
    program.run(ARGPARSE + "print(parser.parse_args())\n")
    assert not (program.folder / ".autotrack").exists()


def test_argparse_is_as_without_us(program: Program) -> None:
    source = """
import argparse, inspect, pickle, sys, warnings, traceback
method = argparse.ArgumentParser.parse_known_args
print(inspect.signature(method), method.__qualname__, method.__module__, method.__doc__)
print(pickle.loads(pickle.dumps(method)) is method)
def kind(text):
    warnings.warn("deprecated", stacklevel=2)
    if text == "bad": raise RuntimeError("mine")
    return int(text)
class Mine(argparse.ArgumentParser):
    def parse_known_args(self, args=None, namespace=None):
        print("mine")
        return super().parse_known_args(args, namespace)
parser = Mine()
parser.add_argument("--n", type=kind)
print(parser.parse_args(["--n", "3"]))
try:
    parser.parse_args(["--n", "bad"])
except RuntimeError as error:
    print(error, error.__context__, [frame.name for frame in traceback.extract_tb(error.__traceback__)][-1])
"""
    plain, tracked = program.run(source, tracked=False), program.run(source)
    assert (tracked.stdout, tracked.stderr) == (plain.stdout, plain.stderr)


def test_the_original_comes_back(program: Program) -> None:
    program.run("""
import argparse, autotrack
autotrack.disable()
original = argparse.ArgumentParser.parse_known_args
autotrack.enable()
ours = argparse.ArgumentParser.parse_known_args
assert ours is not original
autotrack.disable()
assert argparse.ArgumentParser.parse_known_args is original
import click
make = click.Command.make_context
autotrack.enable()
assert click.Command.make_context is not make
autotrack.disable()
assert click.Command.make_context is make
""")


def test_neither_wrapt_nor_msgspec_for_arguments(program: Program) -> None:
    source = ARGPARSE + "parser.parse_args()\nimport sys\nprint([n for n in ('wrapt', 'msgspec') if n in sys.modules])"
    assert program.run(source).stdout == "[]\n"


def test_forks_before_anything_is_recorded(program: Program) -> None:
    """The main process may never have anything to record."""
    source = """
import multiprocessing
def train(lr):
    import autotrack
    autotrack.log({"loss": lr})
if __name__ == "__main__":
    parser.parse_args()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        pool.map(train, [0.1])
"""
    program.run(ARGPARSE + source, "--lr", "3")
    assert program.values("argparse")["lr"] == 3.0


# The other libraries


def test_click(program: Program) -> None:
    source = """
import click
@click.group()
@click.option("--seed", default=3)
@click.pass_context
def cli(ctx, seed): pass
@cli.command()
@click.option("--lr", default=0.1)
@click.option("--pin", prompt=True, hide_input=True)
@click.argument("path", type=click.Path())
def train(lr, path, pin):
    import autotrack
    autotrack.log({"loss": 1.0})
cli()
"""
    program.run(source, "train", "--lr", "0.5", "data.csv", "--pin", "9876")
    found = [(given["name"], given["values"]) for given in program.given() if given["parser"] == "click"]
    hidden = {"lr": 0.5, "pin": "[redacted]", "path": "data.csv"}
    assert found == [("program.py", {"seed": 3}), ("program.py train", hidden)]


def test_typer(program: Program) -> None:
    source = """
import typer, enum
class Kind(str, enum.Enum):
    small = "small"
def main(lr: float = 0.1, epochs: int = 3, kind: Kind = Kind.small, verbose: bool = False):
    import autotrack
    autotrack.log({"loss": 1.0})
typer.run(main)
"""
    program.run(source, "--lr", "0.5")
    values = program.values("typer")
    assert (values["lr"], values["epochs"], values["verbose"]) == (0.5, 3, False)
    assert "small" in str(values["kind"])


HYDRA = """
import hydra
@hydra.main(version_base=None, config_path=".", config_name="config")
def main(cfg):
    import autotrack
    with autotrack.run("mine"):
        autotrack.log({"loss": 1.0})
main()
"""
HYDRA_CONFIG = """
lr: 0.1
warm: ${lr}
layers: [1, 2]
model: {depth: 3, lr: "${..lr}", name: "net-${model.depth}", home: "${oc.env:THE_HOME}", day: "${now:%Y}"}
"""


def test_hydra(program: Program) -> None:
    (program.folder / "config.yaml").write_text(HYDRA_CONFIG)
    program.run(HYDRA, "lr=0.5", "+new=x", env={"THE_HOME": "/there"})
    given = program.only("hydra")
    assert (given["source"], given["name"]) == ("config", "program")
    assert given["values"] == {
        "lr": 0.5, "warm": 0.5, "layers": [1, 2], "model.depth": 3, "model.lr": 0.5, "model.name": "net-3",
        "model.home": "/there", "model.day": "${now:%Y}", "new": "x",
    }  # fmt: skip
    assert [given["parser"] for given in program.given()] == ["hydra"]  # which parses its own with argparse


def test_each_job_of_a_sweep_has_its_own(program: Program) -> None:
    (program.folder / "config.yaml").write_text("lr: 0.1")
    program.run(HYDRA, "-m", "lr=1,2")
    runs = _runs(program)
    assert [run["params"]["lr"] for run in runs] == [1, 2]


def test_what_the_function_of_hydra_changes(program: Program) -> None:
    (program.folder / "config.yaml").write_text(HYDRA_CONFIG)
    program.run(HYDRA.replace("    import autotrack", "    cfg.lr *= 10\n    import autotrack"), "lr=0.5")
    given = program.only("hydra")
    assert (given["values"]["lr"], given["values"]["model.lr"], given["parsed"]["lr"]) == (5.0, 5.0, 0.5)


def _runs(program: Program) -> list[dict[str, Any]]:
    listed = subprocess.run(
        [sys.executable, "-m", "autotrack", "ls", "--json"],
        cwd=program.folder, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    runs = [json.loads(line) for line in listed.stdout.splitlines()]
    return sorted(runs, key=lambda run: float(run["started"]))


def test_absl(program: Program) -> None:
    source = """
from absl import app, flags
flags.DEFINE_float("lr", 0.1, "")
flags.DEFINE_list("names", ["a"], "")
flags.DEFINE_bool("fast", False, "")
def main(argv):
    flags.FLAGS.fast = True
    import autotrack
    autotrack.log({"loss": 1.0})
app.run(main)
"""
    program.run(source, "--lr=0.5")
    given = program.only("absl")
    assert given["values"] == {"lr": 0.5, "names": ["a"], "fast": True}
    assert given["parsed"] == {"fast": False}


def test_fire(program: Program) -> None:
    source = """
import fire
class Trainer:
    def __init__(self, lr=0.1, *, momentum=0.9): pass
    def train(self, epochs=3, *files, **rest):
        import autotrack
        autotrack.log({"loss": 1.0})
fire.Fire(Trainer)
"""
    program.run(source, "--lr", "0.5", "train", "7", "a.csv", "--decay=0.1")
    found = {given["name"]: given["values"] for given in program.given() if given["parser"] == "fire"}
    assert found["Trainer"] == {"lr": 0.5, "momentum": 0.9}
    assert found["Trainer.train"] == {"epochs": 7, "files": ["a.csv"], "decay": 0.1}


def test_jsonargparse(program: Program) -> None:
    source = """
import dataclasses, jsonargparse
@dataclasses.dataclass
class Optimizer:
    lr: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)
def main(optimizer: Optimizer = Optimizer(), epochs: int = 3):
    import autotrack
    autotrack.log({"loss": 1.0})
jsonargparse.CLI(main)
"""
    program.run(source, "--optimizer.lr", "0.5")
    assert program.values("jsonargparse") == {
        "config": None, "optimizer.lr": 0.5, "optimizer.betas": [0.9, 0.99], "epochs": 3,
    }  # fmt: skip
    assert not [given for given in program.given() if given["parser"] == "argparse"]


TYRO = """
import dataclasses, tyro
@dataclasses.dataclass
class Optimizer:
    lr: float = 0.1
@dataclasses.dataclass
class Args:
    optimizer: Optimizer
    epochs: int = 3
    batch: int = 0
"""


def test_tyro(program: Program) -> None:
    """What it makes is a variable of the program, which changes it."""
    program.run(TYRO + "args = tyro.cli(Args)\nargs.batch = args.epochs * 2\n" + LOG, "--optimizer.lr", "0.5")
    given = program.only("tyro")
    assert given["values"] == {"optimizer.lr": 0.5, "epochs": 3, "batch": 6}
    assert given["parsed"] == {"batch": 0}
    assert [given["parser"] for given in program.given()] == ["tyro"]


def test_tyro_with_a_function(program: Program) -> None:
    source = (
        "\ndef main(args: Args, seed: int = 1):\n    import autotrack\n    autotrack.log({'loss': 1.0})\ntyro.cli(main)"
    )
    program.run(TYRO + source, "--args.epochs", "5")
    assert program.values("tyro") == {"args.optimizer.lr": 0.1, "args.epochs": 5, "args.batch": 0, "seed": 1}


# Variables of the main program


def test_settings_at_the_top_of_a_program(program: Program) -> None:
    (program.folder / "mine.py").write_text("width = 7\n")
    source = """
import time, sys, math
from math import pi
from string import digits
from mine import width
batch_size = 64
lr: float = 0.1 * 3
warmup = batch_size // 2
device = "cuda" if batch_size > 100 else "cpu"
layers = [1, 2, 3]
limits = (0, None)
depth = int("12")
rate, decay = 0.5, 0.25
_private = 1
best = 0.0
count = 0
begun = time.time()
tick = time.perf_counter() + 0.0
data = list(range(1000))
text = "x" * 5000
read = open(__file__).read() * 10
def function(): pass
class Thing: pass
def reset():
    global changed
    changed = 3
changed = 1
model_args = dict(n_layer=2, bias=False, rest={"a": 1})
config = {"momentum": 0.9}
class CFG:
    folds = 5
    def method(self): pass
for size in (1, 2):
    best = max(best, 0.5)
    scaled = size * 2
while count < 3:
    count += 1
if __name__ == "__main__":
    final = True
"""
    program.run(source + LOG + "later = 3\n")
    assert program.values("variables") == {
        "width": 7, "batch_size": 64, "lr": 0.1 * 3, "warmup": 32, "device": "cpu", "layers": [1, 2, 3],
        "limits": [0, None], "depth": 12, "rate": 0.5, "decay": 0.25,
        "text": {"$cut": "x" * 200, "length": 5000}, "final": True,
    }  # fmt: skip
    objects = {given["name"]: given["values"] for given in program.given() if given["parser"] == "variable"}
    assert objects == {
        "model_args": {"model_args.n_layer": 2, "model_args.bias": False, "model_args.rest.a": 1},
        "config": {"momentum": 0.9},
        "CFG": {"folds": 5},
    }


def test_a_configuration_file_that_is_executed(program: Program) -> None:
    """As nanoGPT does."""
    (program.folder / "configurator.py").write_text(
        "import sys\nextra = 8\n"
        "for arg in sys.argv[1:]:\n    key, val = arg.split('=')\n    globals()[key] = float(val)\n"
    )
    source = "lr = 0.1\nexec(open('configurator.py').read())\nprint(lr, extra)\n"
    program.run(source + LOG, "lr=5")
    assert program.values("variables") == {"lr": 5.0, "extra": 8}


def test_objects_that_hold_settings(program: Program) -> None:
    source = """
import dataclasses, types
from omegaconf import OmegaConf
@dataclasses.dataclass
class Settings:
    lr: float = 0.1
    _seen: int = 0
    @property
    def evil(self): raise SystemExit("evaluated")
class Part:
    steps = 5
    def run(self): pass
class Config:
    depth = 3
    def __init__(self):
        self.width = 4
        self.trainer = Part()
    @property
    def evil(self): raise SystemExit("evaluated")
    def __getattr__(self, name): raise SystemExit("evaluated")
settings = Settings()
opt = types.SimpleNamespace(decay=0.5)
config = Config()
conf = OmegaConf.create({"a": {"b": 1}, "c": "${a.b}"})
"""
    program.run(source + LOG)
    objects = {given["name"]: given["values"] for given in program.given() if given["parser"] == "variable"}
    assert objects == {
        "settings": {"lr": 0.1, "_seen": 0},
        "opt": {"decay": 0.5},
        "config": {"depth": 3, "width": 4, "trainer.steps": 5},
        "conf": {"a.b": 1, "c": 1},
    }


# In the store


def test_the_params_of_runs(program: Program) -> None:
    source = (
        ARGPARSE
        + "args = parser.parse_args()\n"
        + """
import numpy
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
alpha = 1.0
max_iter = 50
X, y = numpy.arange(20.0).reshape(10, 2), numpy.arange(10.0)
Ridge(alpha=alpha, max_iter=args.layers[0]).fit(X, y)
GridSearchCV(Ridge(), {"alpha": [1.0, 2.0]}, cv=2).fit(X, y)
"""
    )
    program.run(source, "--lr", "0.5")
    ridge, *_ = runs = _runs(program)
    assert ridge["params"]["lr"] == 0.5
    assert (ridge["params"]["alpha"], ridge["params"]["max_iter"], ridge["params"]["global.max_iter"]) == (1.0, 8, 50)
    assert "global.alpha" not in ridge["params"]
    assert [run["params"].get("lr") for run in runs if run["kind"] == "search"] == [0.5]
    assert {run["params"].get("lr") for run in runs if run["kind"] == "trial"} <= {None}
    shown = subprocess.run(
        [sys.executable, "-m", "autotrack", "show", "--json", ridge["id"]],
        cwd=program.folder, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    sources = {param["name"]: param["source"] for param in json.loads(shown.stdout)["params"]}
    assert (sources["lr"], sources["alpha"], sources["global.max_iter"]) == ("args", "estimator", "global")


def test_the_params_of_a_loop_that_prints(program: Program) -> None:
    loop = "for step in range(3): print(f'step {step} loss {1 / (step + 1)}')\n"
    program.run(ARGPARSE + "args = parser.parse_args()\nwidth = 3\n" + loop, "--lr", "0.5")
    (run,) = _runs(program)
    assert run["kind"] == "printed"
    assert (run["params"]["lr"], run["params"]["width"]) == (0.5, 3)


SWEEP = """
import numpy
from sklearn.linear_model import Ridge
X, y = numpy.arange(20.0).reshape(10, 2), numpy.arange(10.0)
"""


@pytest.mark.parametrize(
    ("setting", "change"),
    [
        (ARGPARSE + "args = parser.parse_args()\n", "args.lr = lr"),
        (ARGPARSE + "given = vars(parser.parse_args())\n", "given['lr'] = lr; given['score'] = lr"),
        ("config = {'lr': 0.1}\n", "config['lr'] = lr"),
        ("from types import SimpleNamespace\nconfig = SimpleNamespace(lr=0.1)\n", "config.lr = lr"),
    ],
)
def test_what_changes_between_trainings(program: Program, setting: str, change: str) -> None:
    program.run(setting + SWEEP + f"for lr in (1.0, 2.0, 2.0, 3.0):\n    {change}\n    Ridge().fit(X, y)\n")
    runs = _runs(program)
    assert [run["params"]["lr"] for run in runs] == [1.0, 2.0, 2.0, 3.0]
    assert "score" not in runs[0]["params"] or runs[1]["params"]["score"] == 2.0


def test_trainings_in_threads_go_on_looking(program: Program) -> None:
    threads = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    list(pool.map(lambda _: Ridge().fit(X, y), range(100)))
config["lr"] = 7.0
Ridge().fit(X, y)
"""
    program.run("config = {'lr': 0.1}\n" + SWEEP + threads)
    assert _runs(program)[-1]["params"]["lr"] == 7.0


def test_a_variable_that_is_assigned_again(program: Program) -> None:
    program.run(SWEEP + "lr = 0.1\nRidge().fit(X, y)\nlr = 0.2\nlate = 1\nRidge().fit(X, y)\n")
    first, second = _runs(program)
    assert (first["params"]["lr"], second["params"]["lr"]) == (0.1, 0.2)
    assert "late" not in second["params"]


# Secrets

PLANTED = {
    "key": "AKIAIOSFODNN7EXAMPLE",
    "aws": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "url": "tok3n-in-a-url-123",
    "password": "hunter2-hunter2",
    "short": "pa55wd",
    "environment": "3nvironment-s3cret",
    "global": "gl0bal-t0ken-value",
    "nested": "nest3d-s3cret-x",
    "dsn": "dsnpassw0rd",
    "within": "of-the-ur1-itself",
    "pin": "48151623",
    "estimator": "estim8tor-pa55",
}


def test_secrets_are_nowhere(program: Program) -> None:
    source = f"""
import argparse, os, types
parser = argparse.ArgumentParser()
parser.add_argument("-p", "--password")
parser.add_argument("-s", dest="db_passwd")
parser.add_argument("--aws-key")
parser.add_argument("--other")
parser.add_argument("--url")
parser.add_argument("--header", default=os.environ["SOME_SERVICE_TOKEN"])
parser.add_argument("--pin-token", type=int)
parser.add_argument("--options", nargs="*", default=["--token", {PLANTED["nested"]!r}])
args = parser.parse_args()
AUTH_TOKEN = {PLANTED["global"]!r}
copied = AUTH_TOKEN + "?"
config = {{"db": {{"password": {PLANTED["nested"]!r}}}, "dsn": "host=x password={PLANTED["dsn"]} user=y"}}
import autotrack
class Model:
    pass
autotrack.log({{"loss": 1.0, "api_key": {PLANTED["estimator"]!r}, "where": {{"password": "{PLANTED["estimator"]}"}}}})
autotrack.tag(token={PLANTED["estimator"]!r}, lr=0.5)
print(args, args.password, args.url)
import logging
logging.warning("with %s at %s", os.environ["SOME_SERVICE_TOKEN"], args.url)
for epoch in range(3):
    print(f"epoch {{epoch}} loss {{1 / (epoch + 1)}} {{args.password}}")
raise RuntimeError("refused: " + args.password + " " + args.header)
"""
    words = ["-p", PLANTED["password"], "-s", PLANTED["short"], "--aws-key", PLANTED["aws"], "--other", PLANTED["key"]]
    url = f"https://me:{PLANTED['within']}@host/path?a=1&access_token={PLANTED['url']}"
    words += ["--url", url, "--pin-token", PLANTED["pin"]]
    program.run(source, *words, env={"SOME_SERVICE_TOKEN": PLANTED["environment"]}, code=1)
    subprocess.run([sys.executable, "-m", "autotrack", "ls"], cwd=program.folder, check=True, capture_output=True)
    files = [path for path in (program.folder / ".autotrack").rglob("*") if path.is_file()]
    assert any(path.name == "store.db" for path in files)
    for path in files:
        content = path.read_bytes()
        assert not [what for what, secret in PLANTED.items() if secret.encode() in content], path
    values = program.values("argparse")
    assert values["password"] == values["db_passwd"] == values["pin_token"] == values["header"] == "[redacted]"
    assert values["options"] == ["--token", "[redacted]"]


def test_secrets_in_the_name_of_a_run(program: Program) -> None:
    program.run("import autotrack\nwith autotrack.run('at https://me:pa55word-x@host'): pass\n")
    written = b"".join(path.read_bytes() for path in (program.folder / ".autotrack").rglob("*.jsonl"))
    assert b"pa55word-x" not in written
    assert b"https://me:[redacted]@host" in written


def test_secrets_in_tags_and_notes_given_afterwards(program: Program) -> None:
    program.run("import autotrack\nautotrack.log({'loss': 1.0})\n")
    for words in (["tag", "@last", "api_token=s3cret-of-tag", "n=1"], ["note", "@last", "password=s3cret-of-note"]):
        subprocess.run(
            [sys.executable, "-m", "autotrack", *words],
            cwd=program.folder, check=True, capture_output=True, timeout=120,
        )  # fmt: skip
    (run,) = _runs(program)
    assert run["tags"] == {"api_token": "[redacted]", "n": 1}
    files = [path for path in (program.folder / ".autotrack").rglob("*") if path.is_file()]
    assert not any(b"s3cret-of" in path.read_bytes() for path in files)


def test_a_job_without_runs_is_found(program: Program) -> None:
    program.run("open('written', 'w').write('x')\n")
    shown = subprocess.run(
        [sys.executable, "-m", "autotrack", "show"],
        cwd=program.folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert shown.returncode == 1
    job = shown.stderr.split()[-1]
    assert (program.folder / ".autotrack" / "journal" / job).is_dir()


LOCALS = """
import argparse, dataclasses, sys, torch
class Loud:
    def __repr__(self):
        raise SystemExit("asked")
    __str__ = __repr__
@dataclasses.dataclass
class Shape:
    heads: int = 3
    loud: object = dataclasses.field(default_factory=Loud)
class Data:
    def __init__(self):
        self.HP_lr, self.HP_batch_size, self.HP_dropout, self.optimizer = 0.1, 10, 0.5, "SGD"
        self.words = ["a"] * 1000
def fit(model, data, given, unset=None, epochs=2, wd=1e-4):
    rows = len(data); patience = 7; best = 0.0
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(epochs):
        step = 0
        for x in data:
            loss = model(x).pow(2).mean()
            optimizer.zero_grad(); loss.backward(); optimizer.step()
            best = max(best, loss.item()); step += 1
def main():
    hidden_size, batch_size = 8, 4
    api_key = "sk-abcdefghijklmnopqrstuvwxyz012345"
    parser = argparse.ArgumentParser(); parser.add_argument("--width", type=int, default=2)
    args = parser.parse_args()
    shape, cfg, lr, what = Shape(), {"depth": 3}, 0.25, Data()
    def inner():
        momentum = 0.5
        data = [torch.randn(batch_size, args.width) for _ in range(3)]
        fit(torch.nn.Linear(args.width, hidden_size), data, 5, epochs=1)
        fit(torch.nn.Linear(args.width, hidden_size), data, 6, epochs=3)
    inner()
main()
"""


def command(folder: Path, *words: str) -> str:
    given = [sys.executable, "-m", "autotrack", *words]
    return subprocess.run(given, cwd=folder, capture_output=True, check=True, timeout=60, text=True).stdout


def test_settings_in_variables_of_functions(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    Program(tmp_path).run(LOCALS)
    listed = [json.loads(line) for line in command(tmp_path, "ls", "--json").splitlines()]
    runs = [run["id"] for run in sorted(listed, key=lambda run: run["started"])]
    for run, (epochs, given) in zip(runs, ((1, 5), (3, 6)), strict=True):
        shown = command(tmp_path, "show", run, "--json")
        found = {p["name"]: p["value"] for p in json.loads(shown)["params"] if p["source"] == "local"}
        assert found == {
            "patience": 7, "epochs": epochs, "wd": 1e-4, "hidden_size": 8, "batch_size": 4, "local.lr": 0.25,
            "local.momentum": 0.5, "api_key": "[redacted]", "shape.heads": 3, "cfg.depth": 3, "what.HP_lr": 0.1,
            "what.HP_batch_size": 10, "what.HP_dropout": 0.5, "what.optimizer": "SGD", "given": given,
        }  # fmt: skip


GIVEN = """
import torch
class Trainer:
    def __init__(self, model, width, depth, rounds=2, *, window_size, loss="mse", words=(), scale=0.5, side=None):
        self.model, self.rounds, self.window_size, self._loss, self.words = model, rounds, window_size, loss, words
        self.found, self.best = 5, 0.0
    def learn(self, reward, action):
        loss = self.model(torch.ones(2, 3)).pow(2).mean()
        loss.backward()
    def train(self, best_loss, patience):
        for _ in range(self.rounds):
            self.learn(1.0, 3)
for hidden in (4, 8):
    model = torch.nn.Sequential(torch.nn.Linear(3, hidden), torch.nn.Linear(hidden, 1))
    Trainer(model, 7, hidden * 2, window_size=hidden + 1).train(9.0, 3)
"""


def test_settings_given_to_functions_and_constructors(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    Program(tmp_path).run(GIVEN)
    listed = [json.loads(line) for line in command(tmp_path, "ls", "--json").splitlines()]
    runs = [run["id"] for run in sorted(listed, key=lambda run: run["started"])]
    for run, hidden in zip(runs, (4, 8), strict=True):
        params = json.loads(command(tmp_path, "show", run, "--json"))["params"]
        found = {p["name"]: p["value"] for p in params if p["source"] == "local"}
        assert found == {"patience": 3, "rounds": 2, "window_size": hidden + 1, "loss": "mse", "width": 7, "scale": 0.5}


MADE = """
import json, random, torch
random.seed(0)
sizes, names = [3, 4], ["a", "b"]
words = "i like dogs i love".split()
index = {word: number for number, word in enumerate(words)}
relations = dict()
for number, word in enumerate(words): relations[word] = number
classes = {"cat": 0, "dog": 1}
loaded, arch = json.loads('{"alpha": 0.5, "n": 3}'), dict(layers=1, heads=2)
more = {}; more["lr"] = 0.3
hidden_sizes = [number * 8 for number in range(1, 3)]
tables = {"ETTh1": {"T": 1}, "ETTm1": {"T": 2}, "Solar": {"T": 3}, "WTH": {"T": 4}, "ECL": {"T": 5}}
data = "Solar"
def update(rewards):
    torch.manual_seed(1)
    patience, returns, total = 5, [], 0.0
    dims = [3, 4]
    first, second = sorted(["x", "y"])
    best_acc = 0
    vocabulary = {word: number for number, word in enumerate("abcd")}
    for reward in rewards:
        returns.insert(0, reward)
    torch.ones(1, requires_grad=True).sum().backward()
update([1.0, 2.0])
"""


def test_what_a_program_makes_is_no_setting(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    Program(tmp_path).run(MADE)
    params = json.loads(command(tmp_path, "show", "--json"))["params"]
    sources = {"local", "global", "config"}
    assert {p["name"]: p["value"] for p in params if p["source"] in sources} == {
        "sizes": [3, 4], "names": ["a", "b"], "classes.cat": 0, "classes.dog": 1, "loaded.alpha": 0.5, "loaded.n": 3,
        "arch.layers": 1, "arch.heads": 2, "more.lr": 0.3, "hidden_sizes": [8, 16], "tables.Solar.T": 3,
        "data": "Solar", "patience": 5, "dims": [3, 4], "total": 0.0,
    }  # fmt: skip


CONFIGURED = """
import torch
from transformers import PretrainedConfig
class Config(PretrainedConfig):
    model_type = "mine"
    def __init__(self, hidden_size=8, is_encoder_decoder=True, bos_token_id=3, **kw):
        super().__init__(is_encoder_decoder=is_encoder_decoder, bos_token_id=bos_token_id, **kw)
        self.hidden_size, self.head_size = hidden_size, hidden_size // 2
lm_config = Config(hidden_size=16)
model = torch.nn.Linear(lm_config.hidden_size, 1)
model(torch.ones(2, 16)).mean().backward()
"""


def test_the_configuration_of_a_model_of_transformers(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    Program(tmp_path).run(CONFIGURED)
    params = json.loads(command(tmp_path, "show", "--json"))["params"]
    found = {p["name"]: p["value"] for p in params if p["source"] == "config"}
    assert found == {"lm_config.hidden_size": 16, "lm_config.bos_token_id": 3, "lm_config.head_size": 8}
