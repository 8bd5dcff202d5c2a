"""`autotrack completion`: the script that makes a shell complete commands, ids and metrics."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_AUTOTRACK_COMPLETE"
"""What click looks for in the environment, for a program of this name."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands, options, ids of runs and names of metrics.

    For good, add one of these lines to ~/.bashrc, to ~/.zshrc, or run the last one once:

    \b
      eval "$(autotrack completion bash)"
      eval "$(autotrack completion zsh)"
      autotrack completion fish > ~/.config/fish/completions/autotrack.fish

    Examples:

    \b
      autotrack completion bash > autotrack.bash
      autotrack completion zsh
      autotrack completion fish
    """
    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(ctx.find_root().command, {}, "autotrack", VARIABLE).source())
