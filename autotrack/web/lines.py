"""Which lines of two texts are the same: by those that each of them has once ("patience diff", Bram Cohen,
https://bramcohen.livejournal.com/73318.html), and between these as difflib has it.

difflib alone takes a time that grows with the cube of the number of lines where they repeat: 19 s for 5,000.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

BLOCK = 400
"""Lines of either text between two that are in each once, up to which they are compared one by one; of more, all are
taken to differ."""

Opcode = tuple[str, int, int, int, int]
"""As of `difflib.SequenceMatcher.get_opcodes`."""
Range = tuple[int, int, int, int]


def opcodes(first: Sequence[str], second: Sequence[str]) -> list[Opcode]:
    """How the first becomes the second, from the beginning to the end."""
    found: list[Opcode] = []
    waiting: list[Range | Opcode] = [(0, len(first), 0, len(second))]
    while waiting:
        part = waiting.pop()
        if len(part) == 5:
            found.append(part)
            continue
        waiting += reversed(list(_split(first, second, part)))
    return list(_joined(found))


def _split(first: Sequence[str], second: Sequence[str], part: Range) -> Iterator[Range | Opcode]:
    """A part by its ends that are the same, and then by the lines that both have once."""
    start, end, other, other_end = part
    begun = 0
    while start + begun < end and other + begun < other_end and first[start + begun] == second[other + begun]:
        begun += 1
    if begun:
        yield "equal", start, start + begun, other, other + begun
    start, other, same = start + begun, other + begun, 0
    while start < end - same and other < other_end - same and first[end - same - 1] == second[other_end - same - 1]:
        same += 1
    end, other_end = end - same, other_end - same
    anchors = _anchors(first, second, (start, end, other, other_end)) if start < end and other < other_end else []
    if anchors:
        for at, there in anchors:
            yield start, at, other, there
            yield "equal", at, at + 1, there, there + 1
            start, other = at + 1, there + 1
        yield start, end, other, other_end
    elif start == end or other == other_end or max(end - start, other_end - other) > BLOCK:
        if start < end:
            yield "delete", start, end, other, other
        if other < other_end:
            yield "insert", end, end, other, other_end
    else:
        matcher = SequenceMatcher(None, first[start:end], second[other:other_end], autojunk=False)
        for what, a, b, c, d in matcher.get_opcodes():
            yield what, a + start, b + start, c + other, d + other
    if same:
        yield "equal", end, end + same, other_end, other_end + same


def _anchors(first: Sequence[str], second: Sequence[str], part: Range) -> list[tuple[int, int]]:
    """The places of lines that both have once, of which the most are in the same order."""
    start, end, other, other_end = part
    ours, theirs = Counter(first[start:end]), Counter(second[other:other_end])
    places = {line: at for at, line in enumerate(second[other:other_end], other) if theirs[line] == 1}
    once = ((at, line) for at, line in enumerate(first[start:end], start) if ours[line] == 1)
    pairs = [(at, places[line]) for at, line in once if line in places]
    ends: list[int] = []
    chains: list[int] = []
    before: list[int] = []
    for at, (_, place) in enumerate(pairs):
        length = bisect_left(ends, place)
        before.append(chains[length - 1] if length else -1)
        ends[length : length + 1] = [place]
        chains[length : length + 1] = [at]
    found, last = [], chains[-1] if chains else -1
    while last >= 0:
        found.append(pairs[last])
        last = before[last]
    return found[::-1]


def _joined(found: Sequence[Opcode]) -> Iterator[Opcode]:
    """With neighbours of one kind, and those that delete and insert at the same place, as one."""
    held: Opcode | None = None
    for one in found:
        if held is None:
            held = one
        elif (held[0] == "equal") == (one[0] == "equal"):
            start, end, other, other_end = held[1], one[2], held[3], one[4]
            kind = "delete" if other == other_end else "insert" if start == end else "replace"
            held = "equal" if one[0] == "equal" else kind, start, end, other, other_end
        else:
            yield held
            held = one
    if held is not None:
        yield held


def grouped(codes: Sequence[Opcode], around: int) -> Iterator[list[Opcode]]:
    """What differs, with as many lines that are the same around it: parts that are near each other are together."""
    group: list[Opcode] = []
    for at, (what, start, end, other, other_end) in enumerate(codes):
        if what != "equal":
            group.append((what, start, end, other, other_end))
            continue
        if group:
            long = end - start > 2 * around or at == len(codes) - 1
            kept = min(around, end - start) if long else end - start
            group.append((what, start, start + kept, other, other + kept))
            if not long:
                continue
            yield group
            group = []
        if at < len(codes) - 1:
            kept = min(around, end - start)
            if kept:
                group.append((what, end - kept, end, other_end - kept, other_end))
    if any(what != "equal" for what, *_ in group):
        yield group
