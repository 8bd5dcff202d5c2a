"""The data that a function is for by its name, which is what is printed in it is of: `validate`, `test_epoch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autotrack.capture.shown import CALLERS_OF
from autotrack.printed.words import name_of

if TYPE_CHECKING:
    from types import CodeType

_NAMES = {"validate": "valid", "evaluate": "eval", "eval_": "eval"}
_BESIDE = frozenset(
    """
    acc accuracy all and batch classifier data dataset do ema epoch fn full func function it iter loader loop loss
    metric metrics model models net network on one pass phase run score set single split stage step the
    """.split()
)
"""Words beside that of the split in the name of a function that calls one which prints; others, as in `test_config` and
`val_to_str`, say that it is something else."""


def split_of(code: CodeType) -> str:
    """The split that the name of a function speaks of."""
    return "" if code.co_name == "<module>" else _NAMES.get(code.co_name, name_of(code.co_name).split)


def split_around(values: dict[str, object]) -> str:
    """The same of the functions that have called the one which prints: of the nearest whose name speaks of data.  One
    that trains may evaluate, too."""
    callers: Any = values.get(CALLERS_OF, ())
    for code in callers:
        words = {word: _NAMES.get(word, name_of(word).split) for word in code.co_name.strip("_").lower().split("_")}
        splits = {split for split in words.values() if split}
        if not splits:
            continue
        if len(splits) > 1 or any(word and not split and word not in _BESIDE for word, split in words.items()):
            return ""
        if splits == {"train"}:
            others = {_NAMES.get(name, name_of(name).split) for name in _names(code)}
            return "" if others - {"", "train"} else "train"
        return "" if "backward" in code.co_names else splits.pop()
    return ""


def _names(code: CodeType) -> tuple[str, ...]:
    return (*code.co_names, *code.co_varnames, *code.co_freevars, *code.co_cellvars)
