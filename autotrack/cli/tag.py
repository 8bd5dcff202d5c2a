"""`autotrack tag`: tags of a run, given afterwards."""

from __future__ import annotations

import json
from typing import Any

import click

from autotrack.cli import completing, output
from autotrack.cli.opened import edited, opened
from autotrack.store import NotFound


@click.command()
@click.argument("reference", metavar="ID", shell_complete=completing.runs)
@click.argument("words", metavar="NAME[=VALUE]...", nargs=-1, required=True)
@click.option("--remove", is_flag=True, help="Take the tags of these names away.")
@click.option("--dir", "directory", metavar="DIR", help="Read this folder, instead of the nearest .autotrack.")
def command(reference: str, words: tuple[str, ...], remove: bool, directory: str | None) -> None:
    """Tag a run, or take tags away.

    A value is a number, true or false where it looks like one, else a text; '"5"' is the text 5.  A name alone is
    true.  Tags are shown by `autotrack ls` and `show`, and found by filters: autotrack ls 'tags.stage == "final"'

    Examples:

    \b
      autotrack tag @last reviewed
      autotrack tag @best:test/accuracy stage=final score=4.5
      autotrack tag @last --remove reviewed
    """
    tags = [_tag(word, remove) for word in words]
    with opened(directory) as store:
        id = edited(store, reference)
        present = store.run(id)["tags"]
        if remove:
            for name, _ in tags:
                if name not in present:
                    has = ", ".join(present) or "none"
                    raise NotFound(f"the run {id} has no tag {name!r}; it has: {output.printable(has)}")
            for name, _ in tags:
                store.untag(id, name)
        else:
            for name, value in tags:
                store.tag(id, name, value)
        left = store.run(id)["tags"]
    shown = ", ".join(name if value is True else f"{name}={output.short(value)}" for name, value in left.items())
    click.echo(f"{id}: {shown or 'no tags'}")


def _tag(word: str, remove: bool) -> tuple[str, Any]:
    name, given, text = word.partition("=")
    if not name:
        raise click.UsageError(f"{word!r} has no name before the value; a tag is NAME or NAME=VALUE")
    if remove and given:
        raise click.UsageError(f"to remove a tag, give its name alone: {name}")
    return name, _value(text) if given else True


def _value(text: str) -> Any:
    def unknown(word: str) -> Any:  # NaN, Infinity: texts
        raise ValueError(word)

    try:
        value = json.loads(text, parse_constant=unknown)
    except (ValueError, RecursionError):
        return text
    return text if value is None or isinstance(value, (list, dict)) or value in _INFINITE else value


_INFINITE = (float("inf"), float("-inf"))
"""What too large a number becomes."""
