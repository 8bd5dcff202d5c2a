"""Tables that a program prints line by line: a heading, then rows of numbers; and classification reports."""

from __future__ import annotations

import re
from collections.abc import Sequence

from autotrack.patterns import lazily
from autotrack.printed.lines import Line
from autotrack.printed.numbers import Field, numbers_in
from autotrack.printed.words import COUNTERS, Name, name_of

_CELLS = lazily(r"\s*[|│]\s*|\t+|\s{2,}|\s*,\s*")
_LETTERS = lazily(r"[^\W\d_]")
_RULE = lazily(r"[\s|│+=\-─━_┼:]*")
_REPORT = ("precision", "recall", "f1-score", "support")


class Tables:
    """By thread, the heading that rows may follow."""

    def __init__(self) -> None:
        self._headings: dict[int, list[str]] = {}

    def row(self, thread: int, text: str, fields: Sequence[Field], counters: Sequence[str]) -> Line | None:
        """What a line says as a row of the table that is being printed; None where it is none."""
        if not text.strip() or _RULE.fullmatch(text):
            return None
        heading = self._headings.get(thread)
        numbers = numbers_in(text, fields)
        if not numbers:
            cells = [cell for cell in _CELLS.split(text.strip(" |│")) if cell]
            if len(cells) == 1 and len(text.split()) > 2 and not re.search(r"[.:,]", text):
                cells = text.split()
            known = [name_of(cell).kind for cell in cells]
            good = len(cells) > 1 and all(_LETTERS.search(cell) and len(cell) <= 30 for cell in cells)
            if good and "metric" in known:
                self._headings[thread] = cells
            elif len(text.split()) > 1:
                self._headings.pop(thread, None)
            return None
        if heading is None:
            return None
        if tuple(heading) == _REPORT:
            return _report(text, [number.value for number in numbers])
        if _labelled(text):
            self._headings.pop(thread, None)
            return None
        cells = [cell for cell in _CELLS.split(text.strip(" |│")) if cell]
        if len(cells) == len(heading):
            return _cells(heading, cells)
        before = text[: numbers[0].start].strip(" |│\t")
        columns = heading[len(heading) - len(numbers) :]
        if len(numbers) != len(heading) and not (before and len(numbers) == len(heading) - 1):
            return None
        told = name_of(before)
        before = "" if told.kind == "counter" or (told.split and told.metric == before.lower()) else before
        line = Line()
        for column, number in zip(columns, numbers, strict=True):
            name = name_of(column)
            if number.whole and (name.kind == "counter" or (name.metric in COUNTERS)):
                line.counters[name.metric] = int(number.value), None
            elif name.kind == "metric":
                full = str(Name(name.metric, name.split, ""))
                line.values.append((f"{full} ({before})" if before else full, number.value, True))
            elif name.kind == "" and not number.whole and name.metric:
                line.values.append((str(name), number.value, False))
        return line


def _cells(heading: Sequence[str], cells: Sequence[str]) -> Line:
    """A row with a cell for each column of the heading."""
    line = Line()
    told = [cell for cell in cells if not numbers_in(cell) and _LETTERS.search(cell)]
    for column, cell in zip(heading, cells, strict=True):
        numbers = numbers_in(cell)
        name = name_of(column)
        if not numbers:
            continue
        first = numbers[0]
        if first.whole and name.metric in COUNTERS:
            line.counters[name.metric] = int(first.value), None
        elif name.kind == "metric":
            full = str(Name(name.metric, name.split, ""))
            line.values.append((f"{full} ({told[0]})" if len(told) == 1 else full, first.value, True))
        elif name.kind == "" and not first.whole and name.metric:
            line.values.append((str(name), first.value, False))
    return line


def _labelled(text: str) -> bool:
    """Whether numbers have labels in the line itself."""
    return bool(re.search(r"[A-Za-z]\w*\s*[:=]\s*[-+\d.]", text))


def _report(text: str, numbers: Sequence[float]) -> Line:
    """A row of what `sklearn.metrics.classification_report` prints."""
    line = Line()
    label = re.match(r"\s*(.*?)\s{2,}", text)
    name = label[1].strip() if label else text.split()[0]
    values = list(numbers[-4:]) if name != "accuracy" else list(numbers)
    if name == "accuracy" and len(values) == 2:
        line.values.append(("accuracy", values[0], True))
    elif len(values) == 4:
        line.values += [(f"{column} ({name})", value, True) for column, value in zip(_REPORT[:3], values, strict=False)]
    return line
