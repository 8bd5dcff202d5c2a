"""The command line: one module a command, imported when it is called.

Exit codes: 0; 1 for what can't be done, with a message that says what to do next; 2 for wrong usage.  `run` exits
as the program does.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import click

import autotrack
from autotrack import plugins
from autotrack.errors import AutotrackError

COMMANDS = {
    "run": "Run a program and record it.",
    "ls": "List runs: filter, sort, choose columns.",
    "show": "Show everything about a run or a job.",
    "compare": "Show how runs differ.",
    "similar": "Show the runs that are most like a run.",
    "trace": "Show where a file, model or run comes from.",
    "plot": "Draw curves of metrics.",
    "ui": "Open the web page.",
    "tag": "Tag a run, or take tags away.",
    "note": "Write a note on a run.",
    "rm": "Leave runs out of lists, or show them again.",
    "export": "Write runs or points for other programs: CSV, Parquet, JSON.",
    "code": "Print or write out the code of a run.",
    "reproduce": "Run a recorded program once more and compare.",
    "env": "Print a run's packages as a requirements file.",
    "doctor": "Say what is observed, and what is not.",
    "verify": "Check that nothing recorded was changed.",
    "gc": "Say what the folder holds and what of it can go.",
    "completion": "Print the script that makes a shell complete.",
    "demo": "Train a few models and look at what is recorded.",
}
"""The commands in the order of `--help`; the function of each is `autotrack.cli.NAME:command`."""


class CommandLine(click.Group):
    """The core's commands, imported on demand, and those of plugins, asked for when they are needed."""

    _complete = False

    def _add_plugins(self) -> None:
        if not self._complete:
            self._complete = True
            plugins.command_plugins(self)

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._add_plugins()
        return [*COMMANDS, *sorted(set(self.commands) - set(COMMANDS))]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module = importlib.import_module(f"autotrack.cli.{cmd_name}")
            command: click.Command = module.command
            return command
        self._add_plugins()
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of `--help`, without importing the core's commands."""
        rows = [
            (name, COMMANDS[name] if name in COMMANDS else self.commands[name].get_short_help_str())
            for name in self.list_commands(ctx)
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


@click.group(
    cls=CommandLine,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with `autotrack demo`, or with a program of yours: `autotrack run train.py`.",
)
@click.version_option(autotrack.__version__, message="autotrack %(version)s")
def cli() -> None:
    """Record every training run of unchanged programs, then list, show and compare them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and exit, or return the exit code where something could not be done."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        cli.main(args=list(arguments) if arguments is not None else None, prog_name="autotrack")
    except AutotrackError as error:
        click.echo(f"autotrack: {error}", err=True)
        return error.exit_code
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"autotrack: {place}{error.strerror or error}", err=True)
        return 1
    return 0
