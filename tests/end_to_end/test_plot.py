"""`autotrack plot`: what is drawn is what was recorded."""

from __future__ import annotations

import json
import math
import re
import time

import numpy
import pytest

from autotrack.cli import axes, curves
from tests.end_to_end.conftest import CommandLine

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
BRAILLE = re.compile("[\u2801-\u28ff]")

PROGRAM = """
import math, autotrack
autotrack.enable()
for size in (1, 2):
    with autotrack.run(f"net {size}"):
        for step in range(100):
            loss = 1 / (step + size)
            autotrack.log({"train/loss": loss, "valid/loss": 2 * loss, "rising": float(step)}, step)
        autotrack.log({"test/accuracy": 0.9})
with autotrack.run("odd"):
    for value in (1.0, math.nan, -1.0, math.inf, 4.0, 1e308):
        autotrack.log({"wild": value})
with autotrack.run("one"):
    autotrack.log({"score": 3.0})
with autotrack.run("diverged"):
    autotrack.log({"loss": math.nan})
with autotrack.run("none"):
    autotrack.log({"text": "no number"})
"""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    made = CommandLine(tmp_path_factory.mktemp("drawn"))
    made.program(PROGRAM)
    made("run", "train.py")
    return made


def run_of(drawn: CommandLine, name: str) -> str:
    (id,) = (run["id"] for run in drawn.lines("ls") if run["name"] == name)
    return str(id)


def test_in_a_pipe_each_curve_has_a_chart_of_80_columns(drawn: CommandLine) -> None:
    lines = drawn("plot", run_of(drawn, "net 1")).stdout.splitlines()
    assert [line for line in lines if line in ("train/loss", "valid/loss", "rising", "test/accuracy")] == [
        "train/loss", "valid/loss", "rising",
    ]  # fmt: skip
    assert max(map(len, lines)) == 80
    assert not COLOUR.search("".join(lines))
    assert not any(line != line.rstrip() for line in lines)


def test_a_straight_line_is_drawn_from_corner_to_corner_beside_true_labels(drawn: CommandLine) -> None:
    lines = drawn("plot", run_of(drawn, "net 1"), "rising").stdout.splitlines()
    rows = lines[1 : 1 + curves.HEIGHT]
    assert BRAILLE.search(rows[0]).start() > 70  # type: ignore[union-attr]
    assert BRAILLE.search(rows[-1]).start() < 10  # type: ignore[union-attr]
    starts = [BRAILLE.search(row).start() for row in rows]  # type: ignore[union-attr]
    assert starts == sorted(starts, reverse=True)
    marks = {row.split()[0]: at for at, row in enumerate(rows) if "┤" in row}
    assert list(marks) == ["80", "60", "40", "20", "0"]
    for text, row in marks.items():
        assert row == pytest.approx((1 - int(text) / 99) * (curves.HEIGHT - 1), abs=1)
    assert lines[-1].split() == ["0", "20", "40", "60", "80"]


def test_on_a_terminal_splits_share_a_chart_and_differ_in_colour(drawn: CommandLine) -> None:
    id = run_of(drawn, "net 1")
    for columns in (40, 80, 120):
        printed = drawn.terminal("plot", id, columns=columns)
        plain = COLOUR.sub("", printed).splitlines()
        assert max(map(len, plain)) <= columns
        assert "loss" in plain
        assert "train/loss" not in plain  # but in the legend
        assert [line.split()[-1] for line in plain if "──" in line and "/" in line] == ["train/loss", "valid/loss"]
        assert {"94", "33"} <= {code for found in COLOUR.findall(printed) for code in re.findall(r"\d+", found)}
    without = drawn.terminal("plot", id, env={"NO_COLOR": "1"})
    assert not re.search(r"\x1b\[[0-9;]*[39][0-7]m", without)
    assert "train/loss" in COLOUR.sub("", without).splitlines()


def test_several_runs_and_time(drawn: CommandLine) -> None:
    first, second = run_of(drawn, "net 1"), run_of(drawn, "net 2")
    words = ("plot", first, second, "--metric", "train/loss", "--log", "--x", "time")
    plain = COLOUR.sub("", drawn.terminal(*words)).splitlines()
    legend = [line for line in plain if "──" in line and "net" in line]
    assert [line.split()[-2:] for line in legend] == [["net", "1"], ["net", "2"]]
    assert first[:8] in legend[0]
    assert " s" in plain[-4] + plain[-3]
    assert "0.01" in [line.split()[0] for line in plain if "┤" in line]
    assert len(drawn(*words).stdout.split("train/loss")) == 3
    points = [json.loads(line) for line in drawn(*words, "--json").stdout.splitlines()]
    assert {tuple(point) for point in points} == {("run", "name", "step", "time", "value")}
    assert [p["value"] for p in points if p["run"] == second] == [1 / (step + 2) for step in range(100)]


def test_no_chart_has_more_curves_than_colours(cli: CommandLine) -> None:
    many = len(curves.COLOURS) + 1
    cli.program(
        f"import autotrack\nautotrack.enable()\nfor number in range({many}):\n"
        "    with autotrack.run(f'net {number}'):\n"
        "        for step in range(3):\n            autotrack.log({'loss': step * number}, step)\n"
    )
    cli("run", "train.py")
    words = ("plot", *(run["id"] for run in cli.lines("ls")), "-m", "loss")
    plain = COLOUR.sub("", cli.terminal(*words)).splitlines()
    assert sum("──" in line and "net" in line for line in plain) == many - 1
    assert sum(line == "loss" for line in plain) == 1
    assert sum(line.startswith("loss  ") for line in plain) == 1  # the one that is left has a chart of its own
    assert len([line for line in cli(*words).stdout.splitlines() if line.startswith("loss  ")]) == many


def test_what_can_not_be_drawn_is_told(drawn: CommandLine) -> None:
    odd = run_of(drawn, "odd")
    shown = drawn("plot", odd).stdout
    assert "wild: of 6 points, 1 NaN (the first at 1), 1 infinite (the first at 3), 1 too large to draw" in shown
    assert "2 not positive" not in shown
    assert "1 not positive (the first at 2)" in drawn("plot", odd, "wild", "--log").stdout
    values = [json.loads(line)["value"] for line in drawn("plot", odd, "--json").stdout.splitlines()]
    assert values == [1.0, "NaN", -1.0, "Infinity", 4.0, 1e308]
    assert "no value that can be drawn" in drawn("plot", run_of(drawn, "diverged")).stdout


def test_one_point_is_a_dot(drawn: CommandLine) -> None:
    lines = drawn("plot", run_of(drawn, "one")).stdout
    assert len(BRAILLE.findall(lines)) == 1
    (marked,) = [line for line in lines.splitlines() if BRAILLE.search(line)]
    assert marked.split()[0] == "3"


def test_what_is_not_there_is_told(drawn: CommandLine, trained: CommandLine) -> None:
    assert "has no points" in drawn("plot", run_of(drawn, "none"), code=1).stderr
    wrong = drawn("plot", run_of(drawn, "net 1"), "los", code=1).stderr
    assert "no metric 'los'; there are: rising, test/accuracy, train/loss, valid/loss" in wrong
    trial = f"{trained.lines('ls')[0]['id']}.1"
    for words in (("plot", trial), ("plot", trial, "cv/r2"), ("export", trial, "--points")):
        told = trained(*words, code=1)
        assert "each a single value, but no points; see them with: autotrack show" in told.stderr
        assert told.stdout == ""


def test_where_braille_is_not_to_be_had(drawn: CommandLine) -> None:
    shown = drawn("plot", run_of(drawn, "net 1"), "rising", env={"PYTHONIOENCODING": "ascii"}).stdout
    assert shown.isascii()
    assert shown.count("*") > 60
    assert "\\u" not in shown


@pytest.mark.parametrize("log", [False, True])
def test_a_million_points_are_thinned_and_keep_their_extremes(log: bool) -> None:
    steps = numpy.arange(1_000_000)
    values = 2 + numpy.sin(steps / 1e5)
    values[123_457], values[654_321], values[777_777] = 1000.0, 0.001, math.nan
    began = time.thread_time()
    thinned = curves.drawable(curves.Curve("loss", steps, values, len(values)), log, 100)
    lines = [line.plain for line in curves.chart("loss", [thinned], log=log, unit="", width=100)]
    assert time.thread_time() - began < 2
    assert len(thinned.x) <= 5 * 2 * 100
    for step in (0, 123_457, 654_321, 999_999):
        assert thinned.y[thinned.x == step] == [values[step]]
    assert numpy.isnan(thinned.y[thinned.x == 777_777])
    assert thinned.told == "loss: of 1,000,000 points, 1 NaN (the first at 777777)"
    assert BRAILLE.search(lines[1])


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1), (0.46, 1.05), (1e6, 1e6 + 1), (-1e300, 1e300), (1e-290, 2e-290), (-3, 7), (0.099, 0.1001), (0, 2**63)],
)
@pytest.mark.parametrize("log", [False, True])
def test_labels_are_the_values_at_which_they_stand(low: float, high: float, log: bool) -> None:
    if log and low <= 0:
        return
    axis = axes.axis([numpy.array([low, math.nan, high])], log=log)
    for most in (2, 5, 20):
        marks = axes.marks(axis, most)
        assert 1 <= len(marks) <= most + 1
        for value, text in marks:
            assert low <= value <= high
            assert float(text) == pytest.approx(value, rel=1e-9, abs=(high - low) * 1e-9)
        assert len({text for _, text in marks}) == len(marks)


def test_dots() -> None:
    canvas = curves.Canvas(3, 1)
    canvas.draw(numpy.array([0.0, 3.0, 4.0, 5.0]), numpy.array([0.0, 3.0, math.nan, 1.0]), 0)
    canvas.draw(numpy.array([5.0]), numpy.array([3.0]), 1)
    assert list(canvas.lines(True)) == [[("\u2811\u2884", 0), ("\u2890", 1)]]
    assert list(canvas.lines(False)) == [[("**", 0), ("*", 1)]]


def test_long_series_whose_previews_do_not_tell_all(cli: CommandLine) -> None:
    """Points of one step, where it counts how many were before; and on a logarithmic scale, the least above 0."""
    cli.program("""
import autotrack
autotrack.enable()
with autotrack.run("passes"):
    for number in range(260_000):
        autotrack.log({"found": float(number == 130_000)}, 5)
with autotrack.run("sparse"):
    for number in range(260_000):
        small = 1e-9 if number % 2 and 100_000 < number < 140_000 else 1.0
        autotrack.log({"share": small if number % 3 else 0.0}, number)
""")
    cli("run", "train.py")
    passes, sparse = (run_of(cli, name) for name in ("passes", "sparse"))
    rows = cli("plot", passes, "found").stdout.splitlines()[1 : 1 + curves.HEIGHT]
    left, right = (match(rows[-1]) for match in (_first_dot, _last_dot))
    assert _first_dot(rows[0]) == pytest.approx((left + right) / 2, abs=2)
    rows = cli("plot", sparse, "share", "--log").stdout.splitlines()[1 : 1 + curves.HEIGHT]
    dips = BRAILLE.findall(rows[-1])
    assert len(dips) == pytest.approx(80 * 40 / 260, abs=3)


def _first_dot(row: str) -> int:
    return min(match.start() for match in BRAILLE.finditer(row))


def _last_dot(row: str) -> int:
    return max(match.start() for match in BRAILLE.finditer(row))
