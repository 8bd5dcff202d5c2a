"""`autotrack demo`: what autotrack does, on real models, in a minute."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import click

import autotrack.demo
from autotrack.cli import output, runtable
from autotrack.cli.opened import opened
from autotrack.errors import AutotrackError

FOLDER = "autotrack-demo"
PROGRAM = "train.py"
SHOWN_METRIC = "test/accuracy"


class DemoError(AutotrackError):
    """The demonstration can't be run, and why."""


@click.command()
@click.argument("folder", metavar="[FOLDER]", default=FOLDER, type=click.Path(file_okay=False, path_type=Path))
def command(folder: Path) -> None:
    """Train a few models on scikit-learn's digits and look at what is recorded.

    Writes an ordinary scikit-learn program, with no line of autotrack in it, to FOLDER/train.py (autotrack-demo
    unless said otherwise), runs it recorded, and shows what there is to see.  A train.py that is there already is
    run as it is.

    Examples:

    \b
      autotrack demo
    """
    if importlib.util.find_spec("sklearn") is None:
        raise DemoError("the demonstration needs scikit-learn: python3 -m pip install 'autotrack-ml[demo]'")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        program = folder / PROGRAM
        if not program.exists():
            program.write_text(Path(autotrack.demo.__file__).with_name(PROGRAM).read_text(encoding="utf-8"))
    except OSError as error:
        raise DemoError(
            f"{folder} can't be written ({error.strerror}); name another folder: autotrack demo FOLDER"
        ) from None
    source = program.read_text(encoding="utf-8")
    _say(f"{program}: {len(source.splitlines())} lines of scikit-learn, with no line of autotrack in them.")
    _prompt(f"cd {folder}")
    _prompt(f"autotrack run {PROGRAM}")
    record = folder.resolve() / ".autotrack"
    env = {**os.environ, "AUTOTRACK_DIR": str(record)}
    words = [sys.executable, "-m", "autotrack", "run", PROGRAM]
    code = subprocess.run(words, cwd=folder, env=env, check=False).returncode
    if code != 0:
        raise DemoError(f"{program} ended with exit code {code}; what it got to is recorded all the same")
    console = output.console()
    with opened(str(record)) as store:
        _prompt("autotrack ls")
        runs = store.runs(limit=10)
        console.print(runtable.table(runs, console.width))
        best = f"@best:{SHOWN_METRIC}"
        _prompt(f"autotrack show {best}")
        from autotrack.cli.show import print_run

        print_run(store, store.resolve(best)[1], limit=8)
    click.echo()
    _say("What to type next:")
    for words_, what in (
        (f"cd {folder}", "where the demonstration's record is"),
        ("autotrack ls 'metrics[\"test/accuracy\"] > .95' --sort test/accuracy", "find runs"),
        (f"autotrack compare @last {best}", "see how two runs differ"),
        (f"autotrack show {best} --json", "everything, for other programs"),
        ("autotrack run YOUR_PROGRAM.py", "your own program, as it is"),
    ):
        click.echo(f"  {words_:70}  {what}")


def _prompt(command: str) -> None:
    click.secho(f"\n$ {command}", bold=True)


def _say(text: str) -> None:
    click.secho(text, fg="cyan")
