"""`autotrack reproduce`: run a recorded program once more, and say whether the same comes of it."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import tempfile
from collections.abc import Iterator
from typing import Any

import click

from autotrack.cli import completing, output
from autotrack.cli.opened import opened, reading
from autotrack.journal.folder import Folder
from autotrack.reproduce.again import run
from autotrack.reproduce.apart import possible
from autotrack.reproduce.aside import SIGNALS
from autotrack.reproduce.differences import Difference
from autotrack.reproduce.plan import Plan, plan
from autotrack.reproduce.verdict import Verdict, verdict
from autotrack.store import StoreError, open_store

DIVERGED, NOT_RUNNABLE = 3, 1
SHOWN = 10
"""Differences that people see."""


@click.command()
@click.argument("reference", metavar="ID", default="@last", shell_complete=completing.runs)
@click.option("--dry-run", is_flag=True, help="Say what it takes, and what of that is here; run nothing.")
@click.option("--current-env", "current", is_flag=True, help="Use the packages that are installed here.")
@click.option("--out", metavar="FOLDER", help="The fresh folder to run in. [a new one among the temporary ones]")
@click.option(
    "--tolerance", type=click.FloatRange(0), default=1e-5, show_default=True, help="Relative, of numbers that differ."
)
@click.option("--timeout", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="Give up after so long.")
@click.option(
    "--own-view/--no-own-view", default=True, help="Whether the program sees the fresh folder at its old place."
)
@reading
@click.pass_context
def command(
    ctx: click.Context,
    reference: str,
    dry_run: bool,
    current: bool,
    own_view: bool,
    out: str | None,
    tolerance: float,
    timeout: float | None,
    as_json: bool,
    directory: str | None,
) -> None:
    """Run a recorded program once more, and compare what comes of it with what was recorded.

    The code is written into a fresh folder as it was, the inputs are checked by their digests and put beside it, the
    packages are installed in the versions that they had (with --current-env, compared with those that are here), and
    the program is started as it was: arguments, variables, threads.  It seeds itself as it did.  Nothing that is
    there is changed: where Linux lets it, the program sees the fresh folder at the place of the old one, and what it
    writes elsewhere lands in `outside`; else what lies where it wrote is put aside, and back.

    The verdict is `bitwise`, `within tolerance`, `diverged`, with the first thing that differs (a package, an input,
    the state of a random number generator, the loss at some step, the weights, a metric), or `not runnable`, with what
    is missing.  How far weights are apart is not known, only whether they are the same: where they are not, the losses
    and metrics decide.  Exits with 0, with 3 where it diverged, with 1 where it could not be run.

    Examples:

    \b
      autotrack reproduce @best:test/accuracy --dry-run
      autotrack reproduce @last --current-env
    """
    with _ended_by_signals(), opened(directory) as store, _fresh(out) as place:
        able = possible(place) if own_view else (False, False)
        made = plan(store, reference, place, current=current, apart=able)
        if dry_run or made.problems:
            _tell_plan(made, as_json, current=current)
            ctx.exit(NOT_RUNNABLE if made.problems else 0)
        code = run(made, current=current, timeout=timeout, say=_say)
        with open_store(Folder(os.path.join(place, ".autotrack"))) as again:  # whatever store is set
            again.refresh()
            found = verdict(store, made, again, code, tolerance)
    _tell_verdict(made, found, code, as_json)
    ctx.exit(DIVERGED if found.kind == "diverged" else 0)


def _say(text: str) -> None:
    click.echo(f"autotrack: {text}", err=True)


@contextlib.contextmanager
def _fresh(out: str | None) -> Iterator[str]:
    """The fresh folder; one that stays empty is removed.  Raises StoreError."""
    if out:
        place = os.path.abspath(out)
        new = not os.path.exists(place)
        os.makedirs(place, exist_ok=True)
        if os.listdir(place):
            raise StoreError(f"{place} is not empty; name a folder that is not there yet: --out FOLDER")
    else:
        place, new = tempfile.mkdtemp(prefix="autotrack-reproduce-"), True
    try:
        yield os.path.realpath(place)
    finally:
        if new and not os.listdir(place):
            os.rmdir(place)


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Leave by way of what is to be put back, once: who asks again must wait for that."""
    asked: list[int] = []

    def leave(number: int, frame: object) -> None:
        asked.append(number)
        if len(asked) == 1:
            raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell_plan(made: Plan, as_json: bool, *, current: bool) -> None:
    inputs = [one.__dict__ for one in made.inputs]
    if as_json:
        about = {
            "verdict": "not runnable" if made.problems else None, "problems": made.problems, "changes": made.changes,
            "notes": made.notes, "argv": made.argv, "cwd": made.cwd, "inputs": inputs, "outside": made.outside,
        }  # fmt: skip
        output.print_json(about)
        return
    for problem in made.problems:
        click.echo(f"missing   {output.printable(problem)}")
    click.echo(f"program   {output.printable(' '.join(made.argv[1:]))}")
    click.echo(f"in        {output.printable(made.cwd)}")
    if made.snapshot is not None:
        click.echo(f"code      {made.snapshot.about['files']} files, tree {made.snapshot.tree[:12]}")
    for one in made.inputs:
        click.echo(f"input     {output.printable(one.path)}: {one.state}")
    if made.packages is not None:
        where = "compared with those installed here" if current else "to be installed"
        click.echo(f"packages  {len(made.packages.versions)}, {where}; {made.packages.python}")
    _tell_before(made)
    click.echo("not runnable" if made.problems else "runnable")


def _tell_before(made: Plan) -> None:
    for what, text in made.changes:
        click.echo(f"changed   {what}: {output.printable(text)}")
    for note in made.notes:
        click.echo(f"note      {output.printable(note)}")


def _tell_verdict(made: Plan, found: Verdict, code: int, as_json: bool) -> None:
    if as_json:
        about: dict[str, Any] = {
            "verdict": found.kind, "first": _json(found.first) if found.first else None,
            "differences": [_json(one) for one in found.differences], "compared": found.compared,
            "changes": made.changes, "notes": made.notes, "exit": code, "place": made.place,
        }  # fmt: skip
        output.print_json(about)
        return
    _tell_before(made)
    counts = ", ".join(f"{count} {what}" for what, count in found.compared.items())
    click.echo(f"compared  {counts}")
    made_no_difference = "  (made no difference)" if found.kind == "bitwise" else ""
    for one in found.differences[:SHOWN]:
        click.echo(f"differs   {_in_words(one)}{made_no_difference}")
    if len(found.differences) > SHOWN:
        click.echo(f"          and {len(found.differences) - SHOWN} more with --json")
    click.echo(f"output    {os.path.join(made.place, 'output.log')}")
    first = f": first {_in_words(found.first)}" if found.first is not None else ""
    click.echo(f"{found.kind}{first}")


def _json(one: Difference) -> dict[str, Any]:
    about = one._asdict()
    return {**about, "amount": one.amount if math.isfinite(one.amount) else None}


def _in_words(one: Difference) -> str:
    step = f" at step {one.step}" if one.step is not None else ""
    values = "" if one.before is None and one.now is None else f": {_short(one.before)} → {_short(one.now)}"
    return output.printable(f"{one.what} {one.name}{step}{values}")


def _short(value: Any) -> str:
    if isinstance(value, str) and value.startswith(("xxh3", "blake3")):
        return output.digest(value)
    return repr(value) if isinstance(value, float) else output.short(value, 100)
