"""How two texts differ, line by line: whatever they are, the one becomes the other, and it takes no long."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from autotrack.web.lines import BLOCK, grouped, opcodes

LINES = st.lists(st.sampled_from(["a", "b", "c", "d", "", "unique 1", "unique 2", "unique 3"]), max_size=30)


def replayed(first: list[str], second: list[str], codes: list[Any]) -> list[str]:
    made: list[str] = []
    place = 0
    for what, start, end, other, other_end in codes:
        assert start == place
        assert other == len(made)
        place = end
        if what == "equal":
            assert first[start:end] == second[other:other_end]
        made += second[other:other_end]
    assert place == len(first)
    return made


@given(LINES, LINES)
@example([], [])
@example(["a"] * (BLOCK + 1), ["b", *["a"] * (BLOCK + 1), "c"])
@example(["x", *["a"] * (BLOCK + 1), "y"], ["z", *["a"] * (BLOCK + 2), "w"])
def test_the_one_becomes_the_other(first: list[str], second: list[str]) -> None:
    codes = opcodes(first, second)
    assert replayed(first, second, codes) == second
    kinds = [code[0] for code in codes]
    assert all(before != after for before, after in pairwise(kinds))
    assert all(end > start or other_end > other for _, start, end, other, other_end in codes)


@given(LINES, LINES, st.integers(0, 3))
def test_groups_hold_all_that_differs(first: list[str], second: list[str], around: int) -> None:
    codes = opcodes(first, second)
    groups = list(grouped(codes, around))
    differing = [code for code in codes if code[0] != "equal"]
    assert [code for group in groups for code in group if code[0] != "equal"] == differing
    for group in groups:
        assert all(one[2] == other[1] and one[4] == other[3] for one, other in pairwise(group))
        assert all(end - start <= around for what, start, end, *_ in (group[0], group[-1]) if what == "equal")


def test_a_line_that_moves_leaves_the_others_where_they_are() -> None:
    codes = opcodes(["def f():", "    return 1", "", "def g():", "    return 2"], ["def g():", "    return 2"])
    assert codes == [("delete", 0, 3, 0, 0), ("equal", 3, 5, 0, 2)]


def test_long_texts_of_repeated_lines_take_no_long() -> None:
    first = [f"x{at % 51}" if at % 2 else f"one {at}" for at in range(20_000)]
    second = [f"x{at % 51}" if at % 2 else f"other {at}" for at in range(20_000)]
    assert replayed(first, second, opcodes(first, second)) == second
