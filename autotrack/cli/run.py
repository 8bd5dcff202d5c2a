"""`autotrack run`: start a program with recording on."""

from __future__ import annotations

import os
import shutil

import click

from autotrack import launch
from autotrack.launch import LaunchError


class RunCommand(click.Command):
    """Leaves the program's own arguments alone, and knows whether `--` came before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        rest = super().parse_args(ctx, args)
        ours = given[: len(given) - len(ctx.params.get("words") or ())]
        ctx.meta["autotrack.command"] = bool(ours) and ours[-1] == "--"
        return rest


@click.command(
    cls=RunCommand,
    context_settings={"allow_interspersed_args": False},
)
@click.option("-m", "module", is_flag=True, help="Run a module, as `python -m` does.")
@click.option("--dir", "directory", metavar="DIR", help="Record into this folder, instead of the nearest .autotrack.")
@click.option("--skip", metavar="NAMES", help="Frameworks to leave alone, by their modules, with commas between.")
@click.option("-q", "--quiet", is_flag=True, help="Print no summary line at the end.")
@click.argument("words", metavar="SCRIPT|-m MODULE|-- COMMAND [ARGS]...", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(
    ctx: click.Context, words: tuple[str, ...], module: bool, directory: str | None, skip: str | None, quiet: bool
) -> None:
    """Run a program and record what it trains.

    \b
      autotrack run train.py --epochs 3
      autotrack run -m package.train
      autotrack run -- ./train.sh

    The program's output, exit code and signals are its own.  Python programs that it starts are recorded too.
    """
    is_command = bool(ctx.meta["autotrack.command"])
    if not words:
        raise click.UsageError("say what to run: autotrack run train.py", ctx)
    if not (module or is_command or words[0] == "-" or os.path.exists(words[0])):
        hint = f"; a command runs with: autotrack run -- {words[0]}" if shutil.which(words[0]) else ""
        raise LaunchError(f"{words[0]}: there is no such file{hint}")
    settings = {"AUTOTRACK_DIR": directory and os.path.abspath(directory), "AUTOTRACK_SKIP": skip}
    os.environ.update({name: value for name, value in settings.items() if value})
    if quiet:
        os.environ["AUTOTRACK_QUIET"] = "1"
    launch.launch(words, module=module, command=is_command)
