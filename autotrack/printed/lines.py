"""The numbers in a printed text, and what each is: a metric under its label, a counter, or something else.

Works on the text alone.  Where the source of the print is known, each stretch of the text that an expression made is
given with it: a variable's own value instead of its digits, and a name where the text has no label.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from autotrack.patterns import lazily
from autotrack.printed.lists import entries_of, without_lists
from autotrack.printed.numbers import LONGEST, Field, Number, numbers_in
from autotrack.printed.words import (
    COARSE,
    COUNTERS,
    NOTHING,
    OTHER,
    PLURALS,
    SPLITS,
    UNITS_OF_OTHER,
    Name,
    name_of,
    weighs,
)

_NO_NUMBERS = lazily(
    r"\b\d{4}[-/.]\d\d?[-/.]\d\d?\b|\b\d\d?[-/.]\d\d?[-/.]\d{4}\b|(?<![@\w.])\d+:\d\d(?::\d\d)?(?:[.,]\d+)?\b"
    r"|\b\d+\.\d+\.\d+[\w.]*|^\W*(?:[\w.]+\s*[-:|]?\s+)?\[?(?:DEBUG|INFO|WARNING|WARN)\b\]?(?::[\w.]+:)?"
)
"""Dates, times, versions, addresses, and what a log puts before its lines."""
_OBJECT = lazily(r"\b[A-Za-z_]\w*\((?=[^()]*=[^()]*=)(?:[^()]|\([^()]*\))*\)?")
"""An object by its fields: `Namespace(lr=0.1, epochs=3)`."""
_COLOUR = lazily(r"\x1b\[[0-9;]*[A-Za-z]")
_LEVEL = lazily(r"\b(?:DEBUG|INFO|WARNING)\b\]?:?")
_NAMED_BY_NUMBER = lazily(r"\b(top|rank|prec|hits?)[ -](\d+)(?=\s*(?:[:=(]|acc))", re.IGNORECASE)
"""`Top 1: 0.5`."""
_HOW_MANY = lazily(r"#\s*[A-Za-z]+\s*[:=]?\s*$")
"""`# games: 3`."""
_NUMBERED = lazily(r"(?<=[a-z])\s?#(?=\d)", re.IGNORECASE)
"""`step #3`."""
_GIVEN = lazily(r"\S+=\S+\s")
_OF_NUMPY = lazily(r"(\bnp\.(?:float|int|uint)\d*\()([-+.\deE]+|nan|inf)\)")
"""A scalar as NumPy 2 shows it in a list: `np.float64(0.5)`."""
_FOLLOWED = lazily(r"(?:\s?%)?\s+([A-Za-z]\w*)(?=\s*(?:[,;)|\]]|$))")
"""A word that what stands there ends with: `0.5 loss, 0.9 accuracy`."""
_ASSIGNED = lazily(r"\s([A-Za-z]\w*)=$")
_CALLED = lazily(r"(?<=\w)\s?\(([^()]*(?:\([^()]*\)[^()]*)?)\)(?=\s*[:=]\s*\S*$|\s*[:=])")
_RATIO = lazily(r"\s*(?:/|of|out of)\s*$")
_BOUNDARY = lazily(r"[,;|\t{}\[\]()<>]|\s{3,}|\s[-–—>•*]+\s|[.!?]\s|\n")
_LETTER = lazily(r"[^\W\d_]")
_LEAD = lazily(r"^\W*(?P<words>[A-Za-z][A-Za-z _-]*?)\s*(?:[:|\]>)]|-+\s|\s-)")
_DEVIATION = lazily(r"(?:±|\+\s?/\s?-|\+-)\s*$")
_COMPARED = lazily(r"(?:[<>≥≤]=?|\b(?:from|to|below|above|under|than))\s*$", re.IGNORECASE)
_CHANGED = lazily(r"decreas|increas|improv|reduc|drop|chang|updat|\bbest\b|\bfrom\b", re.IGNORECASE)
"""Words beside which an arrow stands between a value and the one that has taken its place."""
_ARROW = lazily(r"\s*%?\s*(?:[-=]+>|→|⟶)\s*")
_WHOLE = frozenset("map ap return precision em ed rewards".split())
"""Words that name something else where the number is an integer: `precision: 32`."""
_BOTH = lazily(r".*?(\w+)/(\w+)\s+(\w+)")
_AVERAGED = lazily(r"average|avg|mean|running|moving|smooth", re.IGNORECASE)
_AVERAGE = lazily(r"\s\(\s*$")
_CLOSED = lazily(r"\s*%?\s*\)")
_OF_EACH = lazily(r"\[\s*\d+\s*/\s*\d+\s*\]")
_TIMED = lazily(r"\b(?:time|data)\b[\s_:=]*\d[\d.e+-]*s?\s*\(\s*\d[\d.e+-]*s?\s*\)", re.IGNORECASE)
"""`Time 0.12 (0.23)`: the value and the mean so far, which those are that stand beside it in this way as well."""


@dataclass(slots=True)
class Line:
    """What a line of text says."""

    counters: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    """The word of each counter to its value, and to where it counts to where that is said."""
    values: list[tuple[str, float, bool]] = field(default_factory=list)
    """Name, value, and whether the name is known as a metric's: others count only beside a counter."""
    split: str = ""
    """That the line as a whole speaks of."""
    samples: set[str] = field(default_factory=set)
    """The words of counters that count samples, by the source."""
    percent: set[str] = field(default_factory=set)
    """Names of values that are in percent."""


def read(
    text: str, fields: Sequence[Field] = (), *, counters: Sequence[str] = (), split: str = "", fallback: str = ""
) -> Line:
    """What one line says.  `counters`: names of variables that count the loops around the print; `split`: what the
    text before spoke of; `fallback`: what else it may speak of."""
    text = _COLOUR.sub(lambda match: "\0" * len(match[0]), text[:LONGEST])
    text = _NAMED_BY_NUMBER.sub(lambda match: f"{match[1]}_{match[2]}", text)
    text = _OF_NUMPY.sub(lambda match: " " * len(match[1]) + match[2] + " ", text)
    text = _NUMBERED.sub(lambda match: " " * len(match[0]), text)
    for pattern in (_NO_NUMBERS, _OBJECT):
        text = pattern.sub(lambda match: " " * len(match[0]), text)
    line = Line(split=_lead(text) or split)
    numbers, lists = without_lists(text, numbers_in(text, fields))
    begin = 0
    inherited = line.split
    qualifier = _qualifier(text, fields)
    if re.search(r"\.\w{2,4}$", qualifier):  # each file is a point
        qualifier = ""
    last: str | None = None
    last_at = -1
    skip, last_progress = -1, ""
    uncertain: set[str] = set()
    for at, number in enumerate(numbers):
        if at <= skip:
            begin = number.end
            continue
        before = text[begin : number.start]
        given = _ASSIGNED.search(before)
        if given is not None and name_of(given[1]).kind == "other":  # `Loss after seen_examples=7: 0.5`
            place = begin + given.start(1)
            text = text[:place] + "\0" * (number.end - place) + text[number.end :]
            continue
        label = _label(before, number.labels)
        if any(len(shown) > 1 and shown in label for shown in number.labels):  # `Model 3 ./a_10.pth mAP`
            told, bare = name_of(label), _label(_without(before, number.labels), ())
            if name_of(bare).kind == "metric" and name_of(bare).metric != told.metric and not name_of(bare).split:
                label = f"{told.split} {bare}" if told.split else bare
        if number.start in lists:
            line.values += entries_of(label, lists[number.start], inherited)
            begin = lists[number.start][-1].end
            continue
        behind = _FOLLOWED.match(text, number.end)
        if (
            behind is not None
            and name_of(behind[1]).kind == "metric"
            and name_of(label).kind in ("", "counter")
            and not before.rstrip().endswith("=")
        ):  # `D (0.4 real_err, 0.3 fake_err)`
            own = f"{label} " if label and label not in number.labels and not name_of(label).kind else ""
            label, number = f"{own}{behind[1]}", number._replace(end=behind.end(1))
        said = name_of(label) if label else NOTHING
        expressed = name_of(number.field.name) if number.field is not None and number.field.name else NOTHING
        partner = _partner(text, numbers, at)
        total = int(partner.value) if partner is not None and partner.whole else None
        word = _counter(number, said, expressed, label, counters, partner)
        if not word and number.enclosed and total and number.whole and not label and not line.values:
            word = "batch" if coarse(line.counters) and number.value <= total else ""  # `Epoch: 1/2 (3/300)`
        if word and not _HOW_MANY.search(before):
            if word == "batch" == last_progress and "epoch" not in line.counters:  # `[1/25][300/782]`
                line.counters = {"epoch": line.counters.pop("batch"), **line.counters}
            last_progress = word if not label else ""
            if number.field is None or number.field.name not in counters:
                uncertain.add(word)
            if number.field is not None and word in PLURALS and word in uncertain and partner is None:
                begin = number.end  # `Test Episodes: 10`: how many there are
                continue
            line.counters.setdefault(word, (int(number.value), total))
            if number.field is not None and number.field.many and (word == "batch" or not label):
                line.samples.add(word)
            inherited = inherited or said.split
            if partner is not None:
                skip = at + 1
            if said.kind != "metric" or not label:
                begin = number.end
            else:
                text = text[: number.start] + " " * (number.end - number.start) + text[number.end :]
            # else: `Loss after epoch 3: 0.5`, where the label goes on behind the counter
            continue
        if _DEVIATION.search(before):
            if last is not None:
                line.values.append((f"{last}.std", number.value, True))
            begin = number.end
            continue
        counted = UNITS_OF_OTHER.match(text, number.end)
        if number.whole and not number.percent and partner is None and _is_count(text, number, before):
            continue  # a count within a label: `on the 10000 test images: 54 %`
        if counted and not number.percent and said.kind != "metric":
            begin = counted.end()
            continue
        if not line.values and not inherited:
            inherited = _only_split(text[: number.start]) or fallback
        if _COMPARED.search(before):  # `accuracy >= 0.95`, `improved from 0.9 to 0.8`
            begin = number.end
            continue
        arrow = at + 1 < len(numbers) and _ARROW.fullmatch(text, number.end, numbers[at + 1].start)
        if arrow and _CHANGED.search(label):  # `loss decreased (0.9 --> 0.8)`, which tells again what was said
            begin, skip = numbers[at + 1].end, at + 1
            continue
        if number.enclosed and not label and last_at == at - 1 >= 0 and _is_mean(text, number, numbers[last_at]):
            mean = f"{last}.avg"
            line.values += [(mean, number.value, True)] if all(mean != other for other, _, _ in line.values) else []
            begin = number.end
            continue
        name, known = _named(said, expressed, number, label)
        if partner is not None and not number.whole and expressed.metric and not known:
            name = expressed  # `D(G(z)): 0.04 / 0.03`
        value = number.value
        both = _BOTH.fullmatch(label) if partner is not None and not number.whole else None
        if both is not None and partner is not None:  # `mean/median reward 24.7/24.5`
            for which, of in ((both[1], number), (both[2], partner)):
                line.values.append((f"{inherited}/{which}_{both[3]}".lstrip("/").lower(), of.value, True))
            skip = at + 1
            begin = partner.end
            continue
        percent = None
        if partner is not None:
            skip = at + 1
            percent = next((n for n in numbers[at + 2 : at + 3] if n.percent), None)
            if percent is None and number.whole and partner.whole and said.kind != "other":
                made = next((n for n in numbers[at + 2 : at + 3] if not n.whole), None)
                if made is not None and re.fullmatch(r"\s*=\s*", text[partner.end : made.start]):
                    percent = made  # `acc: 45/50=0.9`
            if percent is not None and known:
                value, skip = percent.value, at + 2
            elif expressed.kind == "metric" or not known:
                skip = at
            elif number.whole and partner.whole and partner.value and _RATE.search(name.metric):
                value = number.value / partner.value  # `accuracy: 450/500`
        begin = number.end
        if not name.metric and said.split and not said.kind and last is not None and expressed.kind != "other":
            name, known = Name(last.rpartition("/")[2], said.split, ""), True  # `loss train: 2.2, val: 2.0`
        if not name.metric or (last is not None and not label and _AVERAGE.search(before) and not known):
            continue
        value_of = (
            known and number.field is not None and number.field.name.removesuffix(".avg").endswith("_val")
        )  # `loss_val` says no more
        split_of = (
            name.split
            or ("" if value_of else expressed.split)
            or (inherited if known or not label or line.values else "")
        )
        if known:
            inherited = name.split or inherited
        full = str(Name(name.metric, split_of, ""))
        if (
            qualifier
            and not line.counters
            and (number.field is None or qualifier != text[number.field.start : number.field.end])
        ):
            full = f"{full} ({qualifier})"
        again = sum(full == other.partition("[")[0] for other, _, _ in line.values)
        average = _AVERAGED.search(label) if again and known else None
        if average is not None:  # `loss: 0.5, average loss: 0.6`
            full = str(Name(f"{average[0].lower()}_{name.metric}", split_of, ""))
            again = sum(full == other.partition("[")[0] for other, _, _ in line.values)
        if not again or (number.field is not None and _AVERAGE.search(before) is None and known):
            full_again = f"{full}[{again}]" if again else full
            line.values.append((full_again, value, known))
            if (percent is not None and percent.percent) or (number.percent and value == _as_printed(text, number)):
                line.percent.add(full_again)
            last, last_at = (full, at) if known else (last, last_at)
    if len(line.counters) > 1 or not line.values:  # `Steps: 3`: how many there are
        named = {
            word: entry
            for word, entry in line.counters.items()
            if word not in PLURALS & uncertain or entry[1] is not None
        }
        line.counters = named
    if any(word in COARSE for word in line.counters):  # `episode 3, score 12.5, steps 410`
        line.counters = {w: entry for w, entry in line.counters.items() if w not in PLURALS or entry[1] is not None}
    if not any("/" in name for name, _, _ in line.values) and len(line.values) > 1:
        said_so = _only_split(re.sub(r"\w*_\w*", " ", text))  # `..., 'component': 'dev'}`
        if said_so:
            line.values = [(f"{said_so}/{name}", value, known) for name, value, known in line.values]
            line.percent = {f"{said_so}/{name}" for name in line.percent}
    return line


def _is_mean(text: str, number: Number, value: Number) -> bool:
    """Whether a number in parentheses behind a value is the mean so far: by the source, or in a line of each batch."""
    if _CLOSED.match(text, number.end) is None:
        return False
    if number.field is not None and number.field is not value.field:
        return number.field.name.endswith(".avg")
    return _TIMED.search(text) is not None and _OF_EACH.search(text) is not None


def _as_printed(text: str, number: Number) -> float:
    digits = re.match(r"[-+.\d,]+(?:[eE][-+]?\d+)?", text[number.start : number.end])
    return float(digits[0].replace(",", "")) if digits is not None else number.value


def _lead(text: str) -> str:
    """The split that a line begins with: `Test set: ...`, `[Train] ...`, `Validation | ...`."""
    match = _LEAD.match(text)
    if match is None:
        return ""
    words = re.findall(r"[a-z]+", match["words"].lower())
    if "cross" in words:
        return "cv"
    return next((SPLITS[word] for word in words if word in SPLITS), "") if len(words) <= 4 else ""


def _only_split(text: str) -> str:
    """The one split that a text speaks of."""
    found = {SPLITS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in SPLITS}
    return found.pop() if len(found) == 1 else ""


def _label(before: str, printed: Sequence[str]) -> str:
    """The label that stands before a number: the last stretch with letters that is not `printed` by an expression."""
    before = _LEVEL.sub("", before.replace("\0", ""))
    if re.search(r"=\s*$", before):
        before = _GIVEN.sub("", before)
    before = _CALLED.sub(lambda match: "_" + re.sub(r"\W+", "_", match[1]) + "_", before)
    found = [piece for piece in _BOUNDARY.split(before) if _LETTER.search(piece)]
    pieces = [piece for piece in found if piece.strip(" :=") not in printed] or found
    if pieces and ":" in pieces[-1].rstrip(" :"):
        tail = pieces[-1].rstrip(" :").rpartition(":")[2]
        if name_of(tail).kind == "metric":
            pieces.append(tail)
    return pieces[-1].strip(" :=~≈\"'*-#→>+") if pieces else ""


def _without(text: str, shown: Sequence[str]) -> str:
    """A text with gaps where these stand in it."""
    for entry in shown:
        if len(entry) > 1:
            text = text.replace(entry, "|")
    return text


def _partner(text: str, numbers: Sequence[Number], at: int) -> Number | None:
    """The number that this one is said to be of: `3/10`, `54 of 60`."""
    if at + 1 == len(numbers):
        return None
    between = text[numbers[at].end : numbers[at + 1].start]
    return numbers[at + 1] if _RATIO.fullmatch(between) else None


def _counter(
    number: Number, said: Name, expressed: Name, label: str, counters: Sequence[str], partner: Number | None
) -> str:
    """The word of the counter that a number is; nothing where it is none."""
    if not number.whole or number.percent or number.value < 0:
        return ""
    tail: list[str] = re.findall(r"[a-z]+", label.lower().replace("_", " "))[-2:]
    after_a_number = label.lower().split()[:1] == ["of"]  # `10/100 of epoch 3`, not `number of epochs 3`
    if tail and tail[-1] in COUNTERS and (len(tail) < 2 or tail[-2] not in _NOT_OF_NOW or after_a_number):
        return tail[-1]
    name = number.field.name if number.field is not None else ""
    if said.kind == "metric" and expressed.kind == "counter" and partner is None:
        return expressed.metric  # `Train loss 12 0.345`
    if name in counters and tail and tail[-1] not in OTHER and said.kind != "metric":
        return name_of(name).metric if expressed.kind == "counter" else name
    if partner is not None and partner.whole and said.kind == "other" and expressed.kind == "counter":
        return expressed.metric  # `id: resnet (3/10)`
    if label and said.kind in ("metric", "other"):
        return ""
    if name and (expressed.kind == "counter" or name in counters):
        return name_of(name).metric if expressed.kind == "counter" else name
    if not label and partner is not None and number.enclosed:  # `Acc: 14.7% (18/128)`: what that is of
        return ""
    if not label and partner is not None and partner.whole and partner.value >= number.value and not name:
        return "batch"
    if not label and partner is not None and partner.whole and expressed.kind == "":
        return "batch"
    return ""


_NOT_OF_NOW = frozenset(
    "per of number num total n start starting initial max maximum min minimum warmup every each".split()
)
"""Words before a counter which is then not that of now."""


def _is_count(text: str, number: Number, before: str) -> bool:
    """Whether a number counts what the next word names, in the midst of a label."""
    after = text[number.end : number.end + 24]
    follows = re.match(r"\s+([A-Za-z]+)", after)
    if follows is None or re.search(r"[:=|]\s*$", before):
        return False
    return bool(re.search(r"\b(?:the|of|on|all|first|last|for|in|with|using)\s*$", before.lower()))


def _named(said: Name, expressed: Name, number: Number, label: str) -> tuple[Name, bool]:
    """The name of a value, and whether it is known as a metric's."""
    if said.kind == "metric":
        plain = number.whole and not number.percent and said.metric in _WHOLE and expressed.kind != "metric"
        return (NOTHING, False) if plain else (said, True)
    fraction = not number.whole and not number.percent and "/" not in label
    if said.kind == "counter" and fraction and expressed.kind != "metric":
        return said, False  # `IT=0.5`
    if said.kind == "other" and fraction and said.metric and weighs(said):
        return said, False  # `loss 0.5, KL weight 0.1`
    if said.kind == "other" or (said.kind == "counter" and expressed.kind != "metric"):
        return NOTHING, False
    own = said.metric and label.islower() and label.isidentifier() and not _made(number, label)
    if expressed.kind == "metric" and own and said.kind != "counter" and said.metric not in _NO_NAMES:
        return said, True
    if expressed.kind == "metric" and number.field is not None:
        if own and said.metric in _SUMS and said.metric not in expressed.metric:  # `total: {content_loss + style_loss}`
            return Name(f"{said.metric}_{expressed.metric.rpartition('_')[2]}", expressed.split or said.split, ""), True
        return Name(expressed.metric, expressed.split or said.split, ""), True
    if expressed.kind in ("other", "counter"):
        return NOTHING, False
    if number.whole or number.percent:
        return NOTHING, False
    if said.metric:
        return said, False
    return expressed, False


_RATE = lazily(r"acc|rate$|ratio$|precision|recall")
"""Metrics that are a share, of which `450/500` is one."""

_SUMS = frozenset({"total", "sum", "overall"})
_NO_NAMES = frozenset(
    "result results final test train value best current average mean total overall out output".split()
)


def _made(number: Number, label: str) -> bool:
    """Whether a label is a text that was printed by an expression."""
    return label in number.labels


def _qualifier(text: str, fields: Sequence[Field]) -> str:
    """The one text among what was printed that tells what the numbers are of: `plane`, `Random forest`."""
    found = [text[f.start : f.end].replace("\0", "").strip() for f in fields if f.text]
    found = [entry for entry in found if not name_of(entry).split and ":" not in entry]
    found = [entry for entry in found if entry not in ("True", "False", "None")]
    told = [entry for entry in found if 0 < len(entry) <= 40 and _LETTER.search(entry) and "/" not in entry]
    return told[0] if len(told) == 1 and len(found) == 1 and name_of(told[0]).kind not in ("metric", "counter") else ""


def coarse(counters: dict[str, tuple[int, int | None]]) -> str | None:
    """The counter of a line that others begin anew with."""
    return next((word for word in counters if word in COARSE), None)
